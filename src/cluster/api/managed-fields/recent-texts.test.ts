import assert from 'node:assert/strict';
import { test } from 'node:test';

import { jsonCopy, type JsonObject } from '../json.ts';
import { FieldSet } from './field-set.ts';
import { RecentTexts } from './recent-texts.ts';

test('what is asked for again is not made again, what nobody asks for is forgotten', () => {
  const texts = new RecentTexts<string>();
  const made: string[] = [];
  const get = (text: string): string => texts.get(text, () => (made.push(text), `made of ${text}`));
  assert.equal(get('a'), 'made of a');
  assert.equal(get('a'), 'made of a');
  assert.deepEqual(made, ['a']);
  for (let i = 0; i < 2000; i++) {
    get(`n${i}`);
    if (i % 100 === 0) get('a');
  }
  assert.equal(made.filter((text) => text === 'a').length, 1);
  for (let i = 0; i < 2000; i++) get(`m${i}`);
  get('a');
  assert.equal(made.filter((text) => text === 'a').length, 2);
});

test('a long text is not remembered', () => {
  const texts = new RecentTexts<number>();
  let made = 0;
  const long = 'x'.repeat(10_000);
  for (let i = 0; i < 3; i++) texts.get(long, () => ++made);
  assert.equal(made, 3);
});

test('sets that say the same are one, and change by copies', () => {
  const json = (): JsonObject => ({ 'f:spec': { 'f:a': {}, 'f:b': {} } });
  const [one, two] = [FieldSet.fromJson(json()), FieldSet.fromJson(json())];
  assert.equal(one, two);
  assert.deepEqual(one.difference(FieldSet.fromJson({ 'f:spec': { 'f:a': {} } })).toJson(), {
    'f:spec': { 'f:b': {} },
  });
  assert.deepEqual(one.toJson(), json());
});

test('a copy of JSON shares nothing with it', () => {
  const text = '{"a":[{"b":null},[1]],"__proto__":{"c":{"d":true}}}';
  const value = JSON.parse(text) as JsonObject;
  const copy = jsonCopy(value);
  assert.equal(JSON.stringify(copy), text);
  (copy['a'] as JsonObject[])[0]!['b'] = 1;
  (Object.getOwnPropertyDescriptor(copy, '__proto__')!.value as JsonObject)['c'] = 2;
  assert.equal(JSON.stringify(value), text);
  assert.equal(Object.getPrototypeOf(copy), Object.prototype);
});
