/**
 * Brings one pod at a time from what is to what should be. Level-triggered: every call looks at the API's object and at
 * the runtime anew, does what pod-actions.ts says, and may be repeated or cut off anywhere.
 */
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Backoff } from '../../base/backoff.ts';
import { errorMessage, isPlatformError } from '../../base/errors.ts';
import { failpoint } from '../../base/failpoint.ts';
import type { Pod } from '../api/generated/core-v1.ts';
import type { Client } from '../client/contract.ts';
import { pods } from '../client/kinds.ts';
import { containerHash } from './container-config.ts';
import type { StatusKnowledge, Waiting } from './container-status.ts';
import type { KubeletContext } from './context.ts';
import { readCriLog } from './log-reader.ts';
import { currentSandbox, type ObservedContainer, type ObservedPod } from './observed.ts';
import { computePodActions, type PodActions } from './pod-actions.ts';
import {
  createSandbox,
  preparePod,
  removeOldContainers,
  startContainer,
  terminationLogPath,
} from './pod-start.ts';
import { podStatus } from './pod-status.ts';
import {
  deadlineIn,
  removeSandboxes,
  stopContainer,
  stopContainers,
  stopSandboxes,
  type Deadline,
} from './pod-stop.ts';
import {
  allContainersOf,
  containerLogPath,
  isTerminalPhase,
  podKey,
  podLogDirectory,
  podUid,
} from './pod-terms.ts';
import { PodResizes } from './pod-resize.ts';
import type { RunningContainer } from './probes.ts';
import { containerResize } from './resize.ts';
import { removePodFolder, removeVolumes } from './volumes.ts';

/** What outlives one sync of a pod. */
interface Memory {
  readonly waiting: Map<string, Waiting>;
  readonly lastWords: Map<string, string>;
  observed: ObservedPod | undefined;
  deadline: Deadline | undefined;
  /** The pod is over and its processes are gone. */
  settled: boolean;
  /** Containers that were taken down to come back with other limits. */
  readonly owed: Set<string>;
}

/** When to look again: `now`, in some milliseconds, or when something happens. */
export type Again = 'now' | number | undefined;

export interface PodIdentity {
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
}

/** Fewer bytes than the API takes (12 kB a pod), as upstream. */
const MAX_MESSAGE_BYTES = 4096;
const MAX_LOG_MESSAGE_BYTES = 2048;
const MAX_LOG_MESSAGE_LINES = 80;
/** How long a pod has that is gone from the API when we do not know better. */
const ORPHAN_GRACE_SECONDS = 2;

export class PodSync {
  readonly #context: KubeletContext;
  readonly #client: Client;
  readonly #memory = new Map<string, Memory>();
  readonly #resizes: PodResizes;
  readonly #trouble = new Backoff(500, 30_000);

  constructor(context: KubeletContext, client: Client) {
    this.#context = context;
    this.#client = client;
    this.#resizes = new PodResizes(context);
  }

  /** What ran at the last look. */
  observed(uid: string): ObservedPod | undefined {
    return this.#memory.get(uid)?.observed;
  }

  /** Called on every change of the API's object, also while a sync of the pod is under way. */
  noticed(pod: Pod): void {
    const deadline = this.#memory.get(podUid(pod))?.deadline;
    const at = this.#deadlineOf(pod);
    if (deadline === undefined || at >= deadline.at) return;
    deadline.at = at;
    deadline.onNearer?.();
  }

  /** One look at a pod of this node. */
  async sync(given: Pod): Promise<Again> {
    const pod = this.#context.statuses.latest(given);
    const uid = podUid(pod);
    const memory = this.#remember(uid);
    const { name = '', namespace = '' } = pod.metadata ?? {};
    const observed = await this.#look({ uid, name, namespace }, pod);
    if (pod.metadata?.deletionTimestamp !== undefined) return this.#terminate(pod, observed);
    if (isTerminalPhase(pod.status?.phase)) return this.#settle(pod, observed);
    // From here on the pod is what this node has granted of it.
    const granted = await this.#resizes.admit(pod, observed);
    const { memoryBytes: nodeMemoryBytes } = this.#context.allocatable;
    const actions = computePodActions(granted, observed, {
      hashOf: containerHash,
      livenessFailed: (id) => this.#context.probes.livenessFailed(id),
      startupFailed: (id) => this.#context.probes.startupFailed(id),
      started: (id) => this.#context.probes.started(id),
      resizeNeedsRestart: (container, here) =>
        containerResize(granted, container, { here, nodeMemoryBytes })?.restart === true,
      owesStart: (container) => memory.owed.has(container),
    });
    for (const { name: running } of observed.containers.filter(({ state }) => state === 'running')) {
      memory.waiting.delete(running);
    }
    this.#resizes.look(granted, observed, memory.owed.size > 0);
    this.#report(granted, observed);
    return this.#act(granted, observed, actions);
  }

  /** A pod that has left the API: whatever is left of it here goes. */
  async remove(identity: PodIdentity): Promise<void> {
    const observed = await this.#context.view.pod(identity);
    this.#remember(identity.uid).observed = observed;
    const deadline = deadlineIn(this.#context, ORPHAN_GRACE_SECONDS);
    await stopContainers(this.#context, { pod: undefined, observed, deadline });
    await removeSandboxes(this.#context, observed);
    await this.#removeFiles(identity);
    this.#forget(identity.uid);
  }

  #remember(uid: string): Memory {
    const memory = this.#memory.get(uid) ?? {
      waiting: new Map<string, Waiting>(),
      lastWords: new Map<string, string>(),
      observed: undefined,
      deadline: undefined,
      settled: false,
      owed: new Set<string>(),
    };
    this.#memory.set(uid, memory);
    return memory;
  }

  #forget(uid: string): void {
    this.#resizes.forget(uid, this.#memory.get(uid)?.observed);
    this.#memory.delete(uid);
    this.#trouble.forget(uid);
    this.#context.probes.forget(uid);
    this.#context.images.forget(uid);
    this.#context.crashes.forget(`${uid}/`);
    this.#context.statuses.forget(uid);
  }

  async #look(identity: PodIdentity, pod: Pod): Promise<ObservedPod> {
    const memory = this.#remember(identity.uid);
    const observed = await this.#context.view.pod(identity);
    memory.observed = observed;
    for (const container of observed.containers) {
      if (container.state !== 'exited' || memory.lastWords.has(container.id)) continue;
      memory.lastWords.set(container.id, await this.#lastWords(pod, container));
    }
    this.#context.probes.observe(pod, this.#probed(pod, observed));
    return observed;
  }

  #probed(pod: Pod, observed: ObservedPod): RunningContainer[] {
    if (pod.metadata?.deletionTimestamp !== undefined) return [];
    const podIp =
      pod.spec?.hostNetwork === true ? this.#context.nodeIp : (observed.sandboxes[0]?.ips[0] ?? '');
    const statuses = [
      ...(pod.status?.containerStatuses ?? []),
      ...(pod.status?.initContainerStatuses ?? []),
      ...(pod.status?.ephemeralContainerStatuses ?? []),
    ];
    return observed.containers
      .filter(({ state }) => state === 'running')
      .flatMap(({ id, name, startedAt }) => {
        const container = allContainersOf(pod).find((one) => one.name === name);
        const known = statuses.find(({ containerID }) => containerID?.endsWith(`://${id}`) === true);
        const was = { wasReady: known?.ready === true, wasStarted: known?.started === true };
        return container === undefined ? [] : [{ containerId: id, container, podIp, startedAt, ...was }];
      });
  }

  #report(pod: Pod, observed: ObservedPod): void {
    const memory = this.#remember(podUid(pod));
    const knowledge: StatusKnowledge = {
      waiting: (container) => memory.waiting.get(container),
      started: (id) => this.#context.probes.started(id),
      ready: (id) => this.#context.probes.ready(id),
      terminationMessage: (id) => memory.lastWords.get(id),
    };
    const status = podStatus(this.#context.allocations.granted(pod), {
      observed,
      restarting: memory.owed.size > 0,
      resize: this.#resizes.conditions(podUid(pod)),
      nodeMemoryBytes: this.#context.allocatable.memoryBytes,
      knowledge,
      hostIp: this.#context.nodeIp,
      now: this.#context.clock.now(),
      terminating: pod.metadata?.deletionTimestamp !== undefined,
    });
    this.#context.statuses.set(pod, status);
  }

  async #act(pod: Pod, observed: ObservedPod, actions: PodActions): Promise<Again> {
    const context = this.#context;
    if (actions.sandbox === 'none') return undefined;
    if (actions.sandbox === 'kill') {
      await stopContainers(context, { pod, observed, deadline: deadlineIn(context, graceSeconds(pod)) });
      await stopSandboxes(context, observed);
      return 'now';
    }
    if (actions.toKill.length > 0) {
      const deadline = deadlineIn(context, graceSeconds(pod));
      for (const { id, reason } of actions.toKill) {
        const container = observed.containers.find((one) => one.id === id)!;
        await stopContainer(context, { pod, container, observed, deadline, reason });
        if (actions.toStart.includes(container.name)) this.#remember(podUid(pod)).owed.add(container.name);
      }
      return 'now';
    }
    const volumes = await this.#attempt(pod, 'FailedMount', () => preparePod(context, pod, observed));
    if (typeof volumes === 'number') return volumes;
    if (actions.sandbox === 'create') {
      failpoint('kubelet.sandbox.create');
      const made = await this.#attempt(pod, 'FailedCreatePodSandBox', () =>
        createSandbox(context, pod, actions.attempt),
      );
      return typeof made === 'number' ? made : 'now';
    }
    this.#trouble.forget(podUid(pod));
    await removeOldContainers(context, pod, observed);
    const resized = await this.#resizes.actuate(pod, observed);
    if (typeof resized === 'number') this.#report(pod, observed);
    const started = await this.#start(pod, observed, { names: actions.toStart, volumes });
    return sooner(resized, started);
  }

  /** Runs a step that may fail for reasons outside; a failure becomes an event and a later try. */
  async #attempt<T>(pod: Pod, reason: string, step: () => Promise<T>): Promise<T | number> {
    try {
      return await step();
    } catch (error) {
      const prefix = reason === 'FailedCreatePodSandBox' ? 'Failed to create pod sandbox: ' : '';
      this.#context.event(pod, 'Warning', reason, prefix + errorMessage(error));
      this.#context.log.warn('pod step failed', { pod: podKey(pod), step: reason, error });
      return this.#trouble.next(podUid(pod));
    }
  }

  async #start(
    pod: Pod,
    observed: ObservedPod,
    given: { names: readonly string[]; volumes: ReadonlyMap<string, string> },
  ): Promise<Again> {
    const memory = this.#remember(podUid(pod));
    let again: Again;
    for (const name of given.names) {
      const container = allContainersOf(pod).find((one) => one.name === name)!;
      failpoint('kubelet.container.start');
      const result = await startContainer(this.#context, {
        pod,
        container,
        observed,
        volumes: given.volumes,
      });
      if (result === 'started') {
        memory.waiting.delete(name);
        memory.owed.delete(name);
        again = 'now';
      } else {
        memory.waiting.set(name, result.waiting);
        if (again !== 'now') again = Math.min(again ?? Infinity, result.retryMs);
      }
    }
    if (given.names.length > 0 && again !== 'now') this.#report(pod, observed);
    return again;
  }

  /** The API wants the pod gone: processes, then status, then everything here, then the object. */
  async #terminate(pod: Pod, observed: ObservedPod): Promise<Again> {
    const context = this.#context;
    const uid = podUid(pod);
    const memory = this.#remember(uid);
    this.#report(pod, observed);
    // Not ready first: traffic should find its way elsewhere while there is still somebody to answer.
    await context.statuses.flush(uid);
    memory.deadline ??= { at: this.#deadlineOf(pod), onNearer: undefined };
    await stopContainers(context, { pod, observed, deadline: memory.deadline });
    await stopSandboxes(context, observed);
    const { name = '', namespace = '' } = pod.metadata ?? {};
    const after = await this.#look({ uid, name, namespace }, pod);
    if (after.containers.some(({ state }) => state === 'running') || currentSandbox(after) !== undefined)
      return 1000;
    this.#report(context.statuses.latest(pod), after);
    if (!(await context.statuses.flush(uid))) return 1000;
    failpoint('kubelet.pod.remove');
    await removeSandboxes(context, after);
    await this.#removeFiles({ uid, name, namespace });
    try {
      await this.#client.delete(pods, { name, namespace }, { gracePeriodSeconds: 0, uid });
    } catch (error) {
      // Gone, or another pod of the same name: either way this one is no more.
      if (!isPlatformError(error, 'not-found', 'conflict')) throw error;
    }
    return undefined;
  }

  /** The pod has succeeded or failed: no process of it stays, its logs do until the object is deleted. */
  async #settle(pod: Pod, observed: ObservedPod): Promise<Again> {
    const memory = this.#remember(podUid(pod));
    if (memory.settled) return undefined;
    const context = this.#context;
    await stopContainers(context, { pod, observed, deadline: deadlineIn(context, graceSeconds(pod)) });
    await stopSandboxes(context, observed);
    const { name = '', namespace = '' } = pod.metadata ?? {};
    this.#report(pod, await this.#look({ uid: podUid(pod), name, namespace }, pod));
    await removeVolumes(context.folders, podUid(pod));
    memory.settled = true;
    return undefined;
  }

  #deadlineOf(pod: Pod): number {
    const grace = (pod.metadata?.deletionGracePeriodSeconds ?? graceSeconds(pod)) * 1000;
    const now = this.#context.clock.now();
    // deletionTimestamp is when the grace period ends. Our clock may differ from the server's.
    const end = Date.parse(pod.metadata?.deletionTimestamp ?? '');
    return Number.isNaN(end) ? now + grace : Math.min(Math.max(end, now), now + grace);
  }

  async #removeFiles(identity: PodIdentity): Promise<void> {
    const { uid, name, namespace } = identity;
    this.#context.tokens.forget(uid);
    await removePodFolder(this.#context.folders, uid);
    const pod = { metadata: { uid, name, namespace } };
    await rm(podLogDirectory(this.#context.podLogsDir, pod), { recursive: true, force: true });
  }

  /** The termination message: what the container wrote, or the end of its log if it failed and asked for that. */
  async #lastWords(pod: Pod, container: ObservedContainer): Promise<string> {
    const path = terminationLogPath(this.#context, podUid(pod), container);
    const written = await readFile(path).catch(() => Buffer.alloc(0));
    if (written.length > 0) return written.subarray(0, MAX_MESSAGE_BYTES).toString('utf8');
    const spec = allContainersOf(pod).find(({ name }) => name === container.name);
    if (spec?.terminationMessagePolicy !== 'FallbackToLogsOnError' || container.exitCode === 0)
      return container.message;
    const log = join(
      podLogDirectory(this.#context.podLogsDir, pod),
      containerLogPath(container.name, container.restartCount),
    );
    const parts: Uint8Array[] = [];
    try {
      for await (const part of readCriLog(log, { tailLines: MAX_LOG_MESSAGE_LINES })) parts.push(part);
    } catch {
      return container.message;
    }
    return Buffer.concat(parts).subarray(-MAX_LOG_MESSAGE_BYTES).toString('utf8');
  }
}

function sooner(a: Again, b: Again): Again {
  if (a === 'now' || b === 'now') return 'now';
  return a === undefined || b === undefined ? (a ?? b) : Math.min(a, b);
}

function graceSeconds(pod: Pod): number {
  return pod.spec?.terminationGracePeriodSeconds ?? 30;
}
