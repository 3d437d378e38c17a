import assert from 'node:assert/strict';
import test from 'node:test';
import type { ApiObject } from '../client/contract.ts';
import {
  configMaps,
  customResourceDefinitions,
  persistentVolumeClaims,
  pods,
  replicationControllers,
  resourceQuotas,
  secrets,
  services,
} from '../client/kinds.ts';
import { createResourceQuotaController } from './resource-quota-controller.ts';
import { running, withCatalog, type Running } from './testing/running.ts';

const create = withCatalog(createResourceQuotaController);
const namespace = 'default';
const boats = { group: 'example.com', version: 'v1', resource: 'boats', kind: 'Boat', namespaced: true };

function quota(plane: Running, name: string, spec: object, status?: object): void {
  plane.api.put(resourceQuotas, {
    metadata: { name, namespace },
    spec,
    ...(status && { status }),
  } as ApiObject);
}

function pod(name: string, spec: object = {}, more: object = {}): ApiObject {
  const resources = { requests: { cpu: '500m', memory: '252Mi' } };
  return {
    metadata: { name, namespace, ...more },
    spec: { containers: [{ name: 'c', image: 'i', resources }], ...spec },
  } as ApiObject;
}

const used = (plane: Running, name: string): Record<string, string> =>
  plane.api.read(resourceQuotas, { name })?.status?.used ?? {};

async function says(plane: Running, name: string, wanted: Record<string, string>): Promise<void> {
  const same = (): boolean => {
    const now = used(plane, name);
    return Object.entries(wanted).every(([key, value]) => now[key] === value);
  };
  await plane.until(`${name}: ${JSON.stringify(wanted)}`, same).catch((error: unknown) => {
    assert.deepEqual(used(plane, name), wanted, String(error));
  });
}

test('a new quota counts what is there; what goes is given back', async () => {
  await using plane = running({ create });
  const { api } = plane;
  api.put(pods, pod('a'));
  api.put(pods, { ...pod('over'), status: { phase: 'Succeeded' } } as ApiObject);
  api.put(pods, pod('elsewhere', {}, { namespace: 'other' }));
  const ports = [{ port: 80 }, { port: 81 }];
  api.put(services, { metadata: { name: 'np', namespace }, spec: { type: 'NodePort', ports } });
  api.put(services, { metadata: { name: 'lb', namespace }, spec: { type: 'LoadBalancer', ports } });
  api.put(secrets, { metadata: { name: 's', namespace } });
  api.put(configMaps, { metadata: { name: 'm', namespace } });
  api.put(replicationControllers, { metadata: { name: 'rc', namespace }, spec: {} });
  api.put(persistentVolumeClaims, {
    metadata: { name: 'c', namespace },
    spec: { storageClassName: 'gold', resources: { requests: { storage: '1Gi' } } },
  } as ApiObject);
  await plane.quiet();
  const names = [
    'cpu',
    'limits.cpu',
    'requests.memory',
    'pods',
    'count/pods',
    'services',
    'services.nodeports',
    'services.loadbalancers',
    'secrets',
    'configmaps',
    'count/configmaps',
    'replicationcontrollers',
    'resourcequotas',
    'persistentvolumeclaims',
    'requests.storage',
    'gold.storageclass.storage.k8s.io/requests.storage',
    'count/replicasets.apps',
  ];
  const hard = Object.fromEntries(names.map((name) => [name, '10']));
  quota(plane, 'all', { hard });
  await says(plane, 'all', {
    cpu: '500m',
    'limits.cpu': '0',
    'requests.memory': '252Mi',
    pods: '1',
    'count/pods': '2',
    services: '2',
    'services.nodeports': '4',
    'services.loadbalancers': '1',
    secrets: '1',
    configmaps: '1',
    'count/configmaps': '1',
    replicationcontrollers: '1',
    resourcequotas: '1',
    persistentvolumeclaims: '1',
    'requests.storage': '1Gi',
    'gold.storageclass.storage.k8s.io/requests.storage': '1Gi',
    'count/replicasets.apps': '0',
  });
  assert.deepEqual(api.read(resourceQuotas, { name: 'all' })?.status?.hard, hard);
  api.remove(pods, { name: 'a' });
  api.remove(secrets, { name: 's' });
  api.remove(persistentVolumeClaims, { name: 'c' });
  const lb = api.read(services, { name: 'lb' });
  api.put(services, { ...lb, spec: { type: 'ClusterIP', ports } });
  await says(plane, 'all', {
    cpu: '0',
    pods: '0',
    'count/pods': '1',
    secrets: '0',
    'requests.storage': '0',
    'services.nodeports': '2',
    'services.loadbalancers': '0',
  });
  await plane.quiet();
  assert.equal(plane.api.requests.filter((request) => request.startsWith('PUT')).length < 12, true);
});

test('a pod that ends gives back what it took', async () => {
  await using plane = running({ create });
  plane.api.put(pods, pod('a'));
  quota(plane, 'q', { hard: { pods: '5', cpu: '2' } });
  await says(plane, 'q', { pods: '1', cpu: '500m' });
  plane.api.put(pods, { ...pod('a'), status: { phase: 'Failed' } } as ApiObject);
  await says(plane, 'q', { pods: '0', cpu: '0' });
});

test('scopes choose pods', async () => {
  await using plane = running({ create });
  const hard = { pods: '5' };
  const chosen = (scopeName: string, operator = 'Exists', values?: string[]) => ({
    hard,
    scopeSelector: { matchExpressions: [{ scopeName, operator, values }] },
  });
  quota(plane, 'terminating', { hard, scopes: ['Terminating'] });
  quota(plane, 'not-terminating', { hard, scopes: ['NotTerminating'] });
  quota(plane, 'best', { hard, scopes: ['BestEffort'] });
  quota(plane, 'not-best', { hard, scopes: ['NotBestEffort'] });
  quota(plane, 'high', chosen('PriorityClass', 'In', ['high']));
  quota(plane, 'not-high', chosen('PriorityClass', 'NotIn', ['high']));
  quota(plane, 'across', chosen('CrossNamespacePodAffinity'));
  plane.api.put(pods, pod('deadline', { activeDeadlineSeconds: 60 }));
  plane.api.put(pods, pod('high', { priorityClassName: 'high' }));
  plane.api.put(pods, {
    metadata: { name: 'best', namespace },
    spec: { containers: [{ name: 'c', image: 'i' }] },
  });
  const terms = [{ topologyKey: 'zone', namespaces: ['other'] }];
  const affinity = { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: terms } };
  plane.api.put(pods, pod('across', { affinity }));
  const wanted = {
    terminating: 1,
    'not-terminating': 3,
    best: 1,
    'not-best': 3,
    high: 1,
    'not-high': 3,
    across: 1,
  };
  for (const [name, count] of Object.entries(wanted)) await says(plane, name, { pods: `${count}` });
});

test('a claim counts in the class it has and in the one it is to have', async () => {
  await using plane = running({ create });
  for (const name of ['gold', 'silver']) {
    const matchExpressions = [{ scopeName: 'VolumeAttributesClass', operator: 'In', values: [name] }];
    quota(plane, name, { hard: { persistentvolumeclaims: '1' }, scopeSelector: { matchExpressions } });
  }
  const claim = (wanted: string, has: string): void => {
    plane.api.put(persistentVolumeClaims, {
      metadata: { name: 'c', namespace },
      spec: { volumeAttributesClassName: wanted },
      status: { currentVolumeAttributesClassName: has },
    } as ApiObject);
  };
  claim('silver', 'gold');
  await says(plane, 'gold', { persistentvolumeclaims: '1' });
  await says(plane, 'silver', { persistentvolumeclaims: '1' });
  claim('silver', 'silver');
  await says(plane, 'gold', { persistentvolumeclaims: '0' });
  await says(plane, 'silver', { persistentvolumeclaims: '1' });
});

test('kinds that are defined later are counted; before that, nothing is said of them', async () => {
  await using plane = running({ create });
  quota(plane, 'q', { hard: { 'count/boats.example.com': '3', configmaps: '1' } });
  await says(plane, 'q', { configmaps: '0' });
  assert.deepEqual(Object.keys(used(plane, 'q')), ['configmaps']);
  plane.api.types = [...plane.api.types, boats];
  plane.api.put(boats, { metadata: { name: 'a', namespace } });
  plane.api.put(customResourceDefinitions, { metadata: { name: 'boats.example.com' } });
  await plane.clock.advance(100);
  await says(plane, 'q', { 'count/boats.example.com': '1' });
  plane.api.remove(boats, { name: 'a' });
  await says(plane, 'q', { 'count/boats.example.com': '0' });
});

test('what admission has accounted for is not taken back before it can be seen', async () => {
  await using plane = running({ create });
  plane.api.put(configMaps, { metadata: { name: 'a', namespace } });
  quota(plane, 'q', { hard: { configmaps: '5' } });
  await says(plane, 'q', { configmaps: '1' });
  await plane.clock.advance(1000);
  const charge = async (configmaps: string): Promise<void> => {
    const present = plane.api.read(resourceQuotas, { name: 'q' })!;
    const status = { ...present.status, used: { configmaps } };
    await plane.client.update(resourceQuotas, { ...present, status }, 'status');
  };
  await charge('2');
  await plane.quiet();
  assert.deepEqual(used(plane, 'q'), { configmaps: '2' });
  // What goes meanwhile is given back at once, and no more than that.
  plane.api.remove(configMaps, { name: 'a' });
  await says(plane, 'q', { configmaps: '1' });
  await plane.quiet();
  assert.deepEqual(used(plane, 'q'), { configmaps: '1' });
  // The write has failed, and nobody has taken the charge back.
  await plane.clock.advance(1000);
  await says(plane, 'q', { configmaps: '0' });
});

test('another limit counts anew; a status that someone has changed is put right', async () => {
  await using plane = running({ create });
  plane.api.put(configMaps, { metadata: { name: 'a', namespace } });
  quota(plane, 'q', { hard: { secrets: '5' } });
  await says(plane, 'q', { secrets: '0' });
  const change = (subresource: string | undefined, part: object) =>
    plane.client.patch(
      resourceQuotas,
      { name: 'q', namespace },
      { type: 'merge', body: part, ...(subresource !== undefined && { subresource }) },
    );
  await change(undefined, { spec: { hard: { secrets: null, configmaps: '4' } } });
  await plane.clock.advance(1000);
  await says(plane, 'q', { configmaps: '1' });
  assert.deepEqual(used(plane, 'q'), { configmaps: '1' });
  await change('status', { status: { hard: { configmaps: '9' } } });
  const hard = () => plane.api.read(resourceQuotas, { name: 'q' })?.status?.hard;
  await plane.until('the limit', () => JSON.stringify(hard()) === '{"configmaps":"4"}');
});

test('everything is counted anew every five minutes: a pod that nobody ends stops counting', async () => {
  await using plane = running({ create });
  plane.api.put(pods, pod('a', { nodeName: 'gone' }));
  quota(plane, 'q', { hard: { pods: '5' } });
  await says(plane, 'q', { pods: '1' });
  await plane.client.delete(pods, { name: 'a', namespace });
  await plane.quiet();
  assert.deepEqual(used(plane, 'q'), { pods: '1' });
  await plane.clock.advance(6 * 60_000);
  await says(plane, 'q', { pods: '0' });
});
