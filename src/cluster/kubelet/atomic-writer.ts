import {
  chmod,
  chown,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Random } from '../../base/random.ts';
import type { Payload } from './volume-payload.ts';

const DATA = '..data';
const DATA_NEXT = '..data_tmp';

/**
 * Replaces the files below `root` as one: a reader sees all of the old or all of the new. The files live in a folder of
 * their own (`..<random>`), `..data` points at it and is renamed over, and what the user sees are links through
 * `..data`. Writes nothing when nothing changed; returns whether it wrote.
 */
export async function writeAtomically(
  root: string,
  payload: Payload,
  options: { readonly random: Random; readonly gid?: number },
): Promise<boolean> {
  await mkdir(root, { recursive: true, mode: 0o755 });
  const current = await readlink(join(root, DATA)).catch(() => undefined);
  const same = current !== undefined && (await holds(join(root, current), payload));
  if (!same) {
    const next = `..${Buffer.from(options.random.bytes(8)).toString('hex')}`;
    await writeAll(join(root, next), payload, options.gid);
    await rm(join(root, DATA_NEXT), { force: true });
    await symlink(next, join(root, DATA_NEXT));
    await rename(join(root, DATA_NEXT), join(root, DATA));
  }
  await linkTopLevel(root, payload);
  await sweep(root, payload);
  return !same;
}

async function writeAll(folder: string, payload: Payload, gid: number | undefined): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o755 });
  for (const [path, { data, mode, uid }] of payload) {
    const target = join(folder, path);
    await mkdir(dirname(target), { recursive: true, mode: 0o755 });
    await writeFile(target, data, { mode: 0o600 });
    if (gid !== undefined || uid !== undefined) await chown(target, uid ?? -1, gid ?? -1);
    // After the write: the umask has no say, and a read-only file could not have been written.
    await chmod(target, gid === undefined ? mode : mode | 0o440);
  }
}

async function holds(folder: string, payload: Payload): Promise<boolean> {
  const there = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => undefined);
  if (there === undefined || there.filter((entry) => entry.isFile()).length !== payload.size) return false;
  for (const [path, { data }] of payload) {
    const content = await readFile(join(folder, path)).catch(() => undefined);
    if (content === undefined || !content.equals(data)) return false;
  }
  return true;
}

function topLevel(payload: Payload): Set<string> {
  return new Set([...payload.keys()].map((path) => path.split('/')[0]!));
}

async function linkTopLevel(root: string, payload: Payload): Promise<void> {
  for (const name of topLevel(payload)) {
    const link = join(root, name);
    if ((await lstat(link).catch(() => undefined)) === undefined) await symlink(join(DATA, name), link);
  }
}

/** Removes links to what is gone and folders that `..data` no longer points at. */
async function sweep(root: string, payload: Payload): Promise<void> {
  const keep = topLevel(payload);
  keep.add(DATA);
  keep.add(await readlink(join(root, DATA)));
  for (const name of await readdir(root)) {
    if (!keep.has(name)) await rm(join(root, name), { recursive: true, force: true });
  }
}
