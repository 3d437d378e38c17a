import assert from 'node:assert/strict';
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, test } from 'node:test';
import { ManualClock } from '../../base/clock.ts';
import { isPlatformError, type PlatformError } from '../../base/errors.ts';
import { yieldToLoop } from '../../base/yield-to-loop.ts';
import { SqliteDatabase } from './sqlite-database.ts';
import { ValuePacker } from './sqlite-protocol.ts';
import { openSqliteStore } from './sqlite.ts';
import { storeSuite } from './store-suite.ts';
import type { Op, Store, WatchBatch } from './store.ts';

storeSuite('sqlite', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'sampan-store-'));
  const clock = new ManualClock();
  const open = (): Promise<Store> => openSqliteStore({ path: join(dir, 'store.db'), clock });
  let store = await open();
  return {
    store,
    clock,
    async reopen() {
      await store[Symbol.asyncDispose]();
      store = await open();
      return store;
    },
    async cleanUp() {
      await store[Symbol.asyncDispose]();
      await rm(dir, { recursive: true });
    },
  };
});

async function inFolder(body: (path: string) => Promise<void>): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'sampan-store-'));
  try {
    await body(join(dir, 'store.db'));
  } finally {
    await rm(dir, { recursive: true });
  }
}

async function failsToOpen(path: string): Promise<PlatformError> {
  const opened = openSqliteStore({ path, clock: new ManualClock() });
  return opened.then(
    async (store) => {
      await store[Symbol.asyncDispose]();
      throw new Error('opened');
    },
    (error: unknown) => {
      assert.ok(isPlatformError(error), String(error));
      assert.ok(error.message.includes(path), error.message);
      assert.ok(error.hint, 'says what to do');
      return error;
    },
  );
}

const value = Buffer.from('x');

test('history comes in pieces of a few large values, and of whole revisions', async () =>
  inFolder(async (path) => {
    const large = Buffer.alloc(400 * 1024, 'x');
    const put = (key: string): Op => ({ type: 'put', key, value: large });
    const keys = Array.from({ length: 6 }, (_, i) => `/${i}`);
    {
      await using store = await openSqliteStore({ path, clock: new ManualClock() });
      await store.txn([], [{ type: 'put', key: 'first', value }]);
      for (const key of keys) await store.txn([], [put(key)]);
      await store.txn([], keys.map(put));
      await store.txn([], [put('/last')]);
      const { kvs } = await store.range('/', '0');
      assert.ok(kvs.length === 7 && kvs.every((kv) => large.equals(kv.value)));
    }
    const database = new SqliteDatabase(path);
    const pieces: [events: number, through: number][] = [];
    for (let after = 1; after < database.revision; after = pieces.at(-1)![1]) {
      const piece = database.history('/', '0', after, new ValuePacker());
      assert.ok(piece.kind === 'history');
      pieces.push([piece.events.length, piece.through]);
    }
    database.close();
    assert.deepEqual(pieces, [
      [2, 3],
      [2, 5],
      [2, 7],
      [6, 8],
      [1, 9],
    ]);
  }));

describe('sqlite: faults', () => {
  test('a file that is no database is named, with what to do', () =>
    inFolder(async (path) => {
      await writeFile(path, Buffer.alloc(8192, 'garbage'));
      const error = await failsToOpen(path);
      assert.match(error.message, /damaged/);
      assert.match(error.hint ?? '', /backup/);
    }));

  test('a database of another program is left alone', () =>
    inFolder(async (path) => {
      const other = new DatabaseSync(path);
      other.exec('CREATE TABLE t (x)');
      other.close();
      assert.match((await failsToOpen(path)).message, /another program/);
    }));

  test('damage inside the file is found', () =>
    inFolder(async (path) => {
      const store = await openSqliteStore({ path, clock: new ManualClock() });
      const large = Buffer.alloc(2000, 'v');
      for (let i = 0; i < 100; i++) await store.txn([], [{ type: 'put', key: `/k/${i}`, value: large }]);
      await store[Symbol.asyncDispose]();
      await using file = await open(path, 'r+');
      const { size } = await file.stat();
      for (let at = 4096; at < size; at += 4096) await file.write(Buffer.alloc(512, 0xff), 0, 512, at);
      assert.match((await failsToOpen(path)).message, /damaged/);
    }));

  test('a file in use is refused', () =>
    inFolder(async (path) => {
      await using holder = await openSqliteStore({ path, clock: new ManualClock() });
      assert.equal((await failsToOpen(path)).code, 'conflict');
      assert.equal(await holder.revision(), 0);
    }));

  test('a folder that does not exist is named', () =>
    inFolder(async (path) => {
      assert.match((await failsToOpen(join(path, 'missing', 'store.db'))).message, /cannot open/);
    }));

  test('a commit that fails takes nothing with it, and the store goes on', () =>
    inFolder(async (path) => {
      const failpoints = 'store.commit=error:3';
      await using store = await openSqliteStore({ path, clock: new ManualClock(), failpoints });
      const seen: WatchBatch[] = [];
      await store.watch({ start: '/', end: '0', afterRevision: 0 }, (batch) => void seen.push(batch));
      await store.txn([], [{ type: 'put', key: '/a', value }]);
      await store.txn([], [{ type: 'put', key: '/b', value }]);
      await assert.rejects(store.txn([], [{ type: 'put', key: '/c', value }]));
      assert.equal(await store.get('/c'), undefined);
      assert.equal(await store.revision(), 2);
      assert.equal((await store.range('/', '0')).count, 2);
      assert.deepEqual(
        seen.map((batch) => batch.revision),
        [1, 2],
      );
    }));

  test('of writers that come one after another, each is told what became of its own write', () =>
    inFolder(async (path) => {
      await using store = await openSqliteStore({
        path,
        clock: new ManualClock(),
        failpoints: 'store.commit=error:5',
      });
      const seen: WatchBatch[] = [];
      await store.watch({ start: '/', end: '0', afterRevision: 0 }, (batch) => void seen.push(batch));
      const writes: Promise<number | undefined>[] = [];
      for (let n = 0; n < 400; n++) {
        const write = store.txn([], [{ type: 'put', key: `/k/${n}`, value }]);
        writes.push(write.then(({ revision }) => revision).catch(() => undefined));
        // The first and the last have a commit of their own; those of some turns of the loop are under way at once, in several batches.
        if (n < 3 || n > 397) await writes.at(-1);
        else if (n % 3 === 0) await yieldToLoop();
      }
      const revisions = await Promise.all(writes);
      const good = revisions.flatMap((revision, n) => (revision === undefined ? [] : [`/k/${n}`]));
      assert.ok(good.length >= 3 && good.length < 400);
      const { kvs } = await store.range('/', '0');
      assert.deepEqual(kvs.map(({ key }) => key).toSorted(), good.toSorted());
      // Each has the revision that it was told, without a gap.
      assert.deepEqual(
        seen.flatMap(({ revision, events }) => events.map(({ kv }) => [kv.key, revision])),
        good.map((key, i) => [key, i + 1]),
      );
      assert.deepEqual(
        revisions.filter((revision) => revision !== undefined),
        good.map((_, i) => i + 1),
      );
    }));
});

test('compaction comes to its end under writers that never pause', () =>
  inFolder(async (path) => {
    const write = (store: Store, n: number): Promise<unknown> =>
      store.txn([], [{ type: 'put', key: `/k/${n % 10}`, value }]);
    let compacted = 0;
    {
      await using store = await openSqliteStore({ path, clock: new ManualClock() });
      for (let n = 0; n < 8000; n++) void write(store, n);
      compacted = await store.revision().then(async () => {
        await write(store, 0);
        return await store.revision();
      });
      let batches = 0;
      const writer = async (id: number): Promise<void> => {
        while (batches < 400) {
          await write(store, id);
          if (id === 0) batches++;
        }
      };
      const writers = Array.from({ length: 16 }, (_, id) => writer(id));
      await store.compact(compacted);
      await Promise.all(writers);
    }
    using database = new DatabaseSync(path);
    const old = database
      .prepare('SELECT count(*) AS n FROM history WHERE id < ?')
      .get((compacted + 1) * 4096);
    assert.ok(
      Number(old?.['n']) <= 10,
      `${String(old?.['n'])} rows of ${compacted} are left, at most one a key`,
    );
  }));
