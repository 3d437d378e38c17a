import assert from 'node:assert/strict';
import { test } from 'node:test';

import { decodeStored, encodeForStorage, encodeFrame, encodeList, withVersion } from './encoding.ts';

const object = {
  metadata: { resourceVersion: '3', name: 'a,"metadata":{', labels: { é: '√' } },
  data: { x: '1' },
  apiVersion: 'v1',
  kind: 'ConfigMap',
};

test('stored bytes have a fixed head and no resourceVersion', () => {
  const text = Buffer.from(encodeForStorage(object)).toString();
  assert.ok(text.startsWith('{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":'));
  assert.ok(!text.includes('resourceVersion'));
});

test('the version is spliced in and reads back', () => {
  const stored = encodeForStorage(object);
  const spliced = JSON.parse(Buffer.from(withVersion(stored, 42)).toString()) as unknown;
  assert.deepEqual(spliced, { ...object, metadata: { ...object.metadata, resourceVersion: '42' } });
  assert.deepEqual(decodeStored(stored, 42), spliced);
});

test('lists are the items between a head and a tail', () => {
  const items = [withVersion(encodeForStorage(object), 1), withVersion(encodeForStorage(object), 2)];
  const list = JSON.parse(
    Buffer.from(
      encodeList({ kind: 'ConfigMapList', apiVersion: 'v1', revision: 9, items, continueToken: 'x' }),
    ).toString(),
  ) as { metadata: unknown; items: unknown[] };
  assert.deepEqual(list.metadata, { resourceVersion: '9', continue: 'x' });
  assert.equal(list.items.length, 2);
  const empty = JSON.parse(
    Buffer.from(encodeList({ kind: 'PodList', apiVersion: 'v1', revision: 0, items: [] })).toString(),
  ) as { items: unknown };
  assert.deepEqual(empty.items, []);
});

test('a frame is one line', () => {
  const frame = Buffer.from(encodeFrame('ADDED', Buffer.from('{"a":1}'))).toString();
  assert.equal(frame, '{"type":"ADDED","object":{"a":1}}\n');
});
