/** Statistics of a v1 cgroup. */
import {
  hugePageSizes,
  multiply,
  nonZero,
  NO_LIMIT,
  parseCounter,
  parseList,
  readCounter,
  readPairs,
  readText,
} from './statistics-files.ts';
import type {
  BlkioEntry,
  BlkioStatistics,
  CgroupStatistics,
  Counter,
  CpusetStatistics,
  CpuStatistics,
  MemoryEntry,
  MemoryStatistics,
} from './statistics-types.ts';

/** @param folderOf where the files of a controller are, `undefined` when it has none */
export function statisticsV1(folderOf: (controller: string) => string | undefined): CgroupStatistics {
  const pids = folderOf('pids');
  const limit = readCounter(pids, 'pids.max');
  return {
    cpu: cpu(folderOf('cpu'), folderOf('cpuacct')),
    cpuset: cpuset(folderOf('cpuset')),
    memory: memory(folderOf('memory')),
    pids: nonZero({
      current: readCounter(pids, 'pids.current') ?? 0,
      limit: limit === NO_LIMIT ? 0 : (limit ?? 0),
    }),
    blkio: blkio(folderOf('blkio')),
    hugetlb: hugetlb(folderOf('hugetlb')),
    intel_rdt: {},
  };
}

/** USER_HZ, which is 100 on every architecture that we run on: cpuacct.stat counts in it. */
const TICK_NANOSECONDS = 10_000_000;

function cpu(folder: string | undefined, accounting: string | undefined): CpuStatistics {
  const throttling = readPairs(folder, 'cpu.stat') ?? {};
  const ticks = readPairs(accounting, 'cpuacct.stat') ?? {};
  const perCpu = readText(accounting, 'cpuacct.usage_percpu')?.split(' ').filter(Boolean).map(parseCounter);
  // A header, then a line for each: number, user, system.
  const lines = readText(accounting, 'cpuacct.usage_all')?.split('\n').slice(1) ?? [];
  const column = (index: number): Counter[] =>
    lines.map((line) => parseCounter(line.split(' ')[index] ?? '0'));
  return {
    usage: {
      ...nonZero({
        total: readCounter(accounting, 'cpuacct.usage') ?? 0,
        percpu: perCpu ?? [],
        percpu_kernel: column(2),
        percpu_user: column(1),
      }),
      kernel: multiply(ticks['system'] ?? 0, TICK_NANOSECONDS),
      user: multiply(ticks['user'] ?? 0, TICK_NANOSECONDS),
    },
    throttling: nonZero({
      periods: throttling['nr_periods'] ?? 0,
      throttledPeriods: throttling['nr_throttled'] ?? 0,
      throttledTime: throttling['throttled_time'] ?? 0,
    }),
  };
}

export function cpuset(folder: string | undefined): CpusetStatistics {
  const number = (name: string): Counter => readCounter(folder, `cpuset.${name}`) ?? 0;
  const list = (name: string): number[] => parseList(readText(folder, `cpuset.${name}`) ?? '');
  return {
    ...nonZero({ cpus: list('cpus') }),
    cpu_exclusive: number('cpu_exclusive'),
    ...nonZero({ mems: list('mems') }),
    mem_hardwall: number('mem_hardwall'),
    mem_exclusive: number('mem_exclusive'),
    memory_migrate: number('memory_migrate'),
    memory_spread_page: number('memory_spread_page'),
    memory_spread_slab: number('memory_spread_slab'),
    memory_pressure: number('memory_pressure'),
    sched_load_balance: number('sched_load_balance'),
    sched_relax_domain_level: number('sched_relax_domain_level'),
  };
}

function memory(folder: string | undefined): MemoryStatistics {
  const entry = (name: string): MemoryEntry => {
    const value = (file: string): Counter => readCounter(folder, `${name}.${file}`) ?? 0;
    return {
      limit: value('limit_in_bytes'),
      ...nonZero({ usage: value('usage_in_bytes'), max: value('max_usage_in_bytes') }),
      failcnt: value('failcnt'),
    };
  };
  const raw = readPairs(folder, 'memory.stat');
  return {
    ...nonZero({ cache: raw?.['cache'] ?? 0 }),
    usage: entry('memory'),
    swap: entry('memory.memsw'),
    kernel: entry('memory.kmem'),
    kernelTCP: entry('memory.kmem.tcp'),
    ...(raw !== undefined && { raw }),
  };
}

type BlkioTable = Exclude<keyof BlkioStatistics, 'psi'>;

/** By scheduler, the most telling first; a set counts when the kernel has its first file and it is not empty. */
const BLKIO_SETS: readonly (readonly (readonly [string, BlkioTable])[])[] = [
  [
    ['bfq.sectors_recursive', 'sectorsRecursive'],
    ['bfq.io_service_time_recursive', 'ioServiceTimeRecursive'],
    ['bfq.io_wait_time_recursive', 'ioWaitTimeRecursive'],
    ['bfq.io_merged_recursive', 'ioMergedRecursive'],
    ['bfq.io_queued_recursive', 'ioQueueRecursive'],
    ['bfq.time_recursive', 'ioTimeRecursive'],
    ['bfq.io_serviced_recursive', 'ioServicedRecursive'],
    ['bfq.io_service_bytes_recursive', 'ioServiceBytesRecursive'],
  ],
  [
    ['bfq.io_serviced_recursive', 'ioServicedRecursive'],
    ['bfq.io_service_bytes_recursive', 'ioServiceBytesRecursive'],
  ],
  [
    ['sectors_recursive', 'sectorsRecursive'],
    ['io_service_time_recursive', 'ioServiceTimeRecursive'],
    ['io_wait_time_recursive', 'ioWaitTimeRecursive'],
    ['io_merged_recursive', 'ioMergedRecursive'],
    ['io_queued_recursive', 'ioQueueRecursive'],
    ['time_recursive', 'ioTimeRecursive'],
    ['io_serviced_recursive', 'ioServicedRecursive'],
    ['io_service_bytes_recursive', 'ioServiceBytesRecursive'],
  ],
  [
    ['throttle.io_serviced_recursive', 'ioServicedRecursive'],
    ['throttle.io_service_bytes_recursive', 'ioServiceBytesRecursive'],
  ],
  [
    ['throttle.io_serviced', 'ioServicedRecursive'],
    ['throttle.io_service_bytes', 'ioServiceBytesRecursive'],
  ],
];

function blkio(folder: string | undefined): BlkioStatistics {
  for (const set of BLKIO_SETS) {
    const tables = set.map(([file, table]) => [table, readBlkio(folder, `blkio.${file}`)] as const);
    if ((tables[0]?.[1].length ?? 0) > 0) return nonZero(Object.fromEntries(tables));
  }
  return {};
}

/** Lines of `8:0 Read 4096`, some files without the word, and a total that is left out. */
function readBlkio(folder: string | undefined, file: string): BlkioEntry[] {
  const lines = readText(folder, file)?.split('\n') ?? [];
  return lines.flatMap((line) => {
    const [, major, minor, op = '', value = '0'] = /^(\d+):(\d+) (?:(\w+) )?(\d+)$/.exec(line) ?? [];
    if (major === undefined) return [];
    return [nonZero({ major: Number(major), minor: Number(minor), op, value: parseCounter(value) })];
  });
}

function hugetlb(folder: string | undefined): CgroupStatistics['hugetlb'] {
  if (folder === undefined) return {};
  return Object.fromEntries(
    hugePageSizes().map((size) => {
      const reserved = readCounter(folder, `hugetlb.${size}.rsvd.usage_in_bytes`) !== undefined;
      const name = `hugetlb.${size}${reserved ? '.rsvd' : ''}`;
      const value = (what: string): Counter => readCounter(folder, `${name}.${what}`) ?? 0;
      const used = nonZero({ usage: value('usage_in_bytes'), max: value('max_usage_in_bytes') });
      return [size, { ...used, failcnt: value('failcnt') }];
    }),
  );
}
