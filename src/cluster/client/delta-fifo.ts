import type { Slice } from '../../base/yield-to-loop.ts';

export interface Delta<T> {
  readonly type: 'put' | 'delete';
  /** For a deletion the last state that is known. */
  readonly object: T;
}

/**
 * What has happened to each key since it was last taken out, keys in the order in which they first changed. Unlike a
 * plain queue it notices deletions that nobody told of: a key that was known but is missing from a new list.
 */
export class DeltaFifo<T> {
  readonly #keyOf: (object: T) => string;
  /** The consumer's view: what it has been handed so far. */
  readonly #known: { get(key: string): T | undefined; keys(): Iterable<string> };
  readonly #deltas = new Map<string, Delta<T>[]>();

  constructor(
    keyOf: (object: T) => string,
    known: { get(key: string): T | undefined; keys(): Iterable<string> },
  ) {
    this.#keyOf = keyOf;
    this.#known = known;
  }

  get size(): number {
    return this.#deltas.size;
  }

  put(object: T): void {
    this.#push(this.#keyOf(object), { type: 'put', object });
  }

  delete(object: T): void {
    this.#push(this.#keyOf(object), { type: 'delete', object });
  }

  /**
   * Takes a full list: puts all that is in it, deletes everything else that is known or waiting. Until it resolves nothing else
   * is told.
   */
  async replace(objects: readonly T[], slice: Slice): Promise<void> {
    const present = new Set<string>();
    for (const object of objects) {
      present.add(this.#keyOf(object));
      this.put(object);
      if (slice.over) await slice.next();
    }
    for (const [key, deltas] of this.#deltas) {
      const last = deltas.at(-1);
      if (!present.has(key) && last?.type === 'put') deltas.push({ type: 'delete', object: last.object });
    }
    for (const key of this.#known.keys()) {
      if (slice.over) await slice.next();
      const object = this.#known.get(key);
      if (!present.has(key) && !this.#deltas.has(key) && object !== undefined)
        this.#push(key, { type: 'delete', object });
    }
  }

  /** Takes out the first key with everything that happened to it, oldest first. */
  pop(): { readonly key: string; readonly deltas: readonly Delta<T>[] } | undefined {
    for (const [key, deltas] of this.#deltas) {
      this.#deltas.delete(key);
      return { key, deltas };
    }
    return undefined;
  }

  #push(key: string, delta: Delta<T>): void {
    const deltas = this.#deltas.get(key);
    if (deltas === undefined) {
      this.#deltas.set(key, [delta]);
      return;
    }
    const last = deltas.at(-1);
    // Two deletions in a row are one; the first has the state that was really last.
    if (delta.type === 'delete' && last?.type === 'delete') return;
    // Of states nobody has seen only the newest counts; a deletion between two means another object, and stays.
    if (delta.type === 'put' && last?.type === 'put') deltas.pop();
    deltas.push(delta);
  }
}
