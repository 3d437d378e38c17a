/** A configuration that every runtime takes: new namespaces, the usual mounts, and what a test adds. */
import type { LinuxConfig, ProcessConfig, RuntimeConfig } from '../../src/container/spec/runtime-config.ts';

export interface ConfigChanges {
  readonly args: readonly string[];
  readonly process?: Partial<ProcessConfig>;
  /** Over what stands here, key by key. */
  readonly linux?: LinuxConfig;
  /** Over all of it, key by key. */
  readonly config?: Partial<RuntimeConfig>;
}

const CAPABILITIES = ['CAP_AUDIT_WRITE', 'CAP_KILL', 'CAP_NET_BIND_SERVICE', 'CAP_SYS_RESOURCE'];
const NAMESPACES = ['pid', 'ipc', 'uts', 'mount', 'cgroup'] as const;

const ROOTLESS: LinuxConfig = {
  namespaces: [...NAMESPACES, 'user' as const].map((type) => ({ type })),
  uidMappings: [
    { containerID: 0, hostID: 1000, size: 1 },
    { containerID: 1, hostID: 100_000, size: 65_535 },
  ],
  gidMappings: [
    { containerID: 0, hostID: 1000, size: 1 },
    { containerID: 1, hostID: 100_000, size: 65_535 },
  ],
};

/** With the network of the machine when rootless: a new one would need help to be of any use. */
export function configFor(
  { args, process, linux, config }: ConfigChanges,
  as: 'root' | 'sampan',
): RuntimeConfig {
  const namespaces = [...NAMESPACES, 'network' as const].map((type) => ({ type }));
  return {
    ociVersion: '1.0.2',
    root: { path: 'rootfs' },
    hostname: 'box',
    process: {
      user: { uid: 0, gid: 0 },
      args,
      env: ['PATH=/bin', 'HOME=/root'],
      cwd: '/',
      capabilities: { bounding: CAPABILITIES, effective: CAPABILITIES, permitted: CAPABILITIES },
      noNewPrivileges: true,
      ...process,
    },
    mounts: [
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
        options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620'],
      },
      {
        destination: '/dev/shm',
        type: 'tmpfs',
        source: 'shm',
        options: ['nosuid', 'noexec', 'nodev', 'mode=1777'],
      },
      as === 'root'
        ? {
            destination: '/sys',
            type: 'sysfs',
            source: 'sysfs',
            options: ['nosuid', 'noexec', 'nodev', 'ro'],
          }
        : {
            destination: '/sys',
            type: 'none',
            source: '/sys',
            options: ['rbind', 'nosuid', 'noexec', 'nodev', 'ro'],
          },
      {
        destination: '/sys/fs/cgroup',
        type: 'cgroup',
        source: 'cgroup',
        options: ['nosuid', 'noexec', 'nodev', 'relatime', 'ro'],
      },
    ],
    linux: { ...(as === 'root' ? { namespaces } : ROOTLESS), ...linux },
    ...config,
  };
}
