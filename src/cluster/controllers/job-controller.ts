import { errorMessage, isPlatformError } from '../../base/errors.ts';
import type { Job } from '../api/generated/batch-v1.ts';
import type { Pod } from '../api/generated/core-v1.ts';
import { selectorFromObject } from '../api/selector.ts';
import type { Controller, WorkQueue } from '../client/contract.ts';
import { getControllerOf } from '../client/controller-ref.ts';
import { jobs, pods } from '../client/kinds.ts';
import { refOf, settleClaims } from './claiming.ts';
import type { ControllerEnvironment } from './environment.ts';
import { Expectations } from './expectations.ts';
import { isTracked, podOfJob, TRACKING } from './job-pods.ts';
import { isJobFinished, planJob, type JobPlan } from './job-planner.ts';
import { namespaceIndex } from './namespace-index.ts';
import { isNamespaceTerminating } from './namespace-refusal.ts';
import { ownershipIndexes, planClaims } from './ownership.ts';
import { enqueues, keyOf, queueController, splitKey, subscribes } from './queue-controller.ts';
import { slowStart } from './slow-start.ts';
import { canonical } from './template-hash.ts';

/** Jobs that name another controller are its business (KEP-4368). */
const OURS = 'kubernetes.io/job-controller';

/** Runs pods until as many have succeeded as each job asks for. */
export function createJobController(environment: ControllerEnvironment): Controller {
  const { client, informers, clock, events } = environment;
  const jobCache = informers.informer(jobs, { indexes: namespaceIndex });
  const podCache = informers.informer(pods, { indexes: ownershipIndexes });
  const expectations = new Expectations(clock);

  /** The job that a pod's event concerns; a tracked pod's also when the job is gone. */
  const ownersOf = (pod: Pod): readonly string[] => {
    const namespace = pod.metadata?.namespace ?? '';
    const controller = getControllerOf(pod);
    if (controller !== undefined) {
      return controller.kind === jobs.kind ? [`${namespace}/${controller.name ?? ''}`] : [];
    }
    return jobCache
      .byIndex('namespace', namespace)
      .filter((job) => selectorFromObject(job.spec?.selector).matches(pod.metadata?.labels))
      .map(keyOf);
  };

  async function reconcile(key: string, queue: WorkQueue): Promise<void> {
    const job = jobCache.get(key);
    if (job === undefined) {
      expectations.forget(key);
      return releaseOrphans(key);
    }
    const { managedBy = OURS } = job.spec ?? {};
    if (managedBy !== OURS) return;
    const candidates = [
      ...podCache.byIndex('controller', job.metadata?.uid ?? ''),
      ...podCache.byIndex('orphans', job.metadata?.namespace ?? ''),
    ];
    if (isJobFinished(job)) return release(candidates.filter((pod) => isOf(pod, job) && isTracked(pod)));
    const claims = planClaims(job, selectorFromObject(job.spec?.selector), candidates);
    const claimed = await settleClaims({ client, ownerType: jobs, owner: job, type: pods, claims });
    const plan = planJob({ job, pods: claimed, now: clock.now() });
    if (canonical(plan.status) !== canonical(job.status)) {
      await client.update(jobs, { ...job, status: plan.status }, 'status');
      for (const { type, reason, message } of plan.events) events.event(job, type, reason, message);
    }
    await release(plan.release);
    if (plan.again !== undefined) queue.addAfter(key, plan.again);
    if (!expectations.satisfied(key)) return;
    if (plan.surplus.length > 0) await release(plan.surplus.filter(isTracked));
    const leaving = [...plan.surplus, ...plan.end];
    if (leaving.length > 0) return removePods(key, job, leaving);
    await createPods(key, job, plan.create);
  }

  function isOf(pod: Pod, job: Job): boolean {
    return getControllerOf(pod)?.uid === job.metadata?.uid;
  }

  /** Pods whose job is no more: nobody will count them. */
  async function releaseOrphans(key: string): Promise<void> {
    const { namespace, name } = splitKey(key);
    const left = podCache.list().filter((pod) => {
      const controller = getControllerOf(pod);
      const same = pod.metadata?.namespace === namespace && controller?.name === name;
      return same && controller.kind === jobs.kind && isTracked(pod);
    });
    await release(left);
  }

  async function release(held: readonly Pod[]): Promise<void> {
    await Promise.all(
      held.map(async (pod) => {
        const { uid, resourceVersion, finalizers = [] } = pod.metadata ?? {};
        const left = finalizers.filter((finalizer) => finalizer !== TRACKING);
        const body = { metadata: { uid, resourceVersion, finalizers: left.length === 0 ? null : left } };
        try {
          await client.patch(pods, refOf(pod), { type: 'merge', body });
        } catch (error) {
          if (!isPlatformError(error, 'not-found')) throw error;
        }
      }),
    );
  }

  async function createPods(key: string, job: Job, wanted: JobPlan['create']): Promise<void> {
    const made =
      typeof wanted === 'number'
        ? Array.from({ length: wanted }, () => podOfJob(job))
        : wanted.map((index) => podOfJob(job, index));
    if (made.length === 0) return;
    expectations.expect(key, { creations: made.length });
    let next = 0;
    const { tried, errors } = await slowStart(made.length, async () => {
      const pod = made[next++]!;
      try {
        const created = await client.create(pods, pod);
        events.event(job, 'Normal', 'SuccessfulCreate', `Created pod: ${created.metadata?.name ?? ''}`);
      } catch (error) {
        expectations.creationSeen(key);
        if (!isNamespaceTerminating(error)) {
          events.event(job, 'Warning', 'FailedCreate', `Error creating: ${errorMessage(error)}`);
        }
        throw error;
      }
    });
    if (tried < made.length) expectations.creationSeen(key, made.length - tried);
    const error = errors.find((failed) => !isNamespaceTerminating(failed));
    if (error !== undefined) throw error;
  }

  async function removePods(key: string, job: Job, victims: readonly Pod[]): Promise<void> {
    expectations.expect(key, { deletions: victims.map(keyOf) });
    await Promise.all(
      victims.map(async (pod) => {
        const { uid } = pod.metadata ?? {};
        try {
          await client.delete(pods, refOf(pod), uid === undefined ? {} : { uid });
          events.event(job, 'Normal', 'SuccessfulDelete', `Deleted pod: ${pod.metadata?.name ?? ''}`);
        } catch (error) {
          expectations.deletionSeen(key, keyOf(pod));
          if (!isPlatformError(error, 'not-found', 'conflict')) throw error;
        }
      }),
    );
  }

  const gone = (pod: Pod): void => {
    for (const owner of ownersOf(pod)) expectations.deletionSeen(owner, keyOf(pod));
  };
  return queueController({
    name: 'job',
    environment,
    workers: 4,
    sources: [
      subscribes(jobCache, (queue) => ({
        added: (job) => queue.add(keyOf(job)),
        updated: (job) => queue.add(keyOf(job)),
        deleted: (job) => {
          expectations.forget(keyOf(job));
          queue.add(keyOf(job));
        },
      })),
      subscribes(podCache, () => ({
        added: (pod) => {
          if (getControllerOf(pod) !== undefined)
            for (const owner of ownersOf(pod)) expectations.creationSeen(owner);
        },
        updated: (pod) => {
          if (pod.metadata?.deletionTimestamp !== undefined) gone(pod);
        },
        deleted: gone,
      })),
      enqueues(podCache, ownersOf),
    ],
    reconcile,
  });
}
