import assert from 'node:assert/strict';
import test from 'node:test';
import { PlatformError } from '../../base/errors.ts';
import { afterTurn } from '../../base/yield-to-loop.ts';
import { configMaps, deployments, namespaces, pods } from '../client/kinds.ts';
import { statusResponse, type FakeApi } from '../client/testing/fake-api.ts';
import { createNamespaceController } from './namespace-controller.ts';
import { planNamespaceStatus } from './namespace-planner.ts';
import { running, withCatalog } from './testing/running.ts';

const deletionTimestamp = '2026-01-01T00:00:00Z';
const create = withCatalog(createNamespaceController);

function leave(api: FakeApi): void {
  api.put(namespaces, {
    metadata: { name: 'gone', deletionTimestamp },
    spec: { finalizers: ['kubernetes', 'example.com/own'] },
    status: { phase: 'Terminating' },
  });
}

function finalizers(api: FakeApi): readonly string[] | undefined {
  return api.read(namespaces, { name: 'gone' })?.spec?.finalizers;
}

test('a terminating namespace is emptied, then loses our finalizer, and no other is touched', async () => {
  await using plane = running({
    create,
    before: (api) => {
      leave(api);
      api.put(namespaces, { metadata: { name: 'stays' }, spec: { finalizers: ['kubernetes'] } });
      for (const namespace of ['gone', 'stays']) {
        api.put(configMaps, { metadata: { name: 'a', namespace } });
        api.put(deployments, { metadata: { name: 'b', namespace }, spec: {} });
      }
      api.put(pods, { metadata: { name: 'c', namespace: 'gone' }, spec: { nodeName: 'n', containers: [] } });
    },
  });
  await plane.until('the pod terminating', () =>
    Boolean(plane.api.read(pods, { name: 'c', namespace: 'gone' })?.metadata?.deletionTimestamp),
  );
  await plane.quiet();
  assert.deepEqual(finalizers(plane.api), ['kubernetes', 'example.com/own']);
  const conditions = plane.api.read(namespaces, { name: 'gone' })?.status?.conditions;
  const remaining = conditions?.find((condition) => condition.type === 'NamespaceContentRemaining');
  assert.equal(remaining?.reason, 'SomeResourcesRemain');
  assert.match(remaining?.message ?? '', /pods\. has 1 resource instances/);
  plane.api.remove(pods, { name: 'c', namespace: 'gone' });
  await plane.until('finalizing', () => finalizers(plane.api)?.length === 1);
  assert.deepEqual(finalizers(plane.api), ['example.com/own']);
  assert.deepEqual(
    plane.api.all(configMaps).map((map) => map.metadata?.namespace),
    ['stays'],
  );
  assert.equal(plane.api.all(deployments).length, 1);
});

test('between the kinds others have their turn', async () => {
  await using plane = running({ create });
  await plane.quiet();
  const seen = { most: 0, before: plane.api.requests.length, over: false };
  const look = (): void => {
    const { length } = plane.api.requests;
    seen.most = Math.max(seen.most, length - seen.before);
    seen.before = length;
    if (!seen.over) afterTurn(look);
  };
  afterTurn(look);
  leave(plane.api);
  await plane.until('finalizing', () => finalizers(plane.api)?.length === 1);
  seen.over = true;
  const lists = plane.api.requests.filter((line) => line.includes('/namespaces/gone/')).length;
  assert.ok(lists > 15 && seen.most < 10, `${lists} requests, ${seen.most} of all in one turn`);
});

test('pods go before everything else', async () => {
  await using plane = running({
    create,
    before: (api) => {
      leave(api);
      api.put(pods, { metadata: { name: 'c', namespace: 'gone', finalizers: ['x/y'] }, spec: {} });
      api.put(configMaps, { metadata: { name: 'a', namespace: 'gone' } });
    },
  });
  await plane.until('the pod terminating', () =>
    Boolean(plane.api.read(pods, { name: 'c', namespace: 'gone' })?.metadata?.deletionTimestamp),
  );
  await plane.quiet();
  assert.equal(plane.api.all(configMaps).length, 1);
  plane.api.remove(pods, { name: 'c', namespace: 'gone' });
  await plane.until('the rest to go', () => plane.api.all(configMaps).length === 0);
});

test('a kind that was defined a moment ago is emptied too', async () => {
  const boats = { group: 'example.com', version: 'v1', resource: 'boats', kind: 'Boat', namespaced: true };
  await using plane = running({ create });
  await plane.quiet();
  plane.api.types = [...plane.api.types, boats];
  plane.api.put(boats, { metadata: { name: 'b', namespace: 'gone' } });
  leave(plane.api);
  await plane.until('finalizing', () => finalizers(plane.api)?.length === 1);
  assert.equal(plane.api.all(boats).length, 0);
});

test('while a part of the API cannot be asked what it serves, the namespace stays', async () => {
  let unavailable = true;
  await using plane = running({
    create,
    before: (api) => {
      leave(api);
      api.intercept = (request) => {
        if (request.url !== '/apis' || !unavailable) return undefined;
        const versions = [{ version: 'v1beta1', freshness: 'Stale', resources: [] }];
        const items = [{ metadata: { name: 'metrics.k8s.io' }, versions }];
        return { status: 200, headers: {}, body: Buffer.from(JSON.stringify({ items })) };
      };
    },
  });
  const failure = () =>
    plane.api
      .read(namespaces, { name: 'gone' })
      ?.status?.conditions?.find((condition) => condition.type === 'NamespaceDeletionDiscoveryFailure');
  await plane.until('the condition', () => failure()?.status === 'True');
  assert.match(
    failure()?.message ?? '',
    /1 failing: .*stale GroupVersion discovery: metrics\.k8s\.io\/v1beta1/,
  );
  assert.equal(finalizers(plane.api)?.length, 2);
  unavailable = false;
  await plane.until('finalizing', () => finalizers(plane.api)?.length === 1);
});

test('a failure is told in a condition and tried again', async () => {
  await using plane = running({
    create,
    before: (api) => {
      leave(api);
      api.put(configMaps, { metadata: { name: 'a', namespace: 'gone' } });
      api.intercept = ({ method, url }) =>
        method === 'DELETE' && url.includes('configmaps')
          ? statusResponse(new PlatformError('unavailable', 'busy'))
          : undefined;
    },
  });
  const failure = () =>
    plane.api
      .read(namespaces, { name: 'gone' })
      ?.status?.conditions?.find((condition) => condition.type === 'NamespaceDeletionContentFailure');
  await plane.until('the condition', () => failure()?.status === 'True');
  assert.match(failure()?.message ?? '', /configmaps.*busy/);
  plane.api.intercept = undefined;
  await plane.until('finalizing', () => finalizers(plane.api)?.length === 1);
  assert.equal(failure()?.status, 'False');
});

test('conditions keep their time while their status stays', () => {
  const objects = [{ metadata: { finalizers: ['a/b'] } }, { metadata: { finalizers: ['a/b'] } }];
  const input = {
    status: { phase: 'Terminating' },
    remaining: [{ resource: 'pods.', objects }],
    failures: [],
    unavailable: [],
  };
  const first = planNamespaceStatus({ ...input, now: 0 });
  assert.match(first.conditions?.at(-1)?.message ?? '', /a\/b in 2 resource instances/);
  const second = planNamespaceStatus({ ...input, status: first, now: 5000 });
  assert.deepEqual(second, first);
  const third = planNamespaceStatus({
    status: second,
    remaining: [],
    failures: [],
    unavailable: [],
    now: 9000,
  });
  assert.deepEqual(
    third.conditions?.map(({ type, lastTransitionTime }) => [type, lastTransitionTime]),
    [
      ['NamespaceDeletionDiscoveryFailure', '1970-01-01T00:00:00Z'],
      ['NamespaceDeletionGroupVersionParsingFailure', '1970-01-01T00:00:00Z'],
      ['NamespaceDeletionContentFailure', '1970-01-01T00:00:00Z'],
      ['NamespaceContentRemaining', '1970-01-01T00:00:09Z'],
      ['NamespaceFinalizersRemaining', '1970-01-01T00:00:09Z'],
    ],
  );
});
