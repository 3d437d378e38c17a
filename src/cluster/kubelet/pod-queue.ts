import { sleep, type Clock } from '../../base/clock.ts';
import { errorMessage } from '../../base/errors.ts';
import { Backoff } from '../../base/backoff.ts';
import type { Logger } from '../../base/log.ts';

/** What a look at a key asks for next: at once, after milliseconds, or nothing. */
export type Next = 'now' | number | undefined;

const LAST_MOMENT_MS = 2000;

interface Slot {
  running: boolean;
  dirty: boolean;
  timer: Disposable | undefined;
}

/** One worker a key: never two at once, a wake-up during work means another round, different keys side by side. */
export class PodQueue implements AsyncDisposable {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #work: (key: string) => Promise<Next>;
  readonly #slots = new Map<string, Slot>();
  readonly #backoff = new Backoff(200, 30_000);
  readonly #rounds = new Set<Promise<void>>();
  #closed = false;

  constructor(options: { clock: Clock; log: Logger; work: (key: string) => Promise<Next> }) {
    this.#clock = options.clock;
    this.#log = options.log;
    this.#work = options.work;
  }

  wake(key: string): void {
    if (this.#closed) return;
    const slot = this.#slots.get(key) ?? { running: false, dirty: false, timer: undefined };
    this.#slots.set(key, slot);
    slot.dirty = true;
    if (slot.running) return;
    slot.running = true;
    const round = this.#loop(key, slot).finally(() => this.#rounds.delete(round));
    this.#rounds.add(round);
  }

  async #loop(key: string, slot: Slot): Promise<void> {
    let next: Next;
    while (slot.dirty && !this.#closed) {
      slot.dirty = false;
      slot.timer?.[Symbol.dispose]();
      slot.timer = undefined;
      next = await this.#once(key);
      if (next === 'now') slot.dirty = true;
    }
    slot.running = false;
    if (this.#closed) return;
    if (typeof next === 'number') slot.timer = this.#clock.after(next, () => this.wake(key));
    else this.#slots.delete(key);
  }

  async #once(key: string): Promise<Next> {
    try {
      const next = await this.#work(key);
      this.#backoff.forget(key);
      return next;
    } catch (error) {
      const retryMs = this.#backoff.next(key);
      this.#log.warn('pod sync failed', { key, retryMs, error: errorMessage(error) });
      return retryMs;
    }
  }

  /** Begins nothing more, and gives what is under way a moment to end: whatever is cut off is taken up again later. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    for (const slot of this.#slots.values()) slot.timer?.[Symbol.dispose]();
    if (this.#rounds.size === 0) return;
    const enough = new AbortController();
    const ended = Promise.all(this.#rounds).finally(() => enough.abort());
    await Promise.race([ended, sleep(this.#clock, LAST_MOMENT_MS, enough.signal).catch(() => {})]);
  }
}
