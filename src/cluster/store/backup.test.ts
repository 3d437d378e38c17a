import assert from 'node:assert/strict';
import { copyFile, mkdtemp, open, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, test } from 'node:test';
import { ManualClock } from '../../base/clock.ts';
import { armFailpoints } from '../../base/failpoint.ts';
import { isPlatformError, type ErrorCode } from '../../base/errors.ts';
import { backupKind } from './backup-file.ts';
import { restoreSqlite, REVISION_BUMP } from './backup-restore.ts';
import { openSqliteStore, type SqliteStore } from './sqlite.ts';

async function inFolder(
  body: (paths: { dir: string; path: string; file: string }) => Promise<void>,
): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'sampan-backup-'));
  try {
    await body({ dir, path: join(dir, 'state.db'), file: join(dir, 'backup') });
  } finally {
    armFailpoints('');
    await rm(dir, { recursive: true });
  }
}

const openStore = (path: string): Promise<SqliteStore> => openSqliteStore({ path, clock: new ManualClock() });
const put = async (store: SqliteStore, key: string, text: string): Promise<number> =>
  (await store.txn([], [{ type: 'put', key, value: Buffer.from(text) }])).revision;
const read = async (store: SqliteStore, key: string): Promise<string | undefined> => {
  const kv = await store.get(key);
  return kv && Buffer.from(kv.value).toString();
};
const fails = (code: ErrorCode, pattern: RegExp) => (error: unknown) => {
  assert.ok(isPlatformError(error, code), String(error));
  assert.match(error.message, pattern);
  assert.ok(error.hint !== undefined, 'says what to do');
  return true;
};

/** A store with one key that has been backed up as "old" and then written as "new". */
async function oldAndNew({ path, file }: { path: string; file: string }): Promise<void> {
  await using store = await openStore(path);
  await put(store, '/k', 'old');
  await store.backup(file);
  await put(store, '/k', 'new');
  await put(store, '/later', 'x');
}

describe('backup', () => {
  test('holds everything acknowledged before it was asked for, while writers go on', () =>
    inFolder(async ({ dir, path, file }) => {
      await using store = await openStore(path);
      for (let i = 0; i < 3000; i++) void put(store, `/before/${i}`, 'x'.repeat(500));
      await put(store, '/before/last', 'x');
      const before = await store.revision();
      const stop = new AbortController();
      let written = 0;
      const writers = Array.from({ length: 4 }, async (_, w) => {
        while (!stop.signal.aborted) {
          await put(store, `/during/${w}/${written++ % 500}`, 'y'.repeat(500));
        }
      });
      const { bytes } = await store.backup(file);
      const during = written;
      stop.abort();
      await Promise.all(writers);
      assert.ok(during > 0, 'writers were let in');
      assert.equal((await stat(file)).size, bytes);
      assert.equal((await stat(file)).mode & 0o777, 0o600);
      const other = join(dir, 'other.db');
      const { backupRevision, revision } = await restoreSqlite(file, other);
      assert.ok(backupRevision >= before, `${backupRevision} of ${before}`);
      assert.equal(revision, backupRevision + REVISION_BUMP);
      await using again = await openStore(other);
      assert.equal((await again.range('/before/', '/before0', { countOnly: true })).count, 3001);
      // The history up to the backup's revision is one piece: every row's earlier row is there or was compacted.
      assert.equal(await again.revision(), revision);
    }));

  test('replaces an earlier backup and nothing else', () =>
    inFolder(async ({ dir, path, file }) => {
      await using store = await openStore(path);
      await put(store, '/k', '1');
      await store.backup(file);
      await store.backup(file);
      const precious = join(dir, 'precious');
      await writeFile(precious, 'letters');
      await assert.rejects(store.backup(precious), fails('already-exists', /precious.*is no backup/));
      await assert.rejects(store.backup(path), fails('already-exists', /state\.db/));
      assert.equal(await readFile(precious, 'utf8'), 'letters');
      await assert.rejects(store.backup(join(dir, 'missing/backup')), /missing/);
      assert.deepEqual(
        (await readdir(dir)).filter((name) => name.includes('partial')),
        [],
      );
      assert.equal(await read(store, '/k'), '1');
    }));
});

describe('restore', () => {
  test('takes the store back, with a revision that nobody has seen', () =>
    inFolder(async (paths) => {
      await oldAndNew(paths);
      const { revision } = await restoreSqlite(paths.file, paths.path);
      assert.equal(revision, 3 + REVISION_BUMP, "counted from the lost store's, which was ahead");
      await using store = await openStore(paths.path);
      assert.equal(await read(store, '/k'), 'old');
      assert.equal(await read(store, '/later'), undefined);
      for (const seen of [1, 3]) {
        const watch = store.watch({ start: '/', end: '0', afterRevision: seen }, () => {});
        await assert.rejects(watch, (error) => isPlatformError(error, 'expired'));
        await assert.rejects(store.get('/k', seen), (error) => isPlatformError(error, 'expired'));
      }
      assert.equal(await put(store, '/k', 'next'), revision + 1);
      assert.deepEqual(
        (await readdir(paths.dir)).filter((name) => /restor/.test(name)),
        [],
      );
    }));

  test('a store that is damaged, or not there, is no hindrance', () =>
    inFolder(async (paths) => {
      await oldAndNew(paths);
      await writeFile(paths.path, Buffer.alloc(8192, 'garbage'));
      await restoreSqlite(paths.file, paths.path);
      await using store = await openStore(paths.path);
      assert.equal(await read(store, '/k'), 'old');
    }));

  for (const at of ['copied', 'checked', 'committed', 'placing']) {
    test(`interrupted when ${at}, it leaves the old store or the new one`, () =>
      inFolder(async (paths) => {
        await oldAndNew(paths);
        armFailpoints(`restore.${at}=error`);
        await assert.rejects(restoreSqlite(paths.file, paths.path));
        armFailpoints('');
        await using store = await openStore(paths.path);
        assert.equal(await read(store, '/k'), ['copied', 'checked'].includes(at) ? 'new' : 'old');
        await put(store, '/k', 'after');
        assert.equal(await read(store, '/k'), 'after');
      }));
  }

  test("the lost store's log is not taken for the new one's", () =>
    inFolder(async (paths) => {
      const killed = join(paths.dir, 'killed.db');
      {
        await using store = await openStore(paths.path);
        await put(store, '/k', 'old');
        await store.backup(paths.file);
        await put(store, '/k', 'new');
        // As a kill leaves it: the file with its log.
        await copyFile(paths.path, killed);
        await copyFile(`${paths.path}-wal`, `${killed}-wal`);
      }
      // As a restore leaves it that could not open the lost store and was killed after its one moment.
      const elsewhere = join(paths.dir, 'elsewhere.db');
      await restoreSqlite(paths.file, elsewhere);
      await copyFile(elsewhere, `${killed}.restored`);
      await using store = await openStore(killed);
      assert.equal(await read(store, '/k'), 'old');
      assert.ok((await store.revision()) > REVISION_BUMP);
    }));

  test('files that are no whole backup are refused, and the store stays', () =>
    inFolder(async (paths) => {
      const { dir, path, file } = paths;
      await oldAndNew(paths);
      const { size } = await stat(file);
      const broken = join(dir, 'broken');
      const refuses = async (code: ErrorCode, pattern: RegExp): Promise<void> => {
        await assert.rejects(restoreSqlite(broken, path), fails(code, pattern));
      };
      await copyFile(file, broken);
      await truncate(broken, size - 1);
      await refuses('invalid', /broken: is torn: its end is missing/);
      await truncate(broken, 4096);
      await refuses('invalid', /broken: is torn/);
      await copyFile(file, broken);
      {
        await using handle = await open(broken, 'r+');
        await handle.write(Buffer.of(0x55), 0, 1, Math.floor(size / 2));
      }
      await refuses('invalid', /broken: is torn: .*hash/);
      await writeFile(broken, 'not at all');
      await refuses('invalid', /broken: is no backup/);
      await rm(broken);
      using other = new DatabaseSync(broken);
      other.exec('CREATE TABLE t (a)');
      await refuses('invalid', /broken: is a database of another program/);
      const bolt = Buffer.alloc(8192);
      bolt.writeUInt32LE(0xed0cdaed, 16);
      await writeFile(broken, bolt);
      assert.equal(await backupKind(broken), 'etcd');
      await assert.rejects(backupKind(join(dir, 'nowhere')), (error) => isPlatformError(error, 'not-found'));
      await using store = await openStore(path);
      assert.equal(await read(store, '/k'), 'new');
    }));
});
