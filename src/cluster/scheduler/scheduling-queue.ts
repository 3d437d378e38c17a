import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../../base/clock.ts';
import type { Pod } from '../api/generated/core-v1.ts';
import { PodState } from './framework.ts';
import { Heap } from './heap.ts';
import type { NodeInfo } from './node-info.ts';
import { podInfoOf, type PodInfo } from './pod-info.ts';

/** Delays before a pod that failed is tried again: doubling from the first to the last, in milliseconds. */
const INITIAL_BACKOFF_MS = 1000;
const MAX_BACKOFF_MS = 10_000;
/** A pod no event has helped for so long is tried once more on all nodes, should an event have been missed. */
const LEFTOVER_MS = 5 * 60_000;

/**
 * active: next in line. backoff: would be tried, but has failed a short while ago; taken early when nobody is active.
 * error: as backoff, but the failure was not the cell's and may still be there, so never taken early.
 * unschedulable: no node can take it; waits for an event. out: handed to the scheduling cycle.
 */
export type Place = 'active' | 'backoff' | 'error' | 'unschedulable' | 'out';

export interface QueuedPod {
  info: PodInfo;
  state: PodState;
  /** Order of arrival. */
  readonly order: number;
  place: Place;
  attempts: number;
  /** On the monotonic clock. */
  readyAt: number;
  /** When it became unschedulable, on the monotonic clock. */
  parkedAt: number;
  /** The nodes that may have become feasible since all were tried; undefined when all have to be tried. */
  candidates: Set<string> | undefined;
  /** Plugins that refused a node when all were tried. */
  rejectedBy: ReadonlySet<string>;
  /** The message last written to the pod's condition. */
  reported: string | undefined;
}

export interface SchedulingQueueOptions {
  readonly clock: Clock;
  /** queueSort. */
  readonly compare: (a: PodInfo, b: PodInfo) => number;
  /** Called when `pop` has something to give that it had not before. Must not throw. */
  readonly onReady: () => void;
}

/** The pods without a node. A pod is in exactly one place. */
export class SchedulingQueue implements Disposable {
  readonly #clock: Clock;
  readonly #onReady: () => void;
  readonly #pods = new Map<string, QueuedPod>();
  readonly #active: Heap<QueuedPod>;
  readonly #backoff = new Heap<QueuedPod>(byTime);
  readonly #error = new Heap<QueuedPod>(byTime);
  /** Oldest first. */
  readonly #unschedulable = new Set<QueuedPod>();
  #order = 0;
  #timer: { readonly due: number; readonly handle: Disposable } | undefined;

  constructor(options: SchedulingQueueOptions) {
    this.#clock = options.clock;
    this.#onReady = options.onReady;
    this.#active = new Heap((a, b) => options.compare(a.info, b.info) || a.order - b.order);
  }

  get size(): number {
    return this.#pods.size;
  }

  place(uid: string): Place | undefined {
    return this.#pods.get(uid)?.place;
  }

  /** A pod that waits for a node is new or has changed. One that changed so that it may fit is tried at once. */
  set(pod: Pod): void {
    const uid = pod.metadata?.uid ?? '';
    const known = this.#pods.get(uid);
    if (known === undefined) {
      const info = podInfoOf(pod);
      const entry: QueuedPod = {
        info,
        state: new PodState(),
        order: ++this.#order,
        place: 'out',
        attempts: 0,
        readyAt: 0,
        parkedAt: 0,
        candidates: undefined,
        rejectedBy: new Set(),
        reported: undefined,
      };
      this.#pods.set(info.uid, entry);
      this.#activate(entry);
      return;
    }
    if (sameForPlugins(pod, known.info.pod)) {
      known.info = { ...known.info, pod };
      return;
    }
    const { place } = known;
    this.#take(known);
    known.info = podInfoOf(pod);
    known.state = new PodState();
    known.candidates = undefined;
    if (place === 'error') this.#wait(known, 'error');
    else this.#activate(known);
  }

  delete(uid: string): void {
    const entry = this.#pods.get(uid);
    if (entry === undefined) return;
    this.#take(entry);
    this.#pods.delete(uid);
  }

  /** The next pod to try. It stays known until `park`, `retryLater` or `delete`. */
  pop(): QueuedPod | undefined {
    const entry = this.#active.peek() ?? this.#backoff.peek();
    if (entry === undefined) return undefined;
    this.#take(entry);
    entry.attempts++;
    return entry;
  }

  /** No node could take the pod; `rejectedBy` when all were tried, undefined when only its candidates were. */
  park(entry: QueuedPod, rejectedBy?: ReadonlySet<string>): void {
    if (this.#pods.get(entry.info.uid) !== entry) return;
    entry.rejectedBy = rejectedBy ?? entry.rejectedBy;
    entry.candidates = new Set();
    entry.parkedAt = this.#clock.monotonic();
    entry.readyAt = entry.parkedAt + backoffMs(entry.attempts);
    entry.place = 'unschedulable';
    this.#unschedulable.add(entry);
    this.#arm();
  }

  /** The try failed for a reason outside the cell; again after a delay, on all nodes. */
  retryLater(entry: QueuedPod): void {
    const { uid } = entry.info;
    if (this.#pods.has(uid) && this.#pods.get(uid) !== entry) return;
    this.#pods.set(uid, entry);
    entry.candidates = undefined;
    entry.readyAt = this.#clock.monotonic() + backoffMs(entry.attempts);
    this.#wait(entry, 'error');
  }

  /**
   * A node changed. `mayHelp` is asked for each pod whose last try on all nodes failed; those it may help move on,
   * with the node as a candidate, or with all nodes when `anew`.
   */
  nodeChanged(node: NodeInfo, options: { anew: boolean; mayHelp: (entry: QueuedPod) => boolean }): void {
    for (const entry of this.#pods.values()) {
      if (entry.candidates === undefined || entry.place === 'out' || !options.mayHelp(entry)) continue;
      if (options.anew) entry.candidates = undefined;
      else entry.candidates.add(node.name);
      if (entry.place === 'unschedulable') this.#moveOn(entry);
    }
  }

  [Symbol.dispose](): void {
    this.#timer?.handle[Symbol.dispose]();
    this.#timer = undefined;
  }

  #moveOn(entry: QueuedPod): void {
    this.#take(entry);
    if (entry.readyAt > this.#clock.monotonic()) this.#wait(entry, 'backoff');
    else this.#activate(entry);
  }

  #activate(entry: QueuedPod): void {
    entry.place = 'active';
    this.#active.push(entry);
    this.#onReady();
  }

  #wait(entry: QueuedPod, place: 'backoff' | 'error'): void {
    entry.place = place;
    (place === 'error' ? this.#error : this.#backoff).push(entry);
    this.#arm();
    if (place === 'backoff') this.#onReady();
  }

  #take(entry: QueuedPod): void {
    if (entry.place === 'active') this.#active.delete(entry);
    else if (entry.place === 'backoff') this.#backoff.delete(entry);
    else if (entry.place === 'error') this.#error.delete(entry);
    else if (entry.place === 'unschedulable') this.#unschedulable.delete(entry);
    entry.place = 'out';
  }

  /** One timer, for whoever is due first; none while nobody waits. */
  #arm(): void {
    const [oldest] = this.#unschedulable;
    const due = Math.min(
      this.#backoff.peek()?.readyAt ?? Infinity,
      this.#error.peek()?.readyAt ?? Infinity,
      oldest === undefined ? Infinity : oldest.parkedAt + LEFTOVER_MS,
    );
    if (due === Infinity || (this.#timer !== undefined && this.#timer.due <= due)) return;
    this.#timer?.handle[Symbol.dispose]();
    const handle = this.#clock.after(Math.max(0, due - this.#clock.monotonic()), () => {
      this.#timer = undefined;
      this.#wake();
      this.#arm();
    });
    this.#timer = { due, handle };
  }

  #wake(): void {
    const now = this.#clock.monotonic();
    for (const heap of [this.#backoff, this.#error]) {
      for (let entry = heap.peek(); entry !== undefined && entry.readyAt <= now; entry = heap.peek()) {
        this.#take(entry);
        this.#activate(entry);
      }
    }
    for (const entry of this.#unschedulable) {
      if (entry.parkedAt + LEFTOVER_MS > now) break;
      entry.candidates = undefined;
      this.#moveOn(entry);
    }
  }
}

function byTime(a: QueuedPod, b: QueuedPod): number {
  return a.readyAt - b.readyAt || a.order - b.order;
}

function backoffMs(attempts: number): number {
  return Math.min(INITIAL_BACKOFF_MS * 2 ** Math.min(Math.max(attempts - 1, 0), 30), MAX_BACKOFF_MS);
}

/** The status, which this scheduler writes itself, decides nothing. */
function sameForPlugins(pod: Pod, previous: Pod): boolean {
  return (
    isDeepStrictEqual(pod.spec, previous.spec) &&
    isDeepStrictEqual(pod.metadata?.labels, previous.metadata?.labels)
  );
}
