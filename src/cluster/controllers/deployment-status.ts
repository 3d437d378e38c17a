import { rfc3339 } from '../../base/clock.ts';
import type {
  Deployment,
  DeploymentCondition,
  DeploymentStatus,
  ReplicaSet,
} from '../api/generated/apps-v1.ts';
import { limitsOf, sizeOf, total } from './deployment-planner.ts';

export interface DeploymentStatusInput {
  readonly deployment: Deployment;
  readonly newSet: ReplicaSet | undefined;
  readonly oldSets: readonly ReplicaSet[];
  readonly collisionCount: number | undefined;
  /** What this pass did, when it made or first met the new set. */
  readonly news?: { readonly reason: 'NewReplicaSetCreated' | 'FoundNewReplicaSet'; readonly name: string };
  /** The server's refusal of the new set, if any. */
  readonly createFailure?: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

type Conditions = readonly DeploymentCondition[];

/** The deployment's status as kubectl's `rollout status` reads it. */
export function planDeploymentStatus(input: DeploymentStatusInput): DeploymentStatus {
  const { deployment, newSet, oldSets } = input;
  const sets = newSet === undefined ? oldSets : [...oldSets, newSet];
  const available = total(sets, (set) => set.status?.availableReplicas ?? 0);
  const counts = {
    observedGeneration: deployment.metadata?.generation,
    replicas: total(sets, (set) => set.status?.replicas ?? 0),
    updatedReplicas: newSet?.status?.replicas ?? 0,
    readyReplicas: total(sets, (set) => set.status?.readyReplicas ?? 0),
    availableReplicas: available,
    unavailableReplicas: Math.max(0, total(sets, sizeOf) - available),
    terminatingReplicas: total(sets, (set) => set.status?.terminatingReplicas ?? 0),
    collisionCount: input.collisionCount,
  };
  let conditions: Conditions = deployment.status?.conditions ?? [];
  conditions = withAvailability(conditions, input, available);
  conditions = withProgress(conditions, input, counts);
  conditions = withReplicaFailure(conditions, input, sets);
  return { ...counts, conditions: conditions.length === 0 ? undefined : [...conditions] };
}

/** Milliseconds until the progress deadline runs out; undefined when none runs. */
export function untilDeadline(
  deployment: Deployment,
  status: DeploymentStatus,
  now: number,
): number | undefined {
  const seconds = deadlineOf(deployment);
  const progress = status.conditions?.find((condition) => condition.type === 'Progressing');
  if (seconds === undefined || progress === undefined || deployment.spec?.paused === true) return undefined;
  if (progress.reason === 'NewReplicaSetAvailable' || progress.reason === 'ProgressDeadlineExceeded')
    return undefined;
  // One second over, because the condition's time has whole seconds.
  return Math.max(0, (Date.parse(progress.lastUpdateTime ?? '') || 0) + seconds * 1000 + 1000 - now);
}

/** Undefined when progress is not judged; the largest int32 means never, too. */
function deadlineOf(deployment: Deployment): number | undefined {
  const seconds = deployment.spec?.progressDeadlineSeconds;
  return seconds === undefined || seconds >= 2 ** 31 - 1 ? undefined : seconds;
}

function withAvailability(
  conditions: Conditions,
  input: DeploymentStatusInput,
  available: number,
): Conditions {
  const { replicas, maxUnavailable } = limitsOf(input.deployment);
  return available >= replicas - maxUnavailable
    ? set(conditions, input.now, {
        type: 'Available',
        status: 'True',
        reason: 'MinimumReplicasAvailable',
        message: 'Deployment has minimum availability.',
      })
    : set(conditions, input.now, {
        type: 'Available',
        status: 'False',
        reason: 'MinimumReplicasUnavailable',
        message: 'Deployment does not have minimum availability.',
      });
}

function withProgress(
  conditions: Conditions,
  input: DeploymentStatusInput,
  counts: DeploymentStatus,
): Conditions {
  const { deployment, newSet, now } = input;
  const deadline = deadlineOf(deployment);
  if (deadline === undefined) return conditions.filter((condition) => condition.type !== 'Progressing');
  const current = conditions.find((condition) => condition.type === 'Progressing');
  const paused = deployment.spec?.paused === true;
  const late = current?.reason === 'ProgressDeadlineExceeded';
  if (paused || current?.reason === 'DeploymentPaused') {
    if (late) return conditions;
    const [reason, message] = paused
      ? ['DeploymentPaused', 'Deployment is paused']
      : ['DeploymentResumed', 'Deployment is resumed'];
    return set(conditions, now, { type: 'Progressing', status: 'Unknown', reason, message });
  }
  const progressing = { type: 'Progressing', status: 'True' };
  if (input.createFailure !== undefined) {
    const reason = 'ReplicaSetCreateError';
    return set(conditions, now, { ...progressing, status: 'False', reason, message: input.createFailure });
  }
  if (input.news !== undefined) {
    const { reason, name } = input.news;
    const verb = reason === 'NewReplicaSetCreated' ? 'Created' : 'Found';
    return set(conditions, now, { ...progressing, reason, message: `${verb} new replica set "${name}"` });
  }
  const subject =
    newSet === undefined
      ? `Deployment "${deployment.metadata?.name ?? ''}"`
      : `ReplicaSet "${newSet.metadata?.name ?? ''}"`;
  // A rollout that is over stays so: pods that come and go later are not progress.
  if (counts.replicas === counts.updatedReplicas && current?.reason === 'NewReplicaSetAvailable')
    return conditions;
  if (isComplete(deployment, counts)) {
    const message = `${subject} has successfully progressed.`;
    return set(conditions, now, { ...progressing, reason: 'NewReplicaSetAvailable', message });
  }
  if (hasProgressed(deployment, counts) || current === undefined) {
    const message = `${subject} is progressing.`;
    const others = conditions.filter((condition) => condition.type !== 'Progressing');
    const time = rfc3339(now);
    const lastTransitionTime = current?.status === 'True' ? current.lastTransitionTime : time;
    return [
      ...others,
      { ...progressing, lastUpdateTime: time, lastTransitionTime, reason: 'ReplicaSetUpdated', message },
    ];
  }
  const since = Date.parse(current.lastUpdateTime ?? '') || 0;
  if (late || current.reason === 'NewReplicaSetAvailable' || now <= since + deadline * 1000)
    return conditions;
  const message = `${subject} has timed out progressing.`;
  return set(conditions, now, {
    ...progressing,
    status: 'False',
    reason: 'ProgressDeadlineExceeded',
    message,
  });
}

export function isComplete(deployment: Deployment, counts: DeploymentStatus): boolean {
  const { replicas } = limitsOf(deployment);
  return (
    counts.updatedReplicas === replicas &&
    counts.replicas === replicas &&
    counts.availableReplicas === replicas
  );
}

function hasProgressed(deployment: Deployment, counts: DeploymentStatus): boolean {
  const old = deployment.status ?? {};
  const outdated = (status: DeploymentStatus): number =>
    (status.replicas ?? 0) - (status.updatedReplicas ?? 0);
  return (
    (counts.updatedReplicas ?? 0) > (old.updatedReplicas ?? 0) ||
    outdated(counts) < outdated(old) ||
    (counts.readyReplicas ?? 0) > (old.readyReplicas ?? 0) ||
    (counts.availableReplicas ?? 0) > (old.availableReplicas ?? 0)
  );
}

function withReplicaFailure(
  conditions: Conditions,
  input: DeploymentStatusInput,
  sets: readonly ReplicaSet[],
): Conditions {
  const newest = [...(input.newSet === undefined ? [] : [input.newSet]), ...sets];
  const failure = newest
    .flatMap((each) => each.status?.conditions ?? [])
    .find((condition) => condition.type === 'ReplicaFailure' && condition.status === 'True');
  if (failure === undefined) return conditions.filter((condition) => condition.type !== 'ReplicaFailure');
  const { reason, message } = failure;
  return set(conditions, input.now, { type: 'ReplicaFailure', status: 'True', reason, message });
}

/** Replaces a condition unless status and reason are as before; the transition's time moves only with the status. */
function set(conditions: Conditions, now: number, condition: DeploymentCondition): Conditions {
  const current = conditions.find((other) => other.type === condition.type);
  if (current?.status === condition.status && current?.reason === condition.reason) return conditions;
  const time = rfc3339(now);
  const lastTransitionTime = current?.status === condition.status ? current?.lastTransitionTime : time;
  return [
    ...conditions.filter((other) => other.type !== condition.type),
    { ...condition, lastUpdateTime: time, lastTransitionTime },
  ];
}
