import assert from 'node:assert/strict';
import { test } from 'node:test';

import { parseLabelSelector } from './label-selector-text.ts';

const EXPECTED: readonly (readonly [text: string, message: RegExp])[] = [
  [
    'n>x',
    /^unable to parse requirement: values\[0\]: Invalid value: "x": for 'Gt', 'Lt' operators, the value/,
  ],
  ['n in', /^unable to parse requirement: found '' expected: '\('$/],
  ['n in (a', /^unable to parse requirement: found '', expected: ',' or '\)'$/],
  ['n in =', /^unable to parse requirement: found '=' expected: '\('$/],
  ['n in (=)', /^unable to parse requirement: found '=', expected: ',', '\)' or identifier$/],
  ['=1', /^found '=', expected: !, identifier, or 'end of string'$/],
  ['n=1,', /^found '', expected: identifier after ','$/],
  ['n=a b', /^found 'b', expected: ',' or 'end of string'$/],
  ['n===1', /^unable to parse requirement: found '=', expected: identifier$/],
  ['!n=1', /^found '=', expected: ',' or 'end of string'$/],
  [',n', /^found ',', expected: !, identifier, or 'end of string'$/],
  ['x exists', /^unable to parse requirement: found 'exists', expected: in, notin, =, ==, !=, gt, lt$/],
  ['-n=1', /^unable to parse requirement: <nil>: Invalid value: "-n": name part must consist of /],
  ['n=-1', /^unable to parse requirement: values\[0\]\[n\]: Invalid value: "-1": a valid label must be /],
];

test('what cannot be read, and why', () => {
  for (const [text, message] of EXPECTED)
    assert.throws(() => parseLabelSelector(text), { code: 'invalid', message }, text);
});

test('missing values are empty ones', () => {
  const valuesOf = (text: string): readonly string[] | undefined =>
    parseLabelSelector(text).requirements[0]?.values;
  assert.deepEqual(valuesOf('n in (1,,2)'), ['', '1', '2']);
  assert.deepEqual(valuesOf('n in ()'), ['']);
  assert.deepEqual(valuesOf('n in (,)'), ['']);
  assert.deepEqual(valuesOf('n='), ['']);
  assert.deepEqual(valuesOf('n in (in,notin)'), ['in', 'notin']);
});
