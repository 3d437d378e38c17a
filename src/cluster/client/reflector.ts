/**
 * Mirrors one kind of object: lists, then watches from the list's resourceVersion, for ever.
 *
 *   list ──ok──▶ watch ──ended, unavailable──▶ watch again from the last resourceVersion
 *    ▲             │
 *    └──expired, any other error──┘             failures in a row wait ever longer, with jitter
 */
import { sleep, type Clock } from '../../base/clock.ts';
import { errorMessage, isPlatformError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { Random } from '../../base/random.ts';
import { Slice } from '../../base/yield-to-loop.ts';
import type { ApiObject, Client, ResourceType } from './contract.ts';
import { pagesOf } from './pages.ts';

/** Where a reflector is; there is nothing else that it remembers. */
export type ReflectorState =
  /** Next: a full list. */
  | { readonly phase: 'list'; readonly failures: number }
  /** Everything up to `resourceVersion` is in the sink. Next: a watch from there. */
  | { readonly phase: 'watch'; readonly failures: number; readonly resourceVersion: string };

export interface ReflectorSink<T> {
  /** What is to be kept of an object; asked before it waits for the rest of its list. */
  prepare(object: T): T;
  /** Everything there is, prepared. Nothing else is told before it resolves. */
  replace(objects: readonly T[]): Promise<void>;
  put(object: T): void;
  delete(object: T): void;
}

export interface ReflectorOptions<T extends ApiObject> {
  readonly client: Client;
  readonly type: ResourceType<T>;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  readonly sink: ReflectorSink<T>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

const FIRST_DELAY_MS = 800;
const MAX_DELAY_MS = 30_000;
/** A watch that lives longer than this was a success, whatever ended it. */
const GOOD_WATCH_MS = 1000;

/** Runs until the signal aborts. */
export async function reflect<T extends ApiObject>(
  options: ReflectorOptions<T>,
  signal: AbortSignal,
): Promise<void> {
  let state: ReflectorState = { phase: 'list', failures: 0 };
  while (!signal.aborted) {
    state = state.phase === 'list' ? await list(options, state, signal) : await watch(options, state, signal);
    if (signal.aborted || state.failures === 0) continue;
    const delay = Math.min(FIRST_DELAY_MS * 2 ** Math.min(state.failures - 1, 10), MAX_DELAY_MS);
    await sleep(options.clock, delay * (1 + options.random.next()), signal).catch(() => {});
  }
}

async function list<T extends ApiObject>(
  options: ReflectorOptions<T>,
  state: ReflectorState,
  signal: AbortSignal,
): Promise<ReflectorState> {
  const { client, type, sink, clock } = options;
  try {
    const objects: T[] = [];
    let resourceVersion = '';
    const slice = new Slice(clock);
    for await (const page of pagesOf(client, type, selectors(options))) {
      for (const item of page.items) {
        objects.push(sink.prepare(item));
        if (slice.over) await slice.next();
      }
      if (signal.aborted) return state;
      ({ resourceVersion } = page);
    }
    await sink.replace(objects);
    return { phase: 'watch', failures: state.failures, resourceVersion };
  } catch (error) {
    report(options, 'list failed', error);
    return { phase: 'list', failures: state.failures + 1 };
  }
}

async function watch<T extends ApiObject>(
  options: ReflectorOptions<T>,
  state: Extract<ReflectorState, { phase: 'watch' }>,
  signal: AbortSignal,
): Promise<ReflectorState> {
  const { client, type, clock, sink } = options;
  const started = clock.monotonic();
  let { resourceVersion, failures } = state;
  try {
    const wanted = { ...selectors(options), resourceVersion, signal };
    for await (const event of client.watch(type, wanted)) {
      failures = 0;
      if (event.type === 'BOOKMARK') {
        resourceVersion = event.resourceVersion;
        continue;
      }
      if (event.type === 'DELETED') sink.delete(event.object);
      else sink.put(event.object);
      resourceVersion = event.object.metadata?.resourceVersion ?? resourceVersion;
    }
    const useful = failures === 0 && resourceVersion !== state.resourceVersion;
    const lasted = clock.monotonic() - started >= GOOD_WATCH_MS;
    return { phase: 'watch', resourceVersion, failures: useful || lasted ? 0 : failures + 1 };
  } catch (error) {
    if (clock.monotonic() - started >= GOOD_WATCH_MS) failures = 0;
    if (isPlatformError(error, 'expired')) {
      options.log.debug('watch is too old, listing again', { resource: type.resource, resourceVersion });
      return { phase: 'list', failures: failures === 0 && state.failures === 0 ? 0 : failures + 1 };
    }
    report(options, 'watch failed', error);
    if (isPlatformError(error, 'unavailable'))
      return { phase: 'watch', resourceVersion, failures: failures + 1 };
    return { phase: 'list', failures: failures + 1 };
  }
}

interface Selectors {
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

function selectors(options: Selectors): Selectors {
  const { labelSelector, fieldSelector } = options;
  return { ...(labelSelector && { labelSelector }), ...(fieldSelector && { fieldSelector }) };
}

function report<T extends ApiObject>(options: ReflectorOptions<T>, what: string, error: unknown): void {
  options.log.warn(`${what}, will try again`, {
    resource: options.type.resource,
    error: errorMessage(error),
  });
}
