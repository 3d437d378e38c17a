import assert from 'node:assert/strict';
import { test } from 'node:test';

import { objectsAt } from '../../api/json.ts';
import { TestServer } from '../testing/test-server.ts';

const SCHEMAS = '/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas';
const LEVELS = '/apis/flowcontrol.apiserver.k8s.io/v1/prioritylevelconfigurations';

function schema(name: string, level: string): unknown {
  return {
    metadata: { name },
    spec: {
      matchingPrecedence: 1000,
      priorityLevelConfiguration: { name: level },
      distinguisherMethod: { type: 'ByUser' },
      rules: [
        {
          subjects: [{ kind: 'User', user: { name: 'jane' } }],
          nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }],
        },
      ],
    },
  };
}

const LEVEL = {
  metadata: { name: 'own' },
  spec: { type: 'Limited', limited: { nominalConcurrencyShares: 1, limitResponse: { type: 'Reject' } } },
};

async function conditions(server: TestServer, name: string): Promise<unknown[]> {
  await server.server.settled();
  const { body } = await server.call('GET', `${SCHEMAS}/${name}`);
  return objectsAt(body.status, 'conditions').map(({ type, status, reason }) => [type, status, reason]);
}

test('a flow schema is told whether its priority level is there, whichever comes first', async () => {
  await using server = await TestServer.open();
  await server.create(SCHEMAS, schema('mine', 'own'));
  assert.deepEqual(await conditions(server, 'mine'), [['Dangling', 'True', 'NotFound']]);
  await server.create(LEVELS, LEVEL);
  assert.deepEqual(await conditions(server, 'mine'), [['Dangling', 'False', 'Found']]);
  await server.call('DELETE', `${LEVELS}/own`);
  assert.deepEqual(await conditions(server, 'mine'), [['Dangling', 'True', 'NotFound']]);
});

test('what others say of it stays, and its own comes back when they write over it', async () => {
  await using server = await TestServer.open();
  await server.create(SCHEMAS, schema('mine', 'global-default'));
  const merge = { 'content-type': 'application/merge-patch+json' };
  const theirs = { status: { conditions: [{ type: 'Other', status: 'True', reason: 'Said' }] } };
  assert.equal((await server.call('PATCH', `${SCHEMAS}/mine/status`, theirs, merge)).status, 200);
  assert.deepEqual(await conditions(server, 'mine'), [
    ['Other', 'True', 'Said'],
    ['Dangling', 'False', 'Found'],
  ]);
});

test('those that are there from the start are told without a second write', async () => {
  await using server = await TestServer.open();
  const { body } = await server.call('GET', SCHEMAS);
  for (const { metadata } of body.items ?? []) {
    assert.deepEqual(await conditions(server, metadata.name ?? ''), [['Dangling', 'False', 'Found']]);
  }
  const [first] = body.items ?? [];
  const key = `/registry/flowschemas/${first?.metadata.name}`;
  assert.equal((await server.store.get(key))?.version, 1);
});

test('who asks learns his schema and level from the answer', async () => {
  await using server = await TestServer.open();
  const level = await server.create(LEVELS, LEVEL);
  const mine = await server.create(SCHEMAS, schema('mine', 'own'));
  const ask = async (user: string): Promise<(string | undefined)[]> => {
    const { headers } = await server.server.handle(
      { method: 'GET', url: '/version', headers: {} },
      { name: user, groups: ['system:authenticated'] },
    );
    return ['flowschema', 'prioritylevel'].map((name) => headers[`x-kubernetes-pf-${name}-uid`]);
  };
  assert.deepEqual(await ask('jane'), [mine.metadata.uid, level.metadata.uid]);
  for (const uid of await ask('somebody-else')) assert.match(uid ?? '', /^[0-9a-f-]{36}$/);
  const { headers } = await server.raw('GET', '/version');
  assert.match(headers['x-kubernetes-pf-prioritylevel-uid'] ?? '', /^[0-9a-f-]{36}$/);
});
