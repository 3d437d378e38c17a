import assert from 'node:assert/strict';
import test from 'node:test';
import { ManualClock } from '../../base/clock.ts';
import { createWorkQueue } from './work-queue.ts';

test('merges waiting keys, keeps order, and never handles a key twice at once', async () => {
  const clock = new ManualClock();
  const queue = createWorkQueue({ clock });
  const stop = new AbortController();
  const log: string[] = [];
  const open = new Map<string, () => void>();
  const running = queue.run(
    3,
    async (key) => {
      assert.ok(!open.has(key), `${key} is handled twice at once`);
      log.push(key);
      await new Promise<void>((resolve) => open.set(key, resolve));
      open.delete(key);
    },
    stop.signal,
  );
  for (const key of ['a', 'b', 'a', 'a']) queue.add(key);
  await clock.advance(0);
  assert.deepEqual(log, ['a', 'b']);
  queue.add('a');
  queue.add('a');
  await clock.advance(0);
  assert.deepEqual(log, ['a', 'b']);
  open.get('a')?.();
  await clock.advance(0);
  assert.deepEqual(log, ['a', 'b', 'a']);
  stop.abort();
  for (const finish of open.values()) finish();
  await running;
});

test('retries a failing key later and later, until it is forgotten', async () => {
  const clock = new ManualClock();
  const start = clock.now();
  const queue = createWorkQueue({ clock });
  const stop = new AbortController();
  const at: number[] = [];
  const running = queue.run(
    1,
    async () => {
      at.push(clock.now() - start);
      if (at.length < 5) throw new Error('not yet');
    },
    stop.signal,
  );
  queue.add('a');
  await clock.advance(0);
  await clock.advance(1000);
  assert.deepEqual(at, [0, 5, 15, 35, 75]);
  queue.forget('a');
  queue.addRateLimited('a');
  await clock.advance(5);
  assert.equal(at.length, 6);
  stop.abort();
  await running;
});

test('of several delays the earliest counts, and the rate over all keys is bounded', async () => {
  const clock = new ManualClock();
  const queue = createWorkQueue({ clock, burst: 2, ratePerSecond: 10 });
  const stop = new AbortController();
  const start = clock.now();
  const at: [string, number][] = [];
  const running = queue.run(1, async (key) => void at.push([key, clock.now() - start]), stop.signal);
  queue.addAfter('a', 500);
  queue.addAfter('a', 50);
  queue.addAfter('a', 700);
  await clock.advance(1000);
  assert.deepEqual(at, [['a', 50]]);
  at.length = 0;
  for (const key of ['1', '2', '3', '4']) queue.addRateLimited(key);
  await clock.advance(1000);
  assert.deepEqual(at, [
    ['1', 1005],
    ['2', 1005],
    ['3', 1100],
    ['4', 1200],
  ]);
  stop.abort();
  await running;
});

test('an abort ends waiting workers and drops what is delayed', async () => {
  const clock = new ManualClock();
  const queue = createWorkQueue({ clock });
  const stop = new AbortController();
  let handled = 0;
  const running = queue.run(2, async () => void handled++, stop.signal);
  queue.addAfter('a', 100);
  await clock.advance(0);
  stop.abort();
  await running;
  await clock.advance(1000);
  assert.equal(handled, 0);
});
