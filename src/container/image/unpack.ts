import { chmod, lchown, link, lstat, lutimes, mkdir, open, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { PlatformError } from '../../base/errors.ts';
import { failpoint } from '../../base/failpoint.ts';
import { diskError, errnoOf } from '../../base/disk-error.ts';
import { checkParents, entryParts, hostile } from './safe-path.ts';
import { readTar, type TarEntry } from './tar-read.ts';

/** What a layer takes away from the layers below it (image-spec, layer.md, "Whiteouts"). */
export interface Whiteouts {
  /** Paths, as parts, that the layers below no longer show. */
  readonly removed: readonly (readonly string[])[];
  /** Folders of which nothing from below is seen. */
  readonly opaque: readonly (readonly string[])[];
}

const WHITEOUT = '.wh.';
const OPAQUE = '.wh..wh..opq';

/**
 * Unpacks one layer's archive into the empty folder `root`, as the first and only writer there.
 * Owners are set when we are root. Entries are refused as safe-path.ts says; nothing outside `root` is ever touched.
 */
export async function unpackLayer(source: AsyncIterable<Uint8Array>, root: string): Promise<Whiteouts> {
  const removed: (readonly string[])[] = [];
  const opaque: (readonly string[])[] = [];
  // A folder's time and mode are set last: writing into it changes the one and may need the other.
  const folders = new Map<string, TarEntry>();
  for await (const entry of readTar(source)) {
    failpoint('image.unpack.entry');
    const parts = entryParts(entry.name);
    const base = parts.at(-1);
    if (base === undefined) {
      if (entry.type === 'directory') folders.set(root, entry);
      continue;
    }
    if (base === OPAQUE) opaque.push(parts.slice(0, -1));
    else if (base.startsWith(WHITEOUT)) removed.push(whiteoutTarget(parts, entry.name));
    else await placeEntry(root, parts, entry, folders);
  }
  for (const [path, entry] of [...folders].toReversed()) {
    await chmod(path, entry.mode);
    await lutimes(path, entry.mtime, entry.mtime);
  }
  return { removed, opaque };
}

function whiteoutTarget(parts: readonly string[], name: string): readonly string[] {
  const target = parts.at(-1)!.slice(WHITEOUT.length);
  if (target === '' || target === '.' || target === '..') throw hostile(name, 'is a whiteout of no name');
  return [...parts.slice(0, -1), target];
}

async function placeEntry(
  root: string,
  parts: readonly string[],
  entry: TarEntry,
  folders: Map<string, TarEntry>,
): Promise<void> {
  const path = join(root, ...parts);
  try {
    const { missing } = await checkParents(root, parts, entry.name);
    for (const dir of missing) await mkdir(dir, { mode: 0o755 });
    const clearing = await clearWay(path, entry);
    if (clearing === 'kept') {
      folders.set(path, entry);
      if (process.geteuid?.() === 0) await lchown(path, entry.uid, entry.gid);
      return;
    }
    if (clearing === 'removed') forgetBelow(folders, path);
    await createEntry(root, path, entry);
    if (entry.type === 'directory') folders.set(path, entry);
  } catch (error) {
    throw diskError(error, path);
  }
}

/** What was replaced must not get its attributes later: its path may by then lead through a symbolic link. */
function forgetBelow(folders: Map<string, TarEntry>, path: string): void {
  for (const known of folders.keys()) {
    if (known === path || known.startsWith(`${path}/`)) folders.delete(known);
  }
}

/** Clears the way for an entry, unless it is a folder that is there already. */
async function clearWay(path: string, entry: TarEntry): Promise<'free' | 'kept' | 'removed'> {
  const present = await lstat(path).catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  });
  if (present === undefined) return 'free';
  if (present.isDirectory() && entry.type === 'directory') return 'kept';
  await rm(path, { recursive: true });
  return 'removed';
}

async function createEntry(root: string, path: string, entry: TarEntry): Promise<void> {
  const asRoot = process.geteuid?.() === 0;
  switch (entry.type) {
    case 'directory':
      await mkdir(path, { mode: 0o700 });
      if (asRoot) await lchown(path, entry.uid, entry.gid);
      return;
    case 'file': {
      await using handle = await open(path, 'wx', 0o600);
      for await (const chunk of entry.body) {
        for (let done = 0; done < chunk.length;) done += (await handle.write(chunk, done)).bytesWritten;
      }
      // chown drops the set-user-ID bit, so the mode comes after it.
      if (asRoot) await handle.chown(entry.uid, entry.gid);
      await handle.chmod(entry.mode);
      await handle.utimes(entry.mtime, entry.mtime);
      await handle.datasync();
      return;
    }
    case 'symlink':
      await symlink(entry.linkName, path);
      if (asRoot) await lchown(path, entry.uid, entry.gid);
      await lutimes(path, entry.mtime, entry.mtime);
      return;
    case 'hardlink':
      await link(await hardLinkTarget(root, entry), path);
      return;
    case 'char':
    case 'block':
    case 'fifo':
      // The runtime mounts a /dev of its own over the image's, so nodes there are never seen.
      if (entryParts(entry.name)[0] === 'dev') return;
      throw new PlatformError(
        'unsupported',
        `layer entry "${entry.name}" is a ${entry.type} device outside /dev`,
      );
  }
}

async function hardLinkTarget(root: string, entry: TarEntry): Promise<string> {
  // Some writers spell link targets with a leading slash; the archive's root is meant.
  const name = entry.linkName.replace(/^\/+/, '');
  const parts = entryParts(name);
  const { missing } = await checkParents(root, parts, entry.name);
  const target = join(root, ...parts);
  const stats = missing.length > 0 ? undefined : await lstat(target).catch(() => undefined);
  if (stats === undefined)
    throw hostile(entry.name, `is a hard link to "${entry.linkName}", which is not in the layer`);
  if (stats.isDirectory()) throw hostile(entry.name, `is a hard link to the folder "${entry.linkName}"`);
  return target;
}
