import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';

import { isPlatformError } from '../../../base/errors.ts';
import { Departure, gathered } from './request-stream.ts';

function open(): Readable {
  return new Readable({ read() {} });
}

const listeners = (stream: Readable): number =>
  ['data', 'end', 'error', 'close'].reduce((sum, name) => sum + stream.listenerCount(name), 0);

test('a body is gathered from its pieces, and an empty one is empty', async () => {
  const body = open();
  const before = listeners(body);
  const whole = gathered(body, 10);
  for (const piece of ['one', 'two', null]) body.push(piece);
  assert.equal(Buffer.from(await whole).toString(), 'onetwo');
  assert.equal(listeners(body), before);
  assert.equal((await gathered(Readable.from([]), 10)).length, 0);
});

test('of one that is too large the rest is left', async () => {
  const body = open();
  const whole = gathered(body, 4);
  body.push('one');
  body.push('two');
  await assert.rejects(whole, /limit/);
  body.push('three');
  assert.equal(body.isPaused(), true);
  assert.equal(body.readableLength, 5);
});

test('a client that goes before the end has sent none, whenever it goes', async () => {
  const gone = (error: unknown): boolean => isPlatformError(error, 'cancelled');
  const body = open();
  const whole = gathered(body, 10);
  body.push('one');
  body.destroy();
  await assert.rejects(whole, gone);
  await assert.rejects(gathered(body, 10), gone);
  const broken = open();
  const never = gathered(broken, 10);
  broken.destroy(new Error('reset'));
  await assert.rejects(never, /reset/);
});

test('who asks late for the signal of a departure hears of it too', () => {
  const departure = new Departure();
  const { signal } = departure;
  assert.equal(signal.aborted, false);
  departure.happened();
  assert.equal(signal.aborted, true);
  assert.equal(departure.signal, signal);
  const other = new Departure();
  other.happened();
  assert.equal(other.signal.aborted, true);
});
