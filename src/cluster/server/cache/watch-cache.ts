/**
 * Everything under `/registry/` in memory, kept current by one store watch, with a bounded window of past events per
 * resource. Gets, lists and watches are answered from here; the store is asked for pages of older revisions only.
 */
import { sleep, type Clock } from '../../../base/clock.ts';
import { assert } from '../../../base/errors.ts';
import { Slice } from '../../../base/yield-to-loop.ts';
import { prefixEnd, type KeyValue, type Store, type WatchBatch, type WatchEvent } from '../../store/store.ts';
import { ByteSlabs } from './byte-slabs.ts';
import { CachedEvent } from './cached-event.ts';
import { CachedObject } from './cached-object.ts';
import { tooLargeVersion } from '../failure.ts';
import { OrderedObjects } from './ordered-objects.ts';
import { ValueIndex, type ValueOf } from './value-index.ts';

export { CachedObject } from './cached-object.ts';

const ROOT = '/registry/';
const PAGE = 1000;
/** Between two tries to load everything anew. */
const RELOAD_PAUSE_MS = 1000;
/** Past events of a resource that are kept for watchers that come back: what is older or more comes from the store. */
const WINDOW_MS = 5 * 60_000;
const WINDOW_BYTES = 8 * 1024 * 1024;
/** Events of a transaction that are applied in one go. */
const AT_ONCE = 64;
/** Below this a list is filtered faster than an index is kept. */
const MIN_INDEXED = 256;
const MAX_INDEXES = 8;
/** How long a read waits for the cache to reach a revision before the client is told to retry. */
const FRESHNESS_TIMEOUT_MS = 3000;

export interface Past extends Iterable<CachedEvent> {
  readonly length: number;
}

/** Objects and recent events below one key prefix. */
export class ResourceCache {
  readonly prefix: string;
  readonly #clock: Clock;
  readonly #objects = new OrderedObjects<CachedObject>();
  readonly #slabs: ByteSlabs;
  readonly #indexes = new Map<string, ValueIndex>();
  #events: { readonly event: CachedEvent; readonly at: number }[] = [];
  /** Events at the front of #events that have left the window but are not yet cut off. */
  #head = 0;
  #weight = 0;
  /** Events after this revision are all in the window. */
  #windowStart = 0;
  #lastChange = 0;
  /** Keys with events before everything was loaded. */
  readonly #touched = new Set<string>();
  #loadedLate = false;
  readonly #listeners = new Set<(event: CachedEvent) => void>();
  #readers = 0;

  constructor(prefix: string, clock: Clock, slabs: ByteSlabs) {
    this.prefix = prefix;
    this.#clock = clock;
    this.#slabs = slabs;
  }

  get(key: string): CachedObject | undefined {
    return this.#objects.get(key);
  }

  get size(): number {
    return this.#objects.size;
  }

  get watchers(): number {
    return this.#listeners.size;
  }

  /** Somebody in this process watches it. */
  get isReadHere(): boolean {
    return this.#readers > 0;
  }

  /** Revision of the newest change below the prefix. */
  get lastChange(): number {
    return this.#lastChange;
  }

  /** Objects whose key starts with `prefix`, in key order, from `from` on. */
  list(prefix: string, from = prefix): readonly CachedObject[] {
    return this.#objects.range(from, prefixEnd(prefix));
  }

  /**
   * The objects with one of these values of what `id` names, in no order; undefined while no index can tell. The first
   * question starts an index, so that later ones are answered.
   */
  indexed(id: string, valueOf: ValueOf, values: readonly string[]): readonly CachedObject[] | undefined {
    if (this.#objects.size < MIN_INDEXED) return undefined;
    let index = this.#indexes.get(id);
    if (index === undefined) {
      index = new ValueIndex(valueOf);
      // Objects do not throw when they are decoded: the store only holds what was encoded here.
      const isCurrent = (object: CachedObject): boolean => this.#objects.get(object.key) === object;
      void index.fill([...this.#objects.values()], { clock: this.#clock, isCurrent });
    } else this.#indexes.delete(id);
    this.#indexes.set(id, index);
    if (this.#indexes.size > MAX_INDEXES) {
      for (const [unused] of this.#indexes) {
        this.#indexes.delete(unused);
        break;
      }
    }
    return index.complete ? values.flatMap((value) => [...index.of(value)]) : undefined;
  }

  load(kvs: readonly KeyValue[], revision: number): void {
    for (const kv of kvs) this.#put(new CachedObject(kv.key, kv.value, kv.modRevision));
    this.#windowStart = revision;
    this.#loadedLate = true;
    this.#lastChange = kvs.reduce((newest, kv) => Math.max(newest, kv.modRevision), this.#lastChange);
  }

  /** What was there when the prefix began to be watched; events since then have the last word. */
  loadLate(kvs: readonly KeyValue[], revision: number): void {
    for (const kv of kvs) {
      if (!this.#touched.has(kv.key)) this.#put(new CachedObject(kv.key, kv.value, kv.modRevision));
    }
    this.#touched.clear();
    this.#loadedLate = true;
    this.#windowStart = Math.max(this.#windowStart, revision);
    this.#lastChange = kvs.reduce((newest, kv) => Math.max(newest, kv.modRevision), this.#lastChange);
  }

  /**
   * What there is at `revision`, when what happened since the last event cannot be had any more: who watches is told the
   * difference, who resumes from before has to list.
   */
  replace(kvs: readonly KeyValue[], revision: number): void {
    this.#events = [];
    this.#head = 0;
    this.#weight = 0;
    this.#windowStart = revision;
    const there = new Set(kvs.map(({ key }) => key));
    const changed = kvs.filter((kv) => this.#objects.get(kv.key)?.revision !== kv.modRevision);
    for (const kv of changed.toSorted((a, b) => a.modRevision - b.modRevision)) this.apply(kv, false);
    for (const { key } of [...this.#objects.values()].filter((object) => !there.has(object.key)))
      this.apply(deletionOf(key, revision), true);
    this.#touched.clear();
    this.#loadedLate = true;
  }

  #put(object: CachedObject): CachedObject | undefined {
    const previous = this.#objects.set(object);
    this.#slabs.put(object);
    if (previous !== undefined) this.#slabs.release(previous);
    for (const index of this.#indexes.values()) {
      if (previous !== undefined) index.remove(previous);
      index.add(object);
    }
    return previous;
  }

  apply(kv: KeyValue, deleted: boolean): void {
    if (!this.#loadedLate) this.#touched.add(kv.key);
    this.#lastChange = kv.modRevision;
    if (deleted) {
      const previous = this.#objects.delete(kv.key);
      if (previous === undefined) return;
      for (const index of this.#indexes.values()) index.remove(previous);
      this.#slabs.release(previous);
      this.#record(
        new CachedEvent(new CachedObject(kv.key, previous.stored, kv.modRevision), previous, true),
      );
      previous.letGo();
      return;
    }
    const current = new CachedObject(kv.key, kv.value, kv.modRevision);
    const previous = this.#put(current);
    this.#record(new CachedEvent(current, previous, false));
    previous?.letGo();
  }

  #record(event: CachedEvent): void {
    const now = this.#clock.monotonic();
    this.#events.push({ event, at: now });
    this.#weight += event.weight;
    for (const listener of this.#listeners) listener(event);
    event.forgetFrames();
    for (let first = this.#events[this.#head]; first !== undefined; first = this.#events[this.#head]) {
      if (this.#weight <= WINDOW_BYTES && first.at >= now - WINDOW_MS) break;
      this.#weight -= first.event.weight;
      this.#windowStart = first.event.revision;
      this.#head++;
    }
    if (this.#head < 1024) return;
    this.#events = this.#events.slice(this.#head);
    this.#head = 0;
  }

  /** Events after `revision`, of which there may be very many; undefined when some of them have left the window. */
  since(revision: number): Past | undefined {
    if (revision < this.#windowStart) return undefined;
    let low = this.#head;
    let high = this.#events.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#events[middle]!.event.revision <= revision) low = middle + 1;
      else high = middle;
    }
    // Nothing of it changes: it is only appended to, and cut off by making another.
    const events = this.#events;
    const end = events.length;
    return {
      length: end - low,
      *[Symbol.iterator]() {
        for (let at = low; at < end; at++) yield events[at]!.event;
      },
    };
  }

  subscribe(listener: (event: CachedEvent) => void, { isLocal = false } = {}): Disposable {
    const reads = isLocal ? 1 : 0;
    this.#listeners.add(listener);
    this.#readers += reads;
    return {
      [Symbol.dispose]: () => {
        if (this.#listeners.delete(listener)) this.#readers -= reads;
      },
    };
  }
}

function deletionOf(key: string, revision: number): KeyValue {
  return {
    key,
    value: new Uint8Array(0),
    createRevision: 0,
    modRevision: revision,
    version: 0,
    lease: 0,
  };
}

interface Waiter {
  readonly revision: number;
  readonly wake: () => void;
}

export interface WatchCacheOptions {
  readonly store: Store;
  readonly clock: Clock;
  /** Key prefixes that are cached, each ending in `/`. */
  readonly prefixes: readonly string[];
}

export class WatchCache implements AsyncDisposable {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #caches: Map<string, ResourceCache>;
  readonly #slabs = new ByteSlabs();
  #revision = 0;
  /** Of the first some events have been applied, of the others none. */
  #behind: WatchBatch[] = [];
  #catchingUp: Promise<void> | undefined;
  #forgotten = 0;
  #waiters: Waiter[] = [];
  readonly #loading = new Map<string, Promise<void>>();
  #watch: AsyncDisposable | undefined;
  readonly #stop = new AbortController();

  private constructor(options: WatchCacheOptions) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.#caches = new Map(
      options.prefixes.map((prefix) => [prefix, new ResourceCache(prefix, options.clock, this.#slabs)]),
    );
  }

  static async open(options: WatchCacheOptions): Promise<WatchCache> {
    const cache = new WatchCache(options);
    await cache.#load();
    return cache;
  }

  async #load(): Promise<void> {
    const revision = await this.#store.revision();
    for (const cache of this.#caches.values()) {
      cache.load([], revision);
      if (revision === 0) continue;
      const end = prefixEnd(cache.prefix);
      for (let start = cache.prefix; ;) {
        const page = await this.#store.range(start, end, { revision, limit: PAGE });
        cache.load(page.kvs, revision);
        const last = page.kvs.at(-1);
        if (!page.more || last === undefined) break;
        start = `${last.key}\0`;
      }
    }
    this.#revision = revision;
    // Watching "after 0" would mean "from now on": with an empty store that is the same thing only until somebody
    // else writes, and nobody does before we are up.
    await this.#follow(revision);
  }

  async #follow(afterRevision: number): Promise<void> {
    const onLost = (): void => void this.#reload();
    this.#watch = await this.#store.watch(
      { start: ROOT, end: prefixEnd(ROOT), afterRevision, onLost },
      (batch) => this.#apply(batch),
    );
  }

  /** After a break that was longer than the store's memory; tried until the store answers. */
  async #reload(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      try {
        await this.#catchingUp;
        const revision = await this.#store.revision();
        const held = [...this.#caches.values()];
        const found = await Promise.all(held.map((cache) => this.#listAt(cache.prefix, revision)));
        held.forEach((cache, i) => cache.replace(found[i]!, revision));
        this.#revision = revision;
        this.#wake();
        await this.#follow(revision);
        return;
      } catch {
        await sleep(this.#clock, RELOAD_PAUSE_MS, this.#stop.signal).catch(() => {});
      }
    }
  }

  async #listAt(prefix: string, revision: number): Promise<KeyValue[]> {
    const found: KeyValue[] = [];
    const end = prefixEnd(prefix);
    if (revision === 0) return found;
    for (let start = prefix; ;) {
      const page = await this.#store.range(start, end, { revision, limit: PAGE });
      found.push(...page.kvs);
      const last = page.kvs.at(-1);
      if (!page.more || last === undefined) break;
      start = `${last.key}\0`;
    }
    return found;
  }

  /** Caches another prefix from now on; resolves when it holds what is there. */
  async addPrefix(prefix: string): Promise<void> {
    if (this.#caches.has(prefix)) return await this.#loading.get(prefix);
    const cache = new ResourceCache(prefix, this.#clock, this.#slabs);
    this.#caches.set(prefix, cache);
    // What comes in meanwhile is newer than what is loaded, or it is in what is loaded: both end in the same state.
    const loading = this.#loadLate(cache);
    this.#loading.set(prefix, loading);
    try {
      await loading;
    } catch (error) {
      this.#caches.delete(prefix);
      throw error;
    } finally {
      this.#loading.delete(prefix);
    }
  }

  async #loadLate(cache: ResourceCache): Promise<void> {
    const revision = await this.#store.revision();
    cache.loadLate(await this.#listAt(cache.prefix, revision), revision);
    await this.waitFor(revision);
  }

  #apply(batch: WatchBatch): void {
    if (this.isCut) {
      this.#behind.push(batch);
    } else if (batch.events.length > AT_ONCE) {
      this.#behind.push(batch);
      this.#catchingUp = this.#catchUp();
    } else {
      // The revision moves first, so that a listener that asks for it sees the event's own.
      this.#revision = Math.max(this.#revision, batch.revision);
      for (const event of batch.events) this.#change(event);
      this.#wake();
    }
  }

  /** What is behind, in slices. Whoever waits is woken in the end: what comes after a long transaction may be another. */
  async #catchUp(): Promise<void> {
    const slice = new Slice(this.#clock);
    for (const { revision, events } of this.#behind) {
      for (const event of events) {
        if (slice.over) await slice.next();
        this.#change(event);
      }
      this.#revision = Math.max(this.#revision, revision);
    }
    this.#behind = [];
    this.#wake();
  }

  #change({ type, kv }: WatchEvent): void {
    this.#cacheOf(kv.key)?.apply(kv, type === 'delete');
  }

  #wake(): void {
    if (this.#waiters.length === 0) return;
    const due = this.#waiters.filter((waiter) => waiter.revision <= this.#revision);
    this.#waiters = this.#waiters.filter((waiter) => waiter.revision > this.#revision);
    for (const waiter of due) waiter.wake();
  }

  #cacheOf(key: string): ResourceCache | undefined {
    const first = key.indexOf('/', ROOT.length);
    return (
      this.#caches.get(key.slice(0, first + 1)) ??
      this.#caches.get(key.slice(0, key.indexOf('/', first + 1) + 1))
    );
  }

  /** Numbers for /metrics: what is cached and who watches it. */
  *counts(): Generator<{ readonly prefix: string; readonly objects: number; readonly watchers: number }> {
    for (const { prefix, size, watchers } of this.#caches.values()) yield { prefix, objects: size, watchers };
  }

  /** Everything up to this revision has been applied. */
  get revision(): number {
    return this.#revision;
  }

  /** Of the next revision some events have been applied, and others have not. */
  get isCut(): boolean {
    return this.#behind.length > 0;
  }

  /** What was asked for as of an earlier revision than this has expired, even where nothing has changed since. */
  get forgotten(): number {
    return this.#forgotten;
  }

  forget(revision: number): void {
    this.#forgotten = Math.max(this.#forgotten, revision);
  }

  resource(prefix: string): ResourceCache {
    const cache = this.#caches.get(prefix);
    assert(cache !== undefined, `${prefix} is cached`);
    return cache;
  }

  /**
   * Resolves once everything up to `revision` has been applied, and no transaction in part; `unavailable` after three
   * seconds. Undefined: so it is.
   */
  waitFor(revision: number): Promise<void> | undefined {
    return revision <= this.#revision && !this.isCut ? undefined : this.#waitFor(revision);
  }

  async #waitFor(revision: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter: Waiter = { revision, wake: resolve };
    using stack = new DisposableStack();
    const giveUp = (): void => {
      this.#waiters = this.#waiters.filter((other) => other !== waiter);
      reject(tooLargeVersion(revision, this.#revision));
    };
    stack.use(this.#clock.after(FRESHNESS_TIMEOUT_MS, giveUp));
    this.#waiters.push(waiter);
    await promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#watch?.[Symbol.asyncDispose]();
  }
}
