import { createHash, type Hash } from 'node:crypto';
import { open, readFile, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { assert, PlatformError } from '../../base/errors.ts';
import { failpoint } from '../../base/failpoint.ts';
import { diskError, errnoOf } from '../../base/disk-error.ts';
import { syncDirectory, type StorePaths } from './layout.ts';
import { ownToken } from './process-token.ts';
import { isDigest } from './reference.ts';

/** Where the blob of a digest lies. Refuses what is not a digest: digests come from files that others write. */
export function blobPath(paths: StorePaths, digest: string): string {
  if (!isDigest(digest)) throw new PlatformError('invalid', `"${digest}" is not a sha256 digest`);
  return join(paths.blobs, digest.slice('sha256:'.length));
}

/** The bytes of a small blob (manifest, config, index), verified. `not-found` names the digest. */
export async function readBlob(paths: StorePaths, digest: string): Promise<Buffer> {
  const content = await readFile(blobPath(paths, digest)).catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT')
      throw new PlatformError('not-found', `blob ${digest} is not in the store`);
    throw error;
  });
  const actual = `sha256:${createHash('sha256').update(content).digest('hex')}`;
  if (actual === digest) return content;
  throw new PlatformError('internal', `blob ${digest} is damaged: its content has digest ${actual}`);
}

export async function hasBlob(paths: StorePaths, digest: string): Promise<boolean> {
  return stat(blobPath(paths, digest)).then(
    () => true,
    () => false,
  );
}

/** Stores a small blob and returns its digest. */
export async function writeBlob(
  paths: StorePaths,
  content: Buffer,
): Promise<{ digest: string; size: number }> {
  await using writer = await BlobWriter.open(paths);
  await writer.write(content);
  // Awaited here: disposing must not begin before it is done.
  return await writer.commit();
}

/** Writes one blob while hashing it. Disposed before `commit`, it leaves nothing behind. */
export class BlobWriter implements AsyncDisposable {
  readonly #paths: StorePaths;
  readonly #temporary: string;
  readonly #handle: FileHandle;
  readonly #hash: Hash = createHash('sha256');
  #size = 0;
  #state: 'open' | 'closed' = 'open';

  private constructor(paths: StorePaths, temporary: string, handle: FileHandle) {
    this.#paths = paths;
    this.#temporary = temporary;
    this.#handle = handle;
  }

  static async open(paths: StorePaths): Promise<BlobWriter> {
    const temporary = join(paths.ingest, ownToken());
    try {
      return new BlobWriter(paths, temporary, await open(temporary, 'wx', 0o644));
    } catch (error) {
      throw diskError(error, paths.blobs);
    }
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.#hash.update(chunk);
    this.#size += chunk.length;
    try {
      failpoint('image.blob.write');
      for (let done = 0; done < chunk.length;) {
        done += (await this.#handle.write(chunk, done)).bytesWritten;
      }
    } catch (error) {
      throw diskError(error, this.#paths.blobs);
    }
  }

  async commit(): Promise<{ digest: string; size: number }> {
    assert(this.#state === 'open', 'a blob is committed once');
    const digest = `sha256:${this.#hash.digest('hex')}`;
    try {
      await this.#handle.sync();
      await this.#handle.close();
      this.#state = 'closed';
      failpoint('image.blob.commit');
      await rename(this.#temporary, blobPath(this.#paths, digest));
      await syncDirectory(this.#paths.blobs);
    } catch (error) {
      throw diskError(error, blobPath(this.#paths, digest));
    }
    return { digest, size: this.#size };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#state === 'open') await this.#handle.close();
    this.#state = 'closed';
    await rm(this.#temporary, { force: true });
  }
}
