import type { Pod, PodSpec } from '../api/generated/core-v1.ts';
import { podRequests, podRequestsForScore, type Resources } from './resources.ts';

export interface HostPort {
  /** `0.0.0.0` is every address. */
  readonly ip: string;
  readonly protocol: string;
  readonly port: number;
}

/** What a pod takes of a node. */
interface Demand {
  readonly requests: Resources;
  readonly scoreRequests: { readonly milliCpu: number; readonly memory: number };
  readonly hostPorts: readonly HostPort[];
}

/** A pod with what the scheduler asks of it again and again, worked out once. */
export interface PodInfo extends Demand {
  readonly pod: Pod;
  readonly uid: string;
  /** `namespace/name`. */
  readonly key: string;
  readonly priority: number;
}

export function podInfoOf(pod: Pod): PodInfo {
  const { namespace = '', name = '', uid } = pod.metadata ?? {};
  const key = `${namespace}/${name}`;
  return {
    pod,
    uid: uid ?? key,
    key,
    priority: pod.spec?.priority ?? 0,
    ...demandOf(pod),
  };
}

/** A cache holds equal specs once, so that replicas, and all states of a pod, have theirs worked out once. */
const demands = new WeakMap<PodSpec, Demand>();

function demandOf(pod: Pod): Demand {
  const { spec } = pod;
  if (spec === undefined || hasGrants(pod)) return workOut(pod);
  let demand = demands.get(spec);
  if (demand === undefined) demands.set(spec, (demand = workOut(pod)));
  return demand;
}

function workOut(pod: Pod): Demand {
  return {
    requests: podRequests(pod),
    scoreRequests: podRequestsForScore(pod),
    hostPorts: hostPortsOf(pod),
  };
}

/** Whether its status says as well what its containers have: they may be being resized. */
function hasGrants({ status }: Pod): boolean {
  const granted = ({ resources }: { resources?: unknown }): boolean => resources !== undefined;
  return (
    status?.containerStatuses?.some(granted) === true || status?.initContainerStatuses?.some(granted) === true
  );
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
