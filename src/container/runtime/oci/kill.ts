/** `kill`: a signal to the container's init, or to all of it. */
import { PlatformError, isPlatformError } from '../../../base/errors.ts';
import type { RuntimeConfig } from '../../spec/runtime-config.ts';
import type { OciContext } from './context.ts';
import { signalProcess, statusOf } from './status.ts';

const SIGKILL = 9;

export interface KillOptions {
  readonly signal: number;
  /** Every process in its cgroup. */
  readonly all: boolean;
}

/** `not-found` when there is no such container; `conflict` when its init has ended. */
export async function killContainer(
  context: OciContext,
  id: string,
  { signal, all }: KillOptions,
): Promise<void> {
  const { host, folders } = context;
  const stored = folders.get(id);
  const cgroup = host.openCgroup(stored.cgroup);
  if (all) {
    await cgroup.kill(signal);
    return;
  }
  const status = statusOf(context, stored);
  if (status === 'stopped' || stored.init === undefined) throw notRunning();
  // Without a pid namespace of its own, nothing else ends what init has left behind.
  if (signal === SIGKILL && !hasOwnPidNamespace(folders.config(id)) && cgroup.procsFiles.length > 0) {
    await cgroup.kill();
  }
  try {
    if (!signalProcess(host, stored.init, signal) && signal !== SIGKILL) throw notRunning();
  } catch (error) {
    if (!isPlatformError(error) || error.details['syscall'] === undefined) throw error;
    const reason = error.code === 'invalid' ? 'invalid argument' : error.message;
    throw new PlatformError(error.code, `unable to signal init: ${reason}`, { cause: error });
  }
  // cgroup v1 delivers a signal to what stands still only when it goes on.
  if (status === 'paused' && signal === SIGKILL) await cgroup.thaw();
}

export function hasOwnPidNamespace(config: RuntimeConfig): boolean {
  const namespace = config.linux?.namespaces?.find(({ type }) => type === 'pid');
  return namespace !== undefined && (namespace.path ?? '') === '';
}

export function notRunning(): PlatformError {
  return new PlatformError('conflict', 'container not running');
}
