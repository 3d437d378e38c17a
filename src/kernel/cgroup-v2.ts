/** Version 2: one tree; a controller works in a cgroup when the parent lists it in cgroup.subtree_control. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { PlatformError } from '../base/errors.ts';
import type { Cgroup, CgroupHost, CgroupResources } from './cgroup-contract.ts';
import { readKeyed, readPids, readValue, writeValue } from './cgroup-files.ts';
import {
  hierarchiesOf,
  killTree,
  listChildren,
  makePath,
  removeTree,
  unmake,
  type CgroupMount,
} from './cgroup-tree.ts';

const WANTED = ['cpu', 'memory', 'pids'];

export function cgroupV2(mount: CgroupMount): CgroupHost {
  const mounts = [mount];

  const open = (path: string): Cgroup => {
    const hierarchies = hierarchiesOf(mounts, path);
    const folder = join(mount.mountPoint, path);
    const procs = join(folder, 'cgroup.procs');
    const freezer = { file: join(folder, 'cgroup.freeze'), freeze: '1', thaw: '0' };
    return {
      path,
      version: 2,
      hierarchies,
      procsFiles: [procs],
      memoryEventsFile: join(folder, 'memory.events'),
      pids: () => readPids(procs),
      kill: () => killTree({ folder, freezer }),
      stats: () => ({
        memoryBytes: Number(readValue(join(folder, 'memory.current'))),
        inactiveFileBytes: readKeyed(join(folder, 'memory.stat'), 'inactive_file'),
        cpuNanos: readKeyed(join(folder, 'cpu.stat'), 'usage_usec') * 1000,
        pids: Number(readValue(join(folder, 'pids.current'))),
      }),
      update: (resources) => limit(folder, resources),
    };
  };

  return {
    version: 2,
    create(path, resources) {
      const cgroup = open(path);
      const made = makePath(mount, path, enableControllers);
      try {
        limit(join(mount.mountPoint, path), resources);
      } catch (error) {
        unmake(made);
        throw error;
      }
      return cgroup;
    },
    open,
    remove: (path) => removeTree(mounts, path),
    list: (parent) => listChildren(mounts, parent),
  };
}

/**
 * Hands the controllers down to `folder`'s children. EBUSY means that it has processes of its own, which v2 allows
 * only in leaves (and in the root).
 */
function enableControllers(folder: string): void {
  const words = (file: string): string[] => readValue(join(folder, file)).split(' ');
  const available = words('cgroup.controllers');
  const enabled = words('cgroup.subtree_control');
  const missing = WANTED.filter((name) => available.includes(name) && !enabled.includes(name));
  if (missing.length === 0) return;
  try {
    writeValue(join(folder, 'cgroup.subtree_control'), missing.map((name) => `+${name}`).join(' '));
  } catch (error) {
    if (!(error instanceof PlatformError) || error.details['errno'] !== 'EBUSY') throw error;
    throw new PlatformError('conflict', `cgroup ${folder} holds processes and cannot have limited children`, {
      cause: error,
      hint: 'move its processes into a child cgroup first',
    });
  }
}

function limit(folder: string, resources: CgroupResources): void {
  const { cpuQuota, cpuPeriod, cpuShares, memoryLimit, pidsLimit } = resources;
  const write = (file: string, value: string | number): void => {
    if (!existsSync(join(folder, file))) {
      const controller = file.slice(0, file.indexOf('.'));
      throw new PlatformError(
        'unsupported',
        `cgroup controller ${controller} is not available in ${folder}`,
        {
          hint: `the parent's cgroup.controllers must list it; under systemd: Delegate=${controller}`,
        },
      );
    }
    writeValue(join(folder, file), value);
  };
  if (cpuShares !== undefined) write('cpu.weight', weightOfShares(cpuShares));
  if (cpuQuota !== undefined)
    write('cpu.max', `${cpuQuota === 0 ? 'max' : cpuQuota} ${cpuPeriod ?? 100_000}`);
  if (memoryLimit !== undefined) {
    write('memory.max', memoryLimit === 0 ? 'max' : memoryLimit);
    // As v1's memsw: the limit counts swap in, so there is none beyond it.
    if (existsSync(join(folder, 'memory.swap.max'))) write('memory.swap.max', memoryLimit === 0 ? 'max' : 0);
  }
  if (pidsLimit !== undefined) write('pids.max', pidsLimit === 0 ? 'max' : pidsLimit);
}

/**
 * v1 shares (2..262144) as a v2 weight (1..10000), so that the ends and the defaults (1024 and 100) meet: a
 * quadratic in the logarithm through these three points, which is what the OCI runtimes agreed on.
 */
export function weightOfShares(shares: number): number {
  const log = Math.log2(Math.min(Math.max(shares, 2), 262_144));
  // Rounded before the ceiling: 10 ** 2.0000000000000004 must stay 100.
  return Math.ceil(Number((10 ** ((log * log + 125 * log) / 612 - 7 / 34)).toFixed(6)));
}
