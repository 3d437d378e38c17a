import assert from 'node:assert/strict';
import { test } from 'node:test';

import { CachedObject } from './cached-object.ts';
import { encodeForStorage, encodeFrame, encodeList } from './encoding.ts';

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
  const cached = new CachedObject('key', encodeForStorage(object), 42);
  const spliced = JSON.parse(Buffer.from(cached.bytes).toString()) as unknown;
  assert.equal(cached.bytes.length, cached.bytesLength);
  assert.deepEqual(spliced, { ...object, metadata: { ...object.metadata, resourceVersion: '42' } });
  assert.deepEqual(cached.object, spliced);
});

test('lists are the items between a head and a tail', () => {
  const items = [1, 2].map((revision) => new CachedObject('key', encodeForStorage(object), revision).bytes);
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
