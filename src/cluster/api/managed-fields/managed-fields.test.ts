import assert from 'node:assert/strict';
import { test } from 'node:test';
import { jsonCopy, objectsAt, type JsonObject } from '../json.ts';
import { kindSchema } from '../schema.ts';
import { recordUpdate, unownedWith, type ManagedWrite } from './managed-fields.ts';
import { structSchema } from './value-schema.ts';

const schema = structSchema(kindSchema('', 'v1', 'ConfigMap')!.message);

function writtenBy(manager: string, second: number): ManagedWrite {
  const now = `2026-01-01T00:00:0${second}Z`;
  return { schema, apiVersion: 'v1', manager, subresource: '', ignored: unownedWith([]), now };
}

function made(data: JsonObject): JsonObject {
  const object: JsonObject = { metadata: { name: 'c' }, data };
  recordUpdate(undefined, object, writtenBy('first', 0));
  return object;
}

const entriesOf = (object: JsonObject): readonly JsonObject[] =>
  objectsAt(object, 'metadata', 'managedFields');

test('an owner of whom nothing changes keeps the entry that it has', () => {
  const live = made({ a: '1' });
  const object: JsonObject = { ...live, metadata: { name: 'c', labels: { x: 'y' } } };
  recordUpdate(live, object, writtenBy('second', 1));
  const [first, second] = entriesOf(object);
  assert.equal(first, entriesOf(live)[0]);
  assert.deepEqual(second, {
    manager: 'second',
    operation: 'Update',
    apiVersion: 'v1',
    time: '2026-01-01T00:00:01Z',
    fieldsType: 'FieldsV1',
    fieldsV1: { 'f:metadata': { 'f:labels': { '.': {}, 'f:x': {} } } },
  });
});

test('what another changes leaves its owner, and an owner of nothing has no entry', () => {
  const live = made({ a: '1', b: '1' });
  const object = jsonCopy(live);
  object['data'] = { a: '2', b: '1' };
  recordUpdate(live, object, writtenBy('second', 1));
  const owned = entriesOf(object).map(({ manager, time, fieldsV1 }) => [manager, time, fieldsV1]);
  assert.deepEqual(owned, [
    ['first', '2026-01-01T00:00:00Z', { 'f:data': { '.': {}, 'f:b': {} } }],
    ['second', '2026-01-01T00:00:01Z', { 'f:data': { 'f:a': {} } }],
  ]);
  const emptied: JsonObject = { metadata: jsonCopy(object['metadata']!) };
  recordUpdate(object, emptied, writtenBy('third', 2));
  assert.equal(Object.hasOwn(emptied['metadata'] as JsonObject, 'managedFields'), false);
});

test('owners that are sent with an object that is made own what nobody else does', () => {
  const sent: JsonObject = {
    manager: 'z',
    operation: 'Apply',
    apiVersion: 'v1',
    fieldsType: 'FieldsV1',
    fieldsV1: { 'v:1': {}, 'f:data': { 'f:a': {} } },
  };
  const object: JsonObject = { metadata: { name: 'c', managedFields: [sent] }, data: { a: '1' } };
  recordUpdate(undefined, object, writtenBy('first', 0));
  const owned = entriesOf(object).map(({ manager, fieldsV1 }) => [manager, fieldsV1]);
  assert.deepEqual(owned, [
    ['z', { 'v:1': {} }],
    ['first', { 'f:data': { '.': {}, 'f:a': {} } }],
  ]);
});

test('owners that cannot be read leave those that are', () => {
  const good: JsonObject = {
    manager: 'z',
    operation: 'Apply',
    apiVersion: 'v1',
    fieldsType: 'FieldsV1',
    fieldsV1: { 'f:data': { 'f:a': {} } },
  };
  const live = made({ a: '1' });
  for (const wrong of [
    { operation: '' },
    { apiVersion: '' },
    { fieldsType: '' },
    { fieldsType: 'FieldsV2' },
    { fieldsV1: [1] },
    { fieldsV1: { 'i:x': {} } },
  ]) {
    const managedFields = [{ ...good, ...wrong }];
    const object: JsonObject = { ...live, metadata: { name: 'c', managedFields } };
    recordUpdate(live, object, writtenBy('second', 1));
    assert.deepEqual(entriesOf(object), entriesOf(live), JSON.stringify(wrong));
  }
});

test('a list of owners that a client sends counts, in the order and the form in which they are always written', () => {
  const live = made({ a: '1' });
  const [own] = entriesOf(live);
  const applied: JsonObject = {
    fieldsV1: { 'f:data': { 'f:a': {} } },
    manager: 'z',
    operation: 'Apply',
    apiVersion: 'v1',
    fieldsType: 'FieldsV1',
  };
  const object: JsonObject = {
    ...live,
    metadata: { name: 'c', managedFields: [jsonCopy(own!), applied] },
  };
  recordUpdate(live, object, writtenBy('second', 1));
  assert.equal(
    JSON.stringify(entriesOf(object)),
    JSON.stringify([
      {
        manager: 'z',
        operation: 'Apply',
        apiVersion: 'v1',
        fieldsType: 'FieldsV1',
        fieldsV1: { 'f:data': { 'f:a': {} } },
      },
      own,
    ]),
  );
  const forgotten: JsonObject = { ...live, metadata: { name: 'c', managedFields: [{}] } };
  recordUpdate(live, forgotten, writtenBy('second', 1));
  assert.deepEqual(forgotten['metadata'], { name: 'c' });
});
