import { rfc3339 } from '../../base/clock.ts';
import { errorMessage, isPlatformError } from '../../base/errors.ts';
import type { CronJob, CronJobStatus, Job } from '../api/generated/batch-v1.ts';
import type { ObjectReference } from '../api/generated/core-v1.ts';
import type { Controller, WorkQueue } from '../client/contract.ts';
import { getControllerOf, newControllerRef } from '../client/controller-ref.ts';
import { cronJobs, jobs } from '../client/kinds.ts';
import { refOf } from './claiming.ts';
import { beyondHistory, whatIsDue } from './cron-job-planner.ts';
import type { ControllerEnvironment } from './environment.ts';
import { finalCondition, isJobFinished } from './job-planner.ts';
import { isNamespaceTerminating } from './namespace-refusal.ts';
import { ownershipIndexes } from './ownership.ts';
import { enqueues, keyOf, queueController } from './queue-controller.ts';
import { canonical } from './template-hash.ts';

/** Which time a job was started for. */
const SCHEDULED = 'batch.kubernetes.io/cronjob-scheduled-timestamp';
/** So that the clock has passed the minute for certain. */
const SLACK_MS = 100;

/** Starts a job whenever a schedule says so. */
export function createCronJobController(environment: ControllerEnvironment): Controller {
  const { client, informers, clock, events } = environment;
  const crons = informers.informer(cronJobs);
  const jobCache = informers.informer(jobs, { indexes: ownershipIndexes });

  async function reconcile(key: string, queue: WorkQueue): Promise<void> {
    const cached = crons.get(key);
    if (cached === undefined || cached.metadata?.deletionTimestamp !== undefined) return;
    const own = jobCache.byIndex('controller', cached.metadata?.uid ?? '');
    const cron = await writeStatus(cached, afterwards(cached, own));
    for (const job of beyondHistory(cron, own)) await remove(cron, job);
    if (cron.spec?.suspend === true) return;
    const now = clock.now();
    const due = whatIsDue(cron, now);
    if (due.next !== undefined) queue.addAfter(key, due.next - now + SLACK_MS);
    if (due.many) {
      const message =
        'too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew';
      events.event(cron, 'Warning', 'TooManyMissedTimes', message);
    }
    if (due.at === undefined) return;
    await start(cron, own, due.at);
  }

  async function start(cron: CronJob, own: readonly Job[], at: number): Promise<void> {
    const active = own.filter((job) => !isJobFinished(job));
    if (cron.spec?.concurrencyPolicy === 'Forbid' && active.length > 0) {
      const message = 'Not starting job because prior execution is running and concurrency policy is Forbid';
      return events.event(cron, 'Normal', 'JobAlreadyActive', message);
    }
    if (cron.spec?.concurrencyPolicy === 'Replace') for (const job of active) await remove(cron, job);
    const wanted = jobOf(cron, at);
    let job: Job;
    try {
      job = await client.create(jobs, wanted);
    } catch (error) {
      // The name says which time it is for: a job that is there was started by us, before we could say so.
      if (!isPlatformError(error, 'already-exists')) {
        if (!isNamespaceTerminating(error))
          events.event(cron, 'Warning', 'FailedCreate', `Error creating job: ${errorMessage(error)}`);
        throw error;
      }
      job = await client.get(jobs, refOf(wanted));
      if (getControllerOf(job)?.uid !== cron.metadata?.uid) throw error;
      return void (await writeStatus(cron, { ...cron.status, lastScheduleTime: rfc3339(at) }));
    }
    events.event(cron, 'Normal', 'SuccessfulCreate', `Created job ${job.metadata?.name ?? ''}`);
    const list = [...(cron.status?.active ?? []), referenceTo(job)];
    await writeStatus(cron, { ...cron.status, active: list, lastScheduleTime: rfc3339(at) });
  }

  /** The status that the jobs amount to. */
  function afterwards(cron: CronJob, own: readonly Job[]): CronJobStatus {
    const { active: listed = [], lastSuccessfulTime, ...kept } = cron.status ?? {};
    const running = own.filter((job) => !isJobFinished(job));
    for (const job of own) {
      if (!isJobFinished(job) || !listed.some(({ uid }) => uid === job.metadata?.uid)) continue;
      const condition = finalCondition(job.status)?.type ?? '';
      const message = `Saw completed job: ${job.metadata?.name ?? ''}, condition: ${condition}`;
      events.event(cron, 'Normal', 'SawCompletedJob', message);
    }
    const succeeded = own
      .map((job) => job.status?.completionTime)
      .filter((time) => time !== undefined)
      .toSorted()
      .at(-1);
    const latest = [lastSuccessfulTime, succeeded]
      .filter((time) => time !== undefined)
      .toSorted()
      .at(-1);
    return {
      ...kept,
      ...(running.length > 0 && { active: running.map(referenceTo) }),
      ...(latest !== undefined && { lastSuccessfulTime: latest }),
    };
  }

  async function writeStatus(cron: CronJob, status: CronJobStatus): Promise<CronJob> {
    if (canonical(status) === canonical(cron.status ?? {})) return cron;
    return client.update(cronJobs, { ...cron, status }, 'status');
  }

  async function remove(cron: CronJob, job: Job): Promise<void> {
    try {
      await client.delete(jobs, refOf(job), { propagationPolicy: 'Background' });
      events.event(cron, 'Normal', 'SuccessfulDelete', `Deleted job ${job.metadata?.name ?? ''}`);
    } catch (error) {
      if (!isPlatformError(error, 'not-found')) throw error;
    }
  }

  return queueController({
    name: 'cronjob',
    environment,
    sources: [
      enqueues(crons, (cron) => [keyOf(cron)]),
      enqueues(jobCache, (job) => {
        const controller = getControllerOf(job);
        const named = controller?.kind === cronJobs.kind ? controller.name : undefined;
        return named === undefined ? [] : [`${job.metadata?.namespace ?? ''}/${named}`];
      }),
    ],
    reconcile,
  });
}

function referenceTo({ metadata }: Job): ObjectReference {
  const { name, namespace, uid, resourceVersion: _changes } = metadata ?? {};
  return { apiVersion: 'batch/v1', kind: jobs.kind, name, namespace, uid };
}

/** The job for this time; its name says which, so that it is started but once. */
function jobOf(cron: CronJob, at: number): Job {
  const { metadata, spec } = cron.spec?.jobTemplate ?? {};
  return {
    metadata: {
      name: `${cron.metadata?.name ?? ''}-${Math.floor(at / 60_000)}`,
      namespace: cron.metadata?.namespace,
      labels: { ...metadata?.labels },
      annotations: { ...metadata?.annotations, [SCHEDULED]: rfc3339(at) },
      ownerReferences: [newControllerRef(cronJobs, cron)],
    },
    spec: { ...spec },
  };
}
