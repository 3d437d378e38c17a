/** Bytes by the hash of what they were made of: of those that were added last as many as there is room for. */
export class KnownBytes {
  readonly #maxBytes: number;
  readonly #byKey = new Map<string, Uint8Array>();
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get(key: string): Uint8Array | undefined {
    return this.#byKey.get(key);
  }

  /** It must not be there yet. */
  add(key: string, bytes: Uint8Array): void {
    this.#byKey.set(key, bytes);
    this.#bytes += bytes.length;
    for (const [oldest, { length }] of this.#byKey) {
      if (this.#bytes <= this.#maxBytes) break;
      this.#byKey.delete(oldest);
      this.#bytes -= length;
    }
  }
}
