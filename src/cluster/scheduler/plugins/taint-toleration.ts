import type { Taint, Toleration } from '../../api/generated/core-v1.ts';
import { normalizeByMax, type Plugin } from '../framework.ts';

/** Keeps pods off nodes whose taints they do not tolerate; a `PreferNoSchedule` taint only costs points. */
export const taintToleration: Plugin = {
  name: 'TaintToleration',
  weight: 3,
  wakesOn: ['node-added', 'node-taints'],
  filter(pod, node) {
    const taints = node.node?.spec?.taints;
    if (taints === undefined) return undefined;
    const tolerations = pod.pod.spec?.tolerations ?? [];
    const taint =
      taints.find(({ effect }) => effect === 'NoSchedule' || effect === 'NoExecute') &&
      taints.find(
        (each) =>
          (each.effect === 'NoSchedule' || each.effect === 'NoExecute') &&
          !tolerations.some((toleration) => tolerates(toleration, each)),
      );
    if (taint === undefined) return undefined;
    return [`node(s) had untolerated taint {${taint.key ?? ''}: ${taint.value ?? ''}}`];
  },
  score(pod, node) {
    const tolerations = (pod.pod.spec?.tolerations ?? []).filter(
      ({ effect = '' }) => effect === '' || effect === 'PreferNoSchedule',
    );
    return (node.node?.spec?.taints ?? []).filter(
      (taint) =>
        taint.effect === 'PreferNoSchedule' &&
        !tolerations.some((toleration) => tolerates(toleration, taint)),
    ).length;
  },
  normalize: (scores) => normalizeByMax(scores, true),
};

/** An empty effect or key stands for all; `Exists` for every value. */
export function tolerates(toleration: Toleration, taint: Taint): boolean {
  const { effect = '', key = '', operator = '', value = '' } = toleration;
  if (effect !== '' && effect !== taint.effect) return false;
  if (key !== '' && key !== taint.key) return false;
  if (operator === 'Exists') return true;
  const actual = taint.value ?? '';
  if (operator === 'Lt' || operator === 'Gt') {
    if (!/^-?\d+$/.test(value) || !/^-?\d+$/.test(actual)) return false;
    return operator === 'Lt' ? Number(actual) < Number(value) : Number(actual) > Number(value);
  }
  return key !== '' && value === actual;
}
