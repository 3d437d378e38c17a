import { chmodSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { PlatformError } from '../../../base/errors.ts';
import { callerPath, type OciContext } from './context.ts';
import { reasonOf } from './file-error.ts';

/** Whole or not at all: whoever waits for the file reads it at once. */
export function writePidFile(context: OciContext, file: string, pid: number): void {
  const path = callerPath(context, file);
  const aside = join(dirname(path), `.${basename(path)}.${context.front.request.pid}`);
  try {
    writeFileSync(aside, String(pid));
    chmodSync(aside, 0o666 & ~context.front.request.umask);
    renameSync(aside, path);
  } catch (error) {
    rmSync(aside, { force: true });
    throw new PlatformError('invalid', `pid file ${path}: ${reasonOf(error)}`, { cause: error });
  }
}
