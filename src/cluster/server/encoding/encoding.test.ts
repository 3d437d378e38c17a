import assert from 'node:assert/strict';
import { test } from 'node:test';

import { CachedObject } from '../cache/cached-object.ts';
import { encodeForStorage, encodeFrame } from './encoding.ts';

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
  assert.equal(cached.bytes.length, cached.lengthAs('whole'));
  assert.deepEqual(spliced, { ...object, metadata: { ...object.metadata, resourceVersion: '42' } });
  assert.deepEqual(cached.object, spliced);
});

test('an item of a list says neither kind nor version', () => {
  const cached = new CachedObject('key', encodeForStorage(object), 42);
  const { kind: _kind, apiVersion: _version, ...item } = JSON.parse(String(cached.bytes)) as typeof object;
  assert.deepEqual(JSON.parse(String(cached.item)), item);
  assert.equal(cached.item.length, cached.lengthAs('item'));
  assert.deepEqual(Object.keys(item.metadata)[0], 'resourceVersion');
});

test('metadata is cut out of the stored bytes', () => {
  const metadata = { name: 'a"},{\\', labels: { '{"': '\\"}', é: '√' }, finalizers: ['}{'] };
  const stored = encodeForStorage({ kind: 'ConfigMap', apiVersion: 'v1', metadata, data: { a: '}' } });
  const head = { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1' };
  const shown = (revision: number): unknown =>
    JSON.parse(String(new CachedObject('key', stored, revision).metadataAs('meta.k8s.io/v1')));
  assert.deepEqual(shown(7), { ...head, metadata: { resourceVersion: '7', ...metadata } });
  assert.deepEqual(shown(0), { ...head, metadata });
});

test('a head is the metadata without owners', () => {
  const metadata = {
    name: 'a"},{\\',
    labels: { '{"': '\\"', '[': ']' },
    managedFields: [{ manager: '}],"', fieldsV1: { 'f:[': {} } }],
    finalizers: ['}{', ',"\\'],
    generation: 3,
  };
  const stored = encodeForStorage({ kind: 'ConfigMap', apiVersion: 'v1', metadata, data: { a: '}' } });
  const { managedFields: _owners, ...head } = metadata;
  assert.deepEqual(new CachedObject('key', stored, 1).head, {
    kind: 'ConfigMap',
    apiVersion: 'v1',
    metadata: head,
  });
});

test('what is at a path is read by itself', () => {
  const spec = {
    '"a': { b: '}' },
    containers: [{ name: 'x,"nodeName":"no"' }],
    nodeName: 'é"n\\',
    few: { n: 3 },
  };
  const stored = encodeForStorage({
    kind: 'Pod',
    apiVersion: 'v1',
    metadata: { name: 'a' },
    spec,
    status: {},
  });
  const cached = new CachedObject('key', stored, 1);
  assert.equal(cached.at(['apiVersion']), 'v1');
  assert.equal(cached.at(['metadata', 'name']), 'a');
  assert.equal(cached.at(['spec', 'nodeName']), spec.nodeName);
  assert.equal(cached.at(['spec', 'few', 'n']), 3);
  assert.deepEqual(cached.at(['spec', 'few']), { n: 3 });
  assert.deepEqual(cached.at(['status']), {});
  for (const path of [['status', 'phase'], ['spec', 'none'], ['spec', 'nodeName', 'x'], ['nodeName']])
    assert.equal(cached.at(path), undefined);
});

test('a frame is one line', () => {
  const frame = Buffer.from(encodeFrame('ADDED', Buffer.from('{"a":1}'))).toString();
  assert.equal(frame, '{"type":"ADDED","object":{"a":1}}\n');
});
