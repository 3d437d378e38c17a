/** etcd is killed again and again under clients of the store: what they were told is what one register a key would tell. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { systemClock } from '../../src/base/clock.ts';
import { seededRandom, systemRandom } from '../../src/base/random.ts';
import { openEtcdStore } from '../../src/cluster/store/etcd.ts';
import type { Store } from '../../src/cluster/store/store.ts';
import { startEtcd } from '../fixtures/etcd.ts';
import { eventLines, judge, record, type Line } from '../fixtures/store-history.ts';

/** How often each test kills; the long run sets 200. */
const KILLS = Number(process.env['SAMPAN_KILLS'] ?? 20);

async function until(condition: () => boolean, what: string): Promise<void> {
  const end = performance.now() + 30_000;
  for (; !condition(); await delay(5)) assert.ok(performance.now() < end, `waited too long for ${what}`);
}

for (const members of [1, 3]) {
  const kills = members === 1 ? KILLS : Math.ceil(KILLS / 2);
  test(
    `an etcd of ${members}, killed ${kills} times under two servers, loses and repeats nothing`,
    { timeout: 60_000 + kills * 10_000 },
    async (t) => {
      // Quick elections: a killed leader is replaced within a second.
      const extra = ['--heartbeat-interval=50', '--election-timeout=500'];
      await using etcd = await startEtcd({ members, extra });
      const open = (): Promise<Store> =>
        openEtcdStore({ endpoints: etcd.endpoints, clock: systemClock, random: systemRandom, prefix: '/t' });
      const random = seededRandom(members);
      await using one = await open();
      await using two = await open();
      const { revision: after } = await one.txn(
        [],
        [{ type: 'put', key: '/first', value: Buffer.from('x') }],
      );
      const stop = new AbortController();
      const recordings = [one, two].map((store, i) => {
        const lines: Line[] = [];
        const options = { name: `s${i}`, seed: i + 1, after, signal: stop.signal, clients: 3 };
        return { lines, done: record(store, { ...options, write: (line) => void lines.push(line) }) };
      });
      const told = (): number =>
        recordings.reduce((sum, { lines }) => sum + lines.filter(({ t: kind }) => kind === 'told').length, 0);
      try {
        for (let kill = 0; kill < kills; kill++) {
          const wanted = told() + 50 + Math.floor(random.next() * 300);
          await until(() => told() >= wanted, 'answers');
          const member = kill % members;
          await etcd.kill(member);
          await etcd.start([member]);
        }
        const wanted = told() + 100;
        await until(() => told() >= wanted, 'answers after the last kill');
      } finally {
        stop.abort();
        await Promise.all(recordings.map(({ done }) => done));
      }
      // Read by a store that has seen nothing of it.
      await using fresh = await open();
      const last = (await fresh.txn([], [{ type: 'put', key: '/k/end', value: Buffer.from('end') }]))
        .revision;
      const truth: Line[] = [];
      let reached = 0;
      await fresh.watch({ start: '/k/', end: '/k0', afterRevision: after }, (batch) => {
        truth.push(...eventLines(batch));
        reached = batch.revision;
      });
      await until(() => reached >= last, 'the whole history');
      const lines = recordings.flatMap((recording) => recording.lines);
      const watches = recordings.map((recording) => ({
        after,
        events: recording.lines.filter((line) => line.t === 'event'),
      }));
      const { acknowledged, unknown, operations } = judge(lines, truth, watches);
      t.diagnostic(`${operations} operations, ${acknowledged} writes acknowledged, ${unknown} unanswered`);
      assert.ok(acknowledged > kills * 10);
      for (const { events } of watches) assert.ok(events.length > kills * 10, 'watches went on across kills');
    },
  );
}
