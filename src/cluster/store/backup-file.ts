/**
 * A backup is what the store keeps, as one file. Ours is the SQLite database and behind it a seal (a mark and the SHA-256 of
 * what stands before it), so that a file that was cut or changed is known. An etcd's is etcd's own snapshot, which has its
 * hash at the end too.
 */
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { errorMessage, isPlatformError, PlatformError } from '../../base/errors.ts';

export type BackupKind = 'sqlite' | 'etcd';

/** What stands behind the database. */
const MARK = Buffer.from('sampan-backup-1\n');
const HASH = 32;
export const SEAL_LENGTH = MARK.length + HASH;

const SQLITE_HEADER = Buffer.from('SQLite format 3\0');
/** Where SQLite keeps the application id, and ours: see sqlite-database.ts. */
const APPLICATION_ID_AT = 68;
const APPLICATION_ID = 0x534d504e;
/** bbolt's page header is 16 bytes long, the magic number of its meta page follows. */
const BOLT_MAGIC_AT = 16;
const BOLT_MAGIC = 0xed0cdaed;

const CHUNK = 256 * 1024;

export interface BackupSummary {
  readonly kind: BackupKind;
  readonly bytes: number;
}

/** Appends the seal. */
export async function sealFile(path: string): Promise<void> {
  await using file = await open(path, constants.O_RDWR);
  const { size } = await file.stat();
  const hash = createHash('sha256');
  await eachChunk(file, size, (chunk) => {
    hash.update(chunk);
  });
  await file.write(Buffer.concat([MARK, hash.digest()]), 0, SEAL_LENGTH, size);
  await file.sync();
}

/**
 * Copies the database in the backup `from` to `to` (which is made anew) while checking its seal. Errors name the file and
 * what is wrong with it; nothing is left at `to` then.
 */
export async function unsealTo(from: string, to: string): Promise<void> {
  await using source = await openBackup(from);
  const length = await sealedLength(source, from);
  const wanted = Buffer.alloc(HASH);
  await source.read(wanted, 0, HASH, length + MARK.length);
  try {
    await using target = await open(to, 'w', 0o600);
    const hash = createHash('sha256');
    await eachChunk(source, length, async (chunk) => {
      hash.update(chunk);
      await target.write(chunk);
    });
    if (!hash.digest().equals(wanted))
      throw torn(from, 'its content does not have the hash that it was sealed with');
    await target.sync();
  } catch (error) {
    await rm(to, { force: true });
    throw diskError(to, error);
  }
}

/** Which store a backup is of; `invalid` when it is none, or not whole. */
export async function backupKind(path: string): Promise<BackupKind> {
  await using file = await openBackup(path);
  const head = Buffer.alloc(72);
  await file.read(head, 0, head.length, 0);
  if (head.readUInt32LE(BOLT_MAGIC_AT) === BOLT_MAGIC) return 'etcd';
  await sealedLength(file, path);
  return 'sqlite';
}

/** The length of the database in a sealed file. */
async function sealedLength(file: FileHandle, path: string): Promise<number> {
  const { size } = await file.stat();
  const head = Buffer.alloc(72);
  await file.read(head, 0, head.length, 0);
  const ours = head.subarray(0, SQLITE_HEADER.length).equals(SQLITE_HEADER);
  if (!ours || head.readUInt32BE(APPLICATION_ID_AT) !== APPLICATION_ID) {
    const what = ours ? 'is a database of another program' : 'is no backup';
    throw new PlatformError('invalid', `${path}: ${what}`, {
      details: { path },
      hint: 'give a file that `sampan backup` has written',
    });
  }
  const mark = Buffer.alloc(MARK.length);
  await file.read(mark, 0, mark.length, Math.max(0, size - SEAL_LENGTH));
  if (!mark.equals(MARK)) throw torn(path, 'its end is missing');
  return size - SEAL_LENGTH;
}

async function openBackup(path: string): Promise<FileHandle> {
  try {
    const file = await open(path, 'r');
    if ((await file.stat()).isFile()) return file;
    await file.close();
    throw new PlatformError('invalid', `${path}: is no file`);
  } catch (error) {
    if (isPlatformError(error)) throw error;
    throw new PlatformError(
      (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'not-found' : 'invalid',
      `backup ${path}: ${errorMessage(error)}`,
      { cause: error },
    );
  }
}

/**
 * Lets `write` fill an empty file beside `path`, and puts it there when it is whole and on disk. What stood at `path` is replaced
 * only if it was a backup: a mistyped name must not cost a database.
 */
export async function writeBackup(
  path: string,
  write: (temporary: string) => Promise<void>,
): Promise<number> {
  if ((await stat(path).catch(() => undefined)) !== undefined) {
    await backupKind(path).catch((error: unknown) => {
      throw new PlatformError('already-exists', `${path}: exists and is no backup`, {
        cause: error,
        hint: 'give another name',
      });
    });
  }
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.partial`);
  try {
    await rm(temporary, { force: true });
    // SQLite would make it readable for all, and it holds secrets.
    await (await open(temporary, 'wx', 0o600)).close();
    await write(temporary);
    const { size } = await stat(temporary);
    await rename(temporary, path);
    await syncFolder(dirname(path));
    return size;
  } catch (error) {
    for (const suffix of ['', '-journal', '-wal', '-shm']) await rm(temporary + suffix, { force: true });
    throw diskError(path, error);
  }
}

/** Makes renames in a folder last. */
export async function syncFolder(path: string): Promise<void> {
  await using folder = await open(path, 'r');
  await folder.sync();
}

async function eachChunk(
  file: FileHandle,
  length: number,
  take: (chunk: Buffer) => Promise<void> | void,
): Promise<void> {
  for (let at = 0; at < length;) {
    const buffer = Buffer.alloc(Math.min(CHUNK, length - at));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, at);
    if (bytesRead === 0) throw new Error(`ends at byte ${at} instead of ${length}`);
    await take(buffer.subarray(0, bytesRead));
    at += bytesRead;
  }
}

function torn(path: string, why: string): PlatformError {
  return new PlatformError('invalid', `${path}: is torn: ${why}`, {
    details: { path },
    hint: 'use another backup',
  });
}

/** Names the file that the caller knows, not the one that was being written. */
function diskError(path: string, error: unknown): PlatformError {
  const known = isPlatformError(error) ? error : undefined;
  const { code } = error as NodeJS.ErrnoException;
  const full = known?.code === 'exhausted' || code === 'ENOSPC' || code === 'EDQUOT';
  if (known !== undefined && !full) return known;
  return new PlatformError(
    full ? 'exhausted' : 'internal',
    `${path}: ${full ? 'the disk is full' : errorMessage(error)}`,
    { cause: error, ...(full && { hint: `free some space on the disk of ${dirname(path)}` }) },
  );
}
