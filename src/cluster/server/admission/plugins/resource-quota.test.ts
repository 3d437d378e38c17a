import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject, JsonValue } from '../../../api/json.ts';
import { configMap, pod, TestServer } from '../../testing/test-server.ts';

const BASE = '/api/v1/namespaces/default';

async function quota(api: TestServer, name: string, hard: JsonObject, more: JsonObject = {}): Promise<void> {
  await api.create(`${BASE}/resourcequotas`, {
    apiVersion: 'v1',
    kind: 'ResourceQuota',
    metadata: { name },
    spec: { hard, ...more },
  });
}

async function used(api: TestServer, name: string): Promise<JsonValue | undefined> {
  return (await api.call('GET', `${BASE}/resourcequotas/${name}`)).body.status?.['used'];
}

test('many writers at once never take more than there is', async () => {
  await using api = await TestServer.open();
  await api.create(`${BASE}/configmaps`, configMap('before'));
  await quota(api, 'maps', { configmaps: '11' });
  const answers = await Promise.all(
    Array.from({ length: 30 }, (_, index) => api.call('POST', `${BASE}/configmaps`, configMap(`m${index}`))),
  );
  const made = answers.filter(({ status }) => status === 201);
  assert.equal(made.length, 10);
  const refused = answers.find(({ status }) => status === 403);
  assert.match(
    refused?.body.message ?? '',
    /is forbidden: exceeded quota: maps, requested: configmaps=1, used: configmaps=11, limited: configmaps=11$/,
  );
  assert.deepEqual(await used(api, 'maps'), { configmaps: '11' });
  const { metadata } = (await api.call('GET', `${BASE}/resourcequotas/maps`)).body;
  const writers = (metadata.managedFields ?? []) as { manager: string; subresource?: string }[];
  assert.deepEqual(writers.map(({ manager, subresource }) => [manager, subresource]).toSorted(), [
    ['kube-apiserver', 'status'],
    ['unknown', undefined],
  ]);
});

test('what is not written is given back', async () => {
  await using api = await TestServer.open();
  await quota(api, 'maps', { 'count/configmaps': '5' });
  await api.create(`${BASE}/configmaps`, configMap('a'));
  assert.equal((await api.call('POST', `${BASE}/configmaps`, configMap('a'))).status, 409);
  const dry = await api.call('POST', `${BASE}/configmaps?dryRun=All`, configMap('b'));
  assert.equal(dry.status, 201);
  assert.deepEqual(await used(api, 'maps'), { 'count/configmaps': '1' });
  await quota(api, 'none', { configmaps: '0' });
  assert.equal((await api.call('POST', `${BASE}/configmaps`, configMap('c'))).status, 403);
  assert.deepEqual(await used(api, 'maps'), { 'count/configmaps': '1' });
});

test('pods are charged for what they ask for and must say it', async () => {
  await using api = await TestServer.open();
  await quota(api, 'compute', { 'requests.cpu': '1', 'limits.memory': '1Gi', pods: '2' });
  const silent = await api.call('POST', `${BASE}/pods`, pod('silent'));
  assert.equal(
    silent.body.message,
    'pods "silent" is forbidden: failed quota: compute: must specify limits.memory for: main; requests.cpu for: main',
  );
  const wanting = (name: string, cpu: string): unknown =>
    pod(name, {
      containers: [
        { name: 'main', image: 'x', resources: { requests: { cpu }, limits: { memory: '100Mi' } } },
      ],
    });
  await api.create(`${BASE}/pods`, wanting('a', '600m'));
  const second = await api.call('POST', `${BASE}/pods`, wanting('b', '600m'));
  assert.match(
    second.body.message ?? '',
    /requested: requests.cpu=600m, used: requests.cpu=600m, limited: requests.cpu=1$/,
  );
  assert.deepEqual(await used(api, 'compute'), {
    'requests.cpu': '600m',
    'limits.memory': '100Mi',
    pods: '1',
  });
});

test('scopes choose which pods count', async () => {
  await using api = await TestServer.open();
  await quota(api, 'best-effort', { pods: '1' }, { scopes: ['BestEffort'] });
  await quota(api, 'terminating', { pods: '1' }, { scopes: ['Terminating'] });
  const burstable = [{ name: 'main', image: 'x', resources: { requests: { cpu: '1m' } } }];
  await api.create(`${BASE}/pods`, pod('a'));
  assert.match(
    (await api.call('POST', `${BASE}/pods`, pod('b'))).body.message ?? '',
    /exceeded quota: best-effort/,
  );
  await api.create(`${BASE}/pods`, pod('c', { containers: burstable }));
  await api.create(`${BASE}/pods`, pod('d', { containers: burstable, activeDeadlineSeconds: 5 }));
  const late = pod('e', { containers: burstable, activeDeadlineSeconds: 5 });
  assert.match(
    (await api.call('POST', `${BASE}/pods`, late)).body.message ?? '',
    /exceeded quota: terminating/,
  );
});

test('a pod is charged to the quotas that it gets to by an update', async () => {
  await using api = await TestServer.open();
  const patch = (name: string, body: unknown): ReturnType<TestServer['call']> =>
    api.call('PATCH', `${BASE}/pods/${name}`, body, { 'content-type': 'application/merge-patch+json' });
  for (const name of ['a', 'b']) await api.create(`${BASE}/pods`, pod(name));
  await quota(api, 'terminating', { pods: '1' }, { scopes: ['Terminating'] });
  const bounded = { spec: { activeDeadlineSeconds: 3600 } };
  assert.equal((await patch('a', { metadata: { labels: { a: 'b' } } })).status, 200);
  assert.deepEqual(await used(api, 'terminating'), undefined);
  assert.equal((await patch('a', bounded)).status, 200);
  assert.deepEqual(await used(api, 'terminating'), { pods: '1' });
  assert.equal((await patch('a', { spec: { activeDeadlineSeconds: 60 } })).status, 200);
  for (const refused of [
    await patch('b', bounded),
    await api.call('POST', `${BASE}/pods`, pod('c', { activeDeadlineSeconds: 5 })),
  ]) {
    assert.equal(refused.status, 403);
    assert.match(refused.body.message ?? '', /exceeded quota: terminating, requested: pods=1, used: pods=1/);
  }
  assert.deepEqual(await used(api, 'terminating'), { pods: '1' });
});

test('services are charged by their kind, also when it changes', async () => {
  await using api = await TestServer.open();
  await quota(api, 'services', { services: '5', 'services.nodeports': '1', 'services.loadbalancers': '0' });
  const service = (name: string, type: string): unknown => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name },
    spec: { type, ports: [{ port: 80 }] },
  });
  await api.create(`${BASE}/services`, service('a', 'ClusterIP'));
  await api.create(`${BASE}/services`, service('b', 'NodePort'));
  const patch = { 'content-type': 'application/merge-patch+json' };
  const turned = await api.call('PATCH', `${BASE}/services/a`, { spec: { type: 'NodePort' } }, patch);
  assert.match(turned.body.message ?? '', /requested: services.nodeports=1, used: services.nodeports=1/);
  const balanced = await api.call('POST', `${BASE}/services`, service('c', 'LoadBalancer'));
  assert.match(balanced.body.message ?? '', /limited: services.loadbalancers=0,services.nodeports=1/);
});
