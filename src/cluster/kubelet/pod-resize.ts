/** Resizing pods in place (KEP-1287), the half with hands: grants what there is room for, and brings it into force. */
import { isDeepStrictEqual } from 'node:util';
import { errorMessage } from '../../base/errors.ts';
import { failpoint } from '../../base/failpoint.ts';
import type { LinuxContainerResources } from '../../container/cri/generated/types.ts';
import type { Pod } from '../api/generated/core-v1.ts';
import type { KubeletContext } from './context.ts';
import type { ContainerLimits, ObservedPod } from './observed.ts';
import { isTerminalPhase, podKey, podUid } from './pod-terms.ts';
import { podRequests } from './resources.ts';
import {
  cpuDiffers,
  memoryDiffers,
  pendingResizes,
  refusal,
  resizeMessage,
  type ContainerResize,
} from './resize.ts';

/** A condition that is true: the generation of the pod that it is about, and why it is not over. */
export interface ResizeCondition {
  readonly generation: number;
  readonly reason: string;
  readonly message: string;
}

export interface ResizeConditions {
  /** PodResizePending: not granted. */
  readonly pending?: ResizeCondition;
  /** PodResizeInProgress: granted, and not in force. */
  readonly inProgress?: ResizeCondition;
}

/** How long until a resize that could not be brought into force is tried again. */
const RETRY_MS = 10_000;

export class PodResizes {
  readonly #context: KubeletContext;
  readonly #conditions = new Map<string, ResizeConditions>();
  /** What was last asked of the runtime, by the container's id: one that does not obey is not asked without end. */
  readonly #asked = new Map<string, string>();

  constructor(context: KubeletContext) {
    this.#context = context;
  }

  conditions(uid: string): ResizeConditions {
    return this.#conditions.get(uid) ?? {};
  }

  /** Grants what the pod's spec asks for if there is room; returns the pod as it is granted. */
  async admit(pod: Pod, observed: ObservedPod): Promise<Pod> {
    const { allocations, event, allocatable } = this.#context;
    const uid = podUid(pod);
    if (!this.#conditions.has(uid)) this.#conditions.set(uid, remembered(pod));
    const granted = await allocations.admit(pod, observed);
    if (granted === pod) {
      this.#set(uid, { pending: undefined });
      return pod;
    }
    const generation = pod.metadata?.generation ?? 0;
    const others = this.#context
      .podsHere()
      .filter((other) => podUid(other) !== uid && !isTerminalPhase(other.status?.phase))
      .map((other) => allocations.granted(other));
    const refused = refusal(pod, others, allocatable);
    if (refused !== undefined) {
      const { reason, message } = refused;
      if (this.#set(uid, { pending: { generation, reason, message } })) {
        const words = resizeMessage(`Pod resize ${reason}`, pod, { generation, error: message });
        event(pod, 'Warning', `Resize${reason}`, words);
      }
      return granted;
    }
    failpoint('kubelet.resize.grant');
    await allocations.grant(pod);
    this.#set(uid, { pending: undefined, inProgress: { generation, reason: '', message: '' } });
    event(pod, 'Normal', 'ResizeStarted', resizeMessage('Pod resize started', pod, { generation }));
    return pod;
  }

  /** Compares what is granted with what is in force. `restarting`: a container is down to come back with other limits. */
  look(granted: Pod, observed: ObservedPod, restarting: boolean): void {
    const uid = podUid(granted);
    const { inProgress } = this.conditions(uid);
    if (this.#pending(granted, observed).length > 0) {
      const generation = granted.metadata?.generation ?? 0;
      if (inProgress === undefined) this.#set(uid, { inProgress: { generation, reason: '', message: '' } });
      return;
    }
    if (inProgress === undefined || restarting) return;
    this.#set(uid, { inProgress: undefined });
    const { generation } = inProgress;
    this.#context.event(
      granted,
      'Normal',
      'ResizeCompleted',
      resizeMessage('Pod resize completed', granted, { generation }),
    );
    this.retryDeferred();
  }

  /** Sets limits of containers that run. Returns when to look again, in milliseconds or at once. */
  async actuate(granted: Pod, observed: ObservedPod): Promise<'now' | number | undefined> {
    const resizes = this.#pending(granted, observed).filter(({ restart }) => !restart);
    if (resizes.length === 0) return undefined;
    const news = resizes.filter((one) => this.#asked.get(one.id) !== JSON.stringify(one.wanted));
    try {
      await this.#checkUsage(resizes);
      failpoint('kubelet.resize.actuate');
      await this.#apply(resizes);
      return news.length > 0 ? 'now' : RETRY_MS;
    } catch (error) {
      const message = errorMessage(error);
      const uid = podUid(granted);
      // What is under way keeps its generation, whatever happens to it.
      const generation = this.conditions(uid).inProgress?.generation ?? granted.metadata?.generation ?? 0;
      if (this.#set(uid, { inProgress: { generation, reason: 'Error', message } })) {
        const words = resizeMessage('Pod resize error', granted, {
          generation: granted.metadata?.generation ?? 0,
          error: message,
        });
        this.#context.event(granted, 'Warning', 'ResizeError', words);
        this.#context.log.warn('pod not resized', { pod: podKey(granted), error: message });
      }
      return RETRY_MS;
    }
  }

  /** There may be room now. First those that ask for less, then the more important, then who waits longest. */
  retryDeferred(): void {
    const context = this.#context;
    const deferred = context
      .podsHere()
      .filter((pod) => this.conditions(podUid(pod)).pending?.reason === 'Deferred');
    const since = (pod: Pod): string =>
      pod.status?.conditions?.find(({ type }) => type === 'PodResizePending')?.lastTransitionTime ?? '';
    const order = (a: Pod, b: Pod): number =>
      Number(this.#grows(a)) - Number(this.#grows(b)) ||
      (b.spec?.priority ?? 0) - (a.spec?.priority ?? 0) ||
      (since(a) < since(b) ? -1 : 1);
    for (const pod of deferred.toSorted(order)) context.wake(podUid(pod));
  }

  forget(uid: string, observed: ObservedPod | undefined): void {
    this.#conditions.delete(uid);
    for (const { id } of observed?.containers ?? []) this.#asked.delete(id);
    this.#context.allocations.forget(uid);
    this.retryDeferred();
  }

  #grows(pod: Pod): boolean {
    const [asked, has] = [podRequests(pod), podRequests(this.#context.allocations.granted(pod))];
    return asked.cpu > has.cpu || asked.memory > has.memory;
  }

  #pending(granted: Pod, observed: ObservedPod): ContainerResize[] {
    return pendingResizes(granted, observed, this.#context.allocatable.memoryBytes);
  }

  /** The kernel ends processes to get below a limit that is set: nothing changes while more than that is in use. */
  async #checkUsage(resizes: readonly ContainerResize[]): Promise<void> {
    const errors: string[] = [];
    for (const { id, name, wanted, actual } of resizes) {
      const limit = wanted.memoryBytes;
      if (!memoryDiffers(wanted, actual) || (actual.memoryBytes > 0 && limit > actual.memoryBytes)) continue;
      const { stats } = await this.#context.runtime.containerStats({ containerId: id });
      const used = stats?.memory?.usageBytes?.value ?? 0;
      if (used <= limit) continue;
      errors.push(
        `attempting to set container "${name}" memory limit (${limit}) below current usage (${used})`,
      );
    }
    if (errors.length === 0) return;
    const list = errors.length === 1 ? errors[0]! : `[${errors.join(', ')}]`;
    throw new Error(`cannot decrease memory limits: ${list}`);
  }

  /** Memory, then CPU; of each what gets less before what gets more, so that the sum is never above what is granted. */
  async #apply(resizes: readonly ContainerResize[]): Promise<void> {
    const memory = resizes
      .filter(({ wanted, actual }) => memoryDiffers(wanted, actual))
      .toSorted((a, b) => growth(a, 'memoryBytes') - growth(b, 'memoryBytes'));
    for (const { id, wanted } of memory) await this.#update(id, { memoryLimitInBytes: wanted.memoryBytes });
    const cpu = resizes
      .filter(({ wanted, actual }) => cpuDiffers(wanted, actual))
      .toSorted(
        (a, b) =>
          growth(a, 'cpuQuota') - growth(b, 'cpuQuota') || growth(a, 'cpuShares') - growth(b, 'cpuShares'),
      );
    for (const { id, wanted } of cpu) {
      const { cpuShares, cpuPeriod, cpuQuota } = wanted;
      await this.#update(id, { cpuShares, ...(cpuQuota > 0 && { cpuPeriod, cpuQuota }) });
    }
    for (const { id, wanted } of resizes) this.#asked.set(id, JSON.stringify(wanted));
  }

  async #update(containerId: string, linux: LinuxContainerResources): Promise<void> {
    await this.#context.runtime.updateContainerResources({ containerId, linux });
  }

  /** Returns whether anything changed. An error stays until there is news. */
  #set(uid: string, change: { [key in keyof ResizeConditions]: ResizeCondition | undefined }): boolean {
    const before = this.conditions(uid);
    const after = { ...before, ...change };
    const { pending, inProgress } = after;
    this.#conditions.set(uid, { ...(pending && { pending }), ...(inProgress && { inProgress }) });
    return !isDeepStrictEqual(before, this.conditions(uid));
  }
}

function growth({ wanted, actual }: ContainerResize, key: keyof ContainerLimits): number {
  return wanted[key] - actual[key];
}

/** What an earlier process of ours has told the API. */
function remembered(pod: Pod): ResizeConditions {
  const find = (type: string): ResizeCondition | undefined => {
    const found = pod.status?.conditions?.find((one) => one.type === type && one.status === 'True');
    if (found === undefined) return undefined;
    const { observedGeneration: generation = 0, reason = '', message = '' } = found;
    return { generation, reason, message };
  };
  const [pending, inProgress] = [find('PodResizePending'), find('PodResizeInProgress')];
  return { ...(pending && { pending }), ...(inProgress && { inProgress }) };
}
