import type { FilterPlugin } from '../framework.ts';
import { anyTolerates } from './tolerations.ts';

const REASONS = ['node(s) were unschedulable'];

/** The taint that stands for `spec.unschedulable`; who tolerates it may go there all the same. */
const TAINT = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' };

/** Keeps pods off cordoned nodes. */
export const nodeUnschedulable: FilterPlugin = {
  name: 'NodeUnschedulable',
  preFilter: ({ pod }) => (anyTolerates(pod.spec?.tolerations, TAINT) ? { kind: 'skip' } : undefined),
  filter: (_pod, node) => (node.node?.spec?.unschedulable === true ? REASONS : undefined),
};
