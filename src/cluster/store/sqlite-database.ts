/**
 * The store's tables, used from the worker thread. `history` has a row for each write of a key, ordered by revision;
 * its rows name the key's earlier row, so that a read at an old revision walks back from the newest. Which row is a
 * key's newest is known by an index in memory, as in etcd.
 */
import { backup, DatabaseSync, type StatementSync } from 'node:sqlite';
import { PlatformError } from '../../base/errors.ts';
import { failpoint } from '../../base/failpoint.ts';
import { KeyIndex } from './key-index.ts';
import { checkCompaction, expired, leaseNotFound, MAX_OPS, readRevision } from './requests.ts';
import {
  type Request,
  type Result,
  type ValuePacker,
  type WireEvent,
  type WireOp,
  type WireState,
} from './sqlite-protocol.ts';
import type { Compare } from './store.ts';

/** "SMPN" in the file's header, so that no other program's database is taken for ours. */
const APPLICATION_ID = 0x534d504e;
const SCHEMA_VERSION = 1;

/** Rows that one step of the sweep after a compaction looks at. */
const STEP = 1000;
/** Rows and bytes of one piece of history: whoever reads it holds the main thread up meanwhile. */
const PIECE = 250;
const PIECE_BYTES = 512 * 1024;

/** Pages that a backup copies before it lets waiting writers in: about a millisecond. */
const BACKUP_PAGES = 64;

/** Of new databases: others keep what they were made with. */
const PAGE_BYTES = 16 * 1024;
const CHECKPOINT_BYTES = 16 * 1024 * 1024;

const SCHEMA = `
  CREATE TABLE history (
    id INTEGER PRIMARY KEY,   -- revision * ${MAX_OPS} + position in the transaction
    key TEXT NOT NULL,
    prev INTEGER NOT NULL,    -- id of the key's earlier row, 0 for none
    created INTEGER NOT NULL, -- revision of the key's creation
    version INTEGER NOT NULL, -- writes since then; 0 marks a deletion
    lease INTEGER NOT NULL,
    value BLOB NOT NULL
  ) STRICT;
  CREATE TABLE lease (id INTEGER PRIMARY KEY AUTOINCREMENT, ttl INTEGER NOT NULL) STRICT;
  CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  INSERT INTO meta VALUES ('compacted', 0), ('swept', 0);
`;

/** A key's newest row. */
interface Entry {
  readonly key: string;
  readonly id: number;
  readonly created: number;
  readonly version: number;
  readonly lease: number;
}

type HistoryRow = [
  id: number,
  prev: number,
  created: number,
  version: number,
  lease: number,
  value: Uint8Array,
];

export class SqliteDatabase {
  readonly #db: DatabaseSync;
  readonly #statements: Statements;
  #index = new KeyIndex<Entry>();
  #leases = new Map<number, { readonly ttl: number; readonly keys: Set<string> }>();
  #revision = 0;
  #compacted = 0;
  /** Every row up to this id has been swept. */
  #swept = 0;

  constructor(path: string) {
    this.#db = new DatabaseSync(path);
    try {
      prepareSchema(this.#db, path);
      this.#statements = prepareStatements(this.#db);
      this.#load();
    } catch (error) {
      this.#db.close();
      throw error;
    }
  }

  get revision(): number {
    return this.#revision;
  }

  get compacted(): number {
    return this.#compacted;
  }

  get leases(): [number, number][] {
    return [...this.#leases].map(([id, lease]) => [id, lease.ttl]);
  }

  /** Runs `work` in one SQLite transaction: all of it is durable on return, or none of it is there after a throw. */
  commit<T>(work: () => T): T {
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      const result = work();
      failpoint('store.commit');
      this.#db.exec('COMMIT');
      return result;
    } catch (error) {
      // SQLite has rolled back by itself after some errors (a full disk).
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      this.#load();
      throw error;
    }
  }

  /** Only within `commit`. */
  txn(compares: readonly Compare[], ops: readonly WireOp[], values: Uint8Array, out: ValuePacker): Result {
    for (const { key, modRevision } of compares) {
      const entry = this.#present(key);
      if ((entry === undefined ? 0 : revisionOf(entry.id)) === modRevision) continue;
      const states = compares.map((compare) => this.#stateNow(compare.key, out));
      return { kind: 'txn', succeeded: false, revision: this.#revision, states, written: [] };
    }
    for (const op of ops) {
      const lease = op[3] ?? 0;
      if (lease !== 0 && !this.#leases.has(lease)) throw leaseNotFound(lease);
    }
    const states: (WireState | undefined)[] = [];
    const written: ([number, number] | undefined)[] = [];
    const revision = this.#revision + 1;
    let position = 0;
    for (const op of ops) {
      const id = revision * MAX_OPS + position;
      states.push(this.#stateNow(op[0], out));
      const entry = this.#write(op, id, values);
      written.push(entry === undefined ? undefined : [entry.created, entry.version]);
      if (entry !== undefined) position++;
    }
    if (position > 0) this.#revision = revision;
    return { kind: 'txn', succeeded: true, revision: this.#revision, states, written };
  }

  /** Only within `commit`. Deletes the lease's keys, MAX_OPS of them at one revision. */
  revoke(id: number, out: ValuePacker): Result {
    const lease = this.#leases.get(id);
    if (lease === undefined) throw leaseNotFound(id);
    const deleted: WireState[] = [];
    const keys = [...lease.keys];
    for (let i = 0; i < keys.length; i++) {
      // More keys than one revision has room for go on at the next.
      const position = i % MAX_OPS;
      if (position === 0) this.#revision++;
      const state = this.#stateNow(keys[i]!, out);
      if (state !== undefined) deleted.push(state);
      this.#write([keys[i]!], this.#revision * MAX_OPS + position, NOTHING);
    }
    this.#statements.dropLease.run(id);
    this.#leases.delete(id);
    return { kind: 'revoke', revision: this.#revision, deleted };
  }

  /** Only within `commit`. */
  grant(ttlSeconds: number): Result {
    const id = Number(this.#statements.addLease.run(ttlSeconds).lastInsertRowid);
    this.#leases.set(id, { ttl: ttlSeconds, keys: new Set() });
    return { kind: 'grant', lease: id };
  }

  /** Only within `commit`. The rows themselves go step by step: see `sweep`. */
  compact(revision: number): Result {
    checkCompaction(revision, this.#revision);
    if (revision > this.#compacted) {
      this.#statements.setMeta.run(revision, 'compacted');
      this.#compacted = revision;
    }
    return { kind: 'compact' };
  }

  /** Deletes some of what compaction has made unreachable; false when there is no more. */
  sweep(): boolean {
    const end = (this.#compacted + 1) * MAX_OPS - 1;
    if (this.#compacted === 0 || this.#swept >= end) return false;
    const { sweepRows, dropRow, setMeta } = this.#statements;
    const rows = sweepRows.all(this.#swept, end, STEP) as unknown as [number, number, number, string][];
    const swept = rows.length < STEP ? end : rows.at(-1)![0];
    this.commit(() => {
      for (const [id, prev, version] of rows) {
        if (prev !== 0) dropRow.run(prev);
        if (version === 0) dropRow.run(id);
      }
      setMeta.run(swept, 'swept');
    });
    for (const [id, , version, key] of rows) {
      if (version === 0 && this.#index.get(key)?.id === id) this.#index.delete(key);
    }
    this.#swept = swept;
    return swept < end;
  }

  get(key: string, revision: number, out: ValuePacker): Result {
    const at = readRevision(revision, this.#revision, this.#compacted);
    const entry = this.#index.get(key);
    return { kind: 'get', state: entry === undefined ? undefined : this.#stateAt(entry, at, out) };
  }

  range(request: Extract<Request, { kind: 'range' }>, out: ValuePacker): Result {
    const { start, end, limit, countOnly } = request;
    const at = readRevision(request.revision, this.#revision, this.#compacted);
    const states: WireState[] = [];
    let count = 0;
    for (const entry of this.#index.range(start, end)) {
      const wanted = !countOnly && (limit === 0 || states.length < limit);
      if (wanted || revisionOf(entry.id) > at) {
        const state = this.#stateAt(entry, at, wanted ? out : undefined);
        if (state === undefined) continue;
        if (wanted) states.push(state);
      } else if (entry.version === 0) continue;
      count++;
    }
    return {
      kind: 'range',
      states,
      count,
      more: !countOnly && count > states.length,
      revision: this.#revision,
    };
  }

  /** Whole revisions after `afterRevision`, about a piece of them, or all that there are. */
  history(start: string, end: string, afterRevision: number, out: ValuePacker): Result {
    if (afterRevision < this.#compacted) throw expired(afterRevision, this.#compacted);
    const events: WireEvent[] = [];
    let [through, bytes] = [0, 0];
    const found = this.#statements.history.iterate((afterRevision + 1) * MAX_OPS, start, end);
    for (const row of found as Iterable<HistoryFound>) {
      const [id, key, , created, version, lease, value, ...before] = row;
      const isFull = events.length >= PIECE || bytes >= PIECE_BYTES;
      if (isFull && revisionOf(id) > through) return { kind: 'history', events, through };
      through = revisionOf(id);
      const [prevId, prevCreated, prevVersion, prevLease, prevValue] = before;
      const existed = prevId !== null && prevVersion !== 0;
      bytes += value.length + (existed ? prevValue.length : 0);
      events.push({
        state: wire(key, [id, 0, created, version, lease, value], out),
        previous: existed
          ? wire(key, [prevId, 0, prevCreated, prevVersion, prevLease, prevValue], out)
          : undefined,
      });
    }
    return { kind: 'history', events, through: this.#revision };
  }

  /** Copies the whole file, as it is when the last page is copied. Writes go on in between and are in the copy. */
  async backup(path: string): Promise<void> {
    await backup(this.#db, path, { rate: BACKUP_PAGES });
  }

  close(): void {
    this.#db.close();
  }

  #present(key: string): Entry | undefined {
    const entry = this.#index.get(key);
    return entry === undefined || entry.version === 0 ? undefined : entry;
  }

  #stateNow(key: string, out: ValuePacker): WireState | undefined {
    const entry = this.#present(key);
    return entry === undefined ? undefined : this.#stateAt(entry, this.#revision + 1, out);
  }

  /** The state at a revision that is not compacted; without `out` the value is left empty. */
  #stateAt(entry: Entry, revision: number, out: ValuePacker | undefined): WireState | undefined {
    const { oneRow, oneLink } = this.#statements;
    const newest = revision * MAX_OPS + MAX_OPS - 1;
    let id = entry.id;
    while (id > newest) id = (oneLink.get(id) as unknown as [number] | undefined)?.[0] ?? 0;
    if (id === 0 || (id === entry.id && entry.version === 0)) return undefined;
    const row = oneRow.get(id) as unknown as HistoryRow | undefined;
    // A deletion that has been swept: the key did not exist.
    if (row === undefined || row[3] === 0) return undefined;
    return wire(entry.key, row, out);
  }

  /** Undefined when a key that does not exist is deleted. */
  #write(op: WireOp, id: number, values: Uint8Array): Entry | undefined {
    const key = op[0];
    const last = this.#index.get(key);
    const before = last === undefined || last.version === 0 ? undefined : last;
    let value: Uint8Array = NOTHING;
    let entry: Entry = { key, id, created: 0, version: 0, lease: 0 };
    if (op.length === 4) {
      const [, at, length, lease] = op;
      const created = before?.created ?? revisionOf(id);
      entry = { key, id, created, version: (before?.version ?? 0) + 1, lease };
      value = values.subarray(at, at + length);
    } else if (before === undefined) return undefined;
    this.#statements.addRow.run(id, key, last?.id ?? 0, entry.created, entry.version, entry.lease, value);
    this.#index.set(entry);
    if (before !== undefined && before.lease !== 0) this.#leases.get(before.lease)?.keys.delete(key);
    if (entry.lease !== 0) this.#leases.get(entry.lease)?.keys.add(key);
    return entry;
  }

  /** Builds what is held in memory from the tables: at start, and after a transaction that failed. */
  #load(): void {
    const meta = new Map(this.#statements.meta.all() as unknown as [string, number][]);
    this.#compacted = meta.get('compacted') ?? 0;
    this.#swept = meta.get('swept') ?? 0;
    this.#leases = new Map();
    for (const row of this.#statements.leases.iterate()) {
      const [id, ttl] = row as unknown as [number, number];
      this.#leases.set(id, { ttl, keys: new Set() });
    }
    const newest = new Map<string, Entry>();
    let last = 0;
    for (const row of this.#statements.entries.iterate()) {
      const [id, key, created, version, lease] = row as unknown as [number, string, number, number, number];
      newest.set(key, { id, key, created, version, lease });
      last = id;
    }
    this.#index = KeyIndex.of(newest.values());
    for (const entry of newest.values())
      if (entry.lease !== 0) this.#leases.get(entry.lease)?.keys.add(entry.key);
    // The newest revision's rows may all have been deletions that are swept by now.
    this.#revision = Math.max(revisionOf(last), this.#compacted);
  }
}

const NOTHING = new Uint8Array(0);

type HistoryFound = [
  id: number,
  key: string,
  prev: number,
  created: number,
  version: number,
  lease: number,
  value: Uint8Array,
  prevId: number | null,
  prevCreated: number,
  prevVersion: number,
  prevLease: number,
  prevValue: Uint8Array,
];

function revisionOf(id: number): number {
  return Math.floor(id / MAX_OPS);
}

function wire(key: string, row: HistoryRow, out: ValuePacker | undefined): WireState {
  const [id, , created, version, lease, value] = row;
  const [at, length] = out === undefined ? [0, 0] : out.add(value);
  return [key, at, length, created, revisionOf(id), version, lease];
}

function prepareSchema(db: DatabaseSync, path: string): void {
  // Exclusive: no shared-memory file beside the database, and a second process is refused.
  db.exec('PRAGMA locking_mode = EXCLUSIVE');
  const pragma = (name: string): number =>
    Number(Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0] ?? 0);
  const application = pragma('application_id');
  const version = pragma('user_version');
  const tables = Number(Object.values(db.prepare('SELECT count(*) FROM sqlite_schema').get() ?? {})[0]);
  if (tables > 0 && application !== APPLICATION_ID) {
    throw new PlatformError('invalid', `store ${path}: is a database of another program`, {
      hint: 'give another data folder, or move the file away',
    });
  }
  if (version > SCHEMA_VERSION) {
    throw new PlatformError(
      'unsupported',
      `store ${path}: was written by a newer version of Sampan (schema ${version})`,
      {
        hint: 'use that version, or newer',
      },
    );
  }
  // Objects are of kilobytes: several share a large page, and a commit of many writes few of them.
  db.exec(`PRAGMA page_size = ${PAGE_BYTES}`);
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -8000');
  // A checkpoint copies pages from the log back: seldom enough not to be felt, often enough to keep the log small.
  const pages = CHECKPOINT_BYTES / pragma('page_size');
  db.exec(`PRAGMA wal_autocheckpoint = ${pages}; PRAGMA journal_size_limit = ${2 * CHECKPOINT_BYTES}`);
  if (tables > 0) return;
  db.exec(
    `BEGIN; ${SCHEMA} PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${SCHEMA_VERSION}; COMMIT`,
  );
}

interface Statements {
  readonly addRow: StatementSync;
  readonly oneRow: StatementSync;
  readonly oneLink: StatementSync;
  readonly dropRow: StatementSync;
  readonly sweepRows: StatementSync;
  readonly history: StatementSync;
  readonly entries: StatementSync;
  readonly meta: StatementSync;
  readonly setMeta: StatementSync;
  readonly leases: StatementSync;
  readonly addLease: StatementSync;
  readonly dropLease: StatementSync;
}

function prepareStatements(db: DatabaseSync): Statements {
  const prepare = (sql: string): StatementSync => {
    const statement = db.prepare(sql);
    statement.setReturnArrays(true);
    return statement;
  };
  return {
    addRow: prepare('INSERT INTO history VALUES (?, ?, ?, ?, ?, ?, ?)'),
    oneRow: prepare('SELECT id, prev, created, version, lease, value FROM history WHERE id = ?'),
    oneLink: prepare('SELECT prev FROM history WHERE id = ?'),
    dropRow: prepare('DELETE FROM history WHERE id = ?'),
    sweepRows: prepare(
      'SELECT id, prev, version, key FROM history WHERE id > ? AND id <= ? ORDER BY id LIMIT ?',
    ),
    history: prepare(`
      SELECT h.id, h.key, h.prev, h.created, h.version, h.lease, h.value, p.id, p.created, p.version, p.lease, p.value
      FROM history h LEFT JOIN history p ON p.id = h.prev
      WHERE h.id >= ? AND h.key >= ? AND h.key < ? ORDER BY h.id`),
    entries: prepare('SELECT id, key, created, version, lease FROM history ORDER BY id'),
    meta: prepare('SELECT name, value FROM meta'),
    setMeta: prepare('UPDATE meta SET value = ? WHERE name = ?'),
    leases: prepare('SELECT id, ttl FROM lease'),
    addLease: prepare('INSERT INTO lease (ttl) VALUES (?)'),
    dropLease: prepare('DELETE FROM lease WHERE id = ?'),
  };
}
