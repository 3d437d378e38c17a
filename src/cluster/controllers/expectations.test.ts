import assert from 'node:assert/strict';
import test from 'node:test';
import { ManualClock } from '../../base/clock.ts';
import { Expectations } from './expectations.ts';

test('satisfied once every write has been seen', () => {
  const expectations = new Expectations(new ManualClock());
  assert.ok(expectations.satisfied('a'));
  expectations.expect('a', { creations: 2 });
  expectations.creationSeen('a');
  assert.ok(!expectations.satisfied('a'));
  assert.ok(expectations.satisfied('b'), 'owners do not wait for each other');
  expectations.creationSeen('a');
  assert.ok(expectations.satisfied('a'));
  expectations.expect('a', { deletions: ['x', 'y'] });
  expectations.deletionSeen('a', 'x');
  expectations.deletionSeen('a', 'x');
  assert.ok(!expectations.satisfied('a'), 'seen twice is seen once');
  expectations.deletionSeen('a', 'y');
  assert.ok(expectations.satisfied('a'));
});

test('what is never seen is given up after five minutes', async () => {
  const clock = new ManualClock();
  const expectations = new Expectations(clock);
  expectations.expect('a', { creations: 1 });
  await clock.advance(299_000);
  assert.ok(!expectations.satisfied('a'));
  await clock.advance(1000);
  assert.ok(expectations.satisfied('a'));
});

test('a new owner of the same name starts with nothing expected', () => {
  const expectations = new Expectations(new ManualClock());
  expectations.expect('a', { creations: 1 });
  expectations.forget('a');
  assert.ok(expectations.satisfied('a'));
});
