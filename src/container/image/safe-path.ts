import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { PlatformError } from '../../base/errors.ts';
import { errnoOf } from '../../base/disk-error.ts';

/**
 * Names in a layer come from whoever made the image. They are taken apart here, once: what comes out lies below the
 * root, and no parent of it is a symbolic link through which the write would leave the root.
 */
export function entryParts(name: string): readonly string[] {
  if (name.startsWith('/')) throw hostile(name, 'is absolute');
  if (name.includes('\0')) throw hostile(name, 'has a zero byte');
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) throw hostile(name, 'leaves its folder by ".."');
  return parts;
}

/**
 * The host path of an entry whose parents are all real folders (or missing, from `missing` on).
 * The root belongs to us alone while a layer is unpacked, so nothing can change between this look and the write.
 */
export async function checkParents(
  root: string,
  parts: readonly string[],
  name: string,
): Promise<{ missing: string[] }> {
  const missing: string[] = [];
  let path = root;
  for (const part of parts.slice(0, -1)) {
    path = join(path, part);
    if (missing.length > 0) {
      missing.push(path);
      continue;
    }
    const stats = await lstat(path).catch((error: unknown) => {
      if (errnoOf(error) === 'ENOENT') return undefined;
      throw error;
    });
    if (stats === undefined) missing.push(path);
    else if (stats.isSymbolicLink()) throw hostile(name, `goes through the symbolic link "${part}"`);
    else if (!stats.isDirectory()) throw hostile(name, `goes through "${part}", which is not a folder`);
  }
  return { missing };
}

export function hostile(name: string, why: string): PlatformError {
  return new PlatformError('invalid', `layer entry "${name}" is refused: it ${why}`, { details: { name } });
}
