import { mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PlatformError } from '../../base/errors.ts';
import { MEDIA_TYPE, type Descriptor, type ImageIndex } from '../spec/image.ts';
import { diskError, errnoOf } from '../../base/disk-error.ts';
import { withFileLock } from './file-lock.ts';
import { ownToken } from './process-token.ts';

/** The annotation by which an OCI image layout names its images (image-spec, annotations.md). */
export const REF_NAME = 'org.opencontainers.image.ref.name';

/** The folders of a store. All on one file system: what is finished is moved into place by rename. */
export interface StorePaths {
  /** OCI image layout: oci-layout, index.json, blobs/sha256. */
  readonly layout: string;
  readonly blobs: string;
  readonly index: string;
  readonly lock: string;
  /** One folder a chain id: `fs` and `layer.json`. */
  readonly layers: string;
  /** One folder a key: `upper`, `work` and `snapshot.json`. */
  readonly snapshots: string;
  /** Half-made things, named after the process that makes them. */
  readonly ingest: string;
  readonly packCache: string;
}

export function storePaths(dataDir: string): StorePaths {
  const layout = join(dataDir, 'images');
  return {
    layout,
    blobs: join(layout, 'blobs', 'sha256'),
    index: join(layout, 'index.json'),
    lock: join(dataDir, 'images.lock'),
    layers: join(dataDir, 'layers'),
    snapshots: join(dataDir, 'snapshots'),
    ingest: join(dataDir, 'ingest'),
    packCache: join(dataDir, 'pack-cache'),
  };
}

const EMPTY_INDEX: ImageIndex = { schemaVersion: 2, mediaType: MEDIA_TYPE.index, manifests: [] };

/** Makes the folders and files of an empty layout where they are missing. */
export async function ensureLayout(paths: StorePaths): Promise<void> {
  for (const dir of [paths.blobs, paths.layers, paths.snapshots, paths.ingest, paths.packCache]) {
    await mkdir(dir, { recursive: true, mode: 0o700 });
  }
  const marker = join(paths.layout, 'oci-layout');
  const missing = (await readIfThere(marker)) === undefined || (await readIfThere(paths.index)) === undefined;
  if (!missing) return;
  await withFileLock(paths.lock, async () => {
    if ((await readIfThere(marker)) === undefined) {
      await writeFileAtomic(paths, marker, `{"imageLayoutVersion":"1.0.0"}`);
    }
    if ((await readIfThere(paths.index)) === undefined) {
      await writeFileAtomic(paths, paths.index, JSON.stringify(EMPTY_INDEX));
    }
  });
}

export async function readIndex(paths: StorePaths): Promise<ImageIndex> {
  return parseIndex(await readFile(paths.index, 'utf8'), paths.index);
}

/** Changes index.json while no other process does. The callback may be async and may throw to change nothing. */
export async function updateIndex(
  paths: StorePaths,
  change: (manifests: readonly Descriptor[]) => Promise<readonly Descriptor[]> | readonly Descriptor[],
): Promise<void> {
  await withFileLock(paths.lock, async () => {
    const index = await readIndex(paths);
    const manifests = await change(index.manifests);
    await writeFileAtomic(paths, paths.index, JSON.stringify({ ...index, manifests }));
  });
}

export function parseIndex(content: string, path: string): ImageIndex {
  try {
    const index = JSON.parse(content) as ImageIndex;
    if (index.schemaVersion === 2 && Array.isArray(index.manifests)) return index;
  } catch {
    // Falls through to the one message for both.
  }
  throw new PlatformError('internal', `${path} is not an OCI image index`, { details: { path } });
}

/** Writes beside, flushes and renames: a reader sees the old content or the new, also after a power cut. */
export async function writeFileAtomic(
  paths: StorePaths,
  path: string,
  content: string | Buffer,
): Promise<void> {
  const temporary = join(paths.ingest, ownToken());
  try {
    await writeFile(temporary, content, { flush: true, mode: 0o600 });
    await rename(temporary, path);
    await syncDirectory(join(path, '..'));
  } catch (error) {
    await rm(temporary, { force: true });
    throw diskError(error, path);
  }
}

/** Makes a rename in `dir` survive a power cut. */
export async function syncDirectory(dir: string): Promise<void> {
  await using handle = await open(dir, 'r');
  await handle.sync();
}

export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
