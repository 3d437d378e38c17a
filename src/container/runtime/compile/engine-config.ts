/** What the engine's containers are in the terms of the runtime specification: Docker's defaults, as CRI has them too. */
import { posix } from 'node:path';
import { PlatformError } from '../../../base/errors.ts';
import type {
  LinuxConfig,
  MountConfig,
  NamespaceConfig,
  ProcessConfig,
  RuntimeConfig,
} from '../../spec/runtime-config.ts';
import { chooseCapabilities } from '../capabilities.ts';
import type { ContainerSpec, ProcessSpec } from '../runtime.ts';

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

const DEFAULT_PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** What Docker and containerd set in a new network namespace: ping and low ports without privileges. */
const NET_SYSCTLS = {
  'net.ipv4.ip_unprivileged_port_start': '0',
  'net.ipv4.ping_group_range': '0 2147483647',
};

const SAFE = ['nosuid', 'noexec', 'nodev'];
const PROC: MountConfig = { destination: '/proc', type: 'proc', source: 'proc', options: SAFE };

export const OCI_VERSION = '1.2.0';

export function engineConfig(spec: ContainerSpec): RuntimeConfig {
  checkSpec(spec);
  const { process, labels, hostname } = spec;
  const common = {
    ociVersion: OCI_VERSION,
    ...(spec.join?.uts === undefined ? { hostname } : {}),
    ...(labels === undefined ? {} : { annotations: labels }),
  };
  // A sandbox sees no files, but its network namespace has settings.
  if (process === undefined) {
    return { ...common, mounts: ownNet(spec) ? [PROC] : [], linux: linuxConfig(spec) };
  }
  const isPrivileged = spec.privileged === true;
  return {
    ...common,
    root: { path: '', readonly: spec.readonlyRoot === true },
    process: processConfig(spec, process),
    mounts: [...defaultMounts(isPrivileged), ...(spec.mounts ?? []).map(bindMount)],
    linux: {
      ...linuxConfig(spec),
      ...(isPrivileged ? {} : { maskedPaths: MASKED_PATHS, readonlyPaths: READONLY_PATHS }),
    },
  };
}

function ownNet({ hostNetwork, join }: ContainerSpec): boolean {
  return hostNetwork !== true && join?.net === undefined;
}

function linuxConfig(spec: ContainerSpec): LinuxConfig {
  return {
    namespaces: namespaces(spec),
    // What we mount stays here, and what the host mounts later does not appear.
    rootfsPropagation: 'rprivate',
    ...(ownNet(spec) ? { sysctl: NET_SYSCTLS } : {}),
  };
}

function namespaces({ join = {}, hostNetwork }: ContainerSpec): NamespaceConfig[] {
  const shared = (type: 'pid' | 'uts' | 'ipc' | 'network', path: string | undefined): NamespaceConfig =>
    path === undefined ? { type } : { type, path };
  return [
    { type: 'mount' },
    { type: 'cgroup' },
    shared('pid', join.pid?.path),
    shared('uts', join.uts?.path),
    shared('ipc', join.ipc?.path),
    ...(hostNetwork === true && join.net === undefined ? [] : [shared('network', join.net?.path)]),
  ];
}

function defaultMounts(isPrivileged: boolean): MountConfig[] {
  const access = isPrivileged ? [] : ['ro'];
  return [
    PROC,
    {
      destination: '/dev',
      type: 'tmpfs',
      source: 'tmpfs',
      options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'],
    },
    {
      destination: '/dev/pts',
      type: 'devpts',
      source: 'devpts',
      options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'],
    },
    { destination: '/dev/shm', type: 'tmpfs', source: 'shm', options: [...SAFE, 'mode=1777', 'size=65536k'] },
    { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: SAFE },
    { destination: '/sys', type: 'sysfs', source: 'sysfs', options: [...access, ...SAFE] },
    { destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options: [...access, ...SAFE] },
  ];
}

function bindMount({
  source,
  destination,
  readonly,
}: NonNullable<ContainerSpec['mounts']>[number]): MountConfig {
  return {
    source,
    destination: absolute('mount destination', destination),
    options: readonly === true ? ['rbind', 'rro'] : ['rbind'],
  };
}

function processConfig(spec: ContainerSpec, process: ProcessSpec): ProcessConfig {
  const names = chooseCapabilities({
    ...spec.capabilities,
    ...(spec.privileged === undefined ? {} : { privileged: spec.privileged }),
  });
  const hasPath = process.env.some((entry) => entry.startsWith('PATH='));
  return {
    // Names are looked up in the image, by init.
    user: { uid: 0, gid: 0, additionalGids: process.additionalGids ?? [] },
    args: process.args,
    env: [...process.env, ...(hasPath ? [] : [DEFAULT_PATH])],
    cwd: absolute('working directory', process.cwd === '' ? '/' : process.cwd),
    capabilities: { bounding: names, effective: names, permitted: names },
    noNewPrivileges: spec.noNewPrivileges ?? spec.privileged !== true,
    oomScoreAdj: process.oomScoreAdj ?? 0,
    ...(spec.stdio.type === 'cri-log' && spec.stdio.terminal === true && { terminal: true }),
  };
}

function absolute(field: string, path: string): string {
  if (!path.startsWith('/')) throw new PlatformError('invalid', `${field} "${path}": want an absolute path`);
  return posix.normalize(path).replace(/(?<=.)\/$/, '');
}

/** Ids name folders and cgroups; nothing else in a specification reaches the host's file system by its name. */
const ID = /^[a-z0-9][a-z0-9_.-]{0,127}$/;

/** setgroups(2), NGROUPS_MAX is 65536; an instruction holds fewer. */
const GROUPS_MAX = 2000;

function checkSpec(spec: ContainerSpec): void {
  if (!ID.test(spec.id)) throw new PlatformError('invalid', `container id "${spec.id}": want ${ID.source}`);
  if (Buffer.byteLength(spec.hostname) > 64) {
    throw new PlatformError('invalid', `hostname "${spec.hostname}" is longer than 64 bytes`);
  }
  const { process } = spec;
  if (process === undefined) return;
  if (process.args.length === 0) throw new PlatformError('invalid', `container ${spec.id}: no command`);
  if ((process.additionalGids?.length ?? 0) > GROUPS_MAX) {
    throw new PlatformError('invalid', `container ${spec.id}: more than ${GROUPS_MAX} additional groups`);
  }
  const nul = [...process.args, ...process.env, process.cwd, process.user].find((text) =>
    text.includes('\0'),
  );
  if (nul !== undefined)
    throw new PlatformError('invalid', `container ${spec.id}: a NUL byte in ${JSON.stringify(nul)}`);
}
