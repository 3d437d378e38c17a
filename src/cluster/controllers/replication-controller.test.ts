import assert from 'node:assert/strict';
import test from 'node:test';
import { pods, replicationControllers } from '../client/kinds.ts';
import { createReplicationController } from './replication-controller.ts';
import { runNodes } from './testing/hollow-kubelet.ts';
import { running } from './testing/running.ts';

const ref = { name: 'web', namespace: 'default' };
const labels = { app: 'web' };

test('makes, adopts, counts and releases pods as a replica set does', async () => {
  await using plane = running({
    create: (environment) => [createReplicationController(environment)],
    before: (api) => {
      api.put(replicationControllers, {
        metadata: ref,
        spec: {
          replicas: 3,
          selector: labels,
          template: { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'i' }] } },
        },
      });
      api.put(pods, { metadata: { name: 'stray', namespace: 'default', labels }, spec: { containers: [] } });
    },
  });
  const status = () => plane.api.read(replicationControllers, ref)?.status;
  await plane.until('the pods', () => status()?.replicas === 3);
  await plane.quiet();
  assert.equal(plane.api.all(pods).length, 3);
  for (const pod of plane.api.all(pods)) {
    const [owner] = pod.metadata?.ownerReferences ?? [];
    assert.deepEqual([owner?.apiVersion, owner?.kind, owner?.name], ['v1', 'ReplicationController', 'web']);
  }
  runNodes(plane);
  await plane.until('readiness', () => status()?.availableReplicas === 3);
  assert.deepEqual(Object.keys(status() ?? {}).toSorted(), [
    'availableReplicas',
    'fullyLabeledReplicas',
    'observedGeneration',
    'readyReplicas',
    'replicas',
  ]);
  await plane.client.patch(replicationControllers, ref, { type: 'merge', body: { spec: { replicas: 1 } } });
  const live = () => plane.api.all(pods).filter((pod) => pod.metadata?.deletionTimestamp === undefined);
  await plane.until('fewer', () => live().length === 1);
  const { name = '' } = live()[0]?.metadata ?? {};
  const body = { metadata: { labels: { app: 'debug' } } };
  await plane.client.patch(pods, { name, namespace: 'default' }, { type: 'merge', body });
  await plane.until('release and replacement', () => live().length === 2);
  assert.equal(plane.api.read(pods, { name })?.metadata?.ownerReferences, undefined);
});
