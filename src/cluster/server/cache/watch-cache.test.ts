import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ManualClock, type Clock } from '../../../base/clock.ts';
import { openMemoryStore } from '../../store/memory.ts';
import type { Op, Store } from '../../store/store.ts';
import { TestServer } from '../testing/test-server.ts';
import { WatchCache } from './watch-cache.ts';

const PREFIX = '/registry/configmaps/';
const MANY = 200;

/** Every look at it is a moment later: whatever works in slices stops as often as it can. */
function hastyClock(): Clock {
  const clock = new ManualClock();
  let looks = 0;
  return {
    now: () => clock.now(),
    monotonic: () => (looks += 0.4),
    after: (ms, call) => clock.after(ms, call),
  };
}

const map = (name: string): Buffer =>
  Buffer.from(
    JSON.stringify({ kind: 'ConfigMap', apiVersion: 'v1', metadata: { name, namespace: 'default' } }),
  );

const put = (name: string): Op => ({ type: 'put', key: `${PREFIX}default/${name}`, value: map(name) });

const many = (from = 0): Op[] => Array.from({ length: MANY }, (_, i) => put(`m-${from + i}`));

async function opened(): Promise<{ store: Store; cache: WatchCache } & AsyncDisposable> {
  const clock = hastyClock();
  const store = await openMemoryStore({ clock });
  const cache = await WatchCache.open({ store, clock, prefixes: [PREFIX] });
  return { store, cache, [Symbol.asyncDispose]: () => cache[Symbol.asyncDispose]() };
}

test('a long transaction is applied in slices, and what comes after it when its time has come', async () => {
  await using parts = await opened();
  const { store, cache } = parts;
  const held = cache.resource(PREFIX);
  const seen: number[] = [];
  held.subscribe(({ revision }) => seen.push(revision));
  await store.txn([], many());
  assert.ok(cache.isCut);
  assert.equal(cache.revision, 0);
  assert.ok(held.size > 0 && held.size < MANY);
  await store.txn([], [put('after')]);
  await store.txn([], many(MANY));
  assert.equal(held.get(`${PREFIX}default/after`), undefined);

  // Of the first revision, and of one that has been there long since.
  const both = Promise.all([cache.waitFor(1), cache.waitFor(0)]);
  await both;
  assert.deepEqual([cache.isCut, cache.revision, held.size], [false, 3, 2 * MANY + 1]);
  assert.deepEqual(seen, [...Array(MANY).fill(1), 2, ...Array(MANY).fill(3)]);
  assert.equal(cache.waitFor(3), undefined);
  assert.equal(held.since(1)?.length, MANY + 1);
});

test('nobody lists a part of a transaction, and a watch begun meanwhile has all of it once', async () => {
  const clock = hastyClock();
  const store = await openMemoryStore({ clock });
  for (const name of ['a', 'b']) await store.txn([], [put(name)]);
  await using api = await TestServer.open({ clock, store });
  const maps = '/api/v1/namespaces/default/configmaps';
  const { resourceVersion: before } = (await api.call('GET', maps)).body.metadata;
  await store.txn([], many());
  const lists = ['', '?resourceVersion=0', `?resourceVersion=${before}`, '?limit=500'];
  // What comes after the first version is not in memory.
  const watches = [
    ['?watch=1', ['a', 'b']],
    ['?watch=1&resourceVersion=0', ['a', 'b']],
    [`?watch=1&resourceVersion=${before}`, []],
    ['?watch=1&resourceVersion=1', ['b']],
  ] as const;
  const listed = lists.map((query) => api.call('GET', maps + query));
  const watched = watches.map(([query]) => api.watch(maps + query));
  for (const list of await Promise.all(listed)) {
    assert.equal(list.body.items?.length, MANY + 2);
    assert.equal(list.body.metadata.resourceVersion, String(Number(before) + 1));
  }
  await store.txn([], [put('z')]);
  const changed = [...many(), put('z')].map(({ key }) => key.slice(`${PREFIX}default/`.length));
  for (const [i, watch] of (await Promise.all(watched)).entries()) {
    const names = [...watches[i]![1], ...changed];
    const expected = names.map((name) => `ADDED ${name}`).toSorted();
    assert.deepEqual((await watch.summary(names.length)).toSorted(), expected);
    watch.stop();
  }
});
