import assert from 'node:assert/strict';
import test from 'node:test';
import type { Deployment, ReplicaSet } from '../api/generated/apps-v1.ts';
import { deployments, pods, replicaSets } from '../client/kinds.ts';
import { REVISION } from './deployment-annotations.ts';
import { createDeploymentController, newSetFor } from './deployment-controller.ts';
import type { ControllerEnvironment } from './environment.ts';
import { isPodReady } from './pod-state.ts';
import { createReplicaSetController } from './replica-set-controller.ts';
import { runNodes } from './testing/hollow-kubelet.ts';
import { running, type Running } from './testing/running.ts';

const create = (environment: ControllerEnvironment) => [
  createDeploymentController(environment),
  createReplicaSetController(environment),
];
const ref = { name: 'web', namespace: 'default' };
const labels = { app: 'web' };

function web(replicas: number, spec: Deployment['spec'] = {}): Deployment {
  return {
    metadata: ref,
    spec: {
      replicas,
      progressDeadlineSeconds: 600,
      selector: { matchLabels: labels },
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
      template: { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'v1' }] } },
      ...spec,
    },
  };
}

const read = (plane: Running) => plane.api.read(deployments, ref);
const sets = (plane: Running) => plane.api.all(replicaSets);
const imageOf = (set: ReplicaSet | undefined) => set?.spec?.template?.spec?.containers?.[0]?.image;
const setOf = (plane: Running, image: string) => sets(plane).find((set) => imageOf(set) === image);
const readyPods = (plane: Running) => plane.api.all(pods).filter(isPodReady);
const livePods = (plane: Running) =>
  plane.api.all(pods).filter((pod) => pod.metadata?.deletionTimestamp === undefined);

async function change(plane: Running, spec: unknown): Promise<void> {
  await plane.client.patch(deployments, ref, { type: 'strategic', body: { spec } });
}

const toImage = (image: string) => ({ template: { spec: { containers: [{ name: 'c', image }] } } });

/** As `kubectl rollout status` decides it. */
function isRolledOut(plane: Running): boolean {
  const { metadata, spec, status } = read(plane) ?? {};
  const replicas = spec?.replicas ?? 0;
  return (
    (status?.observedGeneration ?? 0) >= (metadata?.generation ?? 1) &&
    (status?.updatedReplicas ?? 0) === replicas &&
    (status?.replicas ?? 0) === replicas &&
    (status?.availableReplicas ?? 0) === replicas
  );
}

/** Runs nodes until the rollout is over; `watch` sees the cell at every turn. */
async function rollOut(plane: Running, watch: () => void = () => {}): Promise<void> {
  await plane.until('the rollout', () => {
    watch();
    runNodes(plane);
    return (
      isRolledOut(plane) && plane.api.all(pods).every((pod) => pod.metadata?.deletionTimestamp === undefined)
    );
  });
}

test('creates a set with the hash of its template and revision 1', async () => {
  await using plane = running({ create, before: (api) => void api.put(deployments, web(2)) });
  await rollOut(plane);
  const [set, ...others] = sets(plane);
  assert.equal(others.length, 0);
  const hash = set?.metadata?.labels?.['pod-template-hash'];
  assert.equal(set?.metadata?.name, `web-${hash}`);
  assert.deepEqual(set?.spec?.selector?.matchLabels, { app: 'web', 'pod-template-hash': hash });
  assert.equal(set?.metadata?.annotations?.[REVISION], '1');
  assert.equal(read(plane)?.metadata?.annotations?.[REVISION], '1');
  const reasons = (read(plane)?.status?.conditions ?? []).map(({ reason }) => reason);
  assert.deepEqual(reasons.toSorted(), ['MinimumReplicasAvailable', 'NewReplicaSetAvailable']);
  assert.ok(plane.reasons.includes('ScalingReplicaSet'));
});

test('a rolling update never has too few ready pods nor too many alive', async () => {
  await using plane = running({ create, before: (api) => void api.put(deployments, web(4)) });
  await rollOut(plane);
  await change(plane, toImage('v2'));
  await rollOut(plane, () => {
    assert.ok(readyPods(plane).length >= 4, `${readyPods(plane).length} ready`);
    assert.ok(livePods(plane).length <= 5, `${livePods(plane).length} alive`);
  });
  assert.equal(setOf(plane, 'v1')?.spec?.replicas, 0);
  assert.equal(setOf(plane, 'v2')?.metadata?.annotations?.[REVISION], '2');
});

test('going back makes the old set the newest again', async () => {
  await using plane = running({ create, before: (api) => void api.put(deployments, web(1)) });
  await rollOut(plane);
  await change(plane, toImage('v2'));
  await rollOut(plane);
  await change(plane, toImage('v1'));
  await rollOut(plane);
  assert.equal(sets(plane).length, 2);
  const back = setOf(plane, 'v1')?.metadata?.annotations;
  assert.equal(back?.[REVISION], '3');
  assert.equal(back?.['deployment.kubernetes.io/revision-history'], '1');
});

test('recreate never has two versions at once', async () => {
  const spec = { strategy: { type: 'Recreate' } };
  await using plane = running({ create, before: (api) => void api.put(deployments, web(2, spec)) });
  await rollOut(plane);
  await change(plane, toImage('v2'));
  await rollOut(plane, () => {
    const images = new Set(plane.api.all(pods).map((pod) => pod.spec?.containers?.[0]?.image));
    assert.ok(images.size <= 1, [...images].join());
  });
  assert.equal(setOf(plane, 'v2')?.spec?.replicas, 2);
});

test('paused: scales, but does not roll out until resumed', async () => {
  await using plane = running({ create, before: (api) => void api.put(deployments, web(1)) });
  await rollOut(plane);
  await change(plane, { paused: true });
  await change(plane, toImage('v2'));
  await change(plane, { replicas: 3 });
  await plane.until('scaling', () => setOf(plane, 'v1')?.spec?.replicas === 3);
  await plane.quiet();
  assert.equal(setOf(plane, 'v2'), undefined);
  await change(plane, { paused: false });
  await rollOut(plane);
  assert.equal(setOf(plane, 'v2')?.spec?.replicas, 3);
});

test('a rollout in flight is scaled in proportion', async () => {
  await using plane = running({ create, before: (api) => void api.put(deployments, web(4)) });
  await rollOut(plane);
  await change(plane, toImage('broken'));
  await plane.until('the surge', () => setOf(plane, 'broken')?.status?.replicas === 1);
  await plane.quiet();
  await change(plane, { replicas: 8 });
  await plane.until('more', () => sets(plane).reduce((sum, set) => sum + (set.spec?.replicas ?? 0), 0) === 9);
  await plane.quiet();
  assert.ok((setOf(plane, 'v1')?.spec?.replicas ?? 0) >= 7);
  assert.ok((setOf(plane, 'broken')?.spec?.replicas ?? 0) >= 1);
});

test('a rollout that stands still is reported when its time is over', async () => {
  const spec = { progressDeadlineSeconds: 60 };
  await using plane = running({ create, before: (api) => void api.put(deployments, web(1, spec)) });
  const reason = () => read(plane)?.status?.conditions?.find(({ type }) => type === 'Progressing')?.reason;
  await plane.until('the pod', () => plane.api.all(pods).length === 1);
  await plane.quiet();
  await plane.clock.advance(70_000);
  await plane.until('the report', () => reason() === 'ProgressDeadlineExceeded');
  await rollOut(plane);
  await plane.until('recovery', () => reason() === 'NewReplicaSetAvailable');
});

test('history is kept to its limit', async () => {
  const spec = { revisionHistoryLimit: 1 };
  await using plane = running({ create, before: (api) => void api.put(deployments, web(1, spec)) });
  for (const image of ['v1', 'v2', 'v3', 'v4']) {
    await change(plane, toImage(image));
    await rollOut(plane);
  }
  await plane.until('clean-up', () => sets(plane).length === 2);
  assert.deepEqual(sets(plane).map(imageOf).toSorted(), ['v3', 'v4']);
});

test('a foreign set of the same name makes another hash', async () => {
  const { metadata } = await newSetFor(web(1), 1, 1n);
  const name = metadata?.name ?? '';
  await using plane = running({
    create,
    before: (api) => {
      api.put(deployments, web(1));
      api.put(replicaSets, {
        metadata: { name, namespace: 'default' },
        spec: { replicas: 0, selector: { matchLabels: { app: 'other' } } },
      });
    },
  });
  await rollOut(plane);
  assert.equal(read(plane)?.status?.collisionCount, 1);
  assert.equal(sets(plane).length, 2);
});

test('an idle deployment costs no requests', async () => {
  await using plane = running({ create, before: (api) => void api.put(deployments, web(2)) });
  await rollOut(plane);
  await plane.quiet();
  const before = plane.api.requests.length;
  await plane.clock.advance(3_600_000);
  await plane.quiet();
  const later = plane.api.requests.slice(before).filter((request) => !request.startsWith('GET'));
  assert.deepEqual(later, []);
});
