/** The streams of one remote command as its client has them, whichever protocol carries them. */
import type { Readable, Writable } from 'node:stream';

import type { Status } from '../../api/generated/meta-v1.ts';

export interface TerminalSize {
  readonly width: number;
  readonly height: number;
}

/** What a client wants of a process; a terminal has no stderr of its own. */
export interface StreamWishes {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly tty: boolean;
}

export interface RemoteSession {
  /** Those that were wished. */
  readonly stdin?: Readable;
  readonly stdout?: Writable;
  readonly stderr?: Writable;
  /** Sizes of the client's terminal, from the first on. */
  onResize(take: (size: TerminalSize) => void): void;
  /** Aborts when the client has gone. */
  readonly gone: AbortSignal;
  /** Tells how it ended, and ends the connection. stdout and stderr must have been ended before. */
  finish(status: Status): Promise<void>;
}

/** Sizes come as JSON objects one after the other: {"Width":80,"Height":24}. */
export class SizeReader {
  #text = '';
  #last: TerminalSize | undefined;
  #take: ((size: TerminalSize) => void) | undefined;

  onResize(take: (size: TerminalSize) => void): void {
    this.#take = take;
    if (this.#last !== undefined) take(this.#last);
  }

  push(bytes: Uint8Array): void {
    this.#text += Buffer.from(bytes).toString('latin1');
    for (let end = this.#text.indexOf('}'); end >= 0; end = this.#text.indexOf('}')) {
      const size = sizeOf(this.#text.slice(0, end + 1));
      this.#text = this.#text.slice(end + 1);
      if (size === undefined) continue;
      this.#last = size;
      this.#take?.(size);
    }
    // No size is that long.
    if (this.#text.length > 256) this.#text = '';
  }
}

function sizeOf(text: string): TerminalSize | undefined {
  try {
    const { Width: width, Height: height } = JSON.parse(text) as { Width?: unknown; Height?: unknown };
    return isCells(width) && isCells(height) ? { width, height } : undefined;
  } catch {
    return undefined;
  }
}

/** struct winsize has 16 bits for each; zero is a terminal that has not been measured. */
const isCells = (value: unknown): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value > 0 && value <= 0xffff;
