/** From services and endpoint slices to packet rules, as a function of nothing else. */
import type { Endpoint, EndpointSlice } from '../api/generated/discovery-v1.ts';
import type { Service, ServicePort } from '../api/generated/core-v1.ts';
import type { ServiceEndpoint, ServiceRule } from '../../kernel/service-rules-contract.ts';

export interface DesiredInput {
  readonly services: readonly Service[];
  readonly slices: readonly EndpointSlice[];
  /** Whose endpoints count as local. */
  readonly nodeName: string;
}

/** A rule, and the service that it comes from. */
export interface DesiredRule extends ServiceRule {
  readonly service: Service;
}

export interface Desired {
  readonly rules: readonly DesiredRule[];
  /** Rules that were left out since an older service holds their address or node port. */
  readonly conflicts: readonly { readonly service: Service; readonly message: string }[];
}

const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';
/** Of ClientIP affinity when the service does not say (API reference, ClientIPConfig). */
const DEFAULT_AFFINITY_SECONDS = 10_800;

export function desiredRules(input: DesiredInput): Desired {
  const slices = Map.groupBy(input.slices, sliceService);
  const candidates = [...input.services]
    .toSorted(byAge)
    .flatMap((service) => serviceRules(service, slices.get(keyOf(service)) ?? [], input.nodeName));
  return withoutConflicts(candidates);
}

export function keyOf(service: Service): string {
  return `${service.metadata?.namespace ?? ''}/${service.metadata?.name ?? ''}`;
}

function sliceService(slice: EndpointSlice): string {
  return `${slice.metadata?.namespace ?? ''}/${slice.metadata?.labels?.[SERVICE_NAME_LABEL] ?? ''}`;
}

/** Oldest first: who holds an address or port keeps it. */
function byAge(a: Service, b: Service): number {
  const text = (service: Service): string => `${service.metadata?.creationTimestamp ?? ''} ${keyOf(service)}`;
  return text(a) < text(b) ? -1 : 1;
}

function serviceRules(service: Service, slices: readonly EndpointSlice[], nodeName: string): DesiredRule[] {
  const spec = service.spec ?? {};
  if (spec.type === 'ExternalName') return [];
  const clusterIP = isIpv4(spec.clusterIP) ? spec.clusterIP : undefined;
  const rules: DesiredRule[] = [];
  for (const port of spec.ports ?? []) {
    const nodePort =
      spec.type === 'NodePort' || spec.type === 'LoadBalancer' ? positive(port.nodePort) : undefined;
    if (clusterIP === undefined && nodePort === undefined) continue;
    const protocol = (port.protocol ?? 'TCP').toLowerCase() as ServiceRule['protocol'];
    const id = `${keyOf(service)}:${(port.name ?? '') === '' ? port.port : port.name}/${protocol}`;
    const all = portEndpoints(port, slices);
    const inside = usable(all, { local: spec.internalTrafficPolicy === 'Local', nodeName });
    const outside = usable(all, { local: spec.externalTrafficPolicy === 'Local', nodeName });
    const base = { service, protocol, port: port.port ?? 0, ...affinity(service) };
    const together = nodePort === undefined || spec.internalTrafficPolicy === spec.externalTrafficPolicy;
    if (clusterIP === undefined) {
      rules.push({ ...base, id, nodePort: nodePort!, endpoints: outside });
    } else if (together || sameEndpoints(inside, outside)) {
      rules.push({
        ...base,
        id,
        clusterIP,
        ...(nodePort === undefined ? {} : { nodePort }),
        endpoints: inside,
      });
    } else {
      rules.push({ ...base, id, clusterIP, endpoints: inside });
      rules.push({ ...base, id: `${id}@node`, nodePort, endpoints: outside });
    }
  }
  return rules;
}

function isIpv4(address: string | undefined): address is string {
  return address !== undefined && /^\d+\.\d+\.\d+\.\d+$/.test(address);
}

function positive(port: number | undefined): number | undefined {
  return port === undefined || port <= 0 ? undefined : port;
}

function affinity(service: Service): { sessionAffinitySeconds?: number } {
  if (service.spec?.sessionAffinity !== 'ClientIP') return {};
  const seconds = service.spec.sessionAffinityConfig?.clientIP?.timeoutSeconds;
  return { sessionAffinitySeconds: seconds ?? DEFAULT_AFFINITY_SECONDS };
}

interface PortEndpoint extends ServiceEndpoint {
  readonly endpoint: Endpoint;
}

/** A slice's ports carry the service port's name; their numbers are the pods' (several, where a name means different ones). */
function portEndpoints(port: ServicePort, slices: readonly EndpointSlice[]): PortEndpoint[] {
  const result: PortEndpoint[] = [];
  for (const slice of slices) {
    if (slice.addressType !== 'IPv4') continue;
    for (const target of slice.ports ?? []) {
      const sameName = (target.name ?? '') === (port.name ?? '');
      const sameProtocol = (target.protocol ?? 'TCP') === (port.protocol ?? 'TCP');
      const number = positive(target.port);
      if (!sameName || !sameProtocol || number === undefined) continue;
      for (const endpoint of slice.endpoints ?? []) {
        // Consumers use the first address of an endpoint (EndpointSlice API reference).
        const ip = endpoint.addresses?.[0];
        if (ip !== undefined) result.push({ ip, port: number, endpoint });
      }
    }
  }
  return result;
}

/** The ready endpoints; where none is, those that still serve while they terminate (KEP-1669). */
function usable(
  all: readonly PortEndpoint[],
  want: { readonly local: boolean; readonly nodeName: string },
): readonly ServiceEndpoint[] {
  const near = want.local ? all.filter(({ endpoint }) => endpoint.nodeName === want.nodeName) : all;
  const ready = near.filter(({ endpoint }) => endpoint.conditions?.ready !== false);
  const leaving = near.filter(
    ({ endpoint: { conditions } }) => conditions?.terminating === true && conditions.serving !== false,
  );
  const unique = new Map<string, ServiceEndpoint>();
  for (const { ip, port } of ready.length > 0 ? ready : leaving) unique.set(`${ip}:${port}`, { ip, port });
  return [...unique].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, endpoint]) => endpoint);
}

function sameEndpoints(a: readonly ServiceEndpoint[], b: readonly ServiceEndpoint[]): boolean {
  return (
    a.length === b.length && a.every((one, index) => one.ip === b[index]?.ip && one.port === b[index].port)
  );
}

function withoutConflicts(candidates: readonly DesiredRule[]): Desired {
  const claimed = new Map<string, string>();
  const rules: DesiredRule[] = [];
  const conflicts: { service: Service; message: string }[] = [];
  for (const rule of candidates) {
    const claims = [rule.id];
    if (rule.clusterIP !== undefined) claims.push(`${rule.protocol} ${rule.clusterIP}:${rule.port}`);
    if (rule.nodePort !== undefined) claims.push(`${rule.protocol} node port ${rule.nodePort}`);
    const taken = claims.find((claim) => claimed.has(claim));
    if (taken === undefined) {
      for (const claim of claims) claimed.set(claim, keyOf(rule.service));
      rules.push(rule);
    } else {
      conflicts.push({ service: rule.service, message: `${taken} belongs to service ${claimed.get(taken)}` });
    }
  }
  return { rules, conflicts };
}
