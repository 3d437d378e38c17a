import type { Toleration } from '../../api/generated/core-v1.ts';
import type { FilterPlugin, ScorePlugin, StateKey } from '../framework.ts';
import { normalizeScores } from './normalize.ts';
import { anyTolerates } from './tolerations.ts';

const SOFT: StateKey<readonly Toleration[]> = { description: 'tolerations of PreferNoSchedule' };

/** Keeps pods off nodes with taints they do not tolerate, and away from nodes that would rather not have them. */
export const taintToleration: FilterPlugin & ScorePlugin = {
  name: 'TaintToleration',
  filter({ pod }, node) {
    const taint = node.hardTaints.find((taint) => !anyTolerates(pod.spec?.tolerations, taint));
    if (taint === undefined) return undefined;
    return [`node(s) had untolerated taint {${taint.key ?? ''}: ${taint.value ?? ''}}`];
  },
  preScore({ pod }, nodes, state) {
    if (!nodes.some((node) => node.softTaints.length > 0)) return false;
    const soft = ({ effect = '' }: Toleration): boolean => effect === '' || effect === 'PreferNoSchedule';
    state.set(SOFT, (pod.spec?.tolerations ?? []).filter(soft));
    return true;
  },
  score(_pod, node, state) {
    const tolerations = state.get(SOFT);
    return node.softTaints.filter((taint) => !anyTolerates(tolerations, taint)).length;
  },
  normalize: (scores) => normalizeScores(scores, { reverse: true }),
};
