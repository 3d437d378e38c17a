/** Objects in key order, in chunks so that an insertion moves little and a range is copied in a few strokes. */
const CHUNK = 512;

interface Keyed {
  readonly key: string;
}

interface Place {
  readonly chunk: number;
  readonly at: number;
}

export class OrderedObjects<T extends Keyed> {
  readonly #byKey = new Map<string, T>();
  /** No chunk is empty. Keys are ASCII: names are DNS labels, so JavaScript's order is the store's. */
  readonly #chunks: T[][] = [];

  get size(): number {
    return this.#byKey.size;
  }

  get(key: string): T | undefined {
    return this.#byKey.get(key);
  }

  values(): Iterable<T> {
    return this.#byKey.values();
  }

  /** Returns what was there under the same key. */
  set(item: T): T | undefined {
    const previous = this.#byKey.get(item.key);
    this.#byKey.set(item.key, item);
    if (this.#chunks.length === 0) {
      this.#chunks.push([item]);
      return undefined;
    }
    const last = this.#chunks.at(-1)!;
    // Loading comes in order.
    if (previous === undefined && last.at(-1)!.key < item.key) {
      if (last.length < CHUNK) last.push(item);
      else this.#chunks.push([item]);
      return undefined;
    }
    const { chunk, at } = this.#find(item.key);
    const items = this.#chunks[Math.min(chunk, this.#chunks.length - 1)]!;
    if (previous !== undefined) {
      items[at] = item;
      return previous;
    }
    items.splice(at, 0, item);
    if (items.length > 2 * CHUNK) this.#chunks.splice(chunk + 1, 0, items.splice(CHUNK));
    return undefined;
  }

  delete(key: string): T | undefined {
    const previous = this.#byKey.get(key);
    if (previous === undefined) return undefined;
    this.#byKey.delete(key);
    const { chunk, at } = this.#find(key);
    const items = this.#chunks[chunk]!;
    items.splice(at, 1);
    if (items.length === 0) this.#chunks.splice(chunk, 1);
    return previous;
  }

  /** Objects with start <= key < end. */
  range(start: string, end: string): T[] {
    if (this.#chunks.length === 0) return [];
    const from = this.#find(start);
    const to = this.#find(end);
    if (from.chunk === to.chunk) return this.#chunks[from.chunk]!.slice(from.at, to.at);
    const parts = [this.#chunks[from.chunk]!.slice(from.at)];
    for (let i = from.chunk + 1; i < to.chunk; i++) parts.push(this.#chunks[i]!);
    parts.push(this.#chunks[to.chunk]!.slice(0, to.at));
    return parts.flat();
  }

  /** Where the first key stands that is not before `key`; one past the end of its chunk when there is none in it. */
  #find(key: string): Place {
    let low = 0;
    let high = this.#chunks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#chunks[middle]![0]!.key <= key) low = middle + 1;
      else high = middle;
    }
    const chunk = Math.max(0, low - 1);
    const items = this.#chunks[chunk]!;
    low = 0;
    high = items.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (items[middle]!.key < key) low = middle + 1;
      else high = middle;
    }
    return { chunk, at: low };
  }
}
