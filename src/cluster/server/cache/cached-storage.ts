/** A registry's storage in this process: reads from the watch cache, writes to the store. */
import type { Clock } from '../../../base/clock.ts';
import type { Compare, Op, Store } from '../../store/store.ts';
import { hasEmpties } from '../../api/empties.ts';
import { asDecoded } from '../encoding/encoding.ts';
import type { Outcome, Storage, Written } from '../writes/registry.ts';
import { SharedLeases } from '../shared-leases.ts';
import { ADDRESS_PREFIX, NODE_PORT_PREFIX } from '../strategies/service-claims.ts';
import type { CachedObject, WatchCache } from './watch-cache.ts';

export interface CachedStorageOptions {
  readonly store: Store;
  readonly cache: WatchCache;
  readonly clock: Clock;
  /** Others write to the same store: every read asks it how far it has come. */
  readonly sharedStore: boolean;
}

export class CachedStorage implements Storage {
  readonly #store: Store;
  readonly #cache: WatchCache;
  readonly #leases: SharedLeases;
  readonly #sharedStore: boolean;
  #lastWritten = 0;

  constructor({ store, cache, clock, sharedStore }: CachedStorageOptions) {
    this.#store = store;
    this.#cache = cache;
    this.#leases = new SharedLeases(store, clock);
    this.#sharedStore = sharedStore;
  }

  fresh(): Promise<void> | undefined {
    if (this.#sharedStore) return this.#store.revision().then((revision) => this.#cache.waitFor(revision));
    return this.#cache.waitFor(this.#lastWritten);
  }

  current(prefix: string, key: string): CachedObject | undefined {
    return this.#cache.resource(prefix).get(key);
  }

  async txn(compares: readonly Compare[], ops: readonly Op[]): Promise<Outcome> {
    const result = await this.#store.txn(compares, ops);
    if (result.succeeded) this.#lastWritten = Math.max(this.#lastWritten, result.revision);
    return result;
  }

  keep(prefix: string, { key, revision, object, isNew }: Written): void {
    const resource = this.#cache.resource(prefix);
    if (hasEmpties(object) || (isNew && !resource.isReadHere)) return;
    const current = resource.get(key);
    if (current?.revision === revision) current.keepAs(asDecoded(object, revision));
  }

  lease(seconds: number): Promise<number> {
    return this.#leases.get(seconds);
  }

  unclaimed(keys: readonly string[]): string | undefined {
    return keys.find((key) => {
      const prefix = key.startsWith(ADDRESS_PREFIX) ? ADDRESS_PREFIX : NODE_PORT_PREFIX;
      return this.current(prefix, key) === undefined;
    });
  }
}
