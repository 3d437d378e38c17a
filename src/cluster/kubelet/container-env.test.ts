import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Container, Pod, Service } from '../api/generated/core-v1.ts';
import { containerEnvironment } from './container-env.ts';
import { expand } from './expansion.ts';
import { serviceEnvironment } from './service-env.ts';

const known = new Map([
  ['A', 'one'],
  ['B', '$(A)'],
]);

for (const [text, want] of [
  ['$(A)', 'one'],
  ['x$(A)y$(B)', 'xoney$(A)'],
  ['$$(A)', '$(A)'],
  ['$$$(A)', '$one'],
  ['$(NONE) $(A', '$(NONE) $(A'],
  ['$A $', '$A $'],
  ['$$$$', '$$'],
  ['', ''],
] as const) {
  test(`expands ${JSON.stringify(text)}`, () =>
    assert.equal(
      expand(text, (name) => known.get(name)),
      want,
    ));
}

const pod: Pod = {
  metadata: { name: 'web', namespace: 'ns', uid: 'u-1', labels: { app: 'x' }, annotations: { note: 'y' } },
  spec: { nodeName: 'n1', serviceAccountName: 'sa' },
};

async function env(
  container: Container,
  serviceEnv = new Map<string, string>(),
): Promise<Record<string, string>> {
  const facts = {
    nodeName: 'n1',
    hostIp: '192.0.2.1',
    podIps: ['10.0.0.5'],
    allocatable: { cpu: 2000, memoryBytes: 2 ** 30 },
  };
  const references = {
    configMap: async (name: string) => (name === 'conf' ? { data: { K: 'v', L: 'w' } } : undefined),
    secret: async (name: string) => (name === 'sec' ? { data: { S: 'aGk=' } } : undefined),
  };
  return Object.fromEntries(await containerEnvironment({ pod, container, facts, references, serviceEnv }));
}

test('every field of the downward API', async () => {
  const fields = {
    NAME: 'metadata.name',
    NS: 'metadata.namespace',
    UID: 'metadata.uid',
    APP: "metadata.labels['app']",
    NOTE: "metadata.annotations['note']",
    NODE: 'spec.nodeName',
    SA: 'spec.serviceAccountName',
    HOST: 'status.hostIP',
    IP: 'status.podIP',
  };
  const list = Object.entries(fields).map(([name, fieldPath]) => ({
    name,
    valueFrom: { fieldRef: { fieldPath } },
  }));
  assert.deepEqual(await env({ env: list }), {
    NAME: 'web',
    NS: 'ns',
    UID: 'u-1',
    APP: 'x',
    NOTE: 'y',
    NODE: 'n1',
    SA: 'sa',
    HOST: '192.0.2.1',
    IP: '10.0.0.5',
  });
  await assert.rejects(
    env({ env: [{ name: 'X', valueFrom: { fieldRef: { fieldPath: 'spec.x' } } }] }),
    /unsupported fieldPath/,
  );
});

test('resources, in units of the divisor, rounded up; the node stands in for a missing limit', async () => {
  const resources = { requests: { cpu: '250m' }, limits: { memory: '64Mi' } };
  const of = (resource: string, divisor?: string) => ({
    valueFrom: { resourceFieldRef: { resource, divisor } },
  });
  const list = [
    { name: 'CPU', ...of('requests.cpu') },
    { name: 'MILLI', ...of('requests.cpu', '1m') },
    { name: 'MEM', ...of('limits.memory', '1Mi') },
    { name: 'LIMIT', ...of('limits.cpu') },
  ];
  assert.deepEqual(await env({ resources, env: list }), { CPU: '1', MILLI: '250', MEM: '64', LIMIT: '2' });
});

test('later entries win and may refer to earlier ones', async () => {
  const container: Container = {
    envFrom: [{ configMapRef: { name: 'conf' } }, { prefix: 'P_', secretRef: { name: 'sec' } }],
    env: [
      { name: 'K', value: 'own' },
      { name: 'SUM', value: '$(K)-$(L)-$(P_S)-$(SVC)-$(LATER)' },
      { name: 'LATER', value: 'x' },
    ],
  };
  const result = await env(container, new Map([['SVC', 's']]));
  assert.equal(result['SUM'], 'own-w-hi-s-$(LATER)');
});

test('missing objects and keys fail unless they are optional', async () => {
  const key = (name: string, key: string, optional = false) => ({
    env: [{ name: 'X', valueFrom: { configMapKeyRef: { name, key, optional } } }],
  });
  await assert.rejects(env(key('none', 'K')), /configmap "none" not found/);
  await assert.rejects(env(key('conf', 'Z')), /couldn't find key Z in ConfigMap ns\/conf/);
  assert.deepEqual(await env(key('none', 'K', true)), {});
  await assert.rejects(env({ envFrom: [{ secretRef: { name: 'none' } }] }), /secret "none" not found/);
});

test('services of the pod`s namespace and the API server', () => {
  const service = (namespace: string, name: string, clusterIP: string): Service => ({
    metadata: { namespace, name },
    spec: { clusterIP, ports: [{ name: 'http', port: 80, protocol: 'TCP' }] },
  });
  const services = [
    service('default', 'kubernetes', '10.96.0.1'),
    service('ns', 'my-web', '10.96.0.2'),
    service('ns', 'headless', 'None'),
    service('other', 'far', '10.96.0.3'),
  ];
  const links = Object.fromEntries(
    serviceEnvironment(services, { namespace: 'ns', enableServiceLinks: true }),
  );
  assert.equal(links['MY_WEB_SERVICE_HOST'], '10.96.0.2');
  assert.equal(links['MY_WEB_SERVICE_PORT_HTTP'], '80');
  assert.equal(links['MY_WEB_PORT_80_TCP'], 'tcp://10.96.0.2:80');
  assert.equal(links['KUBERNETES_SERVICE_HOST'], '10.96.0.1');
  assert.ok(!Object.keys(links).some((name) => /^(HEADLESS|FAR)_/.test(name)));
  const none = serviceEnvironment(services, { namespace: 'ns', enableServiceLinks: false });
  assert.ok([...none.keys()].every((name) => name.startsWith('KUBERNETES_')));
});
