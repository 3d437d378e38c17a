/**
 * What a deployment does next, from its state alone. Each function plans one step; the sets that it returns get the
 * size beside them.
 */
import type { Deployment, ReplicaSet } from '../api/generated/apps-v1.ts';
import { scaledValue } from '../api/int-or-string.ts';
import { byRevision, countAnnotation, DESIRED_REPLICAS, MAX_REPLICAS } from './deployment-annotations.ts';
import { sameTemplate } from './template-hash.ts';

export interface Resize {
  readonly set: ReplicaSet;
  readonly replicas: number;
}

export interface Limits {
  readonly replicas: number;
  readonly maxSurge: number;
  readonly maxUnavailable: number;
}

/** Surge is rounded up and unavailability down; when both come to nothing one pod may be unavailable, or nothing would move. */
export function limitsOf(deployment: Deployment): Limits {
  const replicas = deployment.spec?.replicas ?? 1;
  const strategy = deployment.spec?.strategy;
  if (strategy?.type === 'Recreate') return { replicas, maxSurge: 0, maxUnavailable: 0 };
  const rolling = strategy?.rollingUpdate;
  const maxSurge = scaledValue(rolling?.maxSurge ?? '25%', replicas, { roundUp: true });
  const unavailable = scaledValue(rolling?.maxUnavailable ?? '25%', replicas, { roundUp: false });
  const maxUnavailable = Math.min(maxSurge === 0 && unavailable === 0 ? 1 : unavailable, replicas);
  return { replicas, maxSurge, maxUnavailable };
}

export function sizeOf(set: ReplicaSet): number {
  return set.spec?.replicas ?? 1;
}

/** Pods that the set has or will have: after a scale-down its surplus lives until the set's controller has acted. */
function occupied(set: ReplicaSet): number {
  return Math.max(sizeOf(set), set.status?.replicas ?? 0);
}

/** Available pods that the set will keep. Its status may still count those that it was just told to remove. */
function keptAvailable(set: ReplicaSet): number {
  return Math.min(sizeOf(set), set.status?.availableReplicas ?? 0);
}

export function total(sets: readonly ReplicaSet[], count: (set: ReplicaSet) => number): number {
  return sets.reduce((sum, set) => sum + count(set), 0);
}

/** The set that has the deployment's present template: the oldest, should there be several. */
export function findNewSet(deployment: Deployment, sets: readonly ReplicaSet[]): ReplicaSet | undefined {
  const template = deployment.spec?.template ?? {};
  return sets.toSorted(byAge).find((set) => sameTemplate(set.spec?.template ?? {}, template));
}

export function byAge(a: ReplicaSet, b: ReplicaSet): number {
  const left = a.metadata?.creationTimestamp ?? '';
  const right = b.metadata?.creationTimestamp ?? '';
  if (left !== right) return left < right ? -1 : 1;
  return (a.metadata?.name ?? '') < (b.metadata?.name ?? '') ? -1 : 1;
}

/** The size a new set starts or goes on with: as much as the surge allows. */
export function newSetSize(
  deployment: Deployment,
  newSet: ReplicaSet | undefined,
  oldSets: readonly ReplicaSet[],
): number {
  const { replicas, maxSurge } = limitsOf(deployment);
  const size = newSet === undefined ? 0 : sizeOf(newSet);
  if (size >= replicas) return replicas;
  if (deployment.spec?.strategy?.type === 'Recreate') return replicas;
  const room = replicas + maxSurge - total(oldSets, occupied) - (newSet === undefined ? 0 : occupied(newSet));
  return room <= 0 ? size : Math.min(replicas, size + room);
}

/** One step of a rolling update: first grow the new set, else shrink old ones as far as availability allows. */
export function planRolling(
  deployment: Deployment,
  newSet: ReplicaSet,
  oldSets: readonly ReplicaSet[],
): readonly Resize[] {
  const wanted = newSetSize(deployment, newSet, oldSets);
  if (wanted !== sizeOf(newSet)) return [{ set: newSet, replicas: wanted }];
  return planShrink(deployment, newSet, oldSets);
}

function planShrink(
  deployment: Deployment,
  newSet: ReplicaSet,
  oldSets: readonly ReplicaSet[],
): readonly Resize[] {
  const { replicas, maxUnavailable } = limitsOf(deployment);
  const minAvailable = replicas - maxUnavailable;
  const newUnavailable = sizeOf(newSet) - keptAvailable(newSet);
  let removable = total([...oldSets, newSet], sizeOf) - minAvailable - newUnavailable;
  if (removable <= 0) return [];
  const sizes = new Map(oldSets.map((set) => [set, sizeOf(set)]));
  const oldest = oldSets.toSorted(byAge);
  // Pods that do not serve go first: they cost nothing, and they may be why the old version is being left.
  for (const set of oldest) {
    const unhealthy = Math.min(removable, sizeOf(set) - keptAvailable(set));
    sizes.set(set, sizeOf(set) - unhealthy);
    removable -= unhealthy;
  }
  let spare = Math.min(removable, total([...oldSets, newSet], keptAvailable) - minAvailable);
  for (const set of oldest) {
    if (spare <= 0) break;
    const size = sizes.get(set)!;
    const cut = Math.min(size, spare);
    sizes.set(set, size - cut);
    spare -= cut;
  }
  return oldest
    .filter((set) => sizes.get(set) !== sizeOf(set))
    .map((set) => ({ set, replicas: sizes.get(set)! }));
}

/** Recreate: everything old goes first; the new set grows once `oldPods` (terminating ones counted) is nought. */
export function planRecreate(
  deployment: Deployment,
  newSet: ReplicaSet | undefined,
  old: { readonly sets: readonly ReplicaSet[]; readonly pods: number },
): readonly Resize[] {
  const shrink = old.sets.filter((set) => sizeOf(set) > 0).map((set) => ({ set, replicas: 0 }));
  if (shrink.length > 0 || old.pods > 0 || newSet === undefined) return shrink;
  const { replicas } = limitsOf(deployment);
  return sizeOf(newSet) === replicas ? [] : [{ set: newSet, replicas }];
}

/** True when the deployment's own size was changed since its sets were last sized. */
export function isScaling(deployment: Deployment, sets: readonly ReplicaSet[]): boolean {
  const { replicas } = limitsOf(deployment);
  return sets.some((set) => {
    const desired = countAnnotation(set, DESIRED_REPLICAS);
    return sizeOf(set) > 0 && desired !== undefined && desired !== replicas;
  });
}

/** A changed size, shared out among the sets in proportion to what they have, so that a rollout in flight keeps its risk. */
export function planScaling(
  deployment: Deployment,
  newSet: ReplicaSet | undefined,
  oldSets: readonly ReplicaSet[],
): readonly Resize[] {
  const { replicas, maxSurge } = limitsOf(deployment);
  const sets = newSet === undefined ? oldSets : [...oldSets, newSet];
  const active = sets.filter((set) => sizeOf(set) > 0);
  if (active.length <= 1) {
    const only = active[0] ?? newSet ?? oldSets.toSorted((a, b) => byRevision(b, a))[0];
    // The same size still goes out when the set's record of the desired size is old.
    return only === undefined ? [] : [{ set: only, replicas }];
  }
  if (newSet !== undefined && isSaturated(deployment, newSet)) {
    return oldSets.filter((set) => sizeOf(set) > 0).map((set) => ({ set, replicas: 0 }));
  }
  if (deployment.spec?.strategy?.type === 'Recreate') return [];
  const allowed = replicas > 0 ? replicas + maxSurge : 0;
  return shareOut(deployment, active, allowed - total(active, sizeOf));
}

function isSaturated(deployment: Deployment, set: ReplicaSet): boolean {
  const { replicas } = limitsOf(deployment);
  return (
    sizeOf(set) === replicas &&
    countAnnotation(set, DESIRED_REPLICAS) === replicas &&
    set.status?.availableReplicas === replicas
  );
}

function shareOut(deployment: Deployment, active: readonly ReplicaSet[], add: number): readonly Resize[] {
  const { replicas, maxSurge } = limitsOf(deployment);
  // The largest takes the rounding; among equals the newest grows first and the oldest shrinks first.
  const ordered = active.toSorted((a, b) => sizeOf(b) - sizeOf(a) || (add > 0 ? byAge(b, a) : byAge(a, b)));
  let left = add;
  const sizes = ordered.map((set) => {
    const before = countAnnotation(set, MAX_REPLICAS) ?? deployment.status?.replicas ?? 0;
    const share =
      replicas === 0
        ? -sizeOf(set)
        : Math.round((sizeOf(set) * (replicas + maxSurge)) / Math.max(1, before)) - sizeOf(set);
    const change = add > 0 ? Math.max(0, Math.min(share, left)) : Math.min(0, Math.max(share, left));
    left -= change;
    return sizeOf(set) + change;
  });
  return ordered.map((set, i) => ({ set, replicas: Math.max(0, sizes[i]! + (i === 0 ? left : 0)) }));
}

/** Old sets beyond the history limit that hold nothing and are not in use, oldest first. */
export function planCleanup(deployment: Deployment, oldSets: readonly ReplicaSet[]): readonly ReplicaSet[] {
  const limit = deployment.spec?.revisionHistoryLimit ?? 10;
  const surplus = oldSets.length - limit;
  if (surplus <= 0) return [];
  return oldSets
    .toSorted((a, b) => byRevision(a, b) || byAge(a, b))
    .slice(0, surplus)
    .filter(
      (set) =>
        sizeOf(set) === 0 &&
        (set.status?.replicas ?? 0) === 0 &&
        (set.status?.observedGeneration ?? 0) >= (set.metadata?.generation ?? 0) &&
        set.metadata?.deletionTimestamp === undefined,
    );
}
