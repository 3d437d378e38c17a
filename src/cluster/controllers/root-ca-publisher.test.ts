import assert from 'node:assert/strict';
import test from 'node:test';
import { configMaps, namespaces } from '../client/kinds.ts';
import { createRootCaPublisher } from './root-ca-publisher.ts';
import { running } from './testing/running.ts';

test('every active namespace has the certificate, and no other', async () => {
  await using plane = running({
    create: (environment) => [createRootCaPublisher({ ...environment, rootCa: 'new' })],
    before: (api) => {
      api.put(namespaces, { metadata: { name: 'default' } });
      api.put(namespaces, { metadata: { name: 'old' } });
      api.put(namespaces, { metadata: { name: 'leaving' }, status: { phase: 'Terminating' } });
      api.put(configMaps, {
        metadata: { name: 'kube-root-ca.crt', namespace: 'old' },
        data: { 'ca.crt': 'old', more: 'x' },
      });
    },
  });
  const data = (namespace: string) =>
    plane.api.read(configMaps, { name: 'kube-root-ca.crt', namespace })?.data;
  await plane.until('a new map', () => data('default')?.['ca.crt'] === 'new');
  await plane.until('a mended map', () => data('old')?.['ca.crt'] === 'new');
  assert.deepEqual(data('old'), { 'ca.crt': 'new' });
  await plane.client.delete(configMaps, { name: 'kube-root-ca.crt', namespace: 'default' });
  await plane.until('the map again', () => data('default') !== undefined);
  await plane.quiet();
  assert.equal(data('leaving'), undefined);
});
