import assert from 'node:assert/strict';
import { test } from 'node:test';

import { stringAt } from '../api/json.ts';
import { configMap, pod, TestServer } from './testing/test-server.ts';

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

  await api.store.compact(await api.store.revision());
  const late = await api.call('GET', `${MAPS}?limit=2&continue=${token}`);
  assert.deepEqual([late.status, late.body.reason], [410, 'Expired']);
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
