const NEWLINE = 0x0a;

/**
 * The lines of a byte stream, however its chunks are cut: a newline byte is never part of another character in UTF-8, so
 * a line is decoded only when it is whole. The parts of a long line are joined once.
 */
export async function* lines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string, void, undefined> {
  let parts: Uint8Array[] = [];
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      parts.push(chunk.subarray(start, end));
      const line = decode(parts);
      parts = [];
      start = end + 1;
      if (line !== '') yield line;
    }
    if (start < chunk.length) parts.push(chunk.subarray(start));
  }
  const rest = decode(parts);
  if (rest.trim() !== '') yield rest;
}

function decode(parts: readonly Uint8Array[]): string {
  const [only] = parts;
  if (only === undefined) return '';
  const bytes = parts.length === 1 ? only : Buffer.concat(parts);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}
