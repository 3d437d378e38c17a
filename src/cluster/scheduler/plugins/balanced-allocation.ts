import { MAX_SCORE, type ScorePlugin } from '../framework.ts';

/** Prefers nodes whose cpu and memory would be used to a like degree, so that neither strands the other. */
export const balancedAllocation: ScorePlugin = {
  name: 'NodeResourcesBalancedAllocation',
  // A pod that requests nothing tips no balance.
  preScore: ({ requests }) => requests.milliCpu > 0 || requests.memory > 0,
  score({ requests }, { allocatable, requested }) {
    const cpu = share(requested.milliCpu + requests.milliCpu, allocatable.milliCpu);
    const memory = share(requested.memory + requests.memory, allocatable.memory);
    // The standard deviation of two values is half their distance.
    const deviation = cpu === undefined || memory === undefined ? 0 : Math.abs(cpu - memory) / 2;
    return Math.floor((1 - deviation) * MAX_SCORE);
  },
};

function share(requested: number, allocatable: number): number | undefined {
  return allocatable === 0 ? undefined : Math.min(requested / allocatable, 1);
}
