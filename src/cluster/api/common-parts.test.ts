import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isCommon, jsonAround, jsonText, makeCommon, metadataJson, oncePerPart } from './common-parts.ts';
import type { JsonObject } from './json.ts';

test('what follows from a common part is found out once, from any other each time', () => {
  const asked: JsonObject[] = [];
  const derive = oncePerPart((part: JsonObject) => asked.push(part));
  const [common, other] = [{ a: 1 }, { a: 1 }];
  makeCommon(common);
  assert.deepEqual(
    [isCommon(common), isCommon(other), isCommon(1), isCommon(undefined)],
    [true, false, false, false],
  );
  assert.deepEqual([derive(common), derive(common), derive(other), derive(other)], [1, 1, 2, 3]);
  assert.deepEqual(asked, [common, other, other]);
});

test('JSON around common parts says what JSON says', () => {
  const [spec, labels, owned] = [{ containers: [{ name: 'c' }] }, { app: 'web' }, { 'f:spec': { '.': {} } }];
  for (const part of [spec, labels, owned]) makeCommon(part);
  const metadata: JsonObject = {
    labels,
    name: 'a"b\u2028é',
    annotations: {},
    list: [],
    managedFields: [{ manager: 'm', fieldsV1: owned }, { fieldsV1: { 'f:a': {} } }, 1, null, ['x']],
    none: null,
    absent: undefined,
    deep: { a: { b: { c: { d: [1, { e: null }] } } } },
  };
  assert.deepEqual(JSON.parse(metadataJson(metadata)), JSON.parse(JSON.stringify(metadata)));
  assert.equal(metadataJson({ managedFields: 'x' }), '{"managedFields":"x"}');
  const objects: JsonObject[] = [
    { metadata, spec, status: { phase: 'Pending' } },
    { spec },
    {},
    { name: 'only' },
    JSON.parse('{"__proto__": 1, "constructor": {"__proto__": {"x": []}}}') as JsonObject,
  ];
  for (const object of objects)
    assert.deepEqual(JSON.parse(jsonAround(object)), JSON.parse(JSON.stringify(object)));
  assert.equal(jsonText(spec), JSON.stringify(spec));
  assert.equal(jsonText('a"'), '"a\\""');
});

test('the text of a common part is made once, which nobody notices who changes none', () => {
  const part: JsonObject = { a: 1 };
  makeCommon(part);
  assert.equal(jsonAround({ part }), '{"part":{"a":1}}');
  part['a'] = 2;
  assert.equal(jsonAround({ part }), '{"part":{"a":1}}');
});
