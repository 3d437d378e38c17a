import { PlatformError } from './errors.ts';

/** The errno name of a failed Node file operation, or undefined. */
export function errnoOf(error: unknown): string | undefined {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return typeof code === 'string' ? code : undefined;
}

/** Turns a full disk into `exhausted` naming the path; anything else comes back as it is. */
export function diskError(error: unknown, path: string): unknown {
  const errno = errnoOf(error);
  if (errno !== 'ENOSPC' && errno !== 'EDQUOT') return error;
  return new PlatformError('exhausted', `no space left for ${path}`, {
    cause: error,
    details: { path, errno },
    hint: `free space or inodes on the file system that holds ${path}`,
  });
}
