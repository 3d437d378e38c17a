import type { Clock } from '../../base/clock.ts';

/**
 * Delays between tries of the same thing: the first try again is at once, the ones after it wait 10 s, 20 s, … 5 min
 * since the last end. Forgotten after 10 min without trouble (Kubernetes documentation, "Container restarts").
 */
export class RestartBackoff {
  readonly #clock: Clock;
  readonly #initialMs: number;
  readonly #maxMs: number;
  readonly #entries = new Map<string, { delay: number; updated: number }>();

  constructor(clock: Clock, options: { readonly initialMs?: number; readonly maxMs?: number } = {}) {
    this.#clock = clock;
    this.#initialMs = options.initialMs ?? 10_000;
    this.#maxMs = options.maxMs ?? 300_000;
  }

  /** The whole delay in force for `key`, 0 when there is none. Milliseconds. */
  delay(key: string): number {
    return this.#entries.get(key)?.delay ?? 0;
  }

  /** Milliseconds that are left to wait when the last try ended at `since`; 0: go. */
  remaining(key: string, since: number): number {
    const entry = this.#entries.get(key);
    const now = this.#clock.now();
    if (entry === undefined || now - since > 2 * this.#maxMs) return 0;
    // A clock that was set back must not make the wait longer than the delay.
    return Math.min(Math.max(0, since + entry.delay - now), entry.delay);
  }

  /** Notes a try; `since` is when the one before it ended. */
  next(key: string, since: number): void {
    const now = this.#clock.now();
    const entry = this.#entries.get(key);
    const stale =
      entry === undefined ||
      Math.max(entry.updated, since) + 2 * this.#maxMs < now ||
      this.#lasted(entry, since);
    const delay = stale ? this.#initialMs : Math.min(entry.delay * 2, this.#maxMs);
    this.#entries.set(key, { delay, updated: now });
  }

  forget(prefix: string): void {
    for (const key of this.#entries.keys()) if (key.startsWith(prefix)) this.#entries.delete(key);
  }

  /** It ran for long enough to be called healthy. */
  #lasted(entry: { readonly updated: number }, since: number): boolean {
    return since - entry.updated > 2 * this.#maxMs;
  }
}
