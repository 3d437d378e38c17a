import { lchown, lutimes, mkdir, open, symlink, rm, chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { PlatformError } from '../../base/errors.ts';
import { BlobWriter } from './content.ts';
import { diskError } from '../../base/disk-error.ts';
import type { TreeNode } from './image-tree.ts';
import { commitLayer } from './layers.ts';
import type { StorePaths } from './layout.ts';
import { ownToken } from './process-token.ts';
import { paddingOf, type TarHeader } from './tar-format.ts';
import { encodeTarHeader, tarEnd } from './tar-write.ts';

const CHUNK = 1 << 20;
/** One time for all files, so that the same input gives the same digest. */
const MTIME = 0;

/**
 * Writes a tree as an uncompressed layer blob and, from the same read of each file, as an unpacked layer. Compressing
 * would take seconds for a Node program and save nothing on the machine that runs it (docs/adr/0003-image-store.md).
 */
export async function writeLayer(
  paths: StorePaths,
  entries: readonly (readonly [path: string, node: TreeNode])[],
): Promise<{ digest: string; size: number }> {
  const work = join(paths.ingest, ownToken());
  const root = join(work, 'fs');
  try {
    await using blob = await BlobWriter.open(paths);
    await mkdir(root, { recursive: true, mode: 0o755 });
    await chmod(root, 0o755);
    for (const [path, node] of entries) await writeNode(blob, root, path, node);
    for (const [path, node] of entries.toReversed()) {
      if (node.type === 'directory') await lutimes(join(root, path), MTIME, MTIME);
    }
    await lutimes(root, MTIME, MTIME);
    await blob.write(tarEnd());
    const written = await blob.commit();
    // The archive is not compressed: the digest of the blob is the diff id, and of the lowest layer the chain id too.
    await commitLayer(paths, work, written.digest, { diffId: written.digest });
    return written;
  } catch (error) {
    throw diskError(error, paths.layers);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function writeNode(blob: BlobWriter, root: string, path: string, node: TreeNode): Promise<void> {
  const target = join(root, path);
  const name = path.slice(1);
  const header: TarHeader = {
    name,
    type: node.type,
    mode: 0o777,
    uid: 0,
    gid: 0,
    mtime: MTIME,
    size: 0,
    linkName: '',
  };
  switch (node.type) {
    case 'directory':
      await blob.write(encodeTarHeader({ ...header, name: `${name}/`, mode: node.mode }));
      await mkdir(target);
      await chmod(target, node.mode);
      return;
    case 'symlink':
      await blob.write(encodeTarHeader({ ...header, linkName: node.target }));
      await symlink(node.target, target);
      await lutimes(target, MTIME, MTIME);
      break;
    case 'file':
      await writeFileNode(blob, target, header, node);
      break;
  }
  if (process.geteuid?.() === 0) await lchown(target, 0, 0);
}

async function writeFileNode(
  blob: BlobWriter,
  target: string,
  header: TarHeader,
  node: TreeNode & { type: 'file' },
): Promise<void> {
  await using out = await open(target, 'wx', 0o600);
  const put = async (chunk: Uint8Array): Promise<void> => {
    await blob.write(chunk);
    for (let done = 0; done < chunk.length;) done += (await out.write(chunk, done)).bytesWritten;
  };
  let size: number;
  if ('content' in node) {
    size = node.content.length;
    await blob.write(encodeTarHeader({ ...header, mode: node.mode, size }));
    await put(node.content);
  } else {
    await using source = await open(node.source, 'r');
    size = (await source.stat()).size;
    await blob.write(encodeTarHeader({ ...header, mode: node.mode, size }));
    const buffer = Buffer.allocUnsafe(Math.min(CHUNK, size));
    for (let at = 0; at < size;) {
      const { bytesRead } = await source.read(buffer, 0, Math.min(buffer.length, size - at), at);
      if (bytesRead === 0) throw new PlatformError('conflict', `${node.source} shrank while it was packed`);
      await put(buffer.subarray(0, bytesRead));
      at += bytesRead;
    }
  }
  await blob.write(Buffer.alloc(paddingOf(size)));
  await out.chmod(node.mode);
  await out.utimes(MTIME, MTIME);
  await out.datasync();
}
