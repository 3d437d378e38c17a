import assert from 'node:assert/strict';
import { test } from 'node:test';

import { joinInSlices } from './join-in-slices.ts';

test('long bytes are joined a megabyte at a time', async () => {
  const parts = [3, 1_500_000, 0, 700_000, 2_300_000].map((length, i) => Buffer.alloc(length, `${i}ab`));
  let turns = 0;
  let running = true;
  const turn = (): void => {
    turns++;
    if (running) setImmediate(turn);
  };
  setImmediate(turn);
  const joined = await joinInSlices(parts);
  running = false;
  assert.ok(joined.equals(Buffer.concat(parts)));
  assert.equal(joined.buffer.byteLength, joined.length);
  assert.ok(turns >= 4, `${turns} turns meanwhile`);
});

test('nothing at all is joined too', async () => {
  assert.equal((await joinInSlices([])).length, 0);
});
