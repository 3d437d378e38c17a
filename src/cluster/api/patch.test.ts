import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject, JsonValue } from './json.ts';
import { jsonPatch, mergePatch, strategicMergePatch } from './patch.ts';
import { kindSchema } from './schema.ts';

/** RFC 7396, appendix A. */
const MERGE: readonly (readonly [JsonValue, JsonValue, JsonValue])[] = [
  [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
  [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
  [{ a: 'b' }, { a: null }, {}],
  [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
  [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
  [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
  [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
  [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
  [
    ['a', 'b'],
    ['c', 'd'],
    ['c', 'd'],
  ],
  [{ a: 'b' }, ['c'], ['c']],
  [{ a: 'foo' }, null, null],
  [{ e: null }, { a: 1 }, { e: null, a: 1 }],
  [[1, 2], { a: 'b', c: null }, { a: 'b' }],
  [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
];

test('merge patch: the cases of RFC 7396', () => {
  for (const [document, patch, expected] of MERGE) {
    const before = JSON.stringify(document);
    assert.deepEqual(mergePatch(document, patch), expected, JSON.stringify(patch));
    assert.equal(JSON.stringify(document), before);
  }
});

const JSON_PATCH: readonly (readonly [JsonValue, JsonValue[], JsonValue])[] = [
  [{ foo: 'bar' }, [{ op: 'add', path: '/baz', value: 'qux' }], { foo: 'bar', baz: 'qux' }],
  [{ foo: ['a', 'c'] }, [{ op: 'add', path: '/foo/1', value: 'b' }], { foo: ['a', 'b', 'c'] }],
  [{ foo: ['a'] }, [{ op: 'add', path: '/foo/-', value: ['b'] }], { foo: ['a', ['b']] }],
  [{ a: 1, b: 2 }, [{ op: 'remove', path: '/b' }], { a: 1 }],
  [{ a: [1, 2, 3] }, [{ op: 'remove', path: '/a/1' }], { a: [1, 3] }],
  [{ a: 1 }, [{ op: 'replace', path: '/a', value: { b: 2 } }], { a: { b: 2 } }],
  [{ a: { b: 1 }, c: {} }, [{ op: 'move', from: '/a/b', path: '/c/d' }], { a: {}, c: { d: 1 } }],
  [{ a: { b: 1 } }, [{ op: 'copy', from: '/a', path: '/c' }], { a: { b: 1 }, c: { b: 1 } }],
  [
    { 'a/b': 1, 'm~n': 2 },
    [
      { op: 'test', path: '/a~1b', value: 1 },
      { op: 'remove', path: '/m~0n' },
    ],
    { 'a/b': 1 },
  ],
  [{ a: 1 }, [{ op: 'add', path: '', value: { b: 1 } }], { b: 1 }],
  // What upstream's library takes beyond the RFC.
  [{ a: 1 }, [{ op: 'replace', path: '/x', value: 1 }], { a: 1, x: 1 }],
  [{ a: 1 }, [{ op: 'add', path: '/x' }], { a: 1, x: null }],
  [{ a: [1, 2] }, [{ op: 'remove', path: '/a/-1' }], { a: [1] }],
  [{ a: [1, 2] }, [{ op: 'replace', path: '/a/-2', value: 3 }], { a: [3, 2] }],
];

test('JSON patch: the operations of RFC 6902', () => {
  for (const [document, patch, expected] of JSON_PATCH) {
    assert.deepEqual(jsonPatch(document, patch), expected, JSON.stringify(patch));
  }
});

test('JSON patch: what cannot be applied is refused', () => {
  const cases: JsonValue[] = [
    [{ op: 'remove', path: '/x' }],
    [{ op: 'test', path: '/a', value: 2 }],
    [{ op: 'add', path: '/x/y', value: 1 }],
    [{ op: 'add', path: '/l/7', value: 1 }],
    [{ op: 'add', path: '/l/01', value: 1 }],
    [{ op: 'move', from: '/a', path: '/a/b' }],
    [{ op: 'jump', path: '/a' }],
    [{ op: 'add', path: 'a', value: 1 }],
    [{ op: 'replace', path: '/l/0', value: 1 }],
    [{ op: 'replace', path: '/x/y', value: 1 }],
    [{ op: 'add', path: '/l/-2', value: 1 }],
    { op: 'add' },
    Array.from({ length: 10_001 }, () => ({ op: 'test', path: '/a', value: 1 })),
  ];
  for (const patch of cases) {
    assert.throws(
      () => jsonPatch({ a: 1, l: [] }, patch),
      { code: 'invalid' },
      JSON.stringify(patch).slice(0, 80),
    );
  }
  const doubling = Array.from({ length: 60 }, () => ({ op: 'copy', from: '', path: '/l/-' }));
  assert.throws(() => jsonPatch({ l: ['x'.repeat(1000)] }, doubling), {
    code: 'invalid',
    message: /too much/,
  });
});

test('JSON patch: __proto__ is an ordinary member', () => {
  const result = jsonPatch({}, [{ op: 'add', path: '/__proto__', value: { polluted: true } }]) as JsonObject;
  assert.deepEqual(Object.keys(result), ['__proto__']);
  assert.equal(({} as { polluted?: boolean }).polluted, undefined);
});

function strategic(document: JsonObject, patch: JsonObject): JsonObject {
  const kind = kindSchema('', 'v1', 'Pod');
  assert.ok(kind);
  const before = JSON.stringify(document);
  const result = strategicMergePatch(document, patch, kind);
  assert.equal(JSON.stringify(document), before, 'the document is left as it was');
  return result;
}

const containers = (...items: JsonObject[]): JsonObject => ({ spec: { containers: items } });

test('strategic merge: lists with a merge key merge by it', () => {
  assert.deepEqual(
    strategic(
      containers({ name: 'a', image: '1', env: [{ name: 'X', value: '1' }] }, { name: 'b' }),
      containers({ name: 'a', image: '2', env: [{ name: 'Y', value: '2' }] }, { name: 'c' }),
    ),
    containers(
      {
        name: 'a',
        image: '2',
        env: [
          { name: 'Y', value: '2' },
          { name: 'X', value: '1' },
        ],
      },
      { name: 'c' },
      { name: 'b' },
    ),
  );
});

test("strategic merge: what is new comes in the patch's order, before what it does not name", () => {
  assert.deepEqual(
    strategic(containers({ name: 'a' }, { name: 'b' }), containers({ name: 'c' }, { name: 'b' })),
    containers({ name: 'c' }, { name: 'a' }, { name: 'b' }),
  );
  assert.deepEqual(strategic({ metadata: { finalizers: ['a'] } }, { metadata: { finalizers: ['b'] } }), {
    metadata: { finalizers: ['b', 'a'] },
  });
});

test('strategic merge: atomic lists are replaced, nulls delete, maps merge', () => {
  assert.deepEqual(
    strategic(
      {
        metadata: { labels: { a: '1', b: '2' } },
        spec: { containers: [{ name: 'a', args: ['x'] }], nodeName: 'n' },
      },
      {
        metadata: { labels: { a: null, c: '3' } },
        spec: { containers: [{ name: 'a', args: ['y', 'z'] }], nodeName: null },
      },
    ),
    { metadata: { labels: { b: '2', c: '3' } }, spec: { containers: [{ name: 'a', args: ['y', 'z'] }] } },
  );
});

test('strategic merge: items are deleted and lists replaced by $patch', () => {
  assert.deepEqual(
    strategic(containers({ name: 'a' }, { name: 'b' }), containers({ name: 'a', $patch: 'delete' })),
    containers({ name: 'b' }),
  );
  assert.deepEqual(
    strategic(containers({ name: 'a' }, { name: 'b' }), containers({ name: 'c' }, { $patch: 'replace' })),
    containers({ name: 'c' }),
  );
  assert.deepEqual(
    strategic({ metadata: { labels: { a: '1' } } }, { metadata: { labels: { $patch: 'replace', b: '2' } } }),
    { metadata: { labels: { b: '2' } } },
  );
});

test('strategic merge: primitive lists merge and lose items', () => {
  assert.deepEqual(
    strategic({ metadata: { finalizers: ['a', 'b'] } }, { metadata: { finalizers: ['b', 'c'] } }),
    { metadata: { finalizers: ['a', 'b', 'c'] } },
  );
  assert.deepEqual(
    strategic(
      { metadata: { finalizers: ['a', 'b'] } },
      { metadata: { '$deleteFromPrimitiveList/finalizers': ['a'] } },
    ),
    { metadata: { finalizers: ['b'] } },
  );
});

test('strategic merge: $setElementOrder orders what it names, others stay where they were', () => {
  assert.deepEqual(
    strategic(containers({ name: 'a' }, { name: 'injected' }, { name: 'b' }), {
      spec: {
        '$setElementOrder/containers': [{ name: 'b' }, { name: 'new' }, { name: 'a' }],
        containers: [{ name: 'new', image: 'x' }],
      },
    }),
    containers({ name: 'injected' }, { name: 'b' }, { name: 'new', image: 'x' }, { name: 'a' }),
  );
});

test('strategic merge: what is listed comes in the order that is asked for', () => {
  const patch = (order: JsonValue, ...listed: JsonObject[]): JsonObject => ({
    spec: { '$setElementOrder/containers': order, containers: listed },
  });
  const document = containers({ name: 'a' }, { name: 'b' });
  const [a, b] = [{ name: 'a', image: 'x' }, { name: 'b' }];
  assert.deepEqual(strategic(document, patch([b, { name: 'a' }], b, a)), containers(b, a));
  assert.deepEqual(strategic(document, patch([b], { name: 'a', $patch: 'delete' })), containers(b));
  const told =
    /^The order in patch list:\n\[map\[.*\]\]\n doesn't match \$setElementOrder list:\n\[map\[name:b\].*\]\n$/;
  assert.throws(() => strategic(document, patch([b], a)), { message: told });
  assert.throws(() => strategic(document, patch([b, { name: 'a' }], a, b)), { message: told });
  assert.throws(() => strategic(document, patch([{ x: 'b' }], a)), {
    message: 'map: map[x:b] does not contain declared merge key: name',
  });
});

test('strategic merge: $retainKeys drops the members of a union that are not named', () => {
  assert.deepEqual(
    strategic(
      { spec: { volumes: [{ name: 'v', emptyDir: {} }] } },
      { spec: { volumes: [{ name: 'v', $retainKeys: ['name', 'hostPath'], hostPath: { path: '/x' } }] } },
    ),
    { spec: { volumes: [{ name: 'v', hostPath: { path: '/x' } }] } },
  );
  assert.throws(() => strategic({ spec: {} }, { spec: { $retainKeys: ['a'], nodeName: 'n' } }), {
    code: 'invalid',
  });
});

test('strategic merge: an item without its merge key is refused', () => {
  assert.throws(() => strategic(containers({ name: 'a' }), containers({ image: 'x' })), {
    code: 'invalid',
    message: /merge key: name/,
  });
  assert.throws(() => strategic({}, { spec: { $patch: 'explode' } }), { code: 'invalid' });
});
