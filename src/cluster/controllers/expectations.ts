import type { Clock } from '../../base/clock.ts';

/** After this long an unseen write is taken for lost and the owner is reconciled from what the cache shows. */
const GIVE_UP_MS = 5 * 60_000;

interface Expected {
  creations: number;
  readonly deletions: Set<string>;
  readonly since: number;
}

/**
 * Which of an owner's writes its cache has not shown yet. An owner is not reconciled while some are missing: a
 * cache that does not show the pods created a moment ago would make it create them again.
 *
 * Creations are counted before they are asked for, because the watch may be faster than the answer.
 */
export class Expectations {
  readonly #clock: Clock;
  readonly #owners = new Map<string, Expected>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** True when the cache shows all that was written for `owner`. */
  satisfied(owner: string): boolean {
    const expected = this.#owners.get(owner);
    if (expected === undefined) return true;
    const done = expected.creations <= 0 && expected.deletions.size === 0;
    if (done || this.#clock.monotonic() - expected.since >= GIVE_UP_MS) {
      this.#owners.delete(owner);
      return true;
    }
    return false;
  }

  /** Call only while `owner` is satisfied, before writing. */
  expect(
    owner: string,
    writes: { readonly creations?: number; readonly deletions?: readonly string[] },
  ): void {
    this.#owners.set(owner, {
      creations: writes.creations ?? 0,
      deletions: new Set(writes.deletions),
      since: this.#clock.monotonic(),
    });
  }

  /** A creation showed up, or failed, or will not be tried. */
  creationSeen(owner: string, count = 1): void {
    const expected = this.#owners.get(owner);
    if (expected !== undefined) expected.creations -= count;
  }

  /** The object with this key is gone or terminating, or could not be deleted. */
  deletionSeen(owner: string, key: string): void {
    this.#owners.get(owner)?.deletions.delete(key);
  }

  forget(owner: string): void {
    this.#owners.delete(owner);
  }
}
