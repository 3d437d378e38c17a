/** A container's specification to the flat list of instructions that the shim and init execute in order. */
import { posix } from 'node:path';
import { PlatformError } from '../../base/errors.ts';
import type { CgroupHierarchy } from '../../kernel/cgroup-contract.ts';
import type { Snapshot } from '../spec/snapshot.ts';
import { capabilityMask } from './capabilities.ts';
import { type Instruction, MAX_ARGS } from './program-text.ts';
import type { ContainerSpec, ProcessSpec } from './runtime.ts';

export interface CompileContext {
  /** An empty folder on which the root is mounted, in the container's mount namespace only. */
  readonly rootFolder: string;
  /** One cgroup.procs for each hierarchy. */
  readonly procsFiles: readonly string[];
  readonly hierarchies: readonly CgroupHierarchy[];
  /** memory.events or memory.oom_control. */
  readonly oomFile?: string;
}

/** Docker's default masked paths. */
const MASKED_PATHS = [
  '/proc/asound',
  '/proc/acpi',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/sys/firmware',
  '/sys/devices/virtual/powercap',
];

/** Docker's default read-only paths. */
const READONLY_PATHS = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

/** OCI runtime-spec, default devices: name, major, minor. */
const DEVICES: readonly (readonly [string, number, number])[] = [
  ['null', 1, 3],
  ['zero', 1, 5],
  ['full', 1, 7],
  ['random', 1, 8],
  ['urandom', 1, 9],
  ['tty', 5, 0],
];

const DEV_LINKS: readonly (readonly [string, string])[] = [
  ['/proc/self/fd', '/dev/fd'],
  ['/proc/self/fd/0', '/dev/stdin'],
  ['/proc/self/fd/1', '/dev/stdout'],
  ['/proc/self/fd/2', '/dev/stderr'],
  ['pts/ptmx', '/dev/ptmx'],
];

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

const DEFAULT_PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** mount(2) takes one page of options. */
const OPTIONS_MAX = 4095;

export function compileContainer(spec: ContainerSpec, context: CompileContext): Instruction[] {
  checkSpec(spec);
  return [
    ...shimPart(spec, context),
    ...joinPart(spec),
    ...(spec.process === undefined ? sandboxRoot(spec, context) : containerRoot(spec, context)),
    ...(ownUts(spec) ? [step('hostname', spec.hostname)] : []),
    ...(ownNet(spec) ? [step('loopback')] : []),
    step('pivot'),
    ...(spec.process === undefined ? [step('created'), step('hold')] : processPart(spec, spec.process)),
  ];
}

function step(opcode: string, ...args: readonly string[]): Instruction {
  return { opcode, args };
}

/** Splits what may be longer than one instruction holds; the parts add up. */
function steps(opcode: string, args: readonly string[]): Instruction[] {
  const parts: Instruction[] = [];
  for (let at = 0; at < args.length; at += MAX_ARGS)
    parts.push(step(opcode, ...args.slice(at, at + MAX_ARGS)));
  return parts;
}

const ownNet = (spec: ContainerSpec): boolean => spec.hostNetwork !== true && spec.join?.net === undefined;
const ownUts = (spec: ContainerSpec): boolean => spec.join?.uts === undefined;

function shimPart(spec: ContainerSpec, context: CompileContext): Instruction[] {
  const { join = {}, stdio } = spec;
  const inherit = stdio.type === 'inherit' && spec.process !== undefined;
  const namespaces = [
    'mnt',
    ...(join.pid === undefined ? ['pid'] : []),
    ...(ownUts(spec) ? ['uts'] : []),
    ...(join.ipc === undefined ? ['ipc'] : []),
    ...(ownNet(spec) ? ['net'] : []),
  ];
  return [
    step('shim', inherit ? 'foreground' : 'detached'),
    ...(spec.process === undefined
      ? [step('no-output')]
      : stdio.type === 'cri-log'
        ? [step('log', stdio.path)]
        : []),
    ...(join.pid === undefined ? [] : [step('join-pid', 'pid', join.pid.path, String(join.pid.inode))]),
    step('clone', ...namespaces),
    step('cgroup', ...context.procsFiles),
    ...(context.oomFile === undefined ? [] : [step('oom', context.oomFile)]),
    step('enter'),
  ];
}

function joinPart({ id, join = {} }: ContainerSpec): Instruction[] {
  const kinds = ['net', 'ipc', 'uts'] as const;
  return [
    ...kinds.flatMap((kind) => {
      const namespace = join[kind];
      return namespace === undefined ? [] : [step('join', kind, namespace.path, String(namespace.inode))];
    }),
    step('unshare-cgroup'),
    step('private'),
    step('keyring', `sampan-${id.slice(0, 12)}`),
  ];
}

const mountProc = step('mount', 'proc', 'proc', '/proc', 'nosuid,noexec,nodev', '');

/** What Docker and containerd set in a new network namespace: ping and low ports without privileges. */
const NET_SYSCTLS = [
  step('sysctl', 'net/ipv4/ip_unprivileged_port_start', '0'),
  step('sysctl', 'net/ipv4/ping_group_range', '0 2147483647'),
];

/** A sandbox sees no files at all. */
function sandboxRoot(spec: ContainerSpec, context: CompileContext): Instruction[] {
  return [
    step('root', 'tmpfs', context.rootFolder, 'size=64k,mode=755'),
    ...(ownNet(spec) ? [mountProc, ...NET_SYSCTLS] : []),
  ];
}

function containerRoot(spec: ContainerSpec, context: CompileContext): Instruction[] {
  const access = spec.privileged === true ? '' : 'ro,';
  return [
    overlay(spec.root, context.rootFolder),
    mountProc,
    ...(ownNet(spec) ? NET_SYSCTLS : []),
    step('mount', 'tmpfs', 'tmpfs', '/dev', 'nosuid,strictatime', 'mode=755,size=65536k'),
    step(
      'mount',
      'devpts',
      'devpts',
      '/dev/pts',
      'nosuid,noexec',
      'newinstance,ptmxmode=0666,mode=0620,gid=5',
    ),
    step('mount', 'tmpfs', 'shm', '/dev/shm', 'nosuid,noexec,nodev', 'mode=1777,size=65536k'),
    step('mount', 'mqueue', 'mqueue', '/dev/mqueue', 'nosuid,noexec,nodev', ''),
    ...DEVICES.map(([name, major, minor]) =>
      step('device', `/dev/${name}`, '666', String(major), String(minor)),
    ),
    ...DEV_LINKS.map(([target, path]) => step('symlink', target, path)),
    step('mount', 'sysfs', 'sysfs', '/sys', `${access}nosuid,noexec,nodev`, ''),
    ...cgroupMounts(context.hierarchies, access),
    ...(spec.mounts ?? []).map(({ source, destination, readonly }) =>
      step('bind', source, absolute('mount destination', destination), readonly === true ? 'ro' : 'rw'),
    ),
    ...(spec.privileged === true
      ? []
      : [
          ...MASKED_PATHS.map((path) => step('mask', path)),
          ...READONLY_PATHS.map((path) => step('readonly', path)),
        ]),
    ...(spec.readonlyRoot === true ? [step('remount-readonly', '/')] : []),
  ];
}

/** The container's cgroup namespace makes each mount's root its own cgroup. */
function cgroupMounts(hierarchies: readonly CgroupHierarchy[], access: string): Instruction[] {
  const flags = `${access}nosuid,noexec,nodev`;
  if (hierarchies.length === 1 && hierarchies[0]!.name === '') {
    return [step('mount', 'cgroup2', 'cgroup', '/sys/fs/cgroup', flags, '')];
  }
  return [
    step('mount', 'tmpfs', 'tmpfs', '/sys/fs/cgroup', 'nosuid,noexec,nodev', 'mode=755,size=64k'),
    ...hierarchies.map(({ name, fsType }) =>
      fsType === 'cgroup2'
        ? step('mount', 'cgroup2', 'cgroup', `/sys/fs/cgroup/${name}`, flags, '')
        : step(
            'mount',
            'cgroup',
            'cgroup',
            `/sys/fs/cgroup/${name}`,
            flags,
            name === 'systemd' ? 'name=systemd' : name,
          ),
    ),
    step('remount-readonly', '/sys/fs/cgroup'),
  ];
}

function overlay({ lowerDirs, upperDir, workDir }: Snapshot, target: string): Instruction {
  if (lowerDirs.length === 0) throw new PlatformError('invalid', 'root: no lower directory');
  // Overlayfs splits its options at commas and lowerdir at colons; a backslash keeps either.
  const escaped = (path: string): string => path.replaceAll(/[\\,:]/g, '\\$&');
  const lower = lowerDirs.map(escaped).join(':');
  const options = `lowerdir=${lower},upperdir=${escaped(upperDir)},workdir=${escaped(workDir)}`;
  if (Buffer.byteLength(options) <= OPTIONS_MAX) return step('root', 'overlay', target, options);
  return step('root-layers', target, upperDir, workDir, ...lowerDirs);
}

function processPart(spec: ContainerSpec, process: ProcessSpec): Instruction[] {
  const mask = capabilityMask({
    ...spec.capabilities,
    ...(spec.privileged === undefined ? {} : { privileged: spec.privileged }),
  });
  const noNewPrivileges = spec.noNewPrivileges ?? spec.privileged !== true;
  const has = (name: string): boolean => process.env.some((entry) => entry.startsWith(`${name}=`));
  const isInit = INITS.has(posix.basename(process.args[0]!));
  return [
    ...steps('environment', [...process.env, ...(has('PATH') ? [] : [DEFAULT_PATH])]),
    step('cwd', absolute('working directory', process.cwd === '' ? '/' : process.cwd)),
    step('user', process.user, ...(process.additionalGids ?? []).map(String)),
    ...(has('HOME') ? [] : [step('home')]),
    ...steps('arguments', process.args),
    step('find-program'),
    step('created'),
    step(isInit ? 'become' : 'supervise'),
    step('foreground'),
    step('oom-score-adj', String(process.oomScoreAdj ?? 0)),
    step('bounding', mask),
    ...(noNewPrivileges ? [step('no-new-privileges')] : []),
    step('identity'),
    step('capabilities', mask),
    step('exec'),
  ];
}

function absolute(field: string, path: string): string {
  if (!path.startsWith('/')) throw new PlatformError('invalid', `${field} "${path}": want an absolute path`);
  return posix.normalize(path).replace(/(?<=.)\/$/, '');
}

/** Ids name folders and cgroups; nothing else in a specification reaches the host's file system by its name. */
const ID = /^[a-z0-9][a-z0-9_.-]{0,127}$/;

function checkSpec(spec: ContainerSpec): void {
  if (!ID.test(spec.id)) throw new PlatformError('invalid', `container id "${spec.id}": want ${ID.source}`);
  if (Buffer.byteLength(spec.hostname) > 64) {
    throw new PlatformError('invalid', `hostname "${spec.hostname}" is longer than 64 bytes`);
  }
  const { process } = spec;
  if (process === undefined) return;
  if (process.args.length === 0) throw new PlatformError('invalid', `container ${spec.id}: no command`);
  if ((process.additionalGids?.length ?? 0) > MAX_ARGS / 2) {
    throw new PlatformError('invalid', `container ${spec.id}: more than ${MAX_ARGS / 2} additional groups`);
  }
  const nul = [...process.args, ...process.env, process.cwd, process.user].find((text) =>
    text.includes('\0'),
  );
  if (nul !== undefined)
    throw new PlatformError('invalid', `container ${spec.id}: a NUL byte in ${JSON.stringify(nul)}`);
}
