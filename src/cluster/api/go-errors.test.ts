import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  base64Error,
  durationError,
  MICRO_TIME_LAYOUT,
  quantityError,
  summary,
  TIME_LAYOUT,
  timeError,
} from './go-errors.ts';

test('base64 is refused at the byte at which Go stops', () => {
  const cases: readonly (readonly [string, number | undefined])[] = [
    ['AAEC', undefined],
    ['AA==', undefined],
    ['AAE=\n', undefined],
    ['AA\n=\n=', undefined],
    ['', undefined],
    ['/root', 4],
    ['Not_Valid!', 3],
    ['valid-name', 5],
    ['../up', 0],
    ['AA=', 3],
    ['A', 0],
    ['=', 0],
    ['AA=A', 2],
    ['AAE=AAEC', 4],
  ];
  for (const [text, at] of cases)
    assert.equal(base64Error(text), at === undefined ? undefined : `illegal base64 data at input byte ${at}`);
});

test('times are refused in the words of Go', () => {
  const parse = (text: string, as: string): string =>
    `parsing time "${text}" as "${TIME_LAYOUT}": cannot parse ${as}`;
  const cases: readonly (readonly [string, string])[] = [
    ['yesterday', parse('yesterday', '"yesterday" as "2006"')],
    ['', parse('', '"" as "2006"')],
    ['2020', parse('2020', '"" as "-"')],
    ['2020-1-01T00:00:00Z', parse('2020-1-01T00:00:00Z', '"1-01T00:00:00Z" as "01"')],
    ['2020-01-01 00:00:00Z', parse('2020-01-01 00:00:00Z', '" 00:00:00Z" as "T"')],
    ['2020-01-01T00:00:00.5', parse('2020-01-01T00:00:00.5', '"" as "Z07:00"')],
    ['2020-13-01T00:00:00Z', 'parsing time "2020-13-01T00:00:00Z": month out of range'],
    ['2020-02-30T00:00:00Z', 'parsing time "2020-02-30T00:00:00Z": day out of range'],
    ['2020-02-20T00:00:00Zx', 'parsing time "2020-02-20T00:00:00Zx": extra text: "x"'],
  ];
  for (const [text, message] of cases) assert.equal(timeError(text, TIME_LAYOUT), message);
  assert.equal(
    timeError('2020-01-01T00:00:00Z', MICRO_TIME_LAYOUT),
    `parsing time "2020-01-01T00:00:00Z" as "${MICRO_TIME_LAYOUT}": cannot parse "Z" as ".000000"`,
  );
});

test('durations, quantities and bodies are refused in the words of Go', () => {
  assert.equal(durationError('x'), 'time: invalid duration "x"');
  assert.equal(durationError('5'), 'time: missing unit in duration "5"');
  assert.equal(durationError('1s5y'), 'time: unknown unit "y" in duration "1s5y"');
  for (const text of ['1K', '1e', '--1'])
    assert.equal(quantityError(text), "unable to parse quantity's suffix");
  for (const text of ['', 'abc', '1x', '1.2.3', '5 m'])
    assert.match(quantityError(text), /^quantities must match/);
  assert.equal(summary(new Uint8Array()), '<empty>');
  assert.equal(summary(Buffer.from('[]')), '5b5d');
  assert.equal(
    summary(Buffer.from('{"apiVersion":"a/b/c","metadata":{}}')),
    '{"apiVersion":"a/b/c","metadat ...',
  );
});
