import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { JsonObject } from '../json.ts';
import { chargesUpdates, mayUse, usageOf } from './usage.ts';

const CLAIMS = { group: 'resource.k8s.io', resource: 'resourceclaims' };

function used(...requests: JsonObject[]): Record<string, number> {
  const amounts = usageOf(CLAIMS, { metadata: { name: 'c' }, spec: { devices: { requests } } });
  return Object.fromEntries([...amounts].map(([name, { nano }]) => [name, Number(nano / 1_000_000_000n)]));
}

const exactly = (deviceClassName: string, count: number): JsonObject => ({
  name: `${deviceClassName}-${count}`,
  exactly: { deviceClassName, allocationMode: 'ExactCount', count },
});

test('a claim takes devices of each class that it asks for', () => {
  assert.deepEqual(used(exactly('gold', 2), exactly('gold', 1), exactly('tin', 4)), {
    'count/resourceclaims.resource.k8s.io': 1,
    'gold.deviceclass.resource.k8s.io/devices': 3,
    'tin.deviceclass.resource.k8s.io/devices': 4,
  });
});

test('all devices are the most that a claim is ever given', () => {
  const all = { name: 'all', exactly: { deviceClassName: 'gold', allocationMode: 'All' } };
  assert.equal(used(all)['gold.deviceclass.resource.k8s.io/devices'], 32);
});

test('of alternatives the largest counts, for each class', () => {
  const alternative = (deviceClassName: string, count: number): JsonObject => ({
    deviceClassName,
    allocationMode: 'ExactCount',
    count,
  });
  const firstAvailable = [alternative('gold', 1), alternative('gold', 3), alternative('tin', 2)];
  assert.deepEqual(used({ name: 'any', firstAvailable }, exactly('gold', 1)), {
    'count/resourceclaims.resource.k8s.io': 1,
    'gold.deviceclass.resource.k8s.io/devices': 4,
    'tin.deviceclass.resource.k8s.io/devices': 2,
  });
});

test('claims count for quotas of device classes alone, also when they change', () => {
  assert.ok(mayUse(CLAIMS, new Set(['gold.deviceclass.resource.k8s.io/devices'])));
  assert.ok(chargesUpdates(CLAIMS));
  assert.ok(!mayUse({ group: 'apps', resource: 'deployments' }, new Set(['pods'])));
});
