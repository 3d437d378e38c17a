import type { Node, Taint } from '../api/generated/core-v1.ts';
import { quantityValue } from '../api/quantity.ts';
import type { HostPort, PodInfo } from './pod-info.ts';
import { addResources, noResources, resourcesOf, subtractResources, type Resources } from './resources.ts';

/** A node, the pods on it, and the sums over them, kept by differences. */
export class NodeInfo {
  readonly name: string;
  /** What the pods on it request. */
  readonly requested: Resources = noResources();
  /** The same with assumed amounts for containers that name none; for comparing nodes. */
  readonly scoreRequested = { milliCpu: 0, memory: 0 };
  allocatable: Resources = noResources();
  allowedPods = 0;
  /** NoSchedule and NoExecute. */
  hardTaints: readonly Taint[] = [];
  /** PreferNoSchedule. */
  softTaints: readonly Taint[] = [];
  /** Where the cell keeps it; -1 while only pods name the node. */
  position = -1;
  readonly #pods = new Map<string, PodInfo>();
  /** How many pods use an address, by `protocol/port`. */
  readonly #ports = new Map<string, Map<string, number>>();
  #node: Node | undefined;

  constructor(name: string) {
    this.name = name;
  }

  /** Undefined when pods name a node that is not (or no longer) there. */
  get node(): Node | undefined {
    return this.#node;
  }

  get podCount(): number {
    return this.#pods.size;
  }

  get labels(): Readonly<Record<string, string>> | undefined {
    return this.#node?.metadata?.labels;
  }

  setNode(node: Node | undefined): void {
    this.#node = node;
    const allocatable = node?.status?.allocatable;
    this.allocatable = resourcesOf(allocatable);
    this.allowedPods = quantityValue(allocatable?.['pods'] ?? '0');
    const taints = node?.spec?.taints ?? [];
    this.hardTaints = taints.filter(({ effect }) => effect === 'NoSchedule' || effect === 'NoExecute');
    this.softTaints = taints.filter(({ effect }) => effect === 'PreferNoSchedule');
  }

  add(pod: PodInfo): void {
    this.#pods.set(pod.uid, pod);
    addResources(this.requested, pod.requests);
    this.scoreRequested.milliCpu += pod.scoreRequests.milliCpu;
    this.scoreRequested.memory += pod.scoreRequests.memory;
    for (const port of pod.hostPorts) this.#usePort(port, 1);
  }

  remove(pod: PodInfo): void {
    if (!this.#pods.delete(pod.uid)) return;
    subtractResources(this.requested, pod.requests);
    this.scoreRequested.milliCpu -= pod.scoreRequests.milliCpu;
    this.scoreRequested.memory -= pod.scoreRequests.memory;
    for (const port of pod.hostPorts) this.#usePort(port, -1);
  }

  /** True when a pod here listens where `wanted` would: the wildcard address meets every other. */
  portTaken(wanted: HostPort): boolean {
    const addresses = this.#ports.get(`${wanted.protocol}/${wanted.port}`);
    if (addresses === undefined) return false;
    return wanted.ip === '0.0.0.0' || addresses.has(wanted.ip) || addresses.has('0.0.0.0');
  }

  #usePort({ ip, protocol, port }: HostPort, difference: 1 | -1): void {
    const key = `${protocol}/${port}`;
    const addresses = this.#ports.get(key) ?? new Map<string, number>();
    const count = (addresses.get(ip) ?? 0) + difference;
    if (count > 0) addresses.set(ip, count);
    else addresses.delete(ip);
    if (addresses.size > 0) this.#ports.set(key, addresses);
    else this.#ports.delete(key);
  }
}
