import assert from 'node:assert/strict';
import { test } from 'node:test';

import { systemClock } from '../../../base/clock.ts';
import { sampleCall } from './sample-call.ts';

test('a call within the program is asked and answered over TLS', async () => {
  assert.deepEqual(await sampleCall(systemClock), { allowed: true });
});
