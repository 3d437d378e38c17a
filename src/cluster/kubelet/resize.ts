/**
 * Resizing pods in place (KEP-1287), the pure half. A pod's spec says what is wanted, its allocation what this node has
 * granted, and the runtime what is in force; each follows the one before it.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Container, Pod, ResourceRequirements } from '../api/generated/core-v1.ts';
import type { ContainerLimits, ObservedContainer, ObservedPod } from './observed.ts';
import { containersOf, initContainersOf, isSidecar } from './pod-terms.ts';
import { linuxResources, podRequests } from './resources.ts';

/** What the node has granted, by the container's name. */
export type Allocation = Readonly<Record<string, ResourceRequirements>>;

/** Of millicores and bytes. */
export interface NodeRoom {
  readonly cpu: number;
  readonly memoryBytes: number;
}

export interface Refusal {
  readonly reason: 'Deferred' | 'Infeasible';
  readonly message: string;
}

/** Only those that may change while they run. */
function resizable(pod: Pod): readonly Container[] {
  return [...initContainersOf(pod).filter(isSidecar), ...containersOf(pod)];
}

export function allocationOf(pod: Pod): Allocation {
  return Object.fromEntries(resizable(pod).map(({ name = '', resources = {} }) => [name, resources]));
}

/** The pod as the node has granted it. The same object when that is what its spec says. */
export function withAllocation(pod: Pod, allocation: Allocation): Pod {
  if (isDeepStrictEqual(allocationOf(pod), allocationFor(pod, allocation))) return pod;
  const granted = (container: Container): Container => {
    const resources = allocation[container.name ?? ''];
    return resources === undefined ? container : { ...container, resources };
  };
  const { initContainers, containers } = pod.spec ?? {};
  return {
    ...pod,
    spec: {
      ...pod.spec,
      ...(initContainers && {
        initContainers: initContainers.map((one) => (isSidecar(one) ? granted(one) : one)),
      }),
      ...(containers && { containers: containers.map(granted) }),
    },
  };
}

function allocationFor(pod: Pod, allocation: Allocation): Allocation {
  const own = allocationOf(pod);
  return Object.fromEntries(Object.keys(own).map((name) => [name, allocation[name] ?? own[name]!]));
}

/** Whether the pod, as its spec wants it, has room beside the others. */
export function refusal(pod: Pod, others: readonly Pod[], room: NodeRoom): Refusal | undefined {
  const asked = podRequests(pod);
  if (asked.memory > room.memoryBytes) return infeasible('memory', asked.memory, room.memoryBytes);
  if (asked.cpu > room.cpu) return infeasible('cpu', asked.cpu, room.cpu);
  const used = { cpu: 0, memory: 0 };
  for (const other of others) {
    const { cpu, memory } = podRequests(other);
    used.cpu += cpu;
    used.memory += memory;
  }
  for (const [name, capacity] of [
    ['cpu', room.cpu],
    ['memory', room.memoryBytes],
  ] as const) {
    if (asked[name] === 0 || used[name] + asked[name] <= capacity) continue;
    const amounts = `requested: ${asked[name]}, used: ${used[name]}, capacity: ${capacity}`;
    return { reason: 'Deferred', message: `Node didn't have enough resource: ${name}, ${amounts}` };
  }
  return undefined;
}

function infeasible(name: string, asked: number, capacity: number): Refusal {
  const message = `Node didn't have enough capacity: ${name}, requested: ${asked}, capacity: ${capacity}`;
  return { reason: 'Infeasible', message };
}

/** One running container whose limits are not the granted ones. */
export interface ContainerResize {
  readonly id: string;
  readonly name: string;
  readonly wanted: ContainerLimits;
  readonly actual: ContainerLimits;
  readonly restart: boolean;
}

/** @param pod with what was granted in its spec */
export function pendingResizes(pod: Pod, observed: ObservedPod, nodeMemoryBytes: number): ContainerResize[] {
  return resizable(pod).flatMap((container) => {
    const here = observed.containers.find(({ name }) => name === container.name);
    const resize = here && containerResize(pod, container, { here, nodeMemoryBytes });
    return resize === undefined ? [] : [resize];
  });
}

export function containerResize(
  pod: Pod,
  container: Container,
  given: { readonly here: ObservedContainer; readonly nodeMemoryBytes: number },
): ContainerResize | undefined {
  const { here, nodeMemoryBytes } = given;
  const actual = here.limits;
  if (here.state !== 'running' || actual === undefined) return undefined;
  const wanted = wantedLimits(pod, container, nodeMemoryBytes);
  const cpu = cpuDiffers(wanted, actual);
  const memory = memoryDiffers(wanted, actual);
  if (!cpu && !memory) return undefined;
  const policies = container.resizePolicy ?? [];
  const restart = policies.some(
    ({ resourceName, restartPolicy }) =>
      restartPolicy === 'RestartContainer' &&
      ((cpu && resourceName === 'cpu') || (memory && resourceName === 'memory')),
  );
  return { id: here.id, name: here.name, wanted, actual, restart };
}

export function wantedLimits(pod: Pod, container: Container, nodeMemoryBytes: number): ContainerLimits {
  const {
    cpuShares = 0,
    cpuPeriod = 0,
    cpuQuota = 0,
    memoryLimitInBytes = 0,
  } = linuxResources(pod, container, nodeMemoryBytes);
  return { cpuShares, cpuPeriod, cpuQuota, memoryBytes: memoryLimitInBytes };
}

// A limit that is not wanted is no reason: an update cannot take one away, and the API lets nobody ask for it.
export function cpuDiffers(wanted: ContainerLimits, actual: ContainerLimits): boolean {
  const quota = wanted.cpuQuota > 0 && wanted.cpuQuota !== actual.cpuQuota;
  return quota || wanted.cpuShares !== actual.cpuShares;
}

export function memoryDiffers(wanted: ContainerLimits, actual: ContainerLimits): boolean {
  return wanted.memoryBytes > 0 && wanted.memoryBytes !== actual.memoryBytes;
}

/** Events say in JSON what was asked for, its members in upstream's order. */
export function resizeMessage(
  prefix: string,
  pod: Pod,
  about: { generation: number; error?: string },
): string {
  const list = (containers: readonly Container[]): object[] =>
    containers.map(({ name = '', resources = {} }) => ({ name, resources: inOrder(resources) }));
  const [init, regular] = [list(initContainersOf(pod)), list(containersOf(pod))];
  const { generation, error = '' } = about;
  const summary = {
    ...(init.length > 0 && { initContainers: init }),
    ...(regular.length > 0 && { containers: regular }),
    generation,
    ...(error !== '' && { error }),
  };
  return `${prefix}: ${JSON.stringify(summary)}`;
}

function inOrder({ limits, requests, claims }: ResourceRequirements): object {
  const sorted = (amounts: Readonly<Record<string, string>>): object =>
    Object.fromEntries(Object.entries(amounts).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  return {
    ...(limits && { limits: sorted(limits) }),
    ...(requests && { requests: sorted(requests) }),
    ...(claims && { claims }),
  };
}
