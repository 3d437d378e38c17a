/** Reads what runs from a CRI runtime; the one place where this room looks into CRI's answers. */
import { isPlatformError } from '../../base/errors.ts';
import type { RuntimeService } from '../../container/cri/cri.ts';
import type {
  Container,
  ContainerStatus,
  LinuxContainerResources,
  PodSandbox,
} from '../../container/cri/generated/types.ts';
import type { ResourceRequirements } from '../api/generated/core-v1.ts';
import type { ObservedContainer, ObservedPod, ObservedSandbox } from './observed.ts';
import { ANNOTATIONS, LABELS } from './sandbox-config.ts';

const STATES = {
  CONTAINER_CREATED: 'created',
  CONTAINER_RUNNING: 'running',
  CONTAINER_EXITED: 'exited',
  CONTAINER_UNKNOWN: 'unknown',
} as const;

export class RuntimeView {
  readonly #runtime: RuntimeService;
  /** Exited containers and ready sandboxes' addresses do not change: asked for once. By id. */
  readonly #exited = new Map<string, ObservedContainer>();
  readonly #ips = new Map<string, readonly string[]>();

  constructor(runtime: RuntimeService) {
    this.#runtime = runtime;
  }

  /** One pod as it is now. */
  async pod(identity: {
    readonly uid: string;
    readonly name: string;
    readonly namespace: string;
  }): Promise<ObservedPod> {
    const labelSelector = { [LABELS.podUid]: identity.uid };
    const [sandboxes, containers] = await Promise.all([
      this.#runtime.listPodSandbox({ filter: { labelSelector } }),
      this.#runtime.listContainers({ filter: { labelSelector } }),
    ]);
    const [seenSandboxes, seenContainers] = await Promise.all([
      Promise.all((sandboxes.items ?? []).map((sandbox) => this.#sandbox(sandbox))),
      Promise.all((containers.containers ?? []).map((container) => this.#container(container))),
    ]);
    return {
      ...identity,
      sandboxes: seenSandboxes
        .filter(isPresent)
        .toSorted((a, b) => b.attempt - a.attempt || b.createdAt - a.createdAt),
      containers: seenContainers
        .filter(isPresent)
        .toSorted((a, b) => b.restartCount - a.restartCount || b.createdAt - a.createdAt),
    };
  }

  /** Every pod that has left something on the runtime, with a mark that changes when any of it changes state. */
  async marks(): Promise<ReadonlyMap<string, PodMark>> {
    const [sandboxes, containers] = await Promise.all([
      this.#runtime.listPodSandbox({}),
      this.#runtime.listContainers({}),
    ]);
    const marks = new Map<string, { name: string; namespace: string; parts: string[] }>();
    for (const item of [...(sandboxes.items ?? []), ...(containers.containers ?? [])]) {
      const { labels = {} } = item;
      const uid = labels[LABELS.podUid];
      // Not a pod's: somebody else's containers on the same runtime.
      if (uid === undefined || uid === '') continue;
      const mark = marks.get(uid) ?? {
        name: labels[LABELS.podName] ?? '',
        namespace: labels[LABELS.podNamespace] ?? '',
        parts: [],
      };
      mark.parts.push(`${item.id ?? ''}=${item.state ?? ''}`);
      marks.set(uid, mark);
    }
    this.#forgetOthers(
      new Set([...(containers.containers ?? []), ...(sandboxes.items ?? [])].map(({ id = '' }) => id)),
    );
    return new Map(
      [...marks].map(([uid, { name, namespace, parts }]) => [
        uid,
        { name, namespace, mark: parts.toSorted().join() },
      ]),
    );
  }

  #forgetOthers(present: ReadonlySet<string>): void {
    for (const cache of [this.#exited, this.#ips]) {
      for (const id of cache.keys()) if (!present.has(id)) cache.delete(id);
    }
  }

  async #sandbox(sandbox: PodSandbox): Promise<ObservedSandbox | undefined> {
    const { id = '' } = sandbox;
    const ready = (sandbox.state ?? 'SANDBOX_READY') === 'SANDBOX_READY';
    const ips = ready ? await this.#addresses(id) : (this.#ips.get(id) ?? []);
    if (ips === undefined) return undefined;
    return {
      id,
      state: ready ? 'ready' : 'not-ready',
      attempt: sandbox.metadata?.attempt ?? 0,
      createdAt: fromNanoseconds(sandbox.createdAt),
      ips,
    };
  }

  async #addresses(id: string): Promise<readonly string[] | undefined> {
    const known = this.#ips.get(id);
    if (known !== undefined) return known;
    const answer = await orGone(this.#runtime.podSandboxStatus({ podSandboxId: id }));
    if (answer === undefined) return undefined;
    const { ip = '', additionalIps = [] } = answer.status?.network ?? {};
    const ips = [ip, ...additionalIps.map((one) => one.ip ?? '')].filter((one) => one !== '');
    if (ips.length > 0) this.#ips.set(id, ips);
    return ips;
  }

  async #container(container: Container): Promise<ObservedContainer | undefined> {
    const { id = '' } = container;
    const known = this.#exited.get(id);
    if (known !== undefined) return known;
    const answer = await orGone(this.#runtime.containerStatus({ containerId: id }));
    if (answer?.status === undefined) return undefined;
    const observed = convert(container, answer.status);
    if (observed.state === 'exited') this.#exited.set(id, observed);
    return observed;
  }
}

export interface PodMark {
  readonly name: string;
  readonly namespace: string;
  readonly mark: string;
}

function convert(container: Container, status: ContainerStatus): ObservedContainer {
  const annotations = { ...container.annotations, ...status.annotations };
  const attempt = container.metadata?.attempt ?? status.metadata?.attempt ?? 0;
  return {
    id: container.id ?? '',
    name: container.labels?.[LABELS.containerName] ?? container.metadata?.name ?? '',
    sandboxId: container.podSandboxId ?? '',
    state: STATES[status.state ?? 'CONTAINER_CREATED'],
    restartCount: Number(annotations[ANNOTATIONS.restartCount] ?? attempt),
    hash: annotations[ANNOTATIONS.hash] ?? '',
    createdAt: fromNanoseconds(status.createdAt),
    startedAt: fromNanoseconds(status.startedAt),
    finishedAt: fromNanoseconds(status.finishedAt),
    exitCode: status.exitCode ?? 0,
    reason: status.reason ?? '',
    message: status.message ?? '',
    image: imageName(status),
    imageId: (status.imageId ?? '') === '' ? (status.imageRef ?? '') : status.imageId!,
    ...limitsOf(status.resources?.linux),
    ...madeWith(annotations[ANNOTATIONS.resources]),
  };
}

function limitsOf(linux: LinuxContainerResources | undefined): Pick<ObservedContainer, 'limits'> {
  if (linux === undefined) return {};
  const { cpuShares = 0, cpuPeriod = 0, cpuQuota = 0, memoryLimitInBytes = 0 } = linux;
  return {
    limits: { cpuShares, cpuPeriod, cpuQuota: Math.max(cpuQuota, 0), memoryBytes: memoryLimitInBytes },
  };
}

function madeWith(annotation: string | undefined): Pick<ObservedContainer, 'madeWith'> {
  if (annotation === undefined) return {};
  try {
    return { madeWith: JSON.parse(annotation) as ResourceRequirements };
  } catch {
    // Another's annotation of the same name tells us nothing.
    return {};
  }
}

/** The name as the pod's author wrote it. */
function imageName(status: ContainerStatus): string {
  const written = status.image?.userSpecifiedImage ?? '';
  return written === '' ? (status.image?.image ?? '') : written;
}

function fromNanoseconds(ns: number | undefined): number {
  return Math.floor((ns ?? 0) / 1e6);
}

function isPresent<T>(value: T | undefined): value is T {
  return value !== undefined;
}

/** What was listed may be gone by the time it is asked for. */
async function orGone<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (isPlatformError(error, 'not-found')) return undefined;
    throw error;
  }
}
