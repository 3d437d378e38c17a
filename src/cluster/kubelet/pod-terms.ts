/** Words for pods that several files of this room need. */
import type { Container, EphemeralContainer, Pod } from '../api/generated/core-v1.ts';

export type RestartPolicy = 'Always' | 'OnFailure' | 'Never';

export function podUid(pod: Pod): string {
  return pod.metadata?.uid ?? '';
}

export function podKey(pod: Pod): string {
  return `${pod.metadata?.namespace ?? ''}/${pod.metadata?.name ?? ''}`;
}

export function restartPolicyOf(pod: Pod): RestartPolicy {
  return (pod.spec?.restartPolicy ?? 'Always') as RestartPolicy;
}

/** An init container that stays beside the others (KEP-753). */
export function isSidecar(container: Container): boolean {
  return container.restartPolicy === 'Always';
}

export function initContainersOf(pod: Pod): readonly Container[] {
  return pod.spec?.initContainers ?? [];
}

export function containersOf(pod: Pod): readonly Container[] {
  return pod.spec?.containers ?? [];
}

/** Containers that somebody has put into a running pod to look around (KEP-277); they are never restarted. */
export function ephemeralContainersOf(pod: Pod): readonly EphemeralContainer[] {
  return pod.spec?.ephemeralContainers ?? [];
}

export function allContainersOf(pod: Pod): readonly Container[] {
  return [...initContainersOf(pod), ...containersOf(pod), ...ephemeralContainersOf(pod)];
}

export function isTerminalPhase(phase: string | undefined): boolean {
  return phase === 'Succeeded' || phase === 'Failed';
}

/** Where a pod's logs are: `<root>/<namespace>_<name>_<uid>`, as every Kubernetes log collector expects. */
export function podLogDirectory(root: string, pod: Pod): string {
  return `${root}/${pod.metadata?.namespace ?? ''}_${pod.metadata?.name ?? ''}_${podUid(pod)}`;
}

/** Below the pod's log directory: one file a start. */
export function containerLogPath(container: string, restartCount: number): string {
  return `${container}/${restartCount}.log`;
}
