import type { Clock } from '../../../base/clock.ts';
import { PlatformError } from '../../../base/errors.ts';
import type { ImageService, RuntimeService } from '../../../container/cri/cri.ts';
import type {
  ContainerConfig,
  ContainerEventResponse,
  ContainerState,
  ContainerStatus,
  LinuxContainerResources,
  PodSandboxConfig,
  PodSandboxState,
} from '../../../container/cri/generated/types.ts';

export interface FakeContainer {
  readonly id: string;
  readonly sandboxId: string;
  readonly config: ContainerConfig;
  state: ContainerState;
  createdAt: number;
  startedAt: number;
  finishedAt: number;
  exitCode: number;
  limits: LinuxContainerResources;
}

export interface FakeSandbox {
  readonly id: string;
  readonly config: PodSandboxConfig;
  readonly createdAt: number;
  readonly ip: string;
  state: PodSandboxState;
}

/**
 * A CRI runtime that runs nothing: containers start at once, and exit when a test says so. It keeps CRI's rules: no
 * container without a ready sandbox, no start of a started one, removal of a sandbox takes its containers along.
 */
export class FakeRuntime implements RuntimeService, ImageService {
  readonly #clock: Clock;
  readonly sandboxes = new Map<string, FakeSandbox>();
  readonly containers = new Map<string, FakeContainer>();
  readonly imageNames = new Set<string>();
  /** What has been asked, oldest first: `start web`. */
  readonly calls: string[] = [];
  /** Fails the next call whose text begins with a key. */
  readonly failures = new Map<string, Error>();
  /** When false, a stopped container runs on until `exit`. */
  obeysStop = true;
  stopExitCode = 143;
  /** Bytes, of every container. */
  memoryInUse = 0;
  #listeners = new Set<(event: ContainerEventResponse) => void>();
  #next = 1;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The newest container of that name. */
  container(name: string): FakeContainer | undefined {
    return [...this.containers.values()].findLast(({ config }) => config.metadata?.name === name);
  }

  running(): string[] {
    return [...this.containers.values()]
      .filter(({ state }) => state === 'CONTAINER_RUNNING')
      .map(({ config }) => config.metadata?.name ?? '');
  }

  exit(name: string, exitCode: number): void {
    const container = this.container(name);
    if (container?.state !== 'CONTAINER_RUNNING') throw new Error(`container ${name} does not run`);
    this.#end(container, exitCode);
  }

  /** What a reboot does: processes and namespaces are gone, records stay. */
  reboot(): void {
    for (const sandbox of this.sandboxes.values()) sandbox.state = 'SANDBOX_NOTREADY';
    for (const container of this.containers.values()) {
      if (container.state === 'CONTAINER_RUNNING') this.#end(container, 255);
    }
  }

  async version() {
    return { version: '0.1.0', runtimeName: 'fake', runtimeVersion: '1', runtimeApiVersion: 'v1' };
  }

  async status() {
    return {
      status: {
        conditions: [
          { type: 'RuntimeReady', status: true },
          { type: 'NetworkReady', status: true },
        ],
      },
    };
  }

  async runPodSandbox(request: Parameters<RuntimeService['runPodSandbox']>[0]) {
    const { config = {} } = request;
    this.#call(`sandbox ${config.metadata?.name}`);
    const number = this.#next++;
    const id = `s${number}`;
    const createdAt = this.#clock.now() * 1e6;
    this.sandboxes.set(id, { id, config, createdAt, ip: `10.1.0.${number}`, state: 'SANDBOX_READY' });
    return { podSandboxId: id };
  }

  async stopPodSandbox({ podSandboxId = '' }: { podSandboxId?: string | undefined }) {
    const sandbox = this.sandboxes.get(podSandboxId);
    if (sandbox === undefined) return {};
    this.#call(`stop-sandbox ${sandbox.config.metadata?.name}`);
    for (const container of this.containers.values()) {
      if (container.sandboxId === podSandboxId && container.state === 'CONTAINER_RUNNING')
        this.#end(container, 137);
    }
    sandbox.state = 'SANDBOX_NOTREADY';
    return {};
  }

  async removePodSandbox({ podSandboxId = '' }: { podSandboxId?: string | undefined }) {
    const sandbox = this.sandboxes.get(podSandboxId);
    this.#call(`remove-sandbox ${sandbox?.config.metadata?.name}`);
    this.sandboxes.delete(podSandboxId);
    for (const [id, container] of this.containers)
      if (container.sandboxId === podSandboxId) this.containers.delete(id);
    return {};
  }

  async podSandboxStatus({ podSandboxId = '' }: { podSandboxId?: string | undefined }) {
    const sandbox = this.sandboxes.get(podSandboxId);
    if (sandbox === undefined) throw new PlatformError('not-found', `sandbox ${podSandboxId}`);
    const { id, state, createdAt, config, ip } = sandbox;
    const network = { ip: config.linux?.securityContext?.namespaceOptions?.network === 'NODE' ? '' : ip };
    return { status: { id, state, createdAt, metadata: config.metadata, labels: config.labels, network } };
  }

  async listPodSandbox(request: Parameters<RuntimeService['listPodSandbox']>[0]) {
    const items = [...this.sandboxes.values()]
      .filter(({ config }) => matches(config.labels, request.filter?.labelSelector))
      .map(({ id, state, createdAt, config }) => ({
        id,
        state,
        createdAt,
        metadata: config.metadata,
        labels: config.labels,
      }));
    return { items };
  }

  async createContainer(request: Parameters<RuntimeService['createContainer']>[0]) {
    const { podSandboxId = '', config = {} } = request;
    this.#call(`create ${config.metadata?.name}`);
    if (this.sandboxes.get(podSandboxId)?.state !== 'SANDBOX_READY') {
      throw new PlatformError('not-found', `sandbox ${podSandboxId} is not ready`);
    }
    const id = `c${this.#next++}`;
    this.containers.set(id, {
      id,
      sandboxId: podSandboxId,
      config,
      state: 'CONTAINER_CREATED',
      createdAt: this.#clock.now() * 1e6,
      startedAt: 0,
      finishedAt: 0,
      exitCode: 0,
      limits: config.linux?.resources ?? {},
    });
    return { containerId: id };
  }

  async startContainer({ containerId = '' }: { containerId?: string | undefined }) {
    const container = this.#get(containerId);
    this.#call(`start ${container.config.metadata?.name}`);
    if (container.state !== 'CONTAINER_CREATED')
      throw new PlatformError('conflict', `container ${containerId} is started`);
    container.state = 'CONTAINER_RUNNING';
    container.startedAt = this.#clock.now() * 1e6;
    this.#tell(container, 'CONTAINER_STARTED_EVENT');
    return {};
  }

  async stopContainer({
    containerId = '',
    timeout = 0,
  }: {
    containerId?: string | undefined;
    timeout?: number | undefined;
  }) {
    const container = this.#get(containerId);
    this.#call(`stop ${container.config.metadata?.name} ${timeout}`);
    if (container.state === 'CONTAINER_RUNNING' && this.obeysStop) this.#end(container, this.stopExitCode);
    return {};
  }

  async removeContainer({ containerId = '' }: { containerId?: string | undefined }) {
    this.#call(`remove ${this.containers.get(containerId)?.config.metadata?.name}`);
    this.containers.delete(containerId);
    return {};
  }

  async listContainers(request: Parameters<RuntimeService['listContainers']>[0]) {
    const containers = [...this.containers.values()]
      .filter(({ config }) => matches(config.labels, request.filter?.labelSelector))
      .map(({ id, sandboxId, config, state, createdAt }) => ({
        id,
        podSandboxId: sandboxId,
        metadata: config.metadata,
        labels: config.labels,
        annotations: config.annotations,
        state,
        createdAt,
      }));
    return { containers };
  }

  async containerStatus({ containerId = '' }: { containerId?: string | undefined }) {
    return { status: this.#statusOf(this.#get(containerId)) };
  }

  async updateContainerResources(request: Parameters<RuntimeService['updateContainerResources']>[0]) {
    const { containerId = '', linux = {} } = request;
    const container = this.#get(containerId);
    const words = Object.entries(linux).map(([key, value]) => `${key}=${value}`);
    this.#call(`update ${container.config.metadata?.name} ${words.join(' ')}`);
    container.limits = { ...container.limits, ...linux };
    return {};
  }

  async containerStats({ containerId = '' }: { containerId?: string | undefined }) {
    this.#get(containerId);
    return { stats: { memory: { usageBytes: { value: this.memoryInUse } } } };
  }

  async getContainerEvents(
    _request: object,
    onEvent: (event: ContainerEventResponse) => void,
    signal: AbortSignal,
  ): Promise<void> {
    this.#listeners.add(onEvent);
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
    this.#listeners.delete(onEvent);
  }

  async listImages() {
    return {
      images: [...this.imageNames].map((name) => ({ id: `sha256:${name}`, repoTags: [name], size: 1 })),
    };
  }

  async imageStatus(request: Parameters<ImageService['imageStatus']>[0]) {
    const name = (request.image?.image ?? '').replace(/^sha256:/, '');
    return this.imageNames.has(name) ? { image: { id: `sha256:${name}`, repoTags: [name] } } : {};
  }

  async pullImage(request: Parameters<ImageService['pullImage']>[0]) {
    const name = request.image?.image ?? '';
    this.#call(`pull ${name}`);
    if (!this.imageNames.has(name)) throw new PlatformError('not-found', `no such image: ${name}`);
    return { imageRef: `sha256:${name}` };
  }

  async removeImage() {
    return {};
  }

  #call(text: string): void {
    this.calls.push(text);
    for (const [key, error] of this.failures) {
      if (!text.startsWith(key)) continue;
      this.failures.delete(key);
      throw error;
    }
  }

  #get(id: string): FakeContainer {
    const container = this.containers.get(id);
    if (container === undefined) throw new PlatformError('not-found', `container ${id}`);
    return container;
  }

  #end(container: FakeContainer, exitCode: number): void {
    Object.assign(container, { state: 'CONTAINER_EXITED', finishedAt: this.#clock.now() * 1e6, exitCode });
    this.#tell(container, 'CONTAINER_STOPPED_EVENT');
  }

  #tell(container: FakeContainer, containerEventType: ContainerEventResponse['containerEventType']): void {
    const containersStatuses = [this.#statusOf(container)];
    for (const listener of this.#listeners) {
      listener({ containerId: container.id, containerEventType, containersStatuses });
    }
  }

  #statusOf(container: FakeContainer): ContainerStatus {
    const { id, config, state, createdAt, startedAt, finishedAt, exitCode, limits } = container;
    return {
      id,
      state,
      createdAt,
      startedAt,
      finishedAt,
      exitCode,
      metadata: config.metadata,
      labels: config.labels,
      annotations: config.annotations,
      image: config.image,
      imageRef: config.image?.image,
      imageId: config.image?.image,
      resources: { linux: limits },
    };
  }
}

function matches(
  labels: Readonly<Record<string, string>> | undefined,
  selector: Readonly<Record<string, string>> | undefined,
): boolean {
  return Object.entries(selector ?? {}).every(([key, value]) => labels?.[key] === value);
}
