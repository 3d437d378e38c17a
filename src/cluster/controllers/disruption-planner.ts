import { rfc3339 } from '../../base/clock.ts';
import type { Pod } from '../api/generated/core-v1.ts';
import type { Condition } from '../api/generated/meta-v1.ts';
import type { PodDisruptionBudget, PodDisruptionBudgetStatus } from '../api/generated/policy-v1.ts';
import { scaledValue } from '../api/int-or-string.ts';
import { isPodFinished, isPodReady, podCondition } from './pod-state.ts';

/** A pod whose eviction was granted counts as gone for this long; if it lives on, it counts again. */
const DELETION_TIMEOUT_MS = 2 * 60_000;
/** A pod that says it is about to be disrupted and is not gone after this takes it back. */
const STALE_MARK_MS = 2 * 60_000;

const ALLOWED = 'DisruptionAllowed';

/** Pods that the budget expects, and how many of them have to be healthy. */
export interface Demand {
  readonly expectedPods: number;
  readonly desiredHealthy: number;
}

/** Whether the demand depends on how many pods the owners want, not on how many there are. */
export function needsScale({ spec }: PodDisruptionBudget): boolean {
  return spec?.maxUnavailable !== undefined || typeof spec?.minAvailable === 'string';
}

/** `total`: the pods there are, or with `needsScale` the pods that their owners want. */
export function demandOf({ spec }: PodDisruptionBudget, total: number): Demand {
  const { maxUnavailable, minAvailable } = spec ?? {};
  if (maxUnavailable !== undefined) {
    const away = scaledValue(maxUnavailable, total, { roundUp: true });
    return { expectedPods: total, desiredHealthy: Math.max(total - away, 0) };
  }
  if (minAvailable === undefined) return { expectedPods: 0, desiredHealthy: 0 };
  return { expectedPods: total, desiredHealthy: scaledValue(minAvailable, total, { roundUp: true }) };
}

export interface DisruptionPlan {
  readonly status: PodDisruptionBudgetStatus;
  /** Should have gone by now and has not. */
  readonly notDeleted: readonly Pod[];
  /** Milliseconds until a pod that was granted to go counts again. */
  readonly recheckAfter: number | undefined;
}

/** `now` in milliseconds since the epoch. */
export function planDisruption(
  budget: PodDisruptionBudget,
  pods: readonly Pod[],
  { demand, now }: { readonly demand: Demand; readonly now: number },
): DisruptionPlan {
  const granted = budget.status?.disruptedPods ?? {};
  const disruptedPods: Record<string, string> = {};
  const notDeleted: Pod[] = [];
  let recheckAfter: number | undefined;
  let currentHealthy = 0;
  for (const pod of pods) {
    if (pod.metadata?.deletionTimestamp !== undefined) continue;
    const name = pod.metadata?.name ?? '';
    const since = Object.hasOwn(granted, name) ? granted[name] : undefined;
    const left = since === undefined ? undefined : Date.parse(since) + DELETION_TIMEOUT_MS - now;
    if (left !== undefined && left < 0) notDeleted.push(pod);
    else if (since !== undefined && left !== undefined) {
      disruptedPods[name] = since;
      recheckAfter = Math.min(recheckAfter ?? left, left);
    }
    if ((left === undefined || left <= 0) && isPodReady(pod)) currentHealthy++;
  }
  const { expectedPods, desiredHealthy } = demand;
  // Without a pod nothing is allowed: the first ones may come before this is worked out again.
  const disruptionsAllowed = expectedPods > 0 ? Math.max(currentHealthy - desiredHealthy, 0) : 0;
  const { generation } = budget.metadata ?? {};
  const observedGeneration = generation === undefined ? {} : { observedGeneration: generation };
  const condition: Condition =
    disruptionsAllowed > 0
      ? { status: 'True', reason: 'SufficientPods', message: '', ...observedGeneration }
      : { status: 'False', reason: 'InsufficientPods', message: '', ...observedGeneration };
  return {
    status: {
      ...(Object.keys(disruptedPods).length > 0 && { disruptedPods }),
      ...observedGeneration,
      disruptionsAllowed,
      currentHealthy,
      desiredHealthy,
      expectedPods,
      conditions: withCondition(budget, condition, now),
    },
    notDeleted,
    recheckAfter,
  };
}

/** When the demand cannot be told: nothing may go. */
export function failedStatus(
  budget: PodDisruptionBudget,
  message: string,
  now: number,
): PodDisruptionBudgetStatus {
  const { observedGeneration } = budget.status ?? {};
  const condition: Condition = {
    status: 'False',
    reason: 'SyncFailed',
    message,
    ...(observedGeneration !== undefined && { observedGeneration }),
  };
  return {
    ...budget.status,
    disruptionsAllowed: 0,
    conditions: withCondition(budget, condition, now),
  };
}

function withCondition({ status }: PodDisruptionBudget, condition: Condition, now: number): Condition[] {
  const all = status?.conditions ?? [];
  const before = all.find(({ type }) => type === ALLOWED);
  const lastTransitionTime =
    before?.status === condition.status ? (before?.lastTransitionTime ?? rfc3339(now)) : rfc3339(now);
  return [...all.filter(({ type }) => type !== ALLOWED), { type: ALLOWED, ...condition, lastTransitionTime }];
}

/** Milliseconds until a pod's mark as a target of disruption is stale; undefined when it has none that can be. */
export function staleMarkAfter(pod: Pod, now: number): number | undefined {
  if (pod.metadata?.deletionTimestamp !== undefined || isPodFinished(pod)) return undefined;
  const mark = podCondition(pod, 'DisruptionTarget');
  // A node may take its time.
  if (mark?.status !== 'True' || mark.reason === 'TerminationByKubelet') return undefined;
  const since = Date.parse(mark.lastTransitionTime ?? '');
  return Number.isNaN(since) ? 0 : Math.max(since + STALE_MARK_MS - now, 0);
}
