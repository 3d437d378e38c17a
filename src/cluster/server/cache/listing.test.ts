import assert from 'node:assert/strict';
import { test } from 'node:test';

import { stringAt, type JsonObject } from '../../api/json.ts';
import { ListBody, wholeBody } from '../encoding/list-body.ts';
import { configMap, pod, TestServer } from '../testing/test-server.ts';

const MAPS = '/api/v1/namespaces/default/configmaps';

function names(items: readonly { metadata: { name?: string } }[] | undefined): string {
  return (items ?? []).map(({ metadata }) => metadata.name).join(' ');
}

test('pages are of one revision, whatever happens in between', async () => {
  await using api = await TestServer.open();
  for (const name of ['a', 'b', 'c', 'd', 'e']) await api.create(MAPS, configMap(name));
  const first = await api.call('GET', `${MAPS}?limit=2`);
  assert.equal(names(first.body.items), 'a b');
  assert.equal(first.body.metadata['remainingItemCount'], 3);
  await api.create(MAPS, configMap('bb'));
  await api.call('DELETE', `${MAPS}/d`);
  const token = stringAt(first.body, 'metadata', 'continue');
  const second = await api.call('GET', `${MAPS}?limit=2&continue=${token}`);
  assert.equal(names(second.body.items), 'c d');
  assert.equal(second.body.metadata.resourceVersion, first.body.metadata.resourceVersion);
  const third = await api.call(
    'GET',
    `${MAPS}?limit=2&continue=${stringAt(second.body, 'metadata', 'continue')}`,
  );
  assert.equal(names(third.body.items), 'e');
  assert.equal(third.body.metadata['continue'], undefined);
  const fromAny = await api.call('GET', `${MAPS}?limit=1&resourceVersion=0&continue=${token}`);
  assert.equal(names(fromAny.body.items), 'c');

  await api.store.compact(await api.store.revision());
  const late = await api.call('GET', `${MAPS}?limit=2&continue=${token}`);
  assert.deepEqual([late.status, late.body.reason], [410, 'Expired']);
  const rest = stringAt(late.body, 'metadata', 'continue');
  const newest = await api.call('GET', `${MAPS}?limit=2&continue=${rest}`);
  assert.deepEqual([newest.status, names(newest.body.items)], [200, 'bb c']);
  assert.equal((await api.call('GET', `${MAPS}?continue=nonsense`)).status, 400);
});

test('selectors by label and field', async () => {
  await using api = await TestServer.open();
  await api.create(MAPS, configMap('a', {}, { app: 'x', tier: 'one' }));
  await api.create(MAPS, configMap('b', {}, { app: 'x' }));
  await api.create(MAPS, configMap('c'));
  const list = async (query: string): Promise<string> =>
    names((await api.call('GET', `${MAPS}?${query}`)).body.items);
  assert.equal(await list('labelSelector=app%3Dx'), 'a b');
  assert.equal(await list('labelSelector=app%3Dx,!tier'), 'b');
  assert.equal(await list('fieldSelector=metadata.name%3Dc'), 'c');
  assert.equal(await list('labelSelector=app&limit=1'), 'a');
  await api.create('/api/v1/namespaces/default/pods', pod('p', { nodeName: 'n1' }));
  const pods = async (selector: string): Promise<string> =>
    names((await api.call('GET', `/api/v1/pods?fieldSelector=${encodeURIComponent(selector)}`)).body.items);
  assert.equal(await pods('spec.nodeName=n1,status.phase=Pending'), 'p');
  assert.equal(await pods('spec.nodeName!=n1'), '');
  const unknown = await api.call('GET', '/api/v1/pods?fieldSelector=spec.colour%3Dred');
  assert.deepEqual([unknown.status, unknown.body.message], [400, 'field label not supported: spec.colour']);
});

test('versions: exact, at least, from the future', async () => {
  await using api = await TestServer.open();
  const a = await api.create(MAPS, configMap('a'));
  await api.create(MAPS, configMap('b'));
  const version = a.metadata.resourceVersion ?? '';
  const exact = await api.call('GET', `${MAPS}?resourceVersion=${version}&resourceVersionMatch=Exact`);
  assert.deepEqual([names(exact.body.items), exact.body.metadata.resourceVersion], ['a', version]);
  const atLeast = await api.call('GET', `${MAPS}?resourceVersion=${version}`);
  assert.equal(names(atLeast.body.items), 'a b');
  const future = api.call('GET', `${MAPS}?resourceVersion=999`);
  // Until the request has come as far as waiting.
  await new Promise((resolve) => setImmediate(resolve));
  await api.clock.advance(4000);
  const answer = await future;
  assert.equal(answer.status, 504);
  assert.match(answer.body.message ?? '', /Too large resource version: 999/);
  assert.equal((await api.call('GET', `${MAPS}?resourceVersion=x`)).status, 400);
});

test('tables and metadata alone', async () => {
  await using api = await TestServer.open();
  await api.create(MAPS, configMap('a', { k: '1' }));
  const table = await api.call('GET', MAPS, undefined, {
    accept: 'application/json;as=Table;v=v1;g=meta.k8s.io',
  });
  assert.equal(table.body.kind, 'Table');
  const rows = table.body['rows'] as unknown as { cells: unknown[]; object: { kind: string } }[];
  assert.deepEqual([rows[0]?.cells[0], rows[0]?.object.kind], ['a', 'PartialObjectMetadata']);
  const accept = 'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io';
  const metadata = await api.call('GET', MAPS, undefined, { accept });
  assert.equal(metadata.body.kind, 'PartialObjectMetadataList');
  assert.deepEqual(Object.keys(metadata.body.items?.[0] ?? {}).toSorted(), [
    'apiVersion',
    'kind',
    'metadata',
  ]);
});

test('an index answers like a walk over everything, while things change', async () => {
  await using api = await TestServer.open();
  for (let i = 0; i < 300; i++) {
    await api.create(MAPS, configMap(`m${1000 + i}`, {}, { shard: `s${i % 30}` }));
  }
  const list = async (selector: string): Promise<string> =>
    names((await api.call('GET', `${MAPS}?labelSelector=${encodeURIComponent(selector)}`)).body.items);
  const expected = 'm1003 m1033 m1063 m1093 m1123 m1153 m1183 m1213 m1243 m1273';
  assert.equal(await list('shard=s3'), expected);
  // The first list has started the index: it is filled in slices.
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(await list('shard=s3'), expected);
  await api.call('DELETE', `${MAPS}/m1033`);
  await api.create(MAPS, configMap('m1', {}, { shard: 's3' }));
  const merge = { 'content-type': 'application/merge-patch+json' };
  await api.call('PATCH', `${MAPS}/m1063`, { metadata: { labels: { shard: 's4' } } }, merge);
  await api.call('PATCH', `${MAPS}/m1093`, { metadata: { labels: { shard: null } } }, merge);
  assert.equal(await list('shard=s3'), 'm1 m1003 m1123 m1153 m1183 m1213 m1243 m1273');
  assert.equal((await list('shard in (s3,s4)')).split(' ').length, 8 + 11);
});

test('a long list comes in pieces, whole and in order', async () => {
  await using api = await TestServer.open();
  for (let i = 0; i < 400; i++) await api.create(MAPS, configMap(`m${1000 + i}`, { v: 'ü'.repeat(500) }));
  const accepts = [
    'application/json',
    'application/json;as=Table;v=v1;g=meta.k8s.io',
    'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io',
  ];
  for (const accept of accepts) {
    const response = await api.raw('GET', MAPS, { headers: { accept } });
    assert.equal(response.body instanceof ListBody, true);
    const bytes = await wholeBody(response.body);
    const { length } = response.body as ListBody;
    if (length !== undefined) assert.equal(bytes.length, length);
    const body = JSON.parse(Buffer.from(bytes).toString('utf8')) as { items?: unknown[]; rows?: unknown[] };
    assert.equal((body.items ?? body.rows)?.length, 400);
  }
});

test('pages expire with the history they are of, also where nothing has changed', async () => {
  await using api = await TestServer.open();
  for (const name of ['a', 'b', 'c']) await api.create(MAPS, configMap(name));
  const first = await api.call('GET', `${MAPS}?limit=1`);
  const token = stringAt(first.body, 'metadata', 'continue');
  // Something else changes, and is compacted.
  await api.create('/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'x' } });
  await api.clock.advance(5 * 60_000);
  assert.equal((await api.call('GET', `${MAPS}?limit=1&continue=${token}`)).status, 200);
  await api.clock.advance(5 * 60_000);
  const late = await api.call('GET', `${MAPS}?limit=1&continue=${token}`);
  assert.deepEqual([late.status, late.body.reason], [410, 'Expired']);
  const rest = await api.call(
    'GET',
    `${MAPS}?limit=1&continue=${stringAt(late.body, 'metadata', 'continue')}`,
  );
  assert.equal(names(rest.body.items), 'b');
});

test('items of a list leave their kind to the list', async () => {
  await using server = await TestServer.open();
  await server.create('/api/v1/namespaces/default/configmaps', { metadata: { name: 'm' } });
  const list = async (path: string): Promise<readonly JsonObject[]> =>
    (await server.call('GET', path)).body['items'] as JsonObject[];
  const [map] = await list('/api/v1/namespaces/default/configmaps');
  assert.deepEqual([map?.['kind'], map?.['apiVersion']], [undefined, undefined]);
  const autoscaler = {
    metadata: { name: 'h' },
    spec: { scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'd' }, maxReplicas: 2 },
  };
  await server.create('/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers', autoscaler);
  for (const version of ['v1', 'v2']) {
    const [shown] = await list(`/apis/autoscaling/${version}/namespaces/default/horizontalpodautoscalers`);
    assert.deepEqual([shown?.['kind'], Object.keys(shown ?? {})[0]], [undefined, 'metadata']);
  }
});
