/** Statistics of a v2 cgroup, in the words of v1 where those are what readers know. */
import { readdirSync } from 'node:fs';
import {
  add,
  hugePageSizes,
  multiply,
  nonZero,
  NO_LIMIT,
  parseCounter,
  readCounter,
  readPairs,
  readPressure,
  readText,
} from './statistics-files.ts';
import { cpuset } from './statistics-v1.ts';
import type {
  BlkioEntry,
  BlkioStatistics,
  CgroupStatistics,
  Counter,
  CpuStatistics,
  MemoryEntry,
  MemoryStatistics,
} from './statistics-types.ts';

export function statisticsV2(folder: string): CgroupStatistics {
  return {
    cpu: cpu(folder),
    // Its own words for these are flags of v1 that v2 does not have.
    cpuset: cpuset(undefined),
    memory: memory(folder),
    pids: pids(folder),
    blkio: io(folder),
    hugetlb: hugetlb(folder),
    intel_rdt: {},
  };
}

const MICROSECOND = 1000;

function cpu(folder: string): CpuStatistics {
  const stat = readPairs(folder, 'cpu.stat') ?? {};
  const time = (key: string): Counter => multiply(stat[key] ?? 0, MICROSECOND);
  return {
    usage: {
      ...nonZero({ total: time('usage_usec') }),
      kernel: time('system_usec'),
      user: time('user_usec'),
    },
    throttling: nonZero({
      periods: stat['nr_periods'] ?? 0,
      throttledPeriods: stat['nr_throttled'] ?? 0,
      throttledTime: time('throttled_usec'),
    }),
    ...readPressure(folder, 'cpu.pressure'),
  };
}

function memory(folder: string): MemoryStatistics {
  const raw = readPairs(folder, 'memory.stat');
  const none: MemoryEntry = { limit: 0, failcnt: 0 };
  if (raw === undefined)
    return {
      usage: none,
      swap: none,
      kernel: none,
      kernelTCP: none,
      ...readPressure(folder, 'memory.pressure'),
    };
  const value = (file: string): Counter => readCounter(folder, file) ?? 0;
  const [usage, limit] = [value('memory.current'), value('memory.max')];
  const swapLimit = readCounter(folder, 'memory.swap.max');
  return {
    ...nonZero({ cache: raw['file'] ?? 0 }),
    usage: { limit, ...nonZero({ usage, max: value('memory.peak') }), failcnt: 0 },
    swap: {
      // Both together, as v1 counts; unlimited when either is.
      limit: swapLimit === NO_LIMIT || limit === NO_LIMIT ? NO_LIMIT : add(swapLimit ?? 0, limit),
      ...nonZero({ usage: add(value('memory.swap.current'), usage) }),
      failcnt: 0,
    },
    kernel: none,
    kernelTCP: none,
    raw,
    ...readPressure(folder, 'memory.pressure'),
  };
}

function pids(folder: string): CgroupStatistics['pids'] {
  const current = readCounter(folder, 'pids.current');
  const limit = readCounter(folder, 'pids.max');
  if (current !== undefined) return nonZero({ current, limit: limit === NO_LIMIT ? 0 : (limit ?? 0) });
  // Without the controller they are counted by hand.
  return nonZero({ current: (readText(folder, 'cgroup.procs') ?? '').split('\n').filter(Boolean).length });
}

const IO_KEYS: Readonly<
  Record<string, readonly [table: 'ioServiceBytesRecursive' | 'ioServicedRecursive', op: string]>
> = {
  rbytes: ['ioServiceBytesRecursive', 'Read'],
  wbytes: ['ioServiceBytesRecursive', 'Write'],
  rios: ['ioServicedRecursive', 'Read'],
  wios: ['ioServicedRecursive', 'Write'],
};

function io(folder: string): BlkioStatistics {
  const tables = { ioServiceBytesRecursive: [] as BlkioEntry[], ioServicedRecursive: [] as BlkioEntry[] };
  for (const line of readText(folder, 'io.stat')?.split('\n') ?? []) {
    const [device = '', ...items] = line.split(' ');
    const [major, minor] = device.split(':').map(Number);
    for (const item of items) {
      const [key = '', value = '0'] = item.split('=');
      const known = IO_KEYS[key];
      if (known === undefined) continue;
      const [table, op] = known;
      tables[table].push(nonZero({ major: major ?? 0, minor: minor ?? 0, op, value: parseCounter(value) }));
    }
  }
  return { ...nonZero(tables), ...readPressure(folder, 'io.pressure') };
}

function hugetlb(folder: string): CgroupStatistics['hugetlb'] {
  const has = readdirSync(folder).some((name) => name.startsWith('hugetlb.'));
  if (!has) return {};
  return Object.fromEntries(
    hugePageSizes().map((size) => {
      const name = `hugetlb.${size}`;
      const usage =
        readCounter(folder, `${name}.rsvd.current`) ?? readCounter(folder, `${name}.current`) ?? 0;
      return [size, { ...nonZero({ usage }), failcnt: readPairs(folder, `${name}.events`)?.['max'] ?? 0 }];
    }),
  );
}
