import assert from 'node:assert/strict';
import { systemClock } from '../../../base/clock.ts';
import { yieldToLoop } from '../../../base/yield-to-loop.ts';

/**
 * The condition holds within ten seconds. Whoever asks a server again and again has to wait for the event loop in
 * between: its answers alone never let go of it, and what comes from other threads is not heard.
 */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = systemClock.monotonic() + 10_000; !(await condition()); await yieldToLoop())
    assert.ok(systemClock.monotonic() < end, `${String(condition)} holds in time`);
}
