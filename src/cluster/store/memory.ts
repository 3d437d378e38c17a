import type { Clock } from '../../base/clock.ts';
import { failpoint } from '../../base/failpoint.ts';
import { KeyIndex } from './key-index.ts';
import { LeaseTimers } from './lease-timers.ts';
import {
  checkCompaction,
  checkTransaction,
  checkTtl,
  closed,
  leaseNotFound,
  MAX_OPS,
  readRevision,
} from './requests.ts';
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
import { WatchHub } from './watch-hub.ts';

/** A store that forgets everything when it is closed: for tests and the simulator. */
export function openMemoryStore(options: { readonly clock: Clock }): Promise<Store> {
  return Promise.resolve(new MemoryStore(options.clock));
}

const NOTHING = new Uint8Array(0);

interface Entry {
  readonly key: string;
  /** By modRevision, oldest first, never empty; a deletion has version 0. */
  versions: KeyValue[];
}

class MemoryStore implements Store {
  readonly #index = new KeyIndex<Entry>();
  readonly #hub: WatchHub;
  readonly #timers: LeaseTimers;
  readonly #leases = new Map<number, Set<string>>();
  #revision = 0;
  #compacted = 0;
  #lastLease = 0;
  #closed = false;

  constructor(clock: Clock) {
    this.#timers = new LeaseTimers(clock, (lease) => this.revokeLease(lease));
    this.#hub = new WatchHub({
      revision: 0,
      compacted: 0,
      windowEvents: Infinity,
      windowBytes: Infinity,
      // The window is the whole history: only what is compacted lies before it.
      loadOlder: ({ afterRevision }) => Promise.resolve({ batches: [], through: afterRevision }),
    });
  }

  async revision(): Promise<number> {
    this.#open();
    return this.#revision;
  }

  async get(key: string, revision?: number): Promise<KeyValue | undefined> {
    this.#open();
    const at = readRevision(revision, this.#revision, this.#compacted);
    return stateAt(this.#index.get(key), at);
  }

  async range(start: string, end: string, options: RangeOptions = {}): Promise<RangeResult> {
    this.#open();
    const at = readRevision(options.revision, this.#revision, this.#compacted);
    const limit = options.limit ?? 0;
    const kvs: KeyValue[] = [];
    let count = 0;
    for (const entry of this.#index.range(start, end)) {
      const state = stateAt(entry, at);
      if (state === undefined) continue;
      count++;
      if (options.countOnly !== true && (limit === 0 || kvs.length < limit)) kvs.push(state);
    }
    return { kvs, count, more: options.countOnly !== true && count > kvs.length, revision: this.#revision };
  }

  async txn(compares: readonly Compare[], ops: readonly Op[]): Promise<TxnResult> {
    this.#open();
    checkTransaction(compares, ops);
    const current = compares.map((compare) => this.#newest(compare.key));
    if (compares.some((compare, i) => (current[i]?.modRevision ?? 0) !== compare.modRevision)) {
      return { succeeded: false, revision: this.#revision, current, previous: [] };
    }
    for (const op of ops) {
      const lease = op.type === 'put' ? (op.lease ?? 0) : 0;
      if (lease !== 0 && !this.#leases.has(lease)) throw leaseNotFound(lease);
    }
    failpoint('store.commit');
    return this.#apply(ops);
  }

  watch(options: WatchOptions, onBatch: (batch: WatchBatch) => void): Promise<AsyncDisposable> {
    return this.#hub.watch(options, onBatch);
  }

  async compact(revision: number): Promise<void> {
    this.#open();
    checkCompaction(revision, this.#revision);
    if (revision <= this.#compacted) return;
    this.#compacted = revision;
    for (const entry of [...this.#index.range('', '\u{10ffff}')]) {
      const newest = entry.versions.findLastIndex((version) => version.modRevision <= revision);
      if (newest < 0) continue;
      const kept = entry.versions.slice(entry.versions[newest]!.version === 0 ? newest + 1 : newest);
      if (kept.length === 0) this.#index.delete(entry.key);
      else entry.versions = kept;
    }
    this.#hub.compact(revision);
  }

  async grantLease(ttlSeconds: number): Promise<number> {
    this.#open();
    checkTtl(ttlSeconds);
    const lease = ++this.#lastLease;
    this.#leases.set(lease, new Set());
    this.#timers.start(lease, ttlSeconds);
    return lease;
  }

  async keepAlive(lease: number): Promise<void> {
    this.#open();
    if (!this.#timers.renew(lease)) throw leaseNotFound(lease);
  }

  async revokeLease(lease: number): Promise<void> {
    this.#open();
    const keys = this.#leases.get(lease);
    if (keys === undefined) throw leaseNotFound(lease);
    this.#timers.stop(lease);
    const ops = [...keys].map((key): Op => ({ type: 'delete', key }));
    for (let i = 0; i < ops.length; i += MAX_OPS) this.#apply(ops.slice(i, i + MAX_OPS));
    this.#leases.delete(lease);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#timers[Symbol.dispose]();
    this.#hub.close();
  }

  #apply(ops: readonly Op[]): TxnResult {
    const revision = this.#revision + 1;
    const previous: (KeyValue | undefined)[] = [];
    const events: WatchEvent[] = [];
    for (const op of ops) {
      const before = this.#newest(op.key);
      previous.push(before);
      if (op.type === 'delete' && before === undefined) continue;
      const kv: KeyValue = {
        key: op.key,
        value: op.type === 'put' ? op.value : NOTHING,
        createRevision: op.type === 'put' ? (before?.createRevision ?? revision) : 0,
        modRevision: revision,
        version: op.type === 'put' ? (before?.version ?? 0) + 1 : 0,
        lease: op.type === 'put' ? (op.lease ?? 0) : 0,
      };
      const entry = this.#index.get(op.key);
      if (entry === undefined) this.#index.set({ key: op.key, versions: [kv] });
      else entry.versions.push(kv);
      if (before !== undefined) this.#leases.get(before.lease)?.delete(op.key);
      this.#leases.get(kv.lease)?.add(op.key);
      events.push({ type: op.type, kv, previous: before });
    }
    if (events.length === 0) return { succeeded: true, revision: this.#revision, current: [], previous };
    this.#revision = revision;
    this.#hub.publish([{ revision, events }]);
    return { succeeded: true, revision, current: [], previous };
  }

  #newest(key: string): KeyValue | undefined {
    return stateAt(this.#index.get(key), this.#revision);
  }

  #open(): void {
    if (this.#closed) throw closed();
  }
}

function stateAt(entry: Entry | undefined, revision: number): KeyValue | undefined {
  const state = entry?.versions.findLast((version) => version.modRevision <= revision);
  return state === undefined || state.version === 0 ? undefined : state;
}
