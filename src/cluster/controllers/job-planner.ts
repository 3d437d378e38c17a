/**
 * What becomes of a job whose pods are in these states.
 *
 * A pod that has ended is first noted in the status by its uid, then loses its finalizer, then is a number: so each is
 * counted once, whatever dies in between. A job's end has two steps too: the verdict (SuccessCriteriaMet,
 * FailureTarget), upon which the pods that still run are deleted, and the condition that ends it, when none is left.
 */
import { rfc3339 } from '../../base/clock.ts';
import type { Job, JobCondition, JobStatus } from '../api/generated/batch-v1.ts';
import type { Pod } from '../api/generated/core-v1.ts';
import { judgeFailure, type FailureVerdict } from './job-failure-policy.ts';
import { formatIndexes, parseIndexes } from './job-indexes.ts';
import { finishedAt, INDEX_FAILURES, indexOf, isIndexed, isTerminating, isTracked } from './job-pods.ts';
import { isPodActive, isPodReady } from './pod-state.ts';

export interface JobPlan {
  readonly status: JobStatus;
  /** Pods to be made; indexes where the job has them. */
  readonly create: number | readonly { readonly at: number; readonly failures: number }[];
  /** Pods that are too many: they go uncounted. */
  readonly surplus: readonly Pod[];
  /** Pods of a job that has been decided: they end, and count. */
  readonly end: readonly Pod[];
  /** Counted by the status: their finalizer may go. */
  readonly release: readonly Pod[];
  readonly events: readonly {
    readonly type: 'Normal' | 'Warning';
    readonly reason: string;
    readonly message: string;
  }[];
  /** Milliseconds until it should be looked at again by itself. */
  readonly again: number | undefined;
}

export interface JobInput {
  readonly job: Job;
  /** All that the job manages, ended ones too. */
  readonly pods: readonly Pod[];
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** After a failure a new pod waits this long, twice as long after each further one, at most ten minutes. */
const BACKOFF_MS = 10_000;
const MAX_BACKOFF_MS = 600_000;

interface Verdict {
  readonly type: string;
  readonly reason: string;
  readonly message: string;
}

export function isJobFinished({ status }: Job): boolean {
  return finalCondition(status) !== undefined;
}

export function finalCondition(status: JobStatus | undefined): JobCondition | undefined {
  return status?.conditions?.find(
    ({ type, status: is }) => (type === 'Complete' || type === 'Failed') && is === 'True',
  );
}

export function planJob({ job, pods, now }: JobInput): JobPlan {
  const { spec = {}, status = {}, metadata } = job;
  const failedNow = (pod: Pod): boolean => hasFailed(job, pod);
  const succeededPods = pods.filter((pod) => pod.status?.phase === 'Succeeded');
  const failedPods = pods.filter(failedNow);
  const active = pods.filter(isPodActive);
  const terminating = pods.filter((pod) => isTerminating(pod) && !failedNow(pod));
  const verdicts = new Map(failedPods.map((pod) => [pod, judgeFailure(spec.podFailurePolicy, pod)]));
  const counts = countEnded({ job, pods, succeededPods, failedPods, verdicts });
  const indexes = isIndexed(job) ? countIndexes({ job, succeededPods, failedPods, verdicts }) : undefined;
  const succeeded = indexes?.completed.size ?? counts.succeededInAll;

  const suspended = spec.suspend === true;
  const conditions = [...(status.conditions ?? [])];
  const events: JobPlan['events'][number][] = [];
  const set = (type: string, is: 'True' | 'False', why: { reason: string; message: string }): void => {
    const at = conditions.findIndex((condition) => condition.type === type);
    const time = rfc3339(now);
    const next = { type, status: is, lastProbeTime: time, lastTransitionTime: time, ...why };
    if (at < 0) conditions.push(next);
    else if (conditions[at]!.status !== is || conditions[at]!.reason !== why.reason) conditions[at] = next;
  };
  const decided =
    verdictOf(conditions) ??
    failure({ job, active, failed: counts.failedInAll, verdicts, indexes, now }) ??
    success({ job, active, succeeded, indexes });

  let startTime = status.startTime;
  const condition = conditions.find(({ type }) => type === 'Suspended');
  if (decided === undefined && suspended && condition?.status !== 'True') {
    set('Suspended', 'True', { reason: 'JobSuspended', message: 'Job suspended' });
    events.push({ type: 'Normal', reason: 'Suspended', message: 'Job suspended' });
    startTime = undefined;
  } else if (decided === undefined && !suspended && condition?.status === 'True') {
    set('Suspended', 'False', { reason: 'JobResumed', message: 'Job resumed' });
    events.push({ type: 'Normal', reason: 'Resumed', message: 'Job resumed' });
    // Somebody else may have said when: a job that runs keeps its start.
    startTime ??= rfc3339(now);
  } else if (startTime === undefined && (!suspended || decided !== undefined)) startTime = rfc3339(now);

  let completionTime = status.completionTime;
  if (decided !== undefined) {
    set(decided.type, 'True', decided);
    const pending = active.length + terminating.length + counts.uncounted;
    if (pending === 0) {
      const failed = decided.type === 'FailureTarget';
      set(failed ? 'Failed' : 'Complete', 'True', { reason: decided.reason, message: decided.message });
      if (!failed) completionTime = rfc3339(now);
      events.push(
        failed
          ? { type: 'Warning', reason: decided.reason, message: decided.message }
          : { type: 'Normal', reason: 'Completed', message: 'Job completed' },
      );
    }
  }

  const leaving = metadata?.deletionTimestamp !== undefined;
  const managed: Partial<JobPlan> = leaving
    ? {}
    : decided !== undefined
      ? { end: active }
      : suspended
        ? { surplus: active }
        : staff({ job, pods, active, terminating, succeeded, indexes, failedPods, now });
  const waits = [deadlineIn(job, startTime, now), managed.again].filter((wait) => wait !== undefined);
  return {
    create: 0,
    surplus: [],
    end: [],
    ...managed,
    again: waits.length === 0 ? undefined : Math.min(...waits),
    release: counts.release,
    events,
    status: {
      ...status,
      conditions: conditions.length === 0 ? undefined : conditions,
      startTime,
      completionTime,
      active: active.length || undefined,
      ready: active.filter(isPodReady).length,
      terminating: terminating.length,
      succeeded: (indexes?.completed.size ?? counts.succeeded) || undefined,
      failed: counts.failed || undefined,
      completedIndexes: indexes && (formatIndexes(indexes.completed) || undefined),
      failedIndexes: indexes?.failed && formatIndexes(indexes.failed),
      uncountedTerminatedPods: counts.lists,
    },
  };
}

/** Ended badly, or deleted before its end: then nobody will say how it ended, unless its job waits for that. */
function hasFailed(job: Job, pod: Pod): boolean {
  const { phase } = pod.status ?? {};
  if (phase === 'Failed') return true;
  if (pod.metadata?.deletionTimestamp === undefined || phase === 'Succeeded') return false;
  const waits = job.spec?.podReplacementPolicy === 'Failed' || job.spec?.podFailurePolicy !== undefined;
  return !waits || (pod.spec?.nodeName ?? '') === '';
}

interface Ended {
  readonly job: Job;
  readonly succeededPods: readonly Pod[];
  readonly failedPods: readonly Pod[];
  readonly verdicts: ReadonlyMap<Pod, FailureVerdict>;
}

interface Counts {
  /** As numbers and as uids. */
  readonly succeededInAll: number;
  readonly failedInAll: number;
  /** As numbers only. */
  readonly succeeded: number;
  readonly failed: number;
  readonly lists: JobStatus['uncountedTerminatedPods'];
  readonly uncounted: number;
  readonly release: readonly Pod[];
}

function countEnded(input: Ended & { readonly pods: readonly Pod[] }): Counts {
  const { job, pods, succeededPods, failedPods, verdicts } = input;
  const { status = {} } = job;
  const indexed = isIndexed(job);
  const held = new Set(pods.filter(isTracked).map(({ metadata }) => metadata?.uid ?? ''));
  const before = status.uncountedTerminatedPods ?? {};
  const release: Pod[] = [];
  const merge = (noted: readonly string[] = [], ended: readonly Pod[]): { left: string[]; done: number } => {
    const left = new Set(noted.filter((uid) => held.has(uid)));
    for (const pod of ended.filter(isTracked)) {
      release.push(pod);
      left.add(pod.metadata?.uid ?? '');
    }
    return { left: [...left], done: noted.filter((uid) => !held.has(uid)).length };
  };
  const counted = (pod: Pod): boolean => verdicts.get(pod)?.action !== 'Ignore';
  release.push(...failedPods.filter((pod) => isTracked(pod) && !counted(pod)));
  // An index says itself that it is done; its pod need not be noted.
  const good = merge(before.succeeded, indexed ? [] : succeededPods);
  if (indexed) release.push(...succeededPods.filter(isTracked));
  const bad = merge(before.failed, failedPods.filter(counted));
  const succeeded = (status.succeeded ?? 0) + (indexed ? 0 : good.done);
  const failed = (status.failed ?? 0) + bad.done;
  return {
    succeeded,
    succeededInAll: succeeded + good.left.length,
    failedInAll: failed + bad.left.length,
    failed,
    lists: {
      ...(good.left.length > 0 && { succeeded: good.left }),
      ...(bad.left.length > 0 && { failed: bad.left }),
    },
    uncounted: good.left.length + bad.left.length + (indexed ? succeededPods.filter(isTracked).length : 0),
    release,
  };
}

interface Indexes {
  readonly completed: ReadonlySet<number>;
  /** Only where each index has a limit of its own. */
  readonly failed: ReadonlySet<number> | undefined;
  /** How often an index has failed. */
  readonly failures: ReadonlyMap<number, number>;
}

function countIndexes({ job, succeededPods, failedPods, verdicts }: Ended): Indexes {
  const { spec = {}, status = {} } = job;
  const completions = spec.completions ?? 0;
  const completed = parseIndexes(status.completedIndexes, completions);
  for (const index of succeededPods.map(indexOf))
    if (index !== undefined && index < completions) completed.add(index);
  const failures = new Map<number, number>();
  const limit = spec.backoffLimitPerIndex;
  if (limit === undefined) return { completed, failed: undefined, failures };
  const failed = parseIndexes(status.failedIndexes, completions);
  for (const pod of failedPods) {
    const index = indexOf(pod);
    if (index === undefined || index >= completions || completed.has(index)) continue;
    const verdict = verdicts.get(pod)?.action;
    const before = Number(pod.metadata?.annotations?.[INDEX_FAILURES] ?? 0);
    const count = before + (verdict === 'Ignore' ? 0 : 1);
    failures.set(index, Math.max(failures.get(index) ?? 0, count));
    if (verdict === 'FailIndex' || count > limit) failed.add(index);
  }
  return { completed, failed, failures };
}

function verdictOf(conditions: readonly JobCondition[]): Verdict | undefined {
  const found = conditions.find(
    ({ type, status }) => (type === 'FailureTarget' || type === 'SuccessCriteriaMet') && status === 'True',
  );
  if (found === undefined) return undefined;
  return { type: found.type ?? '', reason: found.reason ?? '', message: found.message ?? '' };
}

function failure(input: {
  readonly job: Job;
  readonly active: readonly Pod[];
  readonly failed: number;
  readonly verdicts: ReadonlyMap<Pod, FailureVerdict>;
  readonly indexes: Indexes | undefined;
  readonly now: number;
}): Verdict | undefined {
  const { job, active, failed, verdicts, indexes, now } = input;
  const { spec = {}, status = {} } = job;
  const fails = (reason: string, message: string): Verdict => ({ type: 'FailureTarget', reason, message });
  const fatal = [...verdicts.values()].find(({ action }) => action === 'FailJob');
  if (fatal !== undefined) return fails('PodFailurePolicy', fatal.message);
  const limit = spec.backoffLimit ?? 6;
  if (failed > limit || restartsBeyond(job, active, limit)) {
    return fails('BackoffLimitExceeded', 'Job has reached the specified backoff limit');
  }
  const seconds = spec.activeDeadlineSeconds;
  const started = Date.parse(status.startTime ?? '');
  if (seconds !== undefined && spec.suspend !== true && now - started >= seconds * 1000) {
    return fails('DeadlineExceeded', 'Job was active longer than specified deadline');
  }
  if (indexes?.failed === undefined) return undefined;
  if (spec.maxFailedIndexes !== undefined && indexes.failed.size > spec.maxFailedIndexes) {
    return fails(
      'MaxFailedIndexesExceeded',
      'Job has exceeded the specified maximal number of failed indexes',
    );
  }
  const over = indexes.failed.size + indexes.completed.size >= (spec.completions ?? 0);
  return over && indexes.failed.size > 0 && active.length === 0
    ? fails('FailedIndexes', 'Job has failed indexes')
    : undefined;
}

/** Where containers are restarted in place, it is their restarts that count. */
function restartsBeyond(job: Job, active: readonly Pod[], limit: number): boolean {
  if (job.spec?.template?.spec?.restartPolicy !== 'OnFailure') return false;
  const statuses = active.flatMap(({ status }) => [
    ...(status?.initContainerStatuses ?? []),
    ...(status?.containerStatuses ?? []),
  ]);
  const restarts = statuses.reduce((sum, { restartCount = 0 }) => sum + restartCount, 0);
  return limit === 0 ? restarts > 0 : restarts >= limit;
}

function success(input: {
  readonly job: Job;
  readonly active: readonly Pod[];
  readonly succeeded: number;
  readonly indexes: Indexes | undefined;
}): Verdict | undefined {
  const { job, active, succeeded, indexes } = input;
  const { spec = {} } = job;
  const met = (reason: string, message: string): Verdict => ({ type: 'SuccessCriteriaMet', reason, message });
  if (indexes !== undefined) {
    const at = (spec.successPolicy?.rules ?? []).findIndex(({ succeededIndexes, succeededCount }) => {
      const chosen =
        succeededIndexes === undefined
          ? indexes.completed
          : parseIndexes(succeededIndexes, spec.completions ?? 0);
      const done = [...chosen].filter((index) => indexes.completed.has(index)).length;
      return done >= (succeededCount ?? chosen.size) && done > 0;
    });
    if (at >= 0) return met('SuccessPolicy', `Matched rules at index ${at}`);
  }
  const reached = met('CompletionsReached', 'Reached expected number of succeeded pods');
  if (active.length > 0) return undefined;
  if (spec.completions === undefined) return succeeded > 0 ? reached : undefined;
  return succeeded >= spec.completions ? reached : undefined;
}

function deadlineIn({ spec }: Job, startTime: string | undefined, now: number): number | undefined {
  if (spec?.activeDeadlineSeconds === undefined || startTime === undefined || spec.suspend) return undefined;
  return Math.max(0, Date.parse(startTime) + spec.activeDeadlineSeconds * 1000 - now);
}

function staff(input: {
  readonly job: Job;
  readonly pods: readonly Pod[];
  readonly active: readonly Pod[];
  readonly terminating: readonly Pod[];
  readonly succeeded: number;
  readonly indexes: Indexes | undefined;
  readonly failedPods: readonly Pod[];
  readonly now: number;
}): Partial<JobPlan> {
  const { job, pods, active, terminating, succeeded, indexes, failedPods, now } = input;
  const { spec = {} } = job;
  const parallelism = spec.parallelism ?? 1;
  const doomed =
    indexes?.failed === undefined ? [] : active.filter((pod) => indexes.failed!.has(indexOf(pod)!));
  const working = active.filter((pod) => !doomed.includes(pod));
  const over = indexes?.failed?.size ?? 0;
  const wanted =
    spec.completions === undefined
      ? succeeded > 0
        ? Math.min(working.length, parallelism)
        : parallelism
      : Math.min(Math.max(spec.completions - succeeded - over, 0), parallelism);
  if (working.length > wanted) {
    const ranked = working.toSorted((a, b) => rank(a) - rank(b));
    return { surplus: [...doomed, ...ranked.slice(0, working.length - wanted)] };
  }
  const waiting = spec.podReplacementPolicy === 'Failed' ? terminating.length : 0;
  const missing = wanted - working.length - waiting;
  if (missing <= 0) return { surplus: doomed };
  if (indexes === undefined) {
    const wait = backoffLeft(pods, failedPods, now);
    return wait > 0 ? { again: wait } : { create: missing };
  }
  const taken = new Set([...working, ...(waiting > 0 ? terminating : [])].map(indexOf));
  const create: { at: number; failures: number }[] = [];
  let again: number | undefined;
  for (let at = 0; at < (spec.completions ?? 0) && create.length < missing; at++) {
    if (taken.has(at) || indexes.completed.has(at) || indexes.failed?.has(at)) continue;
    // Where an index has a limit of its own, it waits for its own failures alone.
    const about = spec.backoffLimitPerIndex === undefined ? () => true : (pod: Pod) => indexOf(pod) === at;
    const wait = backoffLeft(pods.filter(about), failedPods.filter(about), now);
    if (wait > 0) again = Math.min(again ?? wait, wait);
    else create.push({ at, failures: indexes.failures.get(at) ?? 0 });
  }
  return { create, surplus: doomed, ...(again !== undefined && { again }) };
}

/** Pods that have done the least go first. */
function rank(pod: Pod): number {
  return isPodReady(pod) ? 2 : pod.status?.phase === 'Running' ? 1 : 0;
}

/** Milliseconds until a new pod may come, after so many failures since the last success. */
function backoffLeft(pods: readonly Pod[], failedPods: readonly Pod[], now: number): number {
  const succeededAt = Math.max(
    -Infinity,
    ...pods.filter((pod) => pod.status?.phase === 'Succeeded').map((pod) => finishedAt(pod, now)),
  );
  const since = failedPods
    .filter((pod) => pod.status?.phase === 'Failed')
    .map((pod) => finishedAt(pod, now))
    .filter((time) => time > succeededAt);
  if (since.length === 0) return 0;
  const delay = Math.min(BACKOFF_MS * 2 ** Math.min(since.length - 1, 10), MAX_BACKOFF_MS);
  return Math.max(0, Math.max(...since) + delay - now);
}
