import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { test } from 'node:test';

import { ManualClock } from '../../base/clock.ts';
import { patternProblem } from '../api/pattern/lazy.ts';
import { ruleLanguage } from '../api/structural/lazy-rules.ts';
import { warmUp } from './warm-up.ts';

const NONE = (): number => 0;

/** Time goes by until it is over; it has a minute of the real one. */
async function elapsed(clock: ManualClock, over: Promise<void>): Promise<void> {
  const state = { isOver: false };
  const marked = over.finally(() => (state.isOver = true));
  for (const end = performance.now() + 60_000; !state.isOver; await setImmediate()) {
    assert.ok(performance.now() < end, 'it ends');
    await clock.advance(50);
  }
  await marked;
}

test('who stops early loads nothing', async () => {
  const clock = new ManualClock();
  const stop = new AbortController();
  const over = warmUp(clock, stop.signal, NONE);
  await clock.advance(2999);
  stop.abort();
  await over;
  assert.throws(() => patternProblem('a'), /loaded before/);
});

test('what is loaded late is loaded once the start is over', async () => {
  const clock = new ManualClock();
  await elapsed(clock, warmUp(clock, new AbortController().signal, NONE));
  assert.equal(patternProblem('a'), undefined);
  assert.equal(typeof ruleLanguage().ruleCheck, 'function');
});

test('while there is much to do nothing is loaded, for a minute', async () => {
  const took = async (each: number): Promise<number> => {
    const clock = new ManualClock();
    const begun = clock.monotonic();
    let requests = 0;
    await elapsed(
      clock,
      warmUp(clock, new AbortController().signal, () => (requests += each)),
    );
    return clock.monotonic() - begun;
  };
  const [quiet, busy] = [await took(50), await took(51)];
  assert.ok(busy - quiet > 50_000, `${quiet} and ${busy} ms`);
});
