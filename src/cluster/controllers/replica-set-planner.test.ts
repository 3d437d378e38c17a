import assert from 'node:assert/strict';
import test from 'node:test';
import { rfc3339 } from '../../base/clock.ts';
import { seededRandom } from '../../base/random.ts';
import type { Pod } from '../api/generated/core-v1.ts';
import {
  BURST_REPLICAS,
  nextAvailability,
  planReplicas,
  planReplicaSetStatus,
  rankForDeletion,
} from './replica-set-planner.ts';

const NOW = Date.UTC(2026, 0, 1, 12);
const ago = (seconds: number): string => rfc3339(NOW - seconds * 1000);

interface PodShape {
  readonly node?: string;
  readonly phase?: string;
  /** Ready for that many seconds. */
  readonly ready?: number;
  readonly age?: number;
  readonly cost?: string;
  readonly restarts?: number;
  readonly labels?: Record<string, string>;
}

function pod(name: string, shape: PodShape = {}): Pod {
  const { node = 'n1', phase = 'Running', ready, age = 1000, cost, restarts = 0, labels } = shape;
  return {
    metadata: {
      name,
      uid: name,
      labels,
      creationTimestamp: ago(age),
      annotations: cost === undefined ? {} : { 'controller.kubernetes.io/pod-deletion-cost': cost },
    },
    spec: { nodeName: node },
    status: {
      phase,
      containerStatuses: [{ name: 'c', restartCount: restarts }],
      conditions:
        ready === undefined ? [] : [{ type: 'Ready', status: 'True', lastTransitionTime: ago(ready) }],
    },
  };
}

function first(...active: Pod[]): string | undefined {
  return rankForDeletion({ active, related: active, now: NOW })[0]?.metadata?.name;
}

test('creates what is missing and no more than a burst', () => {
  const plan = (wanted: number, active: Pod[]): number =>
    planReplicas({ wanted, active, related: active, now: NOW }).create;
  assert.equal(plan(3, [pod('a')]), 2);
  assert.equal(plan(1, [pod('a')]), 0);
  assert.equal(plan(10_000, []), BURST_REPLICAS);
});

test('removes exactly the surplus', () => {
  const active = Array.from({ length: 7 }, (_, i) => pod(`p${i}`, { ready: 500 }));
  assert.equal(planReplicas({ wanted: 3, active, related: active, now: NOW }).remove.length, 4);
  assert.equal(planReplicas({ wanted: 0, active, related: active, now: NOW }).remove.length, 7);
});

test('each criterion decides when those before it are equal', () => {
  const ready = { ready: 500 };
  assert.equal(
    first(pod('a', { ...ready, phase: 'Running' }), pod('b', { node: '', phase: 'Pending' })),
    'b',
  );
  assert.equal(first(pod('a'), pod('b', { phase: 'Pending' })), 'b');
  assert.equal(first(pod('a', ready), pod('b')), 'b');
  assert.equal(first(pod('a', ready), pod('b', { ...ready, cost: '-5' })), 'b');
  assert.equal(first(pod('a', { ...ready, cost: '7' }), pod('b', ready)), 'b');
  assert.equal(first(pod('a', ready), pod('b', { ...ready, cost: 'seven' })), 'a', 'no number counts as 0');
  assert.equal(first(pod('a', { ready: 500 }), pod('b', { ready: 5 })), 'b');
  assert.equal(first(pod('a', ready), pod('b', { ...ready, restarts: 3 })), 'b');
  assert.equal(first(pod('a', ready), pod('b', { ...ready, age: 100 })), 'b');
  assert.equal(first(pod('b', { ...ready, age: 1001 }), pod('a', ready)), 'a', 'about as old: by uid');
});

test('crowded nodes are thinned, siblings of other sets counted', () => {
  const a = pod('a', { node: 'n1', ready: 500 });
  const b = pod('b', { node: 'n2', ready: 500 });
  const sibling = pod('s', { node: 'n2', ready: 500 });
  const ranked = rankForDeletion({ active: [a, b], related: [a, b, sibling], now: NOW });
  assert.deepEqual(
    ranked.map((each) => each.metadata?.name),
    ['b', 'a'],
  );
});

test('a ready pod is never removed while one that is not ready is left', () => {
  const random = seededRandom(7);
  for (let round = 0; round < 500; round++) {
    const active = Array.from({ length: 1 + Math.floor(random.next() * 12) }, (_, i) =>
      pod(`p${i}`, random.next() < 0.5 ? { ready: Math.floor(random.next() * 1000) } : {}),
    );
    const wanted = Math.floor(random.next() * active.length);
    const { remove } = planReplicas({ wanted, active, related: active, now: NOW });
    const isReady = (each: Pod): boolean => (each.status?.conditions ?? []).length > 0;
    const left = active.filter((each) => !remove.includes(each));
    assert.equal(left.length, wanted);
    if (remove.some(isReady)) assert.ok(left.every(isReady));
  }
});

test('status counts what is labelled, ready and available', () => {
  const set = {
    metadata: { generation: 4 },
    spec: { minReadySeconds: 10, template: { metadata: { labels: { app: 'web' } } } },
  };
  const active = [
    pod('a', { ready: 20, labels: { app: 'web' } }),
    pod('b', { ready: 5, labels: { app: 'web', more: 'x' } }),
    pod('c', { labels: {} }),
  ];
  const status = planReplicaSetStatus({ set, active, terminating: 1, failure: undefined, now: NOW });
  assert.deepEqual(status, {
    replicas: 3,
    fullyLabeledReplicas: 2,
    readyReplicas: 2,
    availableReplicas: 1,
    terminatingReplicas: 1,
    observedGeneration: 4,
    conditions: undefined,
  });
  assert.equal(nextAvailability(set, active, NOW), 5000);
  assert.equal(nextAvailability({ spec: {} }, active, NOW), undefined);
});

test('a failure shows as ReplicaFailure, keeps its time, and goes', () => {
  const failure = { reason: 'FailedCreate', message: 'quota' } as const;
  const input = { active: [], terminating: 0, failure, now: NOW };
  const failed = planReplicaSetStatus({ set: {}, ...input });
  assert.deepEqual(failed.conditions, [
    { type: 'ReplicaFailure', status: 'True', lastTransitionTime: rfc3339(NOW), ...failure },
  ]);
  const later = planReplicaSetStatus({ set: { status: failed }, ...input, now: NOW + 60_000 });
  assert.deepEqual(later.conditions, failed.conditions);
  const healed = planReplicaSetStatus({ set: { status: failed }, ...input, failure: undefined });
  assert.equal(healed.conditions, undefined);
});
