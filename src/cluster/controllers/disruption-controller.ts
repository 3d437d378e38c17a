import { rfc3339 } from '../../base/clock.ts';
import { errorMessage, isPlatformError } from '../../base/errors.ts';
import type { Pod } from '../api/generated/core-v1.ts';
import type { OwnerReference } from '../api/generated/meta-v1.ts';
import type { PodDisruptionBudget } from '../api/generated/policy-v1.ts';
import { selectorFromObject } from '../api/selector.ts';
import type { ApiObject, Controller, ResourceType, WorkQueue } from '../client/contract.ts';
import { getControllerOf } from '../client/controller-ref.ts';
import {
  deployments,
  podDisruptionBudgets,
  pods,
  replicaSets,
  replicationControllers,
  statefulSets,
} from '../client/kinds.ts';
import { demandOf, failedStatus, needsScale, planDisruption, staleMarkAfter } from './disruption-planner.ts';
import type { ControllerEnvironment } from './environment.ts';
import { namespaceIndex } from './namespace-index.ts';
import { ownershipIndexes } from './ownership.ts';
import { enqueues, keyOf, queueController, reads, subscribes } from './queue-controller.ts';
import { canonical } from './template-hash.ts';

/** Keys of pods, as opposed to budgets; no name has a colon. */
const POD = 'pod:';

interface Scale {
  readonly uid: string;
  readonly replicas: number;
}

type Scaled = ApiObject & { readonly spec?: { readonly replicas?: number | undefined } | undefined };

/** Works out how many pods of each disruption budget may be evicted. */
export function createDisruptionController(environment: ControllerEnvironment): Controller {
  const { client, informers, clock, events } = environment;
  const budgets = informers.informer(podDisruptionBudgets, { indexes: namespaceIndex });
  const podCache = informers.informer(pods, { indexes: ownershipIndexes });
  const sets = informers.informer(replicaSets, { indexes: ownershipIndexes });
  const deploymentCache = informers.informer(deployments);

  const selects = ({ metadata, spec }: PodDisruptionBudget, pod: Pod): boolean =>
    metadata?.namespace === pod.metadata?.namespace &&
    selectorFromObject(spec?.selector).matches(pod.metadata?.labels);
  const budgetsOf = (pod: Pod): readonly string[] =>
    budgets
      .byIndex('namespace', pod.metadata?.namespace ?? '')
      .filter((budget) => selects(budget, pod))
      .map(keyOf);

  async function reconcile(key: string, queue: WorkQueue): Promise<void> {
    if (key.startsWith(POD)) return await takeBackMark(key, queue);
    const budget = budgets.get(key);
    if (budget === undefined) return;
    try {
      await sync(key, budget, queue);
    } catch (error) {
      if (isPlatformError(error, 'conflict', 'not-found')) throw error;
      // Whatever is wrong, nothing goes until it is known what may.
      await write(budget, failedStatus(budget, errorMessage(error), clock.now()));
      throw error;
    }
  }

  async function sync(key: string, budget: PodDisruptionBudget, queue: WorkQueue): Promise<void> {
    const guarded = podCache.list().filter((pod) => selects(budget, pod));
    if (guarded.length === 0) events.event(budget, 'Normal', 'NoPods', 'No matching pods found');
    const total = needsScale(budget) ? await wantedBy(budget, guarded) : guarded.length;
    const plan = planDisruption(budget, guarded, { demand: demandOf(budget, total), now: clock.now() });
    for (const pod of plan.notDeleted) {
      const { namespace = '' } = budget.metadata ?? {};
      const text = `Pod was expected by PDB ${namespace}/${budget.metadata?.name ?? ''} to be deleted but it wasn't`;
      events.event(pod, 'Warning', 'NotDeleted', text);
    }
    await write(budget, plan.status);
    // One more: at the very moment it counts as gone.
    if (plan.recheckAfter !== undefined) queue.addAfter(key, plan.recheckAfter + 1);
  }

  async function write(
    budget: PodDisruptionBudget,
    status: PodDisruptionBudget['status'] & object,
  ): Promise<void> {
    if (canonical(status) === canonical(budget.status)) return;
    await client.update(podDisruptionBudgets, { ...budget, status }, 'status');
  }

  /** The pods that the owners of these pods want, together. */
  async function wantedBy(budget: PodDisruptionBudget, guarded: readonly Pod[]): Promise<number> {
    const scales = new Map<string, number>();
    const known = new Set<string>();
    const unmanaged: string[] = [];
    try {
      for (const pod of guarded) {
        const owner = getControllerOf(pod);
        if (owner === undefined) unmanaged.push(pod.metadata?.name ?? '');
        else if (!known.has(owner.uid ?? '')) {
          const scale = await scaleOf(pod, owner);
          scales.set(scale.uid, scale.replicas);
          known.add(owner.uid ?? '');
        }
      }
    } catch (error) {
      const text = `Failed to calculate the number of expected pods: ${errorMessage(error)}`;
      events.event(budget, 'Warning', 'CalculateExpectedPodCountFailed', text);
      throw error;
    }
    if (unmanaged.length > 0) {
      const selector = JSON.stringify(budget.spec?.selector ?? {});
      const text = `Pods selected by this PodDisruptionBudget (selector: ${selector}) were found to be unmanaged. As a result, the status of the PDB cannot be calculated correctly, which may result in undefined behavior. To account for these pods please set ".spec.minAvailable" field of the PDB to an integer value.`;
      events.event(budget, 'Warning', 'UnmanagedPods', text);
    }
    return [...scales.values()].reduce((sum, replicas) => sum + replicas, 0);
  }

  async function scaleOf(pod: Pod, owner: OwnerReference): Promise<Scale> {
    const { namespace = '', name = '' } = pod.metadata ?? {};
    const found =
      owner.kind === replicaSets.kind && groupOf(owner) === replicaSets.group
        ? scaleOfSet(namespace, owner)
        : await scaleOfOther(namespace, owner);
    if (found === undefined) throw new Error(`found no controllers for pod ${JSON.stringify(name)}`);
    return found;
  }

  /** A deployment's sets together want what the deployment wants. */
  function scaleOfSet(namespace: string, owner: OwnerReference): Scale | undefined {
    const set = sets.get(`${namespace}/${owner.name ?? ''}`);
    if (set === undefined || set.metadata?.uid !== owner.uid) return undefined;
    const above = getControllerOf(set);
    if (above?.kind !== deployments.kind || groupOf(above) !== deployments.group) return scale(set);
    const deployment = deploymentCache.get(`${namespace}/${above.name ?? ''}`);
    return deployment?.metadata?.uid === above.uid && deployment !== undefined
      ? scale(deployment)
      : undefined;
  }

  async function scaleOfOther(namespace: string, owner: OwnerReference): Promise<Scale | undefined> {
    const scaled: readonly ResourceType<Scaled>[] = [statefulSets, replicationControllers];
    const type = scaled.find(({ kind, group }) => kind === owner.kind && group === groupOf(owner));
    if (type === undefined) return undefined;
    try {
      const found = await client.get(type, { namespace, name: owner.name ?? '' });
      return found.metadata?.uid === owner.uid ? scale(found) : undefined;
    } catch (error) {
      if (isPlatformError(error, 'not-found')) return undefined;
      throw error;
    }
  }

  async function takeBackMark(key: string, queue: WorkQueue): Promise<void> {
    const pod = podCache.get(key.slice(POD.length));
    const wait = pod === undefined ? undefined : staleMarkAfter(pod, clock.now());
    if (pod === undefined || wait === undefined) return;
    if (wait > 0) return queue.addAfter(key, wait);
    const now = rfc3339(clock.now());
    const conditions = (pod.status?.conditions ?? []).map((condition) =>
      condition.type === 'DisruptionTarget'
        ? { type: condition.type, status: 'False', lastTransitionTime: now }
        : condition,
    );
    await client.update(pods, { ...pod, status: { ...pod.status, conditions } }, 'status');
  }

  return queueController({
    name: 'disruption',
    environment,
    sources: [
      enqueues(budgets, (budget) => [keyOf(budget)]),
      enqueues(podCache, budgetsOf),
      subscribes(podCache, (queue) => {
        const look = (pod: Pod): void => {
          const wait = staleMarkAfter(pod, clock.now());
          if (wait !== undefined) queue.addAfter(`${POD}${keyOf(pod)}`, wait);
        };
        return { added: look, updated: look };
      }),
      // Owners are asked for what they want when pods change, as upstream does.
      reads(sets),
      reads(deploymentCache),
    ],
    reconcile,
  });
}

function groupOf({ apiVersion = '' }: OwnerReference): string {
  return apiVersion.includes('/') ? (apiVersion.split('/')[0] ?? '') : '';
}

function scale({ metadata, spec }: Scaled): Scale {
  return { uid: metadata?.uid ?? '', replicas: spec?.replicas ?? 1 };
}
