import type { FilterPlugin } from '../framework.ts';

const REASONS = ["node(s) didn't match the requested node name"];

/** A pod that names a node goes there or nowhere. */
export const nodeName: FilterPlugin = {
  name: 'NodeName',
  preFilter: ({ pod }) => ((pod.spec?.nodeName ?? '') === '' ? { kind: 'skip' } : undefined),
  filter: ({ pod }, node) => (pod.spec?.nodeName === node.name ? undefined : REASONS),
};
