import type { ContainerPort, Node, Pod } from '../api/generated/core-v1.ts';
import { addTo, parseAmounts, podRequests, podRequestsForScore, type Amounts } from './requests.ts';

/** A pod with what the plugins ask of it, computed once. */
export interface PodInfo {
  readonly pod: Pod;
  /** `namespace/name`. */
  readonly key: string;
  readonly requests: Amounts;
  readonly requestsForScore: Amounts;
  readonly hostPorts: readonly HostPort[];
}

export interface HostPort {
  readonly ip: string;
  readonly protocol: string;
  readonly port: number;
}

export function podInfo(pod: Pod): PodInfo {
  const { namespace = '', name = '' } = pod.metadata ?? {};
  return {
    pod,
    key: `${namespace}/${name}`,
    requests: podRequests(pod),
    requestsForScore: podRequestsForScore(pod),
    hostPorts: hostPortsOf(pod),
  };
}

function hostPortsOf(pod: Pod): readonly HostPort[] {
  const sidecars = (pod.spec?.initContainers ?? []).filter(
    (container) => container.restartPolicy === 'Always',
  );
  return [...(pod.spec?.containers ?? []), ...sidecars]
    .flatMap((container) => container.ports ?? [])
    .flatMap(({ hostPort = 0, hostIP = '', protocol = 'TCP' }: ContainerPort) =>
      hostPort > 0 ? [{ port: hostPort, protocol, ip: hostIP === '' ? '0.0.0.0' : hostIP }] : [],
    );
}

/** A node and the sum of its pods, kept up to date pod by pod: no question to it looks at the pods again. */
export class NodeInfo {
  readonly name: string;
  /** Undefined while pods are known of a node that is not. */
  node: Node | undefined;
  allocatable: Amounts = new Map();
  readonly pods = new Map<string, PodInfo>();
  readonly requested = new Map<string, number>();
  readonly requestedForScore = new Map<string, number>();
  /** Pods by host port: `TCP/80` to addresses, each with how many use it. */
  readonly #ports = new Map<string, Map<string, number>>();

  constructor(name: string) {
    this.name = name;
  }

  setNode(node: Node | undefined): void {
    this.node = node;
    this.allocatable = parseAmounts(node?.status?.allocatable ?? node?.status?.capacity);
  }

  add(info: PodInfo): void {
    this.remove(info.key);
    this.pods.set(info.key, info);
    this.#count(info, 1);
  }

  remove(key: string): void {
    const info = this.pods.get(key);
    if (info === undefined) return;
    this.pods.delete(key);
    this.#count(info, -1);
  }

  /** A wildcard address meets every address. */
  portTaken({ ip, protocol, port }: HostPort): boolean {
    const addresses = this.#ports.get(`${protocol}/${port}`);
    if (addresses === undefined) return false;
    return ip === '0.0.0.0' || addresses.has(ip) || addresses.has('0.0.0.0');
  }

  #count(info: PodInfo, factor: 1 | -1): void {
    addTo(this.requested, info.requests, factor);
    addTo(this.requestedForScore, info.requestsForScore, factor);
    for (const { ip, protocol, port } of info.hostPorts) {
      const key = `${protocol}/${port}`;
      const addresses = this.#ports.get(key) ?? new Map<string, number>();
      const users = (addresses.get(ip) ?? 0) + factor;
      if (users > 0) addresses.set(ip, users);
      else addresses.delete(ip);
      if (addresses.size > 0) this.#ports.set(key, addresses);
      else this.#ports.delete(key);
    }
  }
}
