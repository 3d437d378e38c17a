/**
 * The log format that CRI runtimes write (kubernetes/design-proposals-archive, kubelet-cri-logging.md):
 * `<RFC 3339 time with nanoseconds> <stdout|stderr> <F or P, tags by colons> <content>\n`, P marking a piece of a longer line.
 */
const LF = 0x0a;
const SPACE = 0x20;

export interface CriLogLine {
  /** As written, nanoseconds included. */
  readonly time: string;
  readonly stream: 'stdout' | 'stderr';
  /** True for all but the last piece of a line. */
  readonly partial: boolean;
  readonly content: Uint8Array;
}

/** One line without its newline; `undefined` when it is not in the format (a torn write, another format). */
export function parseCriLine(line: Uint8Array): CriLogLine | undefined {
  const first = line.indexOf(SPACE);
  const second = first < 0 ? -1 : line.indexOf(SPACE, first + 1);
  const third = second < 0 ? -1 : line.indexOf(SPACE, second + 1);
  // An empty message may be written without the last space.
  const end = third < 0 ? line.length : third;
  if (second < 0) return undefined;
  const time = ascii(line.subarray(0, first));
  const stream = ascii(line.subarray(first + 1, second));
  const tags = ascii(line.subarray(second + 1, end)).split(':');
  if (stream !== 'stdout' && stream !== 'stderr') return undefined;
  if (tags[0] !== 'F' && tags[0] !== 'P') return undefined;
  return { time, stream, partial: tags[0] === 'P', content: line.subarray(Math.min(end + 1, line.length)) };
}

function ascii(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

/** Cuts a stream of bytes into lines; what has no newline yet waits for the next push. */
export class LineSplitter {
  #rest: Buffer = Buffer.alloc(0);

  push(chunk: Uint8Array): Uint8Array[] {
    const data = this.#rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#rest, chunk]);
    const lines: Uint8Array[] = [];
    let from = 0;
    for (let at = data.indexOf(LF); at >= 0; at = data.indexOf(LF, from)) {
      lines.push(data.subarray(from, at));
      from = at + 1;
    }
    this.#rest = data.subarray(from);
    return lines;
  }

  /** Bytes that wait for their newline. */
  get pending(): number {
    return this.#rest.length;
  }
}

/**
 * Puts the pieces of one line together, per stream. A line longer than `maxBytes` leaves in pieces rather than
 * filling the memory.
 */
export class LineJoiner {
  readonly #pieces = new Map<string, { time: string; parts: Uint8Array[]; size: number }>();
  readonly #maxBytes: number;

  constructor(maxBytes = 1 << 20) {
    this.#maxBytes = maxBytes;
  }

  /** The text that is now whole (its newline included), with the time of its first piece. */
  push(line: CriLogLine): { readonly time: string; readonly text: Uint8Array } | undefined {
    const held = this.#pieces.get(line.stream) ?? { time: line.time, parts: [], size: 0 };
    held.parts.push(line.content);
    held.size += line.content.length;
    if (line.partial && held.size < this.#maxBytes) {
      this.#pieces.set(line.stream, held);
      return undefined;
    }
    this.#pieces.delete(line.stream);
    const parts = line.partial ? held.parts : [...held.parts, Uint8Array.of(LF)];
    return { time: held.time, text: Buffer.concat(parts) };
  }
}
