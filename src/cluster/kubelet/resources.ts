import type { LinuxContainerResources } from '../../container/cri/generated/types.ts';
import type { Container, Pod } from '../api/generated/core-v1.ts';
import { containersOf, initContainersOf, isSidecar } from './pod-terms.ts';
import { parseQuantity } from './quantities.ts';

export type QosClass = 'Guaranteed' | 'Burstable' | 'BestEffort';

const PERIOD_US = 100_000;
/** The kernel refuses less (kernel/sched/core.c, min_cfs_quota_period). */
const MIN_QUOTA_US = 1000;
const MIN_SHARES = 2;
const MAX_SHARES = 262_144;

interface Wanted {
  readonly cpuRequest?: number;
  readonly cpuLimit?: number;
  readonly memoryRequest?: number;
  readonly memoryLimit?: number;
}

/** Requests default to limits. Cores and bytes. */
function wanted(container: Pick<Container, 'resources'>): Wanted {
  const { requests, limits } = container.resources ?? {};
  const read = (map: typeof requests, name: string): number | undefined =>
    map?.[name] === undefined ? undefined : parseQuantity(map[name]);
  const cpuLimit = read(limits, 'cpu');
  const memoryLimit = read(limits, 'memory');
  const cpuRequest = read(requests, 'cpu') ?? cpuLimit;
  const memoryRequest = read(requests, 'memory') ?? memoryLimit;
  return {
    ...(cpuRequest === undefined ? {} : { cpuRequest }),
    ...(cpuLimit === undefined ? {} : { cpuLimit }),
    ...(memoryRequest === undefined ? {} : { memoryRequest }),
    ...(memoryLimit === undefined ? {} : { memoryLimit }),
  };
}

/**
 * The quality of service class: Guaranteed when every container has equal requests and limits of cpu and memory,
 * BestEffort when none has any, Burstable otherwise.
 */
export function qosClass(pod: Pod): QosClass {
  const all = [...initContainersOf(pod), ...containersOf(pod)].map(wanted);
  const none = all.every((one) => !Object.values(one).some((value) => value > 0));
  if (none) return 'BestEffort';
  const guaranteed = all.every(
    (one) =>
      (one.cpuLimit ?? 0) > 0 &&
      (one.memoryLimit ?? 0) > 0 &&
      one.cpuRequest === one.cpuLimit &&
      one.memoryRequest === one.memoryLimit,
  );
  return guaranteed ? 'Guaranteed' : 'Burstable';
}

/** Who the kernel kills first when memory runs out: -997 spared, 1000 first; Burstable by how little it asked for. */
export function oomScoreAdj(pod: Pod, container: Container, nodeMemoryBytes: number): number {
  const qos = qosClass(pod);
  if (qos === 'Guaranteed') return -997;
  if (qos === 'BestEffort') return 1000;
  const request = wanted(container).memoryRequest ?? 0;
  const score = 1000 - Math.floor((1000 * request) / nodeMemoryBytes);
  return Math.min(Math.max(score, 3), 999);
}

export function cpuShares(cores: number): number {
  return Math.min(Math.max(Math.floor(cores * 1024), MIN_SHARES), MAX_SHARES);
}

/** What the container's cgroup gets. */
export function linuxResources(
  pod: Pod,
  container: Container,
  nodeMemoryBytes: number,
): LinuxContainerResources {
  const { cpuRequest = 0, cpuLimit = 0, memoryLimit = 0 } = wanted(container);
  return {
    cpuShares: cpuShares(cpuRequest),
    ...(cpuLimit > 0
      ? { cpuPeriod: PERIOD_US, cpuQuota: Math.max(Math.floor(cpuLimit * PERIOD_US), MIN_QUOTA_US) }
      : {}),
    ...(memoryLimit > 0 ? { memoryLimitInBytes: Math.ceil(memoryLimit) } : {}),
    oomScoreAdj: oomScoreAdj(pod, container, nodeMemoryBytes),
  };
}

/** What the scheduler and this node count for a pod (KEP-753 for sidecars, KEP-2837 for the pod as a whole). Millicores, rounded up, and bytes. */
export function podRequests(pod: Pod): { readonly cpu: number; readonly memory: number } {
  const whole = wanted({ resources: pod.spec?.resources });
  const sum = (pick: (one: Wanted) => number | undefined): number => {
    const ofPod = pick(whole);
    if (ofPod !== undefined) return ofPod;
    const own = containersOf(pod).reduce((total, one) => total + (pick(wanted(one)) ?? 0), 0);
    let sidecars = 0;
    let peak = 0;
    for (const one of initContainersOf(pod)) {
      const amount = pick(wanted(one)) ?? 0;
      if (isSidecar(one)) sidecars += amount;
      peak = Math.max(peak, sidecars + (isSidecar(one) ? 0 : amount));
    }
    return Math.max(own + sidecars, peak);
  };
  const overhead = (name: string): number => parseQuantity(pod.spec?.overhead?.[name] ?? 0);
  return {
    cpu: sum(({ cpuRequest: cores }) => cores && Math.ceil(cores * 1000)) + Math.ceil(overhead('cpu') * 1000),
    memory: sum(({ memoryRequest: bytes }) => bytes && Math.ceil(bytes)) + Math.ceil(overhead('memory')),
  };
}

/** The whole pod's, for the sandbox's cgroup. */
export function podLinuxResources(pod: Pod): LinuxContainerResources {
  const all = containersOf(pod).map(wanted);
  const sum = (pick: (one: Wanted) => number | undefined): number =>
    all.reduce((total, one) => total + (pick(one) ?? 0), 0);
  const limited = (pick: (one: Wanted) => number | undefined): boolean =>
    all.every((one) => (pick(one) ?? 0) > 0);
  return {
    cpuShares: cpuShares(sum((one) => one.cpuRequest)),
    ...(limited((one) => one.cpuLimit)
      ? {
          cpuPeriod: PERIOD_US,
          cpuQuota: Math.max(Math.floor(sum((one) => one.cpuLimit) * PERIOD_US), MIN_QUOTA_US),
        }
      : {}),
    ...(limited((one) => one.memoryLimit)
      ? { memoryLimitInBytes: Math.ceil(sum((one) => one.memoryLimit)) }
      : {}),
  };
}
