import type { Clock } from '../../base/clock.ts';
import type { Store } from '../store/store.ts';

/** A lease is handed out for this long, so that a busy minute of events costs one lease. */
const SHARED_SECONDS = 60;

/** Store leases shared by everything that expires at about the same time. */
export class SharedLeases {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #current = new Map<number, { readonly until: number; readonly id: Promise<number> }>();

  constructor(store: Store, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** A lease that runs out at least `seconds` from now, and at most a minute after that. */
  async get(seconds: number): Promise<number> {
    const now = this.#clock.monotonic();
    let lease = this.#current.get(seconds);
    if (lease === undefined || lease.until <= now) {
      lease = { until: now + SHARED_SECONDS * 1000, id: this.#store.grantLease(seconds + SHARED_SECONDS) };
      this.#current.set(seconds, lease);
    }
    try {
      return await lease.id;
    } catch (error) {
      if (this.#current.get(seconds) === lease) this.#current.delete(seconds);
      throw error;
    }
  }
}
