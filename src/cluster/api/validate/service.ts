import { isIP } from 'node:net';
import { duplicate, forbidden, invalid, required, unsupported, type FieldError } from '../field-error.ts';
import { listAt, numberAt, objectAt, objectsAt, stringAt, textOf, type JsonObject } from '../json.ts';
import { validateLabels } from './metadata.ts';
import { dns1123Label, dns1123Subdomain, portName, portNumber } from './names.ts';

const TYPES = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'];
const PROTOCOLS = ['SCTP', 'TCP', 'UDP'];
const POLICIES = ['Cluster', 'Local'];
const MAX_AFFINITY_SECONDS = 86_400;

export function validateService(service: JsonObject): FieldError[] {
  const spec = objectAt(service, 'spec');
  const type = stringAt(spec, 'type');
  const errors: FieldError[] = [];
  if (!TYPES.includes(type)) errors.push(unsupported('spec.type', type, TYPES));
  const headless = stringAt(spec, 'clusterIP') === 'None';
  if (objectsAt(spec, 'ports').length === 0 && !headless && type !== 'ExternalName') {
    errors.push(required('spec.ports'));
  }
  errors.push(
    ...validatePorts(spec, type),
    ...validateLabels(spec['selector'], 'spec.selector'),
    ...validateAffinity(spec),
    ...validatePolicies(spec),
    ...validateAddresses(spec, type),
  );
  return errors;
}

function validatePorts(spec: JsonObject, type: string): FieldError[] {
  const errors: FieldError[] = [];
  const ports = objectsAt(spec, 'ports');
  const names = new Set<string>();
  const numbers = new Set<string>();
  const nodePorts = new Set<string>();
  for (const [index, port] of ports.entries()) {
    const at = `spec.ports[${index}]`;
    const name = stringAt(port, 'name');
    if (name === '') {
      if (ports.length > 1) errors.push(required(`${at}.name`));
    } else {
      errors.push(...dns1123Label(name).map((detail) => invalid(`${at}.name`, name, detail)));
      if (names.has(name)) errors.push(duplicate(`${at}.name`, name));
      names.add(name);
    }
    const number = numberAt(port, 'port') ?? 0;
    errors.push(...portNumber(number).map((detail) => invalid(`${at}.port`, number, detail)));
    const protocol = stringAt(port, 'protocol');
    if (!PROTOCOLS.includes(protocol)) errors.push(unsupported(`${at}.protocol`, protocol, PROTOCOLS));
    errors.push(...validateTargetPort(port, at));
    const key = `${protocol}/${number}`;
    if (numbers.has(key)) errors.push(duplicate(at, { port: number, protocol }));
    numbers.add(key);
    const nodePort = numberAt(port, 'nodePort') ?? 0;
    if (nodePort === 0) continue;
    if (type === 'ClusterIP') {
      errors.push(forbidden(`${at}.nodePort`, "may not be used when `type` is 'ClusterIP'"));
    }
    const nodeKey = `${protocol}/${nodePort}`;
    if (nodePorts.has(nodeKey)) errors.push(duplicate(`${at}.nodePort`, nodePort));
    nodePorts.add(nodeKey);
  }
  return errors;
}

function validateTargetPort(port: JsonObject, at: string): FieldError[] {
  const target = port['targetPort'];
  if (typeof target === 'number') {
    return portNumber(target).map((detail) => invalid(`${at}.targetPort`, target, detail));
  }
  if (typeof target !== 'string') return [];
  return portName(target).map((detail) => invalid(`${at}.targetPort`, target, detail));
}

function validateAffinity(spec: JsonObject): FieldError[] {
  const affinity = stringAt(spec, 'sessionAffinity');
  if (affinity !== 'None' && affinity !== 'ClientIP') {
    return [unsupported('spec.sessionAffinity', affinity, ['ClientIP', 'None'])];
  }
  if (affinity === 'None') return [];
  const seconds = numberAt(spec, 'sessionAffinityConfig', 'clientIP', 'timeoutSeconds') ?? 0;
  if (seconds > 0 && seconds <= MAX_AFFINITY_SECONDS) return [];
  return [
    invalid(
      'spec.sessionAffinityConfig.clientIP.timeoutSeconds',
      seconds,
      `must be greater than 0 and less than ${MAX_AFFINITY_SECONDS}`,
    ),
  ];
}

function validatePolicies(spec: JsonObject): FieldError[] {
  return ['externalTrafficPolicy', 'internalTrafficPolicy'].flatMap((key) => {
    const value = stringAt(spec, key);
    return value === '' || POLICIES.includes(value) ? [] : [unsupported(`spec.${key}`, value, POLICIES)];
  });
}

function validateAddresses(spec: JsonObject, type: string): FieldError[] {
  const errors: FieldError[] = [];
  const clusterIp = stringAt(spec, 'clusterIP');
  if (type === 'ExternalName') {
    const name = stringAt(spec, 'externalName').replace(/\.$/, '');
    if (clusterIp !== '')
      errors.push(forbidden('spec.clusterIP', 'may not be set for ExternalName services'));
    if (name === '') errors.push(required('spec.externalName'));
    else errors.push(...dns1123Subdomain(name).map((detail) => invalid('spec.externalName', name, detail)));
    return errors;
  }
  if (clusterIp === 'None') {
    if (type !== 'ClusterIP') {
      errors.push(
        invalid(
          'spec.clusterIPs[0]',
          'None',
          "may not be set to 'None' for NodePort and LoadBalancer services",
        ),
      );
    }
  } else if (clusterIp !== '' && isIP(clusterIp) === 0) {
    errors.push(
      invalid(
        'spec.clusterIPs[0]',
        clusterIp,
        'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
      ),
    );
  }
  for (const [index, ip] of listAt(spec, 'externalIPs').entries()) {
    if (isIP(textOf(ip)) === 0) {
      errors.push(
        invalid(
          `spec.externalIPs[${index}]`,
          ip,
          'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
        ),
      );
    }
  }
  return errors;
}

export function validateServiceUpdate(service: JsonObject, old: JsonObject): FieldError[] {
  const before = stringAt(old, 'spec', 'clusterIP');
  const now = stringAt(service, 'spec', 'clusterIP');
  const kept =
    stringAt(old, 'spec', 'type') !== 'ExternalName' && stringAt(service, 'spec', 'type') !== 'ExternalName';
  if (!kept || before === '' || before === now) return [];
  return [invalid('spec.clusterIPs[0]', now, `field is immutable`)];
}
