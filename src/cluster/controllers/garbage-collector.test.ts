import assert from 'node:assert/strict';
import test from 'node:test';
import type { ApiObject } from '../client/contract.ts';
import {
  configMaps,
  customResourceDefinitions,
  deployments,
  nodes,
  pods,
  replicaSets,
} from '../client/kinds.ts';
import type { FakeApi } from '../client/testing/fake-api.ts';
import { createGarbageCollector } from './garbage-collector.ts';
import { planDependent } from './garbage-graph.ts';
import { newControllerRef } from '../client/controller-ref.ts';
import { running, withCatalog, type Running } from './testing/running.ts';

const deletionTimestamp = '2026-01-01T00:00:00Z';
const create = withCatalog(createGarbageCollector);

/** A deployment, its replica set, two pods of that. */
function family(api: FakeApi, finalizers: string[] = []): void {
  const deployment = api.put(deployments, { metadata: { name: 'web', finalizers }, spec: {} });
  const set = api.put(replicaSets, {
    metadata: { name: 'web-1', ownerReferences: [newControllerRef(deployments, deployment)] },
    spec: {},
  });
  for (const name of ['web-1-a', 'web-1-b']) {
    const metadata = { name, ownerReferences: [newControllerRef(replicaSets, set)] };
    api.put(pods, { metadata, spec: { containers: [] } });
  }
}

const writes = (plane: Running): readonly string[] =>
  plane.api.requests.filter((request) => !request.startsWith('GET'));

test('Background: dependents of what is gone are deleted, generation by generation', async () => {
  await using plane = running({ create, before: family });
  await plane.quiet();
  assert.deepEqual(writes(plane), []);
  await plane.client.delete(deployments, { name: 'web', namespace: 'default' });
  await plane.until('all to go', () => plane.api.all(pods).length + plane.api.all(replicaSets).length === 0);
});

test('owners that went before the collector came are looked for in the API', async () => {
  await using plane = running({
    create,
    before: (api) => {
      family(api);
      api.remove(replicaSets, { name: 'web-1' });
    },
  });
  await plane.until('the pods to go', () => plane.api.all(pods).length === 0);
  assert.equal(plane.api.all(deployments).length, 1);
});

test('a namesake of the owner is not the owner', async () => {
  await using plane = running({ create, before: family });
  await plane.quiet();
  plane.api.remove(replicaSets, { name: 'web-1' });
  plane.api.put(replicaSets, { metadata: { name: 'web-1' }, spec: {} });
  await plane.until('the pods to go', () => plane.api.all(pods).length === 0);
  assert.equal(plane.api.all(replicaSets).length, 1);
});

test('of several owners one is enough; the reference to the others goes', async () => {
  const gone = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'gone', uid: 'gone' };
  const strange = { apiVersion: 'example.com/v1', kind: 'Boat', name: 'b', uid: 'boat' };
  await using plane = running({
    create,
    before: (api) => {
      const node = api.put(nodes, { metadata: { name: 'n' } });
      const ownerReferences = [gone, newControllerRef(nodes, node)];
      api.put(configMaps, { metadata: { name: 'two', ownerReferences } });
      api.put(configMaps, { metadata: { name: 'strange', ownerReferences: [strange] } });
      api.put(configMaps, { metadata: { name: 'none', ownerReferences: [gone] } });
    },
  });
  const owners = (name: string) =>
    plane.api.read(configMaps, { name })?.metadata?.ownerReferences?.map((reference) => reference.name);
  await plane.until('the reference to go', () => owners('two')?.length === 1);
  await plane.until(
    'the map without owners to go',
    () => plane.api.read(configMaps, { name: 'none' }) === undefined,
  );
  await plane.quiet();
  assert.deepEqual(owners('two'), ['n']);
  assert.deepEqual(owners('strange'), ['b']);
});

test('Foreground: the owner goes last', async () => {
  await using plane = running({ create, before: (api) => family(api, ['foregroundDeletion']) });
  await plane.quiet();
  const order: string[] = [];
  plane.api.intercept = (request) => {
    if (request.method === 'DELETE') order.push(request.url);
    return undefined;
  };
  await plane.client.delete(deployments, { name: 'web', namespace: 'default' });
  await plane.until('all to go', () => plane.api.all(deployments).length === 0);
  assert.equal(plane.api.all(replicaSets).length, 0);
  assert.match(order[1] ?? '', /replicasets/);
});

test('Foreground: a dependent with a finalizer holds its owner', async () => {
  await using plane = running({
    create,
    before: (api) => {
      const set = api.put(replicaSets, {
        metadata: { name: 's', finalizers: ['foregroundDeletion'], deletionTimestamp },
        spec: {},
      });
      const ownerReferences = [newControllerRef(replicaSets, set)];
      api.put(pods, {
        metadata: { name: 'p', finalizers: ['x/y'], ownerReferences },
        spec: { containers: [] },
      });
    },
  });
  const pod = () => plane.api.read(pods, { name: 'p' });
  await plane.until('the pod to be marked', () => pod()?.metadata?.deletionTimestamp !== undefined);
  await plane.quiet();
  assert.equal(plane.api.all(replicaSets).length, 1);
  plane.api.remove(pods, { name: 'p' });
  await plane.until('the owner to go', () => plane.api.all(replicaSets).length === 0);
});

test('Orphan: dependents lose the reference and stay', async () => {
  await using plane = running({ create, before: (api) => family(api, ['orphan']) });
  await plane.quiet();
  await plane.client.delete(deployments, { name: 'web', namespace: 'default' });
  await plane.until('the deployment to go', () => plane.api.all(deployments).length === 0);
  await plane.quiet();
  assert.equal(plane.api.read(replicaSets, { name: 'web-1' })?.metadata?.ownerReferences, undefined);
  assert.equal(plane.api.all(pods).length, 2);
});

const boats = { group: 'example.com', version: 'v1', resource: 'boats', kind: 'Boat', namespaced: true };

/** Defines a kind: a definition comes, and then it is served. */
async function define(plane: Running): Promise<void> {
  plane.api.types = [...plane.api.types, boats];
  plane.api.put(customResourceDefinitions, { metadata: { name: 'boats.example.com' } });
  await plane.clock.advance(100);
  await plane.until('its watch', () => plane.api.requests.some((request) => /boats\?.*watch/.test(request)));
}

test('kinds that are defined later are collected, and forgotten with their definition', async () => {
  await using plane = running({ create });
  await plane.quiet();
  const strange = { apiVersion: 'example.com/v1', kind: 'Boat', name: 'a', uid: 'none' };
  plane.api.put(configMaps, { metadata: { name: 'early', ownerReferences: [strange] } });
  await plane.quiet();
  assert.equal(plane.api.all(configMaps).length, 1);
  await define(plane);
  await plane.until(
    'what came before its owner could be known',
    () => plane.api.all(configMaps).length === 0,
  );
  const owner = plane.api.put(boats, { metadata: { name: 'a', namespace: 'default' } });
  plane.api.put(boats, { metadata: { name: 'b', ownerReferences: [newControllerRef(boats, owner)] } });
  await plane.client.delete(boats, { name: 'a', namespace: 'default' });
  await plane.until('the dependent', () => plane.api.all(boats).length === 0);
  const watches = plane.api.openWatches;
  plane.api.types = plane.api.types.filter((type) => type !== boats);
  plane.api.remove(customResourceDefinitions, { name: 'boats.example.com' });
  await plane.clock.advance(100);
  await plane.until('the end of its watch', () => plane.api.openWatches === watches - 1);
});

test('changes that are not about ownership cost nothing', async () => {
  await using plane = running({ create, before: family });
  await plane.quiet();
  const before = plane.api.requests.length;
  const pod = plane.api.read(pods, { name: 'web-1-a' })!;
  plane.api.put(pods, { ...pod, metadata: { ...pod.metadata, labels: { x: '1' } } });
  await plane.quiet();
  assert.equal(plane.api.requests.length, before);
});

test('what becomes of a dependent', () => {
  const object: ApiObject = { metadata: { ownerReferences: [{ uid: 'a' }, { uid: 'b' }] } };
  const plan = (
    first: 'solid' | 'waiting' | 'absent' | 'unknown',
    second: typeof first,
    hasDependents = false,
  ) => planDependent({ object, owners: [first, second], hasDependents });
  assert.deepEqual(plan('solid', 'unknown'), { action: 'keep' });
  assert.deepEqual(plan('absent', 'solid'), { action: 'release', ownerReferences: [{ uid: 'b' }] });
  assert.deepEqual(plan('waiting', 'absent'), { action: 'delete', propagation: 'Background' });
  assert.deepEqual(plan('waiting', 'absent', true), { action: 'delete', propagation: 'Foreground' });
  const held = { metadata: { ...object.metadata, finalizers: ['orphan'] } };
  assert.deepEqual(planDependent({ object: held, owners: ['absent', 'absent'], hasDependents: true }), {
    action: 'delete',
    propagation: 'Orphan',
  });
});
