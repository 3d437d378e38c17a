import { setTimeout as delay } from 'node:timers/promises';
import { systemClock } from '../../base/clock.ts';
import { PlatformError, isPlatformError } from '../../base/errors.ts';
import type { Instance } from '../../base/instance.ts';
import { silentLogger } from '../../base/log.ts';
import { systemRandom } from '../../base/random.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { linuxKernel } from '../../kernel/linux.ts';
import type { CommandInput } from '../command-table.ts';
import { findDaemon, takeOwnership, type DaemonRecord } from '../daemon.ts';
import { instanceOptions } from '../instance-options.ts';

/** How long a daemon may take to stop by itself before it is killed, in milliseconds. */
const STOP_DEADLINE_MS = 20_000;
/** How long the lock of one that has ended may stay, in milliseconds. */
const RELEASE_DEADLINE_MS = 2000;
const SIGTERM = 15;
const SIGKILL = 9;

/**
 * Stops the daemon, then removes what it ran. The second half does not need the first: after a crash, `down` takes the
 * data folder itself and finds containers, links and rules by the instance's names.
 */
export async function run({ options }: CommandInput): Promise<number> {
  const { instance } = instanceOptions(options);
  const kernel = linuxKernel();
  const daemon = findDaemon(kernel, instance);
  if (daemon !== undefined) await stopDaemon(kernel, instance, daemon);
  using stack = new DisposableStack();
  stack.use(await takeFreed(kernel, instance));
  if (process.getuid?.() === 0) {
    const { tearDownNode } = await import('../node.ts');
    await tearDownNode({ instance, kernel, clock: systemClock, random: systemRandom, log: silentLogger });
  }
  process.stdout.write(daemon === undefined ? 'was not running; nothing of it is left\n' : 'stopped\n');
  return 0;
}

/** A process that has ended may hold its lock for another moment: what it had open is closed behind its end. */
async function takeFreed(kernel: Kernel, instance: Instance): Promise<Disposable> {
  const end = systemClock.monotonic() + RELEASE_DEADLINE_MS;
  for (;;) {
    try {
      return takeOwnership(kernel, instance, 'stopping');
    } catch (error) {
      if (!isPlatformError(error, 'conflict') || systemClock.monotonic() > end) throw error;
    }
    await delay(10);
  }
}

async function stopDaemon(kernel: Kernel, instance: Instance, { pid }: DaemonRecord): Promise<void> {
  if (await signalAndWait(kernel, { instance, pid, signal: SIGTERM })) return;
  if (await signalAndWait(kernel, { instance, pid, signal: SIGKILL })) return;
  throw new PlatformError('timeout', `process ${pid} does not end`, {
    hint: `look at it with \`ps -p ${pid}\``,
  });
}

interface Target {
  readonly instance: Instance;
  readonly pid: number;
  readonly signal: number;
}

/** Signals the daemon by pidfd and waits until it has let go of its lock; false when it has not in time. */
async function signalAndWait(kernel: Kernel, { instance, pid, signal }: Target): Promise<boolean> {
  let pidfd: number;
  try {
    pidfd = kernel.pidfdOpen(pid);
  } catch (error) {
    if (isPlatformError(error, 'not-found')) return true;
    throw error;
  }
  try {
    // The lock is looked at again with the pidfd in hand: the pid may have been given to somebody else since.
    if (findDaemon(kernel, instance)?.pid !== pid) return true;
    kernel.pidfdSendSignal(pidfd, signal);
    const end = systemClock.monotonic() + STOP_DEADLINE_MS;
    while (systemClock.monotonic() < end) {
      if (!kernel.pidfdAlive(pidfd) || findDaemon(kernel, instance) === undefined) return true;
      await delay(10);
    }
    return false;
  } finally {
    kernel.close(pidfd);
  }
}
