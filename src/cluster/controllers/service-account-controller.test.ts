import assert from 'node:assert/strict';
import test from 'node:test';
import { namespaces, serviceAccounts } from '../client/kinds.ts';
import { createServiceAccountController } from './service-account-controller.ts';
import { running } from './testing/running.ts';

const create = (environment: Parameters<typeof createServiceAccountController>[0]) => [
  createServiceAccountController(environment),
];
const deletionTimestamp = '2026-01-01T00:00:00Z';

test('every active namespace gets its default account, and again when it is deleted', async () => {
  await using plane = running({
    create,
    before: (api) => {
      api.put(namespaces, { metadata: { name: 'default' } });
      api.put(namespaces, { metadata: { name: 'leaving', deletionTimestamp } });
    },
  });
  const account = (namespace: string) => plane.api.read(serviceAccounts, { name: 'default', namespace });
  await plane.until('the first account', () => account('default') !== undefined);
  plane.api.put(namespaces, { metadata: { name: 'later' } });
  await plane.until('a later account', () => account('later') !== undefined);
  const uid = account('later')?.metadata?.uid;
  await plane.client.delete(serviceAccounts, { name: 'default', namespace: 'later' });
  await plane.until('a new account', () => ![undefined, uid].includes(account('later')?.metadata?.uid));
  await plane.quiet();
  assert.equal(account('leaving'), undefined);
});

test('an account that is there is left alone', async () => {
  await using plane = running({
    create,
    before: (api) => {
      api.put(namespaces, { metadata: { name: 'default' } });
      api.put(serviceAccounts, {
        metadata: { name: 'default', namespace: 'default', labels: { mine: '1' } },
      });
    },
  });
  await plane.quiet();
  assert.deepEqual(
    plane.api.requests.filter((request) => !request.startsWith('GET')),
    [],
  );
});
