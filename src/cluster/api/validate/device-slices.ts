/** What drivers say of the devices of a node, or of many (ResourceSlice). */
import { append } from '../../../base/append.ts';
import { invalid, required, tooLong, type FieldError } from '../field-error.ts';
import {
  isJsonObject,
  jsonEqual,
  listAt,
  numberAt,
  objectAt,
  objectsAt,
  stringAt,
  type JsonObject,
  type JsonValue,
} from '../json.ts';
import { formed, oneOf, tooMany, unchanged } from './checks.ts';
import { validateCapacity } from './device-capacity.ts';
import {
  attributeName,
  keyed,
  TAINT_EFFECTS,
  validateBindingConditions,
  validateDriver,
  validateLabelName,
  validateLabelValue,
  validateList,
  validatePoolName,
  validateUnique,
} from './device-names.ts';
import { dns1123Label, dns1123Subdomain } from './names.ts';
import { validateNodeSelector } from './node-selector.ts';

const MAX_DEVICES = 128;
/** With taints or counters. */
const MAX_RICH_DEVICES = 64;
const MAX_COUNTER_SETS = 8;
const MAX_COUNTERS = 32;
const MAX_CONSUMED_SETS = 2;
const MAX_PROPERTIES = 32;
const MAX_TAINTS = 16;
const MAX_VALUE = 64;

export function validateResourceSlice(slice: JsonObject): FieldError[] {
  return validateSpec(objectAt(slice, 'spec'), undefined);
}

export function validateResourceSliceUpdate(slice: JsonObject, old: JsonObject): FieldError[] {
  return validateSpec(objectAt(slice, 'spec'), old);
}

function validateSpec(spec: JsonObject, old: JsonObject | undefined): FieldError[] {
  const oldSpec = objectAt(old, 'spec');
  const errors = [
    ...validateDriver(stringAt(spec, 'driver'), 'spec.driver'),
    ...validatePool(objectAt(spec, 'pool')),
  ];
  if (old !== undefined) {
    append(errors, unchanged({ spec }, old, 'spec.pool.name', 'spec.driver', 'spec.nodeName'));
  }
  append(errors, validatePlace(spec));
  if (spec['sharedCounters'] !== undefined && spec['devices'] !== undefined) {
    errors.push(invalid('spec', '', 'only one of `sharedCounters` or `devices` is allowed'));
  }
  const devices = objectsAt(spec, 'devices');
  const isRich = devices.some(
    (device) => listAt(device, 'taints').length + listAt(device, 'consumesCounters').length > 0,
  );
  const most = isRich ? MAX_RICH_DEVICES : MAX_DEVICES;
  const byName = (item: JsonObject): JsonValue => stringAt(item, 'name');
  const perDevice = spec['perDeviceNodeSelection'] === true;
  return [
    ...errors,
    ...validateUnique(devices, { at: 'spec.devices', most, keyOf: byName }, (device, at) => {
      const before = objectsAt(oldSpec, 'devices').find((one) => one['name'] === device['name']);
      return validateDevice(device, { at, before, perDevice });
    }),
    ...validateUnique(
      objectsAt(spec, 'sharedCounters'),
      { at: 'spec.sharedCounters', most: MAX_COUNTER_SETS, keyOf: byName },
      (set, at) => validateCounters(set, 'name', at),
    ),
  ];
}

function validatePool(pool: JsonObject): FieldError[] {
  const errors = validatePoolName(stringAt(pool, 'name'), 'spec.pool.name');
  const count = numberAt(pool, 'resourceSliceCount') ?? 0;
  if (count <= 0) errors.push(invalid('spec.pool.resourceSliceCount', count, 'must be greater than zero'));
  const generation = numberAt(pool, 'generation') ?? 0;
  if (generation < 0) {
    errors.push(invalid('spec.pool.generation', generation, 'must be greater than or equal to zero'));
  }
  return errors;
}

function onlyTrue(holder: JsonObject, key: string, at: string): FieldError[] {
  return holder[key] === false ? [invalid(`${at}.${key}`, false, 'must be either unset or set to true')] : [];
}

function shownSet(given: readonly string[]): string {
  return `{${given.map((key) => `\`${key}\``).join(', ')}}`;
}

/** Where the devices are: said in exactly one way. */
function validatePlace(spec: JsonObject): FieldError[] {
  const { nodeName, nodeSelector } = spec;
  const errors: FieldError[] = [];
  if (nodeName === '') {
    errors.push(invalid('spec.nodeName', '', 'must be either unset or set to a non-empty string'));
  } else if (typeof nodeName === 'string')
    append(errors, formed(nodeName, 'spec.nodeName', dns1123Subdomain));
  if (isJsonObject(nodeSelector)) {
    append(errors, validateNodeSelector(nodeSelector, 'spec.nodeSelector'));
    if (listAt(nodeSelector, 'nodeSelectorTerms').length !== 1) {
      const at = 'spec.nodeSelector.nodeSelectorTerms';
      errors.push(invalid(at, nodeSelector['nodeSelectorTerms'], 'must have exactly one node selector term'));
    }
  }
  append(errors, onlyTrue(spec, 'allNodes', 'spec'));
  append(errors, onlyTrue(spec, 'perDeviceNodeSelection', 'spec'));
  const places = ['nodeName', 'nodeSelector', 'allNodes', 'perDeviceNodeSelection'];
  const given = places.filter((key) => spec[key] !== undefined && spec[key] !== '' && spec[key] !== false);
  const detail = `exactly one of ${places.map((key) => `\`${key}\``).join(', ')} is required`;
  if (given.length === 0) errors.push(required('spec', detail));
  if (given.length > 1) {
    errors.push(invalid('spec', shownSet(given), `${detail}, but multiple fields are set`));
  }
  return errors;
}

interface DevicePlace {
  readonly at: string;
  readonly before: JsonObject | undefined;
  /** Whether every device says itself where it is. */
  readonly perDevice: boolean;
}

function validateDevice(device: JsonObject, { at, before, perDevice }: DevicePlace): FieldError[] {
  const errors = formed(stringAt(device, 'name'), `${at}.name`, dns1123Label);
  const [attributes, capacity] = [objectAt(device, 'attributes'), objectAt(device, 'capacity')];
  const size = Object.keys(attributes).length + Object.keys(capacity).length;
  if (size > MAX_PROPERTIES) {
    const detail = `the total number of attributes and capacities must not exceed ${MAX_PROPERTIES}`;
    errors.push(invalid(at, size, detail));
  }
  for (const [key, attribute] of Object.entries(attributes)) {
    append(errors, attributeName(key, `${at}.attributes`));
    append(errors, validateAttribute(attribute, keyed(`${at}.attributes`, key)));
  }
  const isShared = device['allowMultipleAllocations'] === true;
  for (const [key, amount] of Object.entries(capacity)) {
    append(errors, attributeName(key, `${at}.capacity`));
    if (isJsonObject(amount))
      append(errors, validateCapacity(amount, keyed(`${at}.capacity`, key), isShared));
  }
  if (before === undefined || !jsonEqual(before['taints'], device['taints'])) {
    const limits = { at: `${at}.taints`, most: MAX_TAINTS };
    append(errors, validateList(objectsAt(device, 'taints'), limits, validateTaint));
  }
  const keyOf = (one: JsonObject): JsonValue => stringAt(one, 'counterSet');
  const limits = { at: `${at}.consumesCounters`, most: MAX_CONSUMED_SETS, keyOf };
  return [
    ...errors,
    ...validateUnique(objectsAt(device, 'consumesCounters'), limits, (used, here) =>
      validateCounters(used, 'counterSet', here),
    ),
    ...validateDevicePlace(device, at, perDevice),
    ...validateBindingConditions(device, at),
  ];
}

const VALUES = ['int', 'bool', 'string', 'version'];
const SEMVER =
  /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(\.(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*)?(\+[0-9a-zA-Z-]+(\.[0-9a-zA-Z-]+)*)?$/;

function validateAttribute(attribute: JsonValue | undefined, at: string): FieldError[] {
  if (!isJsonObject(attribute)) return [];
  const { string: text, version } = attribute;
  const errors: FieldError[] = [];
  if (typeof text === 'string' && Buffer.byteLength(text) > MAX_VALUE) {
    errors.push(tooLong(`${at}.string`, MAX_VALUE));
  }
  if (typeof version === 'string') {
    if (!SEMVER.test(version)) {
      const detail = 'must be a string compatible with semver.org spec 2.0.0';
      errors.push(invalid(`${at}.version`, version, detail));
    }
    if (Buffer.byteLength(version) > MAX_VALUE) errors.push(tooLong(`${at}.version`, MAX_VALUE));
  }
  const given = VALUES.filter((kind) => attribute[kind] !== undefined);
  const detail = 'exactly one value must be specified';
  if (given.length === 0) errors.push(invalid(at, '', detail));
  if (given.length > 1) errors.push(invalid(at, internalAttribute(attribute), detail));
  return errors;
}

/** Upstream shows the value as its own program holds it. */
function internalAttribute(attribute: JsonObject): JsonObject {
  const shown = VALUES.map((kind): [string, JsonValue] => [`${capital(kind)}Value`, attribute[kind] ?? null]);
  return Object.fromEntries([...shown, ...shown.map(([name]): [string, JsonValue] => [`${name}s`, null])]);
}

function capital(word: string): string {
  return `${word.slice(0, 1).toUpperCase()}${word.slice(1)}`;
}

function validateTaint(taint: JsonObject, at: string): FieldError[] {
  const value = stringAt(taint, 'value');
  return [
    ...validateLabelName(stringAt(taint, 'key'), `${at}.key`),
    ...(value === '' ? [] : validateLabelValue(value, `${at}.value`)),
    ...oneOf(taint, 'effect', { field: at, supported: TAINT_EFFECTS, required: true }),
  ];
}

/** A set of counters, or what a device takes of one. */
function validateCounters(set: JsonObject, naming: string, at: string): FieldError[] {
  const name = stringAt(set, naming);
  const counters = Object.keys(objectAt(set, 'counters'));
  const here = `${at}.counters`;
  const errors = name === '' ? [required(`${at}.${naming}`)] : formed(name, `${at}.${naming}`, dns1123Label);
  if (counters.length === 0) return [...errors, required(here)];
  const many = tooMany(here, counters.length, MAX_COUNTERS);
  if (many.length > 0) return [...errors, ...many];
  return [...errors, ...counters.flatMap((key) => formed(key, here, dns1123Label))];
}

function validateDevicePlace(device: JsonObject, at: string, perDevice: boolean): FieldError[] {
  const { nodeName, nodeSelector } = device;
  const places = ['nodeName', 'nodeSelector', 'allNodes'];
  if (!perDevice) {
    const detail =
      '`nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true in the ResourceSlice spec';
    return places.some((key) => device[key] !== undefined) ? [invalid(at, null, detail)] : [];
  }
  const errors: FieldError[] = [];
  if (nodeName === '') errors.push(invalid(`${at}.nodeName`, '', 'must not be empty'));
  else if (typeof nodeName === 'string') append(errors, formed(nodeName, `${at}.nodeName`, dns1123Subdomain));
  if (isJsonObject(nodeSelector)) append(errors, validateNodeSelector(nodeSelector, `${at}.nodeSelector`));
  append(errors, onlyTrue(device, 'allNodes', at));
  const given = places.filter(
    (key) => device[key] !== undefined && device[key] !== '' && device[key] !== false,
  );
  const detail =
    'exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is set to true in the ResourceSlice spec';
  if (given.length === 0) errors.push(required(at, detail));
  if (given.length > 1) errors.push(invalid(at, shownSet(given), detail));
  return errors;
}
