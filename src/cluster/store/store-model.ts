/** Random work on a store, checked against a model that is too simple to be wrong. Its tests, and etcd's, call it. */
import assert from 'node:assert/strict';
import { seededRandom } from '../../base/random.ts';
import type { Compare, KeyValue, Op, Store, WatchBatch } from './store.ts';

type State = ReadonlyMap<string, KeyValue>;

/** The whole state after each revision, from `base` on, where the store was empty. */
class Model {
  readonly base: number;
  readonly #states: State[] = [new Map()];
  compacted: number;

  constructor(base: number) {
    this.base = base;
    this.compacted = base;
  }

  get revision(): number {
    return this.base + this.#states.length - 1;
  }

  get now(): State {
    return this.#states.at(-1)!;
  }

  at(revision: number): State {
    return this.#states[revision - this.base]!;
  }

  /** The newest revision is this one: what was written in between was none of ours. */
  reach(revision: number): void {
    while (this.revision < revision) this.#states.push(this.now);
  }

  /** What a transaction would do now. */
  outcome(compares: readonly Compare[], ops: readonly Op[]): 'refused' | 'nothing' | 'change' {
    const { now } = this;
    if (compares.some(({ key, modRevision }) => (now.get(key)?.modRevision ?? 0) !== modRevision))
      return 'refused';
    return ops.every((op) => op.type === 'delete' && !now.has(op.key)) ? 'nothing' : 'change';
  }

  apply(ops: readonly Op[]): void {
    const { now } = this;
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
    this.#states.push(next);
  }

  /** `key@modRevision` of all that changed after `revision`, by revision. */
  changesAfter(revision: number): string[] {
    const changes: string[] = [];
    for (let at = revision + 1; at <= this.revision; at++) {
      const [before, after] = [this.at(at - 1), this.at(at)];
      const keys = [...new Set([...before.keys(), ...after.keys()])].filter(
        (key) => before.get(key) !== after.get(key),
      );
      if (keys.length === 0) continue;
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

export interface ModelRun {
  readonly seed: number;
  /** Closes the store and opens what it left. */
  readonly reopen: () => Promise<Store>;
  /** Revisions may be taken by writes that are none of ours. */
  readonly shared?: boolean;
}

export async function compareWithModel(
  opened: Store,
  { seed, reopen, shared = false }: ModelRun,
): Promise<void> {
  let store = opened;
  const random = seededRandom(seed);
  const pick = (n: number): number => Math.floor(random.next() * n);
  const key = (): string => `/k/${pick(12)}`;
  const model = new Model(await store.revision());
  const reach = (revision: number): void => {
    if (shared) model.reach(revision);
    assert.equal(model.revision, revision);
  };
  const watches: Watched[] = [];
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
        const now = model.now.get(name)?.modRevision ?? 0;
        return { key: name, modRevision: pick(5) === 0 ? now + 1 : now };
      });
      const before = model.now;
      const outcome = model.outcome(compares, ops);
      const succeeded = outcome !== 'refused';
      const result = await store.txn(compares, ops);
      assert.equal(result.succeeded, succeeded);
      reach(outcome === 'change' ? result.revision - 1 : result.revision);
      if (outcome === 'change') model.apply(ops);
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
      const wanted = [...model.at(revision === 0 ? model.revision : revision).values()]
        .filter((kv) => kv.key >= low && kv.key < high)
        .toSorted((a, b) => (a.key < b.key ? -1 : 1));
      const range = await store.range(low, high, { revision, limit });
      assert.equal(range.count, wanted.length);
      assert.deepEqual(range.kvs.map(show), wanted.slice(0, limit === 0 ? undefined : limit).map(show));
      assert.equal(range.more, range.kvs.length < wanted.length);
    } else if (what < 92) {
      const after = Math.max(model.base, 1, model.compacted + pick(model.revision - model.compacted + 1));
      if (after > model.revision) continue;
      const watch: Watched = { after, seen: [], lost: false };
      const onLost = (): void => {
        watch.lost = true;
      };
      const range = { start: '/', end: '0', afterRevision: after, onLost };
      await store.watch(range, (batch) => void watch.seen.push(batch));
      watches.push(watch);
    } else if (what < 97) {
      model.compacted += pick(model.revision - model.compacted + 1);
      await store.compact(model.compacted);
    } else {
      for (const watch of watches.splice(0)) await checkWatch(store, model, watch);
      store = await reopen();
      reach(await store.revision());
    }
  }
  for (const watch of watches) await checkWatch(store, model, watch);
}

interface Watched {
  readonly after: number;
  readonly seen: WatchBatch[];
  /** Compaction was faster: only where the store is another process. */
  lost: boolean;
}

async function checkWatch(store: Store, model: Model, watch: Watched): Promise<void> {
  const wanted = model.changesAfter(watch.after);
  const told = (): string[] => watch.seen.filter((batch) => batch.events.length > 0).map(showBatch);
  // Where the store is another process, its events come when they come.
  for (let asked = 0; told().length < wanted.length && !watch.lost && asked < 5000; asked++)
    await store.get('/until');
  assert.deepEqual(told(), watch.lost ? wanted.slice(0, told().length) : wanted);
}
