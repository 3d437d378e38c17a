/**
 * `linux.resources` on v1. A file that depends on another one (quota and period, limit and memsw) may be refused until
 * that one is written; the order here is the one that works in a new cgroup, and `apply.ts` tries again.
 */
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

export function v1Writes(resources: ResourcesConfig): Writes {
  const [unified] = Object.keys(resources.unified ?? {});
  if (unified !== undefined)
    throw unsupported(`unified["${unified}"]`, 'this machine has cgroup v1, which has no such files');
  return [
    ...memory(resources.memory ?? {}),
    ...cpu(resources.cpu ?? {}),
    ...pidsWrites(resources),
    ...blockIo(resources.blockIO ?? {}),
    ...hugepageWrites(resources, 'limit_in_bytes'),
    ...network(resources.network ?? {}),
    ...rdmaWrites(resources),
  ];
}

function memory(memory: NonNullable<ResourcesConfig['memory']>): Writes {
  const writes: Writes = [];
  const add = (file: string, value: number | string, field: string): void =>
    void writes.push(write(['memory', `memory.${file}`], value, `memory.${field}`));
  const { limit, swap, reservation, kernel, kernelTCP, swappiness } = memory;
  if (given(limit) && limit > 0 && given(swap) && swap > 0 && swap < limit)
    throw invalid('memory.swap', `${swap} is memory and swap together, and below the limit of ${limit}`);
  if (given(swap) && swap > 0 && !given(limit)) throw invalid('memory.swap', 'needs memory.limit beside it');
  if (given(limit)) add('limit_in_bytes', limit, 'limit');
  if (given(swap)) add('memsw.limit_in_bytes', swap, 'swap');
  // Without a limit of memory none of both makes sense; it is not there when swap is not accounted.
  else if (limit === -1)
    writes.push({
      ...write(['memory', 'memory.memsw.limit_in_bytes'], -1, 'memory.limit'),
      optional: true,
    });
  if (given(reservation)) add('soft_limit_in_bytes', reservation, 'reservation');
  if (given(kernel) && kernel > 0)
    // Since 5.16 the file takes any number and does nothing (or is not there): that must not pass for a limit.
    writes.push({
      ...write(['memory', 'memory.kmem.limit_in_bytes'], kernel, 'memory.kernel'),
      verify: true,
    });
  if (given(kernelTCP)) add('kmem.tcp.limit_in_bytes', kernelTCP, 'kernelTCP');
  if (memory.useHierarchy !== undefined && memory.useHierarchy !== null)
    add('use_hierarchy', memory.useHierarchy ? 1 : 0, 'useHierarchy');
  if (memory.disableOOMKiller === true) add('oom_control', 1, 'disableOOMKiller');
  // -1 comes from engines that mean: not given.
  if (present(swappiness) && swappiness !== -1) {
    if (!Number.isInteger(swappiness) || swappiness < 0 || swappiness > 100)
      throw invalid('memory.swappiness', `${swappiness} is not between 0 and 100`);
    add('swappiness', swappiness, 'swappiness');
  }
  return writes;
}

const MIN_SHARES = 2;
const MAX_SHARES = 262_144;

function cpu(cpu: NonNullable<ResourcesConfig['cpu']>): Writes {
  const writes: Writes = [];
  const add = (file: string, value: number | string, field: string): void =>
    void writes.push(write(['cpu', `cpu.${file}`], value, `cpu.${field}`));
  const { shares, quota, period, burst, idle, realtimeRuntime, realtimePeriod, cpus, mems } = cpu;
  // Before any process comes in: one that is SCHED_RR is not let in without runtime.
  if (given(realtimePeriod)) add('rt_period_us', realtimePeriod, 'realtimePeriod');
  if (given(realtimeRuntime)) add('rt_runtime_us', realtimeRuntime, 'realtimeRuntime');
  if (given(shares)) {
    // The kernel would take any number and quietly use another.
    if (shares < MIN_SHARES || shares > MAX_SHARES)
      throw invalid('cpu.shares', `${shares} is not between ${MIN_SHARES} and ${MAX_SHARES}`);
    add('shares', shares, 'shares');
  }
  if (given(period)) add('cfs_period_us', period, 'period');
  if (given(quota)) add('cfs_quota_us', quota, 'quota');
  if (present(burst)) add('cfs_burst_us', burst, 'burst');
  if (present(idle)) add('idle', idle, 'idle');
  if (cpus) writes.push(write(['cpuset', 'cpuset.cpus'], cpus, 'cpu.cpus'));
  if (mems) writes.push(write(['cpuset', 'cpuset.mems'], mems, 'cpu.mems'));
  return writes;
}

function blockIo(blockIO: NonNullable<ResourcesConfig['blockIO']>): Writes {
  const add = (file: string, value: number | string, field: string): Writes[number] =>
    write(['blkio', `blkio.${file}`], value, `blockIO.${field}`);
  /** The file of CFQ and of its successor since 5.0. */
  const weightFile = (suffix: string, value: string | number, field: string): Writes[number] => ({
    ...add(`weight${suffix}`, value, field),
    otherwise: add(`bfq.weight${suffix}`, value, field),
  });
  const { weight, leafWeight, weightDevice = [] } = blockIO;
  const writes: Writes = [];
  if (given(weight)) writes.push(weightFile('', checkWeight(weight, 'blockIO.weight'), 'weight'));
  if (given(leafWeight))
    writes.push(add('leaf_weight', checkWeight(leafWeight, 'blockIO.leafWeight'), 'leafWeight'));
  for (const [index, device] of (weightDevice ?? []).entries()) {
    const { major, minor } = device;
    const field = `weightDevice[${index}]`;
    const value = (name: 'weight' | 'leafWeight'): string =>
      `${major}:${minor} ${checkWeight(device[name] ?? 0, `blockIO.${field}.${name}`)}`;
    if (given(device.weight)) writes.push(weightFile('_device', value('weight'), `${field}.weight`));
    if (given(device.leafWeight))
      writes.push(add('leaf_weight_device', value('leafWeight'), `${field}.leafWeight`));
  }
  for (const [name, file] of THROTTLES) {
    for (const [index, { major, minor, rate }] of (blockIO[name] ?? []).entries())
      writes.push(write(['blkio', file], `${major}:${minor} ${rate}`, `blockIO.${name}[${index}]`));
  }
  return writes;
}

function network({ classID, priorities }: NonNullable<ResourcesConfig['network']>): Writes {
  return [
    ...(given(classID) ? [write(['net_cls', 'net_cls.classid'], classID, 'network.classID')] : []),
    ...(priorities ?? []).map(({ name, priority }, index) =>
      write(['net_prio', 'net_prio.ifpriomap'], `${name} ${priority}`, `network.priorities[${index}]`),
    ),
  ];
}
