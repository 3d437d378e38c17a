import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errorMessage, PlatformError } from '../../base/errors.ts';
import { failpoint } from '../../base/failpoint.ts';
import { newId } from '../../base/random.ts';
import type * as v1 from '../cri/generated/types.ts';
import { sandboxSpec, usesHostNetwork } from './container-spec.ts';
import type { Containers } from './containers.ts';
import { stateIfThere, type EngineContext } from './context.ts';
import { sandboxStatus } from './cri-view.ts';
import { writeEtcFiles } from './etc-files.ts';
import type { SandboxRecord } from './records.ts';

const NAMESPACES = ['net', 'ipc', 'uts', 'pid'] as const;

/** The life of sandboxes: a runtime container that holds the pod's namespaces, and an address on the pod network. */
export class Sandboxes {
  readonly #context: EngineContext;
  readonly #containers: Containers;
  readonly #watches = new Set<Promise<void>>();

  constructor(context: EngineContext, containers: Containers) {
    this.#context = context;
    this.#containers = containers;
  }

  async run(config: v1.PodSandboxConfig, runtimeHandler: string): Promise<SandboxRecord> {
    if (runtimeHandler !== '') {
      throw new PlatformError('not-found', `runtime handler "${runtimeHandler}" is not configured`);
    }
    this.#checkUnique(config);
    const { sandboxes, locks, now } = this.#context;
    const id = newId();
    return locks.run(id, async () => {
      const record = await sandboxes.put({
        id,
        phase: 'creating',
        config,
        runtimeHandler,
        createdAt: now(),
        ips: [],
        namespaces: {},
      });
      try {
        failpoint('engine.sandbox.create');
        const ready = await sandboxes.put({ ...record, phase: 'ready', ...(await this.#make(record)) });
        this.#emit('CONTAINER_CREATED_EVENT', ready);
        this.#emit('CONTAINER_STARTED_EVENT', ready);
        this.watch(id);
        return ready;
      } catch (error) {
        await this.undo(record);
        throw error;
      }
    });
  }

  /** Ends its containers and gives its address back. Idempotent, also for a sandbox that does not exist. */
  async stop(id: string): Promise<void> {
    const { sandboxes, locks } = this.#context;
    const found = sandboxes.find(id);
    if (found === undefined) return;
    await locks.run(found.id, async () => {
      const record = sandboxes.get(found.id);
      if (record === undefined) return;
      await Promise.all(
        this.#containersOf(record.id).map((container) => this.#containers.stop(container, 0)),
      );
      // On record first, or the watch would take the end of the infra process for an accident.
      const stopped =
        record.phase === 'ready' ? await sandboxes.put({ ...record, phase: 'stopped' }) : undefined;
      await this.#release(record);
      if (stopped !== undefined) this.#emit('CONTAINER_STOPPED_EVENT', stopped);
    });
  }

  async remove(id: string): Promise<void> {
    const { sandboxes, locks } = this.#context;
    const found = sandboxes.find(id);
    if (found === undefined) return;
    await this.stop(found.id);
    await locks.run(found.id, async () => {
      const record = sandboxes.get(found.id);
      if (record !== undefined)
        await this.finishRemoval(await sandboxes.put({ ...record, phase: 'removing' }));
    });
  }

  async finishRemoval(record: SandboxRecord): Promise<void> {
    for (const id of this.#containersOf(record.id)) await this.#containers.remove(id);
    await this.undo(record);
    this.#emit('CONTAINER_DELETED_EVENT', record);
  }

  /** Takes away everything that a sandbox may have. Repeatable. */
  async undo(record: SandboxRecord): Promise<void> {
    await this.#release(record);
    failpoint('engine.sandbox.undo');
    await this.#context.sandboxes.delete(record.id);
  }

  /** Brings a record in line with the runtime after the engine was away. */
  async reconcile(record: SandboxRecord): Promise<void> {
    if (record.phase === 'creating') return this.undo(record);
    if (record.phase === 'removing') return this.finishRemoval(record);
    if (record.phase === 'stopped') return;
    const state = await stateIfThere(this.#context.runtime, record.id);
    if (state === undefined || state.status === 'stopped')
      await this.#context.sandboxes.put({ ...record, phase: 'stopped' });
    else this.watch(record.id);
  }

  /** A sandbox whose infra process dies is not ready any more; what it held is given back when it is stopped. */
  watch(id: string): void {
    const watch = this.#follow(id);
    this.#watches.add(watch);
    void watch.finally(() => this.#watches.delete(watch));
  }

  async #follow(id: string): Promise<void> {
    const { runtime, sandboxes, locks, closing, log } = this.#context;
    try {
      await runtime.wait(id, closing);
      await locks.run(id, async () => {
        const record = sandboxes.get(id);
        if (record?.phase !== 'ready') return;
        log.warn('a sandbox has died', { id });
        this.#emit('CONTAINER_STOPPED_EVENT', await sandboxes.put({ ...record, phase: 'stopped' }));
      });
    } catch (error) {
      if (closing.aborted || sandboxes.get(id)?.phase !== 'ready') return;
      log.error('lost sight of a sandbox', { id, error: errorMessage(error) });
    }
  }

  async drain(): Promise<void> {
    await Promise.all(this.#watches);
  }

  require(id: string): SandboxRecord {
    const record = this.#context.sandboxes.find(id);
    if (record !== undefined) return record;
    throw new PlatformError('not-found', `sandbox "${id}" does not exist`, { details: { id } });
  }

  async #make(record: SandboxRecord): Promise<Pick<SandboxRecord, 'ips' | 'namespaces'>> {
    const { runtime, network, sandboxes } = this.#context;
    const logDirectory = record.config.logDirectory ?? '';
    if (logDirectory !== '') await mkdir(logDirectory, { recursive: true, mode: 0o755 });
    const state = await runtime.create(sandboxSpec(record));
    const namespaces: Record<string, number> = {};
    for (const kind of NAMESPACES) {
      namespaces[kind] = (await stat(`/proc/${state.pid}/ns/${kind}`)).ino;
    }
    const ips: string[] = [];
    if (!usesHostNetwork(record.config)) {
      const netns = `/proc/${state.pid}/ns/net`;
      const result = await network.add({ containerId: record.id, netns, interfaceName: 'eth0' });
      ips.push(...result.ips.map(({ address }) => address.split('/', 1)[0]!));
    }
    await writeEtcFiles(join(sandboxes.folder(record.id), 'etc'), record.config, ips);
    return { ips, namespaces };
  }

  async #release(record: SandboxRecord): Promise<void> {
    const { runtime, network } = this.#context;
    // The namespace goes first: an address that is free again must not still answer in here.
    await runtime.delete(record.id, { force: true });
    if (!usesHostNetwork(record.config)) await network.del(record.id);
  }

  #containersOf(sandboxId: string): string[] {
    return this.#context.containers
      .values()
      .filter((container) => container.sandboxId === sandboxId)
      .map(({ id }) => id);
  }

  /** CRI names a sandbox by metadata and attempt: a second one under the same name is the caller's mistake. */
  #checkUnique(config: v1.PodSandboxConfig): void {
    const nameOf = ({ metadata }: v1.PodSandboxConfig): string =>
      JSON.stringify([
        metadata?.namespace ?? '',
        metadata?.name ?? '',
        metadata?.uid ?? '',
        metadata?.attempt ?? 0,
      ]);
    const other = this.#context.sandboxes.values().find((record) => nameOf(record.config) === nameOf(config));
    if (other === undefined) return;
    throw new PlatformError('already-exists', `sandbox ${nameOf(config)} exists already as ${other.id}`);
  }

  #emit(type: v1.ContainerEventType, record: SandboxRecord): void {
    this.#context.events.emit({
      containerId: record.id,
      containerEventType: type,
      createdAt: this.#context.now() * 1_000_000,
      podSandboxStatus: sandboxStatus(record),
      containersStatuses: [],
    });
  }
}
