/** What a claim got, who uses it, and what drivers say of the devices (ResourceClaim's status). */
import { isIP } from 'node:net';
import { append } from '../../../base/append.ts';
import { forbidden, goQuote, invalid, type FieldError } from '../field-error.ts';
import {
  getOwn,
  isJsonObject,
  jsonEqual,
  listAt,
  objectAt,
  objectsAt,
  stringAt,
  textOf,
  type JsonObject,
  type JsonValue,
} from '../json.ts';
import { formed, IMMUTABLE, longerThan, needed, oneOf, parseCidrText, tooMany } from './checks.ts';
import { conditionErrors } from './conditions.ts';
import {
  validateBindingConditions,
  validateDriver,
  validateList,
  validatePoolName,
  validateRaw,
  validateShareId,
  validateUnique,
} from './device-names.ts';
import {
  requestNames,
  validateOpaque,
  validateReferences,
  validateRequestReference,
  type RequestNames,
} from './devices.ts';
import { dns1123Label } from './names.ts';
import { validateNodeSelector } from './node-selector.ts';

const MAX_CONSUMERS = 256;
const MAX_RESULTS = 32;
const MAX_CONFIGURATIONS = 64;
const MAX_CONDITIONS = 8;
const MAX_INTERFACE = 256;
const MAX_HARDWARE_ADDRESS = 128;
const MAX_ADDRESSES = 16;

export function validateClaimStatus(claim: JsonObject, old: JsonObject): FieldError[] {
  const status = objectAt(claim, 'status');
  const before = objectAt(old, 'status');
  const { allocation } = status;
  const consumers = objectsAt(status, 'reservedFor');
  const results = objectsAt(allocation, 'devices', 'results');
  const allocated = new Set(results.map((result) => JSON.stringify(deviceId(result))));
  const errors = [
    ...validateUnique(
      consumers,
      { at: 'status.reservedFor', most: MAX_CONSUMERS, keyOf: (consumer) => stringAt(consumer, 'uid') },
      (consumer, at) => needed(consumer, at, 'resource', 'name', 'uid'),
    ),
    ...validateUnique(
      objectsAt(status, 'devices'),
      { at: 'status.devices', most: Infinity, keyOf: deviceId },
      (device, at) => validateDeviceStatus(device, at, allocated),
    ),
  ];
  if (consumers.length > 0) {
    if (!isJsonObject(allocation)) {
      errors.push(forbidden('status.reservedFor', 'may not be specified when `allocated` is not set'));
    } else if (claim['metadata'] !== undefined && stringAt(claim, 'metadata', 'deletionTimestamp') !== '') {
      const known = objectsAt(before, 'reservedFor');
      if (consumers.some((consumer) => !known.some((one) => jsonEqual(one, consumer)))) {
        const detail =
          'new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set';
        errors.push(forbidden('status.reservedFor', detail));
      }
    }
  }
  if (!isJsonObject(allocation)) return errors;
  if (before['allocation'] !== undefined) {
    if (jsonEqual(allocation, before['allocation'])) return errors;
    return [...errors, invalid('status.allocation', allocation, IMMUTABLE)];
  }
  return [...errors, ...validateAllocation(allocation, requestNames(objectAt(claim, 'spec')))];
}

/** What names an allocated device, a share of it where it is shared. */
function deviceId(device: JsonObject): JsonObject {
  const share = getOwn(device, 'shareID');
  return {
    Driver: stringAt(device, 'driver'),
    Pool: stringAt(device, 'pool'),
    Device: stringAt(device, 'device'),
    ShareID: share ?? '',
  };
}

function validateAllocation(allocation: JsonObject, known: RequestNames): FieldError[] {
  const path = 'status.allocation';
  const devices = objectAt(allocation, 'devices');
  const { nodeSelector } = allocation;
  return [
    ...validateList(
      objectsAt(devices, 'results'),
      { at: `${path}.devices.results`, most: MAX_RESULTS },
      (result, at) => validateResult(result, at, known),
    ),
    ...validateList(
      objectsAt(devices, 'config'),
      { at: `${path}.devices.config`, most: MAX_CONFIGURATIONS },
      (configuration, at) => [
        ...oneOf(configuration, 'source', {
          field: at,
          supported: ['FromClaim', 'FromClass'],
          required: true,
        }),
        ...validateReferences(configuration, at, known),
        ...validateOpaque(configuration, at),
      ],
    ),
    ...(isJsonObject(nodeSelector) ? validateNodeSelector(nodeSelector, `${path}.nodeSelector`) : []),
  ];
}

function validateDeviceNames(device: JsonObject, at: string): FieldError[] {
  return [
    ...validateDriver(stringAt(device, 'driver'), `${at}.driver`),
    ...validatePoolName(stringAt(device, 'pool'), `${at}.pool`),
    ...formed(stringAt(device, 'device'), `${at}.device`, dns1123Label),
  ];
}

function validateShare(device: JsonObject, at: string): FieldError[] {
  const share = device['shareID'];
  return typeof share === 'string' ? validateShareId(share, `${at}.shareID`) : [];
}

function validateResult(result: JsonObject, at: string, known: RequestNames): FieldError[] {
  return [
    ...validateRequestReference(known)(stringAt(result, 'request'), `${at}.request`),
    ...validateDeviceNames(result, at),
    ...validateBindingConditions(result, at),
    ...validateShare(result, at),
  ];
}

function validateDeviceStatus(device: JsonObject, at: string, allocated: ReadonlySet<string>): FieldError[] {
  const errors = [...validateDeviceNames(device, at), ...validateShare(device, at)];
  const id = deviceId(device);
  if (!allocated.has(JSON.stringify(id))) {
    errors.push({
      ...invalid(at, id, 'must be an allocated device in the claim'),
      shown: JSON.stringify(id),
    });
  }
  const conditions = objectsAt(device, 'conditions');
  append(errors, tooMany(`${at}.conditions`, conditions.length, MAX_CONDITIONS));
  append(errors, conditionErrors(conditions, `${at}.conditions`));
  const data = device['data'];
  if (data !== undefined) append(errors, validateRaw(data, `${at}.data`));
  const network = device['networkData'];
  return [...errors, ...(isJsonObject(network) ? validateNetwork(network, `${at}.networkData`) : [])];
}

function validateNetwork(network: JsonObject, at: string): FieldError[] {
  const addresses = listAt(network, 'ips').map((address) => textOf(address));
  const keyOf = (address: string): JsonValue => address;
  return [
    ...longerThan(stringAt(network, 'interfaceName'), MAX_INTERFACE, `${at}.interfaceName`),
    ...longerThan(stringAt(network, 'hardwareAddress'), MAX_HARDWARE_ADDRESS, `${at}.hardwareAddress`),
    ...validateUnique(addresses, { at: `${at}.ips`, most: MAX_ADDRESSES, keyOf }, validAddress),
  ];
}

/** `10.9.8.7/24`, as it would be written again. */
function validAddress(value: string, at: string): FieldError[] {
  const parsed = parseCidrText(value);
  const [address = '', length = ''] = value.split('/');
  if (parsed === undefined) {
    return [invalid(at, value, 'must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)')];
  }
  const plain = isIP(address) === 6 ? new URL(`http://[${address}]`).hostname.slice(1, -1) : address;
  const canonical = `${plain}/${Number(length)}`;
  return canonical === value ? [] : [invalid(at, value, `must be in canonical form (${goQuote(canonical)})`)];
}
