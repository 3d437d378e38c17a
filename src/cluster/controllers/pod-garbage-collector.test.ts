import assert from 'node:assert/strict';
import test from 'node:test';
import { nodes, pods } from '../client/kinds.ts';
import type { FakeApi } from '../client/testing/fake-api.ts';
import { createPodGarbageCollector } from './pod-garbage-collector.ts';
import { running } from './testing/running.ts';

const create = (environment: Parameters<typeof createPodGarbageCollector>[0]) => [
  createPodGarbageCollector(environment),
];

function populate(api: FakeApi): void {
  for (const name of ['here', 'gone']) {
    api.put(nodes, { metadata: { name } });
    api.put(pods, { metadata: { name: `runs-${name}` }, spec: { nodeName: name, containers: [] } });
    api.put(pods, {
      metadata: { name: `done-${name}` },
      spec: { nodeName: name, containers: [] },
      status: { phase: 'Succeeded' },
    });
  }
  api.put(pods, { metadata: { name: 'waits' }, spec: { containers: [] } });
}

const names = (api: FakeApi): readonly unknown[] => api.all(pods).map((pod) => pod.metadata?.name);

test('pods of a node that stays away are deleted at once, finished ones too', async () => {
  await using plane = running({ create, before: populate });
  await plane.quiet();
  await plane.client.delete(nodes, { name: 'gone' });
  await plane.quiet();
  await plane.clock.advance(30_000);
  await plane.quiet();
  assert.equal(names(plane.api).length, 5);
  await plane.clock.advance(11_000);
  await plane.until('the pods to go', () => names(plane.api).length === 3);
  assert.deepEqual(names(plane.api), ['done-here', 'runs-here', 'waits']);
});

test('a node that registers anew keeps its pods', async () => {
  await using plane = running({ create, before: populate });
  await plane.quiet();
  await plane.client.delete(nodes, { name: 'gone' });
  await plane.quiet();
  await plane.clock.advance(30_000);
  plane.api.put(nodes, { metadata: { name: 'gone' } });
  await plane.quiet();
  await plane.clock.advance(60_000);
  await plane.quiet();
  assert.equal(names(plane.api).length, 5);
});

test('pods whose node went before the collector came are found', async () => {
  await using plane = running({
    create,
    before: (api) => {
      populate(api);
      api.remove(nodes, { name: 'gone' });
    },
  });
  await plane.quiet();
  await plane.clock.advance(40_000);
  await plane.until('the pods to go', () => names(plane.api).length === 3);
});
