import { isIP } from 'node:net';
import { append } from '../../../base/append.ts';
import { duplicate, forbidden, invalid, required, type FieldError } from '../field-error.ts';
import { listAt, numberAt, objectAt, objectsAt, stringAt, textOf, type JsonObject } from '../json.ts';
import { formed, isDualStack, notSpecialIp, notSupported, validCidr, validIp } from './checks.ts';
import { validateLabels } from './metadata.ts';
import { dns1123Label, dns1123Subdomain, portNumber, qualifiedName } from './names.ts';
import { validatePortOrName } from './probe.ts';

const TYPES = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'];
const PROTOCOLS = ['SCTP', 'TCP', 'UDP'];
const POLICIES = ['Cluster', 'Local'];
const MAX_AFFINITY_SECONDS = 86_400;
const HINTS = 'service.kubernetes.io/topology-aware-hints';
const MODE = 'service.kubernetes.io/topology-mode';
const SOURCE_RANGES = 'service.beta.kubernetes.io/load-balancer-source-ranges';

function addressesOf(spec: JsonObject): string[] {
  return listAt(spec, 'clusterIPs').map((address) => textOf(address));
}

function isHeadless(spec: JsonObject): boolean {
  const addresses = addressesOf(spec);
  return addresses.length === 1 && addresses[0] === 'None';
}

/**
 * Before addresses and node ports are allocated, so that they may be missing. The strategy has put `clusterIP` and
 * `clusterIPs` in agreement where only one of them was given.
 */
export function validateService(service: JsonObject, old: JsonObject = {}): FieldError[] {
  const spec = objectAt(service, 'spec');
  const before = objectAt(old, 'spec');
  const external = listAt(before, 'externalIPs').map((address) => textOf(address));
  const type = stringAt(spec, 'type');
  const ports = objectsAt(spec, 'ports');
  const errors = validateTopology(service);
  if (ports.length === 0 && !isHeadless(spec) && type !== 'ExternalName') {
    errors.push(required('spec.ports'));
  }
  append(errors, validateByType(spec, type));
  append(errors, validatePorts(ports));
  append(errors, validateLabels(spec['selector'], 'spec.selector'));
  append(errors, validateAffinity(spec));
  append(errors, type === 'ExternalName' ? [] : validateAddresses(spec, addressesOf(before)));
  append(
    errors,
    listAt(spec, 'externalIPs').flatMap((item, index) => {
      const at = `spec.externalIPs[${index}]`;
      const wrong = validIp(textOf(item), at, external);
      return wrong.length > 0 ? wrong : notSpecialIp(textOf(item), at);
    }),
  );
  append(errors, type === '' ? [required('spec.type')] : notSupported(type, 'spec.type', TYPES));
  append(errors, validatePortUse(ports, type));
  append(errors, validateSourceRanges(service, type, old));
  append(errors, validateBalancer(spec, type));
  append(errors, validateExternalPolicy(spec, type));
  append(errors, validateInternalPolicy(spec, type));
  const { trafficDistribution } = spec;
  if (trafficDistribution !== undefined) {
    const known = ['PreferClose', 'PreferSameZone', 'PreferSameNode'];
    append(errors, notSupported(trafficDistribution, 'spec.trafficDistribution', known));
  }
  return errors;
}

function validateTopology(service: JsonObject): FieldError[] {
  const annotations = objectAt(service, 'metadata', 'annotations');
  const [hints, mode] = [annotations[HINTS], annotations[MODE]];
  if (hints === undefined || mode === undefined || hints === mode) return [];
  const detail = `must match annotations[${HINTS}] when both are specified`;
  return [invalid(`metadata.annotations[${MODE}]`, mode, detail)];
}

function validateByType(spec: JsonObject, type: string): FieldError[] {
  if (type === 'LoadBalancer' || type === 'NodePort') {
    const detail = `may not be set to 'None' for ${type} services`;
    return isHeadless(spec) ? [invalid('spec.clusterIPs[0]', 'None', detail)] : [];
  }
  if (type !== 'ExternalName') return [];
  const errors: FieldError[] = [];
  for (const key of ['clusterIPs', 'ipFamilies', 'ipFamilyPolicy']) {
    const value = spec[key];
    if (value === undefined || (Array.isArray(value) && value.length === 0)) continue;
    errors.push(forbidden(`spec.${key}`, 'may not be set for ExternalName services'));
  }
  const name = stringAt(spec, 'externalName').replace(/\.$/, '');
  return errors.concat(
    name === '' ? [required('spec.externalName')] : formed(name, 'spec.externalName', dns1123Subdomain),
  );
}

function validatePorts(ports: readonly JsonObject[]): FieldError[] {
  const names = new Set<string>();
  return ports.flatMap((port, index) => {
    const at = `spec.ports[${index}]`;
    const [name, protocol] = [stringAt(port, 'name'), stringAt(port, 'protocol')];
    const errors: FieldError[] = [];
    if (name === '' && ports.length > 1) errors.push(required(`${at}.name`));
    else if (name !== '') {
      append(errors, formed(name, `${at}.name`, dns1123Label));
      if (names.has(name)) errors.push(duplicate(`${at}.name`, name));
      names.add(name);
    }
    const number = numberAt(port, 'port') ?? 0;
    append(
      errors,
      portNumber(number).map((detail) => invalid(`${at}.port`, number, detail)),
    );
    append(
      errors,
      protocol === '' ? [required(`${at}.protocol`)] : notSupported(protocol, `${at}.protocol`, PROTOCOLS),
    );
    append(errors, validatePortOrName(port['targetPort'], `${at}.targetPort`));
    const { appProtocol } = port;
    if (typeof appProtocol === 'string') {
      append(errors, formed(appProtocol, `${at}.appProtocol`, qualifiedName));
    }
    return errors;
  });
}

/** Node ports only where a service has them, and each port once. */
function validatePortUse(ports: readonly JsonObject[], type: string): FieldError[] {
  const errors: FieldError[] = [];
  const nodePort = (port: JsonObject): number => numberAt(port, 'nodePort') ?? 0;
  if (type === 'ClusterIP') {
    for (const [index, port] of ports.entries()) {
      if (nodePort(port) === 0) continue;
      const detail = "may not be used when `type` is 'ClusterIP'";
      errors.push(forbidden(`spec.ports[${index}].nodePort`, detail));
    }
  }
  const taken = new Set<string>();
  for (const [index, port] of ports.entries()) {
    if (nodePort(port) === 0) continue;
    const key = `${stringAt(port, 'protocol')}/${nodePort(port)}`;
    if (taken.has(key)) errors.push(duplicate(`spec.ports[${index}].nodePort`, nodePort(port)));
    taken.add(key);
  }
  const used = new Set<string>();
  for (const [index, port] of ports.entries()) {
    const [protocol, number] = [stringAt(port, 'protocol'), numberAt(port, 'port') ?? 0];
    const key = `${protocol}/${number}`;
    // Upstream shows its own type, of which these two members are set.
    const shown = {
      Name: '',
      Protocol: protocol,
      AppProtocol: null,
      Port: number,
      TargetPort: 0,
      NodePort: 0,
    };
    if (used.has(key)) errors.push(duplicate(`spec.ports[${index}]`, shown));
    used.add(key);
  }
  return errors;
}

function validateAffinity(spec: JsonObject): FieldError[] {
  const affinity = stringAt(spec, 'sessionAffinity');
  const at = 'spec.sessionAffinityConfig';
  if (affinity === '') return [required('spec.sessionAffinity')];
  if (affinity === 'None') {
    const detail = 'must not be set when session affinity is None';
    return spec['sessionAffinityConfig'] === undefined ? [] : [forbidden(at, detail)];
  }
  if (affinity !== 'ClientIP') {
    return notSupported(affinity, 'spec.sessionAffinity', ['ClientIP', 'None']);
  }
  const seconds = numberAt(spec, 'sessionAffinityConfig', 'clientIP', 'timeoutSeconds');
  const field = `${at}.clientIP.timeoutSeconds`;
  if (seconds === undefined) return [required(field, 'when session affinity type is ClientIP')];
  if (seconds > 0 && seconds <= MAX_AFFINITY_SECONDS) return [];
  return [invalid(field, seconds, `must be greater than 0 and less than ${MAX_AFFINITY_SECONDS}`)];
}

const FAMILIES = ['IPv4', 'IPv6'];
const FAMILY_POLICIES = ['PreferDualStack', 'RequireDualStack', 'SingleStack'];

/** Cluster addresses and their families; `before` are those that it has already. */
export function validateAddresses(spec: JsonObject, before: readonly string[] = []): FieldError[] {
  const at = 'spec.clusterIPs';
  const [first, addresses] = [stringAt(spec, 'clusterIP'), addressesOf(spec)];
  const errors: FieldError[] = [];
  if (first !== '') {
    if (addresses.length === 0) errors.push(required(at));
    else if (addresses[0] !== first)
      errors.push(invalid(at, addresses, 'first value must match `clusterIP`'));
  } else if (addresses.length > 0) {
    errors.push(invalid(at, addresses, 'must be empty when `clusterIP` is not specified'));
  }
  const families = listAt(spec, 'ipFamilies').map((family) => textOf(family));
  for (const [index, family] of families.entries()) {
    const field = `spec.ipFamilies[${index}]`;
    append(errors, notSupported(family, field, FAMILIES));
    if (families.indexOf(family) < index) errors.push(duplicate(field, family));
  }
  const { ipFamilyPolicy } = spec;
  if (ipFamilyPolicy !== undefined) {
    append(errors, notSupported(ipFamilyPolicy, 'spec.ipFamilyPolicy', FAMILY_POLICIES));
  }
  const wrong = addresses.flatMap((address, index) => {
    if (index > 0 || address !== 'None') return validIp(address, `${at}[${index}]`, before);
    return addresses.length > 1 ? [invalid(at, addresses, "'None' must be the first and only value")] : [];
  });
  append(errors, wrong);
  if (addresses.length > 2) errors.push(invalid(at, addresses, 'may only hold up to 2 values'));
  if (wrong.length > 0) return errors;
  if (addresses.length > 1 && !isDualStack(addresses)) {
    errors.push(invalid(at, addresses, 'may specify no more than one IP for each IP family'));
  }
  if (isHeadless(spec)) return errors;
  for (const [index, address] of addresses.entries()) {
    const family = families[index];
    if (family === undefined || `IPv${isIP(address)}` === family || !FAMILIES.includes(family)) continue;
    const detail = `expected an ${family} value as indicated by \`ipFamilies[${index}]\``;
    errors.push(invalid(`${at}[${index}]`, address, detail));
  }
  return errors;
}

function validateSourceRanges(service: JsonObject, type: string, old: JsonObject): FieldError[] {
  const before = listAt(old, 'spec', 'loadBalancerSourceRanges').map((range) => textOf(range).trim());
  const ranges = listAt(service, 'spec', 'loadBalancerSourceRanges');
  const annotation = objectAt(service, 'metadata', 'annotations')[SOURCE_RANGES];
  const only = "may only be used when `type` is 'LoadBalancer'";
  const wrongType = (at: string): FieldError[] => (type === 'LoadBalancer' ? [] : [forbidden(at, only)]);
  if (ranges.length > 0) {
    // Written so upstream, and padded with spaces since it was an annotation.
    const at = 'spec.LoadBalancerSourceRanges';
    return [
      ...wrongType(at),
      ...ranges.flatMap((range, index) => validCidr(textOf(range).trim(), `${at}[${index}]`, before)),
    ];
  }
  if (annotation === undefined) return [];
  const at = `metadata.annotations[${SOURCE_RANGES}]`;
  const unchanged = objectAt(old, 'metadata', 'annotations')[SOURCE_RANGES] === annotation;
  const text = unchanged ? '' : textOf(annotation).trim();
  const listed = text === '' ? [] : text.split(',');
  return [...wrongType(at), ...listed.flatMap((range) => validCidr(range.trim(), at))];
}

function validateBalancer(spec: JsonObject, type: string): FieldError[] {
  const { allocateLoadBalancerNodePorts, loadBalancerClass } = spec;
  const errors: FieldError[] = [];
  const only = "may only be used when `type` is 'LoadBalancer'";
  const at = 'spec.loadBalancerClass';
  if (type !== 'LoadBalancer') {
    if (allocateLoadBalancerNodePorts !== undefined) {
      errors.push(forbidden('spec.allocateLoadBalancerNodePorts', only));
    }
    if (loadBalancerClass !== undefined) errors.push(forbidden(at, only));
    return errors;
  }
  if (allocateLoadBalancerNodePorts === undefined) errors.push(required('allocateLoadBalancerNodePorts'));
  return errors.concat(
    typeof loadBalancerClass === 'string' ? formed(loadBalancerClass, at, qualifiedName) : [],
  );
}

function needsHealthCheck(spec: JsonObject): boolean {
  return spec['type'] === 'LoadBalancer' && spec['externalTrafficPolicy'] === 'Local';
}

function validateExternalPolicy(spec: JsonObject, type: string): FieldError[] {
  const accessible =
    type === 'LoadBalancer' ||
    type === 'NodePort' ||
    (type === 'ClusterIP' && listAt(spec, 'externalIPs').length > 0);
  const policy = stringAt(spec, 'externalTrafficPolicy');
  const at = 'spec.externalTrafficPolicy';
  const errors: FieldError[] = [];
  if (!accessible) {
    if (policy !== '') errors.push(invalid(at, policy, 'may only be set for externally-accessible services'));
  } else if (policy === '') errors.push(required(at));
  else append(errors, notSupported(policy, at, POLICIES));
  const port = numberAt(spec, 'healthCheckNodePort') ?? 0;
  if (needsHealthCheck(spec)) {
    // None yet: it is allocated after this.
    if (port !== 0) {
      append(
        errors,
        portNumber(port).map((detail) => invalid('spec.healthCheckNodePort', port, detail)),
      );
    }
  } else if (port !== 0) {
    const detail = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
    errors.push(invalid('spec.healthCheckNodePort', port, detail));
  }
  return errors;
}

function validateInternalPolicy(spec: JsonObject, type: string): FieldError[] {
  const { internalTrafficPolicy } = spec;
  const at = 'spec.internalTrafficPolicy';
  if (internalTrafficPolicy !== undefined) return notSupported(internalTrafficPolicy, at, POLICIES);
  return ['ClusterIP', 'LoadBalancer', 'NodePort'].includes(type) ? [required(at)] : [];
}

export function validateServiceUpdate(service: JsonObject, old: JsonObject): FieldError[] {
  const [spec, before] = [objectAt(service, 'spec'), objectAt(old, 'spec')];
  const errors: FieldError[] = [];
  if (spec['type'] !== 'ExternalName' && before['type'] !== 'ExternalName') {
    if (!(isHeadless(spec) && isHeadless(before))) append(errors, validateAddressChange(spec, before));
    if (!isHeadless(spec) && !isHeadless(before)) append(errors, validateFamilyChange(spec, before));
  }
  if (spec['type'] === 'LoadBalancer' && before['type'] === 'LoadBalancer') {
    const { loadBalancerClass: now } = spec;
    if (now !== before['loadBalancerClass']) {
      errors.push(invalid('spec.loadBalancerClass', now, 'may not change once set'));
    }
  }
  const [port, was] = [spec, before].map((one) => numberAt(one, 'healthCheckNodePort') ?? 0);
  if (needsHealthCheck(spec) && needsHealthCheck(before) && port !== was) {
    errors.push(forbidden('spec.healthCheckNodePort', 'field is immutable'));
  }
  return [...errors, ...validateService(service, old)];
}

/** The second address may come and go, and goes only with the policy that says so; the first stays. */
function validateAddressChange(spec: JsonObject, before: JsonObject): FieldError[] {
  const [now, was] = [addressesOf(spec), addressesOf(before)];
  const at = 'spec.clusterIPs';
  const fixed = 'may not change once set';
  if (now.length === was.length) {
    return was.flatMap((address, index) =>
      address === now[index] ? [] : [invalid(`${at}[${index}]`, now, fixed)],
    );
  }
  const errors: FieldError[] = [];
  if (now.length === 0) errors.push(invalid(`${at}[0]`, now, 'primary clusterIP can not be unset'));
  if (was.length > 0 && now.length > 0 && now[0] !== was[0]) errors.push(invalid(`${at}[0]`, now, fixed));
  if (was.length > now.length && now.length === 1 && spec['ipFamilyPolicy'] !== 'SingleStack') {
    const detail = "must be set to 'SingleStack' when releasing the secondary clusterIP";
    errors.push(invalid('spec.ipFamilyPolicy', spec['ipFamilyPolicy'], detail));
  }
  return errors;
}

function validateFamilyChange(spec: JsonObject, before: JsonObject): FieldError[] {
  const [now, was] = [spec, before].map((one) => listAt(one, 'ipFamilies')) as [string[], string[]];
  const at = 'spec.ipFamilies[0]';
  const fixed = 'may not change once set';
  if (now.length === was.length) {
    return was.flatMap((family, index) => (family === now[index] ? [] : [invalid(at, now, fixed)]));
  }
  const errors: FieldError[] = [];
  const released = was.length > now.length;
  if (released && addressesOf(spec).length === 0) {
    errors.push(invalid(at, now, 'primary ipFamily can not be unset'));
  }
  if (was.length > 0 && now.length > 0 && now[0] !== was[0]) {
    errors.push(invalid(at, addressesOf(spec), fixed));
  }
  if (released && now.length === 1 && spec['ipFamilyPolicy'] !== 'SingleStack') {
    const detail = "must be set to 'SingleStack' when releasing the secondary ipFamily";
    errors.push(invalid('spec.ipFamilyPolicy', spec['ipFamilyPolicy'], detail));
  }
  return errors;
}

/** What a load balancer says of how it is reached. */
export function validateServiceStatus(service: JsonObject, old: JsonObject): FieldError[] {
  const before = objectsAt(old, 'status', 'loadBalancer', 'ingress').map((one) => stringAt(one, 'ip'));
  const at = 'status.loadBalancer.ingress';
  const ingresses = objectsAt(service, 'status', 'loadBalancer', 'ingress');
  if (stringAt(service, 'spec', 'type') !== 'LoadBalancer' && ingresses.length > 0) {
    return [forbidden(at, "may only be used when `spec.type` is 'LoadBalancer'")];
  }
  return ingresses.flatMap((ingress, index) => {
    const here = `${at}[${index}]`;
    const [ip, hostname] = [stringAt(ingress, 'ip'), stringAt(ingress, 'hostname')];
    const { ipMode } = ingress;
    const errors = ip === '' ? [] : validIp(ip, `${here}.ip`, before);
    if (ipMode === undefined) {
      if (ip !== '') errors.push(required(`${here}.ipMode`, 'must be specified when `ip` is set'));
    } else if (ip === '') {
      errors.push(forbidden(`${here}.ipMode`, 'may not be specified when `ip` is not set'));
    } else append(errors, notSupported(ipMode, `${here}.ipMode`, ['Proxy', 'VIP']));
    if (hostname !== '') {
      append(errors, formed(hostname, `${here}.hostname`, dns1123Subdomain));
      if (isIP(hostname) !== 0) {
        errors.push(invalid(`${here}.hostname`, hostname, 'must be a DNS name, not an IP address'));
      }
    }
    return errors;
  });
}
