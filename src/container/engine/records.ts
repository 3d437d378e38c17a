import { mkdir, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PlatformError } from '../../base/errors.ts';
import type * as v1 from '../cri/generated/types.ts';

/**
 * What the engine knows of a sandbox. `creating` and `removing` are intents, written before anything is done: a
 * start-up that meets one undoes the first and finishes the second.
 */
export interface SandboxRecord {
  readonly id: string;
  readonly phase: 'creating' | 'ready' | 'stopped' | 'removing';
  readonly config: v1.PodSandboxConfig;
  readonly runtimeHandler: string;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  /** Addresses without prefix length; none on the host's network. */
  readonly ips: readonly string[];
  /** Inodes of the namespaces that the infra process holds: a path that leads elsewhere is not joined. */
  readonly namespaces: Readonly<Record<string, number>>;
}

export interface ContainerRecord {
  readonly id: string;
  readonly sandboxId: string;
  readonly phase: 'creating' | 'created' | 'running' | 'exited' | 'removing';
  /** Without `envs`: they may hold secrets, and are needed once, when the container is made. */
  readonly config: v1.ContainerConfig;
  readonly image: { readonly reference: string; readonly digest: string; readonly id: string };
  /** Absolute path of the CRI log; empty when there is none. */
  readonly logPath: string;
  /** Signal number. */
  readonly stopSignal: number;
  /** Milliseconds since the epoch; 0 when not yet. */
  readonly createdAt: number;
  readonly startedAt: number;
  readonly finishedAt: number;
  readonly exitCode: number;
  readonly reason: string;
  readonly message: string;
}

const RECORD = 'record.json';
/** Raised when older code could not read what is written. */
const VERSION = 1;

/** Records of one kind on disk, `<dir>/<id>/record.json`, and in memory. The folder may hold other files of its owner. */
export class Records<T extends { readonly id: string }> {
  readonly #dir: string;
  readonly #all = new Map<string, T>();

  constructor(dir: string) {
    this.#dir = dir;
  }

  /** Reads what an earlier engine left. Folders without a record were cut off at their very beginning or end. */
  async load(): Promise<void> {
    await mkdir(this.#dir, { recursive: true, mode: 0o700 });
    for (const id of await readdir(this.#dir)) {
      const path = join(this.#dir, id, RECORD);
      const content = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return undefined;
        throw error;
      });
      if (content === undefined) await rm(join(this.#dir, id), { recursive: true, force: true });
      else this.#all.set(id, this.#parse(content, path));
    }
  }

  #parse(content: string, path: string): T {
    const { version, record } = JSON.parse(content) as { version: number; record: T };
    if (version === VERSION) return record;
    throw new PlatformError('unsupported', `${path} was written by another version (${version})`, {
      hint: 'start the version of sampan that wrote it, or remove the data folder',
    });
  }

  folder(id: string): string {
    return join(this.#dir, id);
  }

  get(id: string): T | undefined {
    return this.#all.get(id);
  }

  values(): readonly T[] {
    return [...this.#all.values()];
  }

  /** On disk first, flushed and renamed into place; then in memory. */
  async put(record: T): Promise<T> {
    const folder = this.folder(record.id);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const path = join(folder, RECORD);
    try {
      await writeFile(`${path}.new`, JSON.stringify({ version: VERSION, record }), {
        mode: 0o600,
        flush: true,
      });
      await rename(`${path}.new`, path);
      await using handle = await open(folder, 'r');
      await handle.sync();
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code !== 'ENOSPC' && code !== 'EDQUOT') throw error;
      throw new PlatformError('exhausted', `no space left for ${path}`, { cause: error });
    }
    this.#all.set(record.id, record);
    return record;
  }

  async delete(id: string): Promise<void> {
    await rm(join(this.folder(id), RECORD), { force: true });
    this.#all.delete(id);
    await rm(this.folder(id), { recursive: true, force: true });
  }

  /** The one record whose id is `id` or begins with it. */
  find(id: string): T | undefined {
    const exact = this.#all.get(id);
    if (exact !== undefined || id === '') return exact;
    const matches = this.values().filter((record) => record.id.startsWith(id));
    return matches.length === 1 ? matches[0] : undefined;
  }
}
