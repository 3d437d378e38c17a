/** `linux.resources` on v2. */
import { weightOfShares } from '../../../kernel/cgroup-v2.ts';
import type { ResourcesConfig } from '../../spec/runtime-config.ts';
import {
  checkWeight,
  given,
  hugepageWrites,
  invalid,
  pidsWrites,
  present,
  rdmaWrites,
  THROTTLES,
  unsupported,
  write,
  type Writes,
} from './resource-write.ts';

export function v2Writes(resources: ResourcesConfig): Writes {
  return [
    ...pidsWrites(resources),
    ...memory(resources.memory ?? {}),
    ...io(resources.blockIO ?? {}),
    ...cpu(resources.cpu ?? {}),
    ...hugepageWrites(resources, 'max'),
    ...network(resources.network ?? {}),
    ...rdmaWrites(resources),
    ...unified(resources.unified ?? {}),
  ];
}

function memory(memory: NonNullable<ResourcesConfig['memory']>): Writes {
  const writes: Writes = [];
  const { limit, swap, reservation, kernel, kernelTCP, swappiness, useHierarchy, disableOOMKiller } = memory;
  if (given(kernel) && kernel > 0)
    throw unsupported('memory.kernel', 'cgroup v2 counts kernel memory as memory');
  if (given(kernelTCP) && kernelTCP > 0)
    throw unsupported('memory.kernelTCP', 'cgroup v2 counts kernel memory as memory');
  if (present(swappiness) && swappiness !== -1)
    throw unsupported('memory.swappiness', 'cgroup v2 has none for one cgroup');
  if (disableOOMKiller === true)
    throw unsupported('memory.disableOOMKiller', 'cgroup v2 cannot do without the OOM killer');
  if (useHierarchy === false) throw unsupported('memory.useHierarchy', 'cgroup v2 is always hierarchical');
  const swapOnly = swapBeyondMemory(limit ?? 0, swap ?? 0);
  const check = memory.checkBeforeUpdate === true;
  if (swapOnly !== undefined) {
    const swapWrite = write(['memory', 'memory.swap.max'], swapOnly, 'memory.swap');
    // Without accounting of swap there is no file, and no swap to keep within bounds when none is wanted or all.
    const optional = swapOnly === 'max' || swapOnly === '0';
    writes.push({
      ...swapWrite,
      ...(optional && { optional: true }),
      ...(check && (swap ?? 0) > 0 && { unlessUsed: swap! }),
    });
  }
  if (given(limit))
    writes.push({
      ...write(['memory', 'memory.max'], bytes(limit), 'memory.limit'),
      ...(check && limit > 0 && { unlessUsed: limit }),
    });
  if (given(reservation))
    writes.push(write(['memory', 'memory.low'], bytes(reservation), 'memory.reservation'));
  return writes;
}

function bytes(value: number): string {
  return value < 0 ? 'max' : String(value);
}

/** v1 and the specification count memory and swap together, v2 swap alone; `undefined` when nothing was said. */
export function swapBeyondMemory(limit: number, swap: number): string | undefined {
  if (swap === -1 || (limit === -1 && swap === 0)) return 'max';
  if (swap === 0) return undefined;
  if (swap < 0) throw invalid('memory.swap', `${swap} is no number of bytes`);
  if (limit === 0) throw invalid('memory.swap', 'needs memory.limit beside it');
  if (limit < 0) throw invalid('memory.swap', 'cannot be limited while memory is not');
  if (swap < limit)
    throw invalid('memory.swap', `${swap} is memory and swap together, and below the limit of ${limit}`);
  return String(swap - limit);
}

const DEFAULT_PERIOD = 100_000;

function cpu(cpu: NonNullable<ResourcesConfig['cpu']>): Writes {
  const writes: Writes = [];
  const add = (file: string, value: number | string, field: string): void =>
    void writes.push(write(['cpu', `cpu.${file}`], value, `cpu.${field}`));
  const { shares, quota, period, burst, idle, realtimeRuntime, realtimePeriod, cpus, mems } = cpu;
  if (given(realtimeRuntime)) throw unsupported('cpu.realtimeRuntime', 'cgroup v2 has no real-time groups');
  if (given(realtimePeriod)) throw unsupported('cpu.realtimePeriod', 'cgroup v2 has no real-time groups');
  if (present(idle)) add('idle', idle, 'idle');
  // An idle group has no weight, and the kernel refuses to set one.
  if (given(shares) && idle !== 1) add('weight', weightOfShares(shares), 'shares');
  if (given(quota) || given(period))
    add(
      'max',
      `${given(quota) && quota > 0 ? quota : 'max'} ${given(period) ? period : DEFAULT_PERIOD}`,
      given(quota) ? 'quota' : 'period',
    );
  if (present(burst)) add('max.burst', burst, 'burst');
  if (cpus) writes.push(write(['cpuset', 'cpuset.cpus'], cpus, 'cpu.cpus'));
  if (mems) writes.push(write(['cpuset', 'cpuset.mems'], mems, 'cpu.mems'));
  return writes;
}

/** 10..1000 onto 1..10000, ends onto ends. */
export function ioWeight(weight: number): number {
  return 1 + Math.trunc(((weight - 10) * 9999) / 990);
}

function io(blockIO: NonNullable<ResourcesConfig['blockIO']>): Writes {
  const writes: Writes = [];
  /** BFQ's file has the specification's own range; io.weight belongs to io.cost and has another. */
  const add = (weight: number, field: string, device = ''): void => {
    checkWeight(weight, `blockIO.${field}`);
    writes.push({
      ...write(['io', 'io.bfq.weight'], `${device}${weight}`, `blockIO.${field}`),
      otherwise: write(['io', 'io.weight'], `${device}${ioWeight(weight)}`, `blockIO.${field}`),
    });
  };
  const { weight, leafWeight, weightDevice } = blockIO;
  const noLeaves = 'cgroup v2 has no processes in inner cgroups to weigh';
  if (given(weight)) add(weight, 'weight');
  if (given(leafWeight)) throw unsupported('blockIO.leafWeight', noLeaves);
  for (const [index, device] of (weightDevice ?? []).entries()) {
    const field = `weightDevice[${index}]`;
    if (given(device.leafWeight)) throw unsupported(`blockIO.${field}.leafWeight`, noLeaves);
    if (given(device.weight)) add(device.weight, `${field}.weight`, `${device.major}:${device.minor} `);
  }
  for (const [name, , key] of THROTTLES) {
    for (const [index, { major, minor, rate }] of (blockIO[name] ?? []).entries())
      // 0 takes a limit away on v1; io.max knows only the word for it.
      writes.push(
        write(
          ['io', 'io.max'],
          `${major}:${minor} ${key}=${rate === 0 ? 'max' : rate}`,
          `blockIO.${name}[${index}]`,
        ),
      );
  }
  return writes;
}

function network({ classID, priorities }: NonNullable<ResourcesConfig['network']>): Writes {
  if (given(classID)) throw unsupported('network.classID', 'net_cls is a controller of cgroup v1');
  if ((priorities ?? []).length > 0)
    throw unsupported('network.priorities', 'net_prio is a controller of cgroup v1');
  return [];
}

function unified(unified: NonNullable<ResourcesConfig['unified']>): Writes {
  return Object.entries(unified).flatMap(([file, value]) => {
    const field = `unified["${file}"]`;
    if (file.includes('/')) throw invalid(field, 'must be a file name, without slashes');
    const dot = file.indexOf('.');
    if (dot <= 0 || dot === file.length - 1) throw invalid(field, 'must have the form CONTROLLER.PARAMETER');
    const controller = file.slice(0, dot);
    // Keyed files take one line a write.
    return value
      .split('\n')
      .filter((line) => line.trim() !== '')
      .map((line) => write([controller, file], line, field));
  });
}
