import { errorMessage, isPlatformError } from '../../base/errors.ts';
import type { Deployment, ReplicaSet } from '../api/generated/apps-v1.ts';
import type { Pod } from '../api/generated/core-v1.ts';
import { selectorFromObject } from '../api/selector.ts';
import type { Controller, WorkQueue } from '../client/contract.ts';
import { deployments, pods, replicaSets } from '../client/kinds.ts';
import { refOf, settleClaims } from './claiming.ts';
import {
  newestRevision,
  newSetAnnotations,
  REVISION,
  revisionOf,
  sizeAnnotations,
} from './deployment-annotations.ts';
import {
  findNewSet,
  isScaling,
  limitsOf,
  newSetSize,
  planCleanup,
  planRecreate,
  planRolling,
  planScaling,
  sizeOf,
  total,
  type Resize,
} from './deployment-planner.ts';
import {
  isComplete,
  planDeploymentStatus,
  untilDeadline,
  type DeploymentStatusInput,
} from './deployment-status.ts';
import type { ControllerEnvironment } from './environment.ts';
import { isNamespaceTerminating } from './namespace-refusal.ts';
import { getControllerOf, newControllerRef } from '../client/controller-ref.ts';
import { ownershipIndexes, planClaims } from './ownership.ts';
import { isPodFinished } from './pod-state.ts';
import { enqueues, keyOf, queueController, subscribes } from './queue-controller.ts';
import { canonical, POD_TEMPLATE_HASH, sameTemplate, templateHash, withoutHash } from './template-hash.ts';

/** What one pass knows of a deployment's sets; writes replace sets by what the server answered. */
interface Rollout {
  readonly deployment: Deployment;
  readonly newSet: ReplicaSet | undefined;
  readonly oldSets: readonly ReplicaSet[];
  readonly news?: NonNullable<DeploymentStatusInput['news']>;
}

/** Brings each deployment's pods to its template, a replica set per version of it. */
export function createDeploymentController(environment: ControllerEnvironment): Controller {
  const { client, informers, clock, events } = environment;
  const cache = informers.informer(deployments);
  const sets = informers.informer(replicaSets, { indexes: ownershipIndexes });
  const podCache = informers.informer(pods, { indexes: ownershipIndexes });

  const ownersOf = (set: ReplicaSet): readonly string[] => {
    const controller = getControllerOf(set);
    const namespace = set.metadata?.namespace ?? '';
    if (controller !== undefined) {
      const key = `${namespace}/${controller.name ?? ''}`;
      return cache.get(key)?.metadata?.uid === controller.uid ? [key] : [];
    }
    return cache
      .list()
      .filter(
        (deployment) =>
          deployment.metadata?.namespace === namespace &&
          selectorFromObject(deployment.spec?.selector).matches(set.metadata?.labels),
      )
      .map(keyOf);
  };

  async function reconcile(key: string, queue: WorkQueue): Promise<void> {
    const deployment = cache.get(key);
    if (deployment === undefined) return;
    const selector = selectorFromObject(deployment.spec?.selector);
    if (selector.requirements.length === 0) {
      events.event(
        deployment,
        'Warning',
        'SelectingAll',
        'This deployment is selecting all pods. A non-empty selector is required.',
      );
      return;
    }
    const candidates = [
      ...sets.byIndex('controller', deployment.metadata?.uid ?? ''),
      ...sets.byIndex('orphans', deployment.metadata?.namespace ?? ''),
    ];
    const claims = planClaims(deployment, selector, candidates);
    const claimed = await settleClaims({
      client,
      ownerType: deployments,
      owner: deployment,
      type: replicaSets,
      claims,
    });
    const newSet = findNewSet(deployment, claimed);
    const before = { deployment, newSet, oldSets: claimed.filter((set) => set !== newSet) };
    const after = await step(before);
    await writeStatus(after, queue);
  }

  async function step(rollout: Rollout): Promise<Rollout> {
    const { deployment, newSet, oldSets } = rollout;
    if (deployment.metadata?.deletionTimestamp !== undefined) return rollout;
    const all = newSet === undefined ? oldSets : [...oldSets, newSet];
    const paused = deployment.spec?.paused === true;
    if (paused || isScaling(deployment, all)) {
      const plan = planScaling(deployment, newSet, oldSets);
      if (paused) return cleanUp(await resizeAll(rollout, plan));
      if (plan.length > 0) return resizeAll(rollout, plan);
    }
    const ready = await ensureNewSet(rollout);
    if (ready.newSet === undefined) return ready;
    const plan =
      deployment.spec?.strategy?.type === 'Recreate'
        ? planRecreate(deployment, ready.newSet, { sets: ready.oldSets, pods: podsOf(ready.oldSets).length })
        : planRolling(deployment, ready.newSet, ready.oldSets);
    const moved = await resizeAll(ready, plan);
    return isComplete(deployment, countsOf(moved)) ? cleanUp(moved) : moved;
  }

  /** Pods of these sets that may still run, terminating ones included. */
  function podsOf(of: readonly ReplicaSet[]): readonly Pod[] {
    return of
      .flatMap((set) => podCache.byIndex('controller', set.metadata?.uid ?? ''))
      .filter((pod) => !isPodFinished(pod));
  }

  /** Makes the newest set exist, with the newest revision; the deployment repeats that revision. */
  async function ensureNewSet(rollout: Rollout): Promise<Rollout> {
    const { deployment, oldSets } = rollout;
    if (rollout.newSet === undefined && deployment.spec?.strategy?.type === 'Recreate') {
      const plan = planRecreate(deployment, undefined, { sets: oldSets, pods: podsOf(oldSets).length });
      if (plan.length > 0) return resizeAll(rollout, plan);
      if (podsOf(oldSets).length > 0) return rollout;
    }
    const revision = newestRevision(oldSets) + 1n;
    const found = rollout.newSet;
    const newSet =
      found === undefined
        ? await createNewSet(rollout, revision)
        : await refreshNewSet(deployment, found, revision);
    const noted = await noteRevision(deployment, revisionOf(newSet));
    const name = newSet.metadata?.name ?? '';
    const known =
      deployment.status?.conditions?.some((condition) => condition.type === 'Progressing') === true;
    const next = { deployment: noted, newSet, oldSets };
    if (found === undefined) return { ...next, news: { reason: 'NewReplicaSetCreated', name } };
    return known ? next : { ...next, news: { reason: 'FoundNewReplicaSet', name } };
  }

  async function refreshNewSet(
    deployment: Deployment,
    set: ReplicaSet,
    revision: bigint,
  ): Promise<ReplicaSet> {
    const annotations = newSetAnnotations(deployment, set, revision);
    const minReadySeconds = deployment.spec?.minReadySeconds;
    const same =
      canonical(annotations) === canonical(set.metadata?.annotations ?? {}) &&
      (minReadySeconds ?? 0) === (set.spec?.minReadySeconds ?? 0);
    if (same) return set;
    return client.update(replicaSets, {
      ...set,
      metadata: { ...set.metadata, annotations },
      spec: { ...set.spec, minReadySeconds },
    });
  }

  async function createNewSet(rollout: Rollout, revision: bigint): Promise<ReplicaSet> {
    const { deployment, oldSets } = rollout;
    const wanted = await newSetFor(deployment, newSetSize(deployment, undefined, oldSets), revision);
    const name = wanted.metadata?.name ?? '';
    try {
      const created = await client.create(replicaSets, wanted);
      if (sizeOf(created) > 0) announce(deployment, created, 0);
      return created;
    } catch (error) {
      if (isPlatformError(error, 'already-exists')) return meetExisting(deployment, wanted);
      if (isNamespaceTerminating(error)) throw error;
      const message = `Failed to create new replica set "${name}": ${errorMessage(error)}`;
      events.event(deployment, 'Warning', 'ReplicaSetCreateError', message);
      await putStatus(rollout, { createFailure: message });
      throw error;
    }
  }

  /** A set of that name is there: ours, not yet in the cache, or another template with the same hash. */
  async function meetExisting(deployment: Deployment, wanted: ReplicaSet): Promise<ReplicaSet> {
    const existing = await client.get(replicaSets, refOf(wanted));
    const ours = getControllerOf(existing)?.uid === deployment.metadata?.uid;
    if (ours && sameTemplate(existing.spec?.template ?? {}, wanted.spec?.template ?? {})) return existing;
    const status = { ...deployment.status, collisionCount: (deployment.status?.collisionCount ?? 0) + 1 };
    await client.update(deployments, { ...deployment, status }, 'status');
    throw new Error(`replica set ${wanted.metadata?.name ?? ''} has another template: trying another hash`);
  }

  async function noteRevision(deployment: Deployment, revision: bigint): Promise<Deployment> {
    if (revisionOf(deployment) === revision) return deployment;
    const body = { metadata: { annotations: { [REVISION]: `${revision}` } } };
    return client.patch(deployments, refOf(deployment), { type: 'merge', body });
  }

  async function resizeAll(rollout: Rollout, plan: readonly Resize[]): Promise<Rollout> {
    const written = new Map<ReplicaSet, ReplicaSet>();
    for (const resize of plan) written.set(resize.set, await resizeOne(rollout.deployment, resize));
    const current = (set: ReplicaSet): ReplicaSet => written.get(set) ?? set;
    const newSet = rollout.newSet === undefined ? undefined : current(rollout.newSet);
    return { ...rollout, newSet, oldSets: rollout.oldSets.map(current) };
  }

  async function resizeOne(deployment: Deployment, { set, replicas }: Resize): Promise<ReplicaSet> {
    const { replicas: desired, maxSurge } = limitsOf(deployment);
    const annotations = { ...set.metadata?.annotations, ...sizeAnnotations(desired, desired + maxSurge) };
    const before = sizeOf(set);
    if (before === replicas && canonical(annotations) === canonical(set.metadata?.annotations)) return set;
    const updated = await client.update(replicaSets, {
      ...set,
      metadata: { ...set.metadata, annotations },
      spec: { ...set.spec, replicas },
    });
    if (before !== replicas) announce(deployment, updated, before);
    return updated;
  }

  function announce(deployment: Deployment, set: ReplicaSet, before: number): void {
    const direction = sizeOf(set) > before ? 'up' : 'down';
    const name = set.metadata?.name ?? '';
    const message = `Scaled ${direction} replica set ${name} from ${before} to ${sizeOf(set)}`;
    events.event(deployment, 'Normal', 'ScalingReplicaSet', message);
  }

  async function cleanUp(rollout: Rollout): Promise<Rollout> {
    const surplus = planCleanup(rollout.deployment, rollout.oldSets);
    for (const set of surplus) {
      const { uid, resourceVersion } = set.metadata ?? {};
      await client.delete(replicaSets, refOf(set), {
        ...(uid === undefined ? {} : { uid }),
        ...(resourceVersion === undefined ? {} : { resourceVersion }),
        propagationPolicy: 'Background',
      });
    }
    return { ...rollout, oldSets: rollout.oldSets.filter((set) => !surplus.includes(set)) };
  }

  async function writeStatus(rollout: Rollout, queue: WorkQueue): Promise<void> {
    const written = await putStatus(rollout, {});
    const wait = untilDeadline(written, written.status ?? {}, clock.now());
    if (wait !== undefined) queue.addAfter(keyOf(written), wait);
  }

  async function putStatus(
    { deployment, newSet, oldSets, news }: Rollout,
    extra: { readonly createFailure?: string },
  ): Promise<Deployment> {
    const status = planDeploymentStatus({
      deployment,
      newSet,
      oldSets,
      collisionCount: deployment.status?.collisionCount,
      now: clock.now(),
      ...(news === undefined ? {} : { news }),
      ...extra,
    });
    if (canonical(status) === canonical(deployment.status)) return deployment;
    return client.update(deployments, { ...deployment, status }, 'status');
  }

  return queueController({
    name: 'deployment',
    environment,
    sources: [
      enqueues(cache, (deployment) => [keyOf(deployment)]),
      enqueues(sets, ownersOf),
      // Recreate waits for the last old pod to be gone, which no set's status tells.
      subscribes(podCache, (queue) => ({
        deleted: (pod) => {
          const set = setOf(pod);
          if (set !== undefined) ownersOf(set).forEach((key) => queue.add(key));
        },
      })),
    ],
    reconcile,
  });

  function setOf(pod: Pod): ReplicaSet | undefined {
    const controller = getControllerOf(pod);
    const set = sets.get(`${pod.metadata?.namespace ?? ''}/${controller?.name ?? ''}`);
    return set?.metadata?.uid === controller?.uid ? set : undefined;
  }
}

function countsOf({ newSet, oldSets }: Rollout): {
  readonly replicas: number;
  readonly updatedReplicas: number;
  readonly availableReplicas: number;
} {
  const all = newSet === undefined ? oldSets : [...oldSets, newSet];
  return {
    replicas: total(all, (set) => set.status?.replicas ?? 0),
    updatedReplicas: newSet?.status?.replicas ?? 0,
    availableReplicas: total(all, (set) => set.status?.availableReplicas ?? 0),
  };
}

/** The replica set of a deployment's present template, told apart from its siblings by the hash label. */
export async function newSetFor(
  deployment: Deployment,
  replicas: number,
  revision: bigint,
): Promise<ReplicaSet> {
  const template = withoutHash(deployment.spec?.template ?? {});
  const hash = await templateHash(template, deployment.status?.collisionCount);
  const labels = { ...template.metadata?.labels, [POD_TEMPLATE_HASH]: hash };
  const { replicas: desired, maxSurge } = limitsOf(deployment);
  return {
    metadata: {
      name: `${deployment.metadata?.name ?? ''}-${hash}`,
      namespace: deployment.metadata?.namespace,
      labels,
      annotations: {
        ...newSetAnnotations(deployment, undefined, revision),
        ...sizeAnnotations(desired, desired + maxSurge),
      },
      ownerReferences: [newControllerRef(deployments, deployment)],
    },
    spec: {
      replicas,
      minReadySeconds: deployment.spec?.minReadySeconds,
      selector: {
        ...deployment.spec?.selector,
        matchLabels: { ...deployment.spec?.selector?.matchLabels, [POD_TEMPLATE_HASH]: hash },
      },
      template: { ...template, metadata: { ...template.metadata, labels } },
    },
  };
}
