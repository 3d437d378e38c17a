/** Taking containers and sandboxes down, in the order that the pod's life cycle asks for. */
import { errorMessage, isPlatformError } from '../../base/errors.ts';
import type { Pod } from '../api/generated/core-v1.ts';
import type { KubeletContext } from './context.ts';
import type { ObservedContainer, ObservedPod } from './observed.ts';
import { allContainersOf, initContainersOf, isSidecar } from './pod-terms.ts';
import { runHook } from './hooks.ts';

/** When a pod's containers must be dead; may come nearer while they are being stopped. */
export interface Deadline {
  /** Milliseconds since the epoch. */
  at: number;
  /** Called when `at` has come nearer. */
  onNearer: (() => void) | undefined;
}

export function deadlineIn(context: KubeletContext, seconds: number): Deadline {
  return { at: context.clock.now() + seconds * 1000, onNearer: undefined };
}

function secondsLeft(context: KubeletContext, deadline: Deadline): number {
  return Math.max(0, Math.ceil((deadline.at - context.clock.now()) / 1000));
}

/** Stops all that runs: the regular containers at once, then the sidecars, the last of them first (KEP-753). */
export async function stopContainers(
  context: KubeletContext,
  stop: { readonly pod: Pod | undefined; readonly observed: ObservedPod; readonly deadline: Deadline },
): Promise<void> {
  const { pod, observed, deadline } = stop;
  const alive = observed.containers.filter(({ state }) => state === 'running' || state === 'unknown');
  const sidecars =
    pod === undefined
      ? []
      : initContainersOf(pod)
          .filter(isSidecar)
          .map(({ name }) => name);
  const isLate = ({ name }: ObservedContainer): boolean => sidecars.includes(name);
  const end = (one: ObservedContainer): Promise<void> =>
    stopContainer(context, {
      pod,
      container: one,
      deadline,
      observed,
      reason: `Stopping container ${one.name}`,
    });
  // A deadline that comes nearer (kubectl delete --now after a patient one) is told to those being waited for.
  deadline.onNearer = () => {
    for (const { id } of alive) {
      context.runtime
        .stopContainer({ containerId: id, timeout: secondsLeft(context, deadline) })
        .catch((error: unknown) => context.log.debug('stop sooner', { id, error: errorMessage(error) }));
    }
  };
  try {
    await Promise.all(alive.filter((one) => !isLate(one)).map(end));
    const order = [...sidecars].toReversed();
    for (const one of alive
      .filter(isLate)
      .toSorted((a, b) => order.indexOf(a.name) - order.indexOf(b.name))) {
      await end(one);
    }
  } finally {
    deadline.onNearer = undefined;
  }
}

/** preStop, SIGTERM, and SIGKILL when the deadline has come. A container that is gone is no error. */
export async function stopContainer(
  context: KubeletContext,
  stop: {
    readonly pod: Pod | undefined;
    readonly container: ObservedContainer;
    readonly observed: ObservedPod;
    readonly deadline: Deadline;
    readonly reason: string;
  },
): Promise<void> {
  const { pod, container, deadline, reason } = stop;
  if (pod !== undefined) context.event(pod, 'Normal', 'Killing', reason);
  if (pod !== undefined && container.state === 'running') await preStop(context, { ...stop, pod });
  try {
    await context.runtime.stopContainer({
      containerId: container.id,
      timeout: secondsLeft(context, deadline),
    });
  } catch (error) {
    if (!isPlatformError(error, 'not-found')) throw error;
  }
}

async function preStop(
  context: KubeletContext,
  stop: {
    readonly pod: Pod;
    readonly container: ObservedContainer;
    readonly observed: ObservedPod;
    deadline: Deadline;
  },
): Promise<void> {
  const { pod, observed, deadline } = stop;
  const container = allContainersOf(pod).find(({ name }) => name === stop.container.name);
  const hook = container?.lifecycle?.preStop;
  const seconds = secondsLeft(context, deadline);
  if (container === undefined || hook === undefined || seconds === 0) return;
  const podIp = observed.sandboxes[0]?.ips[0] ?? context.nodeIp;
  const target = { containerId: stop.container.id, container, podIp };
  const outcome = await runHook(context, hook, { target, seconds });
  if (!outcome.success) {
    context.event(pod, 'Warning', 'FailedPreStopHook', `PreStopHook failed: ${outcome.message}`);
  }
}

/** Stops every sandbox of the pod; their network and processes are gone after. */
export async function stopSandboxes(context: KubeletContext, observed: ObservedPod): Promise<void> {
  for (const { id } of observed.sandboxes) await context.runtime.stopPodSandbox({ podSandboxId: id });
}

/** Removes all that the pod has left on the runtime. */
export async function removeSandboxes(context: KubeletContext, observed: ObservedPod): Promise<void> {
  for (const { id } of observed.sandboxes) {
    await ignoreGone(context.runtime.stopPodSandbox({ podSandboxId: id }));
    await ignoreGone(context.runtime.removePodSandbox({ podSandboxId: id }));
  }
  const inSandbox = new Set(observed.sandboxes.map(({ id }) => id));
  for (const { id, sandboxId } of observed.containers) {
    if (!inSandbox.has(sandboxId)) await ignoreGone(context.runtime.removeContainer({ containerId: id }));
  }
}

export async function ignoreGone(answer: Promise<unknown>): Promise<void> {
  try {
    await answer;
  } catch (error) {
    if (!isPlatformError(error, 'not-found')) throw error;
  }
}
