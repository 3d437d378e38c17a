import type { Service } from '../api/generated/core-v1.ts';
import type { Endpoint, EndpointSlice } from '../api/generated/discovery-v1.ts';
import { services } from '../client/kinds.ts';
import { newControllerRef } from '../client/controller-ref.ts';
import { groupByPorts, hostnameOf, isHeadless, portsKey, type Backend } from './service-backends.ts';
import { canonical } from './template-hash.ts';

export const SERVICE_NAME = 'kubernetes.io/service-name';
export const MANAGED_BY = 'endpointslice.kubernetes.io/managed-by';
/** Slices of other managers are theirs. */
export const MANAGER = 'endpointslice-controller.k8s.io';
export const HEADLESS = 'service.kubernetes.io/headless';
export const MAX_ENDPOINTS = 100;

export interface SlicePlan {
  readonly create: readonly EndpointSlice[];
  readonly update: readonly EndpointSlice[];
  readonly remove: readonly EndpointSlice[];
}

export interface SliceInput {
  readonly service: Service;
  readonly backends: readonly Backend[];
  /** The service's slices that this controller manages. */
  readonly slices: readonly EndpointSlice[];
  /** The zone of a node by the node's name. */
  readonly zoneOf: (node: string) => string | undefined;
}

/**
 * The fewest writes that make the slices show the backends: an endpoint stays in the slice it is in, new ones go where
 * something is written anyway, then where there is room, then into a slice of their own.
 */
export function planEndpointSlices(input: SliceInput): SlicePlan {
  const { service, backends, slices } = input;
  const usable = slices.filter(
    (slice) => slice.addressType === 'IPv4' && slice.metadata?.deletionTimestamp === undefined,
  );
  const plan = {
    create: [] as EndpointSlice[],
    update: [] as EndpointSlice[],
    remove: [] as EndpointSlice[],
  };
  const groups = groupByPorts(backends);
  for (const [key, group] of groups) {
    const mine = usable.filter((slice) => portsKey(slice.ports ?? []) === key);
    fill(input, group, mine, plan);
  }
  plan.remove.push(...usable.filter((slice) => !groups.has(portsKey(slice.ports ?? []))));
  if (groups.size === 0) {
    // A service without backends is told apart from one that nobody looks after by an empty slice.
    const [kept] = plan.remove.splice(0, 1);
    if (kept === undefined) plan.create.push(newSlice(service, [], []));
    else rewrite(service, kept, [], [], plan.update);
  }
  return plan;
}

function fill(
  input: SliceInput,
  group: readonly Backend[],
  slices: readonly EndpointSlice[],
  plan: {
    readonly create: EndpointSlice[];
    readonly update: EndpointSlice[];
    readonly remove: EndpointSlice[];
  },
): void {
  const { service } = input;
  const ports = group[0]!.ports;
  const wanted = new Map(
    group.map((backend) => [identity(backend.address, backend.pod), endpointOf(input, backend)]),
  );
  const kept = slices.map((slice) => ({ slice, endpoints: [] as Endpoint[], dirty: false }));
  for (const entry of kept) {
    for (const endpoint of entry.slice.endpoints ?? []) {
      const key = identity(endpoint.addresses?.[0] ?? '', { metadata: endpoint.targetRef });
      const target = wanted.get(key);
      wanted.delete(key);
      if (target !== undefined) entry.endpoints.push(target);
      entry.dirty ||= target === undefined || canonical(target) !== canonical(endpoint);
    }
  }
  const rest = [...wanted.values()];
  const roomy = kept.toSorted(
    (a, b) => Number(b.dirty) - Number(a.dirty) || b.endpoints.length - a.endpoints.length,
  );
  for (const entry of roomy) {
    entry.endpoints.push(...rest.splice(0, Math.max(0, MAX_ENDPOINTS - entry.endpoints.length)));
  }
  while (rest.length > 0) plan.create.push(newSlice(service, ports, rest.splice(0, MAX_ENDPOINTS)));
  for (const { slice, endpoints } of kept) {
    if (endpoints.length === 0) plan.remove.push(slice);
    else rewrite(service, slice, ports, endpoints, plan.update);
  }
}

/** A pod that was replaced by a namesake at the same address is another endpoint. */
function identity(
  address: string,
  pod: { readonly metadata?: { readonly uid?: string | undefined } | undefined },
): string {
  return `${address} ${pod.metadata?.uid ?? ''}`;
}

function rewrite(
  service: Service,
  slice: EndpointSlice,
  ports: Backend['ports'],
  endpoints: Endpoint[],
  updates: EndpointSlice[],
): void {
  const fresh = newSlice(service, ports, endpoints);
  const labels = fresh.metadata?.labels;
  const next = { ...slice, metadata: { ...slice.metadata, labels }, ports: fresh.ports, endpoints };
  if (canonical(next) !== canonical(slice)) updates.push(next);
}

function newSlice(service: Service, ports: Backend['ports'], endpoints: Endpoint[]): EndpointSlice {
  const { name = '', namespace, labels } = service.metadata ?? {};
  const { [HEADLESS]: _stale, ...inherited } = labels ?? {};
  return {
    metadata: {
      generateName: `${name}-`,
      namespace,
      labels: {
        ...inherited,
        ...(isHeadless(service) ? { [HEADLESS]: '' } : {}),
        [SERVICE_NAME]: name,
        [MANAGED_BY]: MANAGER,
      },
      ownerReferences: [newControllerRef(services, service)],
    },
    addressType: 'IPv4',
    ports: ports.map((port) => ({ ...port })),
    endpoints,
  };
}

function endpointOf(
  { service, zoneOf }: SliceInput,
  { pod, address, serving, terminating }: Backend,
): Endpoint {
  const { name, namespace, uid } = pod.metadata ?? {};
  const nodeName = pod.spec?.nodeName;
  const publish = service.spec?.publishNotReadyAddresses === true;
  return {
    addresses: [address],
    conditions: { ready: publish || (serving && !terminating), serving, terminating },
    hostname: hostnameOf(service, pod),
    nodeName,
    zone: nodeName === undefined ? undefined : zoneOf(nodeName),
    targetRef: { kind: 'Pod', namespace, name, uid },
  };
}
