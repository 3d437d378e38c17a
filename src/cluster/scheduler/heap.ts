/** A binary heap that can also drop an item from its middle; all changes are O(log n). */
export class Heap<T> {
  readonly #compare: (a: T, b: T) => number;
  readonly #items: T[] = [];
  readonly #positions = new Map<T, number>();

  /** `compare` is negative when `a` comes out first; an item's order must not change while it is in. */
  constructor(compare: (a: T, b: T) => number) {
    this.#compare = compare;
  }

  get size(): number {
    return this.#items.length;
  }

  peek(): T | undefined {
    return this.#items[0];
  }

  push(item: T): void {
    if (this.#positions.has(item)) return;
    this.#place(item, this.#items.length);
    this.#rise(this.#items.length - 1);
  }

  pop(): T | undefined {
    const first = this.#items[0];
    if (first !== undefined) this.delete(first);
    return first;
  }

  delete(item: T): boolean {
    const at = this.#positions.get(item);
    if (at === undefined) return false;
    this.#positions.delete(item);
    const last = this.#items.pop()!;
    if (last !== item) {
      this.#place(last, at);
      this.#rise(at);
      this.#sink(this.#positions.get(last)!);
    }
    return true;
  }

  #place(item: T, at: number): void {
    this.#items[at] = item;
    this.#positions.set(item, at);
  }

  #rise(start: number): void {
    const item = this.#items[start]!;
    let at = start;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = this.#items[parent]!;
      if (this.#compare(item, above) >= 0) break;
      this.#place(above, at);
      at = parent;
    }
    this.#place(item, at);
  }

  #sink(start: number): void {
    const item = this.#items[start]!;
    let at = start;
    for (;;) {
      const left = 2 * at + 1;
      if (left >= this.#items.length) break;
      const right = left + 1;
      const rightFirst =
        right < this.#items.length && this.#compare(this.#items[right]!, this.#items[left]!) < 0;
      const child = rightFirst ? right : left;
      const below = this.#items[child]!;
      if (this.#compare(below, item) >= 0) break;
      this.#place(below, at);
      at = child;
    }
    this.#place(item, at);
  }
}
