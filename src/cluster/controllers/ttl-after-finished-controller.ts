import { isPlatformError } from '../../base/errors.ts';
import type { Controller, WorkQueue } from '../client/contract.ts';
import { jobs } from '../client/kinds.ts';
import { refOf } from './claiming.ts';
import type { ControllerEnvironment } from './environment.ts';
import { finalCondition } from './job-planner.ts';
import { enqueues, keyOf, queueController } from './queue-controller.ts';

/** Deletes jobs that were finished for as long as they were to stay (KEP-592). */
export function createTtlAfterFinishedController(environment: ControllerEnvironment): Controller {
  const { client, informers, clock } = environment;
  const cache = informers.informer(jobs);

  async function reconcile(key: string, queue: WorkQueue): Promise<void> {
    const job = cache.get(key);
    const seconds = job?.spec?.ttlSecondsAfterFinished;
    const finished = Date.parse(finalCondition(job?.status)?.lastTransitionTime ?? '');
    if (job === undefined || seconds === undefined || Number.isNaN(finished)) return;
    if (job.metadata?.deletionTimestamp !== undefined) return;
    const left = finished + seconds * 1000 - clock.now();
    if (left > 0) return queue.addAfter(key, left);
    const { uid, resourceVersion } = job.metadata ?? {};
    try {
      // With its resourceVersion: someone may have given it longer a moment ago.
      await client.delete(jobs, refOf(job), {
        ...(uid !== undefined && { uid }),
        ...(resourceVersion !== undefined && { resourceVersion }),
        propagationPolicy: 'Foreground',
      });
    } catch (error) {
      if (!isPlatformError(error, 'not-found')) throw error;
    }
  }

  return queueController({
    name: 'ttl-after-finished',
    environment,
    sources: [
      enqueues(cache, (job) => (job.spec?.ttlSecondsAfterFinished === undefined ? [] : [keyOf(job)])),
    ],
    reconcile,
  });
}
