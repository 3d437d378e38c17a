import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { JsonObject } from '../json.ts';
import { loadPatterns } from '../pattern/lazy.ts';
import { checkDefaults } from './check-defaults.ts';
import { loadRules } from './lazy-rules.ts';
import { Structural } from './schema.ts';

async function problemsOf(property: JsonObject): Promise<string[]> {
  await Promise.all([loadPatterns(), loadRules()]);
  const schema = new Structural({ type: 'object', properties: { a: property } });
  return checkDefaults(schema, 'schema').map(({ field, detail }) => `${field}: ${detail}`);
}

const NOT = ['schema.properties[a].default: "" must not validate the schema (not)'];

/** What kube-apiserver 1.36 answers. */
test('formats that nobody knows count in defaults', async () => {
  for (const [property, wanted] of [
    [{ type: 'boolean', default: true, not: { format: 'sample' } }, []],
    [{ type: 'integer', default: 1, not: { format: 'int64' } }, []],
    [{ type: 'number', default: 1.5, not: { format: 'double' } }, []],
    [{ type: 'object', default: {}, not: { format: 'sample' } }, []],
    [{ type: 'string', default: 'a', not: { format: 'sample' } }, NOT],
    [{ type: 'array', items: { type: 'string' }, default: [], not: { format: 'sample' } }, NOT],
    [{ type: 'integer', default: 1, format: 'sample' }, []],
    [
      { type: 'integer', default: 1, anyOf: [{ format: 'sample' }, { maximum: 0 }] },
      [
        'schema.properties[a].default: "" must validate at least one schema (anyOf)',
        'schema.properties[a].default:  in body must be of type sample: "int64"',
      ],
    ],
  ] as const) {
    assert.deepEqual(await problemsOf(property as unknown as JsonObject), wanted, JSON.stringify(property));
  }
});

test('x-kubernetes-int-or-string does not say what type a default has', async () => {
  for (const value of [{}, true, 1.5, 'a']) {
    assert.deepEqual(await problemsOf({ 'x-kubernetes-int-or-string': true, default: value }), []);
  }
});
