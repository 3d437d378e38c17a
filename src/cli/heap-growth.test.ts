import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ManualClock } from '../base/clock.ts';
import { boundHeapGrowth } from './heap-growth.ts';

test('growth is bounded while the heap is large, and left to V8 again when it is small', async () => {
  const clock = new ManualClock();
  const set: number[] = [];
  let size = 30e6;
  const bound = boundHeapGrowth(clock, { size: () => size, setGrowth: (percent) => set.push(percent) });
  await clock.advance(10_000);
  assert.deepEqual(set, []);
  size = 200e6;
  await clock.advance(10_000);
  assert.deepEqual(set, [30]);
  size = 70e6;
  await clock.advance(10_000);
  assert.deepEqual(set, [30]);
  size = 40e6;
  await clock.advance(10_000);
  assert.deepEqual(set, [30, 0]);
  bound[Symbol.dispose]();
  size = 200e6;
  await clock.advance(10_000);
  assert.deepEqual(set, [30, 0]);
});
