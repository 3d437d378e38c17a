import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodes, pods } from '../client/kinds.ts';
import { testNode, testPod } from './testing/objects.ts';
import { runScheduler } from './testing/running-scheduler.ts';

test('binds a pod to the only node and says so', async () => {
  await using cell = runScheduler({ prepare: (api) => api.put(nodes, testNode('n1')) });
  cell.api.put(pods, testPod('web'));
  assert.equal(await cell.nodeOf('web'), 'n1');
  await cell.quiet();
  assert.deepEqual(cell.events, ['Scheduled web: Successfully assigned default/web to n1']);
});

test('says why a pod fits nowhere, once, and binds it when a pod that is in its way goes', async () => {
  await using cell = runScheduler({ prepare: (api) => api.put(nodes, testNode('n1')) });
  cell.api.put(pods, testPod('first', { cpu: '3' }));
  await cell.nodeOf('first');
  cell.api.put(pods, testPod('second', { cpu: '3' }));
  assert.equal(await cell.refusal('second'), '0/1 nodes are available: 1 Insufficient cpu.');
  await cell.quiet();
  assert.equal(cell.api.requests.filter((one) => one.startsWith('PATCH')).length, 1);
  assert.equal(cell.events.at(-1), 'FailedScheduling second: 0/1 nodes are available: 1 Insufficient cpu.');
  cell.api.remove(pods, { namespace: 'default', name: 'first' });
  assert.equal(await cell.nodeOf('second'), 'n1');
});

test('binds what waited as soon as the first node comes, without waiting for a back-off', async () => {
  await using cell = runScheduler();
  cell.api.put(pods, testPod('web'));
  assert.equal(await cell.refusal('web'), 'no nodes available to schedule pods');
  cell.api.put(
    nodes,
    testNode('n1', { taints: [{ key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' }] }),
  );
  assert.match(
    await cell.refusal('web', /taint/),
    /^0\/1 nodes .* untolerated taint \{node.kubernetes.io\/not-ready: \}\.$/,
  );
  cell.api.put(nodes, testNode('n1'));
  assert.equal(await cell.nodeOf('web'), 'n1');
});
