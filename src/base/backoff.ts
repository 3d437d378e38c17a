/** Doubling delays with a ceiling, forgotten per key after success. */
export class Backoff {
  readonly #initialMs: number;
  readonly #maxMs: number;
  readonly #failures = new Map<string, number>();

  constructor(initialMs: number, maxMs: number) {
    this.#initialMs = initialMs;
    this.#maxMs = maxMs;
  }

  /** The delay before the next try of `key`, in milliseconds; each call doubles the one after. */
  next(key: string): number {
    const failures = this.#failures.get(key) ?? 0;
    this.#failures.set(key, failures + 1);
    return Math.min(this.#initialMs * 2 ** Math.min(failures, 30), this.#maxMs);
  }

  failures(key: string): number {
    return this.#failures.get(key) ?? 0;
  }

  forget(key: string): void {
    this.#failures.delete(key);
  }
}
