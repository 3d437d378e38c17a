import assert from 'node:assert/strict';
import { test } from 'node:test';

import { zoneOffset } from './zone-offset.ts';

const HOUR = 3_600_000;

test('a zone with summer time is ahead by its time of the year', () => {
  const berlin = zoneOffset('Europe/Berlin');
  assert.equal(berlin(Date.UTC(2026, 0, 1)), HOUR);
  assert.equal(berlin(Date.UTC(2026, 6, 1)), 2 * HOUR);
});

test('a zone behind UTC, a half hour, a fraction of a second', () => {
  assert.equal(zoneOffset('America/New_York')(Date.UTC(2026, 0, 1, 0, 0, 0, 250)), -5 * HOUR);
  assert.equal(zoneOffset('Asia/Kolkata')(Date.UTC(2026, 0, 1)), 5.5 * HOUR);
  assert.equal(zoneOffset('UTC')(Date.UTC(2026, 0, 1)), 0);
});

test('an unknown zone is refused', () => {
  assert.throws(() => zoneOffset('Mars/Olympus'), RangeError);
});
