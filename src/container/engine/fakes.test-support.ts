/** In-memory runtime, image store and network, which remember what they hold: what is left over is a leak. */
import { PlatformError } from '../../base/errors.ts';
import type { ImageRecord, ImageStore } from '../image/image-store.ts';
import type { PodNetwork } from '../network/network.ts';
import type {
  ContainerSpec,
  ContainerState,
  ContainerUsage,
  Resources,
  Runtime,
} from '../runtime/runtime.ts';
import type { ImageConfig } from '../spec/image.ts';

interface Held {
  readonly spec: ContainerSpec;
  state: ContainerState;
  readonly ended: PromiseWithResolvers<void>;
}

export class FakeRuntime implements Runtime {
  readonly held = new Map<string, Held>();
  readonly signals: string[] = [];
  readonly updates: { id: string; resources: Resources }[] = [];
  /** Signals that containers do not end by. */
  readonly ignored = new Set<number>();
  failStart: Error | undefined;
  #time = 1000;

  async create(spec: ContainerSpec): Promise<ContainerState> {
    const state: ContainerState = {
      id: spec.id,
      status: 'created',
      // Namespaces are looked at by pid; our own do.
      pid: process.pid,
      createdAt: this.#time++,
      startedAt: 0,
      finishedAt: 0,
      labels: spec.labels ?? {},
    };
    this.held.set(spec.id, { spec, state, ended: Promise.withResolvers() });
    return state;
  }

  async start(id: string): Promise<void> {
    if (this.failStart !== undefined) throw this.failStart;
    const held = this.#get(id);
    held.state = { ...held.state, status: 'running', startedAt: this.#time++ };
  }

  async kill(id: string, signal: number): Promise<void> {
    this.#get(id);
    this.signals.push(`${id.slice(0, 4)} ${signal}`);
    if (!this.ignored.has(signal)) this.end(id, 128 + signal);
  }

  /** As if the container's program had ended by itself. */
  end(id: string, exitCode: number, oomKilled = false): void {
    const held = this.#get(id);
    held.state = { ...held.state, status: 'stopped', pid: 0, exitCode, oomKilled, finishedAt: this.#time++ };
    held.ended.resolve();
  }

  async state(id: string): Promise<ContainerState> {
    return this.#get(id).state;
  }

  async list(): Promise<readonly ContainerState[]> {
    return [...this.held.values()].map(({ state }) => state);
  }

  async wait(id: string, signal?: AbortSignal): Promise<ContainerState> {
    const held = this.#get(id);
    const aborted = Promise.withResolvers<never>();
    const onAbort = (): void => aborted.reject(signal?.reason as Error);
    if (signal?.aborted === true) onAbort();
    signal?.addEventListener('abort', onAbort, { once: true });
    await Promise.race([held.ended.promise, aborted.promise]);
    return held.state;
  }

  async update(id: string, resources: Resources): Promise<void> {
    const held = this.#get(id);
    this.updates.push({ id, resources });
    if (held.state.status === 'stopped') throw new PlatformError('conflict', `container ${id} has stopped`);
  }

  async usage(id: string): Promise<ContainerUsage> {
    this.#get(id);
    return { memoryBytes: 4096, workingSetBytes: 2048, cpuNanos: 5, pids: 1 };
  }

  async delete(id: string): Promise<void> {
    const held = this.held.get(id);
    if (held !== undefined && held.state.status !== 'stopped') this.end(id, 137);
    this.held.delete(id);
  }

  async attach(): Promise<never> {
    throw new PlatformError('unsupported', 'nothing runs here');
  }

  async exec(): Promise<never> {
    throw new PlatformError('unsupported', 'nothing runs here');
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  #get(id: string): Held {
    const held = this.held.get(id);
    if (held === undefined) throw new PlatformError('not-found', `container ${id} does not exist`);
    return held;
  }
}

export class FakeImages implements ImageStore {
  readonly snapshots = new Set<string>();
  readonly images = new Map<string, ImageRecord>();

  add(reference: string, config: ImageConfig['config'] = {}): void {
    this.images.set(reference, {
      reference,
      digest: `sha256:${'d'.repeat(64)}`,
      configDigest: `sha256:${'c'.repeat(64)}`,
      size: 10,
      manifest: {
        schemaVersion: 2,
        mediaType: '',
        config: { mediaType: '', digest: '', size: 0 },
        layers: [],
      },
      config: { architecture: 'amd64', os: 'linux', config, rootfs: { type: 'layers', diff_ids: [] } },
    });
  }

  async get(reference: string): Promise<ImageRecord> {
    const byId = [...this.images.values()].find(({ configDigest }) => configDigest === reference);
    const found = this.images.get(reference) ?? byId;
    if (found === undefined) throw new PlatformError('not-found', `image "${reference}" is not in the store`);
    return found;
  }

  async list(): Promise<readonly ImageRecord[]> {
    return [...this.images.values()];
  }

  async remove(reference: string): Promise<void> {
    const { configDigest } = await this.get(reference);
    for (const [name, image] of this.images)
      if (image.configDigest === configDigest) this.images.delete(name);
  }

  async prepareSnapshot(key: string) {
    this.snapshots.add(key);
    return { key, lowerDirs: ['/lower'], upperDir: '/upper', workDir: '/work' };
  }

  async removeSnapshot(key: string): Promise<void> {
    this.snapshots.delete(key);
  }

  async sweep(keep: ReadonlySet<string>): Promise<void> {
    for (const key of this.snapshots) if (!keep.has(key)) this.snapshots.delete(key);
  }
}

export class FakeNetwork implements PodNetwork {
  readonly gateway = '10.64.0.1';
  readonly podCidr = '10.64.0.0/16';
  readonly addresses = new Set<string>();

  async setUp(keep: ReadonlySet<string>): Promise<void> {
    for (const id of this.addresses) if (!keep.has(id)) this.addresses.delete(id);
  }

  async add({ containerId }: { readonly containerId: string }) {
    this.addresses.add(containerId);
    const ips = [{ address: `10.64.0.${1 + this.addresses.size}/16`, gateway: this.gateway }];
    return { interfaces: [], ips, routes: [] };
  }

  async del(containerId: string): Promise<void> {
    this.addresses.delete(containerId);
  }

  async tearDown(): Promise<void> {
    this.addresses.clear();
  }
}
