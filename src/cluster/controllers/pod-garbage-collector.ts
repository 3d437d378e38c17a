import { isPlatformError } from '../../base/errors.ts';
import type { Pod } from '../api/generated/core-v1.ts';
import type { Controller, WorkQueue } from '../client/contract.ts';
import { nodes, pods } from '../client/kinds.ts';
import { refOf } from './claiming.ts';
import type { ControllerEnvironment } from './environment.ts';
import { nodeIndex } from './pod-state.ts';
import { enqueues, queueController, subscribes } from './queue-controller.ts';

/** A node that is missing for less may only be registering anew. */
const QUARANTINE_MS = 40_000;

/** Deletes the pods of nodes that are gone, finished or not: no kubelet is left to say that they have ended. */
export function createPodGarbageCollector(environment: ControllerEnvironment): Controller {
  const { client, informers, clock, log } = environment;
  const nodeCache = informers.informer(nodes);
  const podCache = informers.informer(pods, { indexes: nodeIndex });
  /** Since when a node that pods name has been missing, on the monotonic clock. */
  const missing = new Map<string, number>();
  /** Nodes that will be looked at again by themselves: their pods' events say nothing new until then. */
  const waiting = new Set<string>();

  /** The key is a node's name. */
  async function reconcile(name: string, queue: WorkQueue): Promise<void> {
    waiting.delete(name);
    const stranded = podCache.byIndex('node', name).filter((pod) => !isBeyondGrace(pod));
    if (nodeCache.get(name) !== undefined || stranded.length === 0) {
      missing.delete(name);
      return;
    }
    const since = missing.get(name) ?? clock.monotonic();
    missing.set(name, since);
    const left = since + QUARANTINE_MS - clock.monotonic();
    if (left > 0) {
      waiting.add(name);
      return queue.addAfter(name, left);
    }
    if (await exists(name)) {
      // The cache is late; should the node go before it is seen there, no event would tell.
      missing.delete(name);
      return queue.addAfter(name, QUARANTINE_MS);
    }
    log.info('deleting the pods of a node that is gone', { node: name, pods: stranded.length });
    for (const pod of stranded) await remove(pod);
  }

  async function exists(name: string): Promise<boolean> {
    try {
      await client.get(nodes, { name });
      return true;
    } catch (error) {
      if (isPlatformError(error, 'not-found')) return false;
      throw error;
    }
  }

  async function remove(pod: Pod): Promise<void> {
    const { uid } = pod.metadata ?? {};
    try {
      await client.delete(pods, refOf(pod), { gracePeriodSeconds: 0, ...(uid !== undefined && { uid }) });
    } catch (error) {
      if (!isPlatformError(error, 'not-found', 'conflict')) throw error;
    }
  }

  return queueController({
    name: 'pod-garbage-collector',
    environment,
    sources: [
      enqueues(nodeCache, (node) => [node.metadata?.name ?? '']),
      subscribes(podCache, (queue) => {
        const look = (pod: Pod): void => {
          const node = pod.spec?.nodeName ?? '';
          if (node !== '' && nodeCache.get(node) === undefined && !waiting.has(node)) queue.add(node);
        };
        return { added: look, updated: look };
      }),
    ],
    reconcile,
  });
}

/** Deleted with no grace already: only a finalizer holds it, and that is not ours to remove. */
function isBeyondGrace(pod: Pod): boolean {
  return pod.metadata?.deletionTimestamp !== undefined && pod.metadata.deletionGracePeriodSeconds === 0;
}
