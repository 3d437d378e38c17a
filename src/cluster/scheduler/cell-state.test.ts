import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../base/clock.ts';
import { CellState } from './cell-state.ts';
import { podInfoOf, type PodInfo } from './pod-info.ts';
import { testNode, testPod } from './testing/objects.ts';

const pod = (name: string, cpu = '1'): PodInfo => podInfoOf(testPod(name, { cpu }));

function cellWith(...names: string[]): { cell: CellState; clock: ManualClock; expired: string[] } {
  const clock = new ManualClock();
  const expired: string[] = [];
  const cell = new CellState({
    clock,
    onExpired: (info, node) => void expired.push(`${info.key} ${node.name}`),
  });
  for (const name of names) cell.setNode(testNode(name));
  return { cell, clock, expired };
}

test('an assumed pod counts, is confirmed without counting twice, and gives its room back', () => {
  const { cell } = cellWith('n1');
  cell.assume(pod('a'), 'n1');
  assert.equal(cell.isAssumed('uid-a'), true);
  assert.equal(cell.node('n1')?.requested.milliCpu, 1000);
  assert.equal(cell.observe(pod('a'), 'n1'), undefined);
  assert.equal(cell.isAssumed('uid-a'), false);
  assert.equal(cell.node('n1')?.requested.milliCpu, 1000);
  assert.equal(cell.forget('uid-a'), undefined);
  assert.equal(cell.remove('uid-a')?.name, 'n1');
  assert.equal(cell.node('n1')?.requested.milliCpu, 0);
  assert.equal(cell.node('n1')?.podCount, 0);
});

test('a pod bound elsewhere moves there and frees the assumed room', () => {
  const { cell } = cellWith('n1', 'n2');
  cell.assume(pod('a'), 'n1');
  assert.equal(cell.observe(pod('a'), 'n2')?.name, 'n1');
  assert.equal(cell.node('n1')?.podCount, 0);
  assert.equal(cell.node('n2')?.podCount, 1);
});

test('a pod that is resized frees the difference', () => {
  const { cell } = cellWith('n1');
  cell.observe(pod('a', '3'), 'n1');
  assert.equal(cell.observe(pod('a', '1'), 'n1')?.name, 'n1');
  assert.equal(cell.node('n1')?.requested.milliCpu, 1000);
});

test('a bound pod that the informer never shows expires, a confirmed one does not', async () => {
  const { cell, clock, expired } = cellWith('n1');
  for (const name of ['a', 'b', 'c']) cell.assume(pod(name), 'n1');
  cell.bound('uid-a');
  cell.bound('uid-b');
  await clock.advance(10_000);
  cell.observe(pod('a'), 'n1');
  await clock.advance(20_000);
  assert.deepEqual(expired, ['default/b n1']);
  assert.equal(cell.node('n1')?.podCount, 2);
  await clock.advance(100_000);
  assert.equal(cell.isAssumed('uid-c'), true, 'a binding in flight does not expire');
});

test('nodes come, go and come back with the pods that name them', () => {
  const { cell } = cellWith('n1', 'n2', 'n3');
  cell.observe(pod('a'), 'n1');
  cell.removeNode('n1');
  assert.equal(cell.node('n1'), undefined);
  assert.deepEqual(
    cell.nodes.map(({ name }) => name),
    ['n3', 'n2'],
  );
  assert.equal(cell.setNode(testNode('n1'))?.requested.milliCpu, 1000);
  cell.removeNode('n1');
  assert.equal(cell.remove('uid-a'), undefined);
  assert.equal(cell.setNode(testNode('n1'))?.podCount, 0);
  cell.removeNode('unknown');
  assert.equal(cell.nodes.length, 3);
});

test('a heartbeat is no news, room, labels and taints are', () => {
  const { cell } = cellWith('n1');
  const node = testNode('n1');
  const beat = { ...node, status: { ...node.status, conditions: [{ type: 'Ready', status: 'True' }] } };
  assert.equal(cell.setNode(beat), undefined);
  assert.ok(cell.setNode(testNode('n1', { labels: { a: 'b' } })));
  assert.ok(cell.setNode(testNode('n1', { taints: [{ key: 'a', effect: 'NoSchedule' }] })));
  assert.ok(cell.setNode(testNode('n1', { allocatable: { cpu: '1' } })));
});
