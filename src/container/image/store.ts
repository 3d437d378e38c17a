import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PlatformError } from '../../base/errors.ts';
import { failpoint } from '../../base/failpoint.ts';
import { KeyedLock } from '../../base/lock.ts';
import type { Descriptor, ImageConfig, ImageIndex, ImageManifest } from '../spec/image.ts';
import type { Snapshot } from '../spec/snapshot.ts';
import { blobPath, readBlob } from './content.ts';
import { diskError } from '../../base/disk-error.ts';
import { withFileLock } from './file-lock.ts';
import type { ImageRecord, ImageStore } from './image-store.ts';
import { chainClosure, chainIds, ensureLayer, stackOf } from './layers.ts';
import {
  ensureLayout,
  readIfThere,
  readIndex,
  REF_NAME,
  storePaths,
  updateIndex,
  type StorePaths,
} from './layout.ts';
import { ownToken, tokenAlive, tokenIsOwn } from './process-token.ts';
import { candidates, formatReference, localReference } from './reference.ts';

/** The store with its folders, as the packer in this room needs it. */
export interface OpenImageStore extends ImageStore {
  readonly paths: StorePaths;
  /** Makes the folders where they are missing; every method does so by itself. */
  ready(): Promise<void>;
  /** Names an image whose blobs are all in the store; replaces what had the name. */
  tag(reference: string, manifest: Descriptor): Promise<ImageRecord>;
}

/** The image store of a data folder, made on first use. Any number of processes may have it open. */
export function openImageStore(options: { readonly dataDir: string }): OpenImageStore {
  return new DiskImageStore(storePaths(options.dataDir));
}

interface SnapshotMark {
  /** Chain id of the image's topmost layer. */
  readonly chainId: string;
  /** Token of the process that made it. */
  readonly owner: string;
}

const SNAPSHOT_KEY = /^[A-Za-z0-9][\w.-]{0,127}$/;
/** A digest, an id, or the beginning of one: twelve hex digits are what Docker prints. */
const ID = /^(?:sha256:)?([0-9a-f]{12,64})$/;

class DiskImageStore implements OpenImageStore {
  readonly paths: StorePaths;
  readonly #locks = new KeyedLock();
  /** Manifests and configs are content-addressed: once read and verified, they do not change. */
  readonly #parsed = new Map<string, Omit<ImageRecord, 'reference'>>();

  #ready: Promise<void> | undefined;

  constructor(paths: StorePaths) {
    this.paths = paths;
  }

  ready(): Promise<void> {
    this.#ready ??= ensureLayout(this.paths).catch((error: unknown) => {
      // The next call tries again: a full disk may have room by then.
      this.#ready = undefined;
      throw diskError(error, this.paths.layout);
    });
    return this.#ready;
  }

  async get(reference: string): Promise<ImageRecord> {
    await this.ready();
    const { manifests } = await readIndex(this.paths);
    const entry = findByName(manifests, reference) ?? (await this.#findById(manifests, reference));
    if (entry !== undefined) return this.#record(entry);
    throw new PlatformError('not-found', `image "${reference}" is not in the store`, {
      details: { reference },
      hint: 'put it there with "sampan image from-host"',
    });
  }

  async list(): Promise<readonly ImageRecord[]> {
    await this.ready();
    const { manifests } = await readIndex(this.paths);
    return Promise.all(manifests.map((entry) => this.#record(entry)));
  }

  async tag(reference: string, manifest: Descriptor): Promise<ImageRecord> {
    await this.ready();
    const name = formatReference(localReference(reference));
    const entry: Descriptor = { ...manifest, annotations: { ...manifest.annotations, [REF_NAME]: name } };
    await updateIndex(this.paths, async (manifests) => {
      // Under the lock, so that no concurrent removal takes a blob away between this look and the new entry.
      await this.#checkBlobs(manifest.digest);
      failpoint('image.index.tag');
      return [...manifests.filter((other) => storedName(other) !== name), entry];
    });
    return this.#record(entry);
  }

  async remove(reference: string): Promise<void> {
    await this.ready();
    await updateIndex(this.paths, async (manifests) => {
      const named = findByName(manifests, reference);
      const target = named ?? (await this.#findById(manifests, reference));
      if (target === undefined) return manifests;
      const isGone = (entry: Descriptor): boolean =>
        named ? entry === named : entry.digest === target.digest;
      const kept = manifests.filter((entry) => !isGone(entry));
      await this.#removeUnused(target, kept);
      return kept;
    });
    await this.#removeUnusedLayers();
  }

  async prepareSnapshot(key: string, image: ImageRecord): Promise<Snapshot> {
    await this.ready();
    const dir = this.#snapshotDir(key);
    return this.#locks.run(key, async () => {
      const chain = chainIds(image.config.rootfs.diff_ids);
      const top = chain.at(-1);
      if (top === undefined) throw new PlatformError('invalid', `image ${image.reference} has no layers`);
      for (const [i, chainId] of chain.entries()) {
        const layer = {
          descriptor: image.manifest.layers[i]!,
          diffId: image.config.rootfs.diff_ids[i]!,
          chainId,
          ...(i === 0 ? {} : { parent: chain[i - 1]! }),
        };
        await this.#locks.run(chainId, () => ensureLayer(this.paths, layer));
      }
      // Claimed under the lock under which unused layers are removed, and only then relied upon.
      const lowerDirs = await withFileLock(this.paths.lock, async () => {
        const stack = await stackOf(this.paths, top);
        if (stack !== undefined) await this.#claimSnapshot(dir, { chainId: top, owner: ownToken() });
        return stack;
      });
      if (lowerDirs === undefined) {
        throw new PlatformError('unavailable', `image ${image.reference} was removed while it was unpacked`);
      }
      return { key, lowerDirs, upperDir: join(dir, 'upper'), workDir: join(dir, 'work') };
    });
  }

  async removeSnapshot(key: string): Promise<void> {
    await this.ready();
    const dir = this.#snapshotDir(key);
    await this.#locks.run(key, () => discard(this.paths, dir));
  }

  async sweep(keep: ReadonlySet<string>): Promise<void> {
    await this.ready();
    for (const name of await readdir(this.paths.ingest)) {
      // Another living process may be in the middle of it; what we make ourselves cleans up after itself.
      if (!tokenAlive(name)) await rm(join(this.paths.ingest, name), { recursive: true, force: true });
    }
    for (const key of await readdir(this.paths.snapshots)) {
      if (keep.has(key)) continue;
      const mark = await this.#snapshotMark(key);
      // `sampan run` beside a daemon owns snapshots that the daemon's records do not know.
      const isOthers = mark !== undefined && tokenAlive(mark.owner) && !tokenIsOwn(mark.owner);
      if (!isOthers) await this.removeSnapshot(key);
    }
    await this.#removeUnusedLayers();
  }

  async #claimSnapshot(dir: string, mark: SnapshotMark): Promise<void> {
    if ((await readIfThere(join(dir, 'snapshot.json'))) !== undefined) return;
    const work = join(this.paths.ingest, ownToken());
    try {
      await mkdir(join(work, 'upper'), { recursive: true, mode: 0o755 });
      await mkdir(join(work, 'work'), { mode: 0o700 });
      await writeFile(join(work, 'snapshot.json'), JSON.stringify(mark), { flush: true });
      failpoint('image.snapshot.commit');
      await rename(work, dir);
    } catch (error) {
      await rm(work, { recursive: true, force: true });
      throw diskError(error, dir);
    }
  }

  async #removeUnused(gone: Descriptor, kept: readonly Descriptor[]): Promise<void> {
    const needed = new Set<string>();
    for (const entry of kept) for (const digest of await this.#digestsOf(entry)) needed.add(digest);
    for (const digest of await this.#digestsOf(gone)) {
      if (!needed.has(digest)) await rm(blobPath(this.paths, digest), { force: true });
    }
    this.#parsed.delete(gone.digest);
  }

  /** Removes unpacked layers that neither an image nor a snapshot stands on. */
  async #removeUnusedLayers(): Promise<void> {
    await withFileLock(this.paths.lock, async () => {
      const { manifests } = await readIndex(this.paths);
      const roots: string[] = [];
      for (const entry of manifests)
        roots.push(...chainIds((await this.#record(entry)).config.rootfs.diff_ids));
      for (const key of await readdir(this.paths.snapshots)) {
        const mark = await this.#snapshotMark(key);
        if (mark !== undefined) roots.push(mark.chainId);
      }
      const needed = await chainClosure(this.paths, roots);
      for (const name of await readdir(this.paths.layers)) {
        if (!needed.has(`sha256:${name}`)) await discard(this.paths, join(this.paths.layers, name));
      }
    });
  }

  async #record(entry: Descriptor): Promise<ImageRecord> {
    let parsed = this.#parsed.get(entry.digest);
    if (parsed === undefined) {
      parsed = await this.#read(entry.digest);
      this.#parsed.set(entry.digest, parsed);
    }
    return { reference: storedName(entry) ?? entry.digest, ...parsed };
  }

  async #read(digest: string): Promise<Omit<ImageRecord, 'reference'>> {
    const content = await readBlob(this.paths, digest);
    const parsed = JSON.parse(content.toString('utf8')) as ImageManifest | ImageIndex;
    if ('manifests' in parsed) return this.#read(forThisMachine(parsed, digest).digest);
    const config = JSON.parse(
      (await readBlob(this.paths, parsed.config.digest)).toString('utf8'),
    ) as ImageConfig;
    const blobs = [parsed.config, ...parsed.layers];
    if (parsed.layers.length !== config.rootfs.diff_ids.length) {
      throw new PlatformError(
        'invalid',
        `image ${digest}: ${parsed.layers.length} layers, ${config.rootfs.diff_ids.length} diff ids`,
      );
    }
    const size = blobs.reduce((sum, blob) => sum + blob.size, content.length);
    return { digest, manifest: parsed, config, configDigest: parsed.config.digest, size };
  }

  async #checkBlobs(digest: string): Promise<void> {
    const present = new Set(await readdir(this.paths.blobs));
    const image = await this.#read(digest);
    for (const blob of [image.manifest.config, ...image.manifest.layers]) {
      if (present.has(blob.digest.slice('sha256:'.length))) continue;
      throw new PlatformError('conflict', `blob ${blob.digest} of image ${digest} is not in the store`);
    }
  }

  async #digestsOf(entry: Descriptor): Promise<readonly string[]> {
    const { digest, manifest } = await this.#record(entry);
    return [entry.digest, digest, manifest.config.digest, ...manifest.layers.map((layer) => layer.digest)];
  }

  async #findById(manifests: readonly Descriptor[], reference: string): Promise<Descriptor | undefined> {
    const hex = ID.exec(reference)?.[1];
    if (hex === undefined) return undefined;
    for (const entry of manifests) {
      const { digest, configDigest } = await this.#record(entry);
      if ([entry.digest, digest, configDigest].some((id) => id.startsWith(`sha256:${hex}`))) return entry;
    }
    return undefined;
  }

  #snapshotDir(key: string): string {
    if (!SNAPSHOT_KEY.test(key)) throw new PlatformError('invalid', `"${key}" cannot be a snapshot's key`);
    return join(this.paths.snapshots, key);
  }

  async #snapshotMark(key: string): Promise<SnapshotMark | undefined> {
    const content = await readIfThere(join(this.paths.snapshots, key, 'snapshot.json'));
    return content === undefined ? undefined : (JSON.parse(content) as SnapshotMark);
  }
}

/** Moves a folder away before removing it, so that a crash in between never leaves half of it under its name. */
async function discard(paths: StorePaths, dir: string): Promise<void> {
  const doomed = join(paths.ingest, ownToken());
  await rename(dir, doomed).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
  await rm(doomed, { recursive: true, force: true });
}

function findByName(manifests: readonly Descriptor[], reference: string): Descriptor | undefined {
  if (ID.test(reference) && reference.startsWith('sha256:')) return undefined;
  for (const wanted of candidates(reference)) {
    const name = formatReference(wanted);
    const found = manifests.find((entry) =>
      wanted.digest === undefined
        ? storedName(entry) === name
        : entry.digest === wanted.digest && sameRepository(storedName(entry), name),
    );
    if (found !== undefined) return found;
  }
  return undefined;
}

/** `localhost/a:x` and `localhost/a:y` are one repository: a reference by digest does not care for the tag. */
function sameRepository(stored: string | undefined, name: string): boolean {
  return stored?.slice(0, stored.lastIndexOf(':')) === name.slice(0, name.lastIndexOf(':'));
}

/** The full name of an index entry; also of one that another tool put there under a short name. */
function storedName(entry: Descriptor): string | undefined {
  const name = entry.annotations?.[REF_NAME];
  if (name === undefined) return undefined;
  try {
    return formatReference(localReference(name));
  } catch {
    return undefined;
  }
}

function forThisMachine(index: ImageIndex, digest: string): Descriptor {
  const architecture = { x64: 'amd64', ia32: '386' }[process.arch as string] ?? process.arch;
  const found = index.manifests.find((entry) => {
    const platform = entry.platform;
    return platform === undefined || (platform.os === 'linux' && platform.architecture === architecture);
  });
  if (found !== undefined) return found;
  throw new PlatformError('unsupported', `image ${digest} has no variant for linux/${architecture}`);
}
