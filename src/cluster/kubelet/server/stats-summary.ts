/** `/stats/summary` (k8s.io/kubelet/pkg/apis/stats/v1alpha1): what the node, its pods and their containers use now. */
import { readFile } from 'node:fs/promises';
import { freemem, totalmem } from 'node:os';
import { rfc3339 } from '../../../base/clock.ts';
import { isPlatformError } from '../../../base/errors.ts';
import type { Container, ContainerStats } from '../../../container/cri/generated/types.ts';
import { LABELS } from '../sandbox-config.ts';
import type { KubeletApiParts } from './kubelet-api.ts';

interface CpuStats {
  readonly time: string;
  readonly usageCoreNanoSeconds: number;
}

interface MemoryStats {
  readonly time: string;
  readonly usageBytes: number;
  /** Usage without what the kernel takes back first. */
  readonly workingSetBytes: number;
}

interface ContainerSummary {
  readonly name: string;
  readonly startTime: string;
  readonly cpu: CpuStats;
  readonly memory: MemoryStats;
}

export async function statsSummary(parts: KubeletApiParts): Promise<unknown> {
  const { runtime, clock } = parts;
  const { containers = [] } = await runtime.listContainers({
    filter: { state: { state: 'CONTAINER_RUNNING' } },
  });
  const measured = await Promise.all(
    containers.map(async (container) => ({ container, stats: await statsOf(parts, container) })),
  );
  const time = rfc3339(clock.now());
  const byPod = Map.groupBy(measured, ({ container }) => container.labels?.[LABELS.podUid] ?? '');
  byPod.delete('');
  return {
    node: await nodeStats(parts.nodeName, time),
    pods: [...byPod].map(([uid, members]) => {
      const labels = members[0]?.container.labels ?? {};
      const seen = members.flatMap(({ container, stats }) =>
        stats === undefined ? [] : [containerSummary(container, stats, time)],
      );
      return {
        podRef: { name: labels[LABELS.podName] ?? '', namespace: labels[LABELS.podNamespace] ?? '', uid },
        startTime: rfc3339(Math.min(...members.map(({ container }) => createdAt(container)))),
        containers: seen,
        cpu: { time, usageCoreNanoSeconds: sum(seen, ({ cpu }) => cpu.usageCoreNanoSeconds) },
        memory: {
          time,
          usageBytes: sum(seen, ({ memory }) => memory.usageBytes),
          workingSetBytes: sum(seen, ({ memory }) => memory.workingSetBytes),
        },
      };
    }),
  };
}

/** What was listed may have ended by the time it is asked for. */
async function statsOf(
  { runtime }: KubeletApiParts,
  { id = '' }: Container,
): Promise<ContainerStats | undefined> {
  try {
    return (await runtime.containerStats({ containerId: id })).stats;
  } catch (error) {
    if (isPlatformError(error, 'not-found', 'conflict')) return undefined;
    throw error;
  }
}

function containerSummary(container: Container, stats: ContainerStats, time: string): ContainerSummary {
  return {
    name: container.labels?.[LABELS.containerName] ?? container.metadata?.name ?? '',
    startTime: rfc3339(createdAt(container)),
    cpu: { time, usageCoreNanoSeconds: stats.cpu?.usageCoreNanoSeconds?.value ?? 0 },
    memory: {
      time,
      usageBytes: stats.memory?.usageBytes?.value ?? 0,
      workingSetBytes: stats.memory?.workingSetBytes?.value ?? 0,
    },
  };
}

function createdAt({ createdAt: nanoseconds = 0 }: Container): number {
  return Math.floor(nanoseconds / 1e6);
}

function sum<T>(items: readonly T[], amount: (item: T) => number): number {
  return items.reduce((total, item) => total + amount(item), 0);
}

/** Linux counts in hundredths of a second towards user space, whatever its own clock ticks at. */
const TICK_NS = 10_000_000;

async function nodeStats(nodeName: string, time: string): Promise<unknown> {
  const stat = await readFile('/proc/stat', 'utf8');
  // user nice system idle iowait irq softirq steal; guests' time is within the first two (proc_stat(5)).
  const ticks = (/^cpu +(.*)$/m.exec(stat)?.[1] ?? '').split(' ').slice(0, 8).map(Number);
  const [idle = 0, waiting = 0] = ticks.slice(3, 5);
  const busy = sum(ticks, (one) => one) - idle - waiting;
  const bootSeconds = Number(/^btime (\d+)$/m.exec(stat)?.[1] ?? 0);
  return {
    nodeName,
    startTime: rfc3339(bootSeconds * 1000),
    cpu: { time, usageCoreNanoSeconds: busy * TICK_NS },
    // What the system says is available is what nobody's working set holds.
    memory: { time, workingSetBytes: totalmem() - freemem(), availableBytes: freemem() },
  };
}
