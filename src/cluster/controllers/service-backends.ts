/** Which pods stand behind a service, and on which ports: what endpoint slices and the older Endpoints have in common. */
import type { Container, Pod, Service, ServicePort } from '../api/generated/core-v1.ts';
import { selectorFromLabels } from '../api/selector.ts';
import { isPodFinished, isPodReady } from './pod-state.ts';

export interface BackendPort {
  readonly name: string;
  readonly protocol: string;
  readonly port: number;
  readonly appProtocol: string | undefined;
}

export interface Backend {
  readonly pod: Pod;
  /** An IPv4 address. */
  readonly address: string;
  readonly ports: readonly BackendPort[];
  /** Passes its readiness checks, whether terminating or not. */
  readonly serving: boolean;
  readonly terminating: boolean;
}

/** A service without selector has its endpoints written by someone else. */
export function hasSelector(service: Service): boolean {
  return service.spec?.type !== 'ExternalName' && Object.keys(service.spec?.selector ?? {}).length > 0;
}

export function selects(service: Service, pod: Pod): boolean {
  return (
    hasSelector(service) &&
    service.metadata?.namespace === pod.metadata?.namespace &&
    selectorFromLabels(service.spec?.selector).matches(pod.metadata?.labels)
  );
}

export function isHeadless(service: Service): boolean {
  return service.spec?.clusterIP === 'None';
}

/** The pods behind a service that have an address and are not over, in order of their names. */
export function backendsOf(service: Service, pods: readonly Pod[]): readonly Backend[] {
  return pods
    .filter((pod) => selects(service, pod) && !isPodFinished(pod))
    .toSorted((a, b) => ((a.metadata?.name ?? '') < (b.metadata?.name ?? '') ? -1 : 1))
    .flatMap((pod) => {
      const address = addressOf(pod);
      if (address === undefined) return [];
      return [
        {
          pod,
          address,
          ports: (service.spec?.ports ?? []).flatMap((port) => resolvePort(port, pod)),
          serving: isPodReady(pod),
          terminating: pod.metadata?.deletionTimestamp !== undefined,
        },
      ];
    });
}

function addressOf(pod: Pod): string | undefined {
  const all = [pod.status?.podIP, ...(pod.status?.podIPs ?? []).map(({ ip }) => ip)];
  return all.find((ip) => ip !== undefined && /^\d+(\.\d+){3}$/.test(ip));
}

/** A port named by the target is looked up in the pod, which may lack it: then the pod does not serve this port. */
function resolvePort(servicePort: ServicePort, pod: Pod): readonly BackendPort[] {
  const { name = '', protocol = 'TCP', port = 0, targetPort, appProtocol } = servicePort;
  const target = targetPort === undefined || targetPort === '' || targetPort === 0 ? port : targetPort;
  const number = typeof target === 'number' ? target : namedPort(pod, target, protocol);
  return number === undefined ? [] : [{ name, protocol, port: number, appProtocol }];
}

function namedPort(pod: Pod, name: string, protocol: string): number | undefined {
  const sidecar = (container: Container): boolean => container.restartPolicy === 'Always';
  return [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? []).filter(sidecar)]
    .flatMap((container) => container.ports ?? [])
    .find((port) => port.name === name && (port.protocol ?? 'TCP') === protocol)?.containerPort;
}

/** The name under which DNS knows the pod within the service. */
export function hostnameOf(service: Service, pod: Pod): string | undefined {
  const { hostname = '', subdomain } = pod.spec ?? {};
  return hostname !== '' && subdomain === service.metadata?.name ? hostname : undefined;
}

/** Backends that serve the same ports together: they can share a slice or subset. */
export function groupByPorts(backends: readonly Backend[]): ReadonlyMap<string, readonly Backend[]> {
  const groups = new Map<string, Backend[]>();
  for (const backend of backends) {
    const key = portsKey(backend.ports);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [backend]);
    else group.push(backend);
  }
  return groups;
}

/** Equal for equal sets of ports, in whatever order. */
export function portsKey(
  ports: readonly { readonly [K in keyof BackendPort]?: BackendPort[K] | undefined }[],
): string {
  return ports
    .map(({ name = '', protocol = 'TCP', port = 0, appProtocol = '' }) =>
      JSON.stringify([name, protocol, port, appProtocol]),
    )
    .toSorted()
    .join();
}
