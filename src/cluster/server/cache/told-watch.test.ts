import assert from 'node:assert/strict';
import { test } from 'node:test';

import { toldBy, type ToldEvent } from '../../api/told-events.ts';
import type { ApiResponse, Transport } from '../../api/transport.ts';
import { ADMIN, configMap, TestServer } from '../testing/test-server.ts';

const MAPS = '/api/v1/namespaces/default/configmaps';
const MERGE = { 'content-type': 'application/merge-patch+json' };
const WIDE = { long: 'x'.repeat(40_000) };

/** The chunks of a watch, one by one. */
async function watched(server: Transport, accept = 'application/json'): Promise<() => Promise<Uint8Array>> {
  const { body } = await server.request({ method: 'GET', url: `${MAPS}?watch=1`, headers: { accept } });
  const chunks = (body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
  return async () => ((await chunks.next()) as IteratorYieldResult<Uint8Array>).value;
}

const read = (chunk: Uint8Array): ToldEvent => JSON.parse(Buffer.from(chunk).toString()) as ToldEvent;

test('who watches in this process is told what is written, as the bytes have it', async () => {
  await using api = await TestServer.open();
  const next = await watched(api.server.transportFor(ADMIN));
  await api.create(MAPS, configMap('a'));
  const added = await next();
  assert.deepEqual(toldBy(added), [read(added)]);
  await api.call('PATCH', `${MAPS}/a`, { data: { k: '1' } }, MERGE);
  const modified = await next();
  assert.equal(read(modified).type, 'MODIFIED');
  assert.deepEqual(toldBy(modified), [read(modified)]);
});

test('what comes at once is told at once, and in order', async () => {
  await using api = await TestServer.open();
  const next = await watched(api.server.transportFor(ADMIN));
  const first = next();
  for (const name of ['a', 'b', 'c']) await api.create(MAPS, configMap(name));
  const names: string[] = [];
  for (let chunk = await first; ; chunk = await next()) {
    names.push(...toldBy(chunk)!.map(({ object }) => (object['metadata'] as { name: string }).name));
    if (names.length === 3) break;
  }
  assert.deepEqual(names, ['a', 'b', 'c']);
});

test('bytes alone: what is long, what is not at hand, what is shown otherwise, what others watch', async () => {
  await using api = await TestServer.open();
  const local = api.server.transportFor(ADMIN);
  const others: Transport = { request: (request): Promise<ApiResponse> => api.server.handle(request, ADMIN) };
  const metadata = 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1';
  const [next, shown, other] = [await watched(local), await watched(local, metadata), await watched(others)];
  await api.create(MAPS, configMap('wide', WIDE));
  assert.equal(toldBy(await next()), undefined);
  await api.call('DELETE', `${MAPS}/wide`);
  assert.equal(toldBy(await next()), undefined);
  await api.create(MAPS, configMap('a'));
  assert.ok(toldBy(await next()));
  for (const one of [shown, other])
    for (let chunk = await one(); ; chunk = await one()) {
      assert.equal(toldBy(chunk), undefined);
      if (Buffer.from(chunk).includes('"name":"a"')) break;
    }
});
