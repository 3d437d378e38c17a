/** `events`: statistics at intervals, and each time that memory runs out. */
import { sleep, systemClock } from '../../../base/clock.ts';
import { PlatformError } from '../../../base/errors.ts';
import type { ContainerCgroup, CgroupStatistics } from '../cgroup/cgroup.ts';
import type { StoredContainer } from './container-folder.ts';
import type { OciContext } from './context.ts';
import { statusOf } from './status.ts';

/** Names and order of the members are runc's. */
export type ContainerEvent =
  | {
      readonly type: 'stats';
      readonly id: string;
      readonly data: CgroupStatistics & { readonly network_interfaces: null };
    }
  | { readonly type: 'oom'; readonly id: string };

/** `conflict` when it does not run. */
export function statsOf(context: OciContext, id: string): ContainerEvent {
  const { cgroup } = openRunning(context, id);
  return statsEvent(id, cgroup);
}

/** Calls back until the container has ended, or the caller has gone. */
export async function watchEvents(
  context: OciContext,
  id: string,
  { intervalMs, report }: { intervalMs: number; report: (event: ContainerEvent) => void },
): Promise<void> {
  const { cgroup, stored } = openRunning(context, id);
  const ended = new AbortController();
  const signal = AbortSignal.any([context.front.lost, ended.signal]);
  const watching = cgroup.watchOom(() => report({ type: 'oom', id }), signal).finally(() => ended.abort());
  try {
    while (!signal.aborted) {
      await sleep(systemClock, intervalMs, signal).catch(() => {});
      if (signal.aborted || statusOf(context, stored) === 'stopped') break;
      report(statsEvent(id, cgroup));
    }
  } finally {
    ended.abort();
    await watching.catch(() => {});
  }
}

function openRunning(context: OciContext, id: string): { cgroup: ContainerCgroup; stored: StoredContainer } {
  const stored = context.folders.get(id);
  if (statusOf(context, stored) === 'stopped') {
    throw new PlatformError('conflict', `container with id ${id} is not running`);
  }
  return { cgroup: context.host.openCgroup(stored.cgroup), stored };
}

function statsEvent(id: string, cgroup: ContainerCgroup): ContainerEvent {
  return { type: 'stats', id, data: { ...cgroup.stats(), network_interfaces: null } };
}
