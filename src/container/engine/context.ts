import type { Instance } from '../../base/instance.ts';
import type { KeyedLock } from '../../base/lock.ts';
import type { Logger } from '../../base/log.ts';
import type { ImageStore } from '../image/image-store.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { PodNetwork } from '../network/network.ts';
import type { ContainerState, Runtime } from '../runtime/runtime.ts';
import { isPlatformError } from '../../base/errors.ts';
import type { EventHub } from './event-hub.ts';
import type { ContainerRecord, Records, SandboxRecord } from './records.ts';

export interface EngineOptions {
  readonly instance: Instance;
  readonly runtime: Runtime;
  readonly images: ImageStore;
  readonly network: PodNetwork;
  readonly kernel: Kernel;
  readonly log: Logger;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** What the parts of the engine share. */
export interface EngineContext extends EngineOptions {
  readonly sandboxes: Records<SandboxRecord>;
  readonly containers: Records<ContainerRecord>;
  readonly events: EventHub;
  /** By sandbox or container id. A container's lock may be taken inside its sandbox's, never the other way round. */
  readonly locks: KeyedLock;
  /** Aborted when the engine is disposed: ends all watches on processes, not the processes. */
  readonly closing: AbortSignal;
}

/** The runtime's state of a container; undefined when it knows none. */
export async function stateIfThere(runtime: Runtime, id: string): Promise<ContainerState | undefined> {
  try {
    return await runtime.state(id);
  } catch (error) {
    if (isPlatformError(error, 'not-found')) return undefined;
    throw error;
  }
}

/** Kills and waits until it has ended; nothing to do when there is no such container. */
export async function killAndWait(
  runtime: Runtime,
  id: string,
  signal: number,
): Promise<ContainerState | undefined> {
  try {
    await runtime.kill(id, signal);
    return await runtime.wait(id);
  } catch (error) {
    if (isPlatformError(error, 'not-found')) return undefined;
    throw error;
  }
}
