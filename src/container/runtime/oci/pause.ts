/** `pause` and `resume`: the container stands still, and goes on. */
import { PlatformError } from '../../../base/errors.ts';
import type { OciContext } from './context.ts';
import { notRunning } from './kill.ts';
import { statusOf } from './status.ts';

/** `conflict` unless it is created or running. */
export async function pauseContainer(context: OciContext, id: string): Promise<void> {
  const { folders, host, front } = context;
  using lock = await folders.lock(id, front.lost);
  const stored = folders.get(lock.id);
  const status = statusOf(context, stored);
  if (status !== 'running' && status !== 'created') throw notRunning();
  await host.openCgroup(stored.cgroup).freeze(front.lost);
}

/** `conflict` unless it is paused. */
export async function resumeContainer(context: OciContext, id: string): Promise<void> {
  const { folders, host, front } = context;
  using lock = await folders.lock(id, front.lost);
  const stored = folders.get(lock.id);
  if (statusOf(context, stored) !== 'paused') throw new PlatformError('conflict', 'container not paused');
  await host.openCgroup(stored.cgroup).thaw();
}
