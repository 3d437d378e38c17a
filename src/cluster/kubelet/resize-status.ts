/** What the API shows of resources: what was granted, and what is in force. */
import type { Container, ContainerStatus, Pod, ResourceRequirements } from '../api/generated/core-v1.ts';
import type { ContainerLimits, ObservedContainer } from './observed.ts';
import { cpuDiffers, memoryDiffers, wantedLimits } from './resize.ts';

/** @param pod with what was granted in its spec */
export function resourcesStatus(
  pod: Pod,
  container: Container,
  given: {
    readonly current: ObservedContainer | undefined;
    readonly before: ContainerStatus | undefined;
    readonly nodeMemoryBytes: number;
  },
): Pick<ContainerStatus, 'resources' | 'allocatedResources'> {
  const granted = container.resources ?? {};
  const allocated = granted.requests;
  return {
    ...(allocated !== undefined && Object.keys(allocated).length > 0 && { allocatedResources: allocated }),
    resources: inForce(pod, container, given) ?? granted,
  };
}

function inForce(
  pod: Pod,
  container: Container,
  given: Parameters<typeof resourcesStatus>[2],
): ResourceRequirements | undefined {
  const { current, before, nodeMemoryBytes } = given;
  const actual = current?.limits;
  if (current?.state !== 'running' || actual === undefined) return undefined;
  const wanted = wantedLimits(pod, container, nodeMemoryBytes);
  const memory = memoryDiffers(wanted, actual);
  if (!memory && !cpuDiffers(wanted, actual)) return undefined;
  const { requests, limits, ...others } = container.resources ?? {};
  // No file of a cgroup holds the request of memory: it comes into force with the rest.
  const kept =
    before?.containerID?.endsWith(current.id) === true ? before.resources?.requests?.['memory'] : undefined;
  return {
    ...others,
    ...(limits && { limits: { ...limits, ...changedLimits(wanted, actual, limits) } }),
    ...(requests && {
      requests: {
        ...requests,
        ...(requests['cpu'] !== undefined &&
          wanted.cpuShares !== actual.cpuShares && {
            cpu: milli(Math.ceil((actual.cpuShares * 1000) / 1024)),
          }),
        ...(requests['memory'] !== undefined && kept !== undefined && { memory: kept }),
      },
    }),
  };
}

function changedLimits(
  wanted: ContainerLimits,
  actual: ContainerLimits,
  limits: Readonly<Record<string, string>>,
): Record<string, string> {
  const { cpuQuota, cpuPeriod, memoryBytes } = actual;
  const cpu = cpuPeriod === 0 ? 0 : Math.ceil((cpuQuota * 1000) / cpuPeriod);
  return {
    ...(limits['cpu'] !== undefined && wanted.cpuQuota !== cpuQuota && cpu > 0 && { cpu: milli(cpu) }),
    ...(limits['memory'] !== undefined &&
      wanted.memoryBytes !== memoryBytes &&
      memoryBytes > 0 && { memory: bytes(memoryBytes) }),
  };
}

function milli(amount: number): string {
  return amount % 1000 === 0 ? String(amount / 1000) : `${amount}m`;
}

function bytes(amount: number): string {
  for (const [power, suffix] of [
    [30, 'Gi'],
    [20, 'Mi'],
    [10, 'Ki'],
  ] as const) {
    if (amount % 2 ** power === 0) return `${amount / 2 ** power}${suffix}`;
  }
  return String(amount);
}
