import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { errorMessage, PlatformError } from '../../base/errors.ts';
import { KeyedLock } from '../../base/lock.ts';

const WAIT_MS = 10_000;
const RETRY_MS = 5;

const inProcess = new KeyedLock();

/**
 * Runs `task` while no other process and no other caller in this one holds the lock at `path`.
 *
 * Node has no flock(2). SQLite's write lock on an empty database is a kernel record lock on the file: it needs no
 * clean-up, ends with its holder however that dies, and cannot be stale, which a file with a pid in it can.
 * The critical sections are a few file writes, so a wait of ten seconds means that something is wrong.
 */
export function withFileLock<T>(path: string, task: () => Promise<T>): Promise<T> {
  return inProcess.run(path, async () => {
    const database = await acquire(path);
    try {
      return await task();
    } finally {
      database.close();
    }
  });
}

async function acquire(path: string): Promise<DatabaseSync> {
  const database = new DatabaseSync(path, { timeout: 0 });
  for (let waited = 0; ; waited += RETRY_MS) {
    try {
      database.exec('BEGIN EXCLUSIVE');
      return database;
    } catch (error) {
      const isBusy = /locked|busy/i.test(errorMessage(error));
      if (isBusy && waited < WAIT_MS) {
        await delay(RETRY_MS);
        continue;
      }
      database.close();
      if (!isBusy) throw error;
      throw new PlatformError('unavailable', `another process has held ${path} for ${WAIT_MS / 1000} s`, {
        cause: error,
      });
    }
  }
}
