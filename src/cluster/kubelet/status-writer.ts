import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../../base/clock.ts';
import { errorMessage, isPlatformError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { Pod, PodCondition, PodStatus } from '../api/generated/core-v1.ts';
import type { Client } from '../client/contract.ts';
import { pods } from '../client/kinds.ts';
import { podUid } from './pod-terms.ts';

interface Entry {
  pod: Pod;
  wanted: PodStatus;
  /** What the API was last told by us, or had when we first saw the pod. */
  written: PodStatus;
  running: Promise<void> | undefined;
  retry: Disposable | undefined;
  failures: number;
}

/**
 * Brings pod statuses to the API: only the newest of each pod, only when it differs from what the API has, one request
 * a pod at a time, again after a failure.
 */
export class StatusWriter implements Disposable {
  readonly #client: Client;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #entries = new Map<string, Entry>();

  constructor(options: { client: Client; clock: Clock; log: Logger }) {
    this.#client = options.client;
    this.#clock = options.clock;
    this.#log = options.log;
  }

  /** The pod with the status that was decided last, where that is newer than what the cache shows. */
  latest(pod: Pod): Pod {
    const wanted = this.#entries.get(podUid(pod))?.wanted;
    return wanted === undefined ? pod : { ...pod, status: merged(pod.status ?? {}, wanted) };
  }

  set(pod: Pod, status: PodStatus): void {
    const uid = podUid(pod);
    const entry = this.#entries.get(uid) ?? {
      pod,
      wanted: status,
      written: pod.status ?? {},
      running: undefined,
      retry: undefined,
      failures: 0,
    };
    entry.pod = pod;
    entry.wanted = status;
    this.#entries.set(uid, entry);
    this.#kick(entry);
  }

  /** Resolves once the newest status of the pod has been tried; false when the API has not taken it. */
  async flush(uid: string): Promise<boolean> {
    const entry = this.#entries.get(uid);
    if (entry === undefined) return true;
    this.#kick(entry);
    await entry.running;
    return covers(entry.written, entry.wanted);
  }

  forget(uid: string): void {
    this.#entries.get(uid)?.retry?.[Symbol.dispose]();
    this.#entries.delete(uid);
  }

  [Symbol.dispose](): void {
    for (const uid of this.#entries.keys()) this.forget(uid);
  }

  #kick(entry: Entry): void {
    if (entry.running !== undefined || covers(entry.written, entry.wanted)) return;
    entry.retry?.[Symbol.dispose]();
    entry.retry = undefined;
    entry.running = this.#drain(entry);
  }

  async #drain(entry: Entry): Promise<void> {
    try {
      while (!covers(entry.written, entry.wanted)) await this.#write(entry);
      entry.failures = 0;
    } catch (error) {
      // The pod is gone or another has taken its name: nobody is left to be told.
      if (isPlatformError(error, 'not-found') || (isPlatformError(error, 'conflict') && entry.failures > 5)) {
        entry.written = entry.wanted;
      } else {
        this.#retryLater(entry, error);
      }
    } finally {
      entry.running = undefined;
    }
  }

  async #write(entry: Entry): Promise<void> {
    const { pod, wanted, written } = entry;
    const { name = '', namespace = '' } = pod.metadata ?? {};
    const body = {
      // A different uid makes the API refuse: the status of a dead pod must not reach its namesake.
      metadata: { uid: podUid(pod) },
      status: { ...wanted, ...clearedConditions(written, wanted), ...replacedAddresses(written, wanted) },
    };
    await this.#client.patch(pods, { name, namespace }, { type: 'strategic', body, subresource: 'status' });
    entry.written = merged(written, wanted);
  }

  #retryLater(entry: Entry, error: unknown): void {
    entry.failures++;
    const delay = Math.min(100 * 2 ** entry.failures, 30_000);
    const pod = `${entry.pod.metadata?.namespace}/${entry.pod.metadata?.name}`;
    this.#log.warn('pod status not written', { pod, error: errorMessage(error), retryMs: delay });
    entry.retry = this.#clock.after(delay, () => this.#kick(entry));
  }
}

/** Conditions that are there only while they are true. Others' stay as they are. */
const OURS_ALONE: readonly string[] = ['PodResizePending', 'PodResizeInProgress'];

function has(status: PodStatus, type: string): boolean {
  return status.conditions?.some((condition) => condition.type === type) === true;
}

/** The API merges address lists by address: an old one has to be sent away by name. */
function replacedAddresses(written: PodStatus, wanted: PodStatus): Record<string, unknown> {
  const before = written.podIPs ?? [];
  if (wanted.podIPs === undefined || before.length === 0 || isDeepStrictEqual(before, wanted.podIPs))
    return {};
  return { podIPs: [...wanted.podIPs, { $patch: 'replace' }] };
}

/** The API merges conditions by type: what an old one said and the new one does not has to be taken back. */
function clearedConditions(written: PodStatus, wanted: PodStatus): Record<string, unknown> {
  if (wanted.conditions === undefined) return {};
  const conditions = wanted.conditions.map((condition) => {
    const old = written.conditions?.find(({ type }) => type === condition.type) ?? {};
    return { ...Object.fromEntries(Object.keys(old).map((key) => [key, null])), ...condition };
  });
  const over = OURS_ALONE.filter((type) => has(written, type) && !has(wanted, type));
  return { conditions: [...conditions, ...over.map((type) => ({ type, $patch: 'delete' }))] };
}

function merged(current: PodStatus, wanted: PodStatus): PodStatus {
  return {
    ...current,
    ...wanted,
    conditions: mergedConditions(current.conditions ?? [], wanted.conditions ?? []),
  };
}

function mergedConditions(current: readonly PodCondition[], wanted: readonly PodCondition[]): PodCondition[] {
  const others = current.filter(({ type = '' }) => !OURS_ALONE.includes(type));
  return [...wanted, ...others.filter(({ type }) => !wanted.some((one) => one.type === type))];
}

/** True when writing `wanted` over `current` would change nothing. */
function covers(current: PodStatus, wanted: PodStatus): boolean {
  for (const [key, value] of Object.entries(wanted)) {
    if (key !== 'conditions' && !isDeepStrictEqual(current[key as keyof PodStatus], value)) return false;
  }
  if (OURS_ALONE.some((type) => has(current, type) && !has(wanted, type))) return false;
  return (wanted.conditions ?? []).every((condition) => {
    const same = current.conditions?.find(({ type }) => type === condition.type);
    return same !== undefined && isDeepStrictEqual({ ...same }, { ...condition });
  });
}
