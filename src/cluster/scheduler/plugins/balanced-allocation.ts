import type { Plugin } from '../framework.ts';
import { allocatedShares } from './node-resources-fit.ts';

/** Prefers nodes whose cpu and memory fill up alike, so that neither strands the other. */
export const balancedAllocation: Plugin = {
  name: 'NodeResourcesBalancedAllocation',
  weight: 1,
  score(pod, node) {
    const shares = allocatedShares(pod, node);
    const mean = shares.reduce((sum, share) => sum + share, 0) / Math.max(1, shares.length);
    const variance = shares.reduce((sum, share) => sum + (share - mean) ** 2, 0) / Math.max(1, shares.length);
    return (1 - Math.sqrt(variance)) * 100;
  },
};
