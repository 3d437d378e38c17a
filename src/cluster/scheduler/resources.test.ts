import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Container, PodSpec, PodStatus } from '../api/generated/core-v1.ts';
import { podRequests, podRequestsForScore } from './resources.ts';

const asking = (cpu: string, more: Partial<Container> = {}): Container => ({
  name: 'c',
  resources: { requests: { cpu } },
  ...more,
});
const sidecar = (cpu: string): Container => asking(cpu, { restartPolicy: 'Always' });
const milliCpu = (spec: PodSpec): number => podRequests({ spec }).milliCpu;

test('containers add up, of init containers the hungriest counts', () => {
  assert.equal(milliCpu({ containers: [asking('100m'), asking('1')] }), 1100);
  assert.equal(milliCpu({ containers: [asking('1')], initContainers: [asking('3'), asking('2')] }), 3000);
  assert.equal(milliCpu({ containers: [asking('4')], initContainers: [asking('3')] }), 4000);
});

test('sidecars run beside the containers and beside the init containers after them', () => {
  const containers = [asking('1')];
  assert.equal(milliCpu({ containers, initContainers: [sidecar('2')] }), 3000);
  assert.equal(milliCpu({ containers, initContainers: [sidecar('2'), asking('3')] }), 5000);
  assert.equal(milliCpu({ containers, initContainers: [asking('3'), sidecar('2')] }), 3000);
  assert.equal(milliCpu({ containers, initContainers: [sidecar('1'), asking('1'), sidecar('1')] }), 3000);
});

test('requests of the whole pod win, overhead comes on top', () => {
  assert.equal(milliCpu({ containers: [asking('1')], overhead: { cpu: '50m' } }), 1050);
  assert.equal(milliCpu({ containers: [asking('1')], resources: { requests: { cpu: '2' } } }), 2000);
});

test('each resource by its name, rounded up', () => {
  const requests = {
    cpu: '0.0001',
    memory: '1Ki',
    'ephemeral-storage': '2k',
    'hugepages-2Mi': '4Mi',
    pods: '3',
  };
  const { others, ...rest } = podRequests({ spec: { containers: [{ name: 'c', resources: { requests } }] } });
  assert.deepEqual(rest, { milliCpu: 1, memory: 1024, ephemeralStorage: 2000 });
  assert.deepEqual([...others], [['hugepages-2Mi', 4_194_304]]);
});

test('for comparing nodes, a container that names no request counts an assumed one', () => {
  const spec = { containers: [{ name: 'a' }, asking('1')] };
  assert.deepEqual(podRequestsForScore({ spec }), { milliCpu: 1100, memory: 400 * 1024 * 1024 });
});

test('while it is resized a pod counts with the most of all; what is infeasible does not count', () => {
  const status = (granted: string, inForce: string, reason?: string): PodStatus => ({
    containerStatuses: [
      { name: 'c', allocatedResources: { cpu: granted }, resources: { requests: { cpu: inForce } } },
    ],
    ...(reason !== undefined && { conditions: [{ type: 'PodResizePending', status: 'True', reason }] }),
  });
  const spec = { containers: [asking('2')] };
  assert.equal(podRequests({ spec, status: status('1', '1', 'Deferred') }).milliCpu, 2000);
  assert.equal(podRequests({ spec, status: status('1', '1', 'Infeasible') }).milliCpu, 1000);
  assert.equal(podRequests({ spec, status: status('2', '3') }).milliCpu, 3000);
  assert.equal(podRequests({ spec, status: { containerStatuses: [{ name: 'c' }] } }).milliCpu, 2000);
});
