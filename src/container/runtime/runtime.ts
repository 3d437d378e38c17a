import type { Readable, Writable } from 'node:stream';
import type { Snapshot } from '../spec/snapshot.ts';

/**
 * The lifecycle contract of one container (OCI runtime-spec: create, start, kill, delete, state), as the engine and
 * `sampan run` use it. A container's shim is its parent; the state folder on disk and the shim's socket are all
 * that is needed to find it again after the caller died.
 */
export interface ContainerSpec {
  /** Lower-case hex or name, unique in the instance. */
  readonly id: string;
  readonly root: Snapshot;
  readonly readonlyRoot?: boolean;
  readonly hostname: string;
  /** `undefined` makes a sandbox: init holds the namespaces, reaps, and waits to be killed. */
  readonly process?: ProcessSpec;
  readonly mounts?: readonly BindMount[];
  /** Namespaces to join instead of new ones; paths `/proc/<pid>/ns/…`, checked against the inode. */
  readonly join?: { readonly [kind in 'net' | 'ipc' | 'uts' | 'pid']?: { path: string; inode: number } };
  /** Stay in the caller's network namespace. */
  readonly hostNetwork?: boolean;
  /** Leaf of the cgroup below the instance's parent: `pod<uid>/<id>`. */
  readonly cgroup: string;
  readonly resources?: Resources;
  /** All of Linux' capabilities, no masked paths, writable sysctls and cgroups. */
  readonly privileged?: boolean;
  readonly capabilities?: { readonly add?: readonly string[]; readonly drop?: readonly string[] };
  readonly noNewPrivileges?: boolean;
  /** Where stdout and stderr go. */
  readonly stdio:
    | {
        readonly type: 'cri-log';
        readonly path: string;
        readonly terminal?: boolean;
        /** From those who attach: `once` ends with the first of them. Empty when absent. */
        readonly input?: 'keep' | 'once';
      }
    | { readonly type: 'inherit' };
  readonly labels?: Readonly<Record<string, string>>;
}

export interface ProcessSpec {
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  /** `user[:group]`, names looked up in the image's /etc/passwd and /etc/group. Empty is root. */
  readonly user: string;
  readonly additionalGids?: readonly number[];
  readonly oomScoreAdj?: number;
}

export interface BindMount {
  readonly source: string;
  readonly destination: string;
  readonly readonly?: boolean;
}

export interface Resources {
  /** CFS quota in microseconds per period; 0 or absent: no limit. */
  readonly cpuQuota?: number;
  readonly cpuPeriod?: number;
  /** v1 shares (2..262144); converted to a weight on v2. */
  readonly cpuShares?: number;
  /** Bytes. */
  readonly memoryLimit?: number;
  readonly pidsLimit?: number;
}

export type ContainerStatus = 'created' | 'running' | 'stopped';

export interface ContainerState {
  readonly id: string;
  readonly status: ContainerStatus;
  /** Host pid of the container's PID 1; 0 once stopped. */
  readonly pid: number;
  /** Milliseconds since the epoch; 0 when not yet. */
  readonly createdAt: number;
  readonly startedAt: number;
  readonly finishedAt: number;
  /** 0..255; 128 + signal when killed by one. Only once stopped. */
  readonly exitCode?: number;
  readonly oomKilled?: boolean;
  readonly labels: Readonly<Record<string, string>>;
}

export interface ContainerUsage {
  readonly memoryBytes: number;
  /** Without the files that the kernel takes back first. */
  readonly workingSetBytes: number;
  /** Since it was created, in nanoseconds of one CPU. */
  readonly cpuNanos: number;
  readonly pids: number;
}

export interface ExecSpec {
  readonly args: readonly string[];
  /** A terminal: its output is `stdout` alone. */
  readonly terminal: boolean;
  /** Without it the process reads an end of file at once. */
  readonly stdin: boolean;
}

/** The streams of a process that was started in a container, or of the container's own. */
export interface ProcessStreams {
  /** Absent when it has none. To end it is the end of file for the process. */
  readonly stdin?: Writable;
  readonly stdout: Readable;
  /** Absent with a terminal. */
  readonly stderr?: Readable;
  /** Of the terminal, in characters; nothing without one. */
  resize(size: { readonly width: number; readonly height: number }): void;
}

export interface ExecProcess extends ProcessStreams, Disposable {
  readonly stderr: Readable;
  /** 0..255, 128 + signal when killed by one; after the last of its output was read. Disposing kills the process. */
  readonly exited: Promise<number>;
}

export interface Runtime extends AsyncDisposable {
  /** Everything up to the user's program: namespaces, mounts, cgroup. Undone wholly when any step fails. */
  create(spec: ContainerSpec): Promise<ContainerState>;
  start(id: string): Promise<void>;
  /** `not-found` when there is no such container; a stopped one is not an error. */
  kill(id: string, signal: number): Promise<void>;
  state(id: string): Promise<ContainerState>;
  /** Every container on disk, also those of a crashed caller. */
  list(): Promise<readonly ContainerState[]>;
  /** Resolves when the container has stopped. */
  wait(id: string, signal?: AbortSignal): Promise<ContainerState>;
  /** Starts one process more in a running container, as its user and within its limits. Dies with us. */
  exec(id: string, spec: ExecSpec): Promise<ExecProcess>;
  /** The container's own streams, from now on. `unsupported` from a shim that is older than this. */
  attach(id: string, options: { readonly stdin: boolean }): Promise<ProcessStreams & Disposable>;
  /** Other limits for a container that has not stopped; what is not given stays. `conflict` once it has. */
  update(id: string, resources: Resources): Promise<void>;
  /** What it uses now. `not-found` when there is none, `conflict` once it has stopped. */
  usage(id: string): Promise<ContainerUsage>;
  /** Removes cgroup, socket and state. With `force` kills first; idempotent. */
  delete(id: string, options?: { force?: boolean }): Promise<void>;
}
