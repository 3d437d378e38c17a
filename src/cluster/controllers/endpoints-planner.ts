import type { EndpointAddress, Endpoints, EndpointSubset, Service } from '../api/generated/core-v1.ts';
import { HEADLESS } from './endpoint-slice-planner.ts';
import { groupByPorts, hostnameOf, isHeadless, type Backend } from './service-backends.ts';
import { canonical } from './template-hash.ts';

export const ENDPOINTS_MANAGED_BY = 'endpoints.kubernetes.io/managed-by';
/** One object holds no more addresses than this; readers who need all of them read slices. */
const MAX_ADDRESSES = 1000;
const OVER_CAPACITY = 'endpoints.kubernetes.io/over-capacity';

/** The Endpoints object that should be there; undefined when the present one is right. Terminating pods are not in it. */
export function planEndpoints(
  service: Service,
  backends: readonly Backend[],
  present: Endpoints | undefined,
): Endpoints | undefined {
  const { name, namespace, labels } = service.metadata ?? {};
  const { [HEADLESS]: _stale, ...inherited } = labels ?? {};
  const staying = backends.filter((backend) => !backend.terminating);
  const shown = staying.toSorted((a, b) => Number(b.serving) - Number(a.serving)).slice(0, MAX_ADDRESSES);
  const { [OVER_CAPACITY]: _past, ...annotations } = present?.metadata?.annotations ?? {};
  const next: Endpoints = {
    ...present,
    metadata: {
      ...present?.metadata,
      name,
      namespace,
      labels: {
        ...inherited,
        ...(isHeadless(service) ? { [HEADLESS]: '' } : {}),
        [ENDPOINTS_MANAGED_BY]: 'endpoint-controller',
      },
      annotations:
        shown.length < staying.length
          ? { ...annotations, [OVER_CAPACITY]: 'truncated' }
          : Object.keys(annotations).length === 0
            ? undefined
            : annotations,
    },
    subsets: subsetsOf(service, shown),
  };
  return present !== undefined && canonical(next) === canonical(present) ? undefined : next;
}

function subsetsOf(service: Service, backends: readonly Backend[]): EndpointSubset[] {
  const publish = service.spec?.publishNotReadyAddresses === true;
  const groups = [...groupByPorts(backends)].toSorted(([a], [b]) => (a < b ? -1 : 1));
  return (
    groups
      // A named port that no container has leaves a pod with nothing to connect to, unless DNS alone is asked.
      .filter(([, group]) => group[0]!.ports.length > 0 || isHeadless(service))
      .map(([, group]) => {
        const addresses = (ready: boolean): EndpointAddress[] | undefined => {
          const some = group.filter(({ serving }) => (publish || serving) === ready);
          return some.length === 0
            ? undefined
            : some
                .map((each) => addressOf(service, each))
                .toSorted((a, b) => ((a.ip ?? '') < (b.ip ?? '') ? -1 : 1));
        };
        const ports = group[0]!.ports.map((port) => ({
          ...port,
          name: port.name === '' ? undefined : port.name,
        }));
        return {
          addresses: addresses(true),
          notReadyAddresses: addresses(false),
          ports: ports.length === 0 ? undefined : ports,
        };
      })
  );
}

function addressOf(service: Service, { pod, address }: Backend): EndpointAddress {
  const { name, namespace, uid } = pod.metadata ?? {};
  return {
    ip: address,
    hostname: hostnameOf(service, pod),
    nodeName: pod.spec?.nodeName,
    targetRef: { kind: 'Pod', namespace, name, uid },
  };
}
