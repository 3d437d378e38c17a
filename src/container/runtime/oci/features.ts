/** `features`: what this runtime knows (runtime-spec features.md 1.2). */
import { CAPABILITY_NAMES } from '../capabilities.ts';
import { MOUNT_OPTIONS } from '../compile/mount-options.ts';
import { ACTIONS, FLAGS, OPERATORS } from '../seccomp/vocabulary.ts';
import { OCI_VERSION } from './context.ts';

/** Those of a filter that is made here: others in a profile are passed over, as no process can have them. */
const ARCHITECTURES: Readonly<Record<string, readonly string[]>> = {
  x64: ['SCMP_ARCH_X86', 'SCMP_ARCH_X86_64', 'SCMP_ARCH_X32'],
  arm64: ['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM'],
};

export interface RuntimeFeatures {
  readonly ociVersionMin: string;
  readonly ociVersionMax: string;
  readonly hooks: readonly string[];
  readonly mountOptions: readonly string[];
  readonly linux: Readonly<Record<string, unknown>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly potentiallyUnsafeConfigAnnotations: readonly string[];
}

/** Of the runtime, whether or not the kernel can do it. */
export function runtimeFeatures(version: string): RuntimeFeatures {
  const flags = Object.keys(FLAGS);
  return {
    ociVersionMin: '1.0.0',
    ociVersionMax: OCI_VERSION,
    hooks: ['prestart', 'createRuntime', 'createContainer', 'startContainer', 'poststart', 'poststop'],
    // The last two are passed on to the file system as they are; runc names them, so tools may look for them.
    mountOptions: [...MOUNT_OPTIONS, 'acl', 'noacl'].toSorted(),
    linux: {
      namespaces: ['cgroup', 'ipc', 'mount', 'network', 'pid', 'time', 'user', 'uts'],
      capabilities: CAPABILITY_NAMES,
      cgroup: { v1: true, v2: true, systemd: true, systemdUser: true, rdma: true },
      seccomp: {
        enabled: true,
        actions: Object.keys(ACTIONS).toSorted(),
        operators: OPERATORS.toSorted(),
        archs: (ARCHITECTURES[process.arch] ?? []).toSorted(),
        knownFlags: flags,
        supportedFlags: flags,
      },
      apparmor: { enabled: true },
      selinux: { enabled: true },
      intelRdt: { enabled: true },
      mountExtensions: { idmap: { enabled: true } },
    },
    annotations: { 'dev.sampan.version': version },
    // systemd takes these as they are, and some of them run programs on the host.
    potentiallyUnsafeConfigAnnotations: ['org.systemd.property.'],
  };
}
