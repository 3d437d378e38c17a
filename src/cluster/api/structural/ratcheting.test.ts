/** Which complaints about custom resources an update may pass over (KEP-4008). */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { JsonObject, JsonValue } from '../json.ts';
import { Structural } from './schema.ts';
import { ratcheted, validateValue } from './validate.ts';

const WORD = { type: 'string', enum: ['good'] };
const SCHEMA = new Structural({
  type: 'object',
  properties: {
    word: WORD,
    needy: { type: 'object', required: ['word'], properties: { word: WORD, other: { type: 'string' } } },
    atomic: { type: 'array', items: WORD },
    set: { type: 'array', 'x-kubernetes-list-type': 'set', items: WORD },
    keyed: {
      type: 'array',
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['name'],
      items: { type: 'object', required: ['name'], properties: { name: { type: 'string' }, word: WORD } },
    },
    named: { type: 'object', additionalProperties: WORD },
  },
});

function complaints(value: JsonObject, old: JsonObject): string[] {
  return ratcheted(validateValue(value, SCHEMA), { schema: SCHEMA, value, old }).map(({ field }) => field);
}

const bad = (name: string): JsonValue => ({ name, word: 'bad' });

const CASES: readonly [what: string, old: JsonObject, value: JsonObject, expected: string[]][] = [
  ['a value that was bad before', { word: 'bad' }, { word: 'bad' }, []],
  ['another bad value', { word: 'bad' }, { word: 'worse' }, ['word']],
  ['a field that was missing before', { needy: { other: 'a' } }, { needy: { other: 'a' } }, []],
  ['a missing field of what changed', { needy: { other: 'a' } }, { needy: { other: 'b' } }, ['needy.word']],
  ['a list as it was', { atomic: ['bad'], set: ['bad'] }, { atomic: ['bad'], set: ['bad'] }, []],
  ['a longer list', { atomic: ['bad'] }, { atomic: ['bad', 'good'] }, ['atomic[0]']],
  ['a longer set', { set: ['bad'] }, { set: ['bad', 'good'] }, ['set[0]']],
  ['an item that moved', { keyed: [bad('a')] }, { keyed: [{ name: 'b' }, bad('a')] }, []],
  ['an item with another key', { keyed: [bad('a')] }, { keyed: [bad('c')] }, ['keyed[0].word']],
  ['a value of a map', { named: { a: 'bad' } }, { named: { a: 'bad', b: 'worse' } }, ['named.b']],
];

for (const [what, old, value, expected] of CASES)
  test(`${what}: ${expected.length === 0 ? 'passes' : 'is complained about'}`, () => {
    assert.deepEqual(complaints(value, old), expected);
  });
