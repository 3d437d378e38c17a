export type IndexFunction<T> = (object: T) => readonly string[];

interface Index<T> {
  readonly valuesOf: IndexFunction<T>;
  readonly entries: Map<string, Set<string>>;
}

/** One for all: whoever deletes something is asked for its dependents of every kind there is. */
const NONE: readonly never[] = Object.freeze([]);

/** Objects by key, and by the values of any number of index functions. */
export class Indexer<T> {
  readonly #objects = new Map<string, T>();
  readonly #indexes: Index<T>[] = [];

  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  list(): readonly T[] {
    return [...this.#objects.values()];
  }

  keys(): Iterable<string> {
    return this.#objects.keys();
  }

  /** Starts an index over what is there and what comes. */
  addIndex(index: IndexFunction<T>): void {
    if (this.#index(index) !== undefined) return;
    const entries = new Map<string, Set<string>>();
    this.#indexes.push({ valuesOf: index, entries });
    for (const [key, object] of this.#objects) for (const value of index(object)) enter(entries, value, key);
  }

  byIndex(index: IndexFunction<T>, value: string): readonly T[] {
    const keys = this.#index(index)?.entries.get(value);
    return keys === undefined ? NONE : Array.from(keys, (key) => this.#objects.get(key)!);
  }

  #index(valuesOf: IndexFunction<T>): Index<T> | undefined {
    for (const index of this.#indexes) if (index.valuesOf === valuesOf) return index;
    return undefined;
  }

  /** Returns the object that was there before. */
  set(key: string, object: T): T | undefined {
    const previous = this.#objects.get(key);
    this.#objects.set(key, object);
    for (const { valuesOf, entries } of this.#indexes) {
      const values = valuesOf(object);
      if (previous !== undefined) {
        const before = valuesOf(previous);
        // Most changes are of something else.
        if (before.length === values.length && before.every((value, i) => value === values[i])) continue;
        for (const value of before) leave(entries, value, key);
      }
      for (const value of values) enter(entries, value, key);
    }
    return previous;
  }

  delete(key: string): T | undefined {
    const previous = this.#objects.get(key);
    if (previous === undefined) return undefined;
    this.#objects.delete(key);
    for (const { valuesOf, entries } of this.#indexes) {
      for (const value of valuesOf(previous)) leave(entries, value, key);
    }
    return previous;
  }
}

function enter(entries: Map<string, Set<string>>, value: string, key: string): void {
  const keys = entries.get(value);
  if (keys === undefined) entries.set(value, new Set([key]));
  else keys.add(key);
}

function leave(entries: Map<string, Set<string>>, value: string, key: string): void {
  const keys = entries.get(value);
  keys?.delete(key);
  if (keys?.size === 0) entries.delete(value);
}
