import assert from 'node:assert/strict';
import test from 'node:test';
import { rfc3339 } from '../../base/clock.ts';
import type { Pod } from '../api/generated/core-v1.ts';
import type { PodDisruptionBudget, PodDisruptionBudgetSpec } from '../api/generated/policy-v1.ts';
import { deployments, podDisruptionBudgets, pods, replicaSets, statefulSets } from '../client/kinds.ts';
import { createDisruptionController } from './disruption-controller.ts';
import { demandOf, planDisruption } from './disruption-planner.ts';
import type { ControllerEnvironment } from './environment.ts';
import { running, type Running } from './testing/running.ts';

const create = (environment: ControllerEnvironment) => [createDisruptionController(environment)];
const labels = { app: 'web' };
const template = { metadata: { labels }, spec: { containers: [] } };
const selector = { matchLabels: labels };

function budget(spec: PodDisruptionBudgetSpec): PodDisruptionBudget {
  return { metadata: { name: 'pdb', namespace: 'default', generation: 1 }, spec: { selector, ...spec } };
}

function pod(name: string, owner?: { readonly kind: string; readonly uid: string }, ready = true): Pod {
  const apiVersion = owner?.kind === 'Widget' ? 'example.com/v1' : 'apps/v1';
  const ownerReferences =
    owner === undefined
      ? []
      : [{ apiVersion, kind: owner.kind, name: 'web', uid: owner.uid, controller: true }];
  const conditions = [{ type: 'Ready', status: ready ? 'True' : 'False' }];
  return {
    metadata: { name, namespace: 'default', labels, ownerReferences },
    spec: { containers: [] },
    status: { phase: 'Running', conditions },
  };
}

const statusOf = (plane: Running) => plane.api.read(podDisruptionBudgets, { name: 'pdb' })?.status;

test('a number of available pods is counted from the pods there are', async () => {
  await using plane = running({
    create,
    before: (api) => {
      api.put(podDisruptionBudgets, budget({ minAvailable: 1 }));
      api.put(pods, pod('a'));
      api.put(pods, pod('b'));
      api.put(pods, pod('c', undefined, false));
    },
  });
  await plane.until('the status', () => statusOf(plane)?.expectedPods === 3);
  const { conditions = [], ...rest } = statusOf(plane) ?? {};
  assert.deepEqual(rest, {
    observedGeneration: 1,
    disruptionsAllowed: 1,
    currentHealthy: 2,
    desiredHealthy: 1,
    expectedPods: 3,
  });
  assert.deepEqual(
    [conditions[0]?.type, conditions[0]?.status, conditions[0]?.reason],
    ['DisruptionAllowed', 'True', 'SufficientPods'],
  );
  plane.api.put(pods, pod('b', undefined, false));
  await plane.until('fewer', () => statusOf(plane)?.disruptionsAllowed === 0);
  assert.equal(statusOf(plane)?.conditions?.[0]?.reason, 'InsufficientPods');
});

test('percentages are of what the owners want', async () => {
  await using plane = running({
    create,
    before: (api) => {
      const made = api.put(deployments, {
        metadata: { name: 'web', namespace: 'default', uid: 'd' },
        spec: { replicas: 4, selector, template },
      });
      const owner = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web', controller: true };
      const set = api.put(replicaSets, {
        metadata: {
          name: 'web',
          namespace: 'default',
          uid: 'r',
          ownerReferences: [{ ...owner, uid: made.metadata?.uid }],
        },
        spec: { replicas: 1, selector, template },
      });
      const stateful = api.put(statefulSets, {
        metadata: { name: 'web', namespace: 'default', uid: 's' },
        spec: { replicas: 2, selector, template },
      });
      api.put(podDisruptionBudgets, budget({ maxUnavailable: '50%' }));
      api.put(pods, pod('a', { kind: 'ReplicaSet', uid: set.metadata?.uid ?? '' }));
      api.put(pods, pod('b', { kind: 'ReplicaSet', uid: set.metadata?.uid ?? '' }));
      api.put(pods, pod('c', { kind: 'StatefulSet', uid: stateful.metadata?.uid ?? '' }));
      api.put(pods, pod('d', { kind: 'StatefulSet', uid: stateful.metadata?.uid ?? '' }));
    },
  });
  await plane.until('the status', () => statusOf(plane)?.expectedPods === 6);
  assert.equal(statusOf(plane)?.desiredHealthy, 3);
  assert.equal(statusOf(plane)?.disruptionsAllowed, 1);
});

test('an owner that nobody knows stops every eviction', async () => {
  await using plane = running({
    create,
    before: (api) => {
      api.put(podDisruptionBudgets, budget({ maxUnavailable: 1 }));
      api.put(pods, pod('a', { kind: 'Widget', uid: 'x' }));
    },
  });
  await plane.until('the failure', () => statusOf(plane)?.conditions?.[0]?.reason === 'SyncFailed');
  assert.equal(statusOf(plane)?.disruptionsAllowed, 0);
  assert.equal(statusOf(plane)?.conditions?.[0]?.message, 'found no controllers for pod "a"');
  assert.ok(plane.reasons.includes('CalculateExpectedPodCountFailed'));
});

test('what may go counts as gone for two minutes', () => {
  const now = Date.parse('2024-01-01T00:10:00Z');
  const plan = (since: number) => {
    const status = { disruptedPods: { a: rfc3339(now - since * 1000), gone: rfc3339(now) } };
    const all = [pod('a'), pod('b')];
    const one = { ...budget({ minAvailable: 1 }), status };
    return planDisruption(one, all, { demand: demandOf(one, 2), now });
  };
  const fresh = plan(30);
  assert.equal(fresh.status.currentHealthy, 1);
  assert.deepEqual(Object.keys(fresh.status.disruptedPods ?? {}), ['a']);
  assert.equal(fresh.recheckAfter, 90_000);
  const late = plan(121);
  assert.equal(late.status.currentHealthy, 2);
  assert.equal(late.status.disruptedPods, undefined);
  assert.deepEqual(
    late.notDeleted.map(({ metadata }) => metadata?.name),
    ['a'],
  );
});

test('demands are rounded up, and never below nothing', () => {
  assert.deepEqual(demandOf(budget({ minAvailable: '30%' }), 4), { expectedPods: 4, desiredHealthy: 2 });
  assert.deepEqual(demandOf(budget({ maxUnavailable: '30%' }), 4), { expectedPods: 4, desiredHealthy: 2 });
  assert.deepEqual(demandOf(budget({ maxUnavailable: 9 }), 4), { expectedPods: 4, desiredHealthy: 0 });
  assert.deepEqual(demandOf(budget({}), 4), { expectedPods: 0, desiredHealthy: 0 });
});

test('a mark that nothing followed is taken back', async () => {
  await using plane = running({
    create,
    before: (api) => {
      const made = pod('a');
      const mark = {
        type: 'DisruptionTarget',
        status: 'True',
        reason: 'EvictionByEvictionAPI',
        lastTransitionTime: rfc3339(0),
      };
      api.put(pods, {
        ...made,
        status: { ...made.status, conditions: [...(made.status?.conditions ?? []), mark] },
      });
    },
  });
  const mark = () =>
    plane.api.read(pods, { name: 'a' })?.status?.conditions?.find(({ type }) => type === 'DisruptionTarget');
  await plane.clock.advance(121_000);
  await plane.until('the end of the mark', () => mark()?.status === 'False');
  assert.equal(mark()?.reason, undefined);
});
