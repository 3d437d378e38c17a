import assert from 'node:assert/strict';
import test from 'node:test';
import { ManualClock, type Clock } from '../../base/clock.ts';
import { Slice } from '../../base/yield-to-loop.ts';
import { DeltaFifo } from './delta-fifo.ts';

interface Item {
  readonly key: string;
  readonly v: number;
}

function drain(fifo: DeltaFifo<Item>): string[] {
  const all: string[] = [];
  for (let next = fifo.pop(); next !== undefined; next = fifo.pop()) {
    all.push(`${next.key}: ${next.deltas.map(({ type, object }) => `${type} ${object.v}`).join(', ')}`);
  }
  return all;
}

test('keeps the order of first changes and only the newest of unseen states', () => {
  const fifo = new DeltaFifo<Item>((item) => item.key, new Map());
  fifo.put({ key: 'a', v: 1 });
  fifo.put({ key: 'b', v: 1 });
  fifo.put({ key: 'a', v: 2 });
  fifo.delete({ key: 'b', v: 1 });
  fifo.delete({ key: 'b', v: 1 });
  fifo.put({ key: 'b', v: 3 });
  assert.deepEqual(drain(fifo), ['a: put 2', 'b: put 1, delete 1, put 3']);
  assert.equal(fifo.size, 0);
});

test('a new list deletes what is known or waiting and not in it', async () => {
  const known = new Map<string, Item>([
    ['old', { key: 'old', v: 1 }],
    ['kept', { key: 'kept', v: 1 }],
  ]);
  const fifo = new DeltaFifo<Item>((item) => item.key, known);
  fifo.put({ key: 'brief', v: 1 });
  await fifo.replace([{ key: 'kept', v: 2 }], new Slice(new ManualClock()));
  assert.deepEqual(drain(fifo), ['brief: put 1, delete 1', 'kept: put 2', 'old: delete 1']);
});

test('a long list is taken over a millisecond at a time', async () => {
  let now = 0;
  // Every look at it takes half a millisecond.
  const clock: Clock = Object.assign(new ManualClock(), { monotonic: () => (now += 0.5) });
  const known = new Map(Array.from({ length: 20 }, (_, v) => [`old-${v}`, { key: `old-${v}`, v }]));
  const fifo = new DeltaFifo<Item>((item) => item.key, known);
  let turns = 0;
  const count = (): void => {
    turns++;
    next = setImmediate(count);
  };
  let next = setImmediate(count);
  const items = Array.from({ length: 20 }, (_, v) => ({ key: `new-${v}`, v }));
  await fifo.replace(items, new Slice(clock));
  clearImmediate(next);
  assert.equal(fifo.size, 40);
  assert.ok(turns >= 15, `${turns} turns`);
});
