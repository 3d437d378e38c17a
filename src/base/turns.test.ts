import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ManualClock } from './clock.ts';
import { Turns } from './turns.ts';

const loop = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('work is begun in its order, a millisecond of it in a turn', async () => {
  const clock = new ManualClock();
  const turns = new Turns(clock);
  const begun: number[] = [];
  for (let i = 0; i < 40; i++) {
    turns.add(() => {
      begun.push(i);
      // What a promise that it resolves goes on with counts as well.
      void Promise.resolve().then(async () => await clock.advance(0.25));
    });
  }
  assert.deepEqual(begun, []);
  let others = 0;
  for (let last = 0; begun.length < 40; others++) {
    await loop();
    assert.ok(begun.length - last <= 16, `${begun.length - last} in one turn`);
    last = begun.length;
  }
  assert.ok(others >= 3, `${others} turns`);
  assert.deepEqual(
    begun,
    Array.from({ length: 40 }, (_, i) => i),
  );
});

test('what comes while others are served is served in the same round', async () => {
  const turns = new Turns(new ManualClock());
  const begun: string[] = [];
  turns.add(() => {
    begun.push('first');
    turns.add(() => begun.push('later'));
  });
  turns.add(() => begun.push('second'));
  while (begun.length < 3) await loop();
  assert.deepEqual(begun, ['first', 'second', 'later']);
});

test('after a round for many the next one waits', async () => {
  const clock = new ManualClock();
  const turns = new Turns(clock);
  const served: number[] = [];
  const until = async (wanted: number): Promise<void> => {
    for (let i = 0; i < 100 && served.length < wanted; i++) await loop();
    assert.equal(served.length, wanted);
  };
  const round = (count: number): void => {
    for (let i = 0; i < count; i++) turns.add(() => void served.push(i));
  };
  round(100);
  await until(100);
  for (let i = 0; i < 5; i++) await loop();
  round(2);
  for (let i = 0; i < 20; i++) await loop();
  await until(100);
  await clock.advance(9);
  await until(100);
  await clock.advance(1);
  await until(102);
  // After a round for few it does not.
  await loop();
  round(2);
  await until(104);
});
