/** Services: which of their fields follow from which, and what becomes of them when a service changes its type. */
import { jsonCopy, jsonEqual } from '../../api/json.ts';
import type { Json } from '../object.ts';
import type { Strategy } from '../resource.ts';
import {
  checkClaims,
  claimFor,
  hasHealthCheck,
  hasNodePorts,
  portsOf,
  type ServiceRanges,
} from './service-claims.ts';
import { settleFamilies } from './service-families.ts';

export function serviceStrategy(ranges: ServiceRanges): Strategy {
  return {
    prepareForCreate(service, { dryRun }) {
      const spec = (service.spec ??= {});
      agreeOnAddresses(spec);
      settleFamilies(spec, undefined);
      checkClaims(service, undefined, { ranges, dryRun });
      service.status = { loadBalancer: {} };
      hideInternalPolicy(spec);
    },
    prepareForUpdate(service, old, { dryRun }) {
      // It is filled in place down to the ports, which the old service may share.
      const spec = (service.spec = jsonCopy(service.spec ?? {}));
      const before = old.spec ?? {};
      inheritAllocated(spec, before);
      agreeOnAddresses(spec, before);
      settleFamilies(spec, before);
      checkClaims(service, old, { ranges, dryRun });
      dropTypeDependent(spec, before);
      hideInternalPolicy(spec);
      if (spec['type'] !== 'LoadBalancer') service.status = { ...service.status, loadBalancer: {} };
    },
    claims: (service, old, context) => claimFor(service, old, { ranges, context }),
  };
}

/** A name elsewhere has no traffic here; what is no policy at all is left for validation to tell of. */
function hideInternalPolicy(spec: Json): void {
  const { internalTrafficPolicy: policy } = spec;
  if (spec['type'] === 'ExternalName' && (policy === 'Cluster' || policy === 'Local')) {
    delete spec['internalTrafficPolicy'];
  }
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
  const drop = (...keys: readonly string[]): void => {
    for (const key of keys) if (jsonEqual(spec[key] ?? null, old[key] ?? null)) delete spec[key];
  };
  if (spec['type'] === 'ExternalName' && old['type'] !== 'ExternalName') {
    const isSame = ['clusterIP', 'clusterIPs'].every((key) => jsonEqual(spec[key] ?? null, old[key] ?? null));
    if (isSame) drop('clusterIP', 'clusterIPs');
    drop('ipFamilies', 'ipFamilyPolicy');
  }
  if (hasNodePorts(old) && !hasNodePorts(spec)) {
    const before = new Set(portsOf(old).map((port) => port['nodePort']));
    const now = portsOf(spec);
    // All or none: a port that the client has changed is a mistake that validation tells of.
    if (now.every((port) => isZero(port['nodePort']) || before.has(port['nodePort'])))
      for (const port of now) delete port['nodePort'];
  }
  if (hasHealthCheck(old) && !hasHealthCheck(spec)) drop('healthCheckNodePort');
  if (old['type'] === 'LoadBalancer' && spec['type'] !== 'LoadBalancer') {
    drop('allocateLoadBalancerNodePorts', 'loadBalancerClass');
  }
  if (isAccessible(old) && !isAccessible(spec)) drop('externalTrafficPolicy');
}

function isZero(value: unknown): boolean {
  return value === undefined || value === 0;
}

/** From outside the cluster. */
function isAccessible(spec: Json): boolean {
  const { externalIPs, type } = spec;
  return hasNodePorts(spec) || (type === 'ClusterIP' && Array.isArray(externalIPs) && externalIPs.length > 0);
}

/** A PUT or apply without allocated fields keeps what was allocated. */
function inheritAllocated(spec: Json, old: Json): void {
  if (spec['type'] !== 'ExternalName' && old['type'] !== 'ExternalName') {
    if ((spec['clusterIP'] ?? '') === '' && old['clusterIP'] !== undefined)
      spec['clusterIP'] = old['clusterIP'];
    const listed = spec['clusterIPs'];
    const before = old['clusterIPs'];
    if ((!Array.isArray(listed) || listed.length === 0) && before !== undefined) spec['clusterIPs'] = before;
  }
  if (hasNodePorts(spec) && hasNodePorts(old)) {
    const numbers = (one: Json): Set<unknown> => new Set(portsOf(one).map((port) => port['nodePort']));
    const [before, now] = [numbers(old), numbers(spec)];
    const byName = new Map(portsOf(old).map((port) => [port['name'] ?? '', port['nodePort']]));
    for (const port of portsOf(spec)) {
      const known = byName.get(port['name'] ?? '');
      if (!isZero(port['nodePort']) || known === undefined) continue;
      if (!(before.has(known) && now.has(known))) port['nodePort'] = known;
    }
  }
  if (hasHealthCheck(spec) && hasHealthCheck(old) && isZero(spec['healthCheckNodePort'])) {
    if (old['healthCheckNodePort'] !== undefined) spec['healthCheckNodePort'] = old['healthCheckNodePort'];
  }
}
