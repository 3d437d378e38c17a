import assert from 'node:assert/strict';
import test from 'node:test';
import { rfc3339 } from '../../base/clock.ts';
import type { Job, JobSpec, JobStatus } from '../api/generated/batch-v1.ts';
import type { Pod } from '../api/generated/core-v1.ts';
import { judgeFailure } from './job-failure-policy.ts';
import { formatIndexes, parseIndexes } from './job-indexes.ts';
import { podOfJob, TRACKING } from './job-pods.ts';
import { planJob, type JobPlan } from './job-planner.ts';

const NOW = Date.parse('2026-01-01T00:00:00Z');

function job(spec: JobSpec, status: JobStatus = {}): Job {
  return {
    metadata: { name: 'j', namespace: 'ns', uid: 'j' },
    spec,
    status: { startTime: rfc3339(NOW), ...status },
  };
}

let uids = 0;
function pod(
  phase: string,
  more: { readonly index?: number; readonly tracked?: boolean; readonly code?: number } = {},
): Pod {
  const { index, tracked = true, code } = more;
  const annotations = index === undefined ? {} : { 'batch.kubernetes.io/job-completion-index': `${index}` };
  const terminated = { exitCode: code ?? 0, finishedAt: rfc3339(NOW - 60_000) };
  return {
    metadata: {
      name: `p${++uids}`,
      namespace: 'ns',
      uid: `p${uids}`,
      annotations,
      ...(tracked && { finalizers: [TRACKING] }),
    },
    spec: { nodeName: 'n', containers: [] },
    status: {
      phase,
      ...(code !== undefined && { containerStatuses: [{ name: 'c', state: { terminated } }] }),
    },
  };
}

const plan = (spec: JobSpec, pods: readonly Pod[], status?: JobStatus): JobPlan =>
  planJob({ job: job(spec, status), pods, now: NOW });
const conditions = ({ status }: JobPlan): string[] =>
  (status.conditions ?? []).map(({ type, status: is, reason }) => `${type}=${is} ${reason}`);

test('as many pods as are wanted at once, and no more than are still to succeed', () => {
  assert.equal(plan({ parallelism: 3, completions: 5 }, []).create, 3);
  assert.equal(plan({ parallelism: 3, completions: 5 }, [pod('Running')]).create, 2);
  assert.equal(plan({ parallelism: 3, completions: 5 }, [pod('Succeeded')], { succeeded: 3 }).create, 1);
  assert.equal(plan({ parallelism: 2 }, [pod('Succeeded'), pod('Running')]).create, 0);
  assert.equal(plan({ parallelism: 1, completions: 5 }, [pod('Running'), pod('Running')]).surplus.length, 1);
});

test('a pod is noted, released, and then a number; the last one ends the job', () => {
  const spec = { parallelism: 1, completions: 1 };
  const ended = pod('Succeeded');
  const first = plan(spec, [ended]);
  assert.deepEqual(first.status.uncountedTerminatedPods, { succeeded: [ended.metadata!.uid] });
  assert.deepEqual(first.release, [ended]);
  assert.deepEqual(conditions(first), ['SuccessCriteriaMet=True CompletionsReached']);
  assert.equal(first.status.completionTime, undefined);
  const again = plan(spec, [ended], first.status);
  assert.deepEqual(again.status, first.status);
  const released = { ...ended, metadata: { ...ended.metadata, finalizers: [] } };
  const last = plan(spec, [released], first.status);
  assert.equal(last.status.succeeded, 1);
  assert.deepEqual(last.status.uncountedTerminatedPods, {});
  assert.deepEqual(conditions(last), [
    'SuccessCriteriaMet=True CompletionsReached',
    'Complete=True CompletionsReached',
  ]);
  assert.equal(last.status.completionTime, rfc3339(NOW));
  assert.deepEqual(plan(spec, [released], last.status).status.succeeded, 1);
});

test('too many failures end the job, and with it the pods that run', () => {
  const running = pod('Running');
  const failed = [pod('Failed'), pod('Failed')];
  const doomed = plan({ parallelism: 2, completions: 2, backoffLimit: 1 }, [running, ...failed]);
  assert.deepEqual(conditions(doomed), ['FailureTarget=True BackoffLimitExceeded']);
  assert.deepEqual(doomed.end, [running]);
  const over = plan({ backoffLimit: 1 }, [], { ...doomed.status });
  assert.deepEqual(conditions(over), [
    'FailureTarget=True BackoffLimitExceeded',
    'Failed=True BackoffLimitExceeded',
  ]);
  assert.equal(over.status.failed, 2);
  assert.equal(over.events[0]?.message, 'Job has reached the specified backoff limit');
});

test('a failure delays the next pod, twice as long after each', () => {
  const ended = (seconds: number): Pod => {
    const one = pod('Failed', { code: 1 });
    one.status!.containerStatuses![0]!.state!.terminated!.finishedAt = rfc3339(NOW - seconds * 1000);
    return one;
  };
  assert.deepEqual([plan({}, [ended(4)]).create, plan({}, [ended(4)]).again], [0, 6000]);
  assert.equal(plan({}, [ended(30), ended(5)]).again, 15_000);
  assert.equal(plan({}, [ended(11)]).create, 1);
});

test('a deadline is waited for, and then ends the job', () => {
  const spec = { activeDeadlineSeconds: 30 };
  assert.equal(plan(spec, [pod('Running')]).again, 30_000);
  const late = plan(spec, [pod('Running')], { startTime: rfc3339(NOW - 30_000) });
  assert.deepEqual(conditions(late), ['FailureTarget=True DeadlineExceeded']);
});

test('a job that is suspended loses its pods, uncounted; resumed, it starts anew', () => {
  const running = pod('Running');
  const held = plan({ suspend: true }, [running]);
  assert.deepEqual([held.surplus, held.status.startTime], [[running], undefined]);
  assert.deepEqual(conditions(held), ['Suspended=True JobSuspended']);
  const resumed = plan({}, [], held.status);
  assert.deepEqual(conditions(resumed), ['Suspended=False JobResumed']);
  assert.deepEqual([resumed.create, resumed.status.startTime], [1, rfc3339(NOW)]);
});

test('an indexed job has one success an index', () => {
  const spec = { completionMode: 'Indexed', completions: 5, parallelism: 3 };
  const pods = [pod('Succeeded', { index: 0 }), pod('Running', { index: 2 }), pod('Succeeded', { index: 4 })];
  const half = plan(spec, pods);
  assert.equal(half.status.completedIndexes, '0,4');
  assert.equal(half.status.succeeded, 2);
  assert.deepEqual(half.create, [
    { at: 1, failures: 0 },
    { at: 3, failures: 0 },
  ]);
  const rules = [{ succeededIndexes: '0-4', succeededCount: 2 }];
  const enough = plan({ ...spec, successPolicy: { rules } }, pods);
  assert.deepEqual(conditions(enough), ['SuccessCriteriaMet=True SuccessPolicy']);
  assert.equal(enough.end.length, 1);
});

test('indexes fail one by one where each has a limit', () => {
  const spec = { completionMode: 'Indexed', completions: 2, parallelism: 2, backoffLimitPerIndex: 1 };
  const first = pod('Failed', { index: 0, code: 1 });
  const once = plan(spec, [first, pod('Succeeded', { index: 1 })]);
  assert.deepEqual(once.create, [{ at: 0, failures: 1 }]);
  assert.equal(once.status.failedIndexes, '');
  const second = pod('Failed', { index: 0, code: 1 });
  second.metadata!.annotations!['batch.kubernetes.io/job-index-failure-count'] = '1';
  const over = plan(spec, [first, second, pod('Succeeded', { index: 1 })]);
  assert.equal(over.status.failedIndexes, '0');
  assert.deepEqual(conditions(over), ['FailureTarget=True FailedIndexes']);
});

test('a policy ends the job, or overlooks the failure', () => {
  const rules = [
    { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] },
    { action: 'FailJob', onExitCodes: { operator: 'In', values: [42] } },
  ];
  const fatal = plan({ podFailurePolicy: { rules } }, [pod('Failed', { code: 42 })]);
  assert.deepEqual(conditions(fatal), ['FailureTarget=True PodFailurePolicy']);
  assert.match(
    fatal.status.conditions?.[0]?.message ?? '',
    /^Container c for pod ns\/p\d+ failed with exit code 42 matching FailJob rule at index 1$/,
  );
  const disrupted = pod('Failed', { code: 1 });
  disrupted.status!.conditions = [{ type: 'DisruptionTarget', status: 'True' }];
  const ignored = plan({ podFailurePolicy: { rules }, backoffLimit: 0 }, [disrupted]);
  assert.deepEqual(
    [conditions(ignored), ignored.status.uncountedTerminatedPods, ignored.release.length],
    [[], {}, 1],
  );
  assert.equal(judgeFailure({ rules }, pod('Failed', { code: 1 })).action, 'Count');
});

test('indexes as text', () => {
  assert.equal(formatIndexes([5, 0, 1, 2, 7, 8]), '0-2,5,7,8');
  assert.deepEqual([...parseIndexes('0-2,5,9,x', 6)], [0, 1, 2, 5]);
  assert.equal(formatIndexes([]), '');
});

test('pods know their index', () => {
  const made = podOfJob(
    {
      ...job({ completionMode: 'Indexed', template: { spec: { containers: [{ name: 'c', image: 'i' }] } } }),
    },
    { at: 3, failures: 0 },
  );
  assert.equal(made.metadata?.generateName, 'j-3-');
  assert.equal(made.spec?.hostname, 'j-3');
  assert.equal(made.metadata?.labels?.['batch.kubernetes.io/job-completion-index'], '3');
  assert.equal(made.spec?.containers?.[0]?.env?.[0]?.name, 'JOB_COMPLETION_INDEX');
  assert.deepEqual(made.metadata?.finalizers, [TRACKING]);
});
