import { Worker } from 'node:worker_threads';
import type { Clock } from '../../base/clock.ts';
import { assert, PlatformError } from '../../base/errors.ts';
import { fromWireError } from '../../base/wire-error.ts';
import { workerUrl } from '../../base/worker-url.ts';
import { afterTurn, yieldToLoop } from '../../base/yield-to-loop.ts';
import { sealFile, writeBackup, type BackupSummary } from './backup-file.ts';
import { LeaseTimers } from './lease-timers.ts';
import { checkTransaction, checkTtl, closed, leaseNotFound, MAX_OPS } from './requests.ts';
import {
  packOps,
  unwire,
  unwireAll,
  viewed,
  ValuePacker,
  type BackedUp,
  type Batch,
  type Opened,
  type OpenFailed,
  type Reply,
  type Request,
  type Result,
  type WireState,
} from './sqlite-protocol.ts';
import type {
  Compare,
  KeyValue,
  Op,
  RangeOptions,
  RangeResult,
  Store,
  TxnResult,
  WatchBatch,
  WatchEvent,
  WatchOptions,
} from './store.ts';
import { WatchHub, type OlderBatches } from './watch-hub.ts';

export interface SqliteStore extends Store {
  /** Writes a backup (backup-file.ts) of the store to a new file while everything goes on; resolves when it is on disk. */
  backup(file: string): Promise<BackupSummary>;
}

export interface SqliteStoreOptions {
  /** The database's file; made when it does not exist. One process at a time. */
  readonly path: string;
  readonly clock: Clock;
  /** Failpoints to arm in the worker (base/failpoint.ts). */
  readonly failpoints?: string;
}

/** What the worker allocates is gone with the next reply: it needs no large young generation. */
const YOUNG_MB = 6;

/**
 * So many requests do not wait for the end of the turn, nor for the answer to those before them: the worker is busy with them
 * while the next ones are prepared. To wake it costs as much as to prepare a fifth of a request.
 */
const AHEAD = 16;

const NOTHING = new Uint8Array(0);

/**
 * Opens a store in one file. Errors name the file: `conflict` when another process has it, `internal` when it is
 * damaged, `exhausted` when the disk is full. Values handed in and out are shared: nobody may change them.
 */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<SqliteStore> {
  const { path, clock, failpoints = '' } = options;
  // Node's own flags are the main program's business: some (--input-type) even keep a worker from starting.
  const resourceLimits = { maxYoungGenerationSizeMb: YOUNG_MB };
  const program = workerUrl('sqlite-worker', import.meta.url);
  const worker = new Worker(program, { workerData: { path, failpoints }, execArgv: [], resourceLimits });
  const opened = await new Promise<Opened>((resolve, reject) => {
    worker.once('error', reject);
    worker.once('message', (message: Opened | OpenFailed) => {
      worker.off('error', reject);
      if (message.kind === 'opened') resolve(message);
      else reject(fromWireError(message.error));
    });
  }).catch(async (error: unknown) => {
    await worker.terminate();
    throw error;
  });
  return new WorkerStore(worker, opened, clock);
}

type ResultOf<K extends Result['kind']> = Extract<Result, { kind: K }>;

/** What comes out of a request that committed something: its batches are published before anyone is told. */
interface Outcome {
  readonly value: unknown;
  readonly batches?: readonly WatchBatch[];
}

interface Waiting {
  /** What makes it of the values that go along, where there are some. */
  readonly request: Request | ((packer: ValuePacker) => Request);
  readonly settle: (result: Result, values: Uint8Array) => Outcome;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

class WorkerStore implements SqliteStore {
  readonly #worker: Worker;
  readonly #hub: WatchHub;
  readonly #timers: LeaseTimers;
  #waiting: Waiting[] = [];
  /** The batches that the worker has, oldest first: while it commits, the next one gathers. */
  #inFlight: Waiting[][] = [];
  #flushing = false;
  #closing: Promise<void> | undefined;
  #lastBackup = 0;
  readonly #backups = new Map<number, { resolve: () => void; reject: (error: unknown) => void }>();
  /** Set when the worker has died: an error of ours, or out of memory. */
  #failed: PlatformError | undefined;

  constructor(worker: Worker, opened: Opened, clock: Clock) {
    this.#worker = worker;
    this.#hub = new WatchHub({
      revision: opened.revision,
      compacted: opened.compacted,
      // The API server's cache has a window of its own; what is older is on disk.
      windowEvents: 5000,
      windowBytes: 4 * 1024 * 1024,
      loadOlder: (range) => this.#loadOlder(range),
    });
    this.#timers = new LeaseTimers(clock, (lease) => this.revokeLease(lease));
    for (const [id, ttl] of opened.leases) this.#timers.start(id, ttl);
    worker.on('message', (message: Reply | BackedUp) => {
      if (message.kind === 'reply') this.#receive(message);
      else this.#endBackup(message);
    });
    worker.on('error', (error) => this.#fail(error));
    worker.on('exit', (code) => this.#fail(new Error(`the store's worker ended with code ${code}`)));
  }

  async revision(): Promise<number> {
    if (this.#closing !== undefined) throw closed();
    return this.#hub.revision;
  }

  async get(key: string, revision?: number): Promise<KeyValue | undefined> {
    return this.#ask({ kind: 'get', key, revision: revision ?? 0 }, (result, values) => {
      const { state } = result as ResultOf<'get'>;
      return { value: state === undefined ? undefined : unwire(state, values) };
    });
  }

  async range(start: string, end: string, options: RangeOptions = {}): Promise<RangeResult> {
    const { revision = 0, limit = 0, countOnly = false } = options;
    const request = { kind: 'range', start, end, revision, limit, countOnly } as const;
    const found = await this.#ask<Found>(request, (result, values) => ({
      value: { ...(result as ResultOf<'range'>), values },
    }));
    return {
      kvs: await unwireInSlices(found.states, found.values),
      count: found.count,
      more: found.more,
      revision: found.revision,
    };
  }

  async txn(compares: readonly Compare[], ops: readonly Op[]): Promise<TxnResult> {
    checkTransaction(compares, ops);
    const pack = (packer: ValuePacker): Request => ({
      kind: 'txn',
      compares,
      ops: packOps(ops, packer),
    });
    return await this.#ask(pack, (result, values) => transacted(ops, result as ResultOf<'txn'>, values));
  }

  watch(options: WatchOptions, onBatch: (batch: WatchBatch) => void): Promise<AsyncDisposable> {
    return this.#hub.watch(options, onBatch);
  }

  async compact(revision: number): Promise<void> {
    await this.#ask({ kind: 'compact', revision }, () => {
      this.#hub.compact(revision);
      return { value: undefined };
    });
  }

  async grantLease(ttlSeconds: number): Promise<number> {
    checkTtl(ttlSeconds);
    return this.#ask({ kind: 'grant', ttlSeconds }, (result) => {
      const { lease } = result as ResultOf<'grant'>;
      this.#timers.start(lease, ttlSeconds);
      return { value: lease };
    });
  }

  async keepAlive(lease: number): Promise<void> {
    if (this.#closing !== undefined) throw closed();
    if (!this.#timers.renew(lease)) throw leaseNotFound(lease);
  }

  async revokeLease(lease: number): Promise<void> {
    await this.#ask({ kind: 'revoke', lease }, (result, values) => {
      this.#timers.stop(lease);
      return { value: undefined, batches: revoked(result as ResultOf<'revoke'>, values) };
    });
  }

  async backup(file: string): Promise<BackupSummary> {
    const bytes = await writeBackup(file, async (temporary) => {
      const id = ++this.#lastBackup;
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      this.#backups.set(id, { resolve, reject });
      promise.catch(() => {});
      await this.#ask({ kind: 'backup', id, path: temporary }, () => ({ value: undefined }));
      await promise;
      await sealFile(temporary);
    });
    return { kind: 'sqlite', bytes };
  }

  /** Commits what waits, then closes the file. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close();
    await this.#closing;
  }

  async #close(): Promise<void> {
    this.#timers[Symbol.dispose]();
    const exited = new Promise<void>((resolve) => this.#worker.once('exit', () => resolve()));
    if (this.#failed === undefined) {
      const done = this.#ask({ kind: 'close' }, () => ({ value: undefined }));
      await done.catch(() => this.#worker.terminate());
      await exited;
    }
    this.#hub.close();
  }

  async #loadOlder(range: { start: string; end: string; afterRevision: number }): Promise<OlderBatches> {
    return this.#ask({ kind: 'history', ...range }, (result, values) => {
      const { events, through } = result as ResultOf<'history'>;
      const batches: { revision: number; events: WatchEvent[] }[] = [];
      for (const { state, previous } of events) {
        const kv = viewed(state, values);
        if (batches.at(-1)?.revision !== kv.modRevision)
          batches.push({ revision: kv.modRevision, events: [] });
        batches.at(-1)!.events.push({
          type: kv.version === 0 ? 'delete' : 'put',
          kv,
          previous: previous === undefined ? undefined : viewed(previous, values),
        });
      }
      return { value: { batches, through } };
    });
  }

  #ask<T>(request: Waiting['request'], settle: (result: Result, values: Uint8Array) => Outcome): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#closing !== undefined) return reject(closed());
      if (this.#failed !== undefined) return reject(this.#failed);
      this.#waiting.push({ request, settle, resolve: resolve as (value: unknown) => void, reject });
      if (this.#waiting.length === AHEAD) process.nextTick(() => this.#flush());
      else this.#flushSoon();
    });
  }

  /** After everyone who is about to write has had the chance to: they share a message and a commit. */
  #flushSoon(): void {
    if (this.#flushing || !this.#isDue) return;
    this.#flushing = true;
    afterTurn(() => {
      this.#flushing = false;
      this.#flush();
    });
  }

  /** The worker has nothing to do, or would have nothing to do before long. */
  get #isDue(): boolean {
    const { length } = this.#waiting;
    return length >= AHEAD || (length > 0 && this.#inFlight.length === 0);
  }

  #flush(): void {
    if (!this.#isDue || this.#failed !== undefined) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    const packer = new ValuePacker();
    const requests = waiting.map(({ request }) =>
      typeof request === 'function' ? request(packer) : request,
    );
    const values = packer.pack();
    this.#inFlight.push(waiting);
    this.#worker.postMessage({ requests, values } satisfies Batch, [values.buffer]);
  }

  #receive(reply: Reply): void {
    const waiting = this.#inFlight.shift();
    assert(waiting !== undefined && waiting.length === reply.results.length, 'one result for each request');
    const batches: WatchBatch[] = [];
    const tell: (() => void)[] = [];
    waiting.forEach(({ settle, resolve, reject }, i) => {
      const result = reply.results[i]!;
      if (result.kind === 'error') {
        const error = fromWireError(result.error);
        tell.push(() => reject(error));
        return;
      }
      const outcome = settle(result, reply.values);
      if (outcome.batches !== undefined) batches.push(...outcome.batches);
      tell.push(() => resolve(outcome.value));
    });
    this.#hub.publish(batches);
    for (const call of tell) call();
    this.#flushSoon();
  }

  #endBackup({ id, error }: BackedUp): void {
    const waiting = this.#backups.get(id);
    this.#backups.delete(id);
    if (error === undefined) waiting?.resolve();
    else waiting?.reject(fromWireError(error));
  }

  #fail(cause: unknown): void {
    this.#failed ??= new PlatformError('internal', 'the store has stopped', {
      cause,
      hint: 'restart; what was acknowledged is on disk',
    });
    const left = [...this.#inFlight.flat(), ...this.#waiting];
    this.#inFlight = [];
    this.#waiting = [];
    for (const { reject } of [...left, ...this.#backups.values()]) reject(this.#failed);
    this.#backups.clear();
  }
}

type Found = ResultOf<'range'> & { readonly values: Uint8Array };

/** Bytes that are copied before others have a turn. */
const COPIED_AT_ONCE = 512 * 1024;

async function unwireInSlices(states: readonly WireState[], values: Uint8Array): Promise<KeyValue[]> {
  const kvs: KeyValue[] = [];
  let copied = 0;
  for (const state of states) {
    const kv = unwire(state, values);
    kvs.push(kv);
    copied += kv.value.length;
    if (copied < COPIED_AT_ONCE) continue;
    copied = 0;
    await yieldToLoop();
  }
  return kvs;
}

function transacted(ops: readonly Op[], result: ResultOf<'txn'>, values: Uint8Array): Outcome {
  const states = unwireAll(result.states, values);
  const { succeeded, revision } = result;
  if (!succeeded)
    return { value: { succeeded, revision, current: states, previous: [] } satisfies TxnResult };
  const events: WatchEvent[] = [];
  ops.forEach((op, i) => {
    const written = result.written[i];
    if (written === undefined) return;
    const isPut = op.type === 'put';
    const kv: KeyValue = {
      key: op.key,
      value: isPut ? op.value : NOTHING,
      createRevision: written[0],
      modRevision: revision,
      version: written[1],
      lease: isPut ? (op.lease ?? 0) : 0,
    };
    events.push({ type: op.type, kv, previous: states[i] });
  });
  const value: TxnResult = { succeeded, revision, current: [], previous: states };
  return events.length === 0 ? { value } : { value, batches: [{ revision, events }] };
}

function revoked({ revision, deleted }: ResultOf<'revoke'>, values: Uint8Array): WatchBatch[] {
  const batches: WatchBatch[] = [];
  const count = Math.ceil(deleted.length / MAX_OPS);
  for (let n = 0; n < count; n++) {
    const at = revision - count + 1 + n;
    const states = unwireAll(deleted.slice(n * MAX_OPS, (n + 1) * MAX_OPS), values);
    const events = states.map((previous): WatchEvent => {
      const kv = {
        key: previous.key,
        value: NOTHING,
        createRevision: 0,
        modRevision: at,
        version: 0,
        lease: 0,
      };
      return { type: 'delete', kv, previous };
    });
    batches.push({ revision: at, events });
  }
  return batches;
}
