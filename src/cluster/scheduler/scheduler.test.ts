import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PlatformError } from '../../base/errors.ts';
import { createClient } from '../client/client.ts';
import { nodes, pods } from '../client/kinds.ts';
import { statusResponse } from '../client/testing/fake-api.ts';
import { defaultProfile } from './default-profile.ts';
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

test('leaves alone what is not its own, gated, bound or being deleted, until that changes', async () => {
  await using cell = runScheduler({ prepare: (api) => api.put(nodes, testNode('n1')) });
  const gated = testPod('gated', undefined, { schedulingGates: [{ name: 'wait' }] });
  cell.api.put(pods, gated);
  cell.api.put(pods, testPod('other', undefined, { schedulerName: 'other-scheduler' }));
  const ending = testPod('ending');
  const finalizers = ['example.com/hold'];
  cell.api.put(pods, {
    ...ending,
    metadata: { ...ending.metadata, finalizers, deletionTimestamp: '2026-01-01T00:00:00Z' },
  });
  await cell.quiet();
  for (const name of ['gated', 'other', 'ending'])
    assert.equal(cell.pod(name)?.spec?.nodeName, undefined, name);
  cell.api.put(pods, testPod('gated'));
  assert.equal(await cell.nodeOf('gated'), 'n1');
});

test('ended pods use nothing', async () => {
  await using cell = runScheduler({ prepare: (api) => api.put(nodes, testNode('n1')) });
  const first = testPod('first', { cpu: '4' });
  cell.api.put(pods, first);
  await cell.nodeOf('first');
  cell.api.put(pods, testPod('second', { cpu: '4' }));
  await cell.refusal('second');
  const bound = { ...first, spec: { ...first.spec, nodeName: 'n1' } };
  cell.api.put(pods, { ...bound, status: { phase: 'Succeeded' } });
  assert.equal(await cell.nodeOf('second'), 'n1');
});

test('a binding that fails gives its room back at once and is tried again after a delay', async () => {
  await using cell = runScheduler({ prepare: (api) => api.put(nodes, testNode('n1')) });
  cell.api.intercept = ({ method, url }) =>
    method === 'POST' && url.includes('/pods/first/binding')
      ? statusResponse(new PlatformError('unavailable', 'try later'))
      : undefined;
  cell.api.put(pods, testPod('first', { cpu: '3' }));
  assert.match(await cell.refusal('first'), /^binding rejected: .*try later/);
  cell.api.put(pods, testPod('small', { cpu: '3' }));
  await cell.nodeOf('small');
  cell.api.remove(pods, { namespace: 'default', name: 'small' });
  cell.api.intercept = undefined;
  await cell.quiet();
  assert.equal(cell.pod('first')?.spec?.nodeName, undefined);
  await cell.clock.advance(1000);
  assert.equal(await cell.nodeOf('first'), 'n1');
});

test('decides on while bindings are in flight, and counts what they will use', async () => {
  await using cell = runScheduler({ prepare: (api) => api.put(nodes, testNode('n1')) });
  const held = Promise.withResolvers<undefined>();
  const seen: string[] = [];
  cell.api.intercept = ({ method, url }) => {
    if (method !== 'POST' || !url.endsWith('/binding')) return undefined;
    seen.push(url);
    return held.promise.then(() =>
      statusResponse(new PlatformError('unavailable', 'the connection was lost')),
    );
  };
  for (const name of ['a', 'b', 'c']) cell.api.put(pods, testPod(name, { cpu: '2' }));
  assert.match(await cell.refusal('c'), /1 Insufficient cpu/);
  assert.equal(seen.length, 2);
  cell.api.intercept = undefined;
  held.resolve(undefined);
  assert.equal(await cell.nodeOf('c'), 'n1', 'the room of a failed binding is free again');
});

test('a plugin that cannot reserve keeps the pod from being bound, and what was reserved is undone', async () => {
  const calls: string[] = [];
  let full = true;
  await using cell = runScheduler({
    prepare: (api) => api.put(nodes, testNode('n1')),
    profile: (api) => ({
      ...defaultProfile(createClient({ transport: api })),
      reserves: [
        {
          name: 'Volumes',
          reserve: (_pod, nodeName) => {
            calls.push(`reserve ${nodeName}`);
            return full ? ['no volume left'] : undefined;
          },
          unreserve: (_pod, nodeName) => void calls.push(`unreserve ${nodeName}`),
        },
      ],
    }),
  });
  cell.api.put(pods, testPod('web'));
  assert.match(await cell.refusal('web'), /Volumes: no volume left/);
  assert.deepEqual(calls, ['reserve n1', 'unreserve n1']);
  full = false;
  await cell.clock.advance(1000);
  assert.equal(await cell.nodeOf('web'), 'n1');
});

test('spreads pods over equal nodes and gives many pods no more than there is', async () => {
  const names = ['n1', 'n2', 'n3'];
  await using cell = runScheduler({
    prepare: (api) => names.forEach((name) => api.put(nodes, testNode(name))),
  });
  for (let i = 0; i < 14; i++) cell.api.put(pods, testPod(`p${i}`, { cpu: '1' }));
  await cell.quiet();
  const used = cell.api.all(pods).map(({ spec }) => spec?.nodeName ?? 'none');
  const counts = ['n1', 'n2', 'n3', 'none'].map((name) => used.filter((one) => one === name).length);
  assert.deepEqual(counts, [4, 4, 4, 2]);
});
