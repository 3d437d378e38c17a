/** What v1 and v2 have in common: a path in one or more hierarchies. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { PlatformError } from '../base/errors.ts';
import { failpoint } from '../base/failpoint.ts';
import type { CgroupHierarchy } from './cgroup-contract.ts';
import {
  childDirectories,
  DEADLINE_MS,
  errnoOf,
  makeDirectory,
  postOrder,
  readPids,
  removeDirectory,
  until,
  writeValue,
} from './cgroup-files.ts';

/** A mounted hierarchy. */
export interface CgroupMount {
  readonly name: string;
  readonly mountPoint: string;
  /** The part of the hierarchy that is mounted here: `/`, unless somebody bound or namespaced it. */
  readonly root: string;
  readonly fsType: 'cgroup' | 'cgroup2';
  /** v1: those mounted here. v2: those in the root's cgroup.controllers. */
  readonly controllers: readonly string[];
}

export function checkPath(path: string): void {
  const parts = path.split('/');
  if (parts[0] !== '' || parts.length < 2 || parts.slice(1).some((part) => ['', '.', '..'].includes(part))) {
    throw new PlatformError(
      'invalid',
      `cgroup path "${path}": want an absolute path without empty or dot parts`,
    );
  }
}

export function hierarchiesOf(mounts: readonly CgroupMount[], path: string): CgroupHierarchy[] {
  checkPath(path);
  return mounts.map(({ name, mountPoint, fsType }) => ({ name, fsType, path: join(mountPoint, path) }));
}

/** Makes every folder from the mount down to `path`; returns those that were missing, outermost first. */
export function makePath(mount: CgroupMount, path: string, onParent: (folder: string) => void): string[] {
  const made: string[] = [];
  let folder = mount.mountPoint;
  try {
    for (const part of path.split('/').slice(1)) {
      onParent(folder);
      folder = join(folder, part);
      if (makeDirectory(folder)) made.push(folder);
    }
  } catch (error) {
    unmake(made);
    throw error;
  }
  return made;
}

export function unmake(made: readonly string[]): void {
  for (const folder of made.toReversed()) removeDirectory(folder);
}

export function listChildren(mounts: readonly CgroupMount[], parent: string): string[] {
  checkPath(parent);
  const names = new Set(mounts.flatMap((mount) => childDirectories(join(mount.mountPoint, parent))));
  return [...names].toSorted().map((name) => `${parent}/${name}`);
}

export async function removeTree(mounts: readonly CgroupMount[], path: string): Promise<void> {
  for (const { path: folder } of hierarchiesOf(mounts, path)) {
    const gone = await until(() => postOrder(folder).every(removeDirectory), DEADLINE_MS);
    if (!gone) {
      throw new PlatformError('timeout', `cgroup ${folder} is still busy after ${DEADLINE_MS / 1000} s`, {
        details: { path: folder, pids: pidsBelow(folder) },
      });
    }
  }
}

export function pidsBelow(folder: string): number[] {
  return postOrder(folder).flatMap((each) => readPids(join(each, 'cgroup.procs')));
}

/** How one folder's processes can be killed without racing their forks. */
export interface KillMethod {
  /** Folder that holds the processes. */
  readonly folder: string;
  /** `kill`: cgroup.kill (5.14). Otherwise the freezer file and the words that it takes. */
  readonly freezer: { readonly file: string; readonly freeze: string; readonly thaw: string };
}

/**
 * With cgroup.kill the kernel does it in one step. Without it: nothing that is frozen can fork, so every pid read
 * while frozen gets its signal before a new one appears; thawing delivers it. What was forked before the freeze
 * took hold is found by the next round.
 */
export async function killTree({ folder, freezer }: KillMethod): Promise<void> {
  failpoint('kernel.cgroup.kill');
  const killFile = join(folder, 'cgroup.kill');
  const step = existsSync(killFile)
    ? () => writeValue(killFile, 1)
    : () => {
        writeValue(freezer.file, freezer.freeze);
        try {
          for (const pid of pidsBelow(folder)) signalKill(pid);
        } finally {
          writeValue(freezer.file, freezer.thaw);
        }
      };
  const empty = await until(() => {
    if (pidsBelow(folder).length === 0) return true;
    try {
      step();
    } catch (error) {
      if (!(error instanceof PlatformError && error.code === 'not-found') && errnoOf(error) !== 'ENODEV')
        throw error;
    }
    return pidsBelow(folder).length === 0;
  }, DEADLINE_MS);
  if (!empty) {
    const left = pidsBelow(folder);
    throw new PlatformError('timeout', `processes ${left.join(', ')} in ${folder} outlived SIGKILL`, {
      details: { path: folder, pids: left },
    });
  }
}

function signalKill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (errnoOf(error) !== 'ESRCH') throw error;
  }
}
