import { join } from 'node:path';
import { PlatformError } from '../../base/errors.ts';
import type { Pod } from '../api/generated/core-v1.ts';
import { readCriLog } from './log-reader.ts';
import type { ObservedContainer, ObservedPod } from './observed.ts';
import { allContainersOf, containerLogPath, podLogDirectory } from './pod-terms.ts';

/** The query of `pods/<name>/log`, as PodLogOptions has it. */
export interface PodLogOptions {
  readonly container?: string;
  readonly follow?: boolean;
  readonly tailLines?: number;
  readonly limitBytes?: number;
  /** The run before the last. */
  readonly previous?: boolean;
  readonly timestamps?: boolean;
  readonly sinceSeconds?: number;
  /** RFC 3339. */
  readonly sinceTime?: string;
  readonly signal?: AbortSignal;
}

export interface LogSource {
  readonly podLogsDir: string;
  /** Milliseconds since the epoch. */
  now(): number;
  /** What ran at the last look; asked again as long as the log is followed. */
  observed(): ObservedPod | undefined;
  onChange(callback: () => void): Disposable;
}

/** The log of one container. `invalid` with kubectl's usual words when there is no such container, or no run yet. */
export function podLogs(pod: Pod, options: PodLogOptions, source: LogSource): AsyncIterable<Uint8Array> {
  const name = chooseContainer(pod, options.container);
  const run = chooseRun(pod, { name, previous: options.previous === true, observed: source.observed() });
  const path = join(podLogDirectory(source.podLogsDir, pod), containerLogPath(name, run.restartCount));
  const { follow = false, tailLines, limitBytes, timestamps, signal } = options;
  const sinceMs = since(options, source.now());
  return readCriLog(path, {
    follow,
    ...(tailLines === undefined ? {} : { tailLines }),
    ...(limitBytes === undefined ? {} : { limitBytes }),
    ...(timestamps === undefined ? {} : { timestamps }),
    ...(sinceMs === undefined ? {} : { sinceMs }),
    ...(signal === undefined ? {} : { signal }),
    ended: () => {
      const now = source.observed()?.containers.find(({ id }) => id === run.id);
      return now === undefined || now.state === 'exited';
    },
    changed: (callback) => source.onChange(callback),
  });
}

function since(options: PodLogOptions, now: number): number | undefined {
  if (options.sinceSeconds !== undefined) return now - options.sinceSeconds * 1000;
  return options.sinceTime === undefined ? undefined : Date.parse(options.sinceTime);
}

function chooseContainer(pod: Pod, wanted: string | undefined): string {
  const names = allContainersOf(pod).map(({ name = '' }) => name);
  const podName = pod.metadata?.name ?? '';
  if (wanted !== undefined && wanted !== '') {
    if (names.includes(wanted)) return wanted;
    throw new PlatformError('invalid', `container ${wanted} is not valid for pod ${podName}`);
  }
  if (names.length === 1) return names[0]!;
  const marked = pod.metadata?.annotations?.['kubectl.kubernetes.io/default-container'];
  if (marked !== undefined && names.includes(marked)) return marked;
  throw new PlatformError(
    'invalid',
    `a container name must be specified for pod ${podName}, choose one of: [${names.join(' ')}]`,
  );
}

function chooseRun(
  pod: Pod,
  given: { readonly name: string; readonly previous: boolean; readonly observed: ObservedPod | undefined },
): ObservedContainer {
  const { name, previous, observed } = given;
  const podName = pod.metadata?.name ?? '';
  const runs = (observed?.containers ?? []).filter((one) => one.name === name && one.state !== 'created');
  const run = runs[previous ? 1 : 0];
  if (run !== undefined) return run;
  if (previous) {
    throw new PlatformError(
      'invalid',
      `previous terminated container "${name}" in pod "${podName}" not found`,
    );
  }
  const status = [
    ...(pod.status?.containerStatuses ?? []),
    ...(pod.status?.initContainerStatuses ?? []),
    ...(pod.status?.ephemeralContainerStatuses ?? []),
  ].find((one) => one.name === name);
  const reason = status?.state?.waiting?.reason ?? 'ContainerCreating';
  throw new PlatformError(
    'invalid',
    `container "${name}" in pod "${podName}" is waiting to start: ${reason}`,
  );
}
