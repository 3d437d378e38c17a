/**
 * Services get a cluster address and node ports. Each is a key of its own that must not exist yet, written in the same
 * transaction as the service: two services can never hold the same one, and none leaks when a write fails.
 */
import { uuid } from '../../../base/random.ts';
import { fieldErrorsError, invalid } from '../../api/field-error.ts';
import { isJsonObject, jsonEqual, type JsonValue } from '../../api/json.ts';
import type { Compare, Op } from '../../store/store.ts';
import { contains, formatIpv4, parseIpv4, type Cidr } from '../cidr.ts';
import type { Json, KubeObject } from '../object.ts';
import type { ClaimContext, Claims, Strategy } from '../resource.ts';

export const ADDRESS_PREFIX = '/registry/ipaddresses/';
export const NODE_PORT_PREFIX = '/registry/ranges/servicenodeports/';

export interface ServiceRanges {
  readonly addresses: Cidr;
  /** First and last node port. */
  readonly nodePorts: readonly [number, number];
}

export function serviceStrategy(ranges: ServiceRanges): Strategy {
  return {
    prepareForCreate(service) {
      service.status = { loadBalancer: {} };
      agreeOnAddresses((service.spec ??= {}));
    },
    prepareForUpdate(service, old) {
      const spec = (service.spec ??= {});
      inheritAllocated(spec, old.spec ?? {});
      agreeOnAddresses(spec, old.spec ?? {});
      dropTypeDependent(spec, old.spec ?? {});
    },
    claims(service, old, context) {
      const claims = new ClaimSet(context);
      const held = heldBy(old);
      if (service === undefined) {
        for (const key of held) claims.release(key);
        return claims;
      }
      const spec = (service.spec ??= {});
      claimAddress({ service, spec, held, ranges, claims });
      claimNodePorts({ service, spec, held, ranges, claims });
      const kept = new Set(heldBy(service));
      for (const key of held) if (!kept.has(key)) claims.release(key);
      return claims;
    },
  };
}

class ClaimSet implements Claims {
  readonly compares: Compare[] = [];
  readonly ops: Op[] = [];
  readonly #context: ClaimContext;
  readonly #claimed = new Set<string>();

  constructor(context: ClaimContext) {
    this.#context = context;
  }

  isTaken(key: string): boolean {
    return this.#claimed.has(key) || this.#context.taken(key);
  }

  claim(key: string, value: unknown): void {
    this.#claimed.add(key);
    this.compares.push({ key, modRevision: 0 });
    this.ops.push({ type: 'put', key, value: Buffer.from(JSON.stringify(value)) });
  }

  release(key: string): void {
    this.ops.push({ type: 'delete', key });
  }

  uuid(): string {
    const next = (): number => this.#context.random();
    return uuid({ next, bytes: (n) => Uint8Array.from({ length: n }, () => Math.floor(next() * 256)) });
  }

  /** A free place among `count`, from a random start on; undefined when all are taken. */
  pick(count: number, keyAt: (index: number) => string): number | undefined {
    const start = Math.floor(this.#context.random() * count);
    for (let i = 0; i < count; i++) {
      const index = (start + i) % count;
      if (!this.isTaken(keyAt(index))) return index;
    }
    return undefined;
  }
}

interface Claiming {
  readonly service: KubeObject;
  readonly spec: Json;
  readonly held: readonly string[];
  readonly ranges: ServiceRanges;
  readonly claims: ClaimSet;
}

const ADDRESSED = new Set(['ClusterIP', 'NodePort', 'LoadBalancer']);

function hasAddress(spec: Json): boolean {
  const type = spec['type'] ?? 'ClusterIP';
  return typeof type === 'string' && ADDRESSED.has(type) && spec['clusterIP'] !== 'None';
}

function portsOf(spec: Json | undefined): Json[] {
  const ports = spec?.['ports'];
  return Array.isArray(ports) ? ports.filter((port) => isJsonObject(port)) : [];
}

/** The keys that a stored service holds. */
function heldBy(service: KubeObject | undefined): string[] {
  if (service?.spec === undefined) return [];
  const address = service.spec['clusterIP'];
  const keys: string[] = [];
  if (typeof address === 'string' && address !== '' && address !== 'None')
    keys.push(ADDRESS_PREFIX + address);
  for (const port of portsOf(service.spec)) {
    if (typeof port['nodePort'] === 'number' && port['nodePort'] > 0)
      keys.push(`${NODE_PORT_PREFIX}${port['nodePort']}`);
  }
  return [...new Set(keys)];
}

function claimAddress({ service, spec, held, ranges, claims }: Claiming): void {
  if (!hasAddress(spec)) {
    if (spec['clusterIP'] === 'None') spec['clusterIPs'] = ['None'];
    else {
      delete spec['clusterIP'];
      delete spec['clusterIPs'];
    }
    return;
  }
  const { base, size } = ranges.addresses;
  const listed = Array.isArray(spec['clusterIPs']) ? spec['clusterIPs'][0] : undefined;
  let address =
    typeof spec['clusterIP'] === 'string' && spec['clusterIP'] !== '' ? spec['clusterIP'] : listed;
  if (typeof address === 'string' && address !== '') {
    const number = parseIpv4(address);
    const key = ADDRESS_PREFIX + address;
    if (!held.includes(key)) {
      if (number === undefined || !contains(ranges.addresses, number)) {
        const range = `${formatIpv4(base)}/${32 - Math.log2(size)}`;
        throw refuseAddress(
          address,
          `the provided IP (${address}) is not in the valid range. The range of valid IPs is ${range}`,
        );
      }
      if (claims.isTaken(key)) throw refuseAddress(address, 'provided IP is already allocated');
    }
  } else {
    // The first address is the API's own; network and broadcast addresses are nobody's.
    const index = claims.pick(size - 3, (i) => ADDRESS_PREFIX + formatIpv4(base + 2 + i));
    if (index === undefined) throw refuseAddress('', 'range is full');
    address = formatIpv4(base + 2 + index);
  }
  spec['clusterIP'] = address;
  spec['clusterIPs'] = [address];
  const key = ADDRESS_PREFIX + address;
  if (!held.includes(key)) claims.claim(key, addressObject(address, service, claims.uuid()));
}

/** The key's value is what upstream keeps there: an IPAddress that names its service. */
function addressObject(address: string, service: KubeObject, uid: string): unknown {
  const { name, namespace, creationTimestamp } = service.metadata;
  const labels = {
    'ipaddress.kubernetes.io/ip-family': 'IPv4',
    'ipaddress.kubernetes.io/managed-by': 'ipallocator.k8s.io',
  };
  return {
    kind: 'IPAddress',
    apiVersion: 'networking.k8s.io/v1',
    metadata: { name: address, uid, creationTimestamp, labels },
    spec: { parentRef: { resource: 'services', namespace, name } },
  };
}

function refuseAddress(address: string, why: string): Error {
  const value = address === '' ? [] : [address];
  return fieldErrorsError([invalid('spec.clusterIPs', value, `failed to allocate IP ${address}: ${why}`)]);
}

function claimNodePorts({ service, spec, held, ranges, claims }: Claiming): void {
  const wanted =
    spec['type'] === 'NodePort' ||
    (spec['type'] === 'LoadBalancer' && spec['allocateLoadBalancerNodePorts'] !== false);
  const [first, last] = ranges.nodePorts;
  const owner = { namespace: service.metadata.namespace, name: service.metadata.name };
  /** One service may use a port once per protocol. */
  const mine = new Set<number>();
  portsOf(spec).forEach((port, i) => {
    const given = port['nodePort'];
    if (spec['type'] === 'ClusterIP' || spec['type'] === 'ExternalName') {
      delete port['nodePort'];
      return;
    }
    if (typeof given === 'number' && given > 0) {
      const key = `${NODE_PORT_PREFIX}${given}`;
      if (held.includes(key) || mine.has(given)) return;
      const field = `spec.ports[${i}].nodePort`;
      if (given < first || given > last) {
        throw refusePort(
          field,
          given,
          `provided port is not in the valid range. The range of valid ports is ${first}-${last}`,
        );
      }
      if (claims.isTaken(key)) throw refusePort(field, given, 'provided port is already allocated');
      claims.claim(key, owner);
      mine.add(given);
      return;
    }
    if (!wanted) return;
    const index = claims.pick(last - first + 1, (at) => `${NODE_PORT_PREFIX}${first + at}`);
    if (index === undefined)
      throw refusePort(`spec.ports[${i}].nodePort`, 0, 'failed to allocate a nodePort: range is full');
    port['nodePort'] = first + index;
    claims.claim(`${NODE_PORT_PREFIX}${first + index}`, owner);
    mine.add(first + index);
  });
}

function refusePort(field: string, value: JsonValue, why: string): Error {
  return fieldErrorsError([invalid(field, value, why)]);
}

/** Old clients know only the first of the addresses: what they say of it goes for the list, and back. */
function agreeOnAddresses(spec: Json, old: Json = {}): void {
  const first = typeof spec['clusterIP'] === 'string' ? spec['clusterIP'] : '';
  const list = Array.isArray(spec['clusterIPs']) ? spec['clusterIPs'] : [];
  if (old['clusterIP'] === undefined) {
    if (first !== '' && list.length === 0) spec['clusterIPs'] = [first];
    return;
  }
  const before = Array.isArray(old['clusterIPs']) ? old['clusterIPs'] : [];
  if (first === '') {
    // Taken away in the one field and left in the other.
    if (old['clusterIP'] !== '' && list.length > 0 && list[0] === before[0]) delete spec['clusterIPs'];
  } else if (first !== old['clusterIP'] && (list.length === 0 || list[0] === before[0])) {
    spec['clusterIPs'] = [first];
  }
}

/** What the old type needed and the new one cannot have goes, where the client did not change it. */
function dropTypeDependent(spec: Json, old: Json): void {
  if (spec['type'] === 'ExternalName' && old['type'] !== 'ExternalName') {
    for (const key of ['clusterIP', 'clusterIPs', 'ipFamilies', 'ipFamilyPolicy']) {
      if (jsonEqual(spec[key] ?? null, old[key] ?? null)) delete spec[key];
    }
  }
  const hadPorts = old['type'] === 'NodePort' || old['type'] === 'LoadBalancer';
  const hasPorts = spec['type'] === 'NodePort' || spec['type'] === 'LoadBalancer';
  if (hadPorts && !hasPorts) {
    const before = new Set(portsOf(old).map((port) => port['nodePort']));
    for (const port of portsOf(spec)) if (before.has(port['nodePort'])) delete port['nodePort'];
    const external = Array.isArray(spec['externalIPs']) && spec['externalIPs'].length > 0;
    const accessible = spec['type'] === 'ClusterIP' && external;
    if (!accessible && spec['externalTrafficPolicy'] === old['externalTrafficPolicy']) {
      delete spec['externalTrafficPolicy'];
    }
  }
  if (old['type'] !== 'LoadBalancer') return;
  const checked = spec['type'] === 'LoadBalancer' && spec['externalTrafficPolicy'] === 'Local';
  if (!checked && spec['healthCheckNodePort'] === old['healthCheckNodePort'])
    delete spec['healthCheckNodePort'];
  if (spec['type'] === 'LoadBalancer') return;
  for (const key of ['allocateLoadBalancerNodePorts', 'loadBalancerClass']) {
    if (jsonEqual(spec[key] ?? null, old[key] ?? null)) delete spec[key];
  }
}

/** A PUT or apply without allocated fields keeps what was allocated. */
function inheritAllocated(spec: Json, old: Json): void {
  if (hasAddress(spec) && hasAddress(old)) {
    if ((spec['clusterIP'] ?? '') === '') spec['clusterIP'] = old['clusterIP'];
    const listed = spec['clusterIPs'];
    if (!Array.isArray(listed) || listed.length === 0) spec['clusterIPs'] = old['clusterIPs'];
  }
  if (spec['type'] !== 'NodePort' && spec['type'] !== 'LoadBalancer') return;
  const before = portsOf(old);
  for (const port of portsOf(spec)) {
    if (typeof port['nodePort'] === 'number' && port['nodePort'] > 0) continue;
    const same = before.find((one) => one['port'] === port['port'] && one['protocol'] === port['protocol']);
    if (same?.['nodePort'] !== undefined) port['nodePort'] = same['nodePort'];
  }
}
