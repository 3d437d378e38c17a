/**
 * `config.json` of the OCI runtime specification 1.2 on Linux, field by field. Objects of this type come from
 * outside: until `container/runtime/config/validate.ts` has looked at one, nothing here may be relied on.
 */
export interface RuntimeConfig {
  readonly ociVersion: string;
  readonly root?: { readonly path: string; readonly readonly?: boolean };
  /** Absent for a bundle that is only created and deleted; `start` wants one. */
  readonly process?: ProcessConfig;
  readonly hostname?: string;
  readonly domainname?: string;
  readonly mounts?: readonly MountConfig[];
  readonly hooks?: HooksConfig;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly linux?: LinuxConfig;
}

/** Also what `exec --process FILE` reads. */
export interface ProcessConfig {
  readonly terminal?: boolean;
  /** Characters. */
  readonly consoleSize?: { readonly height: number; readonly width: number };
  readonly user: {
    readonly uid: number;
    readonly gid: number;
    /** Octal 0–0777 as a number. */
    readonly umask?: number;
    readonly additionalGids?: readonly number[];
  };
  readonly args?: readonly string[];
  readonly env?: readonly string[];
  readonly cwd: string;
  readonly capabilities?: CapabilitiesConfig;
  readonly rlimits?: readonly { readonly type: string; readonly soft: number; readonly hard: number }[];
  readonly noNewPrivileges?: boolean;
  readonly apparmorProfile?: string;
  readonly selinuxLabel?: string;
  readonly oomScoreAdj?: number;
  readonly scheduler?: SchedulerConfig;
  readonly ioPriority?: { readonly class: string; readonly priority: number };
  readonly execCPUAffinity?: { readonly initial?: string; readonly final?: string };
}

export type CapabilitySet = 'bounding' | 'effective' | 'inheritable' | 'permitted' | 'ambient';
/** Names with CAP_. */
export type CapabilitiesConfig = { readonly [set in CapabilitySet]?: readonly string[] };

export interface SchedulerConfig {
  /** `SCHED_OTHER`, `SCHED_FIFO`, … */
  readonly policy: string;
  readonly nice?: number;
  readonly priority?: number;
  /** `SCHED_FLAG_RESET_ON_FORK`, … */
  readonly flags?: readonly string[];
  /** SCHED_DEADLINE, nanoseconds. */
  readonly runtime?: number;
  readonly deadline?: number;
  readonly period?: number;
}

export interface MountConfig {
  readonly destination: string;
  readonly type?: string;
  readonly source?: string;
  readonly options?: readonly string[];
  readonly uidMappings?: readonly IdMapping[];
  readonly gidMappings?: readonly IdMapping[];
}

export interface IdMapping {
  readonly containerID: number;
  readonly hostID: number;
  readonly size: number;
}

export type HookStage =
  | 'prestart'
  | 'createRuntime'
  | 'createContainer'
  | 'startContainer'
  | 'poststart'
  | 'poststop';
export type HooksConfig = { readonly [stage in HookStage]?: readonly HookConfig[] };

export interface HookConfig {
  readonly path: string;
  readonly args?: readonly string[];
  readonly env?: readonly string[];
  /** Seconds. */
  readonly timeout?: number;
}

export interface LinuxConfig {
  readonly namespaces?: readonly NamespaceConfig[];
  readonly uidMappings?: readonly IdMapping[];
  readonly gidMappings?: readonly IdMapping[];
  readonly timeOffsets?: {
    readonly [clock in 'monotonic' | 'boottime']?: { readonly secs?: number; readonly nanosecs?: number };
  };
  readonly devices?: readonly DeviceConfig[];
  /** Absolute: below each hierarchy's mount. Relative: below the runtime's own cgroup. systemd: slice:prefix:name. */
  readonly cgroupsPath?: string;
  readonly resources?: ResourcesConfig;
  readonly rootfsPropagation?: string;
  readonly maskedPaths?: readonly string[];
  readonly readonlyPaths?: readonly string[];
  readonly seccomp?: SeccompConfig;
  readonly sysctl?: Readonly<Record<string, string>>;
  readonly personality?: { readonly domain: string; readonly flags?: readonly string[] };
  readonly mountLabel?: string;
  readonly intelRdt?: {
    readonly closID?: string;
    readonly l3CacheSchema?: string;
    readonly memBwSchema?: string;
    readonly schemata?: readonly string[];
    readonly enableCMT?: boolean;
    readonly enableMBM?: boolean;
    readonly enableMonitoring?: boolean;
  };
}

export type NamespaceType = 'pid' | 'network' | 'mount' | 'ipc' | 'uts' | 'user' | 'cgroup' | 'time';
export interface NamespaceConfig {
  readonly type: NamespaceType;
  /** Joined instead of made. */
  readonly path?: string;
}

export interface DeviceConfig {
  readonly path: string;
  /** c and u (character), b (block), p (FIFO). */
  readonly type: string;
  readonly major?: number;
  readonly minor?: number;
  /** Permission bits as a number. */
  readonly fileMode?: number;
  readonly uid?: number;
  readonly gid?: number;
}

export interface DeviceRule {
  readonly allow: boolean;
  /** `a`, `b` or `c`; absent is `a`. */
  readonly type?: string;
  /** Absent or negative: any. */
  readonly major?: number;
  readonly minor?: number;
  /** Of `rwm`; absent is all. */
  readonly access?: string;
}

export interface ResourcesConfig {
  readonly devices?: readonly DeviceRule[];
  readonly memory?: {
    /** Bytes; -1 is no limit, here and below. */
    readonly limit?: number;
    readonly reservation?: number;
    /** Memory and swap together. */
    readonly swap?: number;
    readonly kernel?: number;
    readonly kernelTCP?: number;
    readonly swappiness?: number;
    readonly disableOOMKiller?: boolean;
    readonly useHierarchy?: boolean;
    readonly checkBeforeUpdate?: boolean;
  };
  readonly cpu?: {
    readonly shares?: number;
    /** Microseconds. */
    readonly quota?: number;
    readonly burst?: number;
    readonly period?: number;
    readonly realtimeRuntime?: number;
    readonly realtimePeriod?: number;
    readonly cpus?: string;
    readonly mems?: string;
    /** 1: SCHED_IDLE for the whole group. */
    readonly idle?: number;
  };
  readonly pids?: { readonly limit?: number };
  readonly blockIO?: {
    readonly weight?: number;
    readonly leafWeight?: number;
    readonly weightDevice?: readonly {
      readonly major: number;
      readonly minor: number;
      readonly weight?: number;
      readonly leafWeight?: number;
    }[];
    readonly throttleReadBpsDevice?: readonly ThrottleDevice[];
    readonly throttleWriteBpsDevice?: readonly ThrottleDevice[];
    readonly throttleReadIOPSDevice?: readonly ThrottleDevice[];
    readonly throttleWriteIOPSDevice?: readonly ThrottleDevice[];
  };
  readonly hugepageLimits?: readonly { readonly pageSize: string; readonly limit: number }[];
  readonly network?: {
    readonly classID?: number;
    readonly priorities?: readonly { readonly name: string; readonly priority: number }[];
  };
  readonly rdma?: Readonly<Record<string, { readonly hcaHandles?: number; readonly hcaObjects?: number }>>;
  /** cgroup v2: file name to what is written to it. */
  readonly unified?: Readonly<Record<string, string>>;
}

export interface ThrottleDevice {
  readonly major: number;
  readonly minor: number;
  readonly rate: number;
}

export interface SeccompConfig {
  readonly defaultAction: string;
  readonly defaultErrnoRet?: number;
  /** `SCMP_ARCH_X86_64`, … The native one is always there. */
  readonly architectures?: readonly string[];
  /** `SECCOMP_FILTER_FLAG_LOG`, … */
  readonly flags?: readonly string[];
  readonly listenerPath?: string;
  readonly listenerMetadata?: string;
  readonly syscalls?: readonly {
    readonly names: readonly string[];
    readonly action: string;
    readonly errnoRet?: number;
    readonly args?: readonly {
      readonly index: number;
      readonly value: number | bigint;
      readonly valueTwo?: number | bigint;
      /** `SCMP_CMP_EQ`, … */
      readonly op: string;
    }[];
  }[];
}

/** What hooks read on stdin and `state` prints (runtime.md, State). */
export interface RuntimeState {
  readonly ociVersion: string;
  readonly id: string;
  readonly status: 'creating' | 'created' | 'running' | 'stopped';
  /** Host pid; absent once stopped. */
  readonly pid?: number;
  /** Absolute path. */
  readonly bundle: string;
  readonly annotations?: Readonly<Record<string, string>>;
}
