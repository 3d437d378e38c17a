/** A store whose values lie in another form in the store behind it. */
import { isPlatformError, PlatformError } from '../../base/errors.ts';
import { prefixEnd, type KeyValue, type Op, type Store, type WatchBatch } from './store.ts';

export interface ValueTransform {
  readonly toStore: (key: string, value: Uint8Array) => Uint8Array;
  /** Throws a PlatformError that names the key. */
  readonly fromStore: (key: string, value: Uint8Array) => Uint8Array;
  /** True when `toStore` would write the value in another form than it lies there. */
  readonly isStale: (key: string, stored: Uint8Array) => boolean;
}

/** Disposing it disposes `inner`. */
export function transformStore(inner: Store, transform: ValueTransform): Store {
  const read = (kv: KeyValue): KeyValue => {
    const value = transform.fromStore(kv.key, kv.value);
    return value === kv.value ? kv : { ...kv, value };
  };
  const readSome = (kv: KeyValue | undefined): KeyValue | undefined => kv && read(kv);
  /** Of a transaction that has happened: what cannot be read is handed on as it lies, for it must not fail any more. */
  const readReplaced = (kv: KeyValue | undefined): KeyValue | undefined => {
    try {
      return readSome(kv);
    } catch {
      return kv;
    }
  };
  const readBatch = (batch: WatchBatch): WatchBatch => ({
    revision: batch.revision,
    events: batch.events.map((event) => ({
      type: event.type,
      kv: event.type === 'delete' ? event.kv : read(event.kv),
      previous: readSome(event.previous),
    })),
  });
  return {
    revision: () => inner.revision(),
    async get(key, revision) {
      return readSome(await inner.get(key, revision));
    },
    async range(start, end, options) {
      const result = await inner.range(start, end, options);
      return { ...result, kvs: result.kvs.map(read) };
    },
    async txn(compares, ops) {
      const written = ops.map((op): Op =>
        op.type === 'put' ? { ...op, value: transform.toStore(op.key, op.value) } : op,
      );
      const result = await inner.txn(compares, written);
      return {
        ...result,
        current: result.current.map(readSome),
        previous: result.previous.map(readReplaced),
      };
    },
    async watch(options, onBatch) {
      let lost = false;
      const watch = await inner.watch(options, (batch) => {
        if (lost) return;
        let seen: WatchBatch;
        try {
          seen = batch.events.length === 0 ? batch : readBatch(batch);
        } catch (error) {
          // What comes after a value that cannot be read would be taken for the whole.
          lost = true;
          options.onLost?.(
            isPlatformError(error) ? error : new PlatformError('internal', String(error), { cause: error }),
          );
          return;
        }
        onBatch(seen);
      });
      return watch;
    },
    compact: (revision) => inner.compact(revision),
    grantLease: (ttlSeconds) => inner.grantLease(ttlSeconds),
    keepAlive: (lease) => inner.keepAlive(lease),
    revokeLease: (lease) => inner.revokeLease(lease),
    [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
  };
}

const PAGE = 200;

/**
 * Writes anew what lies in an older form under `prefix`: after a change of keys, so that the old one can go. Whoever writes
 * one of the objects meanwhile has written it in the new form. Returns how many were written.
 */
export async function rewriteStale(
  inner: Store,
  transform: ValueTransform,
  { prefix, signal }: { readonly prefix: string; readonly signal?: AbortSignal },
): Promise<number> {
  let rewritten = 0;
  for (let start = prefix; ;) {
    if (signal?.aborted) return rewritten;
    const { kvs, more } = await inner.range(start, prefixEnd(prefix), { limit: PAGE });
    for (const { key, value, modRevision, lease } of kvs) {
      if (!transform.isStale(key, value)) continue;
      const fresh = transform.toStore(key, transform.fromStore(key, value));
      const result = await inner.txn([{ key, modRevision }], [{ type: 'put', key, value: fresh, lease }]);
      if (result.succeeded) rewritten++;
    }
    const last = kvs.at(-1);
    if (!more || last === undefined) return rewritten;
    start = `${last.key}\0`;
  }
}
