/**
 * What a service holds and no other may: its cluster address, its node ports, the port for checks of its health. Each is a
 * key of its own that must not exist yet, written in the same transaction as the service: two services can never hold the
 * same one, and none leaks when a write fails.
 */
import { PlatformError } from '../../../base/errors.ts';
import { uuid } from '../../../base/random.ts';
import { fieldErrorsError, invalid } from '../../api/field-error.ts';
import { isJsonObject, jsonCopy, stringAt } from '../../api/json.ts';
import type { Compare, Op } from '../../store/store.ts';
import { contains, formatIpv4, parseIpv4, type Cidr } from '../cidr.ts';
import { unexplained } from '../failure.ts';
import type { Json, KubeObject } from '../object.ts';
import type { ClaimContext, Claiming, Claims } from '../resource.ts';

export const ADDRESS_PREFIX = '/registry/ipaddresses/';
export const NODE_PORT_PREFIX = '/registry/ranges/servicenodeports/';

export interface ServiceRanges {
  readonly addresses: Cidr;
  /** First and last node port. */
  readonly nodePorts: readonly [number, number];
}

const TAKEN = 'provided port is already allocated';
/** The ports that a dry run shows start after this one. */
const DRY_RUN_BASE = 32_768;

/** Fills in what is allocated, and says what has to be written for it. `service` is absent on delete. */
export function* claimFor(
  service: KubeObject | undefined,
  old: KubeObject | undefined,
  { ranges, context }: { readonly ranges: ServiceRanges; readonly context: ClaimContext },
): Claiming {
  const claims = new ClaimSet(context);
  const held = heldBy(old);
  if (service === undefined) {
    for (const key of held) claims.release(key);
    return claims;
  }
  // The old service, or the next try, may share it.
  const spec = (service.spec = jsonCopy(service.spec ?? {}));
  yield* claimAddress({ service, spec, held, ranges, claims });
  const owner = { namespace: service.metadata.namespace, name: service.metadata.name };
  const ports = new PortOperation(ranges.nodePorts, {
    dryRun: context.dryRun,
    held,
    claim: (port) => claims.claim(keyOf(port), owner),
    random: () => claims.random(),
  });
  yield* allocatePorts(spec, old?.spec, ports);
  const kept = heldBy(service);
  for (const key of held) if (!kept.has(key)) claims.release(key);
  return claims;
}

/** Throws for what no other service has to be asked about, so that it comes before other complaints. */
export function checkClaims(service: KubeObject, old: KubeObject | undefined, how: Checking): void {
  const { ranges, dryRun } = how;
  const spec = service.spec ?? {};
  const held = heldBy(old);
  // What has an address may not change it, whatever to.
  const { clusterIP: before } = old?.spec ?? {};
  if (hasAddress(spec) && before === undefined) checkAddress(wishedAddress(spec), held, ranges.addresses);
  const ports = new PortOperation(ranges.nodePorts, {
    dryRun,
    held,
    claim: () => undefined,
    random: () => 0,
  });
  const copy = { ...spec, ports: portsOf(spec).map((port) => ({ ...port })) };
  const claiming = allocatePorts(copy, old?.spec, ports);
  // Nobody holds anything.
  for (let step = claiming.next(); step.done !== true; step = claiming.next(step.value[0]));
}

export interface Checking {
  readonly ranges: ServiceRanges;
  readonly dryRun: boolean;
}

function keyOf(port: number): string {
  return `${NODE_PORT_PREFIX}${port}`;
}

class ClaimSet implements Claims {
  readonly compares: Compare[] = [];
  readonly ops: Op[] = [];
  readonly #context: ClaimContext;

  constructor(context: ClaimContext) {
    this.#context = context;
  }

  claim(key: string, value: unknown): void {
    this.compares.push({ key, modRevision: 0 });
    this.ops.push({ type: 'put', key, value: Buffer.from(JSON.stringify(value)) });
  }

  release(key: string): void {
    this.ops.push({ type: 'delete', key });
  }

  random(): number {
    return this.#context.random();
  }

  uuid(): string {
    const next = (): number => this.#context.random();
    return uuid({ next, bytes: (n) => Uint8Array.from({ length: n }, () => Math.floor(next() * 256)) });
  }
}

/** Mostly the first is free: who asks in another thread does not have to ask for every key of a full range. */
const MOST_KEYS = 256;

/** A free key among `count`, from a random start on; undefined when all are taken. */
function* pick(
  count: number,
  random: number,
  keyAt: (index: number) => string | undefined,
): Claiming<string | undefined> {
  const start = Math.floor(random * count);
  let keys: string[] = [];
  let wanted = 1;
  for (let i = 0; i < count; i++) {
    const key = keyAt((start + i) % count);
    if (key !== undefined) keys.push(key);
    if (keys.length < wanted && i < count - 1) continue;
    const free = keys.length === 0 ? undefined : yield keys;
    if (free !== undefined) return free;
    keys = [];
    wanted = Math.min(wanted * 2, MOST_KEYS);
  }
  return undefined;
}

function* isTaken(key: string): Claiming<boolean> {
  return (yield [key]) === undefined;
}

interface AddressClaim {
  readonly service: KubeObject;
  readonly spec: Json;
  readonly held: ReadonlySet<string>;
  readonly ranges: ServiceRanges;
  readonly claims: ClaimSet;
}

const ADDRESSED = new Set(['ClusterIP', 'NodePort', 'LoadBalancer']);

export function hasAddress(spec: Json): boolean {
  const type = spec['type'] ?? 'ClusterIP';
  return typeof type === 'string' && ADDRESSED.has(type) && spec['clusterIP'] !== 'None';
}

export function hasNodePorts(spec: Json | undefined): boolean {
  return spec?.['type'] === 'NodePort' || spec?.['type'] === 'LoadBalancer';
}

/** A port on which nodes tell whether they have an endpoint of the service. */
export function hasHealthCheck(spec: Json | undefined): boolean {
  return spec?.['type'] === 'LoadBalancer' && spec['externalTrafficPolicy'] === 'Local';
}

export function portsOf(spec: Json | undefined): Json[] {
  const ports = spec?.['ports'];
  return Array.isArray(ports) ? ports.filter((port) => isJsonObject(port)) : [];
}

function portAt(object: Json | undefined, name: string): number {
  const port = object?.[name];
  return typeof port === 'number' ? port : 0;
}

/** The keys that a stored service holds. */
function heldBy(service: KubeObject | undefined): ReadonlySet<string> {
  const spec = service?.spec;
  if (spec === undefined) return new Set();
  const address = spec['clusterIP'];
  const keys: string[] = [];
  if (typeof address === 'string' && address !== '' && address !== 'None')
    keys.push(ADDRESS_PREFIX + address);
  const ports = hasNodePorts(spec) ? portsOf(spec).map((port) => portAt(port, 'nodePort')) : [];
  if (hasHealthCheck(spec)) ports.push(portAt(spec, 'healthCheckNodePort'));
  return new Set([...keys, ...ports.filter((port) => port > 0).map(keyOf)]);
}

function wishedAddress(spec: Json): string {
  const listed = Array.isArray(spec['clusterIPs']) ? spec['clusterIPs'][0] : undefined;
  const { clusterIP: one } = spec;
  if (typeof one === 'string' && one !== '') return one;
  return typeof listed === 'string' ? listed : '';
}

function checkAddress(address: string, held: ReadonlySet<string>, range: Cidr): void {
  if (address === '' || held.has(ADDRESS_PREFIX + address)) return;
  const number = parseIpv4(address);
  if (number !== undefined && contains(range, number)) return;
  const { base, size } = range;
  const text = `${formatIpv4(base)}/${32 - Math.log2(size)}`;
  const why = `the provided IP (${address}) is not in the valid range. The range of valid IPs is ${text}`;
  throw refuseAddress(address, why);
}

function* claimAddress({ service, spec, held, ranges, claims }: AddressClaim): Claiming<void> {
  if (!hasAddress(spec)) {
    if (spec['clusterIP'] === 'None' && spec['type'] !== 'ExternalName') spec['clusterIPs'] = ['None'];
    else {
      delete spec['clusterIP'];
      delete spec['clusterIPs'];
    }
    return;
  }
  const { base, size } = ranges.addresses;
  let address = wishedAddress(spec);
  if (address === '') {
    // The first address is the API's own; network and broadcast addresses are nobody's.
    const keyAt = (index: number): string => ADDRESS_PREFIX + formatIpv4(base + 2 + index);
    const free = yield* pick(size - 3, claims.random(), keyAt);
    if (free === undefined) throw refuseAddress('', 'range is full');
    address = free.slice(ADDRESS_PREFIX.length);
  } else {
    checkAddress(address, held, ranges.addresses);
    const key = ADDRESS_PREFIX + address;
    if (!held.has(key) && (yield* isTaken(key))) {
      throw refuseAddress(address, 'provided IP is already allocated');
    }
  }
  spec['clusterIP'] = address;
  spec['clusterIPs'] = [address];
  const key = ADDRESS_PREFIX + address;
  if (!held.has(key)) claims.claim(key, addressObject(address, service, claims.uuid()));
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

interface PortBook {
  readonly dryRun: boolean;
  /** Keys of what the service has already. */
  readonly held: ReadonlySet<string>;
  claim(port: number): void;
  /** A number in [0, 1). */
  random(): number;
}

/** The ports that one write takes. A dry run does not look at the range, and shows ports that it does not look for. */
class PortOperation {
  readonly #range: readonly [number, number];
  readonly #book: PortBook;
  readonly #allocated = new Set<number>();
  #highest = 0;

  constructor(range: readonly [number, number], book: PortBook) {
    this.#range = range;
    this.#book = book;
  }

  /** What speaks against it. */
  *allocate(port: number): Claiming<string | undefined> {
    const [first, last] = this.#range;
    if (!this.#book.dryRun && (port < first || port > last)) {
      return `provided port is not in the valid range. The range of valid ports is ${first}-${last}`;
    }
    if (this.#allocated.has(port) || (yield* isTaken(keyOf(port)))) return TAKEN;
    this.#take(port);
    return undefined;
  }

  *next(): Claiming<number> {
    if (this.#book.dryRun) {
      const port = (this.#allocated.size === 0 ? DRY_RUN_BASE : this.#highest) + 1;
      this.#add(port);
      return port;
    }
    const [first, last] = this.#range;
    const keyAt = (index: number): string | undefined =>
      this.#allocated.has(first + index) ? undefined : keyOf(first + index);
    const free = yield* pick(last - first + 1, this.#book.random(), keyAt);
    if (free === undefined) {
      throw new PlatformError('exhausted', 'failed to allocate a nodePort: range is full');
    }
    const port = Number(free.slice(NODE_PORT_PREFIX.length));
    this.#take(port);
    return port;
  }

  holds(port: number): boolean {
    return this.#book.held.has(keyOf(port));
  }

  #add(port: number): void {
    this.#allocated.add(port);
    this.#highest = Math.max(this.#highest, port);
  }

  #take(port: number): void {
    this.#add(port);
    if (!this.holds(port)) this.#book.claim(port);
  }
}

function* allocatePorts(spec: Json, old: Json | undefined, operation: PortOperation): Claiming<void> {
  if (hasNodePorts(spec)) yield* (old === undefined ? newPorts : changedPorts)(spec, operation);
  if (!hasHealthCheck(spec) || hasHealthCheck(old)) return;
  const wanted = portAt(spec, 'healthCheckNodePort');
  if (wanted === 0) {
    spec['healthCheckNodePort'] = yield* operation.next();
    return;
  }
  const problem = yield* operation.allocate(wanted);
  if (problem === undefined) return;
  const text = `failed to allocate requested HealthCheck NodePort ${wanted}: ${problem}`;
  throw new PlatformError('exhausted', text);
}

function takesPorts(spec: Json): boolean {
  return spec['type'] === 'NodePort' || spec['allocateLoadBalancerNodePorts'] !== false;
}

/** One port of a service has one node port, whatever its protocols. */
function* newPorts(spec: Json, operation: PortOperation): Claiming<void> {
  const ports = portsOf(spec);
  const asked = new Map<number, number>();
  for (const port of ports) {
    const [number, nodePort] = [portAt(port, 'port'), portAt(port, 'nodePort')];
    if (nodePort !== 0 && !asked.has(number)) asked.set(number, nodePort);
  }
  const chosen = new Map<number, number>();
  for (const [index, port] of ports.entries()) {
    const given = portAt(port, 'nodePort');
    if (given === 0 && !takesPorts(spec)) continue;
    const number = portAt(port, 'port');
    const before = chosen.get(number);
    if (before === undefined) {
      const wanted = asked.get(number);
      if (wanted !== undefined) yield* take(operation, wanted, index);
      const nodePort = wanted ?? (yield* operation.next());
      port['nodePort'] = nodePort;
      chosen.set(number, nodePort);
    } else if (given === 0) port['nodePort'] = before;
    else if (given !== before) yield* take(operation, given, index);
  }
}

function* changedPorts(spec: Json, operation: PortOperation): Claiming<void> {
  const mine = new Set<number>();
  const seen = new Set<string>();
  for (const [index, port] of portsOf(spec).entries()) {
    const given = portAt(port, 'nodePort');
    if (given === 0 && !takesPorts(spec)) continue;
    if (given === 0) port['nodePort'] = yield* operation.next();
    else if (!operation.holds(given) && !mine.has(given)) {
      yield* take(operation, given, index);
      mine.add(given);
    }
    const identity = `${stringAt(port, 'protocol')} ${portAt(port, 'nodePort')}`;
    if (seen.has(identity)) throw unexplained(`duplicate nodePort: {${identity}}`);
    seen.add(identity);
  }
}

function* take(operation: PortOperation, port: number, index: number): Claiming<void> {
  const problem = yield* operation.allocate(port);
  if (problem !== undefined) {
    throw fieldErrorsError([invalid(`spec.ports[${index}].nodePort`, port, problem)]);
  }
}
