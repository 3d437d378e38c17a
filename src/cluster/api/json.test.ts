import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { sharing, type JsonObject } from './json.ts';

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
