/** How long expressions may hold the thread that answers everybody. */
import { AsyncLocalStorage } from 'node:async_hooks';

import type { Clock } from '../../../base/clock.ts';
import { TooLong } from '../../../base/too-long.ts';
import { Slice } from '../../../base/yield-to-loop.ts';

/** What costs a unit may take a thousand times as long as another one: so it is time that counts, and not units. */
const TURN_MS = 2;

/** Characters that are compiled in about a millisecond. */
const TEXT_PER_MS = 1500;

/** Of one request: its expressions are evaluated in turns of the loop, of which none may take long. */
export class Allowance {
  readonly #clock: Clock;
  readonly #slice: Slice;
  readonly #ms: number;
  #end = Infinity;
  #text = 0;

  constructor(clock: Clock, ms: number) {
    this.#clock = clock;
    this.#ms = ms;
    this.#slice = new Slice(clock);
  }

  /** Before what is evaluated at once. */
  begin(): void {
    this.#end = this.#clock.monotonic() + this.#ms;
    this.#text = 0;
  }

  /** Before what need not be evaluated in the same turn as what was evaluated before it. */
  async next(): Promise<void> {
    if (this.#slice.over) await this.#slice.next();
    this.begin();
  }

  /** Before a text is compiled; throws TooLong. */
  checkText(text: string): void {
    this.#text += text.length;
    if (this.#text > this.#ms * TEXT_PER_MS) throw new TooLong('expressions are too long');
  }

  /** Throws TooLong. */
  check(): void {
    if (this.#clock.monotonic() >= this.#end) throw new TooLong('expressions take too long');
  }
}

const allowances = new AsyncLocalStorage<Allowance>();

/**
 * Does work for a request whose expressions may hold this thread for so many milliseconds at once: where they take longer,
 * the work throws TooLong. Everywhere else they take their time.
 */
export function withAllowance<T>(clock: Clock, work: () => T, ms: number = TURN_MS): T {
  return allowances.run(new Allowance(clock, ms), work);
}

/** Of the request that is being answered. */
export function allowance(): Allowance | undefined {
  return allowances.getStore();
}
