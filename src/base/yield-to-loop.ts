import type { Clock } from './clock.ts';

const waiting: (() => void)[] = [];

/**
 * Resolves after everything else that waits on the event loop has had a turn: between two slices of long work. Of those
 * who wait here one goes on in each turn, in the order in which they came: slices of several do not add up.
 */
export function yieldToLoop(): Promise<void> {
  return new Promise((resolve) => {
    if (waiting.push(resolve) === 1) setImmediate(resume);
  });
}

/** Calls back when all that has come by now has had its turn: what they have in common can be done at once. */
export function afterTurn(callback: () => void): void {
  setImmediate(callback);
}

function resume(): void {
  waiting.shift()?.();
  if (waiting.length > 0) setImmediate(resume);
}

/** Objects in JSON of more bytes are worked on in steps, and others have a turn between two of them. */
export const LARGE_BYTES = 32 * 1024;

/** Between two steps of work on an object of so many bytes; undefined where a step is short. */
export function pauseAfter(bytes: number): Promise<void> | undefined {
  return bytes > LARGE_BYTES ? yieldToLoop() : undefined;
}

/** What long work may take of one turn. A collection of garbage may come on top. */
const SLICE_MS = 1;

/** Long work on the main loop that stops every now and then: `if (slice.over) await slice.next();`. */
export class Slice {
  readonly #clock: Clock;
  #end: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#end = clock.monotonic() + SLICE_MS;
  }

  get over(): boolean {
    return this.#clock.monotonic() >= this.#end;
  }

  /** Between two steps: undefined while there is time left. */
  pause(): Promise<void> | undefined {
    return this.over ? this.next() : undefined;
  }

  async next(): Promise<void> {
    await yieldToLoop();
    this.#end = this.#clock.monotonic() + SLICE_MS;
  }
}
