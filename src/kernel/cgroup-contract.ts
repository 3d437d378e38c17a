/** Limits of one cgroup; absent means: leave as it is (unlimited in a new one). */
export interface CgroupResources {
  /** CFS quota in microseconds per period; 0: no limit. */
  readonly cpuQuota?: number;
  /** Microseconds; 100000 when absent. */
  readonly cpuPeriod?: number;
  /** v1 shares (2..262144); converted to a weight (1..10000) on v2. */
  readonly cpuShares?: number;
  /** Bytes, memory and swap together. 0: no limit. */
  readonly memoryLimit?: number;
  /** 0: no limit. */
  readonly pidsLimit?: number;
}

export interface CgroupHierarchy {
  /** Its folder below `/sys/fs/cgroup`: `memory`, `cpu,cpuacct`, `unified`; empty when v2 is all there is. */
  readonly name: string;
  /** This cgroup's folder in it, on the host. */
  readonly path: string;
  readonly fsType: 'cgroup' | 'cgroup2';
}

export interface CgroupStats {
  readonly memoryBytes: number;
  /** Of that, files that nobody has looked at for long: what the kernel takes back first. */
  readonly inactiveFileBytes: number;
  /** CPU time used since creation, in nanoseconds. */
  readonly cpuNanos: number;
  readonly pids: number;
}

/** One node of the tree, in every hierarchy that is used. */
export interface Cgroup {
  /** As given: absolute below each hierarchy's mount. */
  readonly path: string;
  readonly version: 1 | 2;
  readonly hierarchies: readonly CgroupHierarchy[];
  /** One cgroup.procs for each hierarchy used; a process belongs here once its pid was written to all of them. */
  readonly procsFiles: readonly string[];
  /** v2: memory.events, whose `oom_kill` counts kills. */
  readonly memoryEventsFile?: string;
  /** v1: memory.oom_control, whose `oom_kill` counts kills. */
  readonly oomControlFile?: string;
  /** Host pids in this cgroup itself, not in those below. Empty when it does not exist. */
  pids(): number[];
  /**
   * SIGKILLs every process in this cgroup and below, also those being forked meanwhile, and resolves when none is
   * left. `timeout` when some outlive the deadline (10 s). Nothing there is not an error.
   */
  kill(): Promise<void>;
  /** `not-found` when it does not exist. */
  stats(): CgroupStats;
  /** Sets what is given, on a cgroup that is in use. A memory limit below what is used may end its processes (v2). */
  update(resources: CgroupResources): void;
}

/** The machine's cgroup trees. Paths start with a slash and are the same in every hierarchy. */
export interface CgroupHost {
  readonly version: 1 | 2;
  /**
   * Makes the cgroup with its parents, or adopts one that is there, and sets the limits. Undone when a step fails.
   * Processes live in leaves only (v2's no-internal-process rule, kept on v1 too).
   */
  create(path: string, resources: CgroupResources): Cgroup;
  /** No access, no check that it exists. */
  open(path: string): Cgroup;
  /** Removes it and everything below, children first; retries while busy, `timeout` after 10 s. Idempotent. */
  remove(path: string): Promise<void>;
  /** Paths of the direct children, sorted; empty when there is no such parent. */
  list(parent: string): string[];
}
