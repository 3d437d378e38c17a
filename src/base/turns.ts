import type { Clock } from './clock.ts';

/** Begun in one go: looking at the clock costs as much as beginning one. */
const AT_ONCE = 8;
/** What may be done in one turn of the event loop. */
const TURN_MS = 1;
/**
 * After a round for so many the next one waits as long as this one took, within bounds: most of them will have more to do
 * then, for little more, and others get their half of the time.
 */
const MANY = 50;
const MIN_PAUSE_MS = 10;
const MAX_PAUSE_MS = 20;

/**
 * Small work for many: begun in the order in which it came, a millisecond of it in a turn of the event loop. What is begun
 * may go on in promises and in ticks that they ask for: that counts as well.
 */
export class Turns {
  readonly #clock: Clock;
  #waiting: (() => void)[] = [];
  #next = 0;
  #end = 0;
  /** When the round began, and when the next one may: in milliseconds. */
  #began = 0;
  #notBefore = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(begin: () => void): void {
    if (this.#waiting.push(begin) > 1) return;
    const pause = this.#notBefore - this.#clock.monotonic();
    if (pause > 0) this.#clock.after(pause, this.#turn);
    else setImmediate(this.#turn);
  }

  readonly #turn = (): void => {
    const now = this.#clock.monotonic();
    if (this.#next === 0) this.#began = now;
    this.#end = now + TURN_MS;
    this.#some();
  };

  readonly #some = (): void => {
    const until = Math.min(this.#waiting.length, this.#next + AT_ONCE);
    while (this.#next < until) this.#waiting[this.#next++]!();
    // Ticks come when all promises have been followed; those that they ask for, like the ends of writes, before a second one.
    queueMicrotask(() => process.nextTick(() => process.nextTick(this.#after)));
  };

  readonly #after = (): void => {
    if (this.#next === this.#waiting.length) {
      const now = this.#clock.monotonic();
      const pause = Math.min(MAX_PAUSE_MS, Math.max(MIN_PAUSE_MS, now - this.#began));
      if (this.#next >= MANY) this.#notBefore = now + pause;
      this.#waiting = [];
      this.#next = 0;
    } else if (this.#clock.monotonic() < this.#end) this.#some();
    else setImmediate(this.#turn);
  };
}
