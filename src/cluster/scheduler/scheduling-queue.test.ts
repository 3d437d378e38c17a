import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../base/clock.ts';
import type { PodSpec } from '../api/generated/core-v1.ts';
import { prioritySort } from './plugins/priority-sort.ts';
import { SchedulingQueue, type QueuedPod } from './scheduling-queue.ts';
import { nodeInfo, testPod } from './testing/objects.ts';

interface Fixture {
  readonly queue: SchedulingQueue;
  readonly clock: ManualClock;
  readonly ready: () => number;
  readonly add: (name: string, spec?: PodSpec) => void;
  readonly pop: () => QueuedPod;
}

function newQueue(): Fixture {
  const clock = new ManualClock();
  let ready = 0;
  const queue = new SchedulingQueue({
    clock,
    compare: (a, b) => prioritySort.compare(a, b),
    onReady: () => void ready++,
  });
  return {
    queue,
    clock,
    ready: () => ready,
    add: (name, spec) => queue.set(testPod(name, undefined, spec)),
    pop: () => queue.pop() ?? assert.fail('the queue is empty'),
  };
}

const node = nodeInfo('n1');
const helps = { anew: false, mayHelp: () => true };
const REJECTED = new Set(['NodeResourcesFit']);

test('priority first, then first come', () => {
  const { queue, add, pop } = newQueue();
  add('a');
  add('b', { priority: 5 });
  add('c');
  add('d', { priority: 5 });
  const order = [pop(), pop(), pop(), pop()].map(({ info }) => info.pod.metadata?.name);
  assert.deepEqual(order, ['b', 'd', 'a', 'c']);
  assert.equal(queue.pop(), undefined);
});

test('an unschedulable pod waits for an event that may help it, with the node as candidate', async () => {
  const { queue, clock, add, pop, ready } = newQueue();
  add('a');
  queue.park(pop(), REJECTED);
  await clock.advance(20_000);
  assert.equal(queue.place('uid-a'), 'unschedulable');
  queue.nodeChanged(node, { anew: false, mayHelp: () => false });
  assert.equal(queue.pop(), undefined);
  const before = ready();
  queue.nodeChanged(node, helps);
  assert.equal(ready(), before + 1);
  queue.nodeChanged(nodeInfo('n2'), helps);
  const entry = pop();
  assert.deepEqual(entry.candidates, new Set(['n1', 'n2']));
  assert.deepEqual(entry.rejectedBy, REJECTED);
  queue.park(entry);
  assert.deepEqual(entry.rejectedBy, REJECTED);
  queue.nodeChanged(node, { ...helps, anew: true });
  assert.equal(pop().candidates, undefined);
});

test('a pod that has just failed gives way to others, but not to nobody', async () => {
  const { queue, clock, add, pop } = newQueue();
  add('failed', { priority: 9 });
  queue.park(pop(), REJECTED);
  queue.nodeChanged(node, helps);
  assert.equal(queue.place('uid-failed'), 'backoff');
  add('other');
  assert.equal(pop().info.uid, 'uid-other');
  const again = pop();
  assert.equal(again.info.uid, 'uid-failed', 'nobody else is there');
  queue.park(again, REJECTED);
  queue.nodeChanged(node, helps);
  await clock.advance(1999);
  assert.equal(queue.place('uid-failed'), 'backoff');
  await clock.advance(1);
  assert.equal(queue.place('uid-failed'), 'active');
});

test('after an error a pod waits 1 s, doubling to 10 s, whatever happens', async () => {
  const { queue, clock, add, pop } = newQueue();
  add('a');
  for (const seconds of [1, 2, 4, 8, 10, 10]) {
    queue.retryLater(pop());
    queue.nodeChanged(node, helps);
    queue.set(testPod('a', { cpu: `${seconds}` }));
    await clock.advance(seconds * 1000 - 1);
    assert.equal(queue.pop(), undefined, `${seconds} s`);
    await clock.advance(1);
  }
});

test('a change of the spec is tried at once and on all nodes, a change of the status is not', () => {
  const { queue, add, pop } = newQueue();
  add('a');
  queue.park(pop(), REJECTED);
  queue.set({ ...testPod('a'), status: { phase: 'Pending', conditions: [{ type: 'PodScheduled' }] } });
  assert.equal(queue.place('uid-a'), 'unschedulable');
  add('a', { nodeSelector: { zone: 'a' } });
  assert.equal(pop().candidates, undefined);
});

test('a pod nothing helps is tried again after five minutes', async () => {
  const { queue, clock, add, pop } = newQueue();
  add('a');
  queue.park(pop(), REJECTED);
  await clock.advance(299_000);
  assert.equal(queue.pop(), undefined);
  await clock.advance(1000);
  assert.equal(pop().candidates, undefined);
});

test('a deleted pod is gone from every place, and parking it does not bring it back', async () => {
  const { queue, clock, add, pop } = newQueue();
  for (const name of ['active', 'parked', 'error', 'out']) add(name);
  queue.delete('uid-active');
  queue.park(pop(), REJECTED);
  queue.retryLater(pop());
  const out = pop();
  for (const name of ['parked', 'error', 'out', 'unknown']) queue.delete(`uid-${name}`);
  queue.park(out, REJECTED);
  queue.nodeChanged(node, helps);
  await clock.advance(600_000);
  assert.equal(queue.pop(), undefined);
  assert.equal(queue.size, 0);
});
