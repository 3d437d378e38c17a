import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Container, Pod } from '../api/generated/core-v1.ts';
import { parseQuantity } from './quantities.ts';
import { cpuShares, linuxResources, oomScoreAdj, podLinuxResources, qosClass } from './resources.ts';

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
