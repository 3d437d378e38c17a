import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { diskError } from './disk-error.ts';

const MODE = 0o600;

export interface WriteOptions {
  /** Of no use once the machine has started anew: a process that dies loses nothing, and the disk is not waited for. */
  readonly volatile?: boolean;
}

/**
 * Readers see the old file or the new one, whole, whatever happens in between. For its owner alone; one that is there
 * already and says the same stays. Throws `exhausted` on a full disk.
 */
export function writeAtomically(path: string, content: string, options: WriteOptions = {}): void {
  if (says(path, content)) return;
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const fd = openSync(temporary, 'w', MODE);
    try {
      writeSync(fd, content);
      if (options.volatile !== true) fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw diskError(error, path);
  }
}

function says(path: string, content: string): boolean {
  let fd: number;
  try {
    // Whoever opens a pipe waits for the other end.
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch {
    return false;
  }
  try {
    const found = fstatSync(fd);
    return found.isFile() && (found.mode & 0o777) === MODE && readFileSync(fd, 'utf8') === content;
  } catch {
    return false;
  } finally {
    closeSync(fd);
  }
}
