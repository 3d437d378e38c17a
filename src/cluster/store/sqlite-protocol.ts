/**
 * What the main thread and SQLite's worker say to each other. Values travel in one buffer a message, which changes
 * hands instead of being copied: a structured clone of a small view would copy the whole buffer behind it.
 *
 *   main                                worker
 *     |   workerData { path }             |
 *     |<-------- opened | failed ---------|   revision, compacted, leases
 *     |-- Batch { requests, values } ---->|   another one follows when there is no other, or when it is worth it
 *     |<-- Reply { results, values } -----|   one result for each request, after one commit for all batches that have come
 *     |-- Batch with `backup` ----------->|
 *     |<-- Reply, at once ----------------|
 *     |      batches and replies go on    |
 *     |<-- BackedUp ----------------------|
 *     |-- Batch with `close` ------------>|
 *     |<-- Reply, then exit --------------|
 */
import type { WireError } from '../../base/wire-error.ts';
import type { Compare, KeyValue, Op } from './store.ts';

/** [offset, length] in the message's values. */
export type Slice = readonly [at: number, length: number];

/** A KeyValue on the wire: key, offset, length, createRevision, modRevision, version, lease. */
export type WireState = readonly [string, number, number, number, number, number, number];

/** A put has a slice and a lease; a deletion only its key. */
export type WireOp =
  | readonly [key: string, at: number, length: number, lease: number]
  | readonly [key: string];

export type Request =
  | { readonly kind: 'txn'; readonly compares: readonly Compare[]; readonly ops: readonly WireOp[] }
  | ({ readonly kind: 'range'; readonly start: string; readonly end: string } & RangeFields)
  | { readonly kind: 'get'; readonly key: string; readonly revision: number }
  | { readonly kind: 'history'; readonly start: string; readonly end: string; readonly afterRevision: number }
  | { readonly kind: 'compact'; readonly revision: number }
  | { readonly kind: 'grant'; readonly ttlSeconds: number }
  | { readonly kind: 'revoke'; readonly lease: number }
  | { readonly kind: 'backup'; readonly id: number; readonly path: string }
  | { readonly kind: 'close' };

interface RangeFields {
  readonly revision: number;
  readonly limit: number;
  readonly countOnly: boolean;
}

export interface WireEvent {
  readonly state: WireState;
  readonly previous: WireState | undefined;
}

export type Result =
  | {
      readonly kind: 'txn';
      readonly succeeded: boolean;
      readonly revision: number;
      /** Of each compared key when not succeeded, of each op's key when succeeded. */
      readonly states: readonly (WireState | undefined)[];
      /** For each op: the key's new createRevision and version (0 for a deletion), undefined when nothing changed. */
      readonly written: readonly (readonly [created: number, version: number] | undefined)[];
    }
  | {
      readonly kind: 'range';
      readonly states: readonly WireState[];
      readonly count: number;
      readonly more: boolean;
      readonly revision: number;
    }
  | { readonly kind: 'get'; readonly state: WireState | undefined }
  | { readonly kind: 'history'; readonly events: readonly WireEvent[]; readonly through: number }
  | { readonly kind: 'compact' }
  | { readonly kind: 'grant'; readonly lease: number }
  | {
      readonly kind: 'revoke';
      readonly revision: number;
      readonly deleted: readonly WireState[];
    }
  | { readonly kind: 'backup' }
  | { readonly kind: 'close' }
  | { readonly kind: 'error'; readonly error: WireError };

export interface Batch {
  readonly requests: readonly Request[];
  readonly values: Uint8Array;
}

export interface Reply {
  readonly kind: 'reply';
  readonly results: readonly Result[];
  readonly values: Uint8Array;
}

/** A backup that was begun has ended. */
export interface BackedUp {
  readonly kind: 'backed-up';
  readonly id: number;
  readonly error: WireError | undefined;
}

export interface Opened {
  readonly kind: 'opened';
  readonly revision: number;
  readonly compacted: number;
  /** [id, ttl in seconds] of each lease. */
  readonly leases: readonly (readonly [number, number])[];
}

export interface OpenFailed {
  readonly kind: 'failed';
  readonly error: WireError;
}

/** Gathers values for one message. */
export class ValuePacker {
  readonly #parts: Uint8Array[] = [];
  #length = 0;

  add(value: Uint8Array): Slice {
    const at = this.#length;
    this.#parts.push(value);
    this.#length += value.length;
    return [at, value.length];
  }

  /** One buffer of its own, to be transferred. */
  pack(): Uint8Array<ArrayBuffer> {
    const packed = Buffer.allocUnsafeSlow(this.#length);
    let at = 0;
    for (const part of this.#parts) {
      packed.set(part, at);
      at += part.length;
    }
    return packed;
  }
}

/** Their values go into one message: each would otherwise be a buffer that has to change hands. */
export function packOps(ops: readonly Op[], packer: ValuePacker): WireOp[] {
  return ops.map((op) => (op.type === 'put' ? [op.key, ...packer.add(op.value), op.lease ?? 0] : [op.key]));
}

/** With parts of `values`, not copies. */
export function unpackOps(ops: readonly WireOp[], values: Uint8Array): Op[] {
  return ops.map((op) => {
    if (op.length === 1) return { type: 'delete', key: op[0] };
    const [key, at, length, lease] = op;
    return { type: 'put', key, value: values.subarray(at, at + length), lease };
  });
}

/** A KeyValue with a copy of its value, so that it does not keep the whole message in memory. */
export function unwire(state: WireState, values: Uint8Array): KeyValue {
  const [, at, length] = state;
  return stateOf(state, values.slice(at, at + length));
}

/** A KeyValue whose value is a part of the message: for what is looked at and let go. */
export function viewed(state: WireState, values: Uint8Array): KeyValue {
  const [, at, length] = state;
  return stateOf(state, values.subarray(at, at + length));
}

/** So many values are not worth a buffer for each. */
const MANY_STATES = 64;

/** Those of one request. Many of them, which lie side by side, are copied as one: they live about equally long. */
export function unwireAll(states: readonly WireState[], values: Uint8Array): KeyValue[];
export function unwireAll(
  states: readonly (WireState | undefined)[],
  values: Uint8Array,
): (KeyValue | undefined)[];
export function unwireAll(
  states: readonly (WireState | undefined)[],
  values: Uint8Array,
): (KeyValue | undefined)[] {
  if (states.length < MANY_STATES) return states.map((state) => state && unwire(state, values));
  const there = states.filter((state) => state !== undefined);
  const [first, last] = [there[0], there.at(-1)];
  if (first === undefined || last === undefined) return states.map(() => undefined);
  const [from, end] = [first[1], last[1] + last[2]];
  const own = values.slice(from, end);
  return states.map((state) => {
    if (state === undefined) return undefined;
    const [, at, length] = state;
    return stateOf(state, own.subarray(at - from, at - from + length));
  });
}

function stateOf(
  [key, , , createRevision, modRevision, version, lease]: WireState,
  value: Uint8Array,
): KeyValue {
  return { key, value, createRevision, modRevision, version, lease };
}
