import { errorMessage, isPlatformError, PlatformError } from '../../base/errors.ts';

/** SQLite's primary result codes (https://www.sqlite.org/rescode.html). */
const BUSY = 5;
const READONLY = 8;
const IOERR = 10;
const CORRUPT = 11;
const FULL = 13;
const CANTOPEN = 14;
const NOTADB = 26;

/** What a failure of SQLite means to the person who runs it; names the file and what to do. */
export function sqliteError(path: string, error: unknown): PlatformError {
  if (isPlatformError(error)) return error;
  const code = primaryCode(error);
  const say = (
    kind: 'exhausted' | 'conflict' | 'forbidden' | 'internal',
    what: string,
    hint: string,
  ): PlatformError =>
    new PlatformError(kind, `store ${path}: ${what}`, {
      cause: error,
      hint,
      details: { path, sqlite: code },
    });
  switch (code) {
    case FULL:
      return say('exhausted', 'the disk is full', `free some space on the disk of ${path} and try again`);
    case CORRUPT:
    case NOTADB:
      return say(
        'internal',
        `the database is damaged (${errorMessage(error)})`,
        `stop, then restore ${path} from a backup, or move it and its -wal file away to start with an empty cluster`,
      );
    case BUSY:
      return say('conflict', 'the database is in use by another process', 'stop the process that holds it');
    case CANTOPEN:
      return say(
        'internal',
        'cannot open the database',
        `check that the folder of ${path} exists and may be written`,
      );
    case READONLY:
      return say(
        'forbidden',
        'the database is read-only',
        `check the owner and mode of ${path} and its folder`,
      );
    case IOERR:
      return say(
        'internal',
        `the disk failed (${errorMessage(error)})`,
        `check the disk of ${path} and restart`,
      );
    default:
      return say('internal', errorMessage(error), `restart; if it stays, check ${path}`);
  }
}

/** After a failed read or fsync nobody knows what the file holds: only opening it anew tells. */
export function isFatal(error: unknown): boolean {
  return [IOERR, CORRUPT, NOTADB].includes(primaryCode(error) ?? 0);
}

function primaryCode(error: unknown): number | undefined {
  if (isPlatformError(error)) return error.details['sqlite'] as number | undefined;
  const code = (error as { errcode?: unknown } | undefined)?.errcode;
  return typeof code === 'number' ? code & 0xff : undefined;
}
