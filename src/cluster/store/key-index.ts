/** Keys in order of their UTF-8 bytes, as SQLite's and etcd's, in chunks so that an insertion moves little. */
const CHUNK = 512;

/** From here on UTF-16 order (JavaScript's) may differ from UTF-8 order. */
const WIDE = /[\ud800-\uffff]/;

/** Orders keys by their UTF-8 bytes. */
export function compareKeys(a: string, b: string): number {
  if (a === b) return 0;
  if (!WIDE.test(a) || !WIDE.test(b)) return a < b ? -1 : 1;
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

export class KeyIndex<T extends { readonly key: string }> {
  /** No chunk is empty. */
  readonly #chunks: T[][] = [];
  #size = 0;

  /** An index of items whose keys differ. */
  static of<T extends { readonly key: string }>(items: Iterable<T>): KeyIndex<T> {
    const index = new KeyIndex<T>();
    const sorted = [...items].toSorted((a, b) => compareKeys(a.key, b.key));
    for (let i = 0; i < sorted.length; i += CHUNK) index.#chunks.push(sorted.slice(i, i + CHUNK));
    index.#size = sorted.length;
    return index;
  }

  get size(): number {
    return this.#size;
  }

  get(key: string): T | undefined {
    const chunk = this.#chunks[this.#chunkOf(key)];
    const item = chunk?.[lowerBound(chunk, key)];
    return item?.key === key ? item : undefined;
  }

  /** Adds the item, in place of one with the same key. */
  set(item: T): void {
    const c = this.#chunkOf(item.key);
    const chunk = this.#chunks[c];
    if (chunk === undefined) {
      this.#chunks.push([item]);
      this.#size++;
      return;
    }
    const i = lowerBound(chunk, item.key);
    if (chunk[i]?.key === item.key) {
      chunk[i] = item;
      return;
    }
    chunk.splice(i, 0, item);
    this.#size++;
    if (chunk.length > 2 * CHUNK) this.#chunks.splice(c + 1, 0, chunk.splice(CHUNK));
  }

  delete(key: string): void {
    const c = this.#chunkOf(key);
    const chunk = this.#chunks[c];
    if (chunk === undefined) return;
    const i = lowerBound(chunk, key);
    if (chunk[i]?.key !== key) return;
    chunk.splice(i, 1);
    this.#size--;
    if (chunk.length === 0) this.#chunks.splice(c, 1);
  }

  /** Items with start <= key < end, in order. The index must not change while this is iterated. */
  *range(start: string, end: string): Generator<T, void, undefined> {
    for (let c = this.#chunkOf(start); c < this.#chunks.length; c++) {
      const chunk = this.#chunks[c]!;
      for (let i = lowerBound(chunk, start); i < chunk.length; i++) {
        const item = chunk[i]!;
        if (compareKeys(item.key, end) >= 0) return;
        yield item;
      }
    }
  }

  /** The last chunk whose first key is not after `key`; 0 when there is none. */
  #chunkOf(key: string): number {
    let low = 0;
    let high = this.#chunks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareKeys(this.#chunks[middle]![0]!.key, key) <= 0) low = middle + 1;
      else high = middle;
    }
    return Math.max(0, low - 1);
  }
}

/** The first position whose key is not before `key`. */
function lowerBound(chunk: readonly { readonly key: string }[], key: string): number {
  let low = 0;
  let high = chunk.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareKeys(chunk[middle]!.key, key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
