import { isIP } from 'node:net';
import { append } from '../../../base/append.ts';
import { forbidden, invalid, required, unsupported, type FieldError } from '../field-error.ts';
import {
  isJsonObject,
  jsonEqual,
  listAt,
  numberAt,
  objectAt,
  objectsAt,
  stringAt,
  textOf,
  type JsonObject,
} from '../json.ts';
import {
  BAD_CIDR,
  IMMUTABLE,
  domainPrefixedPath,
  formed,
  isStrictSubnet,
  longerThan,
  named,
  notSupported,
  parseCidrText,
  unchangedText,
  validIp,
} from './checks.ts';
import { validateLabelSelector } from './label-selector.ts';
import {
  dns1123Label,
  dns1123Subdomain,
  pathSegment,
  portName,
  portNumber,
  wildcardSubdomain,
} from './names.ts';

const NOT_AN_ADDRESS = 'must be a DNS name, not an IP address';
const CLASS_ANNOTATION = 'kubernetes.io/ingress.class';

export function validateIngress(ingress: JsonObject): FieldError[] {
  const spec = objectAt(ingress, 'spec');
  const { defaultBackend, ingressClassName } = spec;
  const rules = objectsAt(spec, 'rules');
  const errors: FieldError[] = [];
  if (rules.length === 0 && !isJsonObject(defaultBackend)) {
    const detail = 'either `defaultBackend` or `rules` must be specified';
    errors.push(invalid('spec', spec['rules'], detail));
  }
  if (isJsonObject(defaultBackend)) append(errors, validateBackend(defaultBackend, 'spec.defaultBackend'));
  for (const [index, rule] of rules.entries()) append(errors, validateRule(rule, `spec.rules[${index}]`));
  for (const [index, tls] of objectsAt(spec, 'tls').entries()) {
    append(errors, validateTls(tls, `spec.tls[${index}]`));
  }
  if (typeof ingressClassName === 'string') {
    append(errors, formed(ingressClassName, 'spec.ingressClassName', dns1123Subdomain));
  }
  return errors;
}

/** Only for new ones: older ones may have both. */
export function validateIngressCreate(ingress: JsonObject): FieldError[] {
  const annotation = objectAt(ingress, 'metadata', 'annotations')[CLASS_ANNOTATION];
  const className = objectAt(ingress, 'spec')['ingressClassName'];
  if (annotation === undefined || className === undefined || annotation === className) return [];
  const detail = 'must match `ingressClassName` when both are specified';
  return [invalid(`annotations.${CLASS_ANNOTATION}`, annotation, detail)];
}

function validateTls(tls: JsonObject, at: string): FieldError[] {
  const secret = stringAt(tls, 'secretName');
  return [
    ...listAt(tls, 'hosts').flatMap((host, index) => validateHost(textOf(host), `${at}.hosts[${index}]`)),
    ...(secret === '' ? [] : formed(secret, `${at}.secretName`, dns1123Subdomain)),
  ];
}

function validateHost(host: string, at: string): FieldError[] {
  return formed(host, at, host.includes('*') ? wildcardSubdomain : dns1123Subdomain);
}

function validateRule(rule: JsonObject, at: string): FieldError[] {
  const host = stringAt(rule, 'host');
  const errors: FieldError[] = [];
  if (host !== '') {
    if (isIP(host) !== 0) errors.push(invalid(`${at}.host`, host, NOT_AN_ADDRESS));
    append(errors, validateHost(host, `${at}.host`));
  }
  const { http } = rule;
  if (!isJsonObject(http)) return errors;
  const paths = objectsAt(http, 'paths');
  if (paths.length === 0) errors.push(required(`${at}.http.paths`));
  for (const [index, path] of paths.entries()) {
    append(errors, validatePath(path, `${at}.http.paths[${index}]`));
  }
  return errors;
}

const PATH_TYPES = ['Exact', 'ImplementationSpecific', 'Prefix'];
/** What different servers read differently. */
const BAD_SEQUENCES = ['//', '/./', '/../', '%2f', '%2F'];
const BAD_ENDS = ['/..', '/.'];

function validatePath(entry: JsonObject, at: string): FieldError[] {
  const path = stringAt(entry, 'path');
  const { pathType } = entry;
  const errors: FieldError[] = [];
  const absolute = path.startsWith('/');
  if (pathType === undefined) return [required(`${at}.pathType`, 'pathType must be specified')];
  if (pathType === 'Exact' || pathType === 'Prefix') {
    if (!absolute) errors.push(invalid(`${at}.path`, path, 'must be an absolute path'));
    if (path !== '') {
      for (const part of BAD_SEQUENCES.filter((sequence) => path.includes(sequence))) {
        errors.push(invalid(`${at}.path`, path, `must not contain '${part}'`));
      }
      for (const end of BAD_ENDS.filter((suffix) => path.endsWith(suffix))) {
        errors.push(invalid(`${at}.path`, path, `cannot end with '${end}'`));
      }
    }
  } else if (pathType === 'ImplementationSpecific') {
    if (path !== '' && !absolute) errors.push(invalid(`${at}.path`, path, 'must be an absolute path'));
  } else errors.push(unsupported(`${at}.pathType`, pathType, PATH_TYPES));
  return [...errors, ...validateBackend(objectAt(entry, 'backend'), `${at}.backend`)];
}

function validateBackend(backend: JsonObject, at: string): FieldError[] {
  const { service, resource } = backend;
  if (isJsonObject(service) && isJsonObject(resource)) {
    return [invalid(at, '', 'cannot set both resource and service backends')];
  }
  if (isJsonObject(resource)) {
    return validateReference(resource, `${at}.resource`);
  }
  if (!isJsonObject(service)) return [invalid(at, '', 'resource or service backend is required')];
  const name = stringAt(service, 'name');
  const errors =
    name === '' ? [required(`${at}.service.name`)] : formed(name, `${at}.service.name`, dns1123Label);
  const port = stringAt(service, 'port', 'name');
  const number = numberAt(service, 'port', 'number') ?? 0;
  if (port !== '' && number !== 0) {
    errors.push(invalid(at, '', 'cannot set both port name & port number'));
  } else if (port !== '') append(errors, formed(port, `${at}.service.port.name`, portName));
  else if (number !== 0) {
    append(
      errors,
      portNumber(number).map((detail) => invalid(`${at}.service.port.number`, number, detail)),
    );
  } else errors.push(required(at, 'port name or number is required'));
  return errors;
}

/** What an object of some group, kind and name is pointed at by. */
function validateReference(reference: JsonObject, at: string): FieldError[] {
  const { apiGroup } = reference;
  return [
    ...(typeof apiGroup === 'string' ? formed(apiGroup, `${at}.apiGroup`, dns1123Subdomain) : []),
    ...named(reference, 'kind', { field: at, rule: pathSegment }),
    ...named(reference, 'name', { field: at, rule: pathSegment }),
  ];
}

export function validateIngressStatus(ingress: JsonObject, old: JsonObject): FieldError[] {
  const at = 'status.loadBalancer.ingress';
  const before = objectsAt(old, 'status', 'loadBalancer', 'ingress').map((entry) => entry['ip']);
  return objectsAt(ingress, 'status', 'loadBalancer', 'ingress').flatMap((entry, index) => {
    const ip = stringAt(entry, 'ip');
    const host = stringAt(entry, 'hostname');
    const field = `${at}[${index}]`;
    return [
      ...(ip === '' || before.includes(ip) ? [] : validIp(ip, `${field}.ip`)),
      ...(host === '' ? [] : formed(host, `${field}.hostname`, dns1123Subdomain)),
      ...(isIP(host) === 0 ? [] : [invalid(`${field}.hostname`, host, NOT_AN_ADDRESS)]),
    ];
  });
}

export function validateIngressClass(ingressClass: JsonObject): FieldError[] {
  const controller = stringAt(ingressClass, 'spec', 'controller');
  const errors = [
    ...longerThan(controller, 250, 'spec.controller'),
    ...domainPrefixedPath(controller, 'spec.controller'),
  ];
  const parameters = objectAt(ingressClass, 'spec')['parameters'];
  return isJsonObject(parameters) ? [...errors, ...validateParameters(parameters)] : errors;
}

function validateParameters(parameters: JsonObject): FieldError[] {
  const at = 'spec.parameters';
  const { namespace, scope } = parameters;
  const errors = validateReference(parameters, at);
  if (scope === undefined) errors.push(required(`${at}.scope`));
  else if (scope === 'Cluster') {
    if (namespace !== undefined) {
      errors.push(forbidden(`${at}.namespace`, "`parameters.scope` is set to 'Cluster'"));
    }
  } else if (scope === 'Namespace') {
    if (typeof namespace !== 'string') {
      errors.push(required(`${at}.namespace`, "`parameters.scope` is set to 'Namespace'"));
    } else append(errors, formed(namespace, `${at}.namespace`, dns1123Label));
  } else errors.push(unsupported(`${at}.scope`, scope, ['Cluster', 'Namespace']));
  return errors;
}

export function validateIngressClassUpdate(ingressClass: JsonObject, old: JsonObject): FieldError[] {
  return [...unchangedText(ingressClass, old, 'spec.controller'), ...validateIngressClass(ingressClass)];
}

export function validateNetworkPolicy(policy: JsonObject): FieldError[] {
  const spec = objectAt(policy, 'spec');
  const errors = validateLabelSelector(objectAt(spec, 'podSelector'), 'spec.podSelector');
  for (const [direction, peers] of [
    ['ingress', 'from'],
    ['egress', 'to'],
  ] as const) {
    for (const [index, rule] of objectsAt(spec, direction).entries()) {
      const at = `spec.${direction}[${index}]`;
      append(
        errors,
        objectsAt(rule, 'ports').flatMap((port, i) => validatePolicyPort(port, `${at}.ports[${i}]`)),
      );
      append(
        errors,
        objectsAt(rule, peers).flatMap((peer, i) => validatePeer(peer, `${at}.${peers}[${i}]`)),
      );
    }
  }
  const types = listAt(spec, 'policyTypes');
  if (types.length > 2) {
    return [...errors, invalid('spec.policyTypes', types, 'may not specify more than two policyTypes')];
  }
  const supported = ['Ingress', 'Egress'];
  for (const [index, type] of types.entries()) {
    if (!supported.includes(textOf(type))) {
      errors.push(unsupported(`spec.policyTypes[${index}]`, type, supported));
    }
  }
  return errors;
}

function validatePolicyPort(entry: JsonObject, at: string): FieldError[] {
  const { port, endPort, protocol } = entry;
  const errors =
    protocol === undefined ? [] : notSupported(protocol, `${at}.protocol`, ['TCP', 'UDP', 'SCTP']);
  if (port === undefined) {
    if (endPort !== undefined) {
      errors.push(invalid(`${at}.endPort`, endPort, 'may not be specified when `port` is not specified'));
    }
  } else if (typeof port === 'number') {
    append(
      errors,
      portNumber(port).map((detail) => invalid(`${at}.port`, port, detail)),
    );
    if (typeof endPort === 'number') {
      if (endPort < port) {
        // What is shown is the port.
        errors.push(invalid(`${at}.endPort`, port, 'must be greater than or equal to `port`'));
      }
      append(
        errors,
        portNumber(endPort).map((detail) => invalid(`${at}.endPort`, endPort, detail)),
      );
    }
  } else {
    if (endPort !== undefined) {
      errors.push(invalid(`${at}.endPort`, endPort, 'may not be specified when `port` is non-numeric'));
    }
    append(errors, formed(textOf(port), `${at}.port`, portName));
  }
  return errors;
}

function validatePeer(peer: JsonObject, at: string): FieldError[] {
  const errors: FieldError[] = [];
  const { ipBlock } = peer;
  const selectors = ['podSelector', 'namespaceSelector'].filter((key) => isJsonObject(peer[key]));
  for (const key of selectors) append(errors, validateLabelSelector(objectAt(peer, key), `${at}.${key}`));
  if (isJsonObject(ipBlock)) append(errors, validateBlock(ipBlock, `${at}.ipBlock`));
  if (selectors.length === 0 && ipBlock === undefined) {
    errors.push(required(at, 'must specify a peer'));
  } else if (selectors.length > 0 && ipBlock !== undefined) {
    errors.push(forbidden(at, 'may not specify both ipBlock and another peer'));
  }
  return errors;
}

function validateBlock(block: JsonObject, at: string): FieldError[] {
  const cidr = stringAt(block, 'cidr');
  if (cidr === '') return [required(`${at}.cidr`)];
  if (parseCidrText(cidr) === undefined) return [invalid(`${at}.cidr`, cidr, BAD_CIDR)];
  return listAt(block, 'except').flatMap((item, index) => {
    const except = textOf(item);
    const here = `${at}.except[${index}]`;
    if (parseCidrText(except) === undefined) return [invalid(here, except, BAD_CIDR)];
    return isStrictSubnet(except, cidr) ? [] : [invalid(here, except, 'must be a strict subset of `cidr`')];
  });
}

export function validateIpAddress(address: JsonObject): FieldError[] {
  const parent = objectAt(address, 'spec')['parentRef'];
  if (!isJsonObject(parent)) return [required('spec.parentRef')];
  const field = 'spec.parentRef';
  const errors: FieldError[] = [];
  const group = stringAt(parent, 'group');
  if (group !== '') append(errors, formed(group, `${field}.group`, dns1123Subdomain));
  for (const key of ['resource', 'name']) {
    const value = stringAt(parent, key);
    if (value === '') errors.push(required(`${field}.${key}`));
    else append(errors, formed(value, `${field}.${key}`, pathSegment));
  }
  const namespace = stringAt(parent, 'namespace');
  if (namespace !== '') append(errors, formed(namespace, `${field}.namespace`, pathSegment));
  return errors;
}

export function validateIpAddressUpdate(address: JsonObject, old: JsonObject): FieldError[] {
  const parent = objectAt(address, 'spec', 'parentRef');
  if (jsonEqual(parent, objectAt(old, 'spec', 'parentRef'))) return [];
  // Shown as upstream's own form of it, which has Go's names.
  const shown = {
    Group: stringAt(parent, 'group'),
    Resource: stringAt(parent, 'resource'),
    Namespace: stringAt(parent, 'namespace'),
    Name: stringAt(parent, 'name'),
  };
  const given = objectAt(address, 'spec')['parentRef'] !== undefined;
  return [invalid('spec.parentRef', given ? shown : null, IMMUTABLE)];
}

export function validateServiceCidr(serviceCidr: JsonObject): FieldError[] {
  const cidrs = listAt(serviceCidr, 'spec', 'cidrs').map((cidr) => textOf(cidr));
  const at = 'spec.cidrs';
  if (cidrs.length === 0) return [required(at, 'at least one CIDR required')];
  if (cidrs.length > 2) return [invalid(at, { CIDRs: cidrs }, 'may only hold up to 2 values')];
  const parsed = cidrs.map((cidr) => parseCidrText(cidr));
  const errors = cidrs
    .map((cidr, index) => (parsed[index] === undefined ? invalid(`${at}[${index}]`, cidr, BAD_CIDR) : []))
    .flat();
  const [first, second] = parsed;
  if (first !== undefined && first.family === second?.family) {
    const detail = 'may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64';
    errors.push(invalid(at, cidrs, detail));
  }
  return errors;
}

/** A second family may be added, which is looked at; what is there stays. */
export function validateServiceCidrUpdate(serviceCidr: JsonObject, old: JsonObject): FieldError[] {
  const before = listAt(old, 'spec', 'cidrs');
  const now = listAt(serviceCidr, 'spec', 'cidrs');
  const added = before.length === 1 && now.length === 2;
  if (now.length !== before.length && !added) {
    return [invalid('spec.cidrs', now.length === 0 ? null : now, IMMUTABLE)];
  }
  const changed = before.flatMap((cidr, index) =>
    now[index] === cidr ? [] : [invalid(`spec.cidrs[${index}]`, now[index], IMMUTABLE)],
  );
  return added ? [...changed, ...validateServiceCidr(serviceCidr)] : changed;
}
