/** What this kernel can do, as far as a configuration may ask for it. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import type { NamespaceType } from '../../spec/runtime-config.ts';

export interface HostSupport {
  readonly appArmor: () => boolean;
  readonly seLinux: () => boolean;
  readonly intelRdt: () => boolean;
  readonly namespace: (type: NamespaceType) => boolean;
  /** The bounding set: what nobody whom we make can have more than, by number. */
  readonly mayHave: (capability: number) => boolean;
  /** Whether a path leads to the network namespace that we are in ourselves. */
  readonly isOwnNetwork: (path: string) => boolean;
}

const NAMESPACE_FILES: Readonly<Record<NamespaceType, string>> = {
  pid: 'pid',
  network: 'net',
  mount: 'mnt',
  ipc: 'ipc',
  uts: 'uts',
  user: 'user',
  cgroup: 'cgroup',
  time: 'time',
};

export const thisHost: HostSupport = {
  appArmor: () => readOr('/sys/module/apparmor/parameters/enabled', '').startsWith('Y'),
  seLinux: () =>
    readOr('/proc/filesystems', '').includes('\tselinuxfs\n') && existsSync('/sys/fs/selinux/enforce'),
  intelRdt: () => existsSync('/sys/fs/resctrl/schemata'),
  namespace: (type) => existsSync(`/proc/self/ns/${NAMESPACE_FILES[type]}`),
  mayHave: (capability) => (boundingSet() & (1n << BigInt(capability))) !== 0n,
  isOwnNetwork: (path) => {
    const own = statSync('/proc/self/ns/net');
    const other = statSync(path, { throwIfNoEntry: false });
    return other !== undefined && other.dev === own.dev && other.ino === own.ino;
  },
};

let bounding: bigint | undefined;

/** It only ever shrinks, and we do not shrink it. */
function boundingSet(): bigint {
  if (bounding !== undefined) return bounding;
  const mask = /^CapBnd:\s*([\da-f]+)$/m.exec(readOr('/proc/self/status', ''))?.[1] ?? 'ffffffffffffffff';
  bounding = BigInt(`0x${mask}`);
  return bounding;
}

function readOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return otherwise;
  }
}
