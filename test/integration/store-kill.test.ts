/** A writer is killed again and again: what it was told is on disk stays, and no revision is given out twice. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import test from 'node:test';
import { ManualClock } from '../../src/base/clock.ts';
import { seededRandom } from '../../src/base/random.ts';
import { openSqliteStore } from '../../src/cluster/store/sqlite.ts';
import type { WatchBatch } from '../../src/cluster/store/store.ts';
import { eventLines, judge, type Line } from '../fixtures/store-history.ts';

const source = new URL('../../src/', import.meta.url).href;
const fixtures = new URL('../fixtures/', import.meta.url).href;

/** How often the recorded test kills; the long run sets 200. */
const KILLS = Number(process.env['SAMPAN_KILLS'] ?? 20);

/** Eight writers that print `<key> <value> <revision>` once a write is acknowledged; one compacts now and then. */
const PROGRAM = `
  import { writeSync } from 'node:fs';
  const { systemClock } = await import(${JSON.stringify(`${source}base/clock.ts`)});
  const { openSqliteStore } = await import(${JSON.stringify(`${source}cluster/store/sqlite.ts`)});
  const [path, round] = process.argv.slice(1);
  const store = await openSqliteStore({ path, clock: systemClock });
  for (let writer = 0; writer < 8; writer++) void write(writer);
  async function write(writer) {
    for (let n = 0; ; n++) {
      const [key, value] = ['/k/' + writer + '/' + (n % 50), round + '-' + n];
      const { revision } = await store.txn([], [{ type: 'put', key, value: Buffer.from(value) }]);
      writeSync(1, key + ' ' + value + ' ' + revision + '\\n');
      if (writer === 0 && n % 200 === 199) await store.compact(revision - 300);
    }
  }
`;

interface Acknowledged {
  readonly key: string;
  readonly value: string;
  readonly revision: number;
}

async function writeUntilKilled(path: string, round: number, kill: number): Promise<Acknowledged[]> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', PROGRAM, path, `${round}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const acknowledged: Acknowledged[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    const [key = '', value = '', revision = '0'] = line.split(' ');
    // The kill may have cut the last line in the middle: then nobody was told.
    if (/^\S+ \S+ \d+$/.test(line)) acknowledged.push({ key, value, revision: Number(revision) });
    if (acknowledged.length === kill) child.kill('SIGKILL');
  }
  return acknowledged;
}

test(
  'kill -9 amid writes loses nothing that was acknowledged and repeats no revision',
  { timeout: 120_000 },
  async () => {
    const dir = await mkdtemp(join(tmpdir(), 'sampan-kill-'));
    const path = join(dir, 'store.db');
    const random = seededRandom(9);
    try {
      let last = 0;
      const newest = new Map<string, Acknowledged>();
      for (let round = 0; round < 10; round++) {
        const kill = 200 + Math.floor(random.next() * 1500);
        const acknowledged = await writeUntilKilled(path, round, kill);
        assert.ok(acknowledged.length >= kill);
        const revisions = acknowledged.map(({ revision }) => revision);
        assert.equal(new Set(revisions).size, revisions.length, 'no revision twice');
        assert.ok(Math.min(...revisions) > last, 'revisions go on where they were');
        for (const one of acknowledged)
          if (one.revision > (newest.get(one.key)?.revision ?? 0)) newest.set(one.key, one);
        await using store = await openSqliteStore({ path, clock: new ManualClock() });
        last = await store.revision();
        assert.ok(last >= Math.max(...revisions));
        for (const { key, value, revision } of newest.values()) {
          const kv = await store.get(key);
          assert.ok(
            kv !== undefined && kv.modRevision >= revision,
            `${key} of revision ${revision} is there`,
          );
          if (kv.modRevision === revision) assert.equal(Buffer.from(kv.value).toString(), value);
        }
        // The history after the last compaction has no gap.
        const seen: WatchBatch[] = [];
        const from = Math.max(1, last - 50);
        await store.watch({ start: '/', end: '0', afterRevision: from }, (batch) => void seen.push(batch));
        assert.deepEqual(
          seen.map((batch) => batch.revision),
          Array.from({ length: last - from }, (_, i) => from + 1 + i),
        );
      }
    } finally {
      await rm(dir, { recursive: true });
    }
  },
);

/** Clients and a watch that write each question and each answer to standard output, as it comes. */
const RECORDER = `
  import { writeSync } from 'node:fs';
  const { systemClock } = await import(${JSON.stringify(`${source}base/clock.ts`)});
  const { openSqliteStore } = await import(${JSON.stringify(`${source}cluster/store/sqlite.ts`)});
  const { record } = await import(${JSON.stringify(`${fixtures}store-history.ts`)});
  const [path, round, after] = process.argv.slice(1);
  // The other side may be slow, and its pipe does not wait.
  const say = (bytes) => {
    for (let at = 0; at < bytes.length; ) {
      try {
        at += writeSync(1, bytes, at);
      } catch (error) {
        if (error.code !== 'EAGAIN') throw error;
      }
    }
  };
  const store = await openSqliteStore({ path, clock: systemClock });
  await record(store, {
    name: round,
    seed: Number(round),
    after: Number(after),
    signal: new AbortController().signal,
    write: (line) => say(Buffer.from(JSON.stringify(line) + '\\n')),
  });
`;

async function recordUntilKilled(
  path: string,
  about: { round: number; after: number; kill: number },
): Promise<Line[]> {
  const { round, after, kill } = about;
  const args = ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', RECORDER];
  const child = spawn(process.execPath, [...args, path, `${round}`, `${after}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines: Line[] = [];
  for await (const text of createInterface({ input: child.stdout })) {
    // The kill may have cut the last line: then nobody was told.
    if (text.endsWith('}')) lines.push(JSON.parse(text) as Line);
    if (lines.length === kill) child.kill('SIGKILL');
  }
  assert.ok(lines.length >= kill, 'the writer was killed, and did not end by itself');
  return lines;
}

test(
  `what clients were told across ${KILLS} kills is what one register for each key would have told`,
  { timeout: 60_000 + KILLS * 6000 },
  async (t) => {
    const dir = await mkdtemp(join(tmpdir(), 'sampan-history-'));
    const path = join(dir, 'store.db');
    const random = seededRandom(11);
    try {
      {
        await using store = await openSqliteStore({ path, clock: new ManualClock() });
        await store.txn([], [{ type: 'put', key: '/first', value: Buffer.from('x') }]);
      }
      const lines: Line[] = [];
      const watches: { after: number; events: Line[] }[] = [];
      let after = 1;
      for (let round = 0; round < KILLS; round++) {
        const kill = 100 + Math.floor(random.next() * 1200);
        const recorded = await recordUntilKilled(path, { round, after, kill });
        lines.push(...recorded.filter((line) => line.t !== 'event'));
        const events = recorded.filter((line) => line.t === 'event');
        watches.push({ after, events });
        after = events.at(-1)?.revision ?? after;
      }
      await using store = await openSqliteStore({ path, clock: new ManualClock() });
      const truth: Line[] = [];
      await store.watch(
        { start: '/k/', end: '/k0', afterRevision: 1 },
        (batch) => void truth.push(...eventLines(batch)),
      );
      const { acknowledged, unknown, operations } = judge(lines, truth, watches);
      t.diagnostic(`${operations} operations, ${acknowledged} writes acknowledged, ${unknown} unanswered`);
      assert.ok(acknowledged > KILLS * 20);
    } finally {
      await rm(dir, { recursive: true });
    }
  },
);
