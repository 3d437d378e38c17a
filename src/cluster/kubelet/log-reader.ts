import { watch, type FSWatcher } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errorMessage, PlatformError } from '../../base/errors.ts';
import { LineJoiner, LineSplitter, parseCriLine } from './cri-log.ts';

export interface ReadLogOptions {
  /** Keep going as the file grows and is rotated, until `ended` says that nothing more will come. */
  readonly follow?: boolean;
  /** Only the last lines; 0 means none of what is there. */
  readonly tailLines?: number;
  /** Stop after this many bytes of output. */
  readonly limitBytes?: number;
  /** Put the line's time and a space before each line. */
  readonly timestamps?: boolean;
  /** Milliseconds since the epoch; earlier lines are left out. */
  readonly sinceMs?: number;
  readonly signal?: AbortSignal;
  /**
   * With `follow`: true once the writer is gone; asked before each wait. `changed` calls back when the answer may have
   * changed.
   */
  readonly ended?: () => boolean;
  readonly changed?: (callback: () => void) => Disposable;
}

const CHUNK = 64 * 1024;

/** The content of a CRI log file, lines joined, as `kubectl logs` shows it. `not-found` when there is no such file. */
export async function* readCriLog(path: string, options: ReadLogOptions = {}): AsyncGenerator<Uint8Array> {
  let left = options.limitBytes ?? Infinity;
  for await (const text of selectLines(path, options)) {
    if (left <= 0) return;
    const piece = text.length > left ? text.subarray(0, left) : text;
    left -= piece.length;
    yield piece;
    if (left <= 0) return;
  }
}

async function* selectLines(path: string, options: ReadLogOptions): AsyncGenerator<Uint8Array> {
  const { sinceMs, timestamps = false, tailLines } = options;
  const joiner = new LineJoiner();
  const format = (line: Uint8Array): Uint8Array | undefined => {
    const parsed = parseCriLine(line);
    const whole = parsed === undefined ? undefined : joiner.push(parsed);
    if (whole === undefined) return undefined;
    if (sinceMs !== undefined && Date.parse(whole.time) < sinceMs) return undefined;
    return timestamps ? Buffer.concat([Buffer.from(`${whole.time} `), whole.text]) : whole.text;
  };
  using wake = new Wakeup(path, options);
  let file = await openLog(path);
  try {
    const start = tailLines === undefined ? 0 : await tailOffset(file, tailLines);
    let splitter = new LineSplitter();
    let offset = start;
    for (;;) {
      wake.clear();
      // Asked before reading: what was written before the writer ended is then certain to be read below.
      const ended = options.follow !== true || (options.ended?.() ?? false);
      for (;;) {
        const chunk = await readAt(file, offset);
        if (chunk.length === 0) break;
        offset += chunk.length;
        for (const line of splitter.push(chunk)) {
          const text = format(line);
          if (text !== undefined) yield text;
        }
        if (options.signal?.aborted) return;
      }
      const next = options.follow === true ? await successor(path, file, offset) : undefined;
      if (next === 'truncated') {
        offset = 0;
        splitter = new LineSplitter();
        continue;
      }
      if (next !== undefined) {
        await file.close();
        file = next;
        offset = 0;
        splitter = new LineSplitter();
        continue;
      }
      if (ended || options.signal?.aborted) return;
      await wake.wait();
      if (options.signal?.aborted) return;
    }
  } finally {
    await file.close().catch(() => {});
  }
}

async function openLog(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      throw new PlatformError('not-found', `log file ${path} does not exist`, { cause: error });
    }
    throw new PlatformError('internal', `open log file ${path}: ${errorMessage(error)}`, { cause: error });
  }
}

async function readAt(file: FileHandle, position: number): Promise<Uint8Array> {
  const buffer = Buffer.allocUnsafe(CHUNK);
  const { bytesRead } = await file.read(buffer, 0, CHUNK, position);
  return buffer.subarray(0, bytesRead);
}

/** What follows an exhausted file: the new file at its path after a rotation, or itself cut to nothing. */
async function successor(
  path: string,
  file: FileHandle,
  offset: number,
): Promise<FileHandle | 'truncated' | undefined> {
  const own = await file.stat();
  if (own.size < offset) return 'truncated';
  const fresh = await open(path, 'r').catch(() => undefined);
  if (fresh === undefined) return undefined;
  const there = await fresh.stat();
  if ((there.ino === own.ino && there.dev === own.dev) || own.size > offset) {
    await fresh.close();
    return undefined;
  }
  return fresh;
}

/**
 * Where the last `lines` whole lines begin, found from the end so that a large log is not read through. Pieces of
 * one line count as one.
 */
async function tailOffset(file: FileHandle, lines: number): Promise<number> {
  const { size } = await file.stat();
  if (lines <= 0) return size;
  let carry: Buffer = Buffer.alloc(0);
  let position = size;
  let found = 0;
  let begin = size;
  while (position > 0) {
    const length = Math.min(CHUNK, position);
    position -= length;
    const chunk = Buffer.allocUnsafe(length);
    await file.read(chunk, 0, length, position);
    const data = Buffer.concat([chunk, carry]);
    let end = data.length;
    // Everything after the first newline of `data` is whole lines; what is before belongs to the chunk in front.
    const firstWhole = position === 0 ? 0 : data.indexOf(0x0a) + 1;
    if (position > 0 && firstWhole === 0) {
      carry = data;
      continue;
    }
    while (end > firstWhole) {
      const previous = data.lastIndexOf(0x0a, end - 2);
      const from = end < 2 || previous < firstWhole ? firstWhole : previous + 1;
      const line = parseCriLine(data.subarray(from, data[end - 1] === 0x0a ? end - 1 : end));
      // A full line ends a logical line: one more than asked for means that the one after it is the first wanted.
      if (line !== undefined && !line.partial && ++found > lines) return begin;
      begin = position + from;
      end = from;
    }
    carry = data.subarray(0, firstWhole);
  }
  return begin;
}

/** One wait for: the log's folder changed, the writer's state changed, the caller left. */
class Wakeup implements Disposable {
  readonly #stack = new DisposableStack();
  #pending = false;
  #resolve: (() => void) | undefined;

  constructor(path: string, options: ReadLogOptions) {
    if (options.follow !== true) return;
    const wake = (): void => {
      this.#pending = true;
      this.#resolve?.();
    };
    let watcher: FSWatcher | undefined;
    try {
      // The folder, not the file: a rotation replaces the file, and inotify follows the inode.
      watcher = watch(dirname(path), wake);
      watcher.on('error', wake);
    } catch (error) {
      throw new PlatformError('not-found', `watch ${dirname(path)}: ${errorMessage(error)}`, {
        cause: error,
      });
    }
    this.#stack.defer(() => watcher.close());
    if (options.changed !== undefined) this.#stack.use(options.changed(wake));
    options.signal?.addEventListener('abort', wake);
    this.#stack.defer(() => options.signal?.removeEventListener('abort', wake));
  }

  clear(): void {
    this.#pending = false;
  }

  async wait(): Promise<void> {
    if (this.#pending) return;
    await new Promise<void>((resolve) => {
      this.#resolve = resolve;
    });
    this.#resolve = undefined;
  }

  [Symbol.dispose](): void {
    this.#stack.dispose();
  }
}
