import type { ResourceRequirements } from '../api/generated/core-v1.ts';

/** What is on the runtime, in this room's words; made from CRI messages by runtime-view.ts. Times: ms since the epoch. */
export interface ObservedContainer {
  readonly id: string;
  readonly name: string;
  readonly sandboxId: string;
  readonly state: 'created' | 'running' | 'exited' | 'unknown';
  /** How often the container had been started before. */
  readonly restartCount: number;
  /** Of the part of the container's spec that cannot change under it. */
  readonly hash: string;
  readonly createdAt: number;
  /** 0 until it happens. */
  readonly startedAt: number;
  readonly finishedAt: number;
  readonly exitCode: number;
  /** The runtime's words: `Completed`, `Error`, `OOMKilled`. */
  readonly reason: string;
  readonly message: string;
  readonly image: string;
  readonly imageId: string;
  /** The limits that the runtime says are in force; absent when it does not say. */
  readonly limits?: ContainerLimits;
  /** What the container's resources were when it was made; absent when somebody else made it. */
  readonly madeWith?: ResourceRequirements;
}

/** In the kernel's units, v1's for CPU; 0 is none. */
export interface ContainerLimits {
  readonly cpuShares: number;
  readonly cpuPeriod: number;
  readonly cpuQuota: number;
  readonly memoryBytes: number;
}

export interface ObservedSandbox {
  readonly id: string;
  readonly state: 'ready' | 'not-ready';
  readonly attempt: number;
  readonly createdAt: number;
  /** Empty with the host's network or before there is one. */
  readonly ips: readonly string[];
}

export interface ObservedPod {
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
  /** Newest first. */
  readonly sandboxes: readonly ObservedSandbox[];
  /** Newest first. */
  readonly containers: readonly ObservedContainer[];
}

export function emptyPod(pod: {
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
}): ObservedPod {
  return { ...pod, sandboxes: [], containers: [] };
}

/** The newest container of that name, in any sandbox. */
export function newest(observed: ObservedPod, name: string): ObservedContainer | undefined {
  return observed.containers.find((container) => container.name === name);
}

/** The sandbox that the pod's containers run in now. */
export function currentSandbox(observed: ObservedPod): ObservedSandbox | undefined {
  const [first] = observed.sandboxes;
  return first?.state === 'ready' ? first : undefined;
}
