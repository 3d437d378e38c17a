import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Container, Pod } from '../api/generated/core-v1.ts';
import { parseQuantity } from './quantities.ts';
import {
  cpuShares,
  linuxResources,
  oomScoreAdj,
  podLinuxResources,
  podRequests,
  qosClass,
} from './resources.ts';

const GI = 2 ** 30;

function pod(...resources: NonNullable<Container['resources']>[]): Pod {
  return { spec: { containers: resources.map((one, index) => ({ name: `c${index}`, resources: one })) } };
}

test('quantities', () => {
  const table = {
    '100m': 0.1,
    '1.5Gi': 1.5 * GI,
    '2e3': 2000,
    '5k': 5000,
    '1Ki': 1024,
    '.5': 0.5,
    '3': 3,
    '1E': 1e18,
  };
  for (const [text, want] of Object.entries(table)) assert.equal(parseQuantity(text), want, text);
  for (const text of ['', 'x', '1KiB', '1 Gi', '--1'])
    assert.throws(() => parseQuantity(text), /quantity/, text);
});

test('quality of service', () => {
  const full = { cpu: '1', memory: '1Gi' };
  assert.equal(qosClass(pod({}, {})), 'BestEffort');
  assert.equal(qosClass(pod({ limits: full })), 'Guaranteed');
  assert.equal(qosClass(pod({ limits: full, requests: { cpu: '1000m', memory: '1Gi' } })), 'Guaranteed');
  assert.equal(qosClass(pod({ limits: full, requests: { cpu: '500m' } })), 'Burstable');
  assert.equal(qosClass(pod({ limits: full }, {})), 'Burstable');
  assert.equal(qosClass(pod({ requests: { cpu: '0' } })), 'BestEffort');
});

test('who dies first', () => {
  const score = (given: Pod): number => oomScoreAdj(given, given.spec!.containers![0]!, 4 * GI);
  assert.equal(score(pod({ limits: { cpu: '1', memory: '1Gi' } })), -997);
  assert.equal(score(pod({})), 1000);
  assert.equal(score(pod({ requests: { memory: '1Gi' } })), 750);
  assert.equal(score(pod({ requests: { cpu: '1' } })), 999);
  assert.equal(score(pod({ requests: { memory: '8Gi' } })), 3);
});

test('cgroup values of a container and of its pod', () => {
  const given = pod(
    { requests: { cpu: '250m' }, limits: { cpu: '500m', memory: '64Mi' } },
    { limits: { cpu: '1m' } },
  );
  const [first, second] = given.spec!.containers!;
  assert.deepEqual(linuxResources(given, first!, 4 * GI), {
    cpuShares: 256,
    cpuPeriod: 100_000,
    cpuQuota: 50_000,
    memoryLimitInBytes: 64 * 2 ** 20,
    oomScoreAdj: 985,
  });
  assert.equal(linuxResources(given, second!, 4 * GI).cpuQuota, 1000);
  assert.deepEqual(podLinuxResources(given), { cpuShares: 257, cpuPeriod: 100_000, cpuQuota: 50_100 });
  assert.deepEqual([cpuShares(0), cpuShares(1000)], [2, 262_144]);
});

test('requests of a pod: sidecars beside the rest, the hungriest init container, the pod as a whole, overhead', () => {
  const asking = (cpu: string, more: Partial<Container> = {}): Container => ({
    resources: { requests: { cpu, memory: '1Mi' } },
    ...more,
  });
  const containers = [asking('100m'), asking('200m')];
  assert.deepEqual(podRequests({ spec: { containers } }), { cpu: 300, memory: 2 << 20 });
  const sidecar = asking('1', { restartPolicy: 'Always' });
  assert.equal(podRequests({ spec: { containers, initContainers: [sidecar, asking('2')] } }).cpu, 3000);
  assert.equal(podRequests({ spec: { containers, initContainers: [asking('1'), sidecar] } }).cpu, 1300);
  const resources = { requests: { cpu: '5' } };
  const overhead = { cpu: '50m' };
  assert.deepEqual(podRequests({ spec: { containers, resources, overhead } }), {
    cpu: 5050,
    memory: 2 << 20,
  });
});
