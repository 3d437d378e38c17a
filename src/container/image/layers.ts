import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { PlatformError } from '../../base/errors.ts';
import { failpoint } from '../../base/failpoint.ts';
import { MEDIA_TYPE, type Descriptor } from '../spec/image.ts';
import { blobPath } from './content.ts';
import { diskError, errnoOf } from '../../base/disk-error.ts';
import { readIfThere, syncDirectory, type StorePaths } from './layout.ts';
import { applyWhiteouts, mergeTree } from './merge-tree.ts';
import { ownToken } from './process-token.ts';
import { unpackLayer } from './unpack.ts';

/** Beside every unpacked layer, as `layer.json`. */
interface LayerMark {
  /** Chain id of the layer below; absent for the lowest, and for one that holds the whole chain itself. */
  readonly parent?: string;
  readonly diffId: string;
}

/** Chain ids of a list of diff ids, lowest first (image-spec, config.md, "Layer ChainID"). */
export function chainIds(diffIds: readonly string[]): readonly string[] {
  const chain: string[] = [];
  for (const diffId of diffIds) {
    const below = chain.at(-1);
    chain.push(
      below === undefined
        ? diffId
        : `sha256:${createHash('sha256').update(`${below} ${diffId}`).digest('hex')}`,
    );
  }
  return chain;
}

export function layerDir(paths: StorePaths, chainId: string): string {
  return join(paths.layers, chainId.slice('sha256:'.length));
}

/** The folders that overlayfs stacks for a chain, topmost first; undefined when one of them is not unpacked. */
export async function stackOf(paths: StorePaths, chainId: string): Promise<readonly string[] | undefined> {
  const stack: string[] = [];
  for (let at: string | undefined = chainId; at !== undefined;) {
    const mark = await readMark(paths, at);
    if (mark === undefined) return undefined;
    stack.push(join(layerDir(paths, at), 'fs'));
    at = mark.parent;
  }
  return stack;
}

/**
 * Unpacks one layer onto the chain below it, unless it is there already.
 *
 * A layer that only adds gets a folder of its own. One with whiteouts gets a folder that holds the whole chain,
 * merged by hard links: that needs neither device nodes nor extended attributes, and the stack grows shorter.
 */
export async function ensureLayer(
  paths: StorePaths,
  layer: {
    readonly descriptor: Descriptor;
    readonly diffId: string;
    readonly chainId: string;
    readonly parent?: string;
  },
): Promise<void> {
  if ((await readMark(paths, layer.chainId)) !== undefined) return;
  const work = join(paths.ingest, ownToken());
  const fs = join(work, 'fs');
  try {
    await mkdir(fs, { recursive: true, mode: 0o755 });
    const whiteouts = await unpackVerified(paths, layer, fs);
    const isFlat = layer.parent !== undefined && whiteouts.removed.length + whiteouts.opaque.length > 0;
    if (isFlat) {
      const flat = join(work, 'flat');
      await mkdir(flat, { mode: 0o755 });
      const below = await stackOf(paths, layer.parent);
      if (below === undefined) throw new PlatformError('internal', `layer ${layer.parent} is not unpacked`);
      for (const dir of below.toReversed()) await mergeTree(dir, flat);
      await applyWhiteouts(flat, whiteouts);
      await mergeTree(fs, flat);
      await rm(fs, { recursive: true });
      await rename(flat, fs);
    }
    await commitLayer(paths, work, layer.chainId, {
      diffId: layer.diffId,
      ...(layer.parent === undefined || isFlat ? {} : { parent: layer.parent }),
    });
  } catch (error) {
    throw diskError(error, layerDir(paths, layer.chainId));
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Moves a finished folder (`fs` inside) into place. Losing the race to another unpacker of the same layer is fine. */
export async function commitLayer(
  paths: StorePaths,
  work: string,
  chainId: string,
  mark: LayerMark,
): Promise<void> {
  await writeFile(join(work, 'layer.json'), JSON.stringify(mark), { flush: true });
  failpoint('image.layer.commit');
  try {
    await rename(work, layerDir(paths, chainId));
  } catch (error) {
    if (errnoOf(error) !== 'ENOTEMPTY' && errnoOf(error) !== 'EEXIST') throw error;
  }
  await syncDirectory(paths.layers);
}

async function unpackVerified(
  paths: StorePaths,
  layer: { readonly descriptor: Descriptor; readonly diffId: string },
  root: string,
): ReturnType<typeof unpackLayer> {
  const path = blobPath(paths, layer.descriptor.digest);
  const source = createReadStream(path, { highWaterMark: 1 << 20 });
  const plain = decompress(source, layer.descriptor.mediaType);
  const hash = createHash('sha256');
  const hashed = (async function* () {
    for await (const chunk of plain as AsyncIterable<Buffer>) {
      hash.update(chunk);
      yield chunk;
    }
  })();
  try {
    const whiteouts = await unpackLayer({ [Symbol.asyncIterator]: () => hashed }, root);
    for await (const _ of hashed) {
      // The digest covers what follows the archive's end as well.
    }
    const actual = `sha256:${hash.digest('hex')}`;
    if (actual === layer.diffId) return whiteouts;
    throw new PlatformError(
      'invalid',
      `layer ${layer.descriptor.digest} unpacks to ${actual}, its image says ${layer.diffId}`,
    );
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') {
      throw new PlatformError('not-found', `blob ${layer.descriptor.digest} is not in the store`, {
        cause: error,
      });
    }
    if (errnoOf(error)?.startsWith('Z_') === true || errnoOf(error)?.startsWith('ZSTD_') === true) {
      throw new PlatformError('invalid', `layer ${layer.descriptor.digest} is not well compressed`, {
        cause: error,
      });
    }
    throw error;
  } finally {
    source.destroy();
    plain.destroy();
  }
}

function decompress(source: Readable, mediaType: string): Readable {
  // Docker's own media types end in the same words as OCI's.
  if (mediaType === MEDIA_TYPE.layerTar || mediaType.endsWith('.tar')) return source;
  const isGzip = mediaType.endsWith('gzip');
  if (!isGzip && !mediaType.endsWith('zstd'))
    throw new PlatformError('unsupported', `layer media type "${mediaType}"`);
  const unzip = isGzip ? createGunzip({ chunkSize: 1 << 18 }) : createZstdDecompress();
  source.on('error', (error) => unzip.destroy(error));
  return source.pipe(unzip);
}

async function readMark(paths: StorePaths, chainId: string): Promise<LayerMark | undefined> {
  const content = await readIfThere(join(layerDir(paths, chainId), 'layer.json'));
  return content === undefined ? undefined : (JSON.parse(content) as LayerMark);
}

/** Chain ids of everything that is unpacked and that the chains in `roots` stand on, roots included. */
export async function chainClosure(paths: StorePaths, roots: Iterable<string>): Promise<Set<string>> {
  const reached = new Set<string>();
  for (const root of roots) {
    for (let at: string | undefined = root; at !== undefined && !reached.has(at);) {
      reached.add(at);
      at = (await readMark(paths, at))?.parent;
    }
  }
  return reached;
}

export async function readJson<T>(path: string): Promise<T> {
  return JSON.parse(await readFile(path, 'utf8')) as T;
}
