/** What the OCI lifecycle and the engine know of a container's cgroup. */
import type { CgroupHierarchy } from '../../../kernel/cgroup.ts';
import type { LinuxConfig, ResourcesConfig } from '../../spec/runtime-config.ts';
import type { CgroupStatistics } from './statistics-types.ts';

export type CgroupDriver = 'cgroupfs' | 'systemd';

export interface PlaceOptions {
  readonly id: string;
  /** `linux.cgroupsPath`. */
  readonly cgroupsPath: string | undefined;
  readonly driver: CgroupDriver;
  /** Without the right to make cgroups, a container that asks for no limit goes without one. */
  readonly rootless: boolean;
  /** `org.systemd.property.*` become properties of the scope; all others are passed over. */
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  readonly intelRdt?: LinuxConfig['intelRdt'] | undefined;
  /**
   * v2: who shall own the cgroup, the container's root in a user namespace with a cgroup namespace and a writable mount of it.
   */
  readonly ownerUid?: number | undefined;
}

/** Where a container's cgroup is. Serializable; goes into the container's state file. */
export interface CgroupPlace {
  readonly driver: CgroupDriver;
  /** Below each hierarchy's mount, absolute. */
  readonly path: string;
  /** v1, by the hierarchy's name, where it differs from `path`: a process may be in another place in each. */
  readonly paths?: Readonly<Record<string, string>>;
  /** `NAME.scope`, or `NAME.slice`. */
  readonly unit?: string;
  readonly slice?: string;
  readonly rootless: boolean;
  /** True when the configuration named it: then having no right to make it is an error. */
  readonly named: boolean;
  /** Names of hierarchies in which a rootless container goes without a cgroup. */
  readonly without?: readonly string[];
  /** Name to value in systemd's text form (`MemoryMin`: `uint64 1000`). */
  readonly unitProperties?: Readonly<Record<string, string>>;
  readonly intelRdt?: IntelRdtPlace;
  readonly ownerUid?: number;
}

/** A folder below the mount of resctrl, and what is written to it. */
export interface IntelRdtPlace {
  readonly group: string;
  /** False when `closID` names a group that others may use too: it is not removed with the container. */
  readonly owned: boolean;
  /** Absent lines keep what is there. */
  readonly schemata?: readonly string[];
  /** `closID` without any schema: the group must exist. */
  readonly mustExist: boolean;
  /** A monitoring group of the container's own below the group. */
  readonly monitoring?: string;
}

export interface ContainerCgroup {
  /** After `create` it may hold more than before (systemd says where the scope is): save it then. */
  readonly place: CgroupPlace;
  readonly version: 1 | 2;
  /** For the container's cgroup mounts. Empty when a rootless container goes without. */
  readonly hierarchies: readonly CgroupHierarchy[];
  /** The front writes a process' pid to each. Those of resctrl are among them. */
  readonly procsFiles: readonly string[];
  /** v2: memory.events; v1: memory.oom_control. The `oom_kill` line of either counts kills. */
  readonly oomFile?: string | undefined;
  /**
   * systemd makes a scope around a process: `create` must be given the pid of init, blocked before it runs anything.
   * cgroupfs needs none.
   */
  readonly wantsPid: boolean;
  exists(): boolean;
  /** Host pids; `recursive`: in cgroups below as well. */
  pids(options?: { readonly recursive?: boolean }): number[];
  /** Undoes what it made when it fails. Device rules are part of it: the default is to deny, with DEFAULT_DEVICE_RULES. */
  create(resources: ResourcesConfig, pid?: number): Promise<void>;
  /** Puts a process in that is not a child of one that is in: for exec, where the front does not write procsFiles. */
  attach(pid: number): Promise<void>;
  /** Only what is given changes; devices stay unless given. What had changed is put back when a later one fails. */
  update(resources: ResourcesConfig): Promise<void>;
  /** Resolves when every process stands still; thaws and throws `timeout` or `cancelled` otherwise. */
  freeze(signal?: AbortSignal): Promise<void>;
  thaw(): Promise<void>;
  frozen(): boolean;
  /**
   * Signals every process in it and below, also those that are being forked meanwhile; SIGKILL (the default) resolves
   * when none is left, and thaws. Nothing there is not an error.
   */
  kill(signal?: number): Promise<void>;
  /** `not-found` when it does not exist. */
  stats(): CgroupStatistics;
  /** Calls `onOom` once for each time that memory ran out; resolves when the cgroup is gone or `signal` aborts. */
  watchOom(onOom: () => void, signal: AbortSignal): Promise<void>;
  /** With everything below it. Retries while busy, `timeout` after 10 s. Idempotent. */
  remove(): Promise<void>;
}
