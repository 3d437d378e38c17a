/** What the compiler must know beside the configuration: where things are on this host, and who will be the parent. */
import type { CgroupHierarchy } from '../../../kernel/cgroup-contract.ts';
import type { NamespaceType, RuntimeState } from '../../spec/runtime-config.ts';
import type { Snapshot } from '../../spec/snapshot.ts';
import type { SeccompProgram } from '../seccomp/compile-seccomp.ts';

export interface CreateContext {
  readonly id: string;
  /** Absolute: relative bind sources and `root.path` start here. */
  readonly bundle: string;
  /** Without privileges on the host: what only root may do is left out, as runc does. */
  readonly rootless: boolean;
  readonly parent: FrontParent | ShimParent;
  readonly root: RootSource;
  /** MS_MOVE instead of pivot_root(2), for a root on a ramdisk. */
  readonly noPivot?: boolean;
  readonly noNewKeyring?: boolean;
  /** One for each hierarchy: init's pid goes into all of them. */
  readonly procsFiles: readonly string[];
  readonly hierarchies: readonly CgroupHierarchy[];
  /** How id maps are written: directly, or by newuidmap(1) and newgidmap(1). */
  readonly idMapBy?: 'file' | 'helper';
  readonly seccomp?: SeccompProgram;
  /** What hooks and a seccomp agent read; the pid is put in by the executor. */
  readonly state: StateWithoutPid;
  /** The caller's: of hooks that bring none of their own. */
  readonly environment?: readonly string[];
  /** Whether the kernel has /proc/kcore, to which /dev/core leads then. */
  readonly hasKcore?: boolean;
}

export type StateWithoutPid = (status: RuntimeState['status']) => Omit<RuntimeState, 'pid'>;

/** The front of `sampan-oci`: the caller's child, gone once the container is created. */
export interface FrontParent {
  readonly type: 'front';
  /** Where `start.sock` is made. */
  readonly stateFolder: string;
  readonly consoleTo?: ConsoleTarget;
  readonly preserveFds?: number;
  /** Init's pid is told (`ask cgroup`) before anything runs in it: systemd makes a scope around a process. */
  readonly askForCgroup?: boolean;
}

export type ConsoleTarget = { readonly type: 'socket'; readonly path: string } | { readonly type: 'relay' };

/** The engine's shim: stays with its container. */
export interface ShimParent {
  readonly type: 'shim';
  /** `log`: CRI log lines; `inherit`: the caller's own stdio, and an end with it; `none`: there is no output. */
  readonly output:
    | {
        readonly type: 'log';
        readonly path: string;
        readonly terminal: boolean;
        readonly input: 'empty' | 'keep' | 'once';
      }
    | { readonly type: 'inherit' }
    | { readonly type: 'none' };
  /** memory.events or memory.oom_control. */
  readonly oomFile?: string;
  /** What becomes of PID 1; `hold` has no process of the user's. */
  readonly init: 'hold' | 'supervise' | 'become';
  /** `user[:group]` by the image's files, instead of the numbers in the configuration. */
  readonly user?: string;
  /** Of the joined namespaces: the paths lead through a process that may have been replaced. */
  readonly inodes?: { readonly [kind in NamespaceType]?: number };
}

export type RootSource =
  | { readonly type: 'path'; readonly path: string }
  | { readonly type: 'overlay'; readonly snapshot: Snapshot; readonly folder: string }
  /** A sandbox sees no files. */
  | { readonly type: 'empty'; readonly folder: string };

/** A process more in a container that runs. */
export interface ExecContext {
  readonly id: string;
  /** The container's init, in our eyes. */
  readonly pid: number;
  /** proc(5) field 22, against a pid that was used again. */
  readonly startTime: string;
  readonly consoleTo?: ConsoleTarget;
  readonly preserveFds?: number;
  /** The engine's: the parent is `sampan-shim exec`, and the user is one of the image's files, `user[:group]`. */
  readonly shim?: { readonly user: string };
  readonly noNewKeyring?: boolean;
  /** The container's user namespace has setgroups(2) denied. */
  readonly keepGroups?: boolean;
  /** Outcome `exited` after the process' end, instead of `done` once it runs. */
  readonly wait?: boolean;
  readonly procsFiles: readonly string[];
  readonly seccomp?: SeccompProgram;
  readonly state: StateWithoutPid;
}
