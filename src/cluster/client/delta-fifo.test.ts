import assert from 'node:assert/strict';
import test from 'node:test';
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

test('a new list deletes what is known or waiting and not in it', () => {
  const known = new Map<string, Item>([
    ['old', { key: 'old', v: 1 }],
    ['kept', { key: 'kept', v: 1 }],
  ]);
  const fifo = new DeltaFifo<Item>((item) => item.key, known);
  fifo.put({ key: 'brief', v: 1 });
  fifo.replace([{ key: 'kept', v: 2 }]);
  assert.deepEqual(drain(fifo), ['brief: put 1, delete 1', 'kept: put 2', 'old: delete 1']);
});
