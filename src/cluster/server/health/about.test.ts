import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TestServer } from '../testing/test-server.ts';

function as(kind: string, version = 'v1beta1', type = 'application/json'): string {
  return `${type};v=${version};g=config.k8s.io;as=${kind}`;
}

test('what this process is, for people and as an object', async () => {
  await using api = await TestServer.open();
  await api.clock.advance(3_725_000);
  const { headers, body } = await api.call('GET', '/statusz');
  assert.equal(headers['content-type'], 'text/plain; charset=utf-8');
  assert.match(body.message ?? '', /^\napiserver statusz\nWarning: [^]*\nUp: 1 hr 02 min 05 sec\n/);
  const object = await api.call('GET', '/statusz', undefined, { accept: as('Statusz') });
  assert.equal(object.headers['content-type'], 'application/json;g=config.k8s.io;v=v1beta1;as=Statusz');
  const { kind, apiVersion, metadata, uptimeSeconds } = object.body as typeof object.body & {
    uptimeSeconds: number;
  };
  assert.deepEqual(
    [kind, apiVersion, metadata.name, uptimeSeconds],
    ['Statusz', 'config.k8s.io/v1beta1', 'apiserver', 3725],
  );
  const yaml = await api.raw('GET', '/statusz', {
    headers: { accept: as('Statusz', 'v1alpha1', 'application/yaml') },
  });
  assert.match(Buffer.from(yaml.body as Uint8Array).toString(), /^kind: Statusz\n/);
  assert.match(
    yaml.headers['warning'] ?? '',
    /^299 - "This version of the statusz endpoint is deprecated\. /,
  );
});

test('what it was started with', async () => {
  await using api = await TestServer.open({ flags: { b: '2', a: '1' } });
  assert.match((await api.call('GET', '/flagz')).body.message ?? '', /\na: 1\nb: 2\n$/);
  const { body } = await api.call('GET', '/flagz', undefined, { accept: as('Flagz') });
  assert.deepEqual(body['flags'], { a: '1', b: '2' });
});

test('other forms are refused', async () => {
  await using api = await TestServer.open();
  for (const accept of ['application/json', 'text/html', as('Statusz', 'v1'), as('Flagz')]) {
    const { status, body } = await api.call('GET', '/statusz', undefined, { accept });
    assert.equal(status, 406, accept);
    assert.match(body.message ?? '', /: application\/json, application\/yaml, text\/plain$/);
  }
  assert.equal((await api.call('GET', '/statusz', undefined, { accept: '*/*' })).status, 200);
  assert.equal((await api.call('GET', '/statusz/')).status, 404);
});
