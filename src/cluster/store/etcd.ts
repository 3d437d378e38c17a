import type { Clock } from '../../base/clock.ts';
import { isPlatformError, PlatformError } from '../../base/errors.ts';
import { failpoint } from '../../base/failpoint.ts';
import type { Random } from '../../base/random.ts';
import { calls, KeySpace, txnRequest, txnStates } from './etcd-calls.ts';
import { EtcdChannel } from './etcd-channel.ts';
import { etcdError } from './etcd-errors.ts';
import { EtcdFeed } from './etcd-feed.ts';
import type { EtcdTls } from './etcd-target.ts';
import type { LeaseKeepAliveResponse } from './generated/etcd.ts';
import { checkTransaction, checkTtl, closed, leaseNotFound } from './requests.ts';
import type {
  Compare,
  KeyValue,
  Op,
  RangeOptions,
  RangeResult,
  Store,
  TxnResult,
  WatchBatch,
  WatchOptions,
} from './store.ts';
import { restrict, WatchHub } from './watch-hub.ts';

export interface EtcdStoreOptions {
  /** `host:port` of each member. */
  readonly endpoints: readonly string[];
  /** Absent: in the clear. */
  readonly tls?: EtcdTls;
  readonly clock: Clock;
  /** Lease ids. */
  readonly random: Random;
  /** Goes before every key, for several clusters in one etcd. */
  readonly prefix?: string;
  /** How long one try of a call may take, in milliseconds (10,000). */
  readonly callMs?: number;
  /** How long what has not happened is tried again, in milliseconds (10,000). */
  readonly giveUpMs?: number;
}

/** Keys that can be watched begin with a slash. */
const WATCHED = { start: '/', end: '0' } as const;

/**
 * Written when the newest revision is none of ours and someone waits for our watch to get there: its event says that
 * all before it has come. etcd's own progress requests do that too, but before 3.4.25 and 3.5.8 their answer may overtake
 * events (etcd issue 15220).
 */
const FENCE = '/sampan.io/fence';

/** How long nothing may come before a fence is written. */
const FENCE_AFTER_MS = 10;

/** etcd looks after watches that are behind every 100 ms. */
const NUDGE_AFTER_MS = 300;

const NOTHING = new Uint8Array(0);

/**
 * Opens a store in an etcd of version 3.4 or later. `unavailable` when none of its members can be reached.
 *
 * Leases run by etcd's clock. The newest revision is asked for with every `revision()`, because others write too.
 */
export async function openEtcdStore(options: EtcdStoreOptions): Promise<Store> {
  using stack = new DisposableStack();
  const channel = stack.use(new EtcdChannel(options));
  const space = new KeySpace(options.prefix ?? '');
  const revision = await newestRevision(channel, space);
  stack.move();
  return new EtcdStore({ ...options, channel, space, revision });
}

async function newestRevision(channel: EtcdChannel, space: KeySpace): Promise<number> {
  // Reads one key that nobody writes: the answer's header has what all members agree on.
  const request = { key: space.encode('/'), countOnly: true };
  const answer = await channel.call(calls.range, request, { repeatable: true });
  return answer.header?.revision ?? 0;
}

interface Parts extends EtcdStoreOptions {
  readonly channel: EtcdChannel;
  readonly space: KeySpace;
  readonly revision: number;
}

class EtcdStore implements Store {
  readonly #channel: EtcdChannel;
  readonly #space: KeySpace;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #hub: WatchHub;
  readonly #feed: EtcdFeed;
  /** Watches that are still behind the hub's window. */
  readonly #catchingUp = new Set<EtcdFeed>();
  /** A question for the revision that has not been sent: it answers all who ask until then. */
  #gathering: Promise<number> | undefined;
  #asking: Promise<unknown> = Promise.resolve();
  #fence: Disposable | undefined;
  /** A revision that somebody has been told. */
  #wanted = 0;
  /** The newest revision that wrote a key of ours for us: its event comes. */
  #written = 0;
  #closing: Promise<void> | undefined;

  constructor({ channel, space, clock, random, revision }: Parts) {
    this.#channel = channel;
    this.#space = space;
    this.#clock = clock;
    this.#random = random;
    this.#hub = new WatchHub({
      revision,
      compacted: 0,
      windowEvents: 20_000,
      windowBytes: 16 * 1024 * 1024,
      loadOlder: () => {
        throw new Error('what lies before the window is watched by #catchUp');
      },
    });
    this.#feed = new EtcdFeed({
      ...WATCHED,
      channel,
      space,
      clock,
      afterRevision: revision,
      newest: () => newestRevision(channel, space),
      onBatches: (batches) => this.#publish(batches),
      onProgress: (reached) => this.#hub.advance(reached),
      onLost: (error) => this.#lose(error),
    });
  }

  /** One question at a time, each asked after whoever gets its answer has called. */
  async revision(): Promise<number> {
    this.#open();
    this.#gathering ??= this.#asking.then(() => {
      this.#gathering = undefined;
      const asked = newestRevision(this.#channel, this.#space);
      this.#asking = asked.catch(() => {});
      return asked;
    });
    const revision = await this.#gathering;
    // An etcd that was put back counts anew.
    if (revision < this.#wanted) this.#wanted = this.#written = 0;
    if (revision > this.#hub.revision) this.#fenceSoon(revision);
    return revision;
  }

  async get(key: string, revision?: number): Promise<KeyValue | undefined> {
    this.#open();
    const at = checkRevision(revision);
    const request = { key: this.#space.encode(key), revision: at };
    const { kvs } = await this.#channel.call(calls.range, request, { repeatable: true });
    return kvs[0] === undefined ? undefined : this.#space.keyValue(kvs[0]);
  }

  async range(start: string, end: string, options: RangeOptions = {}): Promise<RangeResult> {
    this.#open();
    const { limit = 0, countOnly = false } = options;
    const request = {
      ...this.#space.range(start, end),
      limit,
      countOnly,
      revision: checkRevision(options.revision),
    };
    const answer = await this.#channel.call(calls.range, request, { repeatable: true });
    return {
      kvs: answer.kvs.map((kv) => this.#space.keyValue(kv)),
      count: answer.count,
      more: answer.more,
      revision: answer.header?.revision ?? 0,
    };
  }

  async txn(compares: readonly Compare[], ops: readonly Op[]): Promise<TxnResult> {
    this.#open();
    checkTransaction(compares, ops);
    failpoint('store.commit');
    const request = txnRequest(this.#space, compares, ops);
    const answer = await this.#channel.call(calls.txn, request, { repeatable: ops.length === 0 });
    const states = txnStates(this.#space, answer);
    const { succeeded } = answer;
    const revision = answer.header?.revision ?? 0;
    if (succeeded && ops.some((op) => op.type === 'put' && op.key.startsWith('/')))
      this.#written = Math.max(this.#written, revision);
    return { succeeded, revision, current: succeeded ? [] : states, previous: succeeded ? states : [] };
  }

  async watch(options: WatchOptions, onBatch: (batch: WatchBatch) => void): Promise<AsyncDisposable> {
    this.#open();
    const { afterRevision } = options;
    if (afterRevision === 0) {
      // What this process has seen is not what there is.
      return await this.#hub.watch({ ...options, afterRevision: await this.revision() }, onBatch);
    }
    if (afterRevision > 0 && afterRevision < this.#hub.windowAfter)
      return await this.#catchUp(options, onBatch);
    return await this.#hub.watch(options, onBatch);
  }

  async compact(revision: number): Promise<void> {
    this.#open();
    if (checkRevision(revision) === 0) return;
    try {
      await this.#channel.call(calls.compact, { revision }, { repeatable: true });
    } catch (error) {
      // Another server, or an earlier try of this call, has been there.
      if (!isPlatformError(error, 'expired')) throw error;
    }
    this.#hub.compact(revision);
  }

  async grantLease(ttlSeconds: number): Promise<number> {
    this.#open();
    checkTtl(ttlSeconds);
    // Of our choice, because etcd's have 63 bits, more than a number holds.
    const id = 1 + Math.floor(this.#random.next() * (2 ** 48 - 1));
    try {
      await this.#channel.call(calls.grantLease, { id, ttl: ttlSeconds }, { repeatable: true });
    } catch (error) {
      const ours = isPlatformError(error, 'internal') && error.details['repeated'] === true;
      if (!ours || !error.message.includes('lease already exists')) throw error;
    }
    return id;
  }

  async keepAlive(lease: number): Promise<void> {
    this.#open();
    const { ttl } = await this.#keptAlive(lease);
    if (ttl <= 0) throw leaseNotFound(lease);
  }

  async revokeLease(lease: number): Promise<void> {
    this.#open();
    try {
      await this.#channel.call(calls.revokeLease, { id: lease }, { repeatable: true });
    } catch (error) {
      if (!isPlatformError(error, 'not-found')) throw error;
      if (error.details['repeated'] !== true) throw leaseNotFound(lease);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close();
    await this.#closing;
  }

  async #close(): Promise<void> {
    this.#fence?.[Symbol.dispose]();
    this.#hub.close();
    this.#channel[Symbol.dispose]();
    await Promise.all([...this.#catchingUp, this.#feed].map((feed) => feed[Symbol.asyncDispose]()));
  }

  #open(): void {
    if (this.#closing !== undefined) throw closed();
  }

  #publish(batches: readonly WatchBatch[]): void {
    const told = batches.map(withoutFence).filter(({ events }) => events.length > 0);
    if (told.length > 0) this.#hub.publish(told);
    this.#hub.advance(batches.at(-1)!.revision);
  }

  async #lose(error: PlatformError): Promise<number> {
    const revision = await newestRevision(this.#channel, this.#space);
    this.#wanted = this.#written = 0;
    this.#hub.lose(error, revision);
    return revision;
  }

  /** Makes sure that our watch gets to what `revision` has told, soon. */
  #fenceSoon(revision: number): void {
    this.#wanted = Math.max(this.#wanted, revision);
    if (this.#fence !== undefined) return;
    const reached = this.#hub.revision;
    this.#fence = this.#clock.after(FENCE_AFTER_MS, () => {
      this.#fence = undefined;
      // An event of our own transaction comes without help, and while others come this one may be among them.
      if (Math.max(this.#hub.revision, this.#written) >= this.#wanted) return;
      if (this.#hub.revision > reached) this.#fenceSoon(revision);
      else void this.#writeFence();
    });
  }

  /** When it fails, whoever waits is told by its own deadline, and tries again with the next question for the revision. */
  async #writeFence(): Promise<void> {
    const put: Op = { type: 'put', key: FENCE, value: NOTHING };
    const request = txnRequest(this.#space, [], [put]);
    const answer = await this.#channel.call(calls.txn, request, { repeatable: true }).catch(() => undefined);
    this.#written = Math.max(this.#written, answer?.header?.revision ?? 0);
  }

  /** A watch of its own until it has reached the hub's window. Resolves once it is known that it can start. */
  async #catchUp(options: WatchOptions, onBatch: (batch: WatchBatch) => void): Promise<AsyncDisposable> {
    const { signal, afterRevision } = options;
    // etcd itself would start one revision earlier, where the deletions are gone that were made there.
    await this.get('/', afterRevision);
    if (signal?.aborted) throw new PlatformError('cancelled', 'watch: cancelled', { cause: signal.reason });
    let next: Promise<AsyncDisposable> | undefined;
    let over = false;
    const stop = (): void => {
      this.#catchingUp.delete(feed);
      void feed[Symbol.asyncDispose]();
    };
    const close = async (): Promise<void> => {
      over = true;
      signal?.removeEventListener('abort', abort);
      stop();
      await (await next)?.[Symbol.asyncDispose]();
    };
    const abort = (): void => void close();
    const reached = (revision: number): void => {
      if (over || next !== undefined || revision < this.#hub.windowAfter) return;
      // Registered before anything else can be published: nothing waits in between.
      next = this.#hub.watch({ ...options, afterRevision: revision }, onBatch);
      next.catch((error: unknown) => options.onLost?.(asPlatformError(error)));
      stop();
    };
    const feed = new EtcdFeed({
      ...WATCHED,
      channel: this.#channel,
      space: this.#space,
      clock: this.#clock,
      afterRevision,
      newest: () => newestRevision(this.#channel, this.#space),
      onBatches: (batches) => {
        for (const batch of batches) {
          if (over || next !== undefined) return;
          const wanted = restrict(withoutFence(batch), options);
          // A fence is told as progress: after it nothing may come for long.
          if (wanted !== undefined || batch.revision >= this.#hub.windowAfter)
            onBatch(wanted ?? { revision: batch.revision, events: [] });
          reached(batch.revision);
        }
      },
      onProgress: reached,
      onLost: (error) => {
        if (!over) options.onLost?.(error);
        return Promise.resolve(undefined);
      },
    });
    this.#catchingUp.add(feed);
    // When nothing of ours was written last, nothing would come that shows that all has come.
    const nudge = (at: number): void => {
      this.#clock.after(NUDGE_AFTER_MS, () => {
        if (over || next !== undefined || this.#closing !== undefined) return;
        // It may not have been written, and it is looked after until it has come.
        if (feed.revision > at) nudge(feed.revision);
        else void this.#writeFence().then(() => nudge(feed.revision));
      });
    };
    nudge(afterRevision);
    signal?.addEventListener('abort', abort, { once: true });
    return { [Symbol.asyncDispose]: close };
  }

  async #keptAlive(lease: number): Promise<LeaseKeepAliveResponse> {
    const stream = await this.#channel.duplex(calls.keepAlive);
    const { endpoint } = this.#channel;
    try {
      stream.on('error', () => {});
      stream.write({ id: lease });
      for await (const answer of stream as AsyncIterable<LeaseKeepAliveResponse>) return answer;
      throw new PlatformError(
        'unavailable',
        `etcd ${endpoint}: keep-alive: the stream ended without an answer`,
      );
    } catch (error) {
      throw etcdError(error, { what: 'keep-alive', endpoint });
    } finally {
      stream.cancel();
    }
  }
}

/** What of a batch watchers are told. */
function withoutFence(batch: WatchBatch): WatchBatch {
  if (batch.events.every(({ kv }) => kv.key !== FENCE)) return batch;
  return { ...batch, events: batch.events.filter(({ kv }) => kv.key !== FENCE) };
}

function checkRevision(revision: number | undefined): number {
  const at = revision ?? 0;
  if (Number.isSafeInteger(at) && at >= 0) return at;
  throw new PlatformError('invalid', `revision ${at}: want a whole number of at least 0`);
}

function asPlatformError(error: unknown): PlatformError {
  return isPlatformError(error) ? error : new PlatformError('internal', String(error), { cause: error });
}
