/** Names, verbs and places of what is served, as Kubernetes has them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listAt, objectsAt, stringAt, type JsonObject } from '../api/json.ts';
import { tableRows } from '../api/table.ts';
import { resources } from '../api/resources.ts';
import { ResourceTable } from './resource-table.ts';
import { parseCidr } from './cidr.ts';
import { TestServer } from './testing/test-server.ts';

test('keys in the store are those of Kubernetes', () => {
  const table = new ResourceTable({
    addresses: parseCidr('10.96.0.0/16'),
    nodePorts: [30000, 32767],
    eventSeconds: 60,
  });
  const elsewhere: Readonly<Record<string, string>> = {
    nodes: 'minions',
    services: 'services/specs',
    endpoints: 'services/endpoints',
    replicationcontrollers: 'controllers',
    ingresses: 'ingress',
    customresourcedefinitions: 'apiextensions.k8s.io/customresourcedefinitions',
    apiservices: 'apiregistration.k8s.io/apiservices',
  };
  for (const { resource, prefix } of table.all) {
    assert.equal(prefix, `/registry/${elsewhere[resource] ?? resource}/`);
  }
});

test('the core group lists what it has by name, bindings too', async () => {
  await using api = await TestServer.open();
  const { body } = await api.call('GET', '/api/v1');
  const list = objectsAt(body, 'resources');
  const names = list.map((one) => stringAt(one, 'name'));
  assert.deepEqual(names, names.toSorted());
  for (const name of [
    'bindings',
    'namespaces/finalize',
    'nodes/proxy',
    'pods/attach',
    'pods/binding',
    'pods/ephemeralcontainers',
    'pods/eviction',
    'pods/exec',
    'pods/log',
    'pods/portforward',
    'pods/proxy',
    'pods/resize',
    'pods/status',
    'replicationcontrollers/scale',
    'serviceaccounts/token',
    'services/proxy',
  ]) {
    assert.ok(names.includes(name), name);
  }
  const of = (name: string): JsonObject | undefined => list.find((one) => one['name'] === name);
  assert.deepEqual(of('bindings'), {
    name: 'bindings',
    singularName: 'binding',
    namespaced: true,
    kind: 'Binding',
    verbs: ['create'],
  });
  assert.deepEqual(listAt(of('namespaces'), 'verbs'), [
    'create',
    'delete',
    'get',
    'list',
    'patch',
    'update',
    'watch',
  ]);
  assert.equal(of('componentstatuses')?.['storageVersionHash'], undefined);
});

// Migrators of stored objects compare it with what other servers of the cluster say.
test('the hash of the storage version is the one that Kubernetes has', async () => {
  await using api = await TestServer.open();
  const { body } = await api.call('GET', '/api/v1');
  const pods = objectsAt(body, 'resources').find((one) => one['name'] === 'pods');
  assert.equal(pods?.['storageVersionHash'], 'xPOwRZ+Yhw8=');
});

test('where the server is stands in the document of the core once it is known', async () => {
  await using api = await TestServer.open();
  assert.deepEqual((await api.call('GET', '/api')).body['serverAddressByClientCIDRs'], []);
  await api.server.advertise({ address: '10.0.0.1', port: 6443 });
  assert.deepEqual((await api.call('GET', '/api')).body['serverAddressByClientCIDRs'], [
    { clientCIDR: '0.0.0.0/0', serverAddress: '10.0.0.1:6443' },
  ]);
});

test('a binding names its pod itself', async () => {
  await using api = await TestServer.open();
  await api.create('/api/v1/namespaces/default/pods', {
    metadata: { name: 'web' },
    spec: { containers: [{ name: 'a', image: 'b' }] },
  });
  const binding = { metadata: { name: 'web' }, target: { kind: 'Node', name: 'n1' } };
  const url = '/api/v1/namespaces/default/bindings';
  assert.equal((await api.call('POST', url, binding)).status, 201);
  const { body } = await api.call('GET', '/api/v1/namespaces/default/pods/web');
  assert.equal(stringAt(body, 'spec', 'nodeName'), 'n1');
  assert.equal((await api.call('POST', url, { ...binding, metadata: { name: 'gone' } })).status, 404);
  assert.equal((await api.call('GET', url)).status, 405);
});

test('components say how they are, when asked', async () => {
  const broken = (): void => {
    throw new Error('it does not run');
  };
  await using api = await TestServer.open({
    components: [
      { name: 'scheduler', live: true, check: broken },
      { name: 'controller-manager', live: true, check: () => {} },
    ],
  });
  const { body } = await api.call('GET', '/api/v1/componentstatuses');
  assert.deepEqual(
    body.items?.map((item) => [item.metadata.name, item['conditions']]),
    [
      ['controller-manager', [{ type: 'Healthy', status: 'True', message: 'ok' }]],
      ['etcd-0', [{ type: 'Healthy', status: 'True', message: 'ok' }]],
      ['scheduler', [{ type: 'Healthy', status: 'False', message: 'it does not run' }]],
    ],
  );
  const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io';
  const table = await api.call('GET', '/api/v1/componentstatuses/etcd-0', undefined, { accept });
  assert.deepEqual(objectsAt(table.body, 'rows')[0]?.['cells'], ['etcd-0', 'Healthy', 'ok', '']);
  assert.equal((await api.call('GET', '/api/v1/componentstatuses/kubelet')).status, 404);
});

test('what the server makes itself is of the manager kube-apiserver', async () => {
  await using api = await TestServer.open();
  for (const path of [
    '/api/v1/namespaces/default',
    '/api/v1/namespaces/default/services/kubernetes',
    '/apis/rbac.authorization.k8s.io/v1/clusterroles/admin',
    '/apis/apiregistration.k8s.io/v1/apiservices/v1.apps',
  ]) {
    const { body } = await api.call('GET', path);
    assert.equal(
      stringAt(objectsAt(body, 'metadata', 'managedFields')[0], 'manager'),
      'kube-apiserver',
      path,
    );
  }
});

test('every column says what it is for', () => {
  for (const declaration of resources) {
    for (const { name, description } of tableRows(declaration, [], 0).columnDefinitions) {
      assert.notEqual(description, '', `${declaration.resource}: ${name}`);
    }
  }
});

test('flow schemas are shown in the order in which they are tried', async () => {
  await using api = await TestServer.open();
  const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io';
  const url = '/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas';
  const { body } = await api.call('GET', url, undefined, { accept });
  const rows = objectsAt(body, 'rows').map((row) => listAt(row, 'cells'));
  const precedence = rows.map((cells) => Number(cells[2]));
  assert.deepEqual(
    precedence,
    precedence.toSorted((a, b) => a - b),
  );
  assert.equal(rows[0]?.[0], 'exempt');
});
