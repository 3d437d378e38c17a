/**
 * Hands committed batches to watchers: each watcher gets every revision that touches its range once, in order,
 * whether it comes from the store's history, from the window of recent batches, or live.
 */
import { PlatformError } from '../../base/errors.ts';
import { yieldToLoop } from '../../base/yield-to-loop.ts';
import { compareKeys } from './key-index.ts';
import { closed, expired } from './requests.ts';
import type { WatchBatch, WatchEvent, WatchOptions } from './store.ts';

/** A piece of history from before the window: `batches` hold every event of the range up to `through`. */
export interface OlderBatches {
  readonly batches: readonly WatchBatch[];
  readonly through: number;
}

export interface WatchHubOptions {
  /** The newest revision at start. */
  readonly revision: number;
  readonly compacted: number;
  /** Events and bytes of values that the window may hold; beyond that its oldest batches go. */
  readonly windowEvents: number;
  readonly windowBytes: number;
  /** Reads history after `afterRevision`, at least one revision further; `expired` when it is compacted. */
  readonly loadOlder: (range: { start: string; end: string; afterRevision: number }) => Promise<OlderBatches>;
}

/** Batches of the window that a new watcher gets in one go: others wait meanwhile. */
const AT_ONCE = 256;

interface Watcher {
  readonly start: string;
  readonly end: string;
  readonly onBatch: (batch: WatchBatch) => void;
  readonly onLost: ((error: PlatformError) => void) | undefined;
  /** Everything up to this revision has been delivered. */
  delivered: number;
  closed: boolean;
}

export class WatchHub {
  readonly #options: WatchHubOptions;
  readonly #watchers = new Set<Watcher>();
  #window: WatchBatch[] = [];
  /** Batches at the front of #window that have been dropped but not yet cut off. */
  #head = 0;
  #events = 0;
  #bytes = 0;
  /** The window holds every batch after this revision. */
  #windowAfter: number;
  #revision: number;
  #compacted: number;
  #closed = false;
  readonly #fresh: WatchBatch[] = [];
  #delivering = false;

  constructor(options: WatchHubOptions) {
    this.#options = options;
    this.#revision = options.revision;
    this.#windowAfter = options.revision;
    this.#compacted = options.compacted;
  }

  /** The newest revision that has been published. */
  get revision(): number {
    return this.#revision;
  }

  /** A watch after this revision, or later, needs nothing from before the window. */
  get windowAfter(): number {
    return this.#windowAfter;
  }

  get watchers(): number {
    return this.#watchers.size;
  }

  /** Takes committed batches, in order of revision, and delivers them before it returns. */
  publish(batches: readonly WatchBatch[]): void {
    for (const batch of batches) {
      this.#window.push(batch);
      this.#fresh.push(batch);
      this.#events += batch.events.length;
      this.#bytes += bytesOf(batch);
      this.#revision = batch.revision;
    }
    this.#shrink();
    this.#deliver();
  }

  /** Everything up to `revision` has been published: the latest of it touched nothing that could be watched. */
  advance(revision: number): void {
    if (revision <= this.#revision) return;
    this.#revision = revision;
    // While batches are on their way to the watchers, whoever hands them out tells the progress after them.
    if (!this.#delivering) for (const watcher of this.#watchers) this.#progress(watcher);
  }

  /** What came between the last batch and `revision` cannot be had: ends all watches and goes on from there. */
  lose(error: PlatformError, revision: number): void {
    this.#window = [];
    this.#head = 0;
    this.#events = 0;
    this.#bytes = 0;
    this.#revision = revision;
    this.#windowAfter = revision;
    this.#compacted = revision;
    for (const watcher of [...this.#watchers]) {
      watcher.closed = true;
      this.#watchers.delete(watcher);
      watcher.onLost?.(error);
    }
  }

  /** Forgets what came up to `revision`; watches from before it are refused. */
  compact(revision: number): void {
    this.#compacted = Math.max(this.#compacted, revision);
    while (this.#head < this.#window.length && this.#window[this.#head]!.revision <= revision)
      this.#dropOldest();
    this.#cut();
  }

  async watch(options: WatchOptions, onBatch: (batch: WatchBatch) => void): Promise<AsyncDisposable> {
    const { start, end, afterRevision, signal, onLost } = options;
    if (!Number.isSafeInteger(afterRevision) || afterRevision < 0) {
      throw new PlatformError(
        'invalid',
        `watch: revision ${afterRevision}: want a whole number of at least 0`,
      );
    }
    const delivered = afterRevision === 0 ? this.#revision : afterRevision;
    const watcher: Watcher = { start, end, onBatch, onLost, delivered, closed: false };
    const close = (): void => {
      watcher.closed = true;
      this.#watchers.delete(watcher);
      signal?.removeEventListener('abort', close);
    };
    if (signal?.aborted) throw new PlatformError('cancelled', 'watch: cancelled', { cause: signal.reason });
    signal?.addEventListener('abort', close, { once: true });
    try {
      for (let more = true; more;) {
        const from = watcher.delivered;
        if (from < this.#compacted) throw expired(from, this.#compacted);
        if (from < this.#windowAfter) {
          const older = await this.#options.loadOlder({ start, end, afterRevision: from });
          for (const batch of older.batches) this.#hand(watcher, batch);
          watcher.delivered = older.through;
        } else {
          more = this.#handSome(watcher);
          if (more) await yieldToLoop();
        }
        if (watcher.closed)
          throw new PlatformError('cancelled', 'watch: cancelled', { cause: signal?.reason });
      }
      if (this.#closed) throw closed();
      if (watcher.delivered < this.#compacted) throw expired(watcher.delivered, this.#compacted);
    } catch (error) {
      close();
      throw error;
    }
    // From here to the end nothing waits, so nothing can be published in between.
    this.#watchers.add(watcher);
    for (let i = this.#firstAfter(watcher.delivered); i < this.#window.length; i++) {
      this.#hand(watcher, this.#window[i]!);
    }
    this.#progress(watcher);
    return {
      [Symbol.asyncDispose]: () => {
        close();
        return Promise.resolve();
      },
    };
  }

  close(): void {
    this.#closed = true;
    for (const watcher of this.#watchers) watcher.closed = true;
    this.#watchers.clear();
  }

  /** A watcher's callback may write, so that publish is entered again: then the outer call delivers. */
  #deliver(): void {
    if (this.#delivering) return;
    this.#delivering = true;
    try {
      while (this.#fresh.length > 0) {
        for (const batch of this.#fresh.splice(0)) {
          for (const watcher of this.#watchers) this.#hand(watcher, batch);
        }
        if (this.#fresh.length === 0) for (const watcher of this.#watchers) this.#progress(watcher);
      }
    } finally {
      this.#delivering = false;
    }
  }

  /** Some of a long rest of the window; false where it is short. */
  #handSome(watcher: Watcher): boolean {
    const first = this.#firstAfter(watcher.delivered);
    if (this.#window.length - first <= AT_ONCE) return false;
    const some = this.#window.slice(first, first + AT_ONCE);
    for (const batch of some) this.#hand(watcher, batch);
    watcher.delivered = some.at(-1)!.revision;
    return true;
  }

  #hand(watcher: Watcher, batch: WatchBatch): void {
    if (watcher.closed || batch.revision <= watcher.delivered) return;
    const within = restrict(batch, watcher);
    if (within === undefined) return;
    watcher.delivered = batch.revision;
    call(watcher, within);
  }

  #progress(watcher: Watcher): void {
    if (watcher.closed || watcher.delivered >= this.#revision) return;
    watcher.delivered = this.#revision;
    call(watcher, { revision: this.#revision, events: [] });
  }

  #firstAfter(revision: number): number {
    let low = this.#head;
    let high = this.#window.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#window[middle]!.revision <= revision) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #shrink(): void {
    const { windowEvents, windowBytes } = this.#options;
    while (this.#events > windowEvents || this.#bytes > windowBytes) this.#dropOldest();
    this.#cut();
  }

  #dropOldest(): void {
    const batch = this.#window[this.#head++]!;
    this.#events -= batch.events.length;
    this.#bytes -= bytesOf(batch);
    this.#windowAfter = batch.revision;
  }

  #cut(): void {
    if (this.#head < 1024 && this.#head < this.#window.length) return;
    this.#window = this.#window.slice(this.#head);
    this.#head = 0;
  }
}

/** What of a batch lies in a range; undefined when nothing does. */
export function restrict(
  batch: WatchBatch,
  { start, end }: { readonly start: string; readonly end: string },
): WatchBatch | undefined {
  const isWithin = ({ kv }: WatchEvent): boolean =>
    compareKeys(kv.key, start) >= 0 && compareKeys(kv.key, end) < 0;
  if (batch.events.every(isWithin)) return batch.events.length === 0 ? undefined : batch;
  const events = batch.events.filter(isWithin);
  return events.length === 0 ? undefined : { revision: batch.revision, events };
}

function bytesOf(batch: WatchBatch): number {
  let bytes = 0;
  for (const event of batch.events) bytes += event.kv.value.length + (event.previous?.value.length ?? 0);
  return bytes;
}

/** A callback that throws is a bug of its owner: it becomes an uncaught error and takes nothing else along. */
function call(watcher: Watcher, batch: WatchBatch): void {
  try {
    watcher.onBatch(batch);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
