/** What was made of a longer text is made again each time. */
const MAX_TEXT = 8192;
const MAX_KEPT = 256;

/** Remembers what was made of a text, for the texts that were met lately. What it hands out is shared. */
export class RecentTexts<V> {
  #young = new Map<string, V>();
  #old = new Map<string, V>();

  get(text: string, make: () => V): V {
    const known = this.#young.get(text);
    if (known !== undefined) return known;
    const value = this.#old.get(text) ?? make();
    if (text.length > MAX_TEXT) return value;
    this.#young.set(text, value);
    if (this.#young.size < MAX_KEPT) return value;
    this.#old = this.#young;
    this.#young = new Map();
    return value;
  }
}
