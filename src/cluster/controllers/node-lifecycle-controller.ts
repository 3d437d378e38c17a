import type { Lease } from '../api/generated/coordination-v1.ts';
import type { Node, Pod, Taint } from '../api/generated/core-v1.ts';
import { isPlatformError } from '../../base/errors.ts';
import type { Controller, WorkQueue } from '../client/contract.ts';
import { leases, nodes, pods } from '../client/kinds.ts';
import { refOf } from './claiming.ts';
import type { ControllerEnvironment } from './environment.ts';
import {
  evictingTaints,
  evictionTime,
  graceOf,
  planSilence,
  planTaints,
  readyCondition,
} from './node-lifecycle-planner.ts';
import { nodeIndex } from './pod-state.ts';
import { queueController, subscribes } from './queue-controller.ts';

const LEASE_NAMESPACE = 'kube-node-lease';

/**
 * Watches the nodes' heartbeats: a node that falls silent becomes Unknown, one that is not ready is tainted, and pods
 * leave tainted nodes when what they tolerate is used up.
 *
 * A heartbeat counts from when it is seen here, by a clock that never jumps: clocks of nodes need not agree with ours,
 * and a control plane that was away itself blames nobody for it. A lease that is renewed wakes nothing; the timer that
 * was set for its end looks at how it is by then.
 */
export function createNodeLifecycleController(environment: ControllerEnvironment): Controller {
  const { client, informers, clock, events } = environment;
  const nodeCache = informers.informer(nodes);
  const leaseCache = informers.informer(leases);
  const podCache = informers.informer(pods, { indexes: nodeIndex });
  /** By node: when it was last heard of, on the monotonic clock. */
  const heard = new Map<string, number>();
  /** When a taint without a time of its own was first seen, by node and taint. */
  const firstSeen = new Map<string, ReadonlyMap<string, number>>();

  async function reconcile(name: string, queue: WorkQueue): Promise<void> {
    const node = nodeCache.get(name);
    if (node === undefined) {
      heard.delete(name);
      firstSeen.delete(name);
      return;
    }
    if (node.metadata?.deletionTimestamp !== undefined) return;
    const judged = await judge(name, node, queue);
    const tainted = await taint(judged);
    await evict(name, tainted, queue);
  }

  /** Writes the node off when it has been silent for too long. */
  async function judge(name: string, node: Node, queue: WorkQueue): Promise<Node> {
    const now = clock.monotonic();
    const last = heard.get(name) ?? now;
    heard.set(name, last);
    const left = last + graceOf(node) - now;
    if (left > 0) {
      queue.addAfter(name, left);
      return node;
    }
    const conditions = planSilence(node, clock.now());
    if (conditions.length === 0) return node;
    const known = readyCondition(node)?.status;
    const body = { metadata: { uid: node.metadata?.uid }, status: { conditions } };
    const written = await client.patch(nodes, { name }, { type: 'strategic', body, subresource: 'status' });
    if (known === 'True') {
      events.event(node, 'Normal', 'NodeNotReady', `Node ${name} status is now: NodeNotReady`);
    }
    return written;
  }

  async function taint(node: Node): Promise<Node> {
    const taints = planTaints(node, clock.now());
    if (taints === undefined) return node;
    const { uid, resourceVersion } = node.metadata ?? {};
    // The list is replaced whole: nobody else may have changed it meanwhile.
    const body = { metadata: { uid, resourceVersion }, spec: { taints } };
    return client.patch(nodes, refOf(node), { type: 'merge', body });
  }

  async function evict(name: string, node: Node, queue: WorkQueue): Promise<void> {
    const taints = evictingTaints(node);
    const since = taintTimes(name, taints);
    if (taints.length === 0) return;
    let next = Infinity;
    for (const pod of podCache.byIndex('node', name)) {
      if (pod.metadata?.deletionTimestamp !== undefined) continue;
      const time = evictionTime(pod, taints, since);
      if (time === undefined) continue;
      if (time > clock.now()) next = Math.min(next, time);
      else await remove(pod);
    }
    if (next !== Infinity) queue.addAfter(name, next - clock.now());
  }

  function taintTimes(name: string, taints: readonly Taint[]): (taint: Taint) => number {
    const id = ({ key, value, effect }: Taint): string => `${key}=${value ?? ''}:${effect}`;
    const before = firstSeen.get(name);
    const times = new Map(
      taints.map((one) => {
        const added = Date.parse(one.timeAdded ?? '');
        return [id(one), Number.isNaN(added) ? (before?.get(id(one)) ?? clock.now()) : added];
      }),
    );
    if (times.size === 0) firstSeen.delete(name);
    else firstSeen.set(name, times);
    return (one) => times.get(id(one)) ?? clock.now();
  }

  async function remove(pod: Pod): Promise<void> {
    const { uid, name = '', namespace = '' } = pod.metadata ?? {};
    events.event(pod, 'Normal', 'TaintManagerEviction', `Marking for deletion Pod ${namespace}/${name}`);
    try {
      await client.delete(pods, refOf(pod), uid === undefined ? {} : { uid });
    } catch (error) {
      if (!isPlatformError(error, 'not-found', 'conflict')) throw error;
    }
  }

  const hear = (name: string): void => void heard.set(name, clock.monotonic());

  return queueController({
    name: 'node-lifecycle',
    environment,
    sources: [
      subscribes(leaseCache, () => ({
        added: (lease) => ifOfNode(lease, hear),
        updated: (lease, previous) => {
          if (lease.spec?.renewTime !== previous.spec?.renewTime) ifOfNode(lease, hear);
        },
      })),
      subscribes(nodeCache, (queue) => ({
        added: (node) => {
          // Also a namesake of a node that had fallen silent starts anew.
          hear(node.metadata?.name ?? '');
          queue.add(node.metadata?.name ?? '');
        },
        updated: (node, previous) => {
          const ready = readyCondition(node);
          const beat = ready?.lastHeartbeatTime !== readyCondition(previous)?.lastHeartbeatTime;
          // Our own verdict is no sign of life.
          if (beat && ready?.status !== 'Unknown') hear(node.metadata?.name ?? '');
          queue.add(node.metadata?.name ?? '');
        },
        deleted: (node) => queue.add(node.metadata?.name ?? ''),
      })),
      subscribes(podCache, (queue) => {
        const arrived = (pod: Pod): void => {
          const name = pod.spec?.nodeName ?? '';
          const node = name === '' ? undefined : nodeCache.get(name);
          if (node !== undefined && evictingTaints(node).length > 0) queue.add(name);
        };
        return {
          added: arrived,
          updated: (pod, previous) => {
            const moved = pod.spec?.nodeName !== previous.spec?.nodeName;
            const patience = pod.spec?.tolerations?.length !== previous.spec?.tolerations?.length;
            if (moved || patience) arrived(pod);
          },
        };
      }),
    ],
    reconcile,
  });
}

function ifOfNode(lease: Lease, tell: (node: string) => void): void {
  if (lease.metadata?.namespace === LEASE_NAMESPACE) tell(lease.metadata.name ?? '');
}
