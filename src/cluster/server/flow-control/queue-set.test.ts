import assert from 'node:assert/strict';
import { test } from 'node:test';

import { dealHand, QueueSet, type Release, type Ticket } from './queue-set.ts';

const LIMITS = { seats: 2, queues: 8, handSize: 2, queueLength: 3 };

function enter(set: QueueSet, flow: number, seats = 1): Ticket {
  const entered = set.enter(flow, seats);
  assert.ok(typeof entered !== 'string', 'it is refused');
  return typeof entered === 'object' ? entered : { seated: Promise.resolve(entered), leave: () => false };
}

test('a hand has different queues, all of them likely', () => {
  const seen = new Set<number>();
  for (let hash = 0; hash < 4000; hash++) {
    const hand = dealHand(hash * 7919, 8, 3);
    assert.equal(new Set(hand).size, 3);
    for (const card of hand) {
      assert.ok(card >= 0 && card < 8);
      seen.add(card);
    }
  }
  assert.equal(seen.size, 8);
  assert.deepEqual([...dealHand(12_345, 3, 6)].toSorted(), [0, 1, 2]);
});

test('seats, then queues, then refusals; seats that are given back go to those that wait', async () => {
  const set = new QueueSet({ ...LIMITS, queues: 1, handSize: 1 });
  const first = await enter(set, 1).seated;
  await enter(set, 1).seated;
  const order: string[] = [];
  const waiting = ['a', 'b', 'c'].map((name) => {
    const ticket = enter(set, 1);
    const seated = ticket.seated.then((release) => {
      order.push(name);
      return release;
    });
    return { ticket, seated };
  });
  assert.equal(set.enter(1, 1), 'queue-full');
  assert.equal(waiting[1]!.ticket.leave(), true);
  assert.equal(waiting[1]!.ticket.leave(), false);
  first();
  first();
  (await waiting[0]!.seated)();
  (await waiting[2]!.seated)();
  assert.deepEqual(order, ['a', 'c']);
  assert.deepEqual([set.executing, set.waiting], [1, 0]);
  assert.equal(new QueueSet({ ...LIMITS, seats: 0, queues: 0 }).enter(1, 1), 'concurrency-limit');
});

test('a flow that fills its queues does not keep others out', async () => {
  const set = new QueueSet({ seats: 2, queues: 64, handSize: 4, queueLength: 50 });
  const releases: Release[] = [];
  let ofElephant = 0;
  for (let i = 0; i < 150; i++) {
    const entered = set.enter(99, 1);
    if (typeof entered === 'function') releases.push(entered);
    if (typeof entered === 'object')
      void entered.seated.then((release) => (releases.push(release), ofElephant++));
  }
  const seen = { mouse: false };
  const seat = async (): Promise<void> => {
    releases.push(await enter(set, 1234567).seated);
    seen.mouse = true;
  };
  void seat();
  for (let i = 0; i < 6; i++) {
    await Promise.resolve();
    releases.shift()?.();
    await Promise.resolve();
  }
  assert.equal(seen.mouse, true, `the elephant was served ${ofElephant} times first`);
});

test('fewer queues keep those that wait; a wide request waits for all its seats', async () => {
  const set = new QueueSet(LIMITS);
  const one = await enter(set, 1).seated;
  const wide = enter(set, 2, 5);
  let seated = false;
  const wideSeated = wide.seated.then((release) => {
    seated = true;
    return release;
  });
  set.configure({ ...LIMITS, queues: 1 });
  await Promise.resolve();
  assert.deepEqual([seated, set.waiting], [false, 1]);
  one();
  (await wideSeated)();
  assert.deepEqual([set.executing, set.waiting], [0, 0]);
});
