import assert from 'node:assert/strict';
import test from 'node:test';
import { rfc3339 } from '../../base/clock.ts';
import type {
  Deployment,
  DeploymentCondition,
  DeploymentStatus,
  ReplicaSet,
} from '../api/generated/apps-v1.ts';
import { planDeploymentStatus, untilDeadline, type DeploymentStatusInput } from './deployment-status.ts';

const NOW = Date.UTC(2026, 0, 1, 12);

function deployment(status?: DeploymentStatus, spec: Deployment['spec'] = {}): Deployment {
  return {
    metadata: { name: 'web', generation: 3 },
    spec: { replicas: 3, progressDeadlineSeconds: 60, ...spec },
    status,
  };
}

function set(name: string, replicas: number, available = replicas): ReplicaSet {
  const status = { replicas, readyReplicas: available, availableReplicas: available };
  return { metadata: { name }, spec: { replicas }, status };
}

function plan(input: Partial<DeploymentStatusInput>): DeploymentStatus {
  const base = {
    deployment: deployment(),
    newSet: undefined,
    oldSets: [],
    collisionCount: undefined,
    now: NOW,
  };
  return planDeploymentStatus({ ...base, ...input });
}

function condition(status: DeploymentStatus, type: string): DeploymentCondition | undefined {
  return status.conditions?.find((each) => each.type === type);
}

test('counts cover all sets; updated ones are those of the new set', () => {
  const status = plan({ newSet: set('new', 2, 1), oldSets: [set('old', 2)] });
  assert.equal(status.observedGeneration, 3);
  assert.deepEqual(
    [status.replicas, status.updatedReplicas, status.readyReplicas, status.availableReplicas],
    [4, 2, 3, 3],
  );
  assert.equal(status.unavailableReplicas, 1);
});

test('available as long as no more are missing than may be', () => {
  const strategy = { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 1, maxSurge: 0 } };
  const available = (ready: number): DeploymentCondition | undefined =>
    condition(
      plan({ deployment: deployment(undefined, { strategy }), newSet: set('new', 3, ready) }),
      'Available',
    );
  assert.deepEqual([available(2)?.status, available(2)?.reason], ['True', 'MinimumReplicasAvailable']);
  assert.deepEqual([available(1)?.status, available(1)?.reason], ['False', 'MinimumReplicasUnavailable']);
});

test('a rollout goes from created over updated to available, and stays so when a pod is lost', () => {
  const news = { reason: 'NewReplicaSetCreated', name: 'new' } as const;
  const created = plan({ newSet: set('new', 0), oldSets: [set('old', 3)], news });
  assert.equal(condition(created, 'Progressing')?.message, 'Created new replica set "new"');
  const moving = plan({ deployment: deployment(created), newSet: set('new', 1), oldSets: [set('old', 3)] });
  assert.equal(condition(moving, 'Progressing')?.reason, 'ReplicaSetUpdated');
  const done = plan({ deployment: deployment(moving), newSet: set('new', 3), now: NOW + 5000 });
  const progress = condition(done, 'Progressing');
  assert.deepEqual([progress?.status, progress?.reason], ['True', 'NewReplicaSetAvailable']);
  assert.equal(progress?.message, 'ReplicaSet "new" has successfully progressed.');
  assert.equal(progress?.lastTransitionTime, rfc3339(NOW), 'its status was True all along');
  assert.equal(progress?.lastUpdateTime, rfc3339(NOW + 5000));
  const lost = plan({ deployment: deployment(done), newSet: set('new', 3, 2), now: NOW + 9_000_000 });
  assert.deepEqual(condition(lost, 'Progressing'), progress);
});

test('a rollout that stands still runs out of time, and is well again when it moves', () => {
  const stuck = { newSet: set('new', 1, 0), oldSets: [set('old', 3)] };
  const begun = plan(stuck);
  assert.equal(untilDeadline(deployment(), begun, NOW), 61_000);
  const waiting = plan({ ...stuck, deployment: deployment(begun), now: NOW + 59_000 });
  assert.deepEqual(waiting, begun);
  const late = plan({ ...stuck, deployment: deployment(begun), now: NOW + 61_000 });
  const progress = condition(late, 'Progressing');
  assert.deepEqual([progress?.status, progress?.reason], ['False', 'ProgressDeadlineExceeded']);
  assert.equal(untilDeadline(deployment(), late, NOW + 61_000), undefined);
  const moved = plan({
    deployment: deployment(late),
    newSet: set('new', 2, 1),
    oldSets: [set('old', 2)],
    now: NOW + 90_000,
  });
  assert.equal(condition(moved, 'Progressing')?.status, 'True');
  assert.equal(condition(moved, 'Progressing')?.lastTransitionTime, rfc3339(NOW + 90_000));
});

test('no deadline, no judgement of progress', () => {
  for (const progressDeadlineSeconds of [undefined, 2 ** 31 - 1]) {
    const status = plan({
      deployment: deployment(undefined, { progressDeadlineSeconds }),
      newSet: set('new', 1),
    });
    assert.equal(condition(status, 'Progressing'), undefined);
    assert.equal(untilDeadline(deployment(undefined, { progressDeadlineSeconds }), status, NOW), undefined);
  }
});

test('paused and resumed are said', () => {
  const paused = plan({ deployment: deployment(undefined, { paused: true }) });
  assert.deepEqual(
    [condition(paused, 'Progressing')?.status, condition(paused, 'Progressing')?.reason],
    ['Unknown', 'DeploymentPaused'],
  );
  const resumed = plan({ deployment: deployment(paused), newSet: set('new', 3, 1) });
  assert.equal(condition(resumed, 'Progressing')?.reason, 'DeploymentResumed');
});

test('failures of sets and of their creation are passed on, and go', () => {
  const failing = set('new', 1, 0);
  const why = { type: 'ReplicaFailure', status: 'True', reason: 'FailedCreate', message: 'quota' };
  failing.status = { ...failing.status, conditions: [why] };
  const failed = plan({ newSet: failing });
  assert.equal(condition(failed, 'ReplicaFailure')?.message, 'quota');
  const healed = plan({ deployment: deployment(failed), newSet: set('new', 1, 0) });
  assert.equal(condition(healed, 'ReplicaFailure'), undefined);
  const refused = plan({ createFailure: 'no' });
  assert.equal(condition(refused, 'Progressing')?.reason, 'ReplicaSetCreateError');
});
