import assert from 'node:assert/strict';
import test from 'node:test';
import { secrets, serviceAccounts } from '../client/kinds.ts';
import type { ControllerEnvironment } from './environment.ts';
import { createSecretTokenController, TOKEN_TYPE } from './secret-token-controller.ts';
import { running } from './testing/running.ts';

const namespace = 'default';
const NAME = 'kubernetes.io/service-account.name';
const UID = 'kubernetes.io/service-account.uid';
const text = (base64 = ''): string => Buffer.from(base64, 'base64').toString();

const create = (environment: ControllerEnvironment) => [
  createSecretTokenController({
    ...environment,
    rootCa: 'pem',
    secretToken: (account, secret) =>
      Promise.resolve(`${account.metadata?.name} in ${secret.metadata?.name}`),
  }),
];

const secretOf = (name: string, account: string, more: Record<string, string> = {}) => ({
  metadata: { name, namespace, annotations: { [NAME]: account, ...more } },
  type: TOKEN_TYPE,
});

test('a secret for the token of an account gets it, and goes with the account', async () => {
  await using plane = running({
    create,
    before: (api) => {
      api.put(serviceAccounts, { metadata: { name: 'robot', namespace } });
      api.put(secrets, {
        metadata: { name: 'other', namespace, annotations: { [NAME]: 'robot' } },
        type: 'Opaque',
      });
    },
  });
  const { api, client } = plane;
  const read = (name: string) => api.read(secrets, { name, namespace });
  const uid = api.read(serviceAccounts, { name: 'robot', namespace })?.metadata?.uid ?? '';
  await client.create(secrets, secretOf('kept', 'robot'));
  await plane.until('the token', () => read('kept')?.data?.['token'] !== undefined);
  const { data = {}, metadata } = read('kept') ?? {};
  assert.deepEqual([data['token'], data['namespace'], data['ca.crt']].map(text), [
    'robot in kept',
    'default',
    'pem',
  ]);
  assert.equal(metadata?.annotations?.[UID], uid);
  await client.create(secrets, secretOf('nobody', 'absent'));
  await plane.until('nobody to have no secret', () => read('nobody') === undefined);
  await client.create(secrets, secretOf('older', 'robot', { [UID]: 'of another time' }));
  await plane.until('the older to go', () => read('older') === undefined);
  await client.delete(serviceAccounts, { name: 'robot', namespace });
  await plane.until('the secret to go', () => read('kept') === undefined);
  await plane.quiet();
  assert.equal(read('other')?.data, undefined);
});
