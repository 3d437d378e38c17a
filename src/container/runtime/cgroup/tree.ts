/** One path in every hierarchy: its folders made, filled and removed. Knows no resources. */
import { chownSync, existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { PlatformError } from '../../../base/errors.ts';
import type { CgroupHierarchy, CgroupMount } from '../../../kernel/cgroup.ts';
import {
  postOrder,
  readPids,
  readValue,
  removeDirectory,
  until,
  writeValue,
} from '../../../kernel/cgroup-files.ts';
import { checkPath, makePath, pidsBelow, unmake } from '../../../kernel/cgroup-tree.ts';
import type { ResourceFolders } from './apply.ts';
import type { CgroupPlace } from './contract.ts';
import type { Machine } from './machine.ts';

export interface Branch extends CgroupHierarchy {
  readonly mount: CgroupMount;
  /** Below the mount. */
  readonly below: string;
}

export class CgroupTree implements ResourceFolders {
  readonly version: 1 | 2;
  /** Milliseconds. */
  readonly patience: number;
  readonly #all: readonly Branch[];
  #without: ReadonlySet<string>;
  /** v2: a folder above that could not hand controllers down, because it has processes of its own. */
  #occupied: string | undefined;

  constructor(place: CgroupPlace, machine: Machine) {
    this.patience = machine.patience;
    this.version = machine.unified === undefined ? 1 : 2;
    const mounts = machine.unified === undefined ? machine.mounts : [machine.unified];
    this.#all = mounts.map((mount) => {
      const below = place.paths?.[mount.name] ?? place.path;
      checkPath(below);
      return { name: mount.name, fsType: mount.fsType, path: join(mount.mountPoint, below), mount, below };
    });
    this.#without = new Set(place.without);
  }

  get branches(): readonly Branch[] {
    return this.#all.filter(({ name }) => !this.#without.has(name));
  }

  /** Names of the hierarchies in which the container has no cgroup. */
  get without(): readonly string[] {
    return [...this.#without];
  }

  /** The v2 folder: all of it, or that of a hybrid machine. */
  get unified(): string | undefined {
    return this.branches.find(({ fsType }) => fsType === 'cgroup2')?.path;
  }

  folderOf(controller: string): string | undefined {
    if (this.version === 2) return this.unified;
    return this.branches.find(
      ({ fsType, mount }) => fsType === 'cgroup' && mount.controllers.includes(controller),
    )?.path;
  }

  explain(controller: string): string {
    const folder = this.folderOf(controller);
    if (folder === undefined) {
      const exists = this.#all.some(({ mount }) => mount.controllers.includes(controller));
      return exists || this.version === 2
        ? `there is no right to make a cgroup for the controller ${controller}`
        : `no cgroup hierarchy with the controller ${controller} is mounted`;
    }
    if (this.version === 1 || controller === 'cgroup') return 'this kernel lacks it';
    const has = wordsOf(join(folder, 'cgroup.controllers')).includes(controller);
    if (has) return 'this kernel lacks it';
    return this.#occupied === undefined
      ? `the cgroup controller ${controller} is not available there`
      : `${this.#occupied} has processes of its own, and so cannot hand the controller ${controller} down`;
  }

  exists(): boolean {
    return this.branches.some(({ path }) => existsSync(path));
  }

  pids(recursive: boolean): number[] {
    const list = (folder: string): number[] =>
      recursive ? pidsBelow(folder) : readPids(join(folder, 'cgroup.procs'));
    return [...new Set(this.branches.flatMap(({ path }) => list(path)))].toSorted((a, b) => a - b);
  }

  /**
   * Makes it in every hierarchy; what was made is in the stack, to be unmade. With `mayMiss` a hierarchy without the right
   * to is left out.
   */
  make(undo: DisposableStack, mayMiss: boolean): void {
    for (const branch of this.branches) {
      try {
        const made = makePath(branch.mount, branch.below, (folder) => this.#prepare(branch, folder));
        undo.defer(() => unmake(made));
        if (branch.fsType === 'cgroup2' && this.version === 2) checkIsDomain(branch.path);
      } catch (error) {
        if (!mayMiss || !(error instanceof PlatformError) || error.code !== 'forbidden') throw error;
        this.#without = new Set([...this.#without, branch.name]);
      }
    }
  }

  /** Cpus and memory nodes that the resources did not say are the parent's: a v1 cpuset takes no process without. */
  fillCpuset(): void {
    const folder = this.version === 1 ? this.folderOf('cpuset') : undefined;
    if (folder !== undefined) fillCpuset(folder);
  }

  /** v2: the folder and what the kernel says is a delegatee's (cgroups(7)), so that it can make cgroups below. */
  chown(uid: number): void {
    if (this.version === 1 || this.unified === undefined) return;
    chownSync(this.unified, uid, -1);
    const list = '/sys/kernel/cgroup/delegate';
    const files = existsSync(list) ? readValue(list).split('\n') : ['cgroup.procs', 'cgroup.subtree_control'];
    for (const file of files.map((name) => join(this.unified!, name)))
      if (existsSync(file)) chownSync(file, uid, -1);
  }

  /** Children first; retries while busy. */
  async remove(): Promise<void> {
    for (const { path } of this.#all) {
      const gone = await until(() => postOrder(path).every(removeDirectory), this.patience);
      if (gone) continue;
      const pids = pidsBelow(path);
      const who = pids.length === 0 ? '' : `: processes ${pids.join(', ')} are in it`;
      throw new PlatformError(
        'timeout',
        `cgroup ${path} is still busy after ${this.patience / 1000} s${who}`,
        {
          details: { path, pids },
        },
      );
    }
  }

  /** A folder on the way, before there is one below it. */
  #prepare({ mount }: Branch, folder: string): void {
    if (mount.fsType === 'cgroup') {
      if (mount.controllers.includes('cpuset') && folder !== mount.mountPoint) fillCpuset(folder);
      return;
    }
    if (this.version === 2 && !handDown(folder)) this.#occupied = folder;
  }
}

/**
 * Every controller that there is, to the children of `folder`: statistics want them too. False when it has processes and
 * so may not (v2's rule that processes live in leaves). What cannot be had is missed when a limit needs it.
 */
function handDown(folder: string): boolean {
  const enabled = wordsOf(join(folder, 'cgroup.subtree_control'));
  const missing = wordsOf(join(folder, 'cgroup.controllers')).filter((name) => !enabled.includes(name));
  if (missing.length === 0) return true;
  const file = join(folder, 'cgroup.subtree_control');
  let occupied = false;
  const enable = (names: readonly string[]): boolean => {
    try {
      writeValue(file, names.map((name) => `+${name}`).join(' '));
      return true;
    } catch (error) {
      if (!(error instanceof PlatformError) || error.details['errno'] === undefined) throw error;
      occupied ||= error.details['errno'] === 'EBUSY';
      return false;
    }
  };
  if (enable(missing)) return true;
  // One that the kernel refuses (cpu while there are real-time processes) must not keep the others from working. But with
  // processes in it, cpu or pids alone would turn the folder into a threaded domain, and that is not ours to do.
  for (const name of missing) if (!occupied) enable([name]);
  return !occupied;
}

function checkIsDomain(folder: string): void {
  const file = join(folder, 'cgroup.type');
  const type = existsSync(file) ? readValue(file) : 'domain';
  if (type === 'domain') return;
  throw new PlatformError(
    'unsupported',
    `cgroup ${folder} is "${type}": a container needs a domain, and one of its parents is threaded`,
    { details: { path: folder, type }, hint: 'choose a cgroupsPath outside of the threaded subtree' },
  );
}

function fillCpuset(folder: string): void {
  for (const name of ['cpuset.cpus', 'cpuset.mems']) {
    const file = join(folder, name);
    if (readValue(file) === '') writeValue(file, readValue(join(dirname(folder), name)));
  }
}

function wordsOf(file: string): string[] {
  return existsSync(file) ? readValue(file).split(' ').filter(Boolean) : [];
}
