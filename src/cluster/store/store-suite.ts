/** What every store must do, whatever it keeps its data in. An implementation's test calls this with its own `open`. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isPlatformError, type ErrorCode } from '../../base/errors.ts';
import { prefixEnd, type KeyValue, type Op, type Store, type WatchBatch } from './store.ts';

export interface OpenedStore {
  readonly store: Store;
  /** Moves the store's time on: real time where the store's clock is another machine's. */
  readonly clock: { advance(ms: number): Promise<void> };
  /** How long the suite's leases last (10 when absent). */
  readonly leaseSeconds?: number;
  /** Closes the store and opens what it left; absent when nothing outlives it. */
  readonly reopen?: () => Promise<Store>;
  /** Closes, and removes whatever was made for the test. */
  readonly cleanUp: () => Promise<void>;
}

const bytes = (text: string): Uint8Array => Buffer.from(text);
const put = (key: string, value: string, lease = 0): Op => ({ type: 'put', key, value: bytes(value), lease });
const gone = (key: string): Op => ({ type: 'delete', key });
const text = (kv: KeyValue | undefined): string | undefined => kv && Buffer.from(kv.value).toString();
const code = (wanted: ErrorCode) => (error: unknown) => isPlatformError(error, wanted);

/** Waits for what another thread is about to do, by asking the store, which answers in turn. */
async function until(store: Store, condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (let i = 0; i < 50_000; i++) {
    if (await condition()) return;
    await store.get('/until');
  }
  throw new Error(`waited too long for ${what}`);
}

/** Batches with events as lines; revisions counted from `base`. */
function lines(batches: readonly WatchBatch[], base: number): string[] {
  return batches
    .filter((batch) => batch.events.length > 0)
    .map((batch) => {
      const events = batch.events.map(
        ({ type, kv, previous }) =>
          `${type} ${kv.key}=${text(kv)}@${kv.modRevision - base} was ${text(previous)}`,
      );
      return `${batch.revision - base}: ${events.join('; ')}`;
    });
}

/** Registers the suite with node:test. `open` gives a new, empty store each time. */
export function storeSuite(name: string, open: () => Promise<OpenedStore>): void {
  /** `base` is the revision that the empty store is at: the suite counts from there. */
  type Body = (opened: OpenedStore & { readonly base: number }) => Promise<void>;
  const check = (what: string, body: Body): void => {
    test(what, async () => {
      const opened = await open();
      try {
        await body({ ...opened, base: await opened.store.revision() });
      } finally {
        await opened.cleanUp();
      }
    });
  };

  describe(`${name}: reads and transactions`, () => {
    check('an empty store is empty', async ({ store, base }) => {
      assert.equal(await store.revision(), base);
      assert.equal(await store.get('/a'), undefined);
      assert.deepEqual(await store.range('/', '0'), { kvs: [], count: 0, more: false, revision: base });
    });

    check('revisions and versions count as etcd counts them', async ({ store, base }) => {
      assert.equal((await store.txn([], [put('/a', '1'), put('/b', '1')])).revision, base + 1);
      assert.equal((await store.txn([], [put('/a', '2')])).revision, base + 2);
      const { value: _value, ...a } = (await store.get('/a'))!;
      assert.deepEqual(a, {
        key: '/a',
        createRevision: base + 1,
        modRevision: base + 2,
        version: 2,
        lease: 0,
      });
      await store.txn([], [gone('/a')]);
      await store.txn([], [put('/a', '3')]);
      const again = (await store.get('/a'))!;
      assert.deepEqual([again.createRevision, again.modRevision, again.version], [base + 4, base + 4, 1]);
    });

    check('a transaction that changes nothing takes no revision', async ({ store, base }) => {
      await store.txn([], [put('/a', '1')]);
      const empty = await store.txn([], []);
      assert.deepEqual([empty.succeeded, empty.revision], [true, base + 1]);
      const missing = await store.txn([], [gone('/nobody')]);
      assert.deepEqual(
        [missing.succeeded, missing.revision, missing.previous],
        [true, base + 1, [undefined]],
      );
      assert.equal(await store.revision(), base + 1);
    });

    check('comparisons guard the whole transaction', async ({ store, base }) => {
      await store.txn([], [put('/a', 'one')]);
      const lost = await store.txn(
        [
          { key: '/a', modRevision: 0 },
          { key: '/b', modRevision: 0 },
        ],
        [put('/b', 'x')],
      );
      assert.equal(lost.succeeded, false);
      assert.equal(lost.revision, base + 1);
      assert.deepEqual(lost.current.map(text), ['one', undefined]);
      assert.equal(await store.get('/b'), undefined);
      const won = await store.txn([{ key: '/a', modRevision: base + 1 }], [put('/a', 'two'), put('/b', 'x')]);
      assert.equal(won.succeeded, true);
      assert.deepEqual(won.previous.map(text), ['one', undefined]);
      assert.equal((await store.txn([{ key: '/a', modRevision: base + 1 }], [gone('/a')])).succeeded, false);
    });

    check('of racing writers with one expectation exactly one wins', async ({ store, base }) => {
      const all = await Promise.all(
        Array.from({ length: 20 }, (_, i) => store.txn([{ key: '/a', modRevision: 0 }], [put('/a', `${i}`)])),
      );
      assert.equal(all.filter((result) => result.succeeded).length, 1);
      assert.equal(await store.revision(), base + 1);
    });

    check('ranges are ordered by UTF-8 bytes, limited and counted', async ({ store }) => {
      const keys = ['/a', '/a/1', '/a/10', '/a/2', '/a/\u{ff21}', '/a/\u{1f600}', '/b'];
      await store.txn(
        [],
        keys.toReversed().map((key) => put(key, key)),
      );
      const range = await store.range('/a/', prefixEnd('/a/'));
      assert.deepEqual(
        range.kvs.map((kv) => kv.key),
        keys.slice(1, 6),
      );
      assert.deepEqual(range.kvs.map(text), keys.slice(1, 6));
      const limited = await store.range('/a/', prefixEnd('/a/'), { limit: 2 });
      assert.deepEqual([limited.kvs.length, limited.count, limited.more], [2, 5, true]);
      const counted = await store.range('/', '0', { countOnly: true });
      assert.deepEqual([counted.kvs.length, counted.count, counted.more], [0, 7, false]);
      assert.equal((await store.range('/b', '/a')).count, 0);
    });

    check('reads at a revision see that revision', async ({ store, base }) => {
      await store.txn([], [put('/a', '1')]);
      await store.txn([], [put('/a', '2'), put('/b', '2')]);
      await store.txn([], [gone('/a')]);
      await store.txn([], [put('/a', '4')]);
      const seen = [];
      for (const revision of [1, 2, 3, 4].map((n) => base + n)) {
        const { kvs, count } = await store.range('/', '0', { revision });
        seen.push([kvs.map(text).join(','), count, text(await store.get('/a', revision))]);
      }
      assert.deepEqual(seen, [
        ['1', 1, '1'],
        ['2,2', 2, '2'],
        ['2', 1, undefined],
        ['4,2', 2, '4'],
      ]);
      await assert.rejects(store.range('/', '0', { revision: base + 5 }), code('invalid'));
    });

    check('bad requests are refused and change nothing', async ({ store, base }) => {
      await assert.rejects(store.txn([], [put('', 'x')]), code('invalid'));
      await assert.rejects(store.txn([], [put('/a', 'x'), gone('/a')]), code('invalid'));
      await assert.rejects(store.txn([], [put('/\ud800', 'x')]), code('invalid'));
      await assert.rejects(store.txn([], [put('/a', 'x', 99)]), code('not-found'));
      await assert.rejects(store.grantLease(0), code('invalid'));
      await assert.rejects(store.compact(base + 1), code('invalid'));
      await assert.rejects(store.get('/a', -1), code('invalid'));
      assert.equal(await store.revision(), base);
    });

    check('values are bytes: empty, large and not text', async ({ store }) => {
      const large = Uint8Array.from({ length: 1_400_000 }, (_, i) => i % 251);
      await store.txn([], [put('/empty', ''), { type: 'put', key: '/large', value: large }]);
      assert.equal((await store.get('/empty'))?.value.length, 0);
      assert.deepEqual(Buffer.from((await store.get('/large'))!.value).equals(large), true);
    });

    check('compaction forgets what is older, and nothing else', async ({ store, base }) => {
      for (let i = 1; i <= 5; i++) await store.txn([], [put('/a', `${i}`)]);
      await store.txn([], [put('/dead', 'x')]);
      await store.txn([], [gone('/dead')]);
      await store.txn([], [put('/a', '8')]);
      await store.compact(base + 7);
      assert.equal(text(await store.get('/a', base + 7)), '5');
      assert.equal(text(await store.get('/a')), '8');
      assert.equal(await store.get('/dead', base + 7), undefined);
      await assert.rejects(store.get('/a', base + 6), code('expired'));
      await assert.rejects(store.range('/', '0', { revision: base + 1 }), code('expired'));
      await store.compact(base + 3);
      const { kvs } = await store.range('/', '0', { revision: base + 7 });
      assert.deepEqual(kvs.map(text), ['5']);
      const put9 = await store.txn([{ key: '/dead', modRevision: 0 }], [put('/dead', 'again')]);
      assert.deepEqual([put9.succeeded, put9.revision], [true, base + 9]);
    });

    check('a closed store says so', async ({ store }) => {
      await store[Symbol.asyncDispose]();
      await assert.rejects(store.get('/a'), code('cancelled'));
      await assert.rejects(store.txn([], [put('/a', '')]), code('cancelled'));
      await assert.rejects(store.revision(), code('cancelled'));
    });
  });

  describe(`${name}: watches`, () => {
    const record = (into: WatchBatch[]) => (batch: WatchBatch) => void into.push(batch);

    check('events come with their previous state, one batch a revision', async ({ store, base }) => {
      const seen: WatchBatch[] = [];
      await store.watch({ start: '/a/', end: '/a0', afterRevision: 0 }, record(seen));
      await store.txn([], [put('/a/1', 'x'), put('/b/1', 'y'), put('/a/2', 'z')]);
      await store.txn([], [put('/b/1', 'other')]);
      await until(store, () => seen.at(-1)?.revision === base + 2, 'the progress');
      await store.txn([], [put('/a/1', 'xx'), gone('/a/2')]);
      await until(store, () => seen.at(-1)?.revision === base + 3, 'the last event');
      assert.deepEqual(lines(seen, base), [
        '1: put /a/1=x@1 was undefined; put /a/2=z@1 was undefined',
        '3: put /a/1=xx@3 was x; delete /a/2=@3 was z',
      ]);
      assert.ok(
        seen.some((batch) => batch.revision === base + 2 && batch.events.length === 0),
        'progress is told',
      );
    });

    check('a watch resumes from any revision that is not compacted', async ({ store, base }) => {
      for (let i = 1; i <= 6; i++) await store.txn([], [put('/a', `${i}`)]);
      await store.compact(base + 3);
      const seen: WatchBatch[] = [];
      await store.watch({ start: '/a', end: '/b', afterRevision: base + 3 }, record(seen));
      await store.txn([], [gone('/a')]);
      await until(store, () => seen.at(-1)?.revision === base + 7, 'the last event');
      assert.deepEqual(lines(seen, base), [
        '4: put /a=4@4 was 3',
        '5: put /a=5@5 was 4',
        '6: put /a=6@6 was 5',
        '7: delete /a=@7 was 6',
      ]);
      await assert.rejects(
        store.watch({ start: '/a', end: '/b', afterRevision: base + 2 }, record([])),
        code('expired'),
      );
    });

    check(
      'a watch that starts amid heavy writes misses nothing and repeats nothing',
      async ({ store, base }) => {
        const total = 1500;
        let written = 0;
        const writers = Array.from({ length: 8 }, async (_, w) => {
          while (written < total) {
            written++;
            await store.txn([], [put(`/k/${w}`, `${written}`), put(`/other/${w}`, '')]);
          }
        });
        const watching = Array.from({ length: 12 }, async (_, i) => {
          await until(store, () => written > i * 100, 'writes');
          const seen: WatchBatch[] = [];
          const after = i % 3 === 0 ? Math.max(base + 1, await store.revision()) : base + i;
          const watch = await store.watch({ start: '/k/', end: '/k0', afterRevision: after }, record(seen));
          return { after, seen, watch };
        });
        await Promise.all(writers);
        const last = await store.revision();
        for (const { after, seen, watch } of await Promise.all(watching)) {
          await until(store, () => after === last || seen.at(-1)?.revision === last, 'the last revision');
          const revisions = seen.filter((batch) => batch.events.length > 0).map((batch) => batch.revision);
          const first = after + 1;
          assert.deepEqual(
            revisions,
            Array.from({ length: last - first + 1 }, (_, i) => first + i),
          );
          await watch[Symbol.asyncDispose]();
        }
      },
    );

    check('a callback that writes does not disturb the order for others', async ({ store, base }) => {
      const seen: WatchBatch[] = [];
      let writes: Promise<unknown>[] = [];
      const reacts = (batch: WatchBatch): void => {
        if (batch.events.some(({ kv }) => kv.key === '/a'))
          writes.push(store.txn([], [put('/b', 'reaction')]));
      };
      await store.watch({ start: '/', end: '0', afterRevision: 0 }, reacts);
      await store.watch({ start: '/', end: '0', afterRevision: 0 }, record(seen));
      await store.txn([], [put('/a', '1')]);
      await until(store, () => seen.at(-1)?.revision === base + 2, 'both');
      await Promise.all(writes);
      assert.deepEqual(
        seen.map((batch) => batch.revision),
        [base + 1, base + 2],
      );
    });

    check('after the end of a watch nothing more is delivered', async ({ store }) => {
      const stop = new AbortController();
      const seen: WatchBatch[] = [];
      const range = { start: '/', end: '0', afterRevision: 0 };
      await store.watch({ ...range, signal: stop.signal }, record(seen));
      const watch = await store.watch(range, record(seen));
      stop.abort();
      await watch[Symbol.asyncDispose]();
      await store.txn([], [put('/a', '1')]);
      await store.txn([], [put('/a', '2')]);
      assert.deepEqual(seen, []);
      await assert.rejects(store.watch({ ...range, signal: stop.signal }, record(seen)), code('cancelled'));
    });
  });

  describe(`${name}: leases`, () => {
    check(
      'a lease that runs out takes its keys with it, at one revision',
      async ({ store, clock, base, leaseSeconds = 10 }) => {
        const part = leaseSeconds * 600;
        const seen: WatchBatch[] = [];
        await store.watch({ start: '/', end: '0', afterRevision: 0 }, (batch) => void seen.push(batch));
        const lease = await store.grantLease(leaseSeconds);
        assert.ok(lease > 0);
        await store.txn([], [put('/a', 'x', lease), put('/b', 'x', lease), put('/c', 'x')]);
        await store.txn([], [put('/b', 'free')]);
        await clock.advance(part);
        await store.keepAlive(lease);
        await clock.advance(part);
        assert.equal((await store.get('/a'))?.lease, lease);
        await clock.advance(part);
        await until(store, async () => (await store.get('/a')) === undefined, 'the expiry');
        assert.equal(text(await store.get('/b')), 'free');
        await until(store, () => seen.at(-1)?.revision === base + 3, 'the event of the expiry');
        assert.deepEqual(
          seen.at(-1)?.events.map(({ type, kv }) => `${type} ${kv.key}`),
          ['delete /a'],
        );
        assert.equal(await store.revision(), base + 3);
        await assert.rejects(store.keepAlive(lease), code('not-found'));
        await assert.rejects(store.txn([], [put('/d', 'x', lease)]), code('not-found'));
      },
    );

    check('a revoked lease is gone at once', async ({ store, clock, leaseSeconds = 10 }) => {
      const lease = await store.grantLease(leaseSeconds);
      const other = await store.grantLease(leaseSeconds);
      assert.notEqual(lease, other);
      await store.txn([], [put('/a', 'x', lease), put('/b', 'x', other)]);
      await store.revokeLease(lease);
      assert.equal(await store.get('/a'), undefined);
      assert.equal(text(await store.get('/b')), 'x');
      await assert.rejects(store.revokeLease(lease), code('not-found'));
      await clock.advance(leaseSeconds * 1100);
      await until(store, async () => (await store.get('/b')) === undefined, 'the other expiry');
    });
  });

  describe(`${name}: what outlives the process`, () => {
    check(
      'everything acknowledged is there again',
      async ({ store, clock, reopen, base, leaseSeconds = 10 }) => {
        if (reopen === undefined) return;
        const lease = await store.grantLease(leaseSeconds);
        for (let i = 1; i <= 4; i++) await store.txn([], [put('/a', `${i}`), put('/leased', 'x', lease)]);
        await store.txn([], [put('/dead', 'x')]);
        await store.txn([], [gone('/dead')]);
        await store.compact(base + 6);
        const again = await reopen();
        assert.equal(await again.revision(), base + 6);
        assert.equal(text(await again.get('/a')), '4');
        await assert.rejects(again.get('/a', base + 5), code('expired'));
        await assert.rejects(
          again.watch({ start: '/', end: '0', afterRevision: base + 5 }, () => {}),
          code('expired'),
        );
        const seen: WatchBatch[] = [];
        const guarded = await again.txn([{ key: '/a', modRevision: base + 4 }], [put('/a', '7')]);
        assert.equal(guarded.revision, base + 7);
        await again.watch(
          { start: '/', end: '0', afterRevision: base + 6 },
          (batch) => void seen.push(batch),
        );
        await until(again, () => seen.at(-1)?.revision === base + 7, 'the event');
        assert.deepEqual(lines(seen, base), ['7: put /a=7@7 was 4']);
        assert.notEqual(await again.grantLease(leaseSeconds), lease);
        await clock.advance(leaseSeconds * 1000);
        await until(
          again,
          async () => (await again.get('/leased')) === undefined,
          'the lease of the earlier life',
        );
      },
    );

    check('a watch that began in an earlier life resumes from disk', async ({ store, reopen, base }) => {
      if (reopen === undefined) return;
      // In groups: a slow disk behind a server that others wait for too makes it refuse what waits too long.
      for (let group = 0; group < 25; group++) {
        const numbers = Array.from({ length: 100 }, (_, i) => group * 100 + i + 1);
        await Promise.all(numbers.map((i) => store.txn([], [put(`/k/${i % 7}`, `${i}`)])));
      }
      assert.equal(await store.revision(), base + 2500);
      const again = await reopen();
      const seen: WatchBatch[] = [];
      await again.watch(
        { start: '/k/', end: '/k0', afterRevision: base + 100 },
        (batch) => void seen.push(batch),
      );
      await again.txn([], [put('/k/0', 'last')]);
      await until(again, () => seen.at(-1)?.revision === base + 2501, 'the live event');
      assert.deepEqual(
        seen.map((batch) => batch.revision),
        Array.from({ length: 2401 }, (_, i) => base + 101 + i),
      );
      const { kv, previous } = seen[0]!.events[0]!;
      assert.equal(text(previous), text(await again.get(kv.key, base + 100)));
    });
  });
}
