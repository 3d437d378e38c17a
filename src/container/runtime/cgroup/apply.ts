/** Carries out what `resources-v1.ts` and `resources-v2.ts` decided. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { PlatformError, type ErrorCode } from '../../../base/errors.ts';
import { readValue, writeValue } from '../../../kernel/cgroup-files.ts';
import type { ResourceWrite } from './resource-write.ts';

/** Where the files of a controller are. */
export interface ResourceFolders {
  /** `undefined`: this container has no cgroup there. */
  folderOf(controller: string): string | undefined;
  /** Why there is none, or why the folder lacks the controller's files. */
  explain(controller: string): string;
}

/**
 * Writes them in order. What the kernel calls invalid is tried again once the others are written, since values depend on
 * one another (a limit above the memsw that comes after it, a burst above a quota). When one cannot be written at all,
 * those before it get their old values back.
 */
export function applyWrites(writes: readonly ResourceWrite[], folders: ResourceFolders): void {
  const undo: (() => void)[] = [];
  try {
    let pending = [...writes];
    while (pending.length > 0) {
      const refused: { write: ResourceWrite; error: PlatformError }[] = [];
      for (const write of pending) {
        try {
          const restore = applyWrite(write, folders);
          if (restore !== undefined) undo.push(restore);
        } catch (error) {
          if (!(error instanceof PlatformError) || error.details['errno'] !== 'EINVAL') throw error;
          refused.push({ write, error });
        }
      }
      if (refused.length === pending.length) throw refused[0]!.error;
      pending = refused.map(({ write }) => write);
    }
  } catch (error) {
    for (const restore of undo.toReversed()) restore();
    throw error;
  }
}

/** Returns what puts the old value back, for files that hold a single one. */
function applyWrite(write: ResourceWrite, folders: ResourceFolders): (() => void) | undefined {
  const folder = folders.folderOf(write.controller);
  if (folder === undefined) {
    if (write.optional === true) return undefined;
    throw failure(write, 'unsupported', folders.explain(write.controller));
  }
  const file = join(folder, write.file);
  if (!existsSync(file)) {
    if (write.otherwise !== undefined && existsSync(join(folder, write.otherwise.file)))
      return applyWrite(write.otherwise, folders);
    if (write.optional === true) return undefined;
    const names = [write.file, ...(write.otherwise === undefined ? [] : [write.otherwise.file])];
    throw failure(
      write,
      'unsupported',
      `${folder} has no ${names.join(' or ')}: ${folders.explain(write.controller)}`,
    );
  }
  checkUsed(write, folder);
  const old = oldValue(file);
  try {
    writeValue(file, write.value);
  } catch (error) {
    throw writeFailure(write, file, error);
  }
  if (write.verify === true && readValue(file) !== write.value)
    throw failure(write, 'unsupported', `this kernel keeps nothing of what is written to ${file}`);
  return old === undefined ? undefined : () => restoreValue(file, old);
}

/** `conflict` when a limit is below what is in use already. */
export function checkUsage(writes: readonly ResourceWrite[], folders: ResourceFolders): void {
  for (const write of writes) {
    const folder = folders.folderOf(write.controller);
    if (folder !== undefined) checkUsed(write, folder);
  }
}

function checkUsed(write: ResourceWrite, folder: string): void {
  if (write.unlessUsed === undefined) return;
  const file = join(folder, 'memory.current');
  if (!existsSync(file)) return;
  const used = Number(readValue(file));
  if (used >= write.unlessUsed)
    throw failure(write, 'conflict', `${write.unlessUsed} is not above the ${used} bytes in use`);
}

function oldValue(file: string): string | undefined {
  try {
    const value = readValue(file);
    // Keyed and list files take one line a write, and cannot be put back by writing what they show.
    return value === '' || value.includes('\n') || /^\d+:\d+ |=/.test(value) ? undefined : value;
  } catch {
    return undefined;
  }
}

function restoreValue(file: string, value: string): void {
  try {
    writeValue(file, value);
  } catch {
    // The cgroup may have gone; the error that led here is the one to tell.
  }
}

const CODES: Readonly<Record<string, ErrorCode>> = {
  EOPNOTSUPP: 'unsupported',
  ENOTSUP: 'unsupported',
  ENODEV: 'invalid',
  E2BIG: 'invalid',
  EDOM: 'invalid',
  ENXIO: 'invalid',
};

function writeFailure(write: ResourceWrite, file: string, cause: unknown): unknown {
  const errno = cause instanceof PlatformError ? errnoName(cause) : '';
  if (!(cause instanceof PlatformError) || errno === '') return cause;
  return failure(write, CODES[errno] ?? cause.code, `cannot write "${write.value}" to ${file}: ${errno}`, {
    cause,
    errno,
    path: file,
  });
}

function errnoName({ details }: PlatformError): string {
  return typeof details['errno'] === 'string' ? details['errno'] : '';
}

function failure(
  write: ResourceWrite,
  code: ErrorCode,
  why: string,
  { cause, ...details }: { cause?: unknown; [name: string]: unknown } = {},
): PlatformError {
  return new PlatformError(code, `${write.field}: ${why}`, {
    ...(cause === undefined ? {} : { cause }),
    details: { field: write.field, ...details },
  });
}
