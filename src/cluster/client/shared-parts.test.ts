import assert from 'node:assert/strict';
import { test } from 'node:test';

import { frozen } from '../api/json.ts';
import { SharedParts } from './shared-parts.ts';

interface Thing {
  readonly metadata: { readonly name: string; readonly labels: Record<string, string> };
  readonly spec: { readonly node: string; readonly containers: readonly { readonly image: string }[] };
}

function thing(name: string, node: string, image = 'registry.example/app:1'): Thing {
  const text = { metadata: { name, labels: { app: 'web' } }, spec: { node, containers: [{ image }] } };
  return JSON.parse(JSON.stringify(text)) as Thing;
}

test('equal parts become one, what differs stays', () => {
  const parts = new SharedParts();
  const one = parts.share(thing('a', 'node-number-one'));
  const same = parts.share(thing('b', 'node-number-one'));
  const other = parts.share(thing('c', 'node-number-two'));
  assert.deepEqual(same, thing('b', 'node-number-one'));
  assert.deepEqual(other, thing('c', 'node-number-two'));
  assert.equal(same.spec, one.spec);
  assert.equal(same.metadata.labels, one.metadata.labels);
  assert.notEqual(other.spec, one.spec);
  assert.equal(other.spec.containers, one.spec.containers);
});

test('a string is not taken for the object that it spells', () => {
  const parts = new SharedParts();
  parts.share({ spec: { value: { key: 'something long' } } });
  const text = JSON.stringify({ key: 'something long' });
  assert.deepEqual(parts.share({ spec: { value: text } }), { spec: { value: text } });
  const spelled = parts.share({ spec: { first: text, second: { key: 'something long' } } });
  assert.deepEqual(spelled, { spec: { first: text, second: { key: 'something long' } } });
});

test('a property named __proto__ stays a property', () => {
  const parsed = JSON.parse('{"metadata":{"labels":{"__proto__":{"polluted":"a long value"}}}}') as object;
  const shared = new SharedParts().share(parsed);
  assert.equal(JSON.stringify(shared), '{"metadata":{"labels":{"__proto__":{"polluted":"a long value"}}}}');
  assert.equal(({} as { polluted?: string }).polluted, undefined);
});

test('what is met no more is forgotten, what is met often stays', () => {
  const parts = new SharedParts();
  const first = parts.share(thing('a', 'node-number-one'));
  for (let i = 0; i < 20_000; i++) {
    parts.share({ spec: { unique: `${'x'.repeat(100)}${i}` } });
    if (i % 1000 === 0) parts.share(thing('b', 'node-number-one'));
  }
  assert.equal(parts.share(thing('c', 'node-number-one')).spec, first.spec);
  for (let i = 0; i < 20_000; i++) parts.share({ spec: { unique: `${'y'.repeat(100)}${i}` } });
  assert.notEqual(parts.share(thing('d', 'node-number-one')).spec, first.spec);
});

test('names and uids, which no other object has, push nothing out', () => {
  const parts = new SharedParts();
  const first = parts.share(thing('a', 'node-number-one'));
  for (let i = 0; i < 40_000; i++) {
    parts.share({ metadata: { name: `with-a-long-name-${i}`, uid: `6f9d3c1e-0000-0000-0000-${i}` } });
  }
  assert.equal(parts.share(thing('b', 'node-number-one')).spec, first.spec);
});

test('what somebody else holds as well is left as it is', () => {
  const parts = new SharedParts();
  const one = parts.share(thing('a', 'node-number-one'));
  const theirs = frozen(thing('b', 'node-number-two'));
  const shared = parts.share(theirs);
  assert.deepEqual(shared, theirs);
  assert.equal(shared.spec.containers, one.spec.containers);
  assert.equal(shared.metadata.labels, one.metadata.labels);
  assert.equal(parts.share(frozen(thing('c', 'node-number-two'))).spec, shared.spec);
});
