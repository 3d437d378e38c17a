import { PlatformError } from './errors.ts';

/** Time as it is injected everywhere in `cluster/`: the simulator turns it, tests step it. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Milliseconds of a clock that never goes back. */
  monotonic(): number;
  /** Calls back once after `ms`; disposing cancels. */
  after(ms: number, callback: () => void): Disposable;
}

/** The real clock. Its timers keep the process alive only while something else does. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  // A timer of Node is disposable itself.
  after: (ms, callback) => setTimeout(callback, ms),
};

/** Resolves after `ms`, rejects with `cancelled` when the signal aborts first. */
export function sleep(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(cancelled(signal));
    const onAbort = (): void => {
      timer[Symbol.dispose]();
      reject(cancelled(signal));
    };
    const timer = clock.after(ms, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

function cancelled(signal: AbortSignal | undefined): PlatformError {
  return new PlatformError('cancelled', 'cancelled', { cause: signal?.reason });
}

/** For libraries that want a Date; the time is the caller's clock's. */
export function dateOf(ms: number): Date {
  return new Date(ms);
}

/** The last second that somebody has asked for: a server writes the same one again and again. */
let [lastSecond, lastText] = [NaN, ''];

/** An RFC 3339 time with seconds, as Kubernetes' metav1.Time: `2026-01-02T03:04:05Z`. */
export function rfc3339(ms: number): string {
  const second = Math.floor(ms / 1000);
  if (second !== lastSecond) {
    lastText = `${new Date(ms).toISOString().slice(0, 19)}Z`;
    lastSecond = second;
  }
  return lastText;
}

/** An RFC 3339 time with microseconds, as Kubernetes' metav1.MicroTime. */
export function rfc3339Micro(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 23)}000Z`;
}

/** A clock for tests: time stands still until `advance`. */
export class ManualClock implements Clock {
  #now: number;
  #timers: { due: number; callback: () => void }[] = [];

  constructor(start = Date.UTC(2026, 0, 1)) {
    this.#now = start;
  }

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#now;
  }

  after(ms: number, callback: () => void): Disposable {
    const timer = { due: this.#now + ms, callback };
    this.#timers.push(timer);
    return {
      [Symbol.dispose]: () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
      },
    };
  }

  /** Moves time on by `ms`, firing due timers in order; lets promises settle between them. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      const next = this.#timers.filter((timer) => timer.due <= end).toSorted((a, b) => a.due - b.due)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.#now = Math.max(this.#now, next.due);
      next.callback();
      await settle();
    }
    this.#now = end;
    await settle();
  }
}

/** Lets what is queued run, a few rounds of microtasks, and what waits for the next turn of the loop. */
async function settle(): Promise<void> {
  await microtasks();
  await new Promise(setImmediate);
  await microtasks();
}

async function microtasks(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}
