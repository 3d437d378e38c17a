/** Single steps on cgroup files, with errors that name the file. */
import {
  closeSync,
  constants,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { PlatformError, type ErrorCode } from '../base/errors.ts';
import { failpoint } from '../base/failpoint.ts';

const { O_TRUNC, O_WRONLY } = constants;

const CODES: Readonly<Record<string, ErrorCode>> = {
  ENOENT: 'not-found',
  EACCES: 'forbidden',
  EPERM: 'forbidden',
  EROFS: 'forbidden',
  EBUSY: 'conflict',
  EINVAL: 'invalid',
  ERANGE: 'invalid',
  ENOSPC: 'exhausted',
};

export function errnoOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

function cgroupError(action: string, file: string, error: unknown): PlatformError {
  const errno = errnoOf(error);
  return new PlatformError(CODES[errno] ?? 'internal', `cgroup: cannot ${action} ${file}: ${errno}`, {
    cause: error,
    details: { errno, path: file },
  });
}

export function writeValue(file: string, value: string | number): void {
  failpoint('kernel.cgroup.write');
  try {
    // No O_CREAT: a file that the kernel does not offer must be ENOENT, not EACCES.
    const fd = openSync(file, O_WRONLY | O_TRUNC);
    try {
      writeSync(fd, String(value));
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw cgroupError(`write "${value}" to`, file, error);
  }
}

export function readValue(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw cgroupError('read', file, error);
  }
}

/** The value of `key` in a file of `key value` lines; 0 when the line is missing. */
export function readKeyed(file: string, key: string): number {
  for (const line of readValue(file).split('\n')) {
    const [name, value] = line.split(' ');
    if (name === key) return Number(value);
  }
  return 0;
}

export function readPids(procsFile: string): number[] {
  try {
    return readFileSync(procsFile, 'utf8').split('\n').filter(Boolean).map(Number);
  } catch (error) {
    // ENODEV: the folder was removed between open and read.
    if (['ENOENT', 'ENODEV'].includes(errnoOf(error))) return [];
    throw cgroupError('read', procsFile, error);
  }
}

/** True when it was made, false when it was there. */
export function makeDirectory(path: string): boolean {
  failpoint('kernel.cgroup.mkdir');
  try {
    mkdirSync(path);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false;
    throw cgroupError('create', path, error);
  }
}

export function childDirectories(path: string): string[] {
  try {
    return readdirSync(path, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
  } catch (error) {
    if (['ENOENT', 'ENODEV'].includes(errnoOf(error))) return [];
    throw cgroupError('list', path, error);
  }
}

/** `path` and every folder below it, children before parents. */
export function postOrder(path: string): string[] {
  return [...childDirectories(path).flatMap((name) => postOrder(join(path, name))), path];
}

/** True when gone. */
export function removeDirectory(path: string): boolean {
  failpoint('kernel.cgroup.rmdir');
  try {
    rmdirSync(path);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return true;
    if (errnoOf(error) === 'EBUSY') return false;
    throw cgroupError('remove', path, error);
  }
}

export const DEADLINE_MS = 10_000;

/**
 * Tries again, at first after 1 ms and then ever slower up to 20 ms, until `done` or the deadline; `cancelled` when
 * `signal` aborts first.
 */
export async function until(done: () => boolean, deadlineMs: number, signal?: AbortSignal): Promise<boolean> {
  const end = performance.now() + deadlineMs;
  for (let wait = 1; !done(); wait = Math.min(wait * 2, 20)) {
    if (performance.now() >= end) return false;
    await pause(wait, signal);
  }
  return true;
}

export async function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  try {
    await delay(milliseconds, undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    throw new PlatformError('cancelled', 'cgroup: stopped waiting', { cause: error });
  }
}
