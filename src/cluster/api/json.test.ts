import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { jsonCopy, jsonEqual, sharing, type JsonObject, type JsonValue } from './json.ts';

describe('what a value shares with one before it', () => {
  const prior: JsonObject = {
    metadata: { name: 'a', labels: { app: 'x' } },
    spec: { containers: [{ name: 'c', ports: [{ port: 80 }] }, { name: 'd' }], list: [1, 2] },
  };
  const copy = (): JsonObject => structuredClone(prior);

  it('is all of it where nothing has changed', () => {
    assert.equal(sharing(copy(), prior), prior);
  });

  it('is everything beside the way to a change', () => {
    const value = copy();
    (value['spec'] as { containers: JsonObject[] }).containers[1]!['name'] = 'e';
    const shared = sharing(value, prior) as {
      metadata: object;
      spec: { containers: object[]; list: object };
    };
    assert.deepEqual(shared, value);
    const before = prior as typeof shared;
    assert.equal(shared.metadata, before.metadata);
    assert.equal(shared.spec.containers[0], before.spec.containers[0]);
    assert.equal(shared.spec.list, before.spec.list);
    assert.notEqual(shared.spec.containers, before.spec.containers);
  });

  it('sees items and fields that have come or gone', () => {
    for (const [value, before] of [
      [[1], [1, 2]],
      [[1, 2], [1]],
      [{ a: 1 }, { a: 1, b: 2 }],
      [{ a: 1, b: 2 }, { a: 1 }],
      [{}, []],
      [[], {}],
      [{ a: null }, { a: [] }],
      [{ a: {} }, {}],
      [{}, undefined],
    ] as const) {
      const shared = sharing(value as unknown as JsonObject, before as unknown as JsonObject);
      assert.deepEqual(shared, value);
      assert.notEqual(shared, before);
    }
  });

  it('never touches a prototype', () => {
    const evil = JSON.parse('{"__proto__":{"a":1},"constructor":{"b":2}}') as JsonObject;
    const shared = sharing(evil, { a: 1 });
    assert.equal(Object.getPrototypeOf(shared), Object.prototype);
    assert.equal(JSON.stringify(shared), JSON.stringify(evil));
    assert.equal(sharing(evil, shared), shared);
  });
});

const parse = (text: string): JsonValue => JSON.parse(text) as JsonValue;

it('values are equal whatever the order of their members, and members of no value are none', () => {
  const equal: readonly (readonly [JsonValue | undefined, JsonValue | undefined])[] = [
    [
      { a: 1, b: [{ c: null }] },
      { b: [{ c: null }], a: 1 },
    ],
    [{ a: 1, b: undefined }, { a: 1 }],
    [{ a: 1 }, { b: undefined, a: 1 }],
    [parse('{"__proto__":{}}'), parse('{"__proto__":{}}')],
    [undefined, undefined],
  ];
  for (const [a, b] of equal) assert.ok(jsonEqual(a, b), JSON.stringify([a, b]));
  const different: readonly (readonly [JsonValue | undefined, JsonValue | undefined])[] = [
    [{ a: 1 }, { a: 1, b: 2 }],
    [{ a: 1 }, { b: 1 }],
    [{ a: undefined, b: 1 }, { a: 1 }],
    [{ a: null }, {}],
    [[1, 2], [1]],
    [
      [1, 2],
      [2, 1],
    ],
    [[], {}],
    [{}, null],
    [null, undefined],
    ['1', 1],
    // What every object inherits is nobody's member.
    [parse('{"__proto__":{}}'), { a: 1 }],
    [{ a: 1 }, parse('{"__proto__":{}}')],
    [{ constructor: 1 }, { a: 1 }],
  ];
  for (const [a, b] of different) assert.ok(!jsonEqual(a, b), JSON.stringify([a, b]));
});

it('a copy shares nothing and keeps every name', () => {
  const value = parse('{"a":[{"b":{}}],"__proto__":{"c":1}}');
  const copy = jsonCopy(value);
  assert.equal(JSON.stringify(copy), JSON.stringify(value));
  assert.ok(Object.hasOwn(copy as object, '__proto__'));
  const { a } = value as { a: JsonValue[] };
  (a[0] as { b: JsonValue }).b = 1;
  assert.equal(JSON.stringify(copy), '{"a":[{"b":{}}],"__proto__":{"c":1}}');
});
