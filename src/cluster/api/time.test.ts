import assert from 'node:assert/strict';
import { test } from 'node:test';

import { parseMicroTime, parseTime, timeToMs } from './time.ts';

test('times in their canonical form, from the first year on', () => {
  assert.equal(parseMicroTime('0001-01-01T00:00:02.000000Z'), '0001-01-01T00:00:02.000000Z');
  assert.equal(parseTime('0099-12-31T23:59:59Z'), '0099-12-31T23:59:59Z');
  assert.equal(parseTime('2026-03-01T01:00:00+02:00'), '2026-02-28T23:00:00Z');
  for (const text of ['2026-01-01T00:00:00Z', '2026-01-01T00:00:00.1234567Z'])
    assert.equal(parseMicroTime(text), undefined, text);
  assert.equal(timeToMs('1970-01-01T00:00:01.5Z'), 1500);
});

test('days and hours that there are not', () => {
  for (const text of [
    '2026-02-29T00:00:00Z',
    '2026-00-01T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-04-31T00:00:00Z',
    '2026-01-00T00:00:00Z',
    '2026-01-01T24:00:00Z',
    '2026-01-01T23:60:00Z',
    '2026-01-01T23:00:60Z',
    '2026-01-01',
  ]) {
    assert.equal(parseTime(text), undefined, text);
    assert.equal(parseMicroTime(text.replace('Z', '.000000Z')), undefined, text);
  }
  assert.equal(parseTime('2028-02-29T23:59:59Z'), '2028-02-29T23:59:59Z');
  assert.equal(parseTime('2026-01-01T00:00:00z'), '2026-01-01T00:00:00Z');
});
