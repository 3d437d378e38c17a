const NEWLINE = 0x0a;

/**
 * The lines of a byte stream, those that come together in one go, however its chunks are cut: a newline byte is never part
 * of another character in UTF-8, so a line is decoded only when it is whole. The parts of a long line are joined once.
 */
export async function* lines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string[], void, undefined> {
  let begun: Uint8Array[] = [];
  for await (const chunk of chunks) {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    const found: string[] = [];
    let start = 0;
    for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
      const line =
        begun.length === 0
          ? bytes.toString('utf8', start, end)
          : Buffer.concat([...begun, bytes.subarray(start, end)]).toString('utf8');
      begun = [];
      start = end + 1;
      if (line !== '') found.push(line);
    }
    if (start < bytes.length) begun.push(bytes.subarray(start));
    if (found.length > 0) yield found;
  }
  const rest = Buffer.concat(begun).toString('utf8');
  if (rest.trim() !== '') yield [rest];
}
