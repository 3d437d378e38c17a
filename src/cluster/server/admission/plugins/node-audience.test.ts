import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import type { UserInfo } from '../../../api/transport.ts';
import type { KubeObject } from '../../object.ts';
import { pod, TestServer } from '../../testing/test-server.ts';

const NODE: UserInfo = { name: 'system:node:n1', groups: ['system:nodes', 'system:authenticated'] };
const DEFAULT = '/api/v1/namespaces/default';
const RBAC = '/apis/rbac.authorization.k8s.io/v1';

test('a node gets tokens for its own pods, for the audiences that they mount or that it was granted', async () => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const signingKey = privateKey.export({ type: 'pkcs8', format: 'pem' });
  const serviceAccounts = { signingKey, issuer: 'https://issuer.test', audiences: ['api'] };
  await using api = await TestServer.open({ authentication: { serviceAccounts } });
  const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'robot' } };
  await api.create(`${DEFAULT}/serviceaccounts`, account);
  await api.create('/apis/storage.k8s.io/v1/csidrivers', {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'CSIDriver',
    metadata: { name: 'csi.example.com' },
    spec: { tokenRequests: [{ audience: 'storage' }] },
  });
  const volumes = [
    { name: 'a', projected: { sources: [{ serviceAccountToken: { path: 'token', audience: 'vault' } }] } },
    { name: 'b', csi: { driver: 'csi.example.com' } },
  ];
  const mine = await api.create(
    `${DEFAULT}/pods`,
    pod('mine', { nodeName: 'n1', serviceAccountName: 'robot', volumes }),
  );
  const theirs = await api.create(
    `${DEFAULT}/pods`,
    pod('theirs', { nodeName: 'n2', serviceAccountName: 'robot', volumes }),
  );
  const ask = async (
    audiences: readonly string[],
    bound: KubeObject | undefined = mine,
  ): Promise<{ status: number; message: string }> => {
    const { name, uid } = bound.metadata;
    const boundObjectRef = { apiVersion: 'v1', kind: 'Pod', name, uid };
    const body = Buffer.from(JSON.stringify({ spec: { audiences, boundObjectRef } }));
    const url = `${DEFAULT}/serviceaccounts/robot/token`;
    const answer = await api.server.handle({ method: 'POST', url, headers: {}, body }, NODE);
    const { message = '' } = JSON.parse(Buffer.from(answer.body as Uint8Array).toString()) as {
      message?: string;
    };
    return { status: answer.status, message };
  };
  assert.equal((await ask(['vault'])).status, 201);
  assert.equal((await ask(['storage'])).status, 201);
  const other = await ask(['elsewhere']);
  assert.equal(other.status, 403);
  assert.equal(
    other.message,
    'serviceaccounts "robot" is forbidden: audience "elsewhere" not found in pod spec volume, system:node:n1 is not authorized to request tokens for this audience',
  );
  assert.match((await ask(['vault', 'storage'])).message, /node may only request 0 or 1 audiences$/);
  assert.match((await ask(['vault'], theirs)).message, /bound to a pod scheduled on a different node$/);

  const named = { metadata: { name: 'audience' } };
  await api.create(`${RBAC}/clusterroles`, {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    ...named,
    rules: [{ verbs: ['request-serviceaccounts-token-audience'], apiGroups: [''], resources: ['elsewhere'] }],
  });
  await api.create(`${RBAC}/clusterrolebindings`, {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    ...named,
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'audience' },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'Group', name: 'system:nodes' }],
  });
  assert.equal((await ask(['elsewhere'])).status, 201);

  await api.call('DELETE', `${DEFAULT}/pods/mine`, { gracePeriodSeconds: 0 });
  assert.match((await ask(['vault'])).message, /no relationship found between node 'n1' and this object$/);
});
