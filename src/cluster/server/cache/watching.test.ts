import assert from 'node:assert/strict';
import { once } from 'node:events';
import { duplexPair, type Duplex } from 'node:stream';
import { test } from 'node:test';

import { objectsAt } from '../../api/json.ts';
import { configMap, TestServer } from '../testing/test-server.ts';

const MAPS = '/api/v1/namespaces/default/configmaps';
const MERGE = { 'content-type': 'application/merge-patch+json' };

test('the present state, then changes in order', async () => {
  await using api = await TestServer.open();
  await api.create(MAPS, configMap('a'));
  const watch = await api.watch(`${MAPS}?watch=true`);
  assert.deepEqual(await watch.summary(1), ['ADDED a']);
  await api.create(MAPS, configMap('b'));
  await api.call('PATCH', `${MAPS}/b`, { data: { k: '1' } }, MERGE);
  await api.call('DELETE', `${MAPS}/b`);
  assert.deepEqual(await watch.summary(3), ['ADDED b', 'MODIFIED b', 'DELETED b']);
  watch.stop();
  assert.equal(await watch.next(), undefined);
});

test('from a version, everything after it', async () => {
  await using api = await TestServer.open();
  const a = await api.create(MAPS, configMap('a'));
  await api.create(MAPS, configMap('b'));
  await api.create('/api/v1/namespaces/kube-system/configmaps', configMap('elsewhere'));
  const watch = await api.watch(`${MAPS}?watch=1&resourceVersion=${a.metadata.resourceVersion}`);
  await api.call('DELETE', `${MAPS}/a`);
  assert.deepEqual(await watch.summary(2), ['ADDED b', 'DELETED a']);
  watch.stop();
});

test('an object that leaves the selector is deleted for its watchers, in the state they knew', async () => {
  await using api = await TestServer.open();
  const watch = await api.watch(`${MAPS}?watch=1&labelSelector=app%3Dx`);
  await api.create(MAPS, configMap('a', {}, { app: 'x' }));
  const left = await api.call('PATCH', `${MAPS}/a`, { metadata: { labels: { app: 'y' } } }, MERGE);
  await api.call('PATCH', `${MAPS}/a`, { metadata: { labels: { app: 'x' } } }, MERGE);
  assert.deepEqual(await watch.summary(1), ['ADDED a']);
  const gone = await watch.next();
  assert.equal(gone?.type, 'DELETED');
  assert.equal(gone?.object.metadata.labels?.['app'], 'x');
  assert.equal(gone?.object.metadata.resourceVersion, left.body.metadata.resourceVersion);
  assert.deepEqual(await watch.summary(1), ['ADDED a']);
  watch.stop();
});

test('what the server no longer has in memory comes from the history, without a gap or a repetition', async () => {
  await using first = await TestServer.open();
  const start = await first.create(MAPS, configMap('a'));
  for (const k of ['1', '2', '3']) await first.call('PATCH', `${MAPS}/a`, { data: { k } }, MERGE);
  await first.call('DELETE', `${MAPS}/a`);
  await first.server[Symbol.asyncDispose]();
  const second = await TestServer.open({ store: first.store });
  const watch = await second.watch(`${MAPS}?watch=1&resourceVersion=${start.metadata.resourceVersion}`);
  await second.create(MAPS, configMap('b'));
  const seen = ['MODIFIED a', 'MODIFIED a', 'MODIFIED a', 'DELETED a', 'ADDED b'];
  assert.deepEqual(await watch.summary(5), seen);
  watch.stop();
  await second.server[Symbol.asyncDispose]();
});

test('a version from before the compaction ends with 410', async () => {
  await using first = await TestServer.open();
  const start = await first.create(MAPS, configMap('a'));
  for (const k of ['1', '2', '3']) await first.call('PATCH', `${MAPS}/a`, { data: { k } }, MERGE);
  await first.store.compact(await first.store.revision());
  const second = await TestServer.open({ store: first.store });
  const watch = await second.watch(`${MAPS}?watch=1&resourceVersion=${start.metadata.resourceVersion}`);
  const frame = await watch.next();
  assert.deepEqual([frame?.type, frame?.object.code, frame?.object.reason], ['ERROR', 410, 'Expired']);
  assert.match(frame?.object.message ?? '', /^too old resource version: \d+ \(\d+\)$/);
  assert.equal(await watch.next(), undefined);
  await second.server[Symbol.asyncDispose]();
});

test('the end of the initial events is marked', async () => {
  await using api = await TestServer.open();
  await api.create(MAPS, configMap('a'));
  const query = 'watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true';
  const watch = await api.watch(`${MAPS}?${query}`);
  assert.deepEqual(await watch.summary(1), ['ADDED a']);
  const bookmark = await watch.next();
  assert.equal(bookmark?.type, 'BOOKMARK');
  assert.deepEqual(bookmark?.object.metadata.annotations, { 'k8s.io/initial-events-end': 'true' });
  watch.stop();
  const wrong = await api.call('GET', `${MAPS}?watch=1&sendInitialEvents=true`);
  assert.equal(wrong.status, 422);
});

test('bookmarks come while nothing of interest happens, and the watch ends in time', async () => {
  await using api = await TestServer.open();
  const watch = await api.watch(
    `${MAPS}?watch=1&allowWatchBookmarks=true&timeoutSeconds=100&resourceVersion=1`,
  );
  await api.create('/api/v1/namespaces/default/serviceaccounts', {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name: 's' },
  });
  await api.clock.advance(60_000);
  const bookmark = await watch.next();
  assert.equal(bookmark?.type, 'BOOKMARK');
  assert.equal(bookmark?.object.metadata.resourceVersion, String(await api.store.revision()));
  // And a last one, two seconds before the end.
  await api.clock.advance(60_000);
  assert.equal((await watch.next())?.type, 'BOOKMARK');
  assert.equal(await watch.next(), undefined);
});

test('tables are watched row by row', async () => {
  await using api = await TestServer.open();
  const watch = await api.watch(`${MAPS}?watch=1`, {
    accept: 'application/json;as=Table;v=v1;g=meta.k8s.io',
  });
  await api.create(MAPS, configMap('a'));
  const frame = await watch.next();
  assert.equal(frame?.object.kind, 'Table');
  assert.equal(objectsAt(frame?.object, 'rows').length, 1);
  watch.stop();
});

test('watches end with the server', async () => {
  const api = await TestServer.open();
  const watch = await api.watch(`${MAPS}?watch=1`);
  await api[Symbol.asyncDispose]();
  assert.equal(await watch.next(), undefined);
});

test('the old path of a watch, of many and of one', async () => {
  await using api = await TestServer.open();
  for (const name of ['a', 'b']) await api.create(MAPS, configMap(name));
  const old = MAPS.replace('/v1/', '/v1/watch/');
  const [all, one] = [await api.watch(old), await api.watch(`${old}/b`)];
  assert.deepEqual(await all.summary(2), ['ADDED a', 'ADDED b']);
  assert.deepEqual(await one.summary(1), ['ADDED b']);
  await api.call('DELETE', `${MAPS}/b`);
  assert.deepEqual(await one.summary(1), ['DELETED b']);
  for (const watch of [all, one]) watch.stop();
});

/** A frame and its head, which is written before it. */
async function frameFrom(client: Duplex): Promise<readonly [head: Buffer, payload: Buffer]> {
  const chunks: Buffer[] = [];
  for await (const chunk of client.iterator({ destroyOnReturn: false })) {
    if (chunks.push(chunk as Buffer) === 2) break;
  }
  return [chunks[0]!, chunks[1]!];
}

test('a watch over WebSocket has a message for each event, and ends with its client', async () => {
  await using api = await TestServer.open();
  await api.create(MAPS, configMap('a'));
  const url = `${MAPS}?watch=1&fieldSelector=metadata.name%3Da`;
  const headers = {
    upgrade: 'websocket',
    connection: 'Upgrade',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
    'sec-websocket-protocol': 'base64url.bearer.authorization.k8s.io.c2VjcmV0, base64.binary.k8s.io',
  };
  const refused = await api.call('GET', url, undefined, { ...headers, 'sec-websocket-version': '8' });
  assert.equal(refused.status, 400);
  for (const accept of ['application/json', 'application/vnd.kubernetes.protobuf']) {
    const answer = await api.raw('GET', url, { headers: { ...headers, accept } });
    assert.equal(answer.status, 101);
    assert.equal(answer.headers['sec-websocket-protocol'], 'base64.binary.k8s.io');
    const [client, server] = duplexPair();
    answer.tunnel!(server);
    const [head, message] = await frameFrom(client);
    const isJson = accept === 'application/json';
    assert.equal(head[0], isJson ? 0x81 : 0x82, 'one whole message');
    if (isJson) assert.equal((JSON.parse(message.toString()) as { type: string }).type, 'ADDED');
    else assert.match(message.toString('latin1'), /ADDED/);
    client.resume().end();
    await once(server, 'close');
  }
  const { message = '' } = (await api.call('GET', '/metrics')).body;
  assert.doesNotMatch(message, /apiserver_registered_watchers\{.*kind="ConfigMap"/);
});

test('much that has come up is written in several turns of the loop', async () => {
  await using api = await TestServer.open();
  const { body } = await api.call('GET', MAPS);
  for (let i = 0; i < 40; i++) await api.create(MAPS, configMap(`m${i}`, { text: 'x'.repeat(20_000) }));
  const watch = await api.watch(`${MAPS}?watch=1&resourceVersion=${body.metadata.resourceVersion}`);
  let turns = 0;
  const turn = (): void => {
    if (turns++ < 1000) setImmediate(turn);
  };
  setImmediate(turn);
  for (let i = 0; i < 40; i++) assert.equal((await watch.next())?.object.metadata.name, `m${i}`);
  assert.ok(turns >= 5, `the loop had ${turns} turns meanwhile`);
  turns = Infinity;
  watch.stop();
});

test('the past is made as it is taken', async () => {
  await using api = await TestServer.open();
  const text = 'x'.repeat(300_000);
  const { body } = await api.create(MAPS, configMap('a', { text })).then(() => api.call('GET', MAPS));
  for (let i = 1; i <= 150; i++) await api.call('PATCH', `${MAPS}/a`, { data: { i: String(i) } }, MERGE);
  const before = process.memoryUsage().arrayBuffers;
  const watch = await api.watch(`${MAPS}?watch=1&resourceVersion=${body.metadata.resourceVersion}`);
  for (let i = 0; i < 500; i++) await new Promise(setImmediate);
  const held = process.memoryUsage().arrayBuffers - before;
  assert.ok(held < 10e6, `45 MB of the past that nobody has taken hold ${held} bytes`);
  await api.call('DELETE', `${MAPS}/a`);
  for (let i = 1; i <= 150; i++)
    assert.deepEqual((await watch.next())?.object['data'], { text, i: String(i) });
  assert.deepEqual(await watch.summary(1), ['DELETED a']);
  watch.stop();
});
