/** Random work on each store, checked against a model that is too simple to be wrong. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { ManualClock } from '../../base/clock.ts';
import { seededRandom } from '../../base/random.ts';
import { openMemoryStore } from './memory.ts';
import { openSqliteStore } from './sqlite.ts';
import type { Compare, KeyValue, Op, Store, WatchBatch } from './store.ts';

type State = ReadonlyMap<string, KeyValue>;

/** The whole state after each revision. */
class Model {
  readonly states: State[] = [new Map()];
  compacted = 0;

  get revision(): number {
    return this.states.length - 1;
  }

  txn(compares: readonly Compare[], ops: readonly Op[]): boolean {
    const now = this.states.at(-1)!;
    if (compares.some(({ key, modRevision }) => (now.get(key)?.modRevision ?? 0) !== modRevision))
      return false;
    if (ops.every((op) => op.type === 'delete' && !now.has(op.key))) return true;
    const next = new Map(now);
    const revision = this.revision + 1;
    for (const op of ops) {
      const before = now.get(op.key);
      if (op.type === 'delete') next.delete(op.key);
      else {
        const createRevision = before?.createRevision ?? revision;
        const version = (before?.version ?? 0) + 1;
        next.set(op.key, {
          key: op.key,
          value: op.value,
          createRevision,
          modRevision: revision,
          version,
          lease: 0,
        });
      }
    }
    this.states.push(next);
    return true;
  }

  /** `key@modRevision` of all that changed after `revision`, by revision. */
  changesAfter(revision: number): string[] {
    const changes: string[] = [];
    for (let at = revision + 1; at < this.states.length; at++) {
      const [before, after] = [this.states[at - 1]!, this.states[at]!];
      const keys = [...new Set([...before.keys(), ...after.keys()])].filter(
        (key) => before.get(key) !== after.get(key),
      );
      changes.push(
        `${at}: ${keys
          .toSorted()
          .map((key) => `${key} ${show(before.get(key))}>${show(after.get(key))}`)
          .join()}`,
      );
    }
    return changes;
  }
}

const show = (kv: KeyValue | undefined): string =>
  kv === undefined || kv.version === 0
    ? '-'
    : `${Buffer.from(kv.value).toString()}v${kv.version}c${kv.createRevision}m${kv.modRevision}`;

const showBatch = ({ revision, events }: WatchBatch): string =>
  `${revision}: ${events
    .toSorted((a, b) => (a.kv.key < b.kv.key ? -1 : 1))
    .map(({ kv, previous }) => `${kv.key} ${show(previous)}>${show(kv)}`)
    .join()}`;

async function compare(seed: number, store: Store, reopen: () => Promise<Store>): Promise<void> {
  const random = seededRandom(seed);
  const pick = (n: number): number => Math.floor(random.next() * n);
  const key = (): string => `/k/${pick(12)}`;
  const model = new Model();
  const watches: { after: number; seen: WatchBatch[] }[] = [];
  for (let step = 0; step < 400; step++) {
    const what = pick(100);
    if (what < 60) {
      const ops = [...new Set(Array.from({ length: 1 + pick(3) }, key))].map((name): Op =>
        pick(4) === 0
          ? { type: 'delete', key: name }
          : { type: 'put', key: name, value: Buffer.from(`${step}`) },
      );
      const compares = Array.from({ length: pick(3) }, (): Compare => {
        const name = key();
        const now = model.states.at(-1)!.get(name)?.modRevision ?? 0;
        return { key: name, modRevision: pick(5) === 0 ? now + 1 : now };
      });
      const before = model.states.at(-1)!;
      const succeeded = model.txn(compares, ops);
      const result = await store.txn(compares, ops);
      assert.equal(result.succeeded, succeeded);
      assert.equal(result.revision, model.revision);
      const touched = succeeded ? ops : compares;
      const told = succeeded ? result.previous : result.current;
      assert.deepEqual(
        told.map(show),
        touched.map((item) => show(before.get(item.key))),
      );
    } else if (what < 85) {
      const revision = model.compacted + pick(model.revision - model.compacted + 1);
      const [low, high] = [key(), key()].toSorted() as [string, string];
      const limit = pick(4);
      const wanted = [...model.states[revision === 0 ? model.revision : revision]!.values()]
        .filter((kv) => kv.key >= low && kv.key < high)
        .toSorted((a, b) => (a.key < b.key ? -1 : 1));
      const range = await store.range(low, high, { revision, limit });
      assert.equal(range.count, wanted.length);
      assert.deepEqual(range.kvs.map(show), wanted.slice(0, limit === 0 ? undefined : limit).map(show));
      assert.equal(range.more, range.kvs.length < wanted.length);
    } else if (what < 92) {
      const after = Math.max(1, model.compacted + pick(model.revision - model.compacted + 1));
      if (after > model.revision) continue;
      const seen: WatchBatch[] = [];
      await store.watch({ start: '/', end: '0', afterRevision: after }, (batch) => void seen.push(batch));
      watches.push({ after, seen });
    } else if (what < 97) {
      model.compacted += pick(model.revision - model.compacted + 1);
      await store.compact(model.compacted);
    } else {
      for (const { after, seen } of watches.splice(0)) checkWatch(model, after, seen);
      store = await reopen();
      assert.equal(await store.revision(), model.revision);
    }
  }
  for (const { after, seen } of watches) checkWatch(model, after, seen);
}

function checkWatch(model: Model, after: number, seen: readonly WatchBatch[]): void {
  const batches = seen.filter((batch) => batch.events.length > 0);
  assert.deepEqual(batches.map(showBatch), model.changesAfter(after));
}

for (const seed of [1, 2, 3, 4, 5, 6]) {
  test(`the memory store does what the model does, seed ${seed}`, async () => {
    await using store = await openMemoryStore({ clock: new ManualClock() });
    await compare(seed, store, () => Promise.resolve(store));
  });

  test(`the SQLite store does what the model does, across restarts, seed ${seed}`, async () => {
    const dir = await mkdtemp(join(tmpdir(), 'sampan-model-'));
    const open = (): Promise<Store> =>
      openSqliteStore({ path: join(dir, 'store.db'), clock: new ManualClock() });
    let store = await open();
    try {
      await compare(seed, store, async () => {
        await store[Symbol.asyncDispose]();
        return (store = await open());
      });
    } finally {
      await store[Symbol.asyncDispose]();
      await rm(dir, { recursive: true });
    }
  });
}
