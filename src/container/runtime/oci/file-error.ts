/** Why Node's file functions have failed, in the words that tools know. */
import { errorMessage } from '../../../base/errors.ts';

/** `ENOENT`; empty when it is not such an error. */
export function errnoOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

export function reasonOf(error: unknown): string {
  const reasons: Readonly<Record<string, string>> = {
    ENOENT: 'no such file or directory',
    ENOTDIR: 'not a directory',
    EACCES: 'permission denied',
    EISDIR: 'is a directory',
  };
  return reasons[errnoOf(error)] ?? errorMessage(error);
}
