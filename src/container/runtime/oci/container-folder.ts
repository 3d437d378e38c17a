/**
 * A container on disk: `<root>/<id>/` with `lock` (flock: one verb at a time), `config.json` (what it was made from),
 * `state.json` (intent first, then what came of it) and `start.sock` while init waits for its start.
 *
 * A folder gets its name whole, made aside with its lock taken, and loses it whole. Nothing is synced to the disk,
 * since no container outlives a restart of the machine; a file that cannot be read is that of a dead container.
 */
import {
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { sleep, systemClock } from '../../../base/clock.ts';
import { PlatformError } from '../../../base/errors.ts';
import { failpoint } from '../../../base/failpoint.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import type { RuntimeConfig } from '../../spec/runtime-config.ts';
import { statisticsReplacer } from '../cgroup/cgroup.ts';
import type { CgroupPlace } from '../cgroup/contract.ts';
import { parseJson } from '../config/validate.ts';
import type { ProcessIdentity } from '../owner.ts';
import { checkContainerId } from './container-id.ts';
import { errnoOf } from './file-error.ts';

export const STATE_VERSION = 1;

export interface StoredContainer {
  readonly version: number;
  readonly id: string;
  /** Absolute, without symbolic links. */
  readonly bundle: string;
  readonly rootfs: string;
  readonly annotations?: Readonly<Record<string, string>>;
  /** RFC 3339. */
  readonly created: string;
  readonly cgroup: CgroupPlace;
  /** Absent until the creation has succeeded. */
  readonly init?: ProcessIdentity;
  readonly rootless: boolean;
  /** Of processes that are executed in it later, too. */
  readonly noNewKeyring?: boolean;
  /** How many mounts were at the root before; present when the container's mounts are the host's. */
  readonly rootMounts?: number;
}

/** How long a verb waits for another one on the same container. */
const LOCK_DEADLINE_MS = 10_000;
/** How names begin that are no ids. */
const ASIDE = '~';
/** Age after which a folder that never got its name is left over from a crash. */
const ABANDONED_MS = 60_000;

export class ContainerFolders {
  readonly root: string;
  readonly #kernel: Kernel;

  constructor(root: string, kernel: Kernel) {
    this.root = root;
    this.#kernel = kernel;
  }

  path(id: string): string {
    return join(this.root, id);
  }

  /** `already-exists` when the id is taken by now: said before anything else is looked at. */
  checkFree(id: string): void {
    if (isFolder(this.path(id))) throw taken(id);
  }

  /** `already-exists` when the id is taken. Returned locked. */
  create(stored: StoredContainer, config: RuntimeConfig): LockedContainer {
    mkdirSync(this.root, { recursive: true, mode: 0o711 });
    failpoint('oci.folder.create');
    const { id } = stored;
    const aside = this.aside();
    mkdirSync(aside, { mode: 0o700 });
    const fd = openSync(join(aside, 'lock'), 'w', 0o600);
    const container = new LockedContainer(this, id, fd);
    try {
      if (!this.#kernel.tryLock(fd)) throw new PlatformError('internal', `${aside}: locked by another`);
      writeFileSync(join(aside, 'config.json'), configText(config), { mode: 0o600 });
      writeFileSync(join(aside, 'state.json'), JSON.stringify(stored), { mode: 0o600 });
      renameSync(aside, this.path(id));
      return container;
    } catch (error) {
      container[Symbol.dispose]();
      rmSync(aside, { recursive: true, force: true });
      if (['ENOTEMPTY', 'EEXIST', 'ENOTDIR'].includes(errnoOf(error))) {
        throw taken(id);
      }
      throw error;
    }
  }

  /**
   * `undefined` when its state cannot be read though the folder is there: it is left over from a crash.
   * `not-found` when there is no such container.
   */
  read(id: string): StoredContainer | undefined {
    checkContainerId(id);
    let stored: StoredContainer;
    try {
      stored = JSON.parse(readFileSync(join(this.path(id), 'state.json'), 'utf8')) as StoredContainer;
    } catch {
      if (!isFolder(this.path(id))) throw missing(id);
      return undefined;
    }
    if (stored.version > STATE_VERSION) {
      throw new PlatformError('unsupported', `container ${id} was made by a newer version of this runtime`);
    }
    return stored;
  }

  /** As `read`, and a folder from a crash is an error. */
  get(id: string): StoredContainer {
    const stored = this.read(id);
    if (stored === undefined) {
      throw new PlatformError(
        'conflict',
        `container ${id} was not created to its end; delete it with --force`,
      );
    }
    return stored;
  }

  /** A name that no container has. */
  aside(): string {
    return join(this.root, `${ASIDE}${process.pid}-${uniqueNumber++}-${Date.now()}`);
  }

  config(id: string): RuntimeConfig {
    const path = join(this.path(id), 'config.json');
    return parseJson(readFileSync(path, 'utf8'), path) as RuntimeConfig;
  }

  /** `not-found`; `timeout` when another verb holds it for longer than ten seconds. */
  async lock(id: string, signal?: AbortSignal): Promise<LockedContainer> {
    checkContainerId(id);
    const deadline = systemClock.monotonic() + LOCK_DEADLINE_MS;
    for (let wait = 1; ; wait = Math.min(wait * 2, 50)) {
      const container = this.tryLock(id);
      if (container !== undefined) return container;
      if (systemClock.monotonic() > deadline) {
        throw new PlatformError('timeout', `container ${id}: another operation on it does not end`);
      }
      await sleep(systemClock, wait, signal);
    }
  }

  /** `undefined` while another holds it. */
  tryLock(id: string): LockedContainer | undefined {
    const file = join(this.path(id), 'lock');
    let fd: number;
    try {
      fd = openSync(file, 'a', 0o600);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') throw missing(id);
      throw error;
    }
    try {
      // The file may be that of a container deleted while we waited, and another one may have its place.
      if (this.#kernel.tryLock(fd) && fstatSync(fd).ino === statSync(file, { throwIfNoEntry: false })?.ino) {
        return new LockedContainer(this, id, fd);
      }
    } catch (error) {
      closeSync(fd);
      throw error;
    }
    closeSync(fd);
    return undefined;
  }

  /** Sorted. Sweeps folders that a crash left without a name: nothing belongs to them. */
  ids(now: number): string[] {
    let names: string[];
    try {
      names = readdirSync(this.root);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return [];
      throw error;
    }
    for (const name of names.filter((each) => each.startsWith(ASIDE))) {
      const info = statSync(join(this.root, name), { throwIfNoEntry: false });
      if (info !== undefined && now - info.mtimeMs > ABANDONED_MS) {
        rmSync(join(this.root, name), { recursive: true, force: true });
      }
    }
    return names.filter((name) => !name.startsWith(ASIDE) && isFolder(join(this.root, name))).toSorted();
  }
}

let uniqueNumber = 0;

/** A container that no other verb changes as long as this is held. */
export class LockedContainer implements Disposable {
  readonly id: string;
  readonly #folders: ContainerFolders;
  #fd: number;

  constructor(folders: ContainerFolders, id: string, fd: number) {
    this.#folders = folders;
    this.id = id;
    this.#fd = fd;
  }

  get folder(): string {
    return this.#folders.path(this.id);
  }

  write(stored: StoredContainer): void {
    failpoint('oci.state.write');
    replaceFile(join(this.folder, 'state.json'), JSON.stringify(stored));
  }

  writeConfig(config: RuntimeConfig): void {
    failpoint('oci.config.write');
    replaceFile(join(this.folder, 'config.json'), configText(config));
  }

  /** The last step: nothing else of the container may be left. The id is free at once. */
  remove(): void {
    failpoint('oci.folder.remove');
    const aside = this.#folders.aside();
    renameSync(this.folder, aside);
    rmSync(aside, { recursive: true, force: true });
  }

  [Symbol.dispose](): void {
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
  }
}

/** Seccomp compares 64 bits, which only a bigint holds. */
function configText(config: RuntimeConfig): string {
  return JSON.stringify(config, statisticsReplacer);
}

function replaceFile(path: string, text: string): void {
  writeFileSync(`${path}.new`, text, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

function taken(id: string): PlatformError {
  return new PlatformError('already-exists', 'container with given ID already exists', { details: { id } });
}

function missing(id: string): PlatformError {
  return new PlatformError('not-found', 'container does not exist', { details: { id } });
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}
