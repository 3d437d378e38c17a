import assert from 'node:assert/strict';
import test from 'node:test';
import type { ReplicaSet } from '../api/generated/apps-v1.ts';
import type { ApiRequest } from '../api/transport.ts';
import { pods, replicaSets } from '../client/kinds.ts';
import type { ControllerEnvironment } from './environment.ts';
import { createReplicaSetController } from './replica-set-controller.ts';
import { runNodes } from './testing/hollow-kubelet.ts';
import { running, type Running } from './testing/running.ts';

const create = (environment: ControllerEnvironment) => [createReplicaSetController(environment)];
const ref = { name: 'web', namespace: 'default' };
const labels = { app: 'web' };

function web(replicas: number, minReadySeconds = 0): ReplicaSet {
  return {
    metadata: ref,
    spec: {
      replicas,
      minReadySeconds,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'i' }] } },
    },
  };
}

const status = (plane: Running) => plane.api.read(replicaSets, ref)?.status;

async function scale(plane: Running, replicas: number): Promise<void> {
  const body = { spec: { replicas } };
  await plane.client.patch(replicaSets, ref, { type: 'merge', body });
}

test('makes exactly the pods that are wanted, and says so', async () => {
  await using plane = running({ create, before: (api) => void api.put(replicaSets, web(10)) });
  await plane.until('the pods', () => plane.api.all(pods).length >= 10);
  await plane.quiet();
  assert.equal(plane.api.all(pods).length, 10);
  assert.equal(status(plane)?.replicas, 10);
  assert.equal(plane.reasons.filter((reason) => reason === 'SuccessfulCreate').length, 10);
  const [owner] = plane.api.all(pods)[0]?.metadata?.ownerReferences ?? [];
  assert.deepEqual([owner?.kind, owner?.name, owner?.controller], ['ReplicaSet', 'web', true]);
  runNodes(plane);
  await plane.until('readiness', () => status(plane)?.availableReplicas === 10);
  assert.equal(status(plane)?.fullyLabeledReplicas, 10);
});

test('replaces a pod that was deleted or failed, and shrinks', async () => {
  await using plane = running({ create, before: (api) => void api.put(replicaSets, web(3)) });
  await plane.until('the pods', () => plane.api.all(pods).length === 3);
  const [first, second] = plane.api.all(pods);
  plane.api.remove(pods, { name: first?.metadata?.name ?? '' });
  plane.api.put(pods, { ...second, status: { phase: 'Failed' } });
  await plane.until('replacements', () => plane.api.all(pods).length === 4);
  await scale(plane, 1);
  await plane.until('fewer', () => plane.api.all(pods).length === 2 && status(plane)?.replicas === 1);
  await plane.quiet();
  assert.equal(plane.api.all(pods).filter((pod) => pod.status?.phase !== 'Failed').length, 1);
});

test('adopts a pod it selects, releases one it no longer does', async () => {
  await using plane = running({
    create,
    before: (api) => {
      api.put(replicaSets, web(1));
      api.put(pods, { metadata: { name: 'stray', namespace: 'default', labels }, spec: { containers: [] } });
    },
  });
  const owners = () => plane.api.read(pods, { name: 'stray' })?.metadata?.ownerReferences ?? [];
  await plane.until('adoption', () => owners().length === 1);
  await plane.quiet();
  assert.equal(plane.api.all(pods).length, 1);
  await plane.client.patch(
    pods,
    { name: 'stray', namespace: 'default' },
    { type: 'merge', body: { metadata: { labels: { app: 'debug' } } } },
  );
  await plane.until(
    'release and replacement',
    () => owners().length === 0 && plane.api.all(pods).length === 2,
  );
});

test('a pod becomes available once it has been ready long enough, without any event', async () => {
  await using plane = running({ create, before: (api) => void api.put(replicaSets, web(1, 30)) });
  await plane.until('the pod', () => plane.api.all(pods).length === 1);
  runNodes(plane);
  await plane.until('readiness', () => status(plane)?.readyReplicas === 1);
  assert.equal(status(plane)?.availableReplicas ?? 0, 0);
  await plane.clock.advance(31_000);
  await plane.until('availability', () => status(plane)?.availableReplicas === 1);
});

test('a refused pod shows as ReplicaFailure, few are tried, and it heals', async () => {
  let refuse = true;
  let tried = 0;
  await using plane = running({
    create,
    before: (api) => {
      api.put(replicaSets, web(100));
      api.intercept = (request: ApiRequest) => {
        if (!refuse || request.method !== 'POST' || !request.url.endsWith('/pods')) return undefined;
        tried++;
        const body = {
          kind: 'Status',
          status: 'Failure',
          code: 403,
          reason: 'Forbidden',
          message: 'exceeded quota',
        };
        return {
          status: 403,
          headers: { 'content-type': 'application/json' },
          body: Buffer.from(JSON.stringify(body)),
        };
      };
    },
  });
  const failure = () => status(plane)?.conditions?.find((condition) => condition.type === 'ReplicaFailure');
  await plane.until('the failure', () => failure() !== undefined);
  assert.equal(failure()?.reason, 'FailedCreate');
  assert.match(failure()?.message ?? '', /exceeded quota/);
  assert.ok(tried < 20, `${tried} tries`);
  refuse = false;
  await plane.clock.advance(2000);
  await plane.until('healing', () => failure() === undefined && plane.api.all(pods).length === 100);
});

test('a cache that lags does not make pods twice', async () => {
  let gate = Promise.resolve();
  await using plane = running({
    create,
    before: (api) => {
      api.put(replicaSets, web(2));
      const intercept: typeof api.intercept = (request) => {
        if (!request.url.includes('/pods?') || !request.url.includes('watch=')) return undefined;
        api.intercept = undefined;
        const answer = api.request(request);
        api.intercept = intercept;
        return answer.then((response) => ({
          ...response,
          body: behind(() => gate, response.body as AsyncIterable<Uint8Array>),
        }));
      };
      api.intercept = intercept;
    },
  });
  await plane.until('the pods', () => status(plane)?.replicas === 2);
  const { promise, resolve } = Promise.withResolvers<void>();
  gate = promise;
  await scale(plane, 5);
  await plane.until('five', () => plane.api.all(pods).length >= 5);
  // The set changes again and again while its cache shows none of the new pods.
  for (let i = 0; i < 5; i++) {
    const body = { metadata: { annotations: { touched: `${i}` } } };
    await plane.client.patch(replicaSets, ref, { type: 'merge', body });
    await plane.quiet();
  }
  assert.equal(plane.api.all(pods).length, 5);
  resolve();
  await plane.until('the status', () => status(plane)?.replicas === 5);
  await plane.quiet();
  assert.equal(plane.api.all(pods).length, 5);
});

/** The stream, each piece held back until the gate of its time opens. */
async function* behind(
  gate: () => Promise<void>,
  stream: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of stream) {
    await gate();
    yield chunk;
  }
}
