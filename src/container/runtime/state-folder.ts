/**
 * A container on disk: `<root>/<id>/` with spec.json (intent, written before anything else happens), program, and the
 * shim's pid, started and exit, each of them wholly there or not at all.
 */
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PlatformError } from '../../base/errors.ts';
import type { ProcessIdentity } from './owner.ts';
import type { ContainerSpec } from './runtime.ts';

export interface StoredContainer {
  readonly spec: ContainerSpec;
  /** Absolute below each hierarchy's mount. */
  readonly cgroup: string;
  /** Milliseconds since the epoch. */
  readonly intentAt: number;
  /** Who created it: a container in the foreground is its alone. */
  readonly owner?: ProcessIdentity;
}

export interface StoredFacts {
  /** `undefined` until create has succeeded. */
  readonly created?: { readonly pid: number; readonly startTime: number; readonly at: number };
  readonly startedAt?: number;
  readonly exit?: ExitFacts;
}

export interface ExitFacts {
  readonly exitCode: number;
  readonly signal: number;
  /** Milliseconds since the epoch. */
  readonly finishedAt: number;
  readonly oomKilled: boolean;
}

/** Age after which a folder that never got its name is left over from a crash. */
const ABANDONED_MS = 60_000;

async function unlessMissing<T>(result: Promise<T>): Promise<T | undefined> {
  try {
    return await result;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

export class StateFolders {
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  path(id: string): string {
    return join(this.root, id);
  }

  /** `already-exists` when the id is taken. */
  async make(stored: StoredContainer): Promise<void> {
    const { id } = stored.spec;
    const fresh = join(this.root, `.new-${process.pid}-${id}`);
    await mkdir(join(fresh, 'rootfs'), { recursive: true, mode: 0o700 });
    try {
      await writeFile(join(fresh, 'spec.json'), `${JSON.stringify(stored, undefined, 1)}\n`, { mode: 0o600 });
      await rename(fresh, this.path(id));
    } catch (error) {
      await rm(fresh, { recursive: true, force: true });
      if (
        error instanceof Error &&
        'code' in error &&
        (error.code === 'ENOTEMPTY' || error.code === 'EEXIST')
      ) {
        throw new PlatformError('already-exists', `container ${id} already exists`);
      }
      throw error;
    }
  }

  /** `undefined` when there is no such container. */
  async read(id: string): Promise<StoredContainer | undefined> {
    const text = await unlessMissing(readFile(join(this.path(id), 'spec.json'), 'utf8'));
    return text === undefined ? undefined : (JSON.parse(text) as StoredContainer);
  }

  async facts(id: string): Promise<StoredFacts> {
    const folder = this.path(id);
    // Exit first: once it is there, so are the others.
    const exit = await unlessMissing(readFile(join(folder, 'exit'), 'utf8'));
    const started = await unlessMissing(readFile(join(folder, 'started'), 'utf8'));
    const created = await unlessMissing(readFile(join(folder, 'pid'), 'utf8'));
    const [pid = 0, startTime = 0, at = 0] = (created ?? '').trim().split(' ').map(Number);
    return {
      ...(created === undefined ? {} : { created: { pid, startTime, at } }),
      ...(started === undefined ? {} : { startedAt: Number(started) }),
      ...(exit === undefined ? {} : { exit: parseExit(exit) }),
    };
  }

  /** What a shim that was killed could not write any more. */
  async writeExit(id: string, exit: ExitFacts): Promise<void> {
    const file = join(this.path(id), 'exit');
    await writeFile(`${file}.new`, formatExit(exit));
    await rename(`${file}.new`, file);
  }

  async ids(): Promise<string[]> {
    const names = (await unlessMissing(readdir(this.root))) ?? [];
    return names.filter((name) => !name.startsWith('.'));
  }

  /** The intent goes last, so that a crash in the middle leaves something that can still be found and deleted. */
  async remove(id: string): Promise<void> {
    const folder = this.path(id);
    for (const name of (await unlessMissing(readdir(folder))) ?? []) {
      if (name !== 'spec.json') await rm(join(folder, name), { recursive: true, force: true });
    }
    await rm(folder, { recursive: true, force: true });
  }

  /** Removes what a crash left before it had a name. */
  async sweepUnnamed(now: number): Promise<void> {
    const names = (await unlessMissing(readdir(this.root))) ?? [];
    for (const name of names.filter((each) => each.startsWith('.new-'))) {
      const info = await unlessMissing(stat(join(this.root, name)));
      if (info !== undefined && now - info.mtimeMs > ABANDONED_MS) {
        await rm(join(this.root, name), { recursive: true, force: true });
      }
    }
  }
}

export function parseExit(text: string): ExitFacts {
  const fields = new Map(text.split('\n').map((line) => line.split(' ', 2) as [string, string]));
  const number = (name: string): number => Number(fields.get(name) ?? 0);
  return {
    exitCode: number('exitCode'),
    signal: number('signal'),
    finishedAt: number('finishedAt'),
    oomKilled: number('oomKilled') > 0,
  };
}

function formatExit({ exitCode, signal, finishedAt, oomKilled }: ExitFacts): string {
  return `exitCode ${exitCode}\nsignal ${signal}\nfinishedAt ${finishedAt}\noomKilled ${Number(oomKilled)}\n`;
}
