/** Which cgroup trees this machine has. All access is plain files; no daemon is asked. */
import { existsSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { PlatformError } from '../base/errors.ts';
import type { CgroupHost } from './cgroup-contract.ts';
import { readValue } from './cgroup-files.ts';
import type { CgroupMount } from './cgroup-tree.ts';
import { cgroupV1 } from './cgroup-v1.ts';
import { cgroupV2 } from './cgroup-v2.ts';

export type { CgroupMount } from './cgroup-tree.ts';
export type { Cgroup, CgroupHierarchy, CgroupHost, CgroupResources, CgroupStats } from './cgroup-contract.ts';

/** v1 controllers without which no limit of a container could be set. */
const NEEDED = ['cpu', 'memory', 'pids'];

/**
 * v2 when the v2 tree has the memory controller or nothing else is mounted; v1 otherwise, with the v2 tree of a
 * hybrid machine beside it. `unsupported` when there is no usable tree.
 * @param mountInfo text of proc_pid_mountinfo(5), this process' own by default
 */
export function cgroupHost(root = '/sys/fs/cgroup', mountInfo?: string): CgroupHost {
  const mounts = cgroupMounts(root, mountInfo ?? readFileSync('/proc/self/mountinfo', 'utf8'));
  const v2 = unifiedMount(mounts);
  const v1 = mounts.filter((mount) => mount.fsType === 'cgroup');
  if (v2 !== undefined) return cgroupV2(v2);
  const missing = NEEDED.filter((name) => !v1.some((mount) => mount.controllers.includes(name)));
  if (missing.length > 0) {
    throw new PlatformError(
      'unsupported',
      `no cgroup controller ${missing.join(', ')} is mounted below ${root}`,
      {
        hint: `mount the cgroup file system: mount -t cgroup2 cgroup2 ${root}`,
      },
    );
  }
  return cgroupV1(mounts);
}

/** The v2 tree, when it is the one to use. In hybrid mode it is not: its controllers are in the v1 hierarchies. */
export function unifiedMount(mounts: readonly CgroupMount[]): CgroupMount | undefined {
  const v2 = mounts.find((mount) => mount.fsType === 'cgroup2');
  const alone = mounts.every((mount) => mount.fsType === 'cgroup2');
  return v2 !== undefined && (alone || v2.controllers.includes('memory')) ? v2 : undefined;
}

/** The hierarchies mounted at or below `root`, each once. */
export function cgroupMounts(root: string, mountInfo: string): CgroupMount[] {
  const mounts = new Map<string, CgroupMount>();
  for (const line of mountInfo.split('\n')) {
    // id parent major:minor root mountpoint options [optional…] - type source superoptions
    const [left, right] = line.split(' - ');
    const [, , , top = '/', mountPoint] = left?.split(' ') ?? [];
    const [fsType, , options] = right?.split(' ') ?? [];
    if (mountPoint === undefined || (fsType !== 'cgroup' && fsType !== 'cgroup2')) continue;
    const name = relative(root, mountPoint);
    if (name.startsWith('..')) continue;
    const file = join(mountPoint, 'cgroup.controllers');
    const controllers =
      fsType === 'cgroup' ? (options ?? '').split(',') : existsSync(file) ? readValue(file).split(' ') : [];
    mounts.set(mountPoint, { name, mountPoint, root: top, fsType, controllers });
  }
  return [...mounts.values()];
}
