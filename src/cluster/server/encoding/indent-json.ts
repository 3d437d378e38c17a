/** JSON of our own making, indented as it comes: nothing of it has to be in memory as a whole. */

const [QUOTE, BACKSLASH, COMMA, COLON, SPACE, NEWLINE] = [34, 92, 44, 58, 32, 10];
const [OPEN_OBJECT, CLOSE_OBJECT, OPEN_LIST, CLOSE_LIST] = [123, 125, 91, 93];

/** Bytes that are looked at in one go. */
const PART_BYTES = 16 * 1024;

/** As JSON.stringify indents by two. What comes in has no space outside strings, but for the end. */
export class JsonIndenter {
  #depth = 0;
  #inString = false;
  #escaped = false;
  /** A list or object has begun: whether anything is in it is not known yet. */
  #opened = false;
  #out = Buffer.alloc(0);
  #at = 0;

  /** The parts that `bytes` become, one after the other; they are the caller's. */
  *parts(bytes: Uint8Array): Generator<Uint8Array> {
    for (let from = 0; from < bytes.length; from += PART_BYTES) {
      const part = bytes.subarray(from, from + PART_BYTES);
      this.#out = Buffer.allocUnsafe(4 * part.length);
      this.#at = 0;
      for (const byte of part) this.#byte(byte);
      yield this.#out.subarray(0, this.#at);
    }
  }

  #byte(byte: number): void {
    if (this.#inString) {
      this.#put(byte);
      if (this.#escaped) this.#escaped = false;
      else if (byte === BACKSLASH) this.#escaped = true;
      else if (byte === QUOTE) this.#inString = false;
      return;
    }
    if (byte === NEWLINE || byte === SPACE) return;
    const closes = byte === CLOSE_OBJECT || byte === CLOSE_LIST;
    if (closes) this.#depth--;
    // Nothing is put between the brackets of what is empty.
    if (this.#opened ? !closes : closes) this.#line();
    this.#opened = false;
    this.#put(byte);
    if (byte === QUOTE) this.#inString = true;
    else if (byte === COLON) this.#put(SPACE);
    else if (byte === COMMA) this.#line();
    else if (byte === OPEN_OBJECT || byte === OPEN_LIST) {
      this.#depth++;
      this.#opened = true;
    }
  }

  #line(): void {
    const width = 1 + 2 * this.#depth;
    this.#room(width);
    this.#out[this.#at] = NEWLINE;
    this.#out.fill(SPACE, this.#at + 1, this.#at + width);
    this.#at += width;
  }

  #put(byte: number): void {
    if (this.#at === this.#out.length) this.#room(1);
    this.#out[this.#at++] = byte;
  }

  #room(bytes: number): void {
    if (this.#at + bytes <= this.#out.length) return;
    const larger = Buffer.allocUnsafe(2 * this.#out.length + bytes);
    this.#out.copy(larger, 0, 0, this.#at);
    this.#out = larger;
  }
}
