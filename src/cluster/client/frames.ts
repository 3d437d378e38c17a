const NEWLINE = 0x0a;

/**
 * The lines of a byte stream, however its chunks are cut: a newline byte is never part of another character in UTF-8, so a
 * line is decoded only when it is whole. The parts of a long line are joined once.
 */
export class LineReader {
  #begun: Uint8Array[] = [];

  /** The lines that are whole with this chunk. */
  take(chunk: Uint8Array): string[] {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    const found: string[] = [];
    let start = 0;
    for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
      const line =
        this.#begun.length === 0
          ? bytes.toString('utf8', start, end)
          : Buffer.concat([...this.#begun, bytes.subarray(start, end)]).toString('utf8');
      this.#begun = [];
      start = end + 1;
      if (line !== '') found.push(line);
    }
    if (start < bytes.length) this.#begun.push(bytes.subarray(start));
    return found;
  }

  /** What has no end, when the stream has one. */
  rest(): string[] {
    const rest = Buffer.concat(this.#begun).toString('utf8');
    return rest.trim() === '' ? [] : [rest];
  }
}
