import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '../../api/json.ts';
import { TestServer, type Answer } from '../testing/test-server.ts';
import { until } from '../testing/until.ts';
import { CRDS, define, definitionOf, MERGE, widgetOf, WIDGETS } from './testing/widgets.ts';

function definition(spec: JsonObject, root: JsonObject = {}): JsonObject {
  const schema = { type: 'object', properties: { spec }, ...root };
  return definitionOf({
    versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: schema } }],
  });
}

const widget = (spec: JsonObject, name = 'a'): JsonObject => widgetOf('v1', name, spec);

const spec: JsonObject = {
  type: 'object',
  properties: {
    min: { type: 'integer' },
    max: { type: 'integer' },
    fixed: {
      type: 'string',
      maxLength: 20,
      'x-kubernetes-validations': [{ rule: 'self == oldSelf', message: 'fixed is immutable' }],
    },
    once: {
      type: 'string',
      maxLength: 20,
      'x-kubernetes-validations': [
        {
          rule: 'oldSelf.hasValue() || self == "first"',
          optionalOldSelf: true,
          message: 'must begin as first',
        },
      ],
    },
    parts: {
      type: 'array',
      maxItems: 10,
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['id'],
      items: {
        type: 'object',
        required: ['id'],
        properties: { id: { type: 'string', maxLength: 10 }, size: { type: 'integer' } },
        'x-kubernetes-validations': [
          { rule: '!has(oldSelf.size) || self.size >= oldSelf.size', message: 'must not shrink' },
        ],
      },
    },
    ratio: { type: 'integer', 'x-kubernetes-validations': [{ rule: '10 / self > 0' }] },
    tags: {
      type: 'array',
      maxItems: 5,
      'x-kubernetes-list-type': 'set',
      items: { type: 'string', maxLength: 5 },
      'x-kubernetes-validations': [
        {
          rule: 'self == ["a", "b"]',
          messageExpression: '"with c: %s".format([self + ["c", "a"]])',
        },
      ],
    },
    labels: {
      type: 'object',
      maxProperties: 10,
      additionalProperties: {
        type: 'string',
        maxLength: 20,
        'x-kubernetes-validations': [{ rule: 'self.startsWith("x")' }],
      },
    },
  },
  'x-kubernetes-validations': [
    {
      rule: '!has(self.min) || !has(self.max) || self.min <= self.max',
      messageExpression: '"min is %d, max is %d".format([self.min, self.max])',
      fieldPath: '.max',
      reason: 'FieldValueForbidden',
    },
  ],
};

test('rules say what is wrong, where, in their own words', async () => {
  await using api = await TestServer.open();
  const named = [{ rule: 'self.metadata.name != "bad"', message: 'not that name' }];
  await define(api, definition(spec, { 'x-kubernetes-validations': named }));
  const cases: readonly [JsonObject, string, RegExp][] = [
    [{ min: 3, max: 1 }, 'a', /spec\.max: Forbidden: min is 3, max is 1/],
    [
      { labels: { k: 'y' } },
      'a',
      /spec\.labels\.k: Invalid value: "y": failed rule: self\.startsWith\("x"\)|spec\.labels\[k\]: Invalid value: "y": failed rule: self\.startsWith\("x"\)/,
    ],
    [{ once: 'second' }, 'a', /spec\.once: Invalid value: "second": must begin as first/],
    [{}, 'bad', /<nil>: Invalid value: not that name/],
    // A rule that fails itself shows no value.
    [
      { ratio: 0 },
      'a',
      /spec\.ratio: Invalid value: "integer": division by zero evaluating rule: 10 \/ self > 0/,
    ],
    [{ tags: ['a', 'd'] }, 'a', /spec\.tags: Invalid value: with c: \["a", "d", "c"\]/],
  ];
  for (const [value, name, message] of cases) {
    const { status, body } = await api.call('POST', WIDGETS, widget(value, name));
    assert.equal(status, 422, JSON.stringify(value));
    assert.match(body.message ?? '', message);
  }
});

test('rules about changes compare with what was there, items of lists by their keys', async () => {
  await using api = await TestServer.open();
  await define(api, definition(spec));
  await api.create(
    WIDGETS,
    widget({
      fixed: 'a',
      once: 'first',
      parts: [
        { id: 'p', size: 3 },
        { id: 'q', size: 1 },
      ],
    }),
  );
  const patch = async (change: JsonObject): Promise<string> => {
    const { status, body } = await api.call('PATCH', `${WIDGETS}/a`, { spec: change }, MERGE);
    return status === 200 ? '' : (body.message ?? '');
  };
  assert.match(await patch({ fixed: 'b' }), /spec\.fixed: Invalid value: "b": fixed is immutable/);
  assert.equal(await patch({ once: 'second' }), '');
  assert.equal(
    await patch({
      parts: [
        { id: 'q', size: 1 },
        { id: 'p', size: 4 },
        { id: 'new', size: 0 },
      ],
    }),
    '',
  );
  assert.match(
    await patch({ parts: [{ id: 'q', size: 0 }] }),
    /spec\.parts\[0\]: Invalid value: must not shrink/,
  );
});

test('what a new rule would refuse may stay as it is', async () => {
  await using api = await TestServer.open();
  const loose = { type: 'object', properties: { a: { type: 'integer' }, b: { type: 'integer' } } };
  await define(api, definition(loose));
  await api.create(WIDGETS, widget({ a: 9, b: 1 }));
  const strict = structuredClone(loose) as { properties: { a: JsonObject } };
  strict.properties.a['x-kubernetes-validations'] = [{ rule: 'self < 5' }];
  const crd = await api.call('GET', `${CRDS}/widgets.example.com`);
  const wanted = definition(strict);
  const updated = await api.call('PUT', `${CRDS}/widgets.example.com`, {
    ...wanted,
    metadata: crd.body.metadata,
  });
  assert.equal(updated.status, 200, updated.body.message ?? '');
  const tried = (): Promise<Answer> => api.call('POST', `${WIDGETS}?dryRun=All`, widget({ a: 7 }, 'c'));
  await until(async () => (await tried()).status === 422);
  assert.equal((await api.call('PATCH', `${WIDGETS}/a`, { spec: { b: 2 } }, MERGE)).status, 200);
  const worse = await api.call('PATCH', `${WIDGETS}/a`, { spec: { a: 10 } }, MERGE);
  assert.match(worse.body.message ?? '', /spec\.a: Invalid value: 10: failed rule: self < 5/);
});

test('rules that cannot be evaluated are refused with their place', async () => {
  await using api = await TestServer.open();
  const withRule = (rule: JsonObject, property: JsonObject = { type: 'string', maxLength: 10 }): JsonObject =>
    definition({
      type: 'object',
      properties: { a: property, list: { type: 'array', items: { type: 'string' } } },
      'x-kubernetes-validations': [rule],
    });
  const at = 'spec.validation.openAPIV3Schema.properties[spec].x-kubernetes-validations[0]';
  const cases: readonly [JsonObject, string][] = [
    [
      withRule({ rule: 'self.nope == 1' }),
      `${at}.rule: Invalid value: {"Rule":"self.nope == 1","Message":"","MessageExpression":"","Reason":null,"FieldPath":"","OptionalOldSelf":null}: compilation failed: ERROR: <input>:1:5: undefined field 'nope'`,
    ],
    [withRule({ rule: 'self.a' }), 'cel expression must evaluate to a bool'],
    [withRule({ rule: 'self.a == 1' }), "found no matching overload for '_==_' applied to '(string, int)'"],
    [withRule({ rule: '' }), `${at}.rule: Required value`],
    [withRule({ rule: 'true', reason: 'Nonsense' }), `${at}.reason: Unsupported value: "Nonsense"`],
    [withRule({ rule: 'true', messageExpression: '1' }), `${at}.messageExpression: Invalid value`],
    [
      withRule({ rule: 'self.list.all(x, self.list.all(y, x != y))' }),
      'estimated rule cost exceeds budget by factor of more than 100x',
    ],
    [
      withRule({ rule: 'true', messageExpression: "'at least ' + string(size(self.list))" }),
      `${at}.messageExpression: Forbidden: estimated messageExpression cost exceeds budget by factor of more than 100x`,
    ],
    [
      withRule({ rule: 'self.list.all(x, self.list.all(y, x != y))' }),
      `${at}.rule: Forbidden: contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema`,
    ],
    [
      definition({
        type: 'object',
        properties: {
          list: {
            type: 'array',
            maxItems: 3,
            items: {
              type: 'string',
              maxLength: 3,
              'x-kubernetes-validations': [{ rule: 'self == oldSelf' }],
            },
          },
        },
      }),
      'oldSelf cannot be used on the uncorrelatable portion of the schema within',
    ],
  ];
  for (const [crd, message] of cases) {
    const { status, body } = await api.call('POST', CRDS, crd);
    assert.equal(status, 422, message);
    assert.ok(body.message?.includes(message), body.message ?? '');
  }
});

test('an evaluation that takes too long is cut off', async () => {
  await using api = await TestServer.open();
  const numbers = { type: 'array', maxItems: 500, items: { type: 'integer' } };
  const rule = 'self.n.all(x, self.n.all(y, x + y >= 0))';
  await define(
    api,
    definition({ type: 'object', properties: { n: numbers }, 'x-kubernetes-validations': [{ rule }] }),
  );
  const n = Array.from({ length: 500 }, (_item, index) => index);
  const dear = await api.call('POST', WIDGETS, widget({ n }));
  assert.match(
    dear.body.message ?? '',
    /no further validation rules will be run due to call cost exceeds limit/,
  );
  assert.equal((await api.call('POST', WIDGETS, widget({ n: n.slice(0, 50) }))).status, 201);
});
