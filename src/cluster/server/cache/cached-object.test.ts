import assert from 'node:assert/strict';
import { test } from 'node:test';

import { TestServer, configMap } from '../testing/test-server.ts';
import { CachedObject } from './cached-object.ts';

function cached(name: string, bytes = 100): CachedObject {
  const object = configMap(name, { k: 'x'.repeat(bytes) });
  return new CachedObject(`/${name}`, Buffer.from(JSON.stringify(object)), 1);
}

function needed(name: string, bytes?: number): CachedObject {
  const made = cached(name, bytes);
  assert.ok(made.object === made.decoded);
  return made;
}

test('decoded objects are kept until others are needed, by number and by bytes', () => {
  const first = needed('first');
  for (let i = 0; i < 2000; i++) needed(`m-${i}`);
  assert.ok(first.decoded);
  for (let i = 0; i < 100; i++) needed(`n-${i}`);
  assert.equal(first.decoded, undefined);
  const second = needed('second');
  for (let i = 0; i < 4; i++) needed(`wide-${i}`, 900_000);
  assert.ok(second.decoded);
  needed('wide', 900_000);
  assert.equal(second.decoded, undefined);
  assert.equal(cached('huge', 5_000_000).object.metadata.name, 'huge');
});

test('what is not any more makes room', () => {
  const first = needed('first');
  for (let i = 0; i < 4000; i++) needed(`m-${i}`).letGo();
  assert.ok(first.decoded);
  first.letGo();
  assert.equal(first.decoded, undefined);
  assert.equal(first.object.metadata.name, 'first');
});

test('who changes an object again finds it decoded, with the version of the last change', async () => {
  await using api = await TestServer.open();
  const url = '/api/v1/namespaces/default/configmaps';
  await api.create(url, configMap('a'));
  // oxlint-disable-next-line typescript/unbound-method
  const { decode } = CachedObject.prototype;
  let decoded = 0;
  CachedObject.prototype.decode = function counted(this: CachedObject) {
    if (this.key.endsWith('/configmaps/default/a')) decoded++;
    return decode.call(this);
  };
  const counts: number[] = [];
  const type = { 'content-type': 'application/merge-patch+json' };
  try {
    for (const k of ['1', '2', '3']) {
      const { body } = await api.call('PATCH', `${url}/a`, { data: { k } }, type);
      assert.deepEqual((await api.call('GET', `${url}/a`)).body, body);
      counts.push(decoded);
    }
    const version = (await api.call('GET', `${url}/a`)).body.metadata.resourceVersion;
    const change = { metadata: { resourceVersion: version }, data: { k: '4' } };
    assert.equal((await api.call('PATCH', `${url}/a`, change, type)).status, 200);
    assert.equal((await api.call('PATCH', `${url}/a`, change, type)).status, 409);
  } finally {
    CachedObject.prototype.decode = decode;
  }
  assert.deepEqual([counts, decoded], [[1, 1, 1], 1]);
});
