/**
 * Says which test begins before it does: a test that blocks its thread would also block the reporter, and a guest that
 * panics has no time for it. For the same reason with a system call of its own that has ended before the test starts.
 */
import { writeSync } from 'node:fs';
import { beforeEach } from 'node:test';
import { EVENTS_DESCRIPTOR } from './reporter.ts';

beforeEach((context) => {
  const name = context.fullName;
  writeSync(EVENTS_DESCRIPTOR, `${JSON.stringify({ type: 'test-start', name })}\n`);
});
