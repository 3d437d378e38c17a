/**
 * The `data` of what `runc events --stats` prints, field by field: names, nesting and what is left out when zero are
 * its own, because cadvisor, containerd and others read them. Times are nanoseconds, sizes bytes.
 */

/** A bigint where a double would round: `max` is 2^64 - 1. JSON.stringify it with `statisticsReplacer`. */
export type Counter = number | bigint;

export interface CgroupStatistics {
  cpu: CpuStatistics;
  cpuset: CpusetStatistics;
  memory: MemoryStatistics;
  pids: { current?: Counter; limit?: Counter };
  blkio: BlkioStatistics;
  /** By page size: `2MB`. */
  hugetlb: Record<string, { usage?: Counter; max?: Counter; failcnt: Counter }>;
  intel_rdt: IntelRdtStatistics;
}

export interface CpuStatistics {
  usage: {
    total?: Counter;
    percpu?: Counter[];
    percpu_kernel?: Counter[];
    percpu_user?: Counter[];
    kernel: Counter;
    user: Counter;
  };
  throttling: { periods?: Counter; throttledPeriods?: Counter; throttledTime?: Counter };
  psi?: PressureStatistics;
}

export interface CpusetStatistics {
  cpus?: number[];
  cpu_exclusive: Counter;
  mems?: number[];
  mem_hardwall: Counter;
  mem_exclusive: Counter;
  memory_migrate: Counter;
  memory_spread_page: Counter;
  memory_spread_slab: Counter;
  memory_pressure: Counter;
  sched_load_balance: Counter;
  sched_relax_domain_level: Counter;
}

export interface MemoryEntry {
  limit: Counter;
  usage?: Counter;
  max?: Counter;
  failcnt: Counter;
}

export interface MemoryStatistics {
  cache?: Counter;
  usage: MemoryEntry;
  /** Memory and swap together, on v2 too. */
  swap: MemoryEntry;
  kernel: MemoryEntry;
  kernelTCP: MemoryEntry;
  /** memory.stat. */
  raw?: Record<string, Counter>;
  psi?: PressureStatistics;
}

export interface BlkioEntry {
  major?: number;
  minor?: number;
  op?: string;
  value?: Counter;
}

export interface BlkioStatistics {
  ioServiceBytesRecursive?: BlkioEntry[];
  ioServicedRecursive?: BlkioEntry[];
  ioQueueRecursive?: BlkioEntry[];
  ioServiceTimeRecursive?: BlkioEntry[];
  ioWaitTimeRecursive?: BlkioEntry[];
  ioMergedRecursive?: BlkioEntry[];
  ioTimeRecursive?: BlkioEntry[];
  sectorsRecursive?: BlkioEntry[];
  psi?: PressureStatistics;
}

export interface Pressure {
  avg10: number;
  avg60: number;
  avg300: number;
  /** Microseconds. */
  total: Counter;
}

export interface PressureStatistics {
  some: Pressure;
  full: Pressure;
}

export interface IntelRdtStatistics {
  l3_cache_info?: { cbm_mask?: string; min_cbm_bits?: number; num_closids?: number };
  l3_cache_schema_root?: string;
  l3_cache_schema?: string;
  mem_bw_info?: {
    bandwidth_gran?: number;
    delay_linear?: number;
    min_bandwidth?: number;
    num_closids?: number;
  };
  mem_bw_schema_root?: string;
  mem_bw_schema?: string;
  schemata?: string[];
  mbm_stats?: { mbm_total_bytes?: Counter; mbm_local_bytes?: Counter }[];
  cmt_stats?: { llc_occupancy?: Counter }[];
}
