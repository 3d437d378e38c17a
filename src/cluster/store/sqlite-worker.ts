/** The worker thread of the SQLite store: the batches of requests that have come, one commit, a reply to each. */
import { MessageChannel, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
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
  port.on('message', (first: Batch) => {
    const batches = [first, ...arrived()];
    for (const { results, out } of handle(database, batches)) {
      const values = out.pack();
      port.postMessage({ kind: 'reply', results, values } satisfies Reply, [values.buffer]);
    }
    if (closed) port.close();
    else if (batches.some(({ requests }) => requests.some(({ kind }) => kind === 'compact')))
      sweepSoon(database);
  });
  const { revision, compacted, leases } = database;
  port.postMessage({ kind: 'opened', revision, compacted, leases } satisfies Opened);
  sweepSoon(database);
} catch (error) {
  port.postMessage({ kind: 'failed', error: toWireError(sqliteError(path, error)) } satisfies OpenFailed);
}

/** What has come meanwhile. */
function* arrived(): Generator<Batch> {
  for (;;) {
    const next = receiveMessageOnPort(port!);
    if (next === undefined) return;
    yield next.message as Batch;
  }
}

interface Answer {
  readonly results: Result[];
  readonly out: ValuePacker;
}

/** One request, and where its result belongs. */
interface Asked extends Answer {
  readonly request: Request;
  readonly values: Uint8Array;
  readonly i: number;
}

function handle(database: SqliteDatabase, batches: readonly Batch[]): Answer[] {
  const answers = batches.map((): Answer => ({ results: [], out: new ValuePacker() }));
  const asked = batches.flatMap(({ requests, values }, n) =>
    requests.map((request, i): Asked => ({ ...answers[n]!, request, values, i })),
  );
  const writes = asked.filter(({ request }) => isWrite(request));
  if (writes.length > 0) {
    try {
      if (broken !== undefined) throw broken;
      database.commit(() => {
        for (const one of writes) one.results[one.i] = write(database, one);
      });
    } catch (error) {
      // One fsync for all: none of them is durable, so none of them has happened.
      for (const { results, i } of writes) results[i] = failure(error);
    }
  }
  for (const { request, results, i, out } of asked) {
    if (isWrite(request)) continue;
    try {
      if (broken !== undefined && request.kind !== 'close') throw broken;
      results[i] = read(database, request, out);
    } catch (error) {
      results[i] = failure(error);
    }
  }
  return answers;
}

function isWrite(request: Request): boolean {
  return ['txn', 'compact', 'grant', 'revoke'].includes(request.kind);
}

/** A request that is refused has written nothing yet, so the others of the commit go on; SQLite's errors end them all. */
function write(database: SqliteDatabase, { request, values, out }: Asked): Result {
  try {
    switch (request.kind) {
      case 'txn':
        return database.txn(request.compares, request.ops, values, out);
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
