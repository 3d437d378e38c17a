/** Telling when a cgroup ran out of memory. */
import { existsSync, watch } from 'node:fs';
import { dirname } from 'node:path';
import { PlatformError } from '../../../base/errors.ts';
import { pause, readKeyed } from '../../../kernel/cgroup-files.ts';

/**
 * How often the counter is looked at on v1, in milliseconds. There the kernel tells by eventfd alone, and waiting for one
 * would hold one of Node's four pool threads for each container.
 */
const LOOK_EVERY_MS = 100;
/** On v2 a change wakes us; a cgroup that goes away does not. */
const LOOK_FOR_END_EVERY_MS = 1000;

/** Calls `onOom` once for each kill; resolves when the file is gone or `signal` aborts. */
export async function watchOomFile(file: string, onOom: () => void, signal: AbortSignal): Promise<void> {
  let known = killsOf(file) ?? 0;
  const look = (): boolean => {
    const kills = killsOf(file);
    for (; known < (kills ?? 0); known++) onOom();
    return kills !== undefined;
  };
  const isV2 = file.endsWith('memory.events');
  let woken = Promise.withResolvers<void>();
  using stack = new DisposableStack();
  if (isV2 && existsSync(file)) {
    const watcher = watch(file, { persistent: false }, () => woken.resolve());
    // The folder is gone: the next look finds out.
    watcher.on('error', () => woken.resolve());
    stack.defer(() => watcher.close());
  }
  while (!signal.aborted && look()) {
    const ended = new AbortController();
    const either = AbortSignal.any([signal, ended.signal]);
    const timer = pause(isV2 ? LOOK_FOR_END_EVERY_MS : LOOK_EVERY_MS, either).catch(() => {});
    await Promise.race([timer, woken.promise]);
    ended.abort();
    woken = Promise.withResolvers<void>();
  }
}

/** `undefined` when there is no such cgroup any more. */
function killsOf(file: string): number | undefined {
  try {
    return readKeyed(file, 'oom_kill');
  } catch (error) {
    const gone = error instanceof PlatformError && (error.code === 'not-found' || !existsSync(dirname(file)));
    if (gone) return undefined;
    throw error;
  }
}
