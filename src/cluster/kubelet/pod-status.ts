/** The status of a pod as the API shows it, from what runs. Pure; status-writer.ts sends it. */
import { rfc3339 } from '../../base/clock.ts';
import type { ContainerStatus, Pod, PodCondition, PodStatus } from '../api/generated/core-v1.ts';
import { containerStatus, type StatusKnowledge } from './container-status.ts';
import { currentSandbox, type ObservedPod } from './observed.ts';
import type { ResizeCondition, ResizeConditions } from './pod-resize.ts';
import {
  containersOf,
  ephemeralContainersOf,
  initContainersOf,
  isSidecar,
  isTerminalPhase,
  restartPolicyOf,
} from './pod-terms.ts';
import { qosClass } from './resources.ts';

export interface StatusContext {
  readonly observed: ObservedPod;
  readonly knowledge: StatusKnowledge;
  readonly hostIp: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** True while the pod is being taken down: never ready then, and what has ended is over. */
  readonly terminating: boolean;
  /** A container is down that will be started again, however it ended. */
  readonly restarting?: boolean;
  readonly resize?: ResizeConditions;
  readonly nodeMemoryBytes: number;
}

export function podStatus(pod: Pod, context: StatusContext): PodStatus {
  const { observed, now, terminating } = context;
  const init = initContainersOf(pod).map((container) => containerStatus(pod, container, context));
  const regular = containersOf(pod).map((container) => containerStatus(pod, container, context));
  // Nobody waits for them, so they are never ready (KEP-277).
  const visitors = ephemeralContainersOf(pod).map((container) => ({
    ...containerStatus(pod, container, context),
    ready: false,
    started: false,
  }));
  const previous = pod.status ?? {};
  const phase = isTerminalPhase(previous.phase)
    ? previous.phase!
    : podPhase(pod, { init, regular, terminating, restarting: context.restarting === true });
  const sandbox = observed.sandboxes[0];
  const hostNetwork = pod.spec?.hostNetwork === true;
  const ips = hostNetwork && sandbox !== undefined ? [context.hostIp] : (sandbox?.ips ?? []);
  const podIps = ips.length > 0 ? ips : (previous.podIPs ?? []).map(({ ip = '' }) => ip);
  return {
    ...(pod.metadata?.generation === undefined ? {} : { observedGeneration: pod.metadata.generation }),
    phase,
    conditions: conditions(pod, { ...context, init, regular, phase }),
    ...(previous.reason === undefined ? {} : { reason: previous.reason }),
    ...(previous.message === undefined ? {} : { message: previous.message }),
    hostIP: context.hostIp,
    hostIPs: [{ ip: context.hostIp }],
    ...(podIps.length === 0 ? {} : { podIP: podIps[0]!, podIPs: podIps.map((ip) => ({ ip })) }),
    startTime: previous.startTime ?? rfc3339(now),
    ...(init.length === 0 ? {} : { initContainerStatuses: init }),
    containerStatuses: regular,
    ...(visitors.length === 0 ? {} : { ephemeralContainerStatuses: visitors }),
    qosClass: previous.qosClass ?? qosClass(pod),
  };
}

interface Statuses {
  readonly init: readonly ContainerStatus[];
  readonly regular: readonly ContainerStatus[];
}

/** Pending, Running, Succeeded or Failed (Kubernetes documentation, "Pod lifecycle"). */
export function podPhase(
  pod: Pod,
  given: Statuses & { readonly terminating: boolean; readonly restarting?: boolean },
): string {
  const policy = restartPolicyOf(pod);
  const exited = (status: ContainerStatus): boolean =>
    status.state?.terminated !== undefined ||
    // Between two runs: waiting, but not for the first time.
    (status.state?.waiting !== undefined && status.lastState?.terminated !== undefined);
  const exitCode = (status: ContainerStatus): number =>
    (status.state?.terminated ?? status.lastState?.terminated)?.exitCode ?? 0;
  const init = initProgress(pod, given.init);
  if (init === 'failed' && (policy === 'Never' || given.terminating)) return 'Failed';
  const { regular } = given;
  const running = regular.filter(({ state }) => state?.running !== undefined);
  const stopped = regular.filter(exited);
  const waiting = regular.length - running.length - stopped.length;
  if (given.terminating && running.length === 0) {
    // What never ran ended without success.
    return waiting === 0 && stopped.every((status) => exitCode(status) === 0) ? 'Succeeded' : 'Failed';
  }
  if (init !== 'done' || waiting > 0) return 'Pending';
  if (running.length > 0 || policy === 'Always' || given.restarting === true) return 'Running';
  if (stopped.every((status) => exitCode(status) === 0)) return 'Succeeded';
  return policy === 'Never' ? 'Failed' : 'Running';
}

function initProgress(pod: Pod, statuses: readonly ContainerStatus[]): 'done' | 'pending' | 'failed' {
  for (const [index, container] of initContainersOf(pod).entries()) {
    const status = statuses[index];
    if (isSidecar(container)) {
      const hasRun = status?.started === true || status?.state?.terminated !== undefined;
      if (!hasRun && status?.lastState?.terminated === undefined) return 'pending';
      continue;
    }
    const ended = status?.state?.terminated;
    if (ended !== undefined && ended.exitCode !== 0) return 'failed';
    if (ended === undefined) return 'pending';
  }
  return 'done';
}

interface ConditionContext extends StatusContext, Statuses {
  readonly phase: string;
}

function conditions(pod: Pod, context: ConditionContext): PodCondition[] {
  const { now } = context;
  const sandbox = currentSandbox(context.observed);
  const networked = sandbox !== undefined && (pod.spec?.hostNetwork === true || sandbox.ips.length > 0);
  const containers = containersReady(pod, context);
  const ready = containers.status === 'True' ? gatesReady(pod) : containers;
  const wanted: Judgement[] = [
    { type: 'PodReadyToStartContainers', status: networked ? 'True' : 'False' },
    initialized(pod, context),
    { ...ready, type: 'Ready' },
    { ...containers, type: 'ContainersReady' },
    { type: 'PodScheduled', status: 'True' },
  ];
  const before = pod.status?.conditions ?? [];
  // Only these: readiness gates and the like are others' conditions and stay as they are.
  return [
    ...wanted.map((judgement) => stamped(judgement, before, { now, pod })),
    ...resizeConditions(context.resize ?? {}, (judgement) => stamped(judgement, before, { now, pod })),
  ];
}

/** Of the generation that they are about, which is not always the newest. */
function resizeConditions(
  { pending, inProgress }: ResizeConditions,
  stamp: (judgement: Judgement) => PodCondition,
): PodCondition[] {
  const shown = (type: string, condition: ResizeCondition | undefined): PodCondition[] => {
    if (condition === undefined) return [];
    const { reason, message, generation } = condition;
    const words = { ...(reason !== '' && { reason }), ...(message !== '' && { message }) };
    return [{ ...stamp({ type, status: 'True', ...words }), observedGeneration: generation }];
  };
  return [...shown('PodResizePending', pending), ...shown('PodResizeInProgress', inProgress)];
}

interface Judgement {
  readonly type: string;
  readonly status: 'True' | 'False';
  readonly reason?: string;
  readonly message?: string;
}

function stamped(
  judgement: Judgement,
  before: readonly PodCondition[],
  at: { readonly now: number; readonly pod: Pod },
): PodCondition {
  const previous = before.find(({ type }) => type === judgement.type);
  const same = previous?.status === judgement.status && previous.lastTransitionTime !== undefined;
  const generation = at.pod.metadata?.generation;
  return {
    ...judgement,
    lastTransitionTime: same ? previous.lastTransitionTime! : rfc3339(at.now),
    ...(generation === undefined ? {} : { observedGeneration: generation }),
  };
}

function initialized(pod: Pod, context: ConditionContext): Judgement {
  const type = 'Initialized';
  if (context.phase === 'Succeeded') return { type, status: 'True', reason: 'PodCompleted' };
  const begun = context.regular.some(
    ({ state, lastState }) => state?.running ?? state?.terminated ?? lastState?.terminated,
  );
  if (begun || initProgress(pod, context.init) === 'done') return { type, status: 'True' };
  const incomplete = initContainersOf(pod)
    .filter((_, index) => context.init[index]?.ready !== true)
    .map(({ name = '' }) => name);
  return {
    type,
    status: 'False',
    reason: 'ContainersNotInitialized',
    message: `containers with incomplete status: [${incomplete.join(' ')}]`,
  };
}

function containersReady(pod: Pod, context: ConditionContext): Judgement {
  const type = 'ContainersReady';
  if (context.phase === 'Succeeded') return { type, status: 'False', reason: 'PodCompleted' };
  if (context.phase === 'Failed') return { type, status: 'False', reason: 'PodFailed' };
  const sidecars = context.init.filter((_, index) => isSidecar(initContainersOf(pod)[index]!));
  const unready = [...sidecars, ...context.regular]
    .filter(({ ready }) => ready !== true)
    .map(({ name }) => name);
  if (unready.length > 0 || context.terminating) {
    return {
      type,
      status: 'False',
      reason: 'ContainersNotReady',
      message:
        unready.length > 0
          ? `containers with unready status: [${unready.join(' ')}]`
          : 'pod is being terminated',
    };
  }
  return { type, status: 'True' };
}

/** KEP-580: the pod is ready only when the conditions that it names are true too. */
function gatesReady(pod: Pod): Judgement {
  const type = 'Ready';
  const failed = (pod.spec?.readinessGates ?? []).filter(
    ({ conditionType }) =>
      !(pod.status?.conditions ?? []).some((one) => one.type === conditionType && one.status === 'True'),
  );
  if (failed.length === 0) return { type, status: 'True' };
  const names = failed.map(
    ({ conditionType = '' }) =>
      `corresponding condition of pod readiness gate "${conditionType}" does not exist or is not "True".`,
  );
  return { type, status: 'False', reason: 'ReadinessGatesNotReady', message: names.join(', ') };
}
