/** `spec`: a configuration to begin with. */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PlatformError } from '../../../base/errors.ts';
import type { MountConfig, RuntimeConfig } from '../../spec/runtime-config.ts';
import { callerPath, OCI_VERSION, type OciContext } from './context.ts';
import { reasonOf } from './file-error.ts';

/** Into the bundle, as on the command line; `already-exists` when there is one. */
export function writeSpec(context: OciContext, bundle: string, { rootless }: { rootless: boolean }): void {
  const path = join(callerPath(context, bundle), 'config.json');
  if (existsSync(path)) {
    throw new PlatformError('already-exists', `file ${path} exists; remove it first`);
  }
  const { uid, gid } = context.front.request;
  const config = rootless ? rootlessConfig(uid, gid) : exampleConfig();
  try {
    writeFileSync(path, JSON.stringify(config, undefined, '\t'), { mode: 0o644, flag: 'wx' });
  } catch (error) {
    throw new PlatformError('invalid', `write ${path}: ${reasonOf(error)}`, { cause: error });
  }
}

const CAPABILITIES = ['CAP_AUDIT_WRITE', 'CAP_KILL', 'CAP_NET_BIND_SERVICE'];
const UNDEVICED = ['nosuid', 'noexec', 'nodev'];

function mounts(): MountConfig[] {
  return [
    { destination: '/proc', type: 'proc', source: 'proc' },
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
    {
      destination: '/dev/shm',
      type: 'tmpfs',
      source: 'shm',
      options: [...UNDEVICED, 'mode=1777', 'size=65536k'],
    },
    { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: UNDEVICED },
    { destination: '/sys', type: 'sysfs', source: 'sysfs', options: [...UNDEVICED, 'ro'] },
    {
      destination: '/sys/fs/cgroup',
      type: 'cgroup',
      source: 'cgroup',
      options: [...UNDEVICED, 'relatime', 'ro'],
    },
  ];
}

/** A shell at a terminal, root but for a few rights, in namespaces of its own. */
export function exampleConfig(): RuntimeConfig {
  return {
    ociVersion: OCI_VERSION,
    process: {
      terminal: true,
      user: { uid: 0, gid: 0 },
      args: ['sh'],
      env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'TERM=xterm'],
      cwd: '/',
      capabilities: { bounding: CAPABILITIES, effective: CAPABILITIES, permitted: CAPABILITIES },
      rlimits: [{ type: 'RLIMIT_NOFILE', hard: 1024, soft: 1024 }],
      noNewPrivileges: true,
    },
    root: { path: 'rootfs', readonly: true },
    hostname: 'sampan',
    mounts: mounts(),
    linux: {
      resources: { devices: [{ allow: false, access: 'rwm' }] },
      namespaces: [
        { type: 'pid' },
        { type: 'network' },
        { type: 'ipc' },
        { type: 'uts' },
        { type: 'mount' },
        { type: 'cgroup' },
      ],
      maskedPaths: [
        '/proc/acpi',
        '/proc/asound',
        '/proc/kcore',
        '/proc/keys',
        '/proc/latency_stats',
        '/proc/timer_list',
        '/proc/timer_stats',
        '/proc/sched_debug',
        '/sys/firmware',
        '/proc/scsi',
      ],
      readonlyPaths: ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'],
    },
  };
}

/**
 * What an ordinary user may do: one id, that is root inside. sysfs and a cgroup mount belong to a network and a cgroup
 * namespace that the user has not made, so the host's are shown.
 */
function rootlessConfig(uid: number, gid: number): RuntimeConfig {
  const { linux, mounts: all = [], ...config } = exampleConfig();
  const { namespaces = [], maskedPaths = [], readonlyPaths = [] } = linux ?? {};
  return {
    ...config,
    mounts: all.map(rootlessMount),
    linux: {
      uidMappings: [{ containerID: 0, hostID: uid, size: 1 }],
      gidMappings: [{ containerID: 0, hostID: gid, size: 1 }],
      namespaces: [...namespaces.filter(({ type }) => type !== 'network'), { type: 'user' }],
      maskedPaths,
      readonlyPaths,
    },
  };
}

function rootlessMount(mount: MountConfig): MountConfig {
  if (mount.destination === '/sys') {
    return { destination: '/sys', type: 'none', source: '/sys', options: ['rbind', ...UNDEVICED, 'ro'] };
  }
  // The group 5 is not mapped.
  const options = mount.options?.filter((option) => !/^[ug]id=/.test(option));
  return options === undefined ? mount : { ...mount, options };
}
