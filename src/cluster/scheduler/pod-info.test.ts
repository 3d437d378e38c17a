import assert from 'node:assert/strict';
import test from 'node:test';
import type { PodSpec } from '../api/generated/core-v1.ts';
import { podInfoOf } from './pod-info.ts';

const spec = {
  containers: [{ name: 'c', resources: { requests: { cpu: '100m' } }, ports: [{ hostPort: 80 }] }],
} satisfies PodSpec;

test('pods that share a spec share what it asks for, and nothing else', () => {
  const [a, b] = ['a', 'b'].map((name) => podInfoOf({ metadata: { namespace: 'x', name }, spec }));
  assert.equal(a?.requests, b?.requests);
  assert.equal(a?.hostPorts, b?.hostPorts);
  assert.deepEqual([a?.key, b?.key], ['x/a', 'x/b']);
  assert.equal(a?.requests.milliCpu, 100);
});

test('a pod whose node has granted it more than its spec asks for counts with that, a replica does not', () => {
  const granted = { name: 'c', resources: { requests: { cpu: '300m' } } };
  const resized = podInfoOf({ spec, status: { containerStatuses: [granted] } });
  assert.equal(resized.requests.milliCpu, 300);
  assert.equal(podInfoOf({ spec }).requests.milliCpu, 100);
});
