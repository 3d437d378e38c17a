/** The worker thread of the SQLite store: one batch of requests in, one commit, one reply out. */
import { MessageChannel, parentPort, workerData } from 'node:worker_threads';
import { armFailpoints } from '../../base/failpoint.ts';
import { assert, isPlatformError } from '../../base/errors.ts';
import { toWireError, type WireError } from '../../base/wire-error.ts';
import { finishRestore } from './backup-restore.ts';
import { SqliteDatabase } from './sqlite-database.ts';
import { isFatal, sqliteError } from './sqlite-errors.ts';
import {
  ValuePacker,
  type BackedUp,
  type Batch,
  type Opened,
  type OpenFailed,
  type Reply,
  type Request,
  type Result,
} from './sqlite-protocol.ts';

const { path, failpoints } = workerData as { readonly path: string; readonly failpoints: string };
const port = parentPort;
assert(port !== null, 'sqlite-worker runs in a worker thread');
if (failpoints !== '') armFailpoints(failpoints);

/** Set once the file cannot be trusted any more: then every request gets this error. */
let broken: unknown;
let sweeping = false;
let closed = false;

try {
  finishRestore(path);
  const database = new SqliteDatabase(path);
  port.on('message', (batch: Batch) => {
    const out = new ValuePacker();
    const results = handle(database, batch, out);
    const values = out.pack();
    port.postMessage({ kind: 'reply', results, values } satisfies Reply, [values.buffer]);
    if (closed) port.close();
    else if (batch.requests.some((request) => request.kind === 'compact')) sweepSoon(database);
  });
  const { revision, compacted, leases } = database;
  port.postMessage({ kind: 'opened', revision, compacted, leases } satisfies Opened);
  sweepSoon(database);
} catch (error) {
  port.postMessage({ kind: 'failed', error: toWireError(sqliteError(path, error)) } satisfies OpenFailed);
}

function handle(database: SqliteDatabase, batch: Batch, out: ValuePacker): Result[] {
  const results: Result[] = [];
  const writes = batch.requests.flatMap((request, i) => (isWrite(request) ? [i] : []));
  if (writes.length > 0) {
    try {
      if (broken !== undefined) throw broken;
      database.commit(() => {
        for (const i of writes) results[i] = write(database, batch, i, out);
      });
    } catch (error) {
      // One fsync for all: none of the batch is durable, so none of it has happened.
      for (const i of writes) results[i] = failure(error);
    }
  }
  batch.requests.forEach((request, i) => {
    if (isWrite(request)) return;
    try {
      if (broken !== undefined && request.kind !== 'close') throw broken;
      results[i] = read(database, request, out);
    } catch (error) {
      results[i] = failure(error);
    }
  });
  return results;
}

function isWrite(request: Request): boolean {
  return ['txn', 'compact', 'grant', 'revoke'].includes(request.kind);
}

/** A request that is refused has written nothing yet, so the others of its batch go on; SQLite's errors end them all. */
function write(database: SqliteDatabase, batch: Batch, i: number, out: ValuePacker): Result {
  const request = batch.requests[i]!;
  try {
    switch (request.kind) {
      case 'txn':
        return database.txn(request.compares, request.ops, batch.values, out);
      case 'compact':
        return database.compact(request.revision);
      case 'grant':
        return database.grant(request.ttlSeconds);
      case 'revoke':
        return database.revoke(request.lease, out);
      default:
        throw new Error(`${request.kind} is no write`);
    }
  } catch (error) {
    if (isPlatformError(error)) return failure(error);
    throw error;
  }
}

function read(database: SqliteDatabase, request: Request, out: ValuePacker): Result {
  switch (request.kind) {
    case 'get':
      return database.get(request.key, request.revision, out);
    case 'range':
      return database.range(request, out);
    case 'history':
      return database.history(request.start, request.end, request.afterRevision, out);
    case 'backup':
      beginBackup(database, request);
      return { kind: 'backup' };
    case 'close':
      closed = true;
      database.close();
      return { kind: 'close' };
    default:
      throw new Error(`${request.kind} is no read`);
  }
}

/** Goes on between requests, on a thread of its own that takes turns with ours. */
function beginBackup(database: SqliteDatabase, { id, path: to }: Extract<Request, { kind: 'backup' }>): void {
  const tell = (error: WireError | undefined): void =>
    port?.postMessage({ kind: 'backed-up', id, error } satisfies BackedUp);
  database.backup(to).then(
    () => tell(undefined),
    (error: unknown) => tell(toWireError(sqliteError(to, error))),
  );
}

function failure(error: unknown): Result {
  const named = sqliteError(path, error);
  if (isFatal(error)) broken = named;
  return { kind: 'error', error: toWireError(named) };
}

/** Sweeps in steps, so that requests get in between. A step that fails is tried again after the next compaction. */
function sweepSoon(database: SqliteDatabase): void {
  if (sweeping) return;
  sweeping = true;
  const { port1, port2 } = new MessageChannel();
  port2.once('message', () => {
    port2.close();
    sweeping = false;
    if (closed || broken !== undefined) return;
    try {
      if (database.sweep()) sweepSoon(database);
    } catch (error) {
      failure(error);
    }
  });
  port1.postMessage(undefined);
}
