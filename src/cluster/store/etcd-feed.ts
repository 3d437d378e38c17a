/**
 * Every change under the prefix, from one watch of etcd that is opened again when it breaks:
 *
 *   connecting --created--> following --events, progress--> following
 *       ^                       |
 *       |    stream ended, no leader, member down: pause, next endpoint
 *       +-----------------------+
 *       |    compacted, or etcd's revision has gone back: `onLost`, then from the newest revision
 *       +-----------------------+
 */
import type { ClientDuplexStream } from '@grpc/grpc-js';
import { sleep, type Clock } from '../../base/clock.ts';
import { PlatformError } from '../../base/errors.ts';
import type { EtcdChannel } from './etcd-channel.ts';
import { batchesOf, calls, DELETE, type KeySpace } from './etcd-calls.ts';
import type { WatchRequest, WatchResponse } from './generated/etcd.ts';
import { expired } from './requests.ts';
import type { WatchBatch } from './store.ts';

export interface FeedOptions {
  readonly channel: EtcdChannel;
  readonly space: KeySpace;
  readonly clock: Clock;
  readonly start: string;
  readonly end: string;
  readonly afterRevision: number;
  readonly onBatches: (batches: readonly WatchBatch[]) => void;
  /** Everything up to this revision has come. */
  readonly onProgress: (revision: number) => void;
  /** What came after the last batch cannot be had any more; returns the revision to go on from, or undefined to end. */
  readonly onLost: (error: PlatformError) => Promise<number | undefined>;
  /** The newest revision, as all members agree on it. */
  readonly newest: () => Promise<number>;
}

type Stream = ClientDuplexStream<WatchRequest, WatchResponse>;

const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 2000;

export class EtcdFeed implements AsyncDisposable {
  readonly #options: FeedOptions;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  #revision: number;
  #stream: Stream | undefined;
  #failures = 0;

  constructor(options: FeedOptions) {
    this.#options = options;
    this.#revision = options.afterRevision;
    this.#running = this.#run();
  }

  /** Everything up to this revision has come. */
  get revision(): number {
    return this.#revision;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#stream?.cancel();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { channel, clock, onLost } = this.#options;
    const over = (): boolean => this.#stop.signal.aborted || channel.closing.aborted;
    while (!over()) {
      let lost: PlatformError | undefined;
      try {
        lost = await this.#follow();
      } catch {
        // Why a stream broke does not matter: it is opened again, and calls say what is wrong with etcd.
      }
      if (over()) return;
      try {
        if (lost !== undefined) {
          const from = await onLost(lost);
          if (from === undefined) return;
          this.#revision = from;
          continue;
        }
      } catch {
        // etcd cannot be asked right now: the next watch finds out again that history is lost.
      }
      channel.next();
      const pause = Math.min(FIRST_PAUSE_MS * 2 ** this.#failures++, LONGEST_PAUSE_MS);
      await sleep(clock, pause, this.#stop.signal).catch(() => {});
    }
  }

  /** Follows one stream to its end; resolves to an error when history was lost. */
  async #follow(): Promise<PlatformError | undefined> {
    const { channel, space, start, end } = this.#options;
    const stream: Stream = await channel.duplex(calls.watch);
    if (this.#stop.signal.aborted) {
      stream.cancel();
      return undefined;
    }
    this.#stream = stream;
    // Without a listener the end of a stream would be an uncaught error.
    stream.on('error', () => {});
    const from = this.#revision + 1;
    stream.write({
      createRequest: { ...space.range(start, end), startRevision: from, prevKv: true, progressNotify: true },
    });
    try {
      for await (const response of stream as AsyncIterable<WatchResponse>) {
        const lost = await this.#take(response);
        if (lost !== undefined) return lost;
        if (response.canceled) return undefined;
      }
    } finally {
      this.#stream = undefined;
      stream.cancel();
    }
    return undefined;
  }

  async #take(response: WatchResponse): Promise<PlatformError | undefined> {
    const { onBatches, onProgress, newest, space } = this.#options;
    const { created, canceled, compactRevision, events } = response;
    const revision = response.header?.revision ?? 0;
    if (compactRevision > 0) return expired(this.#revision, compactRevision);
    if (canceled) return undefined;
    if (created) {
      this.#failures = 0;
      // A member may lag behind the others; that all of them do means that etcd has been put back.
      if (revision >= this.#revision) return undefined;
      const agreed = await newest();
      return agreed >= this.#revision ? undefined : wentBack(this.#revision, agreed);
    }
    if (events.length === 0) {
      this.#revision = Math.max(this.#revision, revision);
      onProgress(this.#revision);
      return undefined;
    }
    // Compaction may take the state before a change from a watch that is behind: then that change is history as well.
    if (events.some(({ type, kv, prevKv }) => prevKv === undefined && (type === DELETE || kv!.version > 1)))
      return expired(this.#revision, revision);
    const batches = batchesOf(space, events);
    this.#revision = batches.at(-1)!.revision;
    onBatches(batches);
    return undefined;
  }
}

/** etcd has been restored from an older backup under us: what was seen may be different now. */
export function wentBack(seen: number, now: number): PlatformError {
  return new PlatformError('expired', `etcd's revision went back from ${seen} to ${now}`, {
    details: { seen, now },
    hint: 'restore etcd with `etcdutl snapshot restore --bump-revision … --mark-compacted`',
  });
}
