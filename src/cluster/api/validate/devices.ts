/** Devices that drivers offer and pods claim (resource.k8s.io). */
import { duplicate, invalid, required, unsupported, type FieldError } from '../field-error.ts';
import {
  isJsonObject,
  listAt,
  numberAt,
  objectAt,
  objectsAt,
  stringAt,
  textOf,
  type JsonObject,
} from '../json.ts';
import { formed, longerThan, oneOf, tooMany, unchanged } from './checks.ts';
import { dns1123Label, dns1123Subdomain, labelValue, qualifiedName } from './names.ts';
import { validateNodeSelector } from './node-selector.ts';

/** Requests, constraints, configurations and selectors, each. */
const MAX_ITEMS = 32;
const MAX_EXPRESSION = 10 * 1024;
const MAX_DEVICES = 128;
const MAX_ALTERNATIVES = 8;

export function validateDeviceClass(deviceClass: JsonObject): FieldError[] {
  const spec = objectAt(deviceClass, 'spec');
  const extended = stringAt(spec, 'extendedResourceName');
  return [
    ...validateSelectors(spec, 'spec'),
    ...validateConfigurations(spec, 'spec', undefined),
    ...(extended === '' ? [] : formed(extended, 'spec.extendedResourceName', qualifiedName)),
  ];
}

function validateSelectors(holder: JsonObject, at: string): FieldError[] {
  const selectors = objectsAt(holder, 'selectors');
  return [
    ...tooMany(`${at}.selectors`, selectors.length, MAX_ITEMS),
    ...selectors.flatMap((selector, index) => {
      const here = `${at}.selectors[${index}].cel`;
      const { cel } = selector;
      if (!isJsonObject(cel)) return [required(here)];
      const expression = stringAt(cel, 'expression');
      return expression === ''
        ? [required(`${here}.expression`)]
        : longerThan(expression, MAX_EXPRESSION, `${here}.expression`);
    }),
  ];
}

function driverName(value: string): string[] {
  return [...(value.length > 63 ? ['must be no more than 63 bytes'] : []), ...dns1123Subdomain(value)];
}

function validateConfigurations(
  holder: JsonObject,
  at: string,
  requests: ReadonlySet<string> | undefined,
): FieldError[] {
  const configurations = objectsAt(holder, 'config');
  return [
    ...tooMany(`${at}.config`, configurations.length, MAX_ITEMS),
    ...configurations.flatMap((configuration, index) => {
      const here = `${at}.config[${index}]`;
      const { opaque } = configuration;
      const errors = requests === undefined ? [] : validateNames(configuration, here, requests);
      if (!isJsonObject(opaque)) return [...errors, required(`${here}.opaque`)];
      const driver = stringAt(opaque, 'driver');
      errors.push(
        ...(driver === ''
          ? [required(`${here}.opaque.driver`)]
          : formed(driver, `${here}.opaque.driver`, driverName)),
      );
      if (opaque['parameters'] === undefined) errors.push(required(`${here}.opaque.parameters`));
      return errors;
    }),
  ];
}

/** Requests that are spoken of must be there: by name, or an alternative of one as `name/alternative`. */
function validateNames(holder: JsonObject, at: string, requests: ReadonlySet<string>): FieldError[] {
  const names = listAt(holder, 'requests').map((name) => textOf(name));
  return names.flatMap((name, index) => {
    const here = `${at}.requests[${index}]`;
    if (!requests.has(name)) {
      const detail =
        "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'";
      return [invalid(here, name, detail)];
    }
    return names.indexOf(name) < index ? [duplicate(here, name)] : [];
  });
}

export function validateResourceClaim(claim: JsonObject): FieldError[] {
  return validateClaimSpec(objectAt(claim, 'spec'), 'spec');
}

export function validateResourceClaimTemplate(template: JsonObject): FieldError[] {
  return validateClaimSpec(objectAt(template, 'spec', 'spec'), 'spec.spec');
}

function validateClaimSpec(spec: JsonObject, field: string): FieldError[] {
  const devices = objectAt(spec, 'devices');
  const at = `${field}.devices`;
  const requests = objectsAt(devices, 'requests');
  const known = new Set<string>();
  for (const request of requests) {
    const name = stringAt(request, 'name');
    known.add(name);
    for (const other of objectsAt(request, 'firstAvailable')) known.add(`${name}/${stringAt(other, 'name')}`);
  }
  const constraints = objectsAt(devices, 'constraints');
  return [
    ...tooMany(`${at}.requests`, requests.length, MAX_ITEMS),
    ...validateRequests(requests, `${at}.requests`),
    ...tooMany(`${at}.constraints`, constraints.length, MAX_ITEMS),
    ...constraints.flatMap((constraint, index) => {
      const here = `${at}.constraints[${index}]`;
      const errors = validateNames(constraint, here, known);
      const key = ['matchAttribute', 'distinctAttribute'].find((name) => constraint[name] !== undefined);
      if (key === undefined) {
        // The words are upstream's, though nothing is set.
        const detail =
          'exactly one of "matchAttribute" or "distinctAttribute" is required, but multiple fields are set';
        return [...errors, required(here, detail)];
      }
      return [...errors, ...fullyQualified(stringAt(constraint, key), `${here}.${key}`)];
    }),
    ...validateConfigurations(devices, at, known),
  ];
}

const IDENTIFIER = /^[A-Za-z_][A-Za-z0-9_]*$/;
const BAD_IDENTIFIER =
  "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName', regex used for validation is '[A-Za-z_][A-Za-z0-9_]*')";
const MAX_IDENTIFIER = 32;

function identifier(value: string, at: string): FieldError[] {
  return [
    ...longerThan(value, MAX_IDENTIFIER, at),
    ...(IDENTIFIER.test(value) ? [] : [invalid(at, value, BAD_IDENTIFIER)]),
  ];
}

/** `memory`, or `example.com/memory`; upstream looks at no more than that. */
function attributeName(name: string, at: string): FieldError[] {
  const parts = name.split('/');
  const [domain = '', id = ''] = parts;
  if (parts.length === 1) return identifier(domain, at);
  if (parts.length > 2) return [];
  return [
    ...(domain === '' ? [invalid(at, '', 'the domain must not be empty')] : formed(domain, at, driverName)),
    ...(id === '' ? [invalid(at, '', 'the name must not be empty')] : identifier(id, at)),
  ];
}

function fullyQualified(name: string, at: string): FieldError[] {
  const detail = 'a fully qualified name must be a domain and a name separated by a slash';
  return [...attributeName(name, at), ...(name.includes('/') ? [] : [invalid(at, name, detail)])];
}

function validateRequests(requests: readonly JsonObject[], field: string): FieldError[] {
  const names = new Set<string>();
  return requests.flatMap((request, index) => {
    const at = `${field}[${index}]`;
    const name = stringAt(request, 'name');
    const errors = name === '' ? [required(`${at}.name`)] : formed(name, `${at}.name`, dns1123Label);
    if (name !== '' && names.has(name)) errors.push(duplicate(at, name));
    names.add(name);
    const { exactly } = request;
    const alternatives = objectsAt(request, 'firstAvailable');
    if (isJsonObject(exactly) === alternatives.length > 0) {
      const detail = 'exactly one of `exactly` or `firstAvailable` is required';
      return isJsonObject(exactly)
        ? [...errors, invalid(at, request, `${detail}, but multiple fields are set`)]
        : [...errors, required(at, detail)];
    }
    if (isJsonObject(exactly)) return [...errors, ...validateRequest(exactly, `${at}.exactly`)];
    errors.push(...tooMany(`${at}.firstAvailable`, alternatives.length, MAX_ALTERNATIVES));
    for (const [position, alternative] of alternatives.entries()) {
      const here = `${at}.firstAvailable[${position}]`;
      const own = stringAt(alternative, 'name');
      errors.push(...(own === '' ? [required(`${here}.name`)] : formed(own, `${here}.name`, dns1123Label)));
      errors.push(...validateRequest(alternative, here));
    }
    return errors;
  });
}

function validateRequest(request: JsonObject, at: string): FieldError[] {
  const name = stringAt(request, 'deviceClassName');
  const errors =
    name === ''
      ? [required(`${at}.deviceClassName`)]
      : formed(name, `${at}.deviceClassName`, dns1123Subdomain);
  errors.push(...validateSelectors(request, at));
  const count = numberAt(request, 'count') ?? 0;
  const mode = stringAt(request, 'allocationMode');
  if (mode === 'All') {
    if (count !== 0) {
      const detail = "must not be specified when allocationMode is 'All'";
      errors.push(invalid(`${at}.count`, count, detail));
    }
  } else if (mode === 'ExactCount') {
    if (count <= 0) errors.push(invalid(`${at}.count`, count, 'must be greater than zero'));
  } else errors.push(unsupported(`${at}.allocationMode`, mode, ['All', 'ExactCount']));
  for (const [index, toleration] of objectsAt(request, 'tolerations').entries()) {
    errors.push(...validateToleration(toleration, `${at}.tolerations[${index}]`));
  }
  return errors;
}

const EFFECTS = ['NoExecute', 'NoSchedule', 'None'];

function validateToleration(toleration: JsonObject, at: string): FieldError[] {
  const key = stringAt(toleration, 'key');
  const operator = stringAt(toleration, 'operator');
  const errors = key === '' ? [] : formed(key, `${at}.key`, qualifiedName);
  if (operator === 'Exists') {
    if (stringAt(toleration, 'value') !== '') {
      errors.push(invalid(`${at}.value`, toleration['value'], 'must be empty for operator `Exists`'));
    }
  } else if (operator === 'Equal') {
    errors.push(...formed(stringAt(toleration, 'value'), `${at}.value`, labelValue));
  } else if (operator === '') errors.push(required(`${at}.operator`));
  else errors.push(unsupported(`${at}.operator`, operator, ['Equal', 'Exists']));
  return [...errors, ...oneOf(toleration, 'effect', { field: at, supported: EFFECTS })];
}

/** What has been asked for is not asked for differently. */
export function validateClaimImmutable(claim: JsonObject, old: JsonObject): FieldError[] {
  return unchanged(claim, old, 'spec');
}

export function validateResourceSlice(slice: JsonObject): FieldError[] {
  const spec = objectAt(slice, 'spec');
  const driver = stringAt(spec, 'driver');
  const errors = driver === '' ? [required('spec.driver')] : formed(driver, 'spec.driver', driverName);
  const pool = stringAt(spec, 'pool', 'name');
  if (pool === '') errors.push(required('spec.pool.name'));
  else {
    errors.push(...longerThan(pool, 253, 'spec.pool.name'));
    for (const part of pool.split('/')) errors.push(...formed(part, 'spec.pool.name', dns1123Subdomain));
  }
  const count = numberAt(spec, 'pool', 'resourceSliceCount') ?? 0;
  if (count <= 0) errors.push(invalid('spec.pool.resourceSliceCount', count, 'must be greater than zero'));
  const generation = numberAt(spec, 'pool', 'generation') ?? 0;
  if (generation < 0) {
    errors.push(invalid('spec.pool.generation', generation, 'must be greater than or equal to zero'));
  }
  return [...errors, ...validatePlace(spec, 'spec'), ...validateDevices(spec)];
}

const PLACES = ['nodeName', 'nodeSelector', 'allNodes', 'perDeviceNodeSelection'];

/** Where the devices are: said in exactly one way. */
function validatePlace(spec: JsonObject, field: string): FieldError[] {
  const given = PLACES.filter((key) => spec[key] !== undefined && spec[key] !== '' && spec[key] !== false);
  const detail = `exactly one of ${PLACES.map((key) => `\`${key}\``).join(', ')} is required`;
  const errors: FieldError[] = [];
  if (given.length === 0) errors.push(required(field, detail));
  if (given.length > 1) {
    const shown = `{${given.map((key) => `\`${key}\``).join(', ')}}`;
    errors.push(invalid(field, shown, `${detail}, but multiple fields are set`));
  }
  const node = stringAt(spec, 'nodeName');
  if (node !== '') errors.push(...formed(node, `${field}.nodeName`, dns1123Subdomain));
  const { nodeSelector } = spec;
  if (isJsonObject(nodeSelector)) {
    errors.push(...validateNodeSelector(nodeSelector, `${field}.nodeSelector`));
    if (listAt(nodeSelector, 'nodeSelectorTerms').length > 1) {
      const only = 'must have exactly one node selector term';
      errors.push(
        invalid(`${field}.nodeSelector.nodeSelectorTerms`, nodeSelector['nodeSelectorTerms'], only),
      );
    }
  }
  return errors;
}

const VALUES = ['int', 'ints', 'bool', 'bools', 'string', 'strings', 'version', 'versions'];

function validateDevices(spec: JsonObject): FieldError[] {
  const devices = objectsAt(spec, 'devices');
  const names = new Set<string>();
  return [
    ...tooMany('spec.devices', devices.length, MAX_DEVICES),
    ...devices.flatMap((device, index) => {
      const at = `spec.devices[${index}]`;
      const name = stringAt(device, 'name');
      const errors = name === '' ? [required(`${at}.name`)] : formed(name, `${at}.name`, dns1123Label);
      if (name !== '' && names.has(name)) errors.push(duplicate(at, name));
      names.add(name);
      const attributes = objectAt(device, 'attributes');
      const size = Object.keys(attributes).length + Object.keys(objectAt(device, 'capacity')).length;
      if (size > MAX_ITEMS) {
        const detail = `the total number of attributes and capacities must not exceed ${MAX_ITEMS}`;
        errors.push(invalid(at, size, detail));
      }
      for (const [key, attribute] of Object.entries(attributes)) {
        const here = `${at}.attributes[${key}]`;
        const given = VALUES.filter((kind) => objectAt({ attribute }, 'attribute')[kind] !== undefined);
        errors.push(...attributeName(key, here));
        if (given.length === 0) errors.push(invalid(here, '', 'exactly one value must be specified'));
        if (given.length > 1) errors.push(invalid(here, attribute, 'exactly one value must be specified'));
      }
      for (const [position, taint] of objectsAt(device, 'taints').entries()) {
        const here = `${at}.taints[${position}]`;
        const key = stringAt(taint, 'key');
        errors.push(
          ...formed(key, `${here}.key`, qualifiedName),
          ...formed(stringAt(taint, 'value'), `${here}.value`, labelValue),
          ...oneOf(taint, 'effect', { field: here, supported: EFFECTS, required: true }),
        );
      }
      return errors;
    }),
  ];
}

export function validateResourceSliceUpdate(slice: JsonObject, old: JsonObject): FieldError[] {
  return unchanged(
    slice,
    old,
    'spec.driver',
    'spec.pool.name',
    'spec.nodeName',
    'spec.nodeSelector',
    'spec.allNodes',
  );
}
