import { chmod, lchown, link, lstat, lutimes, mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Stats } from 'node:fs';
import { diskError, errnoOf } from '../../base/disk-error.ts';
import type { Whiteouts } from './unpack.ts';

/**
 * Lays `source` over `target` by hard links: folders are merged, anything else in the way is replaced.
 * Both are layers, which nobody writes to, so sharing inodes is safe.
 */
export async function mergeTree(source: string, target: string): Promise<void> {
  try {
    for (const entry of await readdir(source, { withFileTypes: true })) {
      const from = join(source, entry.name);
      const to = join(target, entry.name);
      const present = await lstatIfThere(to);
      if (present !== undefined && !(present.isDirectory() && entry.isDirectory()))
        await rm(to, { recursive: true });
      if (!entry.isDirectory()) {
        await link(from, to);
        continue;
      }
      if (present?.isDirectory() !== true) await mkdir(to, { mode: 0o700 });
      await mergeTree(from, to);
    }
    await copyFolderAttributes(source, target);
  } catch (error) {
    throw diskError(error, target);
  }
}

/** Takes out of `target` what a layer says is gone. Parents that are links or missing have nothing to take out. */
export async function applyWhiteouts(target: string, whiteouts: Whiteouts): Promise<void> {
  for (const parts of whiteouts.removed) {
    if (await hasRealParents(target, parts))
      await rm(join(target, ...parts), { recursive: true, force: true });
  }
  for (const parts of whiteouts.opaque) {
    const dir = join(target, ...parts);
    if (!(await hasRealParents(target, [...parts, '']))) continue;
    for (const name of await readdir(dir)) await rm(join(dir, name), { recursive: true });
  }
}

async function hasRealParents(root: string, parts: readonly string[]): Promise<boolean> {
  let path = root;
  for (const part of parts.slice(0, -1)) {
    path = join(path, part);
    if ((await lstatIfThere(path))?.isDirectory() !== true) return false;
  }
  return true;
}

async function copyFolderAttributes(source: string, target: string): Promise<void> {
  const stats = await lstat(source);
  if (process.geteuid?.() === 0) await lchown(target, stats.uid, stats.gid);
  await chmod(target, stats.mode & 0o7777);
  await lutimes(target, stats.atime, stats.mtime);
}

async function lstatIfThere(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
