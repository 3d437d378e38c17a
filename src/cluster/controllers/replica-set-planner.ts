import type { ReplicaSet, ReplicaSetCondition, ReplicaSetStatus } from '../api/generated/apps-v1.ts';
import type { Pod } from '../api/generated/core-v1.ts';
import { rfc3339 } from '../../base/clock.ts';
import { isPodAvailable, isPodReady, readySince } from './pod-state.ts';

/** More than this many pods are not created or deleted in one go. */
export const BURST_REPLICAS = 500;

export interface ReplicaPlan {
  readonly create: number;
  readonly remove: readonly Pod[];
}

export interface ReplicaPlanInput {
  readonly wanted: number;
  /** The set's pods that are neither finished nor terminating. */
  readonly active: readonly Pod[];
  /** Pods of the set and of its siblings under the same owner: who shares a node with many of them goes first. */
  readonly related: readonly Pod[];
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** How many pods to create, or which to delete. */
export function planReplicas(input: ReplicaPlanInput): ReplicaPlan {
  const { wanted, active } = input;
  if (active.length <= wanted)
    return { create: Math.min(wanted - active.length, BURST_REPLICAS), remove: [] };
  const surplus = Math.min(active.length - wanted, BURST_REPLICAS);
  return { create: 0, remove: surplus === active.length ? active : rankForDeletion(input).slice(0, surplus) };
}

/**
 * Pods with the least to lose first: unscheduled, pending, not ready, cheap by their deletion cost, crowded on a node,
 * ready for a short time, often restarted, young. Ages are compared by their magnitude, so that of pods about as old
 * it is chance (their uid) and not the creation's order that decides.
 */
export function rankForDeletion(input: Pick<ReplicaPlanInput, 'active' | 'related' | 'now'>): readonly Pod[] {
  const perNode = new Map<string, number>();
  for (const pod of input.related) {
    const node = pod.spec?.nodeName ?? '';
    if (node !== '') perNode.set(node, (perNode.get(node) ?? 0) + 1);
  }
  const magnitude = (since: number): number => Math.floor(Math.log2(Math.max(1, (input.now - since) / 1000)));
  const rank = (pod: Pod): readonly (number | string)[] => {
    const ready = readySince(pod);
    return [
      (pod.spec?.nodeName ?? '') === '' ? 0 : 1,
      ['Pending', 'Unknown', 'Running'].indexOf(pod.status?.phase ?? 'Pending'),
      ready === undefined ? 0 : 1,
      deletionCost(pod),
      -(perNode.get(pod.spec?.nodeName ?? '') ?? 0),
      ready === undefined ? 0 : magnitude(ready),
      -Math.max(0, ...(pod.status?.containerStatuses ?? []).map((container) => container.restartCount ?? 0)),
      magnitude(createdAt(pod)),
      pod.metadata?.uid ?? '',
    ];
  };
  return input.active
    .map((pod) => ({ pod, key: rank(pod) }))
    .toSorted((a, b) => compareKeys(a.key, b.key))
    .map(({ pod }) => pod);
}

function compareKeys(a: readonly (number | string)[], b: readonly (number | string)[]): number {
  for (const [i, left] of a.entries()) {
    const right = b[i]!;
    if (left !== right) return left < right ? -1 : 1;
  }
  return 0;
}

/** The annotation a user ranks pods with; what is not a 32-bit integer counts as 0. */
function deletionCost(pod: Pod): number {
  const text = pod.metadata?.annotations?.['controller.kubernetes.io/pod-deletion-cost'] ?? '0';
  return /^(0|-?[1-9]\d{0,9})$/.test(text) ? Number(text) : 0;
}

function createdAt(pod: Pod): number {
  return Date.parse(pod.metadata?.creationTimestamp ?? '') || 0;
}

export interface ReplicaStatusInput {
  readonly set: ReplicaSet;
  readonly active: readonly Pod[];
  readonly terminating: number;
  /** Why pods could not be created or deleted just now. */
  readonly failure:
    | { readonly reason: 'FailedCreate' | 'FailedDelete'; readonly message: string }
    | undefined;
  readonly now: number;
}

/** The status that the pods seen amount to. */
export function planReplicaSetStatus(input: ReplicaStatusInput): ReplicaSetStatus {
  const { set, active, now } = input;
  const templateLabels = Object.entries(set.spec?.template?.metadata?.labels ?? {});
  const minReadySeconds = set.spec?.minReadySeconds ?? 0;
  const count = (test: (pod: Pod) => boolean): number => active.filter(test).length;
  const conditions = failureConditions(input);
  return {
    replicas: active.length,
    fullyLabeledReplicas: count((pod) =>
      templateLabels.every(([key, value]) => pod.metadata?.labels?.[key] === value),
    ),
    readyReplicas: count(isPodReady),
    availableReplicas: count((pod) => isPodAvailable(pod, minReadySeconds, now)),
    terminatingReplicas: input.terminating,
    observedGeneration: set.metadata?.generation,
    conditions: conditions.length === 0 ? undefined : conditions,
  };
}

function failureConditions({ set, failure, now }: ReplicaStatusInput): ReplicaSetCondition[] {
  const present = set.status?.conditions ?? [];
  const others = present.filter((condition) => condition.type !== 'ReplicaFailure');
  if (failure === undefined) return others;
  const known = present.find((condition) => condition.type === 'ReplicaFailure');
  if (known?.status === 'True' && known.reason === failure.reason) return [...others, known];
  const lastTransitionTime = rfc3339(now);
  return [...others, { type: 'ReplicaFailure', status: 'True', lastTransitionTime, ...failure }];
}

/** Milliseconds until the next ready pod becomes available; undefined when none is waiting. */
export function nextAvailability(set: ReplicaSet, active: readonly Pod[], now: number): number | undefined {
  const wait = (set.spec?.minReadySeconds ?? 0) * 1000;
  const left = active
    .map((pod) => readySince(pod))
    .filter((since) => since !== undefined)
    .map((since) => since + wait - now)
    .filter((ms) => ms > 0);
  return left.length === 0 ? undefined : Math.min(...left);
}
