/**
 * Everything under `/registry/` in memory, kept current by one store watch, with a bounded window of past events per
 * resource. Gets, lists and watches are answered from here; the store is asked for pages of older revisions only.
 */
import type { Clock } from '../../base/clock.ts';
import { assert } from '../../base/errors.ts';
import { prefixEnd, type KeyValue, type Store, type WatchBatch } from '../store/store.ts';
import { decodeStored, encodeFrame, withVersion } from './encoding.ts';
import { tooLargeVersion, tooOldToWatch } from './failure.ts';
import type { KubeObject } from './object.ts';

const ROOT = '/registry/';
const PAGE = 1000;
/** Past events kept per resource: what a watcher may be behind before it must list again. */
const WINDOW = 1024;
/** How long a read waits for the cache to reach a revision before the client is told to retry. */
const FRESHNESS_TIMEOUT_MS = 3000;

/** One version of one object. Decoded and spliced forms are made once, on demand, and shared: never change them. */
export class CachedObject {
  readonly key: string;
  readonly stored: Uint8Array;
  readonly revision: number;
  #object: KubeObject | undefined;
  #bytes: Uint8Array | undefined;

  constructor(key: string, stored: Uint8Array, revision: number) {
    this.key = key;
    this.stored = stored;
    this.revision = revision;
  }

  get object(): KubeObject {
    return (this.#object ??= decodeStored(this.stored, this.revision));
  }

  /** JSON with resourceVersion. */
  get bytes(): Uint8Array {
    return (this.#bytes ??= withVersion(this.stored, this.revision));
  }

  /** A copy of one's own. */
  mutable(): KubeObject {
    return decodeStored(this.stored, this.revision);
  }
}

/** A change, shared by all watchers: each frame is encoded once per event type and form. */
export class CachedEvent {
  readonly revision: number;
  /** The new state; of a delete the last state, with the delete's revision. */
  readonly current: CachedObject;
  readonly previous: CachedObject | undefined;
  readonly deleted: boolean;
  readonly #frames = new Map<string, Uint8Array>();

  constructor(current: CachedObject, previous: CachedObject | undefined, deleted: boolean) {
    this.revision = current.revision;
    this.current = current;
    this.previous = previous;
    this.deleted = deleted;
  }

  /** `form` names the encoding, `encode` makes it when no watcher has needed it yet. */
  frame(type: string, form: string, encode: (object: CachedObject) => Uint8Array): Uint8Array {
    const id = `${type} ${form}`;
    let frame = this.#frames.get(id);
    if (frame === undefined) {
      // An object that leaves a selector is shown in its last matching state, at the revision at which it left.
      const left = type === 'DELETED' && !this.deleted && this.previous !== undefined;
      const shown = left
        ? new CachedObject(this.current.key, this.previous.stored, this.revision)
        : this.current;
      frame = encodeFrame(type, encode(shown));
      this.#frames.set(id, frame);
    }
    return frame;
  }
}

/** Objects and recent events below one key prefix. */
export class ResourceCache {
  readonly prefix: string;
  readonly #objects = new Map<string, CachedObject>();
  #keys: string[] | undefined;
  #events: CachedEvent[] = [];
  /** Events after this revision are all in the window. */
  #windowStart = 0;
  #lastChange = 0;
  /** Keys with events before everything was loaded. */
  readonly #touched = new Set<string>();
  #loadedLate = false;
  readonly #listeners = new Set<(event: CachedEvent) => void>();

  constructor(prefix: string) {
    this.prefix = prefix;
  }

  get(key: string): CachedObject | undefined {
    return this.#objects.get(key);
  }

  get size(): number {
    return this.#objects.size;
  }

  /** Revision of the newest change below the prefix. */
  get lastChange(): number {
    return this.#lastChange;
  }

  /** Objects whose key starts with `prefix`, in key order, from `from` on. */
  list(prefix: string, from = prefix): readonly CachedObject[] {
    const keys = (this.#keys ??= [...this.#objects.keys()].toSorted(compareKeys));
    const found: CachedObject[] = [];
    for (let i = lowerBound(keys, from); i < keys.length && keys[i]!.startsWith(prefix); i++) {
      found.push(this.#objects.get(keys[i]!)!);
    }
    return found;
  }

  load(kvs: readonly KeyValue[], revision: number): void {
    for (const kv of kvs) this.#objects.set(kv.key, new CachedObject(kv.key, kv.value, kv.modRevision));
    this.#keys = undefined;
    this.#windowStart = revision;
    this.#loadedLate = true;
    this.#lastChange = kvs.reduce((newest, kv) => Math.max(newest, kv.modRevision), this.#lastChange);
  }

  /** What was there when the prefix began to be watched; events since then have the last word. */
  loadLate(kvs: readonly KeyValue[], revision: number): void {
    for (const kv of kvs) {
      if (!this.#touched.has(kv.key))
        this.#objects.set(kv.key, new CachedObject(kv.key, kv.value, kv.modRevision));
    }
    this.#touched.clear();
    this.#loadedLate = true;
    this.#keys = undefined;
    this.#windowStart = Math.max(this.#windowStart, revision);
    this.#lastChange = kvs.reduce((newest, kv) => Math.max(newest, kv.modRevision), this.#lastChange);
  }

  apply(kv: KeyValue, deleted: boolean): void {
    if (!this.#loadedLate) this.#touched.add(kv.key);
    const previous = this.#objects.get(kv.key);
    this.#lastChange = kv.modRevision;
    if (deleted) {
      if (previous === undefined) return;
      this.#objects.delete(kv.key);
      this.#keys = undefined;
      this.#record(
        new CachedEvent(new CachedObject(kv.key, previous.stored, kv.modRevision), previous, true),
      );
      return;
    }
    const current = new CachedObject(kv.key, kv.value, kv.modRevision);
    this.#objects.set(kv.key, current);
    if (previous === undefined) this.#keys = undefined;
    this.#record(new CachedEvent(current, previous, false));
  }

  #record(event: CachedEvent): void {
    this.#events.push(event);
    if (this.#events.length >= 2 * WINDOW) {
      const dropped = this.#events.length - WINDOW;
      this.#windowStart = this.#events[dropped - 1]!.revision;
      this.#events = this.#events.slice(dropped);
    }
    for (const listener of this.#listeners) listener(event);
  }

  /** Events after `revision`; `expired` when some of them have left the window. */
  since(revision: number): readonly CachedEvent[] {
    if (revision < this.#windowStart) throw tooOldToWatch(revision, this.#windowStart);
    return this.#events.filter((event) => event.revision > revision);
  }

  subscribe(listener: (event: CachedEvent) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }
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
  #revision = 0;
  #waiters: Waiter[] = [];
  readonly #loading = new Map<string, Promise<void>>();
  #watch: AsyncDisposable | undefined;

  private constructor(options: WatchCacheOptions) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.#caches = new Map(options.prefixes.map((prefix) => [prefix, new ResourceCache(prefix)]));
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
    this.#watch = await this.#store.watch(
      { start: ROOT, end: prefixEnd(ROOT), afterRevision: revision },
      (batch) => this.#apply(batch),
    );
  }

  /** Caches another prefix from now on; resolves when it holds what is there. */
  async addPrefix(prefix: string): Promise<void> {
    if (this.#caches.has(prefix)) return await this.#loading.get(prefix);
    const cache = new ResourceCache(prefix);
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
    const found: KeyValue[] = [];
    const end = prefixEnd(cache.prefix);
    for (let start = cache.prefix; ;) {
      if (revision === 0) break;
      const page = await this.#store.range(start, end, { revision, limit: PAGE });
      found.push(...page.kvs);
      const last = page.kvs.at(-1);
      if (!page.more || last === undefined) break;
      start = `${last.key}\0`;
    }
    cache.loadLate(found, revision);
    await this.waitFor(revision);
  }

  #apply(batch: WatchBatch): void {
    // The revision moves first, so that a listener that asks for it sees the event's own.
    this.#revision = Math.max(this.#revision, batch.revision);
    for (const event of batch.events) {
      this.#cacheOf(event.kv.key)?.apply(event.kv, event.type === 'delete');
    }
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

  /** Everything up to this revision has been applied. */
  get revision(): number {
    return this.#revision;
  }

  resource(prefix: string): ResourceCache {
    const cache = this.#caches.get(prefix);
    assert(cache !== undefined, `${prefix} is cached`);
    return cache;
  }

  /** Resolves once everything up to `revision` has been applied; `unavailable` after three seconds. */
  async waitFor(revision: number): Promise<void> {
    if (revision <= this.#revision) return;
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
    await this.#watch?.[Symbol.asyncDispose]();
  }
}

function compareKeys(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function lowerBound(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (keys[middle]! < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
