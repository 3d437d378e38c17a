import { mkdir, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { errorMessage, isPlatformError, PlatformError } from '../../base/errors.ts';
import { failpoint } from '../../base/failpoint.ts';
import { newId } from '../../base/random.ts';
import type * as v1 from '../cri/generated/types.ts';
import type { ImageRecord } from '../image/image-store.ts';
import type { ContainerState } from '../runtime/runtime.ts';
import { containerSpec, runtimeResources } from './container-spec.ts';
import { killAndWait, stateIfThere, type EngineContext } from './context.ts';
import { containerStatus, sandboxStatus } from './cri-view.ts';
import { etcMounts } from './etc-files.ts';
import type { ContainerRecord, SandboxRecord } from './records.ts';
import { SIGKILL, stopSignalOf } from './signals.ts';

/** Exit code of a container whose program could not be started, as containerd has it. */
const START_ERROR_CODE = 128;
/** Exit code of a container whose end nobody saw. */
const LOST_CODE = 255;

/** The life of containers: one record, one runtime container and one snapshot each, all under the same id. */
export class Containers {
  readonly #context: EngineContext;
  readonly #watches = new Set<Promise<void>>();

  constructor(context: EngineContext) {
    this.#context = context;
  }

  async create(sandbox: SandboxRecord, config: v1.ContainerConfig): Promise<ContainerRecord> {
    const { containers, images, locks } = this.#context;
    const image = await images.get(config.image?.image ?? '');
    const id = newId();
    return locks.run(id, async () => {
      const record = await containers.put(this.#newRecord(id, { sandbox, config, image }));
      try {
        failpoint('engine.container.create');
        await this.#make(record, { sandbox, config, image });
        const created = await containers.put({ ...record, phase: 'created' });
        this.emit('CONTAINER_CREATED_EVENT', created);
        return created;
      } catch (error) {
        await this.undo(record);
        throw error;
      }
    });
  }

  async start(id: string): Promise<void> {
    const { containers, runtime, locks, now } = this.#context;
    const found = this.require(id);
    await locks.run(found.id, async () => {
      const record = this.require(found.id);
      if (record.phase !== 'created') {
        throw new PlatformError('conflict', `container ${record.id} is ${record.phase}, not created`);
      }
      try {
        await runtime.start(record.id);
      } catch (error) {
        const time = now();
        const failed = await containers.put({
          ...record,
          phase: 'exited',
          startedAt: time,
          finishedAt: time,
          exitCode: START_ERROR_CODE,
          reason: 'StartError',
          message: errorMessage(error),
        });
        this.emit('CONTAINER_STOPPED_EVENT', failed);
        throw error;
      }
      const state = await stateIfThere(runtime, record.id);
      const running = await containers.put({
        ...record,
        phase: 'running',
        startedAt: state?.startedAt || now(),
      });
      this.emit('CONTAINER_STARTED_EVENT', running);
      this.watch(record.id);
    });
  }

  /** Sends the stop signal, waits, kills. Idempotent; a second, more impatient caller is not held up by the first. */
  async stop(id: string, timeoutSeconds: number): Promise<void> {
    const { runtime, containers } = this.#context;
    const record = containers.find(id);
    if (record === undefined || record.phase === 'exited') return;
    if (record.phase === 'running' && timeoutSeconds > 0) {
      const ended = await this.#stopGently(record, timeoutSeconds);
      if (ended !== undefined) return this.#finish(record.id, ended);
    }
    await this.#finish(record.id, await killAndWait(runtime, record.id, SIGKILL));
  }

  /** Undefined when it has not ended in time, or the runtime does not know it. */
  async #stopGently(record: ContainerRecord, timeoutSeconds: number): Promise<ContainerState | undefined> {
    const { runtime, closing } = this.#context;
    const deadline = AbortSignal.timeout(timeoutSeconds * 1000);
    try {
      await runtime.kill(record.id, record.stopSignal);
      return await runtime.wait(record.id, AbortSignal.any([deadline, closing]));
    } catch (error) {
      if (isPlatformError(error, 'not-found') || (deadline.aborted && !closing.aborted)) return undefined;
      throw error;
    }
  }

  /**
   * Other limits, in the record once they are set: what is asked for may be asked again. The adjustment of the OOM score
   * is its processes' own and stays.
   */
  async update(id: string, resources: v1.LinuxContainerResources): Promise<void> {
    const { containers, runtime, locks } = this.#context;
    const found = this.require(id);
    await locks.run(found.id, async () => {
      const record = this.require(found.id);
      if (record.phase !== 'created' && record.phase !== 'running') {
        throw new PlatformError(
          'conflict',
          `container ${record.id} is ${record.phase}, not created or running`,
        );
      }
      await runtime.update(record.id, runtimeResources(resources) ?? {});
      failpoint('engine.container.update');
      const { linux } = record.config;
      const { oomScoreAdj: _own, ...others } = resources;
      const changed = Object.fromEntries(Object.entries(others).filter(([, value]) => Boolean(value)));
      const config = {
        ...record.config,
        linux: { ...linux, resources: { ...linux?.resources, ...changed } },
      };
      await containers.put({ ...record, config });
    });
  }

  async remove(id: string): Promise<void> {
    const { containers, locks } = this.#context;
    const found = containers.find(id);
    if (found === undefined) return;
    await this.stop(found.id, 0);
    await locks.run(found.id, async () => {
      const record = containers.get(found.id);
      if (record === undefined) return;
      await this.finishRemoval(await containers.put({ ...record, phase: 'removing' }));
    });
  }

  /** The second half of a removal: all steps may have been done already. */
  async finishRemoval(record: ContainerRecord): Promise<void> {
    await this.undo(record);
    this.emit('CONTAINER_DELETED_EVENT', record);
  }

  /** Takes away everything that a container may have. Repeatable. */
  async undo(record: ContainerRecord): Promise<void> {
    const { runtime, images, containers } = this.#context;
    await runtime.delete(record.id, { force: true });
    failpoint('engine.container.undo');
    await images.removeSnapshot(record.id);
    await containers.delete(record.id);
  }

  /** Brings a record in line with the runtime after the engine was away. */
  async reconcile(record: ContainerRecord): Promise<void> {
    const { containers, runtime } = this.#context;
    if (record.phase === 'creating') return this.undo(record);
    if (record.phase === 'removing') return this.finishRemoval(record);
    if (record.phase === 'exited') return;
    const state = await stateIfThere(runtime, record.id);
    if (state === undefined || state.status === 'stopped') return this.#finish(record.id, state);
    if (state.status === 'running' && record.phase === 'created') {
      await containers.put({ ...record, phase: 'running', startedAt: state.startedAt });
    }
    this.watch(record.id);
  }

  /** Follows a container to its end in the background. */
  watch(id: string): void {
    const watch = this.#follow(id);
    this.#watches.add(watch);
    void watch.finally(() => this.#watches.delete(watch));
  }

  async #follow(id: string): Promise<void> {
    const { runtime, containers, closing, log } = this.#context;
    try {
      await this.#finish(id, await runtime.wait(id, closing));
    } catch (error) {
      const phase = containers.get(id)?.phase;
      // Removed or ended by other means meanwhile: nothing is lost.
      if (closing.aborted || (phase !== 'created' && phase !== 'running')) return;
      log.error('lost sight of a container', { id, error: errorMessage(error) });
    }
  }

  async drain(): Promise<void> {
    await Promise.all(this.#watches);
  }

  require(id: string): ContainerRecord {
    const record = this.#context.containers.find(id);
    if (record !== undefined) return record;
    throw new PlatformError('not-found', `container "${id}" does not exist`, { details: { id } });
  }

  emit(type: v1.ContainerEventType, record: ContainerRecord): void {
    const { events, sandboxes, containers, now } = this.#context;
    if (!events.isHeard) return;
    const sandbox = sandboxes.get(record.sandboxId);
    events.emit({
      containerId: record.id,
      containerEventType: type,
      createdAt: now() * 1_000_000,
      ...(sandbox === undefined ? {} : { podSandboxStatus: sandboxStatus(sandbox) }),
      containersStatuses: containers
        .values()
        .filter(({ sandboxId }) => sandboxId === record.sandboxId)
        .map((other) => containerStatus(other)),
    });
  }

  #newRecord(id: string, { sandbox, config, image }: Making): ContainerRecord {
    const { envs: _envs, ...kept } = config;
    const logPath = config.logPath ?? '';
    return {
      id,
      sandboxId: sandbox.id,
      phase: 'creating',
      config: kept,
      image: { reference: image.reference, digest: image.digest, id: image.configDigest },
      logPath: logPath === '' ? '' : resolve(sandbox.config.logDirectory || '/', logPath),
      stopSignal: stopSignalOf(config.stopSignal, image.config.config?.StopSignal),
      createdAt: this.#context.now(),
      startedAt: 0,
      finishedAt: 0,
      exitCode: 0,
      reason: '',
      message: '',
    };
  }

  async #make(record: ContainerRecord, { sandbox, config, image }: Making): Promise<void> {
    const { runtime, images, sandboxes } = this.#context;
    const infra = await stateIfThere(runtime, sandbox.id);
    if (infra?.status !== 'running' && infra?.status !== 'created') {
      throw new PlatformError('unavailable', `sandbox ${sandbox.id} is not running`);
    }
    const root = await images.prepareSnapshot(record.id, image);
    if (record.logPath !== '') await mkdir(dirname(record.logPath), { recursive: true, mode: 0o755 });
    const spec = containerSpec({
      id: record.id,
      sandbox,
      sandboxPid: infra.pid,
      config,
      ...(await this.#targetOf(sandbox, config)),
      image: image.config,
      root,
      logPath: record.logPath,
      etcFiles: etcMounts(join(sandboxes.folder(sandbox.id), 'etc')),
    });
    await runtime.create(spec);
  }

  /** Only another container of the same pod can be looked into. */
  async #targetOf(
    sandbox: SandboxRecord,
    config: v1.ContainerConfig,
  ): Promise<{ targetPid?: { path: string; inode: number } }> {
    const { pid, targetId = '' } = config.linux?.securityContext?.namespaceOptions ?? {};
    if (pid !== 'TARGET') return {};
    const target = this.require(targetId);
    const state = await stateIfThere(this.#context.runtime, target.id);
    if (target.sandboxId !== sandbox.id || state?.status !== 'running') {
      throw new PlatformError(
        'invalid',
        `namespaceOptions.targetId: container ${targetId} does not run in this pod`,
      );
    }
    const path = `/proc/${state.pid}/ns/pid`;
    return { targetPid: { path, inode: (await stat(path)).ino } };
  }

  /** Writes down how a container ended, once. `undefined`: the runtime knows nothing of it any more. */
  async #finish(id: string, state: ContainerState | undefined): Promise<void> {
    const { containers, locks, now } = this.#context;
    await locks.run(id, async () => {
      const record = containers.get(id);
      if (record === undefined || record.phase === 'exited' || record.phase === 'removing') return;
      const exited = await containers.put({ ...record, phase: 'exited', ...outcome(state, now()) });
      this.emit('CONTAINER_STOPPED_EVENT', exited);
    });
  }
}

interface Making {
  readonly sandbox: SandboxRecord;
  readonly config: v1.ContainerConfig;
  readonly image: ImageRecord;
}

type Outcome = Pick<ContainerRecord, 'finishedAt' | 'exitCode' | 'reason' | 'message'> & {
  startedAt?: number;
};

function outcome(state: ContainerState | undefined, time: number): Outcome {
  if (state?.exitCode === undefined) {
    const message =
      'the container is gone from the runtime and nobody saw its end; the machine may have restarted';
    return {
      finishedAt: state?.finishedAt || time,
      exitCode: LOST_CODE,
      reason: 'ContainerStatusUnknown',
      message,
    };
  }
  const { exitCode, oomKilled, startedAt, finishedAt } = state;
  const reason = oomKilled === true ? 'OOMKilled' : exitCode === 0 ? 'Completed' : 'Error';
  return {
    finishedAt: finishedAt || time,
    exitCode,
    reason,
    message: '',
    ...(startedAt > 0 ? { startedAt } : {}),
  };
}
