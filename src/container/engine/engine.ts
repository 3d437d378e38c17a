import { join } from 'node:path';
import { PlatformError } from '../../base/errors.ts';
import { KeyedLock } from '../../base/lock.ts';
import type { ImageService, RuntimeService } from '../cri/cri.ts';
import type * as v1 from '../cri/generated/types.ts';
import { KIND_LABEL } from './container-spec.ts';
import { Containers } from './containers.ts';
import type { EngineContext, EngineOptions } from './context.ts';
import {
  containerItem,
  containerState,
  containerStatus,
  sandboxItem,
  sandboxState,
  sandboxStatus,
  containerStats,
} from './cri-view.ts';
import { EventHub } from './event-hub.ts';
import { EngineImages } from './image-service.ts';
import { Records } from './records.ts';
import { Sandboxes } from './sandboxes.ts';
import { Streams } from './streams.ts';

export interface Engine extends AsyncDisposable {
  readonly runtime: RuntimeService;
  readonly images: ImageService;
  /** Finds again, finishes or undoes everything that an earlier engine left. Once, before the services are used. */
  recover(): Promise<void>;
  /** Stops and removes every sandbox with its containers. */
  removeAll(): Promise<void>;
}

/** Containers as a service. Disposing stops watching; containers live on, and the next engine finds them. */
export function createEngine(options: EngineOptions): Engine {
  const closing = new AbortController();
  const root = join(options.instance.dataDir, 'engine');
  const context: EngineContext = {
    ...options,
    sandboxes: new Records(join(root, 'sandboxes')),
    containers: new Records(join(root, 'containers')),
    events: new EventHub(options.log),
    locks: new KeyedLock(),
    closing: closing.signal,
  };
  const containers = new Containers(context);
  const sandboxes = new Sandboxes(context, containers);
  let recovery: Promise<void> | undefined;
  return {
    runtime: new EngineRuntime(context, { containers, sandboxes }),
    images: new EngineImages(options.images),
    recover: () => (recovery ??= recover(context, { containers, sandboxes })),
    async removeAll() {
      for (const { id } of context.sandboxes.values()) await sandboxes.remove(id);
    },
    async [Symbol.asyncDispose]() {
      closing.abort(new PlatformError('cancelled', 'the engine is closing'));
      await Promise.all([containers.drain(), sandboxes.drain()]);
    },
  };
}

interface Parts {
  readonly containers: Containers;
  readonly sandboxes: Sandboxes;
}

/**
 * Level-based: looks at what is on record and what is there, whatever happened in between. First what has a record,
 * which needs its runtime container, snapshot and address; then everything that no record owns.
 */
async function recover(context: EngineContext, { containers, sandboxes }: Parts): Promise<void> {
  await context.sandboxes.load();
  await context.containers.load();
  for (const record of context.containers.values()) await containers.reconcile(record);
  for (const record of context.sandboxes.values()) await sandboxes.reconcile(record);
  for (const record of context.containers.values()) {
    if (context.sandboxes.get(record.sandboxId) === undefined) await containers.remove(record.id);
  }
  for (const { id, labels } of await context.runtime.list()) {
    const isOurs = labels[KIND_LABEL] !== undefined;
    const isOwned = context.sandboxes.get(id) !== undefined || context.containers.get(id) !== undefined;
    if (isOurs && !isOwned) await context.runtime.delete(id, { force: true });
  }
  const addressed = context.sandboxes.values().filter(({ phase }) => phase === 'ready');
  await context.network.setUp(new Set(addressed.map(({ id }) => id)));
  await context.images.sweep(new Set(context.containers.values().map(({ id }) => id)));
}

class EngineRuntime implements RuntimeService {
  readonly #context: EngineContext;
  readonly #containers: Containers;
  readonly #sandboxes: Sandboxes;
  readonly streams: Streams;

  constructor(context: EngineContext, { containers, sandboxes }: Parts) {
    this.#context = context;
    this.#containers = containers;
    this.#sandboxes = sandboxes;
    this.streams = new Streams(context, { containers, sandboxes });
  }

  async version(_request: v1.VersionRequest): Promise<v1.VersionResponse> {
    return { version: '0.1.0', runtimeName: 'sampan', runtimeVersion: '0.1.0', runtimeApiVersion: 'v1' };
  }

  async status(_request: v1.StatusRequest): Promise<v1.StatusResponse> {
    const ready = (type: string): v1.RuntimeCondition => ({ type, status: true, reason: '', message: '' });
    // An engine exists only after recovery, which sets the network up.
    return { status: { conditions: [ready('RuntimeReady'), ready('NetworkReady')] }, info: {} };
  }

  async runPodSandbox(request: v1.RunPodSandboxRequest): Promise<v1.RunPodSandboxResponse> {
    const record = await this.#sandboxes.run(
      required(request.config, 'config'),
      request.runtimeHandler ?? '',
    );
    return { podSandboxId: record.id };
  }

  async stopPodSandbox(request: v1.StopPodSandboxRequest): Promise<v1.StopPodSandboxResponse> {
    await this.#sandboxes.stop(request.podSandboxId ?? '');
    return {};
  }

  async removePodSandbox(request: v1.RemovePodSandboxRequest): Promise<v1.RemovePodSandboxResponse> {
    await this.#sandboxes.remove(request.podSandboxId ?? '');
    return {};
  }

  async podSandboxStatus(request: v1.PodSandboxStatusRequest): Promise<v1.PodSandboxStatusResponse> {
    const record = this.#sandboxes.require(request.podSandboxId ?? '');
    const statuses = this.#context.containers.values().filter(({ sandboxId }) => sandboxId === record.id);
    return {
      status: sandboxStatus(record),
      containersStatuses: statuses.map((container) => containerStatus(container)),
      timestamp: this.#context.now() * 1_000_000,
      info: {},
    };
  }

  async listPodSandbox(request: v1.ListPodSandboxRequest): Promise<v1.ListPodSandboxResponse> {
    const { id, state, labelSelector } = request.filter ?? {};
    const records = this.#context.sandboxes.values().filter((record) => record.phase !== 'creating');
    const items = records.filter(
      (record) =>
        record.id.startsWith(id ?? '') &&
        (state === undefined || sandboxState(record) === (state.state ?? 'SANDBOX_READY')) &&
        hasLabels(record.config.labels, labelSelector),
    );
    return { items: items.map((record) => sandboxItem(record)) };
  }

  async createContainer(request: v1.CreateContainerRequest): Promise<v1.CreateContainerResponse> {
    const { id } = this.#sandboxes.require(request.podSandboxId ?? '');
    const config = required(request.config, 'config');
    // In the sandbox's lock: a sandbox that stops meanwhile must not gain a container unseen.
    return this.#context.locks.run(id, async () => {
      const sandbox = this.#sandboxes.require(id);
      if (sandbox.phase !== 'ready') throw new PlatformError('conflict', `sandbox ${id} is not ready`);
      return { containerId: (await this.#containers.create(sandbox, config)).id };
    });
  }

  async startContainer(request: v1.StartContainerRequest): Promise<v1.StartContainerResponse> {
    await this.#containers.start(request.containerId ?? '');
    return {};
  }

  async stopContainer(request: v1.StopContainerRequest): Promise<v1.StopContainerResponse> {
    await this.#containers.stop(request.containerId ?? '', request.timeout ?? 0);
    return {};
  }

  async removeContainer(request: v1.RemoveContainerRequest): Promise<v1.RemoveContainerResponse> {
    await this.#containers.remove(request.containerId ?? '');
    return {};
  }

  async listContainers(request: v1.ListContainersRequest): Promise<v1.ListContainersResponse> {
    const { id, state, podSandboxId, labelSelector } = request.filter ?? {};
    const records = this.#context.containers.values().filter((record) => record.phase !== 'creating');
    const items = records.filter(
      (record) =>
        record.id.startsWith(id ?? '') &&
        record.sandboxId.startsWith(podSandboxId ?? '') &&
        (state === undefined || containerState(record) === (state.state ?? 'CONTAINER_CREATED')) &&
        hasLabels(record.config.labels, labelSelector),
    );
    return { containers: items.map((record) => containerItem(record)) };
  }

  async updateContainerResources(
    request: v1.UpdateContainerResourcesRequest,
  ): Promise<v1.UpdateContainerResourcesResponse> {
    await this.#containers.update(request.containerId ?? '', required(request.linux, 'linux'));
    return {};
  }

  async containerStats(request: v1.ContainerStatsRequest): Promise<v1.ContainerStatsResponse> {
    const record = this.#containers.require(request.containerId ?? '');
    const usage = await this.#context.runtime.usage(record.id);
    return { stats: containerStats(record, usage, this.#context.now()) };
  }

  async containerStatus(request: v1.ContainerStatusRequest): Promise<v1.ContainerStatusResponse> {
    return { status: containerStatus(this.#containers.require(request.containerId ?? '')), info: {} };
  }

  execSync(request: v1.ExecSyncRequest): Promise<v1.ExecSyncResponse> {
    return this.streams.execSync(request);
  }

  getContainerEvents(
    _request: v1.GetEventsRequest,
    onEvent: (event: v1.ContainerEventResponse) => void,
    signal: AbortSignal,
  ): Promise<void> {
    return this.#context.events.listen(onEvent, AbortSignal.any([signal, this.#context.closing]));
  }
}

function required<T>(value: T | undefined, field: string): T {
  if (value !== undefined) return value;
  throw new PlatformError('invalid', `${field}: must be given`);
}

function hasLabels(
  labels: Readonly<Record<string, string>> | undefined,
  selector: Readonly<Record<string, string>> | undefined,
): boolean {
  return Object.entries(selector ?? {}).every(([key, value]) => labels?.[key] === value);
}
