import type { Node, Pod } from '../api/generated/core-v1.ts';
import { NodeInfo, podInfo, type PodInfo } from './node-info.ts';

interface Placement {
  readonly node: string;
  /** Placed by us; the API has not shown it yet. */
  readonly assumed: boolean;
}

/**
 * All nodes with the pods on them, as the API shows them plus what was decided and is on its way there ("assumed").
 * A change costs as much as the change, whatever the size of the cell.
 */
export class CellState {
  readonly #nodes = new Map<string, NodeInfo>();
  readonly #placements = new Map<string, Placement>();
  #present: NodeInfo[] | undefined;

  /** Nodes that exist, in a stable order. */
  nodes(): readonly NodeInfo[] {
    this.#present ??= [...this.#nodes.values()].filter((info) => info.node !== undefined);
    return this.#present;
  }

  node(name: string): NodeInfo | undefined {
    return this.#nodes.get(name);
  }

  setNode(node: Node): void {
    const info = this.#info(node.metadata?.name ?? '');
    if (info.node === undefined) this.#present = undefined;
    info.setNode(node);
  }

  /** The node goes; pods that are still bound to it are remembered until they go too. */
  removeNode(name: string): void {
    const info = this.#nodes.get(name);
    if (info === undefined) return;
    info.setNode(undefined);
    this.#present = undefined;
    this.#dropIfEmpty(info);
  }

  /** Takes room on a node before the API has agreed. */
  assume(info: PodInfo, node: string): void {
    this.#place(info, { node, assumed: true });
  }

  isAssumed(key: string): boolean {
    return this.#placements.get(key)?.assumed === true;
  }

  /** Gives the room back of a pod whose binding failed; one that the API has shown meanwhile stays. */
  forget(key: string): void {
    if (this.isAssumed(key)) this.removePod(key);
  }

  /** A pod that the API shows on a node. */
  setPod(pod: Pod): void {
    this.#place(podInfo(pod), { node: pod.spec?.nodeName ?? '', assumed: false });
  }

  removePod(key: string): void {
    const placement = this.#placements.get(key);
    if (placement === undefined) return;
    this.#placements.delete(key);
    const info = this.#nodes.get(placement.node);
    info?.remove(key);
    if (info !== undefined) this.#dropIfEmpty(info);
  }

  #place(info: PodInfo, placement: Placement): void {
    const before = this.#placements.get(info.key);
    if (before !== undefined && before.node !== placement.node) this.removePod(info.key);
    this.#placements.set(info.key, placement);
    this.#info(placement.node).add(info);
  }

  #info(name: string): NodeInfo {
    let info = this.#nodes.get(name);
    if (info === undefined) this.#nodes.set(name, (info = new NodeInfo(name)));
    return info;
  }

  #dropIfEmpty(info: NodeInfo): void {
    if (info.node === undefined && info.pods.size === 0) this.#nodes.delete(info.name);
  }
}
