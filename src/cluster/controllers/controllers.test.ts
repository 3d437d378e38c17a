import assert from 'node:assert/strict';
import test from 'node:test';
import { configMaps, deployments, namespaces, pods, replicaSets, serviceAccounts } from '../client/kinds.ts';
import { createControllers } from './controllers.ts';
import type { ControllerEnvironment } from './environment.ts';
import { running } from './testing/running.ts';

const GIVEN = { rootCa: 'pem', secretToken: () => Promise.resolve('token') };

const create = (environment: ControllerEnvironment) =>
  createControllers({ ...environment, ...GIVEN, eventsFor: () => environment.events });

test('together: a deployment comes with its pods and goes with them', async () => {
  await using plane = running({
    create,
    before: (api) => void api.put(namespaces, { metadata: { name: 'default' } }),
  });
  const { api } = plane;
  const labels = { app: 'web' };
  const metadata = { name: 'web', namespace: 'default' };
  await plane.client.create(deployments, {
    metadata,
    spec: {
      replicas: 2,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'i' }] } },
    },
  });
  await plane.until('the pods', () => api.all(pods).length === 2);
  await plane.until('the account', () => api.all(serviceAccounts).length === 1);
  await plane.until('the certificate', () => api.all(configMaps).length === 1);
  await plane.client.delete(deployments, metadata);
  await plane.until('all to go', () => api.all(pods).length + api.all(replicaSets).length === 0);
  await plane.quiet();
  assert.equal(api.all(pods).length, 0);
});

test('names are unique', async () => {
  const names: string[] = [];
  await using plane = running({
    create: (environment) => {
      const controllers = create(environment);
      names.push(...controllers.map((controller) => controller.name));
      return controllers;
    },
  });
  await plane.quiet();
  assert.equal(new Set(names).size, names.length);
});

test('controllers that report events do so under their own names', async () => {
  const components: string[] = [];
  const eventsFor = (environment: ControllerEnvironment) => (component: string) => {
    components.push(component);
    return environment.events;
  };
  await using plane = running({
    create: (environment) =>
      createControllers({ ...environment, ...GIVEN, eventsFor: eventsFor(environment) }),
  });
  await plane.quiet();
  assert.deepEqual(components, [
    'deployment-controller',
    'replicaset-controller',
    'replication-controller',
    'job-controller',
    'cronjob-controller',
    'node-controller',
    'controllermanager',
  ]);
});
