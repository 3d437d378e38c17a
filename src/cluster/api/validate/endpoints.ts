import { isIP } from 'node:net';
import { append } from '../../../base/append.ts';
import { duplicate, invalid, required, unsupported, type FieldError } from '../field-error.ts';
import {
  isJsonObject,
  jsonEqual,
  listAt,
  numberAt,
  objectsAt,
  stringAt,
  textOf,
  type JsonObject,
} from '../json.ts';
import { formed, notSpecialIp, tooMany, unchangedText, validIp } from './checks.ts';
import { dns1123Label, dns1123Subdomain, labelValue, portNumber, qualifiedName } from './names.ts';

const PROTOCOLS = ['SCTP', 'TCP', 'UDP'];
/** Of an endpoint, for zones and for nodes. */
const MAX_HINTS = 8;
/** Of a slice. */
const MAX_ENDPOINTS = 1000;
const MAX_PORTS = 20_000;
const ADDRESS_TYPES = ['FQDN', 'IPv4', 'IPv6'];

export function validateEndpoints(endpoints: JsonObject): FieldError[] {
  return objectsAt(endpoints, 'subsets').flatMap((subset, index) => {
    const at = `subsets[${index}]`;
    const addresses = objectsAt(subset, 'addresses');
    const notReady = objectsAt(subset, 'notReadyAddresses');
    const errors: FieldError[] = [];
    if (addresses.length + notReady.length === 0) {
      errors.push(required(at, 'must specify `addresses` or `notReadyAddresses`'));
    }
    for (const [name, list] of Object.entries({ addresses, notReadyAddresses: notReady })) {
      for (const [position, address] of list.entries()) {
        append(errors, validateAddress(address, `${at}.${name}[${position}]`));
      }
    }
    const ports = objectsAt(subset, 'ports');
    for (const [position, port] of ports.entries()) {
      const portAt = `${at}.ports[${position}]`;
      const name = stringAt(port, 'name');
      if (ports.length > 1 && name === '') errors.push(required(`${portAt}.name`));
      else if (name !== '') append(errors, formed(name, `${portAt}.name`, dns1123Label));
      const number = numberAt(port, 'port') ?? 0;
      append(
        errors,
        portNumber(number).map((detail) => invalid(`${portAt}.port`, number, detail)),
      );
      append(errors, validateProtocol(port, portAt));
      append(errors, validateAppProtocol(port, portAt));
    }
    return errors;
  });
}

function validateAddress(address: JsonObject, at: string): FieldError[] {
  const [ip, hostname, node] = ['ip', 'hostname', 'nodeName'].map((key) => stringAt(address, key));
  return [
    ...validIp(ip ?? '', `${at}.ip`),
    ...(hostname === '' ? [] : formed(hostname ?? '', `${at}.hostname`, dns1123Label)),
    ...(address['nodeName'] === undefined ? [] : formed(node ?? '', `${at}.nodeName`, dns1123Subdomain)),
    ...notSpecialIp(ip ?? '', `${at}.ip`),
  ];
}

function validateAppProtocol(port: JsonObject, at: string): FieldError[] {
  const { appProtocol } = port;
  return typeof appProtocol === 'string' ? formed(appProtocol, `${at}.appProtocol`, qualifiedName) : [];
}

export function validateEndpointSlice(slice: JsonObject): FieldError[] {
  return validateSlice(slice, true);
}

/** Endpoints that were taken once stay, whatever the rules are now. */
function validateSlice(slice: JsonObject, looksAtEndpoints: boolean): FieldError[] {
  const errors: FieldError[] = [];
  const type = stringAt(slice, 'addressType');
  if (type === '') errors.push(required('addressType'));
  else if (!ADDRESS_TYPES.includes(type)) errors.push(unsupported('addressType', type, ADDRESS_TYPES));
  append(errors, validateSlicePorts(objectsAt(slice, 'ports')));
  if (!looksAtEndpoints) return errors;
  const endpoints = objectsAt(slice, 'endpoints');
  if (endpoints.length > MAX_ENDPOINTS) {
    return [...errors, ...tooMany('endpoints', endpoints.length, MAX_ENDPOINTS)];
  }
  for (const [index, endpoint] of endpoints.entries()) {
    append(errors, validateEndpoint(endpoint, `endpoints[${index}]`, type));
  }
  return errors;
}

function validateSlicePorts(ports: readonly JsonObject[]): FieldError[] {
  if (ports.length > MAX_PORTS) return tooMany('ports', ports.length, MAX_PORTS);
  const names = new Set<string>();
  return ports.flatMap((port, index) => {
    const at = `ports[${index}]`;
    const name = stringAt(port, 'name');
    const again = names.has(name) ? [duplicate(`${at}.name`, name)] : [];
    names.add(name);
    return [
      ...(name === '' ? [] : formed(name, `${at}.name`, dns1123Label)),
      ...again,
      ...validateProtocol(port, at),
      ...validateAppProtocol(port, at),
    ];
  });
}

function validateEndpoint(endpoint: JsonObject, at: string, type: string): FieldError[] {
  const addresses = listAt(endpoint, 'addresses');
  const { hostname, nodeName, deprecatedTopology, hints } = endpoint;
  const errors: FieldError[] = [];
  if (addresses.length === 0) errors.push(required(`${at}.addresses`, 'must contain at least 1 address'));
  const list = `${at}.addresses`;
  append(errors, tooMany(list, addresses.length, 100));
  for (let index = 0; index < addresses.length; index++) {
    append(errors, validateSliceAddress(textOf(addresses[index]), { list, index, type }));
  }
  if (typeof nodeName === 'string') append(errors, formed(nodeName, `${at}.nodeName`, dns1123Subdomain));
  if (isJsonObject(deprecatedTopology)) {
    append(errors, tooMany(`${at}.deprecatedTopology`, Object.keys(deprecatedTopology).length, 16));
  }
  if (typeof hostname === 'string') append(errors, formed(hostname, `${at}.hostname`, dns1123Label));
  if (isJsonObject(hints)) append(errors, validateHints(hints, `${at}.hints`));
  return errors;
}

interface SliceAddress {
  readonly list: string;
  readonly index: number;
  readonly type: string;
}

const FAMILIES: Readonly<Record<string, number>> = { IPv4: 4, IPv6: 6 };

function validateSliceAddress(address: string, { list, index, type }: SliceAddress): FieldError[] {
  const at = `${list}[${index}]`;
  if (type === 'FQDN') return validateDomain(address, at);
  const family = FAMILIES[type];
  if (family === undefined) return [];
  const errors = validIp(address, at);
  if (errors.length > 0) return errors;
  // Upstream says it of the list.
  if (isIP(address) !== family) errors.push(invalid(list, address, `must be an ${type} address`));
  append(errors, notSpecialIp(address, at));
  return errors;
}

/** A name of two parts or more, and the dot at its end if somebody wrote it. */
function validateDomain(text: string, at: string): FieldError[] {
  if (text === '') return [required(at)];
  const name = text.endsWith('.') ? text.slice(0, -1) : text;
  const complaints = dns1123Subdomain(name);
  if (complaints.length > 0) return [invalid(at, name, complaints.join(','))];
  const labels = name.split('.');
  if (labels.length < 2) {
    return [invalid(at, name, 'should be a domain with at least two segments separated by dots')];
  }
  const bad = labels.find((label) => dns1123Label(label).length > 0);
  return bad === undefined ? [] : [invalid(at, bad, dns1123Label(bad).join(','))];
}

function validateHints(hints: JsonObject, at: string): FieldError[] {
  const zones = objectsAt(hints, 'forZones');
  const nodes = objectsAt(hints, 'forNodes');
  if (zones.length > MAX_HINTS) return tooMany(`${at}.forZones`, zones.length, MAX_HINTS);
  return [
    ...validateHinted(zones, `${at}.forZones`, labelValue),
    ...(nodes.length > MAX_HINTS
      ? tooMany(`${at}.forNodes`, nodes.length, MAX_HINTS)
      : validateHinted(nodes, `${at}.forNodes`, dns1123Subdomain)),
  ];
}

function validateHinted(
  hinted: readonly JsonObject[],
  at: string,
  rule: (name: string) => string[],
): FieldError[] {
  const names = hinted.map((item) => stringAt(item, 'name'));
  return names.flatMap((name, index) => {
    const field = `${at}[${index}].name`;
    const again = names.indexOf(name) < index ? [duplicate(field, name)] : [];
    return [...again, ...formed(name, field, rule)];
  });
}

function validateProtocol(port: JsonObject, at: string): FieldError[] {
  const protocol = stringAt(port, 'protocol');
  if (port['protocol'] === undefined) return [required(`${at}.protocol`)];
  return PROTOCOLS.includes(protocol) ? [] : [unsupported(`${at}.protocol`, protocol, PROTOCOLS)];
}

export function validateEndpointSliceUpdate(slice: JsonObject, old: JsonObject): FieldError[] {
  const same = jsonEqual(listAt(slice, 'endpoints'), listAt(old, 'endpoints'));
  return [...validateSlice(slice, !same), ...unchangedText(slice, old, 'addressType')];
}
