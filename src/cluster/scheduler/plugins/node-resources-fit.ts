import { MAX_SCORE, type FilterPlugin, type ScorePlugin } from '../framework.ts';
import type { NodeInfo } from '../node-info.ts';
import type { PodInfo } from '../pod-info.ts';

/** Room for what the pod requests; among nodes with room, the emptiest (upstream's LeastAllocated). */
export const nodeResourcesFit: FilterPlugin & ScorePlugin = {
  name: 'NodeResourcesFit',
  filter: (pod, node) => (fits(pod, node) ? undefined : missing(pod, node)),
  score({ scoreRequests }, { allocatable, scoreRequested }) {
    const cpu = free(allocatable.milliCpu, scoreRequested.milliCpu + scoreRequests.milliCpu);
    const memory = free(allocatable.memory, scoreRequested.memory + scoreRequests.memory);
    if (cpu === undefined) return memory ?? 0;
    return memory === undefined ? cpu : Math.floor((cpu + memory) / 2);
  },
};

/** Allocates nothing: this runs for every node and pod. A pod that asks for none of a resource is never short of it. */
function fits(pod: PodInfo, node: NodeInfo): boolean {
  const { requests } = pod;
  const { allocatable, requested } = node;
  if (node.podCount + 1 > node.allowedPods) return false;
  if (requests.milliCpu > 0 && requests.milliCpu > allocatable.milliCpu - requested.milliCpu) return false;
  if (requests.memory > 0 && requests.memory > allocatable.memory - requested.memory) return false;
  const storage = allocatable.ephemeralStorage - requested.ephemeralStorage;
  if (requests.ephemeralStorage > 0 && requests.ephemeralStorage > storage) return false;
  for (const [name, amount] of requests.others)
    if (amount > 0 && amount > otherLeft(node, name)) return false;
  return true;
}

/** Every resource there is too little of, in upstream's words. */
function missing(pod: PodInfo, node: NodeInfo): string[] {
  const { requests } = pod;
  const { allocatable, requested } = node;
  const reasons: string[] = [];
  const check = (name: string, wanted: number, left: number): void => {
    if (wanted > 0 && wanted > left) reasons.push(`Insufficient ${name}`);
  };
  if (node.podCount + 1 > node.allowedPods) reasons.push('Too many pods');
  check('cpu', requests.milliCpu, allocatable.milliCpu - requested.milliCpu);
  check('memory', requests.memory, allocatable.memory - requested.memory);
  const storage = allocatable.ephemeralStorage - requested.ephemeralStorage;
  check('ephemeral-storage', requests.ephemeralStorage, storage);
  for (const [name, amount] of requests.others) check(name, amount, otherLeft(node, name));
  return reasons;
}

function otherLeft(node: NodeInfo, name: string): number {
  return (node.allocatable.others.get(name) ?? 0) - (node.requested.others.get(name) ?? 0);
}

/** The free share after placing; undefined where the node has none of the resource. */
function free(allocatable: number, requested: number): number | undefined {
  if (allocatable === 0) return undefined;
  return requested > allocatable ? 0 : Math.floor(((allocatable - requested) * MAX_SCORE) / allocatable);
}
