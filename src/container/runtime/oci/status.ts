/** What a container is doing, computed from what is there: nobody writes it down. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { PlatformError } from '../../../base/errors.ts';
import type { ProcessIdentity } from '../owner.ts';
import type { ContainerFolders, StoredContainer } from './container-folder.ts';
import type { OciHost } from './context.ts';

/**
 * - `creating`: no init is known yet, and whoever creates it holds its lock
 * - `created`: init waits for the start, behind `start.sock`
 * - `running`, or `paused`: init lives
 * - `stopped`: init has ended, or its creation did not come to an end
 */
export type ContainerStatus = 'creating' | 'created' | 'running' | 'paused' | 'stopped';

/** In the container's folder, made by its init: connecting to it and a line `start` starts the user's program. */
export const START_SOCKET = 'start.sock';

type StatusContext = { readonly host: OciHost; readonly folders: ContainerFolders };

export function statusOf({ host, folders }: StatusContext, stored: StoredContainer): ContainerStatus {
  if (stored.init === undefined) return isLocked(folders, stored.id) ? 'creating' : 'stopped';
  if (!isAlive(host, stored.init)) return 'stopped';
  if (isPaused(host, stored)) return 'paused';
  return existsSync(join(folders.path(stored.id), START_SOCKET)) ? 'created' : 'running';
}

export function isAlive(host: OciHost, { pid, startTime }: ProcessIdentity): boolean {
  return host.identityOf(pid)?.startTime === startTime;
}

function isPaused(host: OciHost, { cgroup }: StoredContainer): boolean {
  try {
    return host.openCgroup(cgroup).frozen();
  } catch {
    // It may go while we look.
    return false;
  }
}

function isLocked(folders: ContainerFolders, id: string): boolean {
  try {
    const lock = folders.tryLock(id);
    lock?.[Symbol.dispose]();
    return lock === undefined;
  } catch {
    return false;
  }
}

/** Sends a signal to exactly this process; false when it has ended. */
export function signalProcess(host: OciHost, { pid, startTime }: ProcessIdentity, signal: number): boolean {
  const { kernel } = host;
  let fd: number;
  try {
    fd = kernel.pidfdOpen(pid);
  } catch (error) {
    if (error instanceof PlatformError && error.code === 'not-found') return false;
    throw error;
  }
  try {
    // Looked at while the descriptor holds the number's process: it is that one, or ours had ended before.
    if (host.identityOf(pid)?.startTime !== startTime) return false;
    kernel.pidfdSendSignal(fd, signal);
    return true;
  } catch (error) {
    if (error instanceof PlatformError && error.code === 'not-found') return false;
    throw error;
  } finally {
    kernel.close(fd);
  }
}
