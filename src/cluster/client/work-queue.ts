import { Backoff } from '../../base/backoff.ts';
import type { Clock } from '../../base/clock.ts';
import type { WorkQueue } from './contract.ts';

export interface WorkQueueOptions {
  readonly clock: Clock;
  /** Delay after the first failure of a key, in milliseconds; it doubles with each one. */
  readonly initialDelayMs?: number;
  readonly maxDelayMs?: number;
  /** Over all keys: that many rate-limited additions a second, after `burst` of them at once. */
  readonly ratePerSecond?: number;
  readonly burst?: number;
}

/** client-go's defaults: 5 ms doubling to 1000 s for one key, 10 a second after 100 for all. */
export function createWorkQueue(options: WorkQueueOptions): WorkQueue {
  return new KeyQueue(options);
}

class KeyQueue implements WorkQueue {
  readonly #clock: Clock;
  readonly #backoff: Backoff;
  readonly #bucket: TokenBucket;
  /** Keys that wait for a worker, in order of arrival. */
  readonly #ready = new Set<string>();
  readonly #handling = new Set<string>();
  /** Keys that were added while they are handled. */
  readonly #again = new Set<string>();
  readonly #delayed = new Map<string, { readonly due: number; readonly timer: Disposable }>();
  readonly #idle: (() => void)[] = [];

  constructor({
    clock,
    initialDelayMs = 5,
    maxDelayMs = 1_000_000,
    ratePerSecond = 10,
    burst = 100,
  }: WorkQueueOptions) {
    this.#clock = clock;
    this.#backoff = new Backoff(initialDelayMs, maxDelayMs);
    this.#bucket = new TokenBucket(clock, ratePerSecond, burst);
  }

  add(key: string): void {
    if (this.#handling.has(key)) this.#again.add(key);
    else if (!this.#ready.has(key)) {
      this.#ready.add(key);
      this.#idle.shift()?.();
    }
  }

  addAfter(key: string, ms: number): void {
    if (ms <= 0) return this.add(key);
    const due = this.#clock.monotonic() + ms;
    const waiting = this.#delayed.get(key);
    if (waiting !== undefined && waiting.due <= due) return;
    waiting?.timer[Symbol.dispose]();
    const timer = this.#clock.after(ms, () => {
      this.#delayed.delete(key);
      this.add(key);
    });
    this.#delayed.set(key, { due, timer });
  }

  addRateLimited(key: string): void {
    this.addAfter(key, Math.max(this.#backoff.next(key), this.#bucket.take()));
  }

  forget(key: string): void {
    this.#backoff.forget(key);
  }

  async run(workers: number, handle: (key: string) => Promise<void>, signal: AbortSignal): Promise<void> {
    const stop = (): void => {
      for (const { timer } of this.#delayed.values()) timer[Symbol.dispose]();
      this.#delayed.clear();
      for (const wake of this.#idle.splice(0)) wake();
    };
    if (signal.aborted) return stop();
    signal.addEventListener('abort', stop, { once: true });
    await Promise.all(Array.from({ length: workers }, () => this.#work(handle, signal)));
  }

  async #work(handle: (key: string) => Promise<void>, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const [key] = this.#ready;
      if (key === undefined) {
        await new Promise<void>((resolve) => this.#idle.push(resolve));
        continue;
      }
      this.#ready.delete(key);
      this.#handling.add(key);
      try {
        await handle(key);
      } catch {
        if (!signal.aborted) this.addRateLimited(key);
      }
      this.#handling.delete(key);
      if (this.#again.delete(key)) this.add(key);
    }
  }
}

/** Says how long to wait for the next token; tokens are taken ahead of time. */
class TokenBucket {
  readonly #clock: Clock;
  readonly #perMs: number;
  readonly #burst: number;
  #tokens: number;
  #at: number;

  constructor(clock: Clock, ratePerSecond: number, burst: number) {
    this.#clock = clock;
    this.#perMs = ratePerSecond / 1000;
    this.#burst = burst;
    this.#tokens = burst;
    this.#at = clock.monotonic();
  }

  /** Milliseconds until the token that is taken now may be used. */
  take(): number {
    const now = this.#clock.monotonic();
    this.#tokens = Math.min(this.#burst, this.#tokens + (now - this.#at) * this.#perMs) - 1;
    this.#at = now;
    return this.#tokens >= 0 ? 0 : -this.#tokens / this.#perMs;
  }
}
