import type { Pod } from '../api/generated/core-v1.ts';
import { podRequests, podRequestsForScore, type Resources } from './resources.ts';

export interface HostPort {
  /** `0.0.0.0` is every address. */
  readonly ip: string;
  readonly protocol: string;
  readonly port: number;
}

/** A pod with what the scheduler asks of it again and again, worked out once. */
export interface PodInfo {
  readonly pod: Pod;
  readonly uid: string;
  /** `namespace/name`. */
  readonly key: string;
  readonly priority: number;
  readonly requests: Resources;
  readonly scoreRequests: { readonly milliCpu: number; readonly memory: number };
  readonly hostPorts: readonly HostPort[];
}

export function podInfoOf(pod: Pod): PodInfo {
  const { namespace = '', name = '', uid } = pod.metadata ?? {};
  const key = `${namespace}/${name}`;
  return {
    pod,
    uid: uid ?? key,
    key,
    priority: pod.spec?.priority ?? 0,
    requests: podRequests(pod),
    scoreRequests: podRequestsForScore(pod),
    hostPorts: hostPortsOf(pod),
  };
}

const NO_PORTS: readonly HostPort[] = [];

function hostPortsOf(pod: Pod): readonly HostPort[] {
  const sidecars = (pod.spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always');
  const found = [...(pod.spec?.containers ?? []), ...sidecars]
    .flatMap(({ ports }) => ports ?? [])
    .filter(({ hostPort = 0 }) => hostPort > 0)
    .map(({ hostIP, protocol, hostPort = 0 }) => ({
      ip: hostIP === undefined || hostIP === '' ? '0.0.0.0' : hostIP,
      protocol: protocol ?? 'TCP',
      port: hostPort,
    }));
  return found.length === 0 ? NO_PORTS : found;
}
