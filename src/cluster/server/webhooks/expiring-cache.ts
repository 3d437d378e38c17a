/** Answers that hold for a while. What was used last is kept longest. */
import type { Clock } from '../../../base/clock.ts';

export class ExpiringCache<T> {
  readonly #clock: Clock;
  readonly #maxEntries: number;
  readonly #entries = new Map<string, { readonly value: T; readonly ends: number }>();

  constructor(clock: Clock, maxEntries: number) {
    this.#clock = clock;
    this.#maxEntries = maxEntries;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: string): T | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    if (entry.ends <= this.#clock.monotonic()) return undefined;
    this.#entries.set(key, entry);
    return entry.value;
  }

  /** For no time at all it is not kept. */
  put(key: string, value: T, ms: number): void {
    this.#entries.delete(key);
    if (ms <= 0) return;
    this.#entries.set(key, { value, ends: this.#clock.monotonic() + ms });
    if (this.#entries.size <= this.#maxEntries) return;
    const [oldest] = this.#entries.keys();
    if (oldest !== undefined) this.#entries.delete(oldest);
  }
}
