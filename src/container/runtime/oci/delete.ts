/** `delete`: what create has made goes, the folder last; then the poststop hooks. */
import { type Clock, sleep, systemClock } from '../../../base/clock.ts';
import { errorMessage, isPlatformError, PlatformError } from '../../../base/errors.ts';
import { failpoint } from '../../../base/failpoint.ts';
import type { RuntimeConfig } from '../../spec/runtime-config.ts';
import type { LockedContainer, StoredContainer } from './container-folder.ts';
import type { OciContext, OciHost } from './context.ts';
import { detachMounts } from './host-mounts.ts';
import { runHooks } from './parent-hooks.ts';
import { isAlive, signalProcess, statusOf } from './status.ts';

const SIGKILL = 9;
/** A process that is killed may be busy in the kernel for a while. */
const DEADLINE_MS = 10_000;

export interface DeleteOptions {
  /** Also a container that lives, one whose creation did not come to an end, and one that is not there. */
  readonly force: boolean;
}

/** `conflict` when it has not stopped, and is not to be forced: nothing happens then. */
export async function deleteContainer(
  context: OciContext,
  id: string,
  { force }: DeleteOptions,
): Promise<void> {
  const { folders, front } = context;
  let lock: LockedContainer;
  try {
    lock = await folders.lock(id, front.lost);
  } catch (error) {
    if (force && isPlatformError(error, 'not-found')) return;
    throw error;
  }
  using held = lock;
  const stored = folders.read(id);
  if (stored === undefined) {
    if (!force) folders.get(id);
    return held.remove();
  }
  const status = statusOfHeld(context, stored);
  if (status !== 'stopped' && !force) {
    throw new PlatformError('conflict', `cannot delete container ${id} that is not stopped: ${status}`);
  }
  await destroy(context, held, stored);
}

/** Whoever holds the lock is not creating it any more. */
function statusOfHeld(context: OciContext, stored: StoredContainer): string {
  return stored.init === undefined ? 'stopped' : statusOf(context, stored);
}

/** Kills what lives, removes what is left. */
export async function destroy(
  context: OciContext,
  lock: LockedContainer,
  stored: StoredContainer,
): Promise<void> {
  const { host, folders } = context;
  failpoint('oci.destroy');
  let config: RuntimeConfig | undefined;
  try {
    config = folders.config(stored.id);
  } catch (error) {
    context.warn(`container ${stored.id}: its configuration cannot be read: ${errorMessage(error)}`);
  }
  await endProcesses(host, stored);
  detachMounts(host.kernel, stored.rootfs, stored.rootMounts);
  await host.openCgroup(stored.cgroup).remove();
  lock.remove();
  if (config !== undefined) await runHooks(context, stored, { name: 'poststop', config });
}

/** Everything in its cgroup, and init: it is not in one where there are none. */
export async function endProcesses(host: OciHost, stored: StoredContainer): Promise<void> {
  await host.openCgroup(stored.cgroup).kill();
  if (stored.init === undefined) return;
  if (signalProcess(host, stored.init, SIGKILL)) await untilEnded(host, stored.init);
}

async function untilEnded(
  host: OciHost,
  init: NonNullable<StoredContainer['init']>,
  clock: Clock = systemClock,
): Promise<void> {
  const deadline = clock.monotonic() + DEADLINE_MS;
  for (let wait = 1; isAlive(host, init); wait = Math.min(wait * 2, 50)) {
    if (clock.monotonic() > deadline) {
      throw new PlatformError('timeout', `process ${init.pid} outlives SIGKILL`);
    }
    await sleep(clock, wait);
  }
}
