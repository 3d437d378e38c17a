import { rfc3339 } from '../../base/clock.ts';
import type { Container, ContainerState, ContainerStatus, Pod } from '../api/generated/core-v1.ts';
import { newest, type ObservedContainer, type ObservedPod } from './observed.ts';
import { initContainersOf, isSidecar, restartPolicyOf } from './pod-terms.ts';
import { resourcesStatus } from './resize-status.ts';

/** Why a container waits: an image that does not come, a configuration that is wrong, a back-off. */
export interface Waiting {
  readonly reason: string;
  readonly message: string;
}

/** What the kubelet knows of a container besides the runtime's word. */
export interface StatusKnowledge {
  waiting(container: string): Waiting | undefined;
  /** Startup probe passed (or none is asked for). Of a running container, by id. */
  started(id: string): boolean;
  /** Readiness probe passes (or none is asked for). */
  ready(id: string): boolean;
  /** What the container left in its termination message file. */
  terminationMessage(id: string): string | undefined;
}

const ID_SCHEME = 'sampan://';

export function containerStatus(
  pod: Pod,
  container: Container,
  context: {
    readonly observed: ObservedPod;
    readonly knowledge: StatusKnowledge;
    readonly nodeMemoryBytes: number;
  },
): ContainerStatus {
  const { observed, nodeMemoryBytes } = context;
  const name = container.name ?? '';
  const current = newest(observed, name);
  const before = statusBefore(pod, name);
  return {
    ...lifeStatus(pod, container, context),
    ...resourcesStatus(pod, container, { current, before, nodeMemoryBytes }),
  };
}

function lifeStatus(
  pod: Pod,
  container: Container,
  context: { readonly observed: ObservedPod; readonly knowledge: StatusKnowledge },
): ContainerStatus {
  const { observed, knowledge } = context;
  const name = container.name ?? '';
  const [current, before] = observed.containers.filter((one) => one.name === name);
  const waiting = knowledge.waiting(name);
  const isInit = initContainersOf(pod).some((one) => one.name === name);
  const idle = waiting ?? defaultWaiting(pod, isInit);
  if (current === undefined) return absentStatus(pod, container, { waiting: idle, isInit });
  // A container that was made but could not be started says so through `waiting`, unless its exit says more.
  const holds = current.state === 'created' || (waiting !== undefined && current.state !== 'running');
  const state: ContainerState = holds ? { waiting: withoutEmpty(idle) } : stateOf(current, knowledge);
  const last = holds && current.state !== 'created' ? current : before;
  const running = current.state === 'running' && !holds;
  const started = running && knowledge.started(current.id);
  const finishedInit =
    isInit && !isSidecar(container) && current.state === 'exited' && current.exitCode === 0;
  return {
    name,
    image: current.image === '' ? (container.image ?? '') : current.image,
    imageID: current.imageId,
    containerID: ID_SCHEME + current.id,
    restartCount: current.restartCount,
    state,
    lastState: last === undefined ? {} : stateOf(last, knowledge),
    started,
    ready: finishedInit || (started && (!isInit || isSidecar(container)) && knowledge.ready(current.id)),
  };
}

function defaultWaiting(pod: Pod, isInit: boolean): Waiting {
  // Also for the init containers themselves, as upstream says it.
  const initializing = isInit || initContainersOf(pod).length > 0;
  return { reason: initializing ? 'PodInitializing' : 'ContainerCreating', message: '' };
}

/**
 * Of a container that the runtime does not know. What the API was told before is kept where the runtime lost it: a
 * terminated container stays terminated, a restart count never goes back.
 */
function absentStatus(
  pod: Pod,
  container: Container,
  facts: { readonly waiting: Waiting; readonly isInit: boolean },
): ContainerStatus {
  const name = container.name ?? '';
  const known = statusBefore(pod, name);
  const over = known?.state?.terminated !== undefined && restartPolicyOf(pod) !== 'Always';
  if (known !== undefined && over) return known;
  return {
    name,
    image: container.image ?? '',
    imageID: '',
    restartCount: known?.restartCount ?? 0,
    state: { waiting: withoutEmpty(facts.waiting) },
    lastState: known?.lastState ?? {},
    started: false,
    ready: false,
  };
}

function statusBefore({ status = {} }: Pod, name: string): ContainerStatus | undefined {
  return [
    ...(status.initContainerStatuses ?? []),
    ...(status.containerStatuses ?? []),
    ...(status.ephemeralContainerStatuses ?? []),
  ].find((one) => one.name === name);
}

function withoutEmpty(waiting: Waiting): { reason: string; message?: string } {
  return waiting.message === '' ? { reason: waiting.reason } : { ...waiting };
}

function stateOf(container: ObservedContainer, knowledge: StatusKnowledge): ContainerState {
  if (container.state === 'running') return { running: { startedAt: rfc3339(container.startedAt) } };
  if (container.state === 'created') return { waiting: { reason: 'ContainerCreating' } };
  const message = knowledge.terminationMessage(container.id) ?? container.message;
  const unknown = container.state === 'unknown';
  return {
    terminated: {
      exitCode: unknown ? 137 : container.exitCode,
      reason: unknown ? 'ContainerStatusUnknown' : exitReason(container),
      ...(message === '' ? {} : { message }),
      ...(container.startedAt > 0 ? { startedAt: rfc3339(container.startedAt) } : {}),
      ...(container.finishedAt > 0 ? { finishedAt: rfc3339(container.finishedAt) } : {}),
      containerID: ID_SCHEME + container.id,
    },
  };
}

function exitReason(container: ObservedContainer): string {
  if (container.reason !== '') return container.reason;
  return container.exitCode === 0 ? 'Completed' : 'Error';
}
