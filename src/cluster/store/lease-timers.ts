import type { Clock } from '../../base/clock.ts';

/** How long to wait before another try when a lease's keys could not be deleted (a full disk). */
const RETRY_MS = 1000;

/** The running time of leases. Only the grant is durable: a lease starts anew when the store is opened, as etcd's. */
export class LeaseTimers implements Disposable {
  readonly #clock: Clock;
  readonly #expire: (lease: number) => Promise<void>;
  readonly #running = new Map<number, { readonly ttlMs: number; timer: Disposable }>();
  #disposed = false;

  /** `expire` revokes the lease; when it rejects, it is called again a second later. */
  constructor(clock: Clock, expire: (lease: number) => Promise<void>) {
    this.#clock = clock;
    this.#expire = expire;
  }

  start(lease: number, ttlSeconds: number): void {
    const ttlMs = ttlSeconds * 1000;
    this.#running.set(lease, { ttlMs, timer: this.#clock.after(ttlMs, () => this.#runOut(lease)) });
  }

  /** Starts the lease's time anew; false when it is not running. */
  renew(lease: number): boolean {
    const running = this.#running.get(lease);
    if (running === undefined) return false;
    running.timer[Symbol.dispose]();
    running.timer = this.#clock.after(running.ttlMs, () => this.#runOut(lease));
    return true;
  }

  stop(lease: number): void {
    this.#running.get(lease)?.timer[Symbol.dispose]();
    this.#running.delete(lease);
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    for (const { timer } of this.#running.values()) timer[Symbol.dispose]();
    this.#running.clear();
  }

  #runOut(lease: number): void {
    const running = this.#running.get(lease);
    if (running === undefined) return;
    this.#running.delete(lease);
    this.#expire(lease).catch(() => {
      if (this.#disposed) return;
      // The keys are still there, so the lease is: an owner that renews it now keeps them.
      this.#running.set(lease, { ...running, timer: this.#clock.after(RETRY_MS, () => this.#runOut(lease)) });
    });
  }
}
