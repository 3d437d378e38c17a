import type { Plugin } from '../framework.ts';
import type { NodeInfo, PodInfo } from '../node-info.ts';

const SCORED = ['cpu', 'memory'];

/** Enough of every requested resource must be free; the emptier node is the better one (least allocated). */
export const nodeResourcesFit: Plugin = {
  name: 'NodeResourcesFit',
  weight: 1,
  wakesOn: ['node-added', 'node-allocatable', 'pod-removed'],
  filter(pod, node) {
    const reasons: string[] = [];
    const allowed = node.allocatable.get('pods') ?? 0;
    if (node.pods.size + 1 > allowed) reasons.push('Too many pods');
    for (const [name, amount] of pod.requests) {
      const free = (node.allocatable.get(name) ?? 0) - (node.requested.get(name) ?? 0);
      if (amount > 0 && amount > free) reasons.push(`Insufficient ${name}`);
    }
    return reasons.length === 0 ? undefined : reasons;
  },
  score(pod, node) {
    const shares = allocatedShares(pod, node);
    if (shares.length === 0) return 0;
    return (shares.reduce((sum, share) => sum + (1 - share), 0) / shares.length) * 100;
  },
};

/** How much of cpu and memory would be allocated with the pod there, 0…1; resources that the node lacks are left out. */
export function allocatedShares(pod: PodInfo, node: NodeInfo): number[] {
  const shares: number[] = [];
  for (const name of SCORED) {
    const capacity = node.allocatable.get(name) ?? 0;
    if (capacity === 0) continue;
    const wanted = (node.requestedForScore.get(name) ?? 0) + (pod.requestsForScore.get(name) ?? 0);
    shares.push(Math.min(1, wanted / capacity));
  }
  return shares;
}
