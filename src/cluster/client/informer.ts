import type { Clock } from '../../base/clock.ts';
import { PlatformError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { Random } from '../../base/random.ts';
import { Slice, yieldToLoop } from '../../base/yield-to-loop.ts';
import type {
  ApiObject,
  Client,
  IndexFunctions,
  Informer,
  InformerFactory,
  InformerHandler,
  ResourceType,
} from './contract.ts';
import { DeltaFifo } from './delta-fifo.ts';
import { Indexer } from './indexer.ts';
import { objectKey } from './object-key.ts';
import { reflect, type ReflectorSink } from './reflector.ts';
import { SharedParts } from './shared-parts.ts';

export interface InformerFactoryOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** Informers that share their lists, watches and caches. Disposing ends the watches and waits for them. */
export function createInformerFactory(options: InformerFactoryOptions): InformerFactory {
  // One entry for each type and selector; the key says which type it is, so the cast back to it is right.
  const caches = new Map<string, SharedCache<ApiObject>>();
  // Those that were dropped and may still be ending.
  const ending = new Set<Promise<void>>();
  const parts = new SharedParts();
  let started = false;
  const keyOf = (type: ResourceType, { labelSelector = '', fieldSelector = '' } = {}): string => {
    const shape = type.metadataOnly === true ? 'metadata' : '';
    return [type.group, type.version, type.resource, labelSelector, fieldSelector, shape].join('\n');
  };
  const factory: InformerFactory = {
    informer<T extends ApiObject>(type: ResourceType<T>, request: InformerRequest<T> = {}): Informer<T> {
      const { labelSelector = '', fieldSelector = '', indexes = {} } = request;
      const key = keyOf(type, request);
      let cache = caches.get(key) as SharedCache<T> | undefined;
      if (cache === undefined) {
        cache = new SharedCache({ ...options, type, labelSelector, fieldSelector, parts });
        caches.set(key, cache as unknown as SharedCache<ApiObject>);
        if (started) cache.start();
      }
      return cache.view(indexes);
    },
    metadata(type, { indexes = {} } = {}) {
      const whole = caches.get(keyOf(type));
      return whole?.view(indexes) ?? factory.informer({ ...type, metadataOnly: true }, { indexes });
    },
    drop(type) {
      const key = keyOf({ ...type, metadataOnly: true });
      const cache = caches.get(key);
      if (cache === undefined) return;
      caches.delete(key);
      const ended = cache.stop().finally(() => ending.delete(ended));
      ending.add(ended);
    },
    start() {
      started = true;
      for (const cache of caches.values()) cache.start();
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([...Array.from(caches.values(), (cache) => cache.stop()), ...ending]);
    },
  };
  return factory;
}

interface InformerRequest<T> {
  readonly fieldSelector?: string;
  readonly labelSelector?: string;
  readonly indexes?: IndexFunctions<T>;
}

interface CacheOptions<T extends ApiObject> extends InformerFactoryOptions {
  readonly type: ResourceType<T>;
  readonly labelSelector: string;
  readonly fieldSelector: string;
  readonly parts: SharedParts;
}

/** One of a handler's, which may have several: they end one by one. */
interface Subscription<T> {
  readonly handler: InformerHandler<T>;
}

/** Objects that handlers are told of in one go, when a list brings many. */
const SLICE = 64;

class SharedCache<T extends ApiObject> implements ReflectorSink<T> {
  readonly #options: CacheOptions<T>;
  readonly #indexer = new Indexer<T>();
  readonly #fifo = new DeltaFifo<T>(objectKey, this.#indexer);
  readonly #handlers = new Set<Subscription<T>>();
  readonly #synced = Promise.withResolvers<void>();
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;
  #draining = false;

  constructor(options: CacheOptions<T>) {
    this.#options = options;
  }

  start(): void {
    this.#running ??= reflect({ ...this.#options, sink: this }, this.#stop.signal);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  /** The cache with index names of its own: two users may give the same name to different functions. */
  view(indexes: IndexFunctions<T>): Informer<T> {
    for (const index of Object.values(indexes)) this.#indexer.addIndex(index);
    return {
      get: (key) => this.#indexer.get(key),
      list: () => this.#indexer.list(),
      byIndex: (name, value) => {
        const index = indexes[name];
        if (index === undefined) throw new PlatformError('invalid', `informer: there is no index "${name}"`);
        return this.#indexer.byIndex(index, value);
      },
      addHandler: (handler) => this.#addHandler(handler),
      synced: (signal) => this.#waitSynced(signal),
    };
  }

  prepare(object: T): T {
    return this.#options.parts.share(withoutOwners(object));
  }

  async replace(objects: readonly T[]): Promise<void> {
    await this.#fifo.replace(objects, new Slice(this.#options.clock));
    while (this.#drain(SLICE)) await yieldToLoop();
    this.#synced.resolve();
  }

  put(object: T): void {
    this.#fifo.put(this.prepare(object));
    this.#drain();
  }

  delete(object: T): void {
    this.#fifo.delete(object);
    this.#drain();
  }

  #addHandler(handler: InformerHandler<T>): Disposable {
    for (const object of this.#indexer.list()) this.#tell(handler, 'added', object);
    const own = { handler };
    this.#handlers.add(own);
    return { [Symbol.dispose]: () => void this.#handlers.delete(own) };
  }

  async #waitSynced(signal: AbortSignal | undefined): Promise<void> {
    const aborted = Promise.withResolvers<never>();
    const abort = (): void => {
      const what = `${this.#options.type.resource}: stopped before the first list`;
      aborted.reject(new PlatformError('cancelled', what, { cause: signal?.reason }));
    };
    if (signal?.aborted) abort();
    signal?.addEventListener('abort', abort, { once: true });
    try {
      await Promise.race([this.#synced.promise, aborted.promise]);
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  /** Hands over what waits, at most `limit` keys of it. Returns whether some are left. */
  #drain(limit = Infinity): boolean {
    if (this.#draining) return false;
    this.#draining = true;
    for (let handed = 0; handed < limit; handed++) {
      const item = this.#fifo.pop();
      if (item === undefined) break;
      for (const delta of item.deltas) {
        if (delta.type === 'delete') this.#remove(item.key, delta.object);
        else this.#store(item.key, delta.object);
      }
    }
    this.#draining = false;
    return this.#fifo.size > 0;
  }

  #store(key: string, object: T): void {
    const previous = this.#indexer.set(key, object);
    if (previous === undefined) return this.#notify('added', object);
    // The same name again, but another object: to the handlers the old one went first.
    if (previous.metadata?.uid !== object.metadata?.uid) {
      this.#notify('deleted', previous);
      return this.#notify('added', object);
    }
    // A new list repeats what is known.
    if (previous.metadata?.resourceVersion === object.metadata?.resourceVersion) return;
    this.#notify('updated', object, previous);
  }

  #remove(key: string, object: T): void {
    if (this.#indexer.delete(key) !== undefined) this.#notify('deleted', object);
  }

  #notify(change: keyof InformerHandler<T>, object: T, previous?: T): void {
    for (const { handler } of this.#handlers) this.#tell(handler, change, object, previous);
  }

  /** A handler that throws is a bug of its owner; the others still hear. */
  #tell(handler: InformerHandler<T>, change: keyof InformerHandler<T>, object: T, previous = object): void {
    try {
      if (change === 'updated') handler.updated?.(object, previous);
      else handler[change]?.(object);
    } catch (error) {
      this.#options.log.error('an informer handler threw', { resource: this.#options.type.resource, error });
    }
  }
}

/**
 * Who owns which field is as large as all the rest of an object, and nobody who reads a cache asks. An update without it
 * leaves it as it is (KEP-555). A copy: an object from which a property was deleted takes several times its place.
 */
function withoutOwners<T extends ApiObject>(object: T): T {
  if (object.metadata?.managedFields === undefined) return object;
  const { managedFields: _owners, ...metadata } = object.metadata;
  return { ...object, metadata };
}
