/** The engine's containers, through the same compiler as everybody's; what is their own stands in the parent's part. */
import { posix } from 'node:path';
import type { CgroupHierarchy } from '../../../kernel/cgroup-contract.ts';
import { assert } from '../../../base/errors.ts';
import type { ContainerSpec, ProcessSpec } from '../runtime.ts';
import type { Instruction } from '../program/instructions.ts';
import { compileSeccomp, type SeccompHost } from '../seccomp/compile-seccomp.ts';
import { dockerDefaultSeccomp } from '../seccomp/docker-default.ts';
import type { SeccompProgram } from '../seccomp/compile-seccomp.ts';
import type { ShimParent } from './context.ts';
import { compileCreate } from './create.ts';
import { engineConfig } from './engine-config.ts';
import { compileExec } from './exec.ts';

export interface EngineContext {
  /** An empty folder on which the root is mounted, in the container's mount namespace only. */
  readonly rootFolder: string;
  /** One cgroup.procs for each hierarchy. */
  readonly procsFiles: readonly string[];
  readonly hierarchies: readonly CgroupHierarchy[];
  /** memory.events or memory.oom_control. */
  readonly oomFile?: string;
}

/** Programs that reap and pass signals on themselves: they are PID 1. */
const INITS = new Set([
  'init',
  'systemd',
  'tini',
  'tini-static',
  'dumb-init',
  'catatonit',
  's6-svscan',
  'docker-init',
]);

export function compileContainer(spec: ContainerSpec, context: EngineContext): Instruction[] {
  const config = engineConfig(spec);
  const { rootFolder, procsFiles, hierarchies } = context;
  const { id, process } = spec;
  const { annotations } = config;
  const seccomp =
    spec.privileged === true || process === undefined
      ? undefined
      : defaultSeccomp(config.process?.capabilities?.bounding ?? []);
  return compileCreate(config, {
    id,
    bundle: rootFolder,
    rootless: false,
    parent: shimParent(spec, context.oomFile),
    root:
      process === undefined
        ? { type: 'empty', folder: rootFolder }
        : { type: 'overlay', snapshot: spec.root, folder: rootFolder },
    procsFiles,
    hierarchies,
    ...(seccomp === undefined ? {} : { seccomp }),
    state: (status) => ({
      ociVersion: config.ociVersion,
      id,
      status,
      bundle: rootFolder,
      ...(annotations === undefined ? {} : { annotations }),
    }),
  });
}

function shimParent({ process, stdio, join = {} }: ContainerSpec, oomFile: string | undefined): ShimParent {
  const { pid, net, ipc, uts } = join;
  return {
    type: 'shim',
    output:
      process === undefined
        ? { type: 'none' }
        : stdio.type === 'cri-log'
          ? {
              type: 'log',
              path: stdio.path,
              terminal: stdio.terminal === true,
              input: stdio.input ?? 'empty',
            }
          : { type: 'inherit' },
    ...(oomFile === undefined ? {} : { oomFile }),
    init:
      process === undefined ? 'hold' : INITS.has(posix.basename(process.args[0]!)) ? 'become' : 'supervise',
    ...(process === undefined ? {} : { user: process.user }),
    inodes: {
      ...(pid === undefined ? {} : { pid: pid.inode }),
      ...(net === undefined ? {} : { network: net.inode }),
      ...(ipc === undefined ? {} : { ipc: ipc.inode }),
      ...(uts === undefined ? {} : { uts: uts.inode }),
    },
  };
}

export interface EngineExec {
  readonly args: readonly string[];
  readonly terminal: boolean;
  /** Of the container's init, in our eyes. */
  readonly pid: number;
  /** proc(5) field 22. */
  readonly startTime: string;
  readonly procsFiles: readonly string[];
}

/** A process more in a container of the engine's: as the container's own, but for its words. */
export function compileContainerExec(
  spec: ContainerSpec & { readonly process: ProcessSpec },
  exec: EngineExec,
): Instruction[] {
  const { args, terminal, pid, startTime, procsFiles } = exec;
  const config = engineConfig({ ...spec, process: { ...spec.process, args } });
  const { process: own, annotations } = config;
  const process = own && { ...own, terminal };
  assert(process !== undefined, 'a container that is not a sandbox has a process');
  const seccomp = spec.privileged === true ? undefined : defaultSeccomp(process.capabilities?.bounding ?? []);
  const env =
    terminal && !(process.env ?? []).some((entry) => entry.startsWith('TERM=')) ? ['TERM=xterm'] : [];
  return compileExec({ ...process, terminal, env: [...env, ...(process.env ?? [])] }, config, {
    id: spec.id,
    pid,
    startTime,
    procsFiles,
    shim: { user: spec.process.user },
    ...(terminal && { consoleTo: { type: 'relay' } }),
    ...(seccomp === undefined ? {} : { seccomp }),
    state: (status) => ({
      ociVersion: config.ociVersion,
      id: spec.id,
      status,
      bundle: '',
      ...(annotations === undefined ? {} : { annotations }),
    }),
  });
}

/** By the capabilities that it depends on: there are few different ones, and each takes a while to compile. */
const programs = new Map<string, SeccompProgram>();

function defaultSeccomp(capabilities: readonly string[]): SeccompProgram | undefined {
  const arch = hostArch();
  if (arch === undefined) return undefined;
  const key = capabilities.join();
  let program = programs.get(key);
  if (program === undefined) {
    program = compileSeccomp(dockerDefaultSeccomp({ capabilities, arch }), { arch });
    programs.set(key, program);
  }
  return program;
}

function hostArch(): SeccompHost | undefined {
  return process.arch === 'x64' || process.arch === 'arm64' ? process.arch : undefined;
}
