import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../../base/clock.ts';
import type { Node } from '../api/generated/core-v1.ts';
import { NodeInfo } from './node-info.ts';
import type { PodInfo } from './pod-info.ts';

/** How long a bound pod may stay unconfirmed by the informer before its room is given back, in milliseconds. */
const CONFIRM_MS = 30_000;

interface Placed {
  readonly info: PodInfo;
  readonly nodeName: string;
  /** Set while only this scheduler says so; `until` once the API has accepted the binding. */
  readonly assumed: { until: number | undefined } | undefined;
}

/**
 * The nodes and the pods on them, as the informers tell, plus the pods this scheduler has just placed (assumed). Kept by
 * differences. What may have made room is returned, so that the caller can tell the queue.
 */
export class CellState implements Disposable {
  readonly #clock: Clock;
  readonly #onExpired: (pod: PodInfo, node: NodeInfo) => void;
  readonly #byName = new Map<string, NodeInfo>();
  readonly #order: NodeInfo[] = [];
  readonly #placed = new Map<string, Placed>();
  /** Bound and unconfirmed, oldest first: all wait equally long, so insertion order is order of time. */
  readonly #unconfirmed = new Map<string, { until: number | undefined }>();
  #timer: Disposable | undefined;

  constructor(options: {
    readonly clock: Clock;
    /** A bound pod was never confirmed; its room on `node` is free again. */
    readonly onExpired: (pod: PodInfo, node: NodeInfo) => void;
  }) {
    this.#clock = options.clock;
    this.#onExpired = options.onExpired;
  }

  /** The nodes that exist, in an order that only changes when nodes come and go. */
  get nodes(): readonly NodeInfo[] {
    return this.#order;
  }

  node(name: string): NodeInfo | undefined {
    const info = this.#byName.get(name);
    return info?.node === undefined ? undefined : info;
  }

  /** True while the pod is placed by this scheduler and not yet by the API. */
  isAssumed(uid: string): boolean {
    return this.#placed.get(uid)?.assumed !== undefined;
  }

  /** Adds or replaces a node. Returns it unless nothing changed that a pod could care about (heartbeats). */
  setNode(node: Node): NodeInfo | undefined {
    const info = this.#nodeInfo(node.metadata?.name ?? '');
    const previous = info.node;
    if (info.position < 0) {
      info.position = this.#order.length;
      this.#order.push(info);
    }
    if (previous !== undefined && !matters(node, previous)) return undefined;
    info.setNode(node);
    return info;
  }

  removeNode(name: string): void {
    const info = this.#byName.get(name);
    if (info === undefined || info.position < 0) return;
    const last = this.#order.pop()!;
    if (last !== info) {
      this.#order[info.position] = last;
      last.position = info.position;
    }
    info.position = -1;
    info.setNode(undefined);
    this.#dropIfEmpty(info);
  }

  /** Counts a pod as on the node before the API knows. */
  assume(info: PodInfo, nodeName: string): void {
    this.#place({ info, nodeName, assumed: { until: undefined } });
  }

  /** The API has accepted the binding: from now the informer has a limited time to show it. */
  bound(uid: string): void {
    const assumed = this.#placed.get(uid)?.assumed;
    if (assumed === undefined) return;
    assumed.until = this.#clock.monotonic() + CONFIRM_MS;
    this.#unconfirmed.set(uid, assumed);
    this.#arm();
  }

  /** Takes back an assumption. Undefined when the pod is no longer assumed. */
  forget(uid: string): NodeInfo | undefined {
    return this.isAssumed(uid) ? this.remove(uid) : undefined;
  }

  /** The API says that the pod is on the node. Returns the node that has more room than before, if one has. */
  observe(info: PodInfo, nodeName: string): NodeInfo | undefined {
    const before = this.#placed.get(info.uid);
    const same =
      before !== undefined &&
      before.nodeName === nodeName &&
      isDeepStrictEqual(before.info.requests, info.requests);
    const freed = before === undefined || same ? undefined : this.remove(info.uid);
    if (same) this.#take(info.uid);
    this.#place({ info, nodeName, assumed: undefined });
    return freed;
  }

  /** The pod is gone or has ended. Returns the node that has room now. */
  remove(uid: string): NodeInfo | undefined {
    const node = this.#take(uid);
    return node === undefined || !this.#dropIfEmpty(node) ? node : undefined;
  }

  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
  }

  #place(placed: Placed): void {
    this.#placed.set(placed.info.uid, placed);
    this.#nodeInfo(placed.nodeName).add(placed.info);
  }

  #take(uid: string): NodeInfo | undefined {
    const placed = this.#placed.get(uid);
    if (placed === undefined) return undefined;
    this.#placed.delete(uid);
    this.#unconfirmed.delete(uid);
    const node = this.#byName.get(placed.nodeName);
    node?.remove(placed.info);
    return node;
  }

  #nodeInfo(name: string): NodeInfo {
    let info = this.#byName.get(name);
    if (info === undefined) {
      info = new NodeInfo(name);
      this.#byName.set(name, info);
    }
    return info;
  }

  #dropIfEmpty(info: NodeInfo): boolean {
    if (info.node !== undefined) return false;
    if (info.podCount === 0) this.#byName.delete(info.name);
    return true;
  }

  #arm(): void {
    if (this.#timer !== undefined) return;
    const [first] = this.#unconfirmed.values();
    if (first?.until === undefined) return;
    this.#timer = this.#clock.after(Math.max(0, first.until - this.#clock.monotonic()), () => {
      this.#timer = undefined;
      this.#expire();
      this.#arm();
    });
  }

  #expire(): void {
    const now = this.#clock.monotonic();
    for (const [uid, { until }] of this.#unconfirmed) {
      if (until === undefined || until > now) return;
      const placed = this.#placed.get(uid);
      this.#unconfirmed.delete(uid);
      if (placed === undefined) continue;
      const node = this.#byName.get(placed.nodeName);
      this.remove(uid);
      if (node !== undefined) this.#onExpired(placed.info, node);
    }
  }
}

/** Whether a plugin could decide otherwise: labels, spec and allocatable count, conditions and heartbeats do not. */
function matters(node: Node, previous: Node): boolean {
  return (
    !isDeepStrictEqual(node.spec, previous.spec) ||
    !isDeepStrictEqual(node.metadata?.labels, previous.metadata?.labels) ||
    !isDeepStrictEqual(node.status?.allocatable, previous.status?.allocatable)
  );
}
