import { isIP } from 'node:net';
import { invalid, required, unsupported, type FieldError } from '../field-error.ts';
import { listAt, numberAt, objectsAt, stringAt, textOf, type JsonObject } from '../json.ts';
import { formed, notSpecialIp, validIp } from './checks.ts';
import { immutable } from './metadata.ts';
import { dns1123Label, dns1123Subdomain, portNumber, qualifiedName } from './names.ts';

const PROTOCOLS = ['SCTP', 'TCP', 'UDP'];
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
        errors.push(...validateAddress(address, `${at}.${name}[${position}]`));
      }
    }
    const ports = objectsAt(subset, 'ports');
    for (const [position, port] of ports.entries()) {
      const portAt = `${at}.ports[${position}]`;
      const name = stringAt(port, 'name');
      if (ports.length > 1 && name === '') errors.push(required(`${portAt}.name`));
      else if (name !== '') errors.push(...formed(name, `${portAt}.name`, dns1123Label));
      const number = numberAt(port, 'port') ?? 0;
      errors.push(...portNumber(number).map((detail) => invalid(`${portAt}.port`, number, detail)));
      errors.push(...validateProtocol(port, portAt), ...validateAppProtocol(port, portAt));
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
  const errors: FieldError[] = [];
  const type = stringAt(slice, 'addressType');
  if (type === '') errors.push(required('addressType'));
  else if (!ADDRESS_TYPES.includes(type)) errors.push(unsupported('addressType', type, ADDRESS_TYPES));
  const endpoints = objectsAt(slice, 'endpoints');
  if (endpoints.length > 1000) {
    errors.push({
      type: 'Too many',
      field: 'endpoints',
      value: endpoints.length,
      detail: 'must have at most 1000 items',
    });
  }
  for (const [index, endpoint] of endpoints.entries()) {
    errors.push(...validateEndpoint(endpoint, `endpoints[${index}]`, type));
  }
  const names = new Set<string>();
  for (const [index, port] of objectsAt(slice, 'ports').entries()) {
    const at = `ports[${index}]`;
    const name = stringAt(port, 'name');
    if (name !== '') errors.push(...dns1123Label(name).map((detail) => invalid(`${at}.name`, name, detail)));
    if (names.has(name))
      errors.push({ type: 'Duplicate value', field: `${at}.name`, value: name, detail: '' });
    names.add(name);
    errors.push(...validateProtocol(port, at));
  }
  return errors;
}

function validateEndpoint(endpoint: JsonObject, at: string, type: string): FieldError[] {
  const addresses = listAt(endpoint, 'addresses').map((item) => textOf(item));
  if (addresses.length === 0) return [required(`${at}.addresses`, 'must contain at least 1 address')];
  const family = { IPv4: 4, IPv6: 6 }[type];
  return addresses.flatMap((address, index) => {
    const field = `${at}.addresses[${index}]`;
    if (type === 'FQDN') return dns1123Subdomain(address).map((detail) => invalid(field, address, detail));
    return family === undefined || isIP(address) === family
      ? []
      : [invalid(field, address, `must be an ${type} address`)];
  });
}

function validateProtocol(port: JsonObject, at: string): FieldError[] {
  const protocol = stringAt(port, 'protocol');
  if (protocol === '') return [required(`${at}.protocol`)];
  return PROTOCOLS.includes(protocol) ? [] : [unsupported(`${at}.protocol`, protocol, PROTOCOLS)];
}

export function validateEndpointSliceUpdate(slice: JsonObject, old: JsonObject): FieldError[] {
  return immutable(slice, old, ['addressType']);
}
