import { rfc3339 } from '../../base/clock.ts';
import { errorMessage } from '../../base/errors.ts';
import { yieldToLoop } from '../../base/yield-to-loop.ts';
import type { PodCondition } from '../api/generated/core-v1.ts';
import { pods } from '../client/kinds.ts';
import type { SchedulerEnvironment } from './environment.ts';
import type { PodInfo } from './pod-info.ts';
import type { QueuedPod } from './scheduling-queue.ts';

/** Tells people what became of a pod: the PodScheduled condition and events. Never makes the scheduler wait. */
export class PodReporter {
  readonly #environment: SchedulerEnvironment;
  readonly #writing = new Set<Promise<void>>();

  constructor(environment: SchedulerEnvironment) {
    this.#environment = environment;
  }

  scheduled({ pod, key }: PodInfo, nodeName: string): void {
    const message = `Successfully assigned ${key} to ${nodeName}`;
    this.#environment.events.event(pod, 'Normal', 'Scheduled', message);
  }

  /** No node can take the pod. */
  unschedulable(entry: QueuedPod, message: string): void {
    this.#refused(entry, 'Unschedulable', message);
  }

  /** The pod had a node, and something else went wrong. */
  failed(entry: QueuedPod, message: string): void {
    this.#refused(entry, 'SchedulerError', message);
  }

  /** Resolves when everything begun so far is written. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#writing);
  }

  #refused(entry: QueuedPod, reason: string, message: string): void {
    const { pod } = entry.info;
    this.#environment.events.event(pod, 'Warning', 'FailedScheduling', message);
    const before = pod.status?.conditions?.find(({ type }) => type === 'PodScheduled');
    const said = textOf({ status: 'False', reason, message });
    const known = before !== undefined && textOf(before) === said;
    if (entry.reported === said || (entry.reported === undefined && known)) return;
    entry.reported = said;
    const writing = this.#write(entry, { type: 'PodScheduled', status: 'False', reason, message }, before);
    this.#writing.add(writing);
    void writing.finally(() => this.#writing.delete(writing));
  }

  async #write(entry: QueuedPod, condition: PodCondition, before: PodCondition | undefined): Promise<void> {
    const { client, clock, log } = this.#environment;
    const { pod, key } = entry.info;
    const { name = '', namespace = '', uid, generation } = pod.metadata ?? {};
    const lastTransitionTime =
      before !== undefined && before.status === condition.status && before.lastTransitionTime !== undefined
        ? before.lastTransitionTime
        : rfc3339(clock.now());
    const observed = generation === undefined ? {} : { observedGeneration: generation };
    const body = {
      // A pod of the same name that came after is not meant.
      metadata: { uid },
      status: { conditions: [{ ...condition, ...observed, lastTransitionTime }] },
    };
    try {
      // The turn that has decided had the watch and the decision in it.
      await yieldToLoop();
      await client.patch(pods, { name, namespace }, { type: 'strategic', body, subresource: 'status' });
    } catch (error) {
      // Said again with the next failed try.
      entry.reported = undefined;
      log.debug('could not write the PodScheduled condition', { pod: key, error: errorMessage(error) });
    }
  }
}

function textOf({ status, reason, message }: PodCondition): string {
  return `${status}/${reason}: ${message}`;
}
