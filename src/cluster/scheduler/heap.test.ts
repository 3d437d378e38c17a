import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../base/random.ts';
import { Heap } from './heap.ts';

test('gives back in order whatever was pushed and dropped', () => {
  const random = seededRandom(3);
  for (let round = 0; round < 50; round++) {
    const heap = new Heap<{ n: number }>((a, b) => a.n - b.n);
    const items = Array.from({ length: 40 }, () => ({ n: Math.floor(random.next() * 20) }));
    for (const item of items) heap.push(item);
    heap.push(items[0]!);
    const dropped = items.filter(() => random.next() < 0.4);
    for (const item of dropped) assert.equal(heap.delete(item), true);
    for (const item of dropped) assert.equal(heap.delete(item), false);
    const left = items.filter((item) => !dropped.includes(item));
    assert.equal(heap.size, left.length);
    const out = left.map(() => heap.pop()!.n);
    assert.deepEqual(
      out,
      left.map(({ n }) => n).toSorted((a, b) => a - b),
    );
    assert.equal(heap.pop(), undefined);
  }
});
