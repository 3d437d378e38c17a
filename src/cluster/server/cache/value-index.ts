/** Which objects have which value of a label or field; made by walking what is there, in slices, while changes come in. */
import type { Clock } from '../../../base/clock.ts';
import { Slice } from '../../../base/yield-to-loop.ts';
import type { CachedObject } from './cached-object.ts';
import type { KubeObject } from '../object.ts';

export type ValueOf = (object: KubeObject) => string | undefined;

export class ValueIndex {
  readonly #valueOf: ValueOf;
  readonly #byValue = new Map<string, Set<CachedObject>>();
  readonly #values = new Map<string, string>();
  #complete = false;

  constructor(valueOf: ValueOf) {
    this.#valueOf = valueOf;
  }

  /** Until then `of` may miss some. */
  get complete(): boolean {
    return this.#complete;
  }

  of(value: string): ReadonlySet<CachedObject> {
    return this.#byValue.get(value) ?? new Set();
  }

  /** `isCurrent` tells whether an object of the walk is still the one that is cached. */
  async fill(
    objects: readonly CachedObject[],
    { clock, isCurrent }: { readonly clock: Clock; readonly isCurrent: (object: CachedObject) => boolean },
  ): Promise<void> {
    const slice = new Slice(clock);
    for (const object of objects) {
      if (slice.over) await slice.next();
      if (isCurrent(object)) this.add(object);
    }
    this.#complete = true;
  }

  add(object: CachedObject): void {
    const value = this.#valueOf(object.peek());
    if (value === undefined) return;
    this.#values.set(object.key, value);
    const there = this.#byValue.get(value);
    if (there === undefined) this.#byValue.set(value, new Set([object]));
    else there.add(object);
  }

  remove(object: CachedObject): void {
    const value = this.#values.get(object.key);
    if (value === undefined) return;
    this.#values.delete(object.key);
    const there = this.#byValue.get(value);
    there?.delete(object);
    if (there?.size === 0) this.#byValue.delete(value);
  }
}
