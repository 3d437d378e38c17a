import assert from 'node:assert/strict';
import { test } from 'node:test';

import { objectAt, type JsonObject } from '../../api/json.ts';
import { CachedObject } from '../cache/cached-object.ts';
import { definitionHead, hasRules, versionSchema } from './definition-head.ts';

function stored(...schemas: readonly (JsonObject | null)[]): { object: JsonObject; cached: CachedObject } {
  const object: JsonObject = {
    kind: 'CustomResourceDefinition',
    metadata: { name: 'as.example.com', annotations: { note: '{"openAPIV3Schema":{"a":1}}' } },
    spec: {
      versions: schemas.map((openAPIV3Schema, index) => ({
        name: `v${index + 1}`,
        schema: { openAPIV3Schema },
        served: true,
      })),
    },
  };
  return { object, cached: new CachedObject('key', Buffer.from(JSON.stringify(object)), 0) };
}

const PLAIN = { type: 'object', properties: { a: { description: 'a "}" \\ {' } } };
const NESTED = { properties: { openAPIV3Schema: { default: { openAPIV3Schema: { b: '}' } } } } };
const RULES = { 'x-kubernetes-validations': [{ rule: 'true' }] };

test('the head of a definition is all of it but the schemas', () => {
  const { object, cached } = stored(PLAIN, NESTED, null);
  const empty = stored({}, {}, null).object;
  assert.deepEqual(definitionHead(cached), { ...object, spec: objectAt(empty, 'spec') });
});

test('a schema is read from the whole', () => {
  const { cached } = stored(PLAIN, NESTED);
  assert.deepEqual(versionSchema(cached, 'v1'), PLAIN);
  assert.deepEqual(versionSchema(cached, 'v2'), NESTED);
  assert.deepEqual(versionSchema(cached, 'v3'), {});
});

test('rules are found where they are, and not in texts', () => {
  assert.equal(hasRules(stored(PLAIN, { properties: { a: RULES } }).cached), true);
  assert.equal(hasRules(stored({ description: JSON.stringify(RULES) }).cached), false);
});
