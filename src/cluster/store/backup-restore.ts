/**
 * Puts a backup in the place of a SQLite store, so that a kill at any moment leaves the old store or the new one:
 *
 *   state.db (+ -wal)                       the old store
 *   state.db.restoring                      copied, checked, its revision raised
 *   state.db.restored    <- rename          from here on the new one counts
 *   state.db             <- rename, after the old -wal is gone, by `finishRestore`, which whoever opens the store calls first
 */
import { existsSync, renameSync, rmSync } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { errorMessage, PlatformError } from '../../base/errors.ts';
import { failpoint } from '../../base/failpoint.ts';
import { syncFolder, unsealTo } from './backup-file.ts';
import { SqliteDatabase } from './sqlite-database.ts';

/**
 * How far a restored store's revision is ahead of the backup's: more than the lost store can have written since then, so
 * that no client knows a revision of it that the new one will give out again. All of it counts as compacted: whoever
 * resumes a watch or a list from before is told to begin anew. (etcd: `--bump-revision 1000000000 --mark-compacted`.)
 */
export const REVISION_BUMP = 1_000_000_000;

export interface Restored {
  /** The revision that the restored store begins at. */
  readonly revision: number;
  /** The backup's. */
  readonly backupRevision: number;
}

/** Replaces the store at `path` by the backup in `file`. The caller holds the data folder's lock. */
export async function restoreSqlite(file: string, path: string): Promise<Restored> {
  finishRestore(path);
  const restoring = `${path}.restoring`;
  removeDatabase(restoring);
  try {
    await unsealTo(file, restoring);
    failpoint('restore.copied');
    const backupRevision = check(restoring, file);
    const revision = Math.max(backupRevision, revisionAt(path)) + REVISION_BUMP;
    raise(restoring, revision);
    await using copy = await open(restoring, 'r');
    await copy.sync();
    failpoint('restore.checked');
    await rename(restoring, `${path}.restored`);
    await syncFolder(dirname(path));
    failpoint('restore.committed');
    finishRestore(path);
    await syncFolder(dirname(path));
    return { revision, backupRevision };
  } catch (error) {
    removeDatabase(restoring);
    throw error;
  }
}

/** Ends a restore that was interrupted after its new store was there. To be called before the store is opened. */
export function finishRestore(path: string): void {
  const restored = `${path}.restored`;
  if (!existsSync(restored)) return;
  // SQLite would apply the old store's log to the new one.
  for (const suffix of ['-wal', '-shm', '-journal']) rmSync(path + suffix, { force: true });
  failpoint('restore.placing');
  renameSync(restored, path);
}

/** The revision of the backup's copy at `path`, after SQLite's own check of it. */
function check(path: string, file: string): number {
  const database = new DatabaseSync(path);
  try {
    const row = database.prepare('PRAGMA quick_check(1)').get();
    const verdict = Object.values(row ?? {})[0];
    if (verdict !== 'ok') throw new Error(String(verdict));
  } catch (error) {
    throw new PlatformError('invalid', `${file}: is damaged: ${errorMessage(error)}`, {
      hint: 'use another backup',
    });
  } finally {
    database.close();
  }
  return revisionAt(path);
}

/** 0 when there is no store, or none that can be read: it may be the reason for the restore. */
function revisionAt(path: string): number {
  if (!existsSync(path)) return 0;
  try {
    const database = new SqliteDatabase(path);
    const { revision } = database;
    database.close();
    return revision;
  } catch {
    return 0;
  }
}

function raise(path: string, revision: number): void {
  const database = new DatabaseSync(path);
  try {
    database.prepare("UPDATE meta SET value = ? WHERE name = 'compacted'").run(revision);
  } finally {
    // Closing the last connection writes the log into the file and removes it.
    database.close();
  }
}

function removeDatabase(path: string): void {
  for (const suffix of ['', '-wal', '-shm', '-journal']) rmSync(path + suffix, { force: true });
}
