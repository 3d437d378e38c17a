import assert from 'node:assert/strict';
import { test } from 'node:test';
import { frozen, getPath, objectAt, type JsonObject } from '../../api/json.ts';
import { lazily } from '../../api/lazily.ts';
import { Structural } from '../../api/structural/schema.ts';
import { customType } from './custom-type.ts';

const PART = { type: 'object', properties: { size: { type: 'integer', default: 1 } } };
const type = customType({
  group: 'example.com',
  version: 'v1',
  kind: 'Widget',
  namespaced: true,
  schema: lazily(
    () =>
      new Structural({
        type: 'object',
        properties: {
          status: PART,
          spec: { type: 'object', properties: { left: PART, right: PART } },
          other: {
            type: 'object',
            'x-kubernetes-embedded-resource': true,
            'x-kubernetes-preserve-unknown-fields': true,
          },
        },
      }),
  ),
});

const PRIOR: JsonObject = frozen({
  apiVersion: 'example.com/v1',
  kind: 'Widget',
  metadata: { name: 'w', labels: { a: 'b' } },
  status: {},
  spec: { left: { size: 1 }, right: { size: 1 } },
  other: { kind: 'Thing', metadata: { name: 'x', labels: { c: 'd' } } },
});

test('what is still the prior’s is neither read again nor written to', () => {
  const spec = { ...objectAt(PRIOR, 'spec'), right: {}, middle: {} };
  const metadata = { ...objectAt(PRIOR, 'metadata'), annotations: { e: 'f' }, wrong: 1 };
  const { object, unknown } = type.decode(frozen({ ...PRIOR, metadata, spec, extra: 1 }), { prior: PRIOR });
  assert.deepEqual(unknown, [
    'unknown field "metadata.wrong"',
    'unknown field "spec.middle"',
    'unknown field "extra"',
  ]);
  assert.deepEqual(Object.keys(object), Object.keys(PRIOR));
  for (const path of [['status'], ['other'], ['metadata', 'labels']])
    assert.equal(getPath(object, ...path), getPath(PRIOR, ...path), path.join('.'));
  type.applyDefaults(object, PRIOR);
  assert.deepEqual(object['spec'], PRIOR['spec']);
  assert.equal(object['status'], PRIOR['status']);
  assert.deepEqual(object['metadata'], {
    name: 'w',
    labels: { a: 'b' },
    annotations: { e: 'f' },
  });
});

test('a schema is read when the first object comes', () => {
  let reads = 0;
  const late = customType({
    group: 'example.com',
    version: 'v1',
    kind: 'Widget',
    namespaced: true,
    schema: lazily(() => {
      reads++;
      return new Structural({ type: 'object', properties: { spec: PART } });
    }),
  });
  assert.equal(reads, 0);
  for (let i = 0; i < 2; i++) {
    late.decode({ apiVersion: 'example.com/v1', kind: 'Widget', metadata: { name: 'w' } });
    assert.equal(reads, 1);
  }
});
