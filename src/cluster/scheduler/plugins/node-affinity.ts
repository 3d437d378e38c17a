import type { NodeSelectorRequirement, NodeSelectorTerm } from '../../api/generated/core-v1.ts';
import { normalizeByMax, type Plugin } from '../framework.ts';
import type { NodeInfo } from '../node-info.ts';

/** `nodeSelector` and required node affinity must hold; preferred terms earn their weight. */
export const nodeAffinity: Plugin = {
  name: 'NodeAffinity',
  weight: 2,
  wakesOn: ['node-added', 'node-labels'],
  filter(pod, node) {
    const { nodeSelector, affinity } = pod.pod.spec ?? {};
    const labels = node.node?.metadata?.labels ?? {};
    const selected = Object.entries(nodeSelector ?? {}).every(([key, value]) => labels[key] === value);
    const terms = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
    if (selected && (terms === undefined || terms.some((term) => termHolds(term, node)))) return undefined;
    return ["node(s) didn't match Pod's node affinity/selector"];
  },
  score(pod, node) {
    const preferred =
      pod.pod.spec?.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
    return preferred.reduce(
      (sum, { weight = 0, preference = {} }) => sum + (termHolds(preference, node) ? weight : 0),
      0,
    );
  },
  normalize: (scores) => normalizeByMax(scores, false),
};

/** All of a term's requirements must hold; a term without any matches nothing. */
export function termHolds(term: NodeSelectorTerm, node: NodeInfo): boolean {
  const { matchExpressions = [], matchFields = [] } = term;
  if (matchExpressions.length + matchFields.length === 0) return false;
  const labels = node.node?.metadata?.labels ?? {};
  return (
    matchExpressions.every((requirement) => holds(requirement, labels[requirement.key ?? ''])) &&
    matchFields.every((requirement) => requirement.key === 'metadata.name' && holds(requirement, node.name))
  );
}

function holds({ operator, values = [] }: NodeSelectorRequirement, value: string | undefined): boolean {
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    case 'Gt':
    case 'Lt': {
      const limit = values[0] ?? '';
      if (value === undefined || !/^-?\d+$/.test(value) || !/^-?\d+$/.test(limit)) return false;
      return operator === 'Gt' ? Number(value) > Number(limit) : Number(value) < Number(limit);
    }
    default:
      return false;
  }
}
