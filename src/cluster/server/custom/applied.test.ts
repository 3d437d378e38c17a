import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject, JsonValue } from '../../api/json.ts';
import { TestServer } from '../testing/test-server.ts';
import { until } from '../testing/until.ts';

const THINGS = '/apis/example.com/v1/namespaces/default/things';
const APPLY = { 'content-type': 'application/apply-patch+yaml' };
const text = { type: 'string' };

const spec: JsonObject = {
  type: 'object',
  properties: {
    text,
    number: { type: 'integer' },
    list: { type: 'array', items: text },
    set: { type: 'array', 'x-kubernetes-list-type': 'set', items: text },
    map: { type: 'object', additionalProperties: text },
    filled: { type: 'object', additionalProperties: { type: 'string', default: 'x' } },
    nullable: { type: 'string', nullable: true },
    defaulted: { type: 'string', default: 'x' },
    any: { 'x-kubernetes-preserve-unknown-fields': true },
    open: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true, properties: { text } },
    port: { 'x-kubernetes-int-or-string': true },
    inner: {
      type: 'object',
      'x-kubernetes-embedded-resource': true,
      'x-kubernetes-preserve-unknown-fields': true,
    },
  },
};

async function withThings(): Promise<TestServer> {
  const api = await TestServer.open();
  const status = { type: 'object', properties: { text, nullable: { type: 'string', nullable: true } } };
  await api.create('/apis/apiextensions.k8s.io/v1/customresourcedefinitions', {
    metadata: { name: 'things.example.com' },
    spec: {
      group: 'example.com',
      names: { plural: 'things', kind: 'Thing' },
      scope: 'Namespaced',
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          subresources: { status: {} },
          schema: { openAPIV3Schema: { type: 'object', properties: { spec, status } } },
        },
      ],
    },
  });
  await until(async () => (await api.call('GET', THINGS)).status === 200);
  return api;
}

const thing = (name: string, content: JsonValue): JsonObject => ({
  apiVersion: 'example.com/v1',
  kind: 'Thing',
  metadata: { name },
  spec: content,
});

test('null is left out of what is sent, and refused in what is applied', async () => {
  await using api = await withThings();
  const refused = 'must be of type';
  const cases: readonly [field: string, value: JsonValue, applied: string | JsonValue, sent: JsonValue][] = [
    ['text', null, refused, {}],
    ['list', null, refused, {}],
    ['map', { a: null }, refused, { map: {} }],
    ['port', null, refused, {}],
    ['open', { text: null, more: null }, refused, { open: { more: null } }],
    ['inner', { apiVersion: null, kind: 'A' }, 'must be a string', 'must be a string'],
    ['nullable', null, { nullable: null }, { nullable: null }],
    ['defaulted', null, {}, {}],
    ['filled', { a: null }, { filled: { a: 'x' } }, { filled: { a: 'x' } }],
    ['any', null, {}, {}],
    ['any', { a: null }, { any: { a: null } }, { any: { a: null } }],
  ];
  for (const [index, [field, value, applied, sent]] of cases.entries()) {
    const [patch, post] = [
      thing(`applied-${index}`, { [field]: value }),
      thing(`sent-${index}`, { [field]: value }),
    ];
    const answers = [
      [await api.call('PATCH', `${THINGS}/applied-${index}?fieldManager=one`, patch, APPLY), applied],
      [await api.call('POST', THINGS, post), sent],
    ] as const;
    for (const [{ status, body }, wanted] of answers) {
      if (typeof wanted === 'string') assert.ok(body.message?.includes(wanted), `${field}: ${body.message}`);
      else {
        assert.equal(status, 201, `${field}: ${body.message}`);
        assert.deepEqual(body.spec, { defaulted: 'x', ...(wanted as JsonObject) }, field);
      }
    }
  }
});

test('null over what nobody has typed changes nothing of it', async () => {
  await using api = await withThings();
  await api.create(THINGS, thing('a', { any: { x: 1 }, text: 'a' }));
  const { status, body } = await api.call(
    'PATCH',
    `${THINGS}/a?fieldManager=one`,
    thing('a', { any: null }),
    APPLY,
  );
  assert.equal(status, 200, body.message ?? '');
  assert.deepEqual(body.spec?.['any'], { x: 1 });
});

test('a status of null takes away what the applier had in it, and no more', async () => {
  await using api = await withThings();
  await api.create(THINGS, thing('a', {}));
  const { spec: _spec, ...whole } = thing('a', {});
  const at = `${THINGS}/a/status?fieldManager=one`;
  for (const [status, kept] of [
    [{ nullable: 'x' }, { nullable: 'x' }],
    [null, {}],
  ]) {
    const answer = await api.call('PATCH', at, { ...whole, status }, APPLY);
    assert.equal(answer.status, 200, answer.body.message ?? '');
    assert.deepEqual(answer.body.status, kept);
  }
});

test('what is applied is held against its type first', async () => {
  await using api = await withThings();
  const cases: readonly [content: JsonValue, problem: string][] = [
    [{ text: 1 }, '.spec.text: expected string, got &value.valueUnstructured{Value:1}'],
    [{ number: 'a' }, '.spec.number: expected numeric (int or float), got string'],
    [{ list: [1] }, '.spec.list[0]: expected string, got &value.valueUnstructured{Value:1}'],
    [
      { set: [null] },
      ".spec.set: element 0: associative list without keys has an element that's an explicit null",
    ],
    [{ set: [{}] }, ".spec.set: element 0: associative list without keys has an element that's a map type"],
    [{ map: [] }, '.spec.map: expected map, got &{[]}'],
    [
      { inner: { metadata: { labels: { a: 1 } } } },
      '.spec.inner.metadata.labels.a: expected string, got &value.valueUnstructured{Value:1}',
    ],
    [{ nothing: 1 }, '.spec.nothing: field not declared in schema'],
  ];
  const head = 'failed to create typed patch object (/a; example.com/v1, Kind=Thing): ';
  for (const [content, problem] of cases) {
    const { status, body } = await api.call(
      'PATCH',
      `${THINGS}/a?fieldManager=one`,
      thing('a', content),
      APPLY,
    );
    assert.deepEqual([status, body.message], [500, head + problem]);
  }
});
