/** etcd's calls that the store makes, and what goes into them and comes out. */
import type { Method } from './etcd-channel.ts';
import * as wire from './generated/etcd.ts';
import type { Compare, KeyValue, Op, WatchBatch, WatchEvent } from './store.ts';

export const calls = {
  range: method('KV/Range', wire.encodeRangeRequest, wire.decodeRangeResponse),
  txn: method('KV/Txn', wire.encodeTxnRequest, wire.decodeTxnResponse),
  compact: method('KV/Compact', wire.encodeCompactionRequest, wire.decodeCompactionResponse),
  watch: method('Watch/Watch', wire.encodeWatchRequest, wire.decodeWatchResponse),
  grantLease: method('Lease/LeaseGrant', wire.encodeLeaseGrantRequest, wire.decodeLeaseGrantResponse),
  revokeLease: method('Lease/LeaseRevoke', wire.encodeLeaseRevokeRequest, wire.decodeLeaseRevokeResponse),
  keepAlive: method(
    'Lease/LeaseKeepAlive',
    wire.encodeLeaseKeepAliveRequest,
    wire.decodeLeaseKeepAliveResponse,
  ),
  snapshot: method('Maintenance/Snapshot', wire.encodeSnapshotRequest, wire.decodeSnapshotResponse),
  status: method('Maintenance/Status', wire.encodeStatusRequest, wire.decodeStatusResponse),
} as const;

function method<Q, R>(
  path: string,
  encode: (request: Q) => ReturnType<typeof wire.encodeRangeRequest>,
  decode: (bytes: Uint8Array) => R,
): Method<Q, R> {
  // Not handed on as they are: their second parameters are not for the caller.
  return {
    path: `/etcdserverpb.${path}`,
    encode: (request) => encode(request),
    decode: (bytes) => decode(bytes),
  };
}

/** Compare.CompareResult and Compare.CompareTarget. */
const EQUAL = 0;
const MOD = 2;
/** Event.EventType. */
export const DELETE = 1;

const NOTHING = new Uint8Array(0);

/** Keys as the store's callers name them, under a prefix of ours in etcd. */
export class KeySpace {
  readonly #prefix: string;
  readonly #prefixBytes: number;

  constructor(prefix: string) {
    this.#prefix = prefix;
    this.#prefixBytes = Buffer.byteLength(prefix);
  }

  encode(key: string): Uint8Array {
    return Buffer.from(this.#prefix + key);
  }

  decode(bytes: Uint8Array): string {
    return Buffer.from(
      bytes.buffer,
      bytes.byteOffset + this.#prefixBytes,
      bytes.length - this.#prefixBytes,
    ).toString();
  }

  /** etcd takes no empty key: the first one there can be stands for it. */
  range(start: string, end: string): { readonly key: Uint8Array; readonly rangeEnd: Uint8Array } {
    const key = this.encode(start);
    return { key: key.length === 0 ? Buffer.of(0) : key, rangeEnd: this.encode(end) };
  }

  /** The value is a copy, so that it does not keep the whole answer in memory. */
  keyValue(kv: wire.KeyValue): KeyValue {
    return {
      key: this.decode(kv.key),
      value: new Uint8Array(kv.value),
      createRevision: kv.createRevision,
      modRevision: kv.modRevision,
      version: kv.version,
      lease: kv.lease,
    };
  }
}

/** The transaction whose answer `txnStates` reads: when refused, it reads what was compared. */
export function txnRequest(
  space: KeySpace,
  compares: readonly Compare[],
  ops: readonly Op[],
): wire.TxnRequest {
  return {
    compare: compares.map(({ key, modRevision }) => ({
      key: space.encode(key),
      target: MOD,
      result: EQUAL,
      modRevision,
    })),
    success: ops.map((op) => {
      const key = space.encode(op.key);
      if (op.type === 'delete') return { requestDeleteRange: { key, prevKv: true } };
      return { requestPut: { key, value: op.value, lease: op.lease ?? 0, prevKv: true } };
    }),
    failure: compares.map(({ key }) => ({ requestRange: { key: space.encode(key) } })),
  };
}

/** Of each compared key when refused, of each op's key before the transaction when done. */
export function txnStates(space: KeySpace, { responses }: wire.TxnResponse): (KeyValue | undefined)[] {
  return responses.map((one) => {
    const { responseRange, responsePut, responseDeleteRange } = one;
    const kv = responseRange?.kvs[0] ?? responsePut?.prevKv ?? responseDeleteRange?.prevKvs[0];
    return kv === undefined ? undefined : space.keyValue(kv);
  });
}

/** Events by revision, as they come: a revision is never cut in two. */
export function batchesOf(space: KeySpace, events: readonly wire.Event[]): WatchBatch[] {
  const batches: { revision: number; events: WatchEvent[] }[] = [];
  for (const { type, kv, prevKv } of events) {
    if (kv === undefined) continue;
    const revision = kv.modRevision;
    if (batches.at(-1)?.revision !== revision) batches.push({ revision, events: [] });
    const state =
      type === DELETE
        ? {
            key: space.decode(kv.key),
            value: NOTHING,
            createRevision: 0,
            modRevision: revision,
            version: 0,
            lease: 0,
          }
        : space.keyValue(kv);
    batches.at(-1)!.events.push({
      type: type === DELETE ? 'delete' : 'put',
      kv: state,
      previous: prevKv === undefined ? undefined : space.keyValue(prevKv),
    });
  }
  return batches;
}
