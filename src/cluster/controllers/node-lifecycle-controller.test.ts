import assert from 'node:assert/strict';
import test from 'node:test';
import { rfc3339, rfc3339Micro } from '../../base/clock.ts';
import type { Node, Pod, Toleration } from '../api/generated/core-v1.ts';
import { leases, nodes, pods } from '../client/kinds.ts';
import type { FakeApi } from '../client/testing/fake-api.ts';
import { createNodeLifecycleController } from './node-lifecycle-controller.ts';
import { evictionTime, planTaints } from './node-lifecycle-planner.ts';
import { running, type Running } from './testing/running.ts';

const create = (environment: Parameters<typeof createNodeLifecycleController>[0]) => [
  createNodeLifecycleController(environment),
];
const UNREACHABLE = 'node.kubernetes.io/unreachable';

function report(api: FakeApi, status: string, now = 0): void {
  const present = api.read(nodes, { name: 'n' });
  const condition = { type: 'Ready', status, reason: 'KubeletReady', lastHeartbeatTime: rfc3339(now) };
  const node: Node = { metadata: { name: 'n' }, ...present, status: { conditions: [condition] } };
  api.put(nodes, node);
}

function renew(plane: Pick<Running, 'api' | 'clock'>): void {
  plane.api.put(leases, {
    metadata: { name: 'n', namespace: 'kube-node-lease' },
    spec: { holderIdentity: 'n', renewTime: rfc3339Micro(plane.clock.now()) },
  });
}

function place(api: FakeApi, name: string, tolerations?: Toleration[]): void {
  api.put(pods, { metadata: { name }, spec: { nodeName: 'n', containers: [], tolerations } });
}

const ready = (api: FakeApi) =>
  api.read(nodes, { name: 'n' })?.status?.conditions?.find((condition) => condition.type === 'Ready');
const taints = (api: FakeApi): readonly string[] =>
  (api.read(nodes, { name: 'n' })?.spec?.taints ?? []).map(
    ({ key, effect }) => `${key ?? ''}:${effect ?? ''}`,
  );
const leaving = (api: FakeApi): readonly unknown[] =>
  api
    .all(pods)
    .filter((pod) => pod.metadata?.deletionTimestamp !== undefined)
    .map((pod) => pod.metadata?.name);

test('a lease that is renewed keeps a node, a silent node becomes Unknown and tainted, and recovers', async () => {
  await using plane = running({ create, before: (api) => report(api, 'True') });
  const { api, clock } = plane;
  for (let i = 0; i < 10; i++) {
    renew(plane);
    await plane.quiet();
    await clock.advance(10_000);
  }
  await plane.quiet();
  assert.equal(ready(api)?.status, 'True');
  assert.deepEqual(
    api.requests.filter((request) => !request.startsWith('GET')),
    [],
  );
  await clock.advance(31_000);
  await plane.until('unknown', () => ready(api)?.status === 'Unknown');
  assert.equal(ready(api)?.reason, 'NodeStatusUnknown');
  await plane.until('tainted', () => taints(api).length === 2);
  assert.deepEqual(taints(api), [`${UNREACHABLE}:NoSchedule`, `${UNREACHABLE}:NoExecute`]);
  assert.deepEqual(plane.reasons, ['NodeNotReady']);
  renew(plane);
  report(api, 'True', clock.now());
  await plane.until('clean', () => taints(api).length === 0);
});

test('a node that says it is not ready is tainted so', async () => {
  await using plane = running({ create, before: (api) => report(api, 'False') });
  await plane.until('tainted', () => taints(plane.api).length === 2);
  assert.deepEqual(taints(plane.api), [
    'node.kubernetes.io/not-ready:NoSchedule',
    'node.kubernetes.io/not-ready:NoExecute',
  ]);
});

test('a node that never reports is written off after a minute', async () => {
  await using plane = running({ create, before: (api) => void api.put(nodes, { metadata: { name: 'n' } }) });
  await plane.quiet();
  await plane.clock.advance(50_000);
  await plane.quiet();
  assert.equal(ready(plane.api), undefined);
  await plane.clock.advance(11_000);
  await plane.until('unknown', () => ready(plane.api)?.reason === 'NodeStatusNeverUpdated');
});

test('pods leave when their patience ends', async () => {
  const away = { key: UNREACHABLE, operator: 'Exists', effect: 'NoExecute' };
  await using plane = running({
    create,
    before: (api) => {
      report(api, 'True');
      place(api, 'default');
      place(api, 'forever', [away]);
      place(api, 'hasty', [{ ...away, tolerationSeconds: 10 }]);
    },
  });
  const { api, clock } = plane;
  await plane.quiet();
  await clock.advance(41_000);
  await plane.until('tainted', () => taints(api).length === 2);
  await plane.quiet();
  assert.deepEqual(leaving(api), []);
  await clock.advance(11_000);
  await plane.until('the hasty one', () => leaving(api).length === 1);
  assert.deepEqual(leaving(api), ['hasty']);
  await clock.advance(280_000);
  await plane.quiet();
  assert.equal(leaving(api).length, 1);
  await clock.advance(11_000);
  await plane.until('the default one', () => leaving(api).length === 2);
  assert.deepEqual(leaving(api), ['default', 'hasty']);
});

test("somebody's NoExecute taint drives out at once who does not tolerate it", async () => {
  await using plane = running({ create, before: (api) => report(api, 'True') });
  const { api } = plane;
  place(api, 'plain');
  place(api, 'guest', [{ key: 'mine', operator: 'Equal', value: 'x' }]);
  await plane.quiet();
  const node = api.read(nodes, { name: 'n' })!;
  api.put(nodes, { ...node, spec: { taints: [{ key: 'mine', value: 'x', effect: 'NoExecute' }] } });
  await plane.until('one to leave', () => leaving(api).length === 1);
  place(api, 'late');
  await plane.until('the late one to leave', () => leaving(api).length === 2);
  assert.deepEqual(leaving(api), ['late', 'plain']);
  assert.deepEqual(taints(api), ['mine:NoExecute']);
});

test('taints follow the conditions, others stay', () => {
  const own = { key: 'own', effect: 'NoSchedule' };
  const node: Node = {
    spec: { unschedulable: true, taints: [own, { key: UNREACHABLE, effect: 'NoExecute' }] },
    status: {
      conditions: [
        { type: 'Ready', status: 'True' },
        { type: 'DiskPressure', status: 'True' },
      ],
    },
  };
  const planned = planTaints(node, 0) ?? [];
  assert.deepEqual(
    planned.map((taint) => taint.key),
    ['own', 'node.kubernetes.io/unschedulable', 'node.kubernetes.io/disk-pressure'],
  );
  assert.equal(planTaints({ ...node, spec: { unschedulable: true, taints: [...planned] } }, 0), undefined);
});

test('the first taint to run out decides', () => {
  const taint = (key: string) => ({ key, effect: 'NoExecute' });
  const pod: Pod = {
    spec: {
      tolerations: [
        { key: 'a', operator: 'Exists', tolerationSeconds: 60 },
        { key: 'b', operator: 'Exists', tolerationSeconds: 20 },
        { operator: 'Exists', tolerationSeconds: 90 },
      ],
    },
  };
  const since = ({ key }: { key?: string | undefined }): number => (key === 'a' ? 0 : 50_000);
  assert.equal(evictionTime(pod, [taint('a')], since), 60_000);
  assert.equal(evictionTime(pod, [taint('a'), taint('b')], since), 60_000);
  assert.equal(evictionTime(pod, [taint('b'), taint('c')], since), 70_000);
  assert.equal(evictionTime({ spec: {} }, [taint('c')], since), 50_000);
  assert.equal(
    evictionTime({ spec: { tolerations: [{ operator: 'Exists' }] } }, [taint('a')], since),
    undefined,
  );
});
