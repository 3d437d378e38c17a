/** Version 1: a hierarchy for each controller; in hybrid mode also the v2 tree, for its cgroup.kill. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { PlatformError } from '../base/errors.ts';
import type { Cgroup, CgroupHost, CgroupResources } from './cgroup-contract.ts';
import { errnoOf, readKeyed, readPids, readValue, writeValue } from './cgroup-files.ts';
import {
  hierarchiesOf,
  killTree,
  listChildren,
  makePath,
  removeTree,
  unmake,
  type CgroupMount,
} from './cgroup-tree.ts';

/** cpuset is left out on purpose: a new v1 cpuset takes no process until its cpus and mems are filled in. */
const USED = ['cpu', 'cpuacct', 'memory', 'pids', 'freezer', 'devices'];

const DEFAULT_PERIOD = 100_000;

export function cgroupV1(all: readonly CgroupMount[]): CgroupHost {
  const mounts = all.filter(
    (mount) =>
      mount.fsType === 'cgroup2' || mount.controllers.some((controller) => USED.includes(controller)),
  );
  /** The folder of `path` in the hierarchy of a controller, `undefined` when that is not mounted. */
  const folderOf = (controller: string, path: string): string | undefined => {
    const mount = mounts.find((each) => each.fsType === 'cgroup' && each.controllers.includes(controller));
    return mount && join(mount.mountPoint, path);
  };
  const need = (controller: string, path: string): string => {
    const folder = folderOf(controller, path);
    if (folder !== undefined) return folder;
    throw new PlatformError('unsupported', `cgroup controller ${controller} is not mounted`, {
      hint: `mount it: mount -t cgroup -o ${controller} ${controller} /sys/fs/cgroup/${controller}`,
    });
  };

  const limit = (path: string, resources: CgroupResources): void => {
    const { cpuQuota, cpuPeriod, cpuShares, memoryLimit, pidsLimit } = resources;
    if (cpuShares !== undefined) writeValue(join(need('cpu', path), 'cpu.shares'), cpuShares);
    if (cpuQuota !== undefined) {
      const cpu = need('cpu', path);
      writeValue(join(cpu, 'cpu.cfs_period_us'), cpuPeriod ?? DEFAULT_PERIOD);
      writeValue(join(cpu, 'cpu.cfs_quota_us'), cpuQuota === 0 ? -1 : cpuQuota);
    }
    if (memoryLimit !== undefined) limitMemory(need('memory', path), memoryLimit === 0 ? -1 : memoryLimit);
    if (pidsLimit !== undefined)
      writeValue(join(need('pids', path), 'pids.max'), pidsLimit === 0 ? 'max' : pidsLimit);
  };

  const open = (path: string): Cgroup => {
    const hierarchies = hierarchiesOf(mounts, path);
    const procsFiles = hierarchies.map((each) => join(each.path, 'cgroup.procs'));
    const memory = folderOf('memory', path);
    const unified = hierarchies.find((each) => each.fsType === 'cgroup2');
    return {
      path,
      version: 1,
      hierarchies,
      procsFiles,
      ...(memory !== undefined && { oomControlFile: join(memory, 'memory.oom_control') }),
      pids: () => [...new Set(procsFiles.flatMap(readPids))],
      async kill() {
        // A process is in some hierarchies only while it is being moved in: each tree is emptied.
        for (const each of hierarchies) {
          if (each.fsType === 'cgroup2') await killTree({ folder: each.path, freezer: v2Freezer(each.path) });
        }
        const frozen = folderOf('freezer', path);
        if (frozen !== undefined) {
          const freezer = { file: join(frozen, 'freezer.state'), freeze: 'FROZEN', thaw: 'THAWED' };
          await killTree({ folder: frozen, freezer });
        } else if (unified === undefined) {
          throw new PlatformError('unsupported', 'cgroup: neither a freezer nor a v2 hierarchy is mounted');
        }
      },
      stats: () => ({
        memoryBytes: Number(readValue(join(need('memory', path), 'memory.usage_in_bytes'))),
        inactiveFileBytes: readKeyed(join(need('memory', path), 'memory.stat'), 'total_inactive_file'),
        cpuNanos: Number(readValue(join(need('cpuacct', path), 'cpuacct.usage'))),
        pids: Number(readValue(join(need('pids', path), 'pids.current'))),
      }),
      update: (resources) => limit(path, resources),
    };
  };

  return {
    version: 1,
    create(path, resources) {
      const cgroup = open(path);
      const made: string[] = [];
      try {
        for (const mount of mounts) made.push(...makePath(mount, path, () => {}));
        limit(path, resources);
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

export function v2Freezer(folder: string): { file: string; freeze: string; thaw: string } {
  return { file: join(folder, 'cgroup.freeze'), freeze: '1', thaw: '0' };
}

/**
 * memory.memsw (when swap is accounted) may never be below memory.limit: it is lowered after it and raised before.
 */
function limitMemory(folder: string, bytes: number): void {
  const memory = join(folder, 'memory.limit_in_bytes');
  const swap = join(folder, 'memory.memsw.limit_in_bytes');
  if (!existsSync(swap)) return writeValue(memory, bytes);
  try {
    writeValue(memory, bytes);
    writeValue(swap, bytes);
  } catch (error) {
    if (errnoOf((error as PlatformError).cause) !== 'EINVAL') throw error;
    writeValue(swap, bytes);
    writeValue(memory, bytes);
  }
}
