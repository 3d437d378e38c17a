/**
 * The store contract: etcd's data model (https://etcd.io/docs/v3.5/learning/data_model/), as far as an API server
 * uses it. One revision counter for the whole store; every committed transaction that writes takes one revision.
 *
 * Keys are strings compared by UTF-8 bytes; values are opaque bytes. Ranges are [start, end).
 * Every implementation passes `storeSuite` (store-suite.ts).
 */
import type { PlatformError } from '../../base/errors.ts';

export interface KeyValue {
  readonly key: string;
  readonly value: Uint8Array;
  /** Revision of the write that created the key (since its last deletion). */
  readonly createRevision: number;
  /** Revision of the last write. */
  readonly modRevision: number;
  /** Number of writes since creation, the first being 1. */
  readonly version: number;
  /** Lease that the key is attached to, 0 for none. */
  readonly lease: number;
}

export interface RangeOptions {
  /** Read as of this revision; 0 or absent reads the newest. `expired` when compacted, `invalid` when in the future. */
  readonly revision?: number;
  /** At most this many keys; `more` says whether some were left. */
  readonly limit?: number;
  /** Only count. */
  readonly countOnly?: boolean;
}

export interface RangeResult {
  readonly kvs: readonly KeyValue[];
  /** Keys in the whole range, whatever the limit. */
  readonly count: number;
  readonly more: boolean;
  /** The store's newest revision when the range was read. */
  readonly revision: number;
}

/** True when the key's newest modRevision equals `modRevision`; 0 means that the key must not exist. */
export interface Compare {
  readonly key: string;
  readonly modRevision: number;
}

export type Op =
  | { readonly type: 'put'; readonly key: string; readonly value: Uint8Array; readonly lease?: number }
  | { readonly type: 'delete'; readonly key: string };

export interface TxnResult {
  readonly succeeded: boolean;
  /** The revision of this transaction when it wrote, else the store's newest. */
  readonly revision: number;
  /** When not succeeded: the present state of each compared key (undefined where it does not exist). */
  readonly current: readonly (KeyValue | undefined)[];
  /** When succeeded: the state before the transaction of each key that an op touched. */
  readonly previous: readonly (KeyValue | undefined)[];
}

export interface WatchEvent {
  readonly type: 'put' | 'delete';
  /** The key's new state; for a delete: its key with an empty value and the delete's revision as modRevision. */
  readonly kv: KeyValue;
  readonly previous: KeyValue | undefined;
}

/** Events of one revision always come in one batch, batches in order of revision; `events` is empty for progress. */
export interface WatchBatch {
  /** Every event up to and including this revision has been delivered. */
  readonly revision: number;
  readonly events: readonly WatchEvent[];
}

export interface WatchOptions {
  readonly start: string;
  readonly end: string;
  /** Deliver everything after this revision (exclusive); 0 means from now on. `expired` when compacted. */
  readonly afterRevision: number;
  readonly signal?: AbortSignal;
  /**
   * Called once when the watch cannot go on, and nothing is delivered after it: `expired` when history that it had not
   * delivered yet was compacted, or the store behind it put back. Who watches lists and watches anew.
   */
  readonly onLost?: (error: PlatformError) => void;
}

export interface Store extends AsyncDisposable {
  /** The newest committed revision; before the first write 0, or what the store counts from (etcd: 1). */
  revision(): Promise<number>;
  get(key: string, revision?: number): Promise<KeyValue | undefined>;
  range(start: string, end: string, options?: RangeOptions): Promise<RangeResult>;
  /**
   * Applies `ops` at one revision when every comparison holds, else changes nothing. Durable once resolved. It is never
   * made twice by the store. When it rejects it has not happened, with one exception: an error `timeout` with
   * `details.outcome` "unknown" (the connection broke before the answer) says that it may have happened, or may yet.
   */
  txn(compares: readonly Compare[], ops: readonly Op[]): Promise<TxnResult>;
  /** Calls `onBatch` in order; resolves once the watch is registered. Throws `expired` when it cannot start. */
  watch(options: WatchOptions, onBatch: (batch: WatchBatch) => void): Promise<AsyncDisposable>;
  /** Forgets history before `revision` (the newest state of each key at `revision` stays readable). */
  compact(revision: number): Promise<void>;
  /** Grants a lease of `ttlSeconds`; its keys are deleted when it runs out. Returns its id (> 0). */
  grantLease(ttlSeconds: number): Promise<number>;
  /** Starts the lease's time anew; `not-found` when it has run out. */
  keepAlive(lease: number): Promise<void>;
  revokeLease(lease: number): Promise<void>;
}

/** The end of the range that holds every key with this prefix. */
export function prefixEnd(prefix: string): string {
  const last = prefix.codePointAt(prefix.length - 1) ?? 0;
  return prefix.slice(0, -1) + String.fromCodePoint(last + 1);
}
