import assert from 'node:assert/strict';
import test from 'node:test';
import type { ApiRequest } from '../../api/transport.ts';
import { nodes, pods } from '../kinds.ts';
import { createFakeApi, type FakeApi } from './fake-api.ts';

interface Answer {
  readonly status: number;
  readonly body: {
    readonly metadata: Record<string, unknown>;
    readonly spec: Record<string, unknown>;
    readonly status: Record<string, unknown>;
    readonly reason?: string;
    readonly items: readonly { readonly metadata: { readonly name: string } }[];
  };
}

async function call(
  api: FakeApi,
  method: ApiRequest['method'],
  url: string,
  body?: unknown,
  contentType = 'application/json',
): Promise<Answer> {
  const response = await api.request({
    method,
    url,
    headers: { 'content-type': contentType },
    ...(body === undefined ? {} : { body: Buffer.from(JSON.stringify(body)) }),
  });
  return { status: response.status, body: JSON.parse(Buffer.from(response.body as Uint8Array).toString()) };
}

const PODS = '/api/v1/namespaces/default/pods';

test('create stamps, a second create conflicts, a stale update conflicts', async () => {
  const api = createFakeApi();
  const created = await call(api, 'POST', PODS, { metadata: { name: 'a' }, spec: { nodeName: '' } });
  assert.equal(created.status, 201);
  assert.equal(created.body.metadata['generation'], 1);
  assert.match(String(created.body.metadata['uid']), /^[0-9a-f-]{36}$/);
  assert.equal((await call(api, 'POST', PODS, { metadata: { name: 'a' } })).body.reason, 'AlreadyExists');
  const changed = { ...created.body, spec: { nodeName: 'n1' } };
  const updated = await call(api, 'PUT', `${PODS}/a`, changed);
  assert.equal(updated.body.metadata['generation'], 2);
  assert.equal((await call(api, 'PUT', `${PODS}/a`, changed)).body.reason, 'Conflict');
  assert.equal((await call(api, 'GET', `${PODS}/b`)).status, 404);
});

test('selectors, merge and strategic patches, binding', async () => {
  const api = createFakeApi();
  for (const name of ['a', 'b'])
    api.put(pods, { metadata: { name, labels: { app: name } }, spec: { containers: [] } });
  const selected = await call(api, 'GET', `/api/v1/pods?labelSelector=${encodeURIComponent('app in (b,c)')}`);
  assert.deepEqual(
    selected.body.items.map((item) => item.metadata.name),
    ['b'],
  );
  const strategic = 'application/strategic-merge-patch+json';
  const ready = { status: { conditions: [{ type: 'Ready', status: 'True' }] } };
  await call(api, 'PATCH', `${PODS}/a/status`, ready, strategic);
  const binding = { target: { kind: 'Node', name: 'n1' } };
  assert.equal((await call(api, 'POST', `${PODS}/a/binding`, binding)).status, 201);
  assert.equal((await call(api, 'POST', `${PODS}/a/binding`, binding)).body.reason, 'Conflict');
  const bound = await call(api, 'GET', `${PODS}?fieldSelector=spec.nodeName%3Dn1`);
  assert.equal(bound.body.items.length, 1);
  assert.deepEqual(
    (api.read(pods, { name: 'a' })?.status?.conditions ?? []).map((condition) => condition.type),
    ['Ready', 'PodScheduled'],
  );
  const merged = await call(api, 'PATCH', `${PODS}/a`, { metadata: { labels: { app: null, x: '1' } } });
  assert.deepEqual(merged.body.metadata['labels'], { x: '1' });
});

test('pods on a node are deleted gracefully, finalizers hold', async () => {
  const api = createFakeApi();
  api.put(pods, { metadata: { name: 'a' }, spec: { containers: [], nodeName: 'n1' } });
  await call(api, 'DELETE', `${PODS}/a`);
  assert.ok(api.read(pods, { name: 'a' })?.metadata?.deletionTimestamp);
  await call(api, 'DELETE', `${PODS}/a`, { gracePeriodSeconds: 0 });
  assert.equal(api.read(pods, { name: 'a' }), undefined);
  api.put(nodes, { metadata: { name: 'n', finalizers: ['x/y'] } });
  await call(api, 'DELETE', '/api/v1/nodes/n');
  assert.ok(api.read(nodes, { name: 'n' })?.metadata?.deletionTimestamp);
  await call(api, 'PATCH', '/api/v1/nodes/n', { metadata: { finalizers: null } });
  assert.equal(api.read(nodes, { name: 'n' }), undefined);
});

test('a watch resumes, follows selection, and ends when dropped', async () => {
  const api = createFakeApi();
  api.put(pods, { metadata: { name: 'a', labels: { on: '1' } }, spec: { containers: [] } });
  const start = (await call(api, 'GET', PODS)).body.metadata['resourceVersion'];
  api.put(pods, { metadata: { name: 'b', labels: { on: '1' } }, spec: { containers: [] } });
  const url = `${PODS}?watch=true&resourceVersion=${String(start)}&labelSelector=on&allowWatchBookmarks=true`;
  const response = await api.request({ method: 'GET', url, headers: {} });
  await call(api, 'PATCH', `${PODS}/a`, { metadata: { labels: { on: null } } });
  api.bookmark();
  api.dropWatches();
  let text = '';
  for await (const chunk of response.body as AsyncIterable<Uint8Array>) text += Buffer.from(chunk).toString();
  const types = text
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { type: string }).type);
  assert.deepEqual(types, ['ADDED', 'DELETED', 'BOOKMARK']);
  assert.equal(api.openWatches, 0);
  api.compact();
  assert.equal((await call(api, 'GET', `${PODS}?watch=true&resourceVersion=1`)).status, 410);
});
