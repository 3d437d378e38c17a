import { errorMessage, isPlatformError } from '../../base/errors.ts';
import type { ReplicaSet, ReplicaSetStatus } from '../api/generated/apps-v1.ts';
import type { Pod } from '../api/generated/core-v1.ts';
import { selectorFromObject } from '../api/selector.ts';
import type { ApiObject, Controller, ResourceType, WorkQueue } from '../client/contract.ts';
import { pods, replicaSets } from '../client/kinds.ts';
import { refOf, settleClaims } from './claiming.ts';
import type { ControllerEnvironment } from './environment.ts';
import { Expectations } from './expectations.ts';
import { namespaceIndex } from './namespace-index.ts';
import { isNamespaceTerminating } from './namespace-refusal.ts';
import { getControllerOf, newControllerRef } from '../client/controller-ref.ts';
import { ownershipIndexes, planClaims } from './ownership.ts';
import { isPodActive, isPodFinished } from './pod-state.ts';
import { enqueues, keyOf, queueController, subscribes } from './queue-controller.ts';
import {
  nextAvailability,
  planReplicas,
  planReplicaSetStatus,
  type ReplicaPlan,
} from './replica-set-planner.ts';
import { slowStart } from './slow-start.ts';
import { canonical } from './template-hash.ts';

type Failure = { readonly reason: 'FailedCreate' | 'FailedDelete'; readonly message: string };

/** A kind whose objects ask for a number of pods that are alike, told in the words of replica sets. */
export interface ReplicatedKind<T extends ApiObject> {
  /** The controller's. */
  readonly name: string;
  readonly type: ResourceType<T>;
  readonly toSet: (object: T) => ReplicaSet;
  readonly withStatus: (object: T, status: ReplicaSetStatus) => T;
}

/** Keeps as many pods as each replica set asks for. */
export function createReplicaSetController(environment: ControllerEnvironment): Controller {
  return createReplicaController(environment, {
    name: 'replicaset',
    type: replicaSets,
    toSet: (set) => set,
    withStatus: (set, status) => ({ ...set, status }),
  });
}

/** Keeps as many pods as each object of the kind asks for. */
export function createReplicaController<T extends ApiObject>(
  environment: ControllerEnvironment,
  { name, type, toSet, withStatus }: ReplicatedKind<T>,
): Controller {
  const { client, informers, clock, events } = environment;
  const sets = informers.informer(type, { indexes: { ...ownershipIndexes, ...namespaceIndex } });
  const podCache = informers.informer(pods, { indexes: ownershipIndexes });
  const expectations = new Expectations(clock);

  /** The set that a pod's event concerns: its controller, or for an orphan every set that selects it. */
  const ownersOf = (pod: Pod): readonly string[] => {
    const controller = getControllerOf(pod);
    const namespace = pod.metadata?.namespace ?? '';
    if (controller !== undefined) {
      const key = `${namespace}/${controller.name ?? ''}`;
      return sets.get(key)?.metadata?.uid === controller.uid ? [key] : [];
    }
    return sets
      .byIndex('namespace', namespace)
      .filter((set) => selectorFromObject(toSet(set).spec?.selector).matches(pod.metadata?.labels))
      .map(keyOf);
  };

  async function reconcile(key: string, queue: WorkQueue): Promise<void> {
    const object = sets.get(key);
    if (object === undefined) {
      expectations.forget(key);
      return;
    }
    const set = toSet(object);
    const candidates = [
      ...podCache.byIndex('controller', set.metadata?.uid ?? ''),
      ...podCache.byIndex('orphans', set.metadata?.namespace ?? ''),
    ];
    const claims = planClaims(set, selectorFromObject(set.spec?.selector), candidates);
    const claimed = await settleClaims({ client, ownerType: type, owner: object, type: pods, claims });
    const active = claimed.filter(isPodActive);
    let failure: Failure | undefined;
    if (set.metadata?.deletionTimestamp === undefined && expectations.satisfied(key)) {
      const related = relatedPods(set);
      const plan = planReplicas({ wanted: set.spec?.replicas ?? 1, active, related, now: clock.now() });
      failure = await act(key, set, plan);
    }
    await writeStatus(object, {
      active,
      terminating: claimed.filter((pod) => !isPodActive(pod) && !isPodFinished(pod)).length,
      failure,
    });
    const wait = nextAvailability(set, active, clock.now());
    if (wait !== undefined) queue.addAfter(key, wait);
    // The status says what failed; the throw makes the queue try again, ever more slowly.
    if (failure !== undefined) throw new Error(`${failure.reason}: ${failure.message}`);
  }

  function relatedPods(set: ReplicaSet): readonly Pod[] {
    const owner = getControllerOf(set);
    const siblings = owner?.uid === undefined ? [set] : sets.byIndex('controller', owner.uid);
    return siblings
      .flatMap((sibling) => podCache.byIndex('controller', sibling.metadata?.uid ?? ''))
      .filter(isPodActive);
  }

  async function act(key: string, set: ReplicaSet, plan: ReplicaPlan): Promise<Failure | undefined> {
    if (plan.create > 0) return createPods(key, set, plan.create);
    if (plan.remove.length > 0) return removePods(key, set, plan.remove);
    return undefined;
  }

  async function createPods(key: string, set: ReplicaSet, count: number): Promise<Failure | undefined> {
    const pod = podFor(type, set);
    expectations.expect(key, { creations: count });
    const { tried, errors } = await slowStart(count, async () => {
      try {
        const created = await client.create(pods, pod);
        events.event(set, 'Normal', 'SuccessfulCreate', `Created pod: ${created.metadata?.name ?? ''}`);
      } catch (error) {
        expectations.creationSeen(key);
        // A namespace that is being emptied takes nothing new: no event, nothing to try again.
        if (!isNamespaceTerminating(error)) {
          events.event(set, 'Warning', 'FailedCreate', `Error creating: ${errorMessage(error)}`);
        }
        throw error;
      }
    });
    if (tried < count) expectations.creationSeen(key, count - tried);
    const error = errors.find((failed) => !isNamespaceTerminating(failed));
    return error === undefined ? undefined : { reason: 'FailedCreate', message: errorMessage(error) };
  }

  async function removePods(
    key: string,
    set: ReplicaSet,
    victims: readonly Pod[],
  ): Promise<Failure | undefined> {
    expectations.expect(key, { deletions: victims.map(keyOf) });
    const failures = await Promise.all(
      victims.map(async (pod) => {
        try {
          const { uid } = pod.metadata ?? {};
          await client.delete(pods, refOf(pod), uid === undefined ? {} : { uid });
          events.event(set, 'Normal', 'SuccessfulDelete', `Deleted pod: ${pod.metadata?.name ?? ''}`);
          return undefined;
        } catch (error) {
          expectations.deletionSeen(key, keyOf(pod));
          if (isPlatformError(error, 'not-found', 'conflict')) return undefined;
          events.event(set, 'Warning', 'FailedDelete', `Error deleting: ${errorMessage(error)}`);
          return errorMessage(error);
        }
      }),
    );
    const message = failures.find((failure) => failure !== undefined);
    return message === undefined ? undefined : { reason: 'FailedDelete', message };
  }

  async function writeStatus(
    object: T,
    seen: {
      readonly active: readonly Pod[];
      readonly terminating: number;
      readonly failure: Failure | undefined;
    },
  ): Promise<void> {
    const set = toSet(object);
    const written = withStatus(object, planReplicaSetStatus({ set, ...seen, now: clock.now() }));
    if (canonical(toSet(written).status) === canonical(set.status)) return;
    await client.update(type, written, 'status');
  }

  return queueController({
    name,
    environment,
    workers: 4,
    sources: [
      subscribes(sets, (queue) => ({
        added: (set) => queue.add(keyOf(set)),
        updated: (set, previous) => {
          if (set.metadata?.uid !== previous.metadata?.uid) expectations.forget(keyOf(set));
          queue.add(keyOf(set));
        },
        deleted: (set) => {
          expectations.forget(keyOf(set));
          queue.add(keyOf(set));
        },
      })),
      subscribes(podCache, () => ({
        added: (pod) => {
          const [owner] = getControllerOf(pod) === undefined ? [] : ownersOf(pod);
          if (owner !== undefined) expectations.creationSeen(owner);
        },
        updated: (pod) => {
          if (pod.metadata?.deletionTimestamp === undefined) return;
          for (const owner of ownersOf(pod)) expectations.deletionSeen(owner, keyOf(pod));
        },
        deleted: (pod) => {
          for (const owner of ownersOf(pod)) expectations.deletionSeen(owner, keyOf(pod));
        },
      })),
      enqueues(podCache, ownersOf),
    ],
    reconcile,
  });
}

/** The pod that a set's template asks for; the server completes its name. */
export function podFor(type: ResourceType, set: ReplicaSet): Pod {
  const { metadata, spec } = set.spec?.template ?? {};
  return {
    metadata: {
      generateName: `${set.metadata?.name ?? ''}-`,
      namespace: set.metadata?.namespace,
      labels: metadata?.labels,
      annotations: metadata?.annotations,
      finalizers: metadata?.finalizers,
      ownerReferences: [newControllerRef(type, set)],
    },
    spec,
  };
}
