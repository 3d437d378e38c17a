/** Classes of devices, and claims to them (resource.k8s.io). */
import { append } from '../../../base/append.ts';
import { forbidden, invalid, required, unsupported, type FieldError } from '../field-error.ts';
import {
  isJsonObject,
  listAt,
  numberAt,
  objectAt,
  objectsAt,
  stringAt,
  textOf,
  type JsonObject,
  type JsonValue,
} from '../json.ts';
import { formed, longerThan, oneOf, unchanged } from './checks.ts';
import {
  fullyQualified,
  TAINT_EFFECTS,
  validateDriver,
  validateLabelName,
  validateLabelValue,
  validateList,
  validateRaw,
  validateUnique,
} from './device-names.ts';
import { deviceExpressionErrors } from './expressions.ts';
import { validateAnnotations, validateLabels } from './metadata.ts';
import { dns1123Label, dns1123Subdomain } from './names.ts';
import { isExtended } from './resource-names.ts';

/** Requests, constraints, configurations and selectors, each. */
const MAX_ITEMS = 32;
const MAX_EXPRESSION = 10 * 1024;
const MAX_ALTERNATIVES = 8;

export function validateDeviceClass(deviceClass: JsonObject): FieldError[] {
  const spec = objectAt(deviceClass, 'spec');
  const extended = spec['extendedResourceName'];
  return [
    ...validateSelectors(spec, 'spec'),
    ...validateList(objectsAt(spec, 'config'), { at: 'spec.config', most: MAX_ITEMS }, validateOpaque),
    ...(typeof extended !== 'string' || isExtended(extended)
      ? []
      : [invalid('spec.extendedResourceName', extended, 'must be a valid extended resource name')]),
  ];
}

function validateSelectors(holder: JsonObject, path: string): FieldError[] {
  const limits = { at: `${path}.selectors`, most: MAX_ITEMS };
  return validateList(objectsAt(holder, 'selectors'), limits, ({ cel }, at) => {
    if (!isJsonObject(cel)) return [required(`${at}.cel`)];
    const expression = stringAt(cel, 'expression');
    const here = `${at}.cel.expression`;
    const long = longerThan(expression, MAX_EXPRESSION, here);
    return long.length > 0 ? long : deviceExpressionErrors(expression, here);
  });
}

/** Settings that only the driver understands. */
export function validateOpaque(configuration: JsonObject, at: string): FieldError[] {
  const { opaque } = configuration;
  if (!isJsonObject(opaque)) return [required(`${at}.opaque`)];
  return [
    ...validateDriver(stringAt(opaque, 'driver'), `${at}.opaque.driver`),
    ...validateRaw(opaque['parameters'], `${at}.opaque.parameters`),
  ];
}

/** Requests by name, each with the names of its alternatives. */
export type RequestNames = ReadonlyMap<string, ReadonlySet<string>>;

export function requestNames(spec: JsonObject): RequestNames {
  const requests = objectsAt(spec, 'devices', 'requests');
  return new Map(
    requests.map((request) => [
      stringAt(request, 'name'),
      new Set(objectsAt(request, 'firstAvailable').map((other) => stringAt(other, 'name'))),
    ]),
  );
}

/** A request that is spoken of must be there: by name, or an alternative of one as `name/alternative`. */
export function validateRequestReference(known: RequestNames): (name: string, at: string) => FieldError[] {
  const detail =
    "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'";
  return (name, at) => {
    const parts = name.split('/');
    if (parts.length > 2) return [invalid(at, name, detail)];
    const errors = parts.flatMap((part) => formed(part, at, dns1123Label));
    const [request = '', alternative] = parts;
    const found = known.get(request);
    const isKnown = found !== undefined && (alternative === undefined || found.has(alternative));
    return isKnown ? errors : [...errors, invalid(at, name, detail)];
  };
}

export function validateReferences(holder: JsonObject, path: string, known: RequestNames): FieldError[] {
  const names = listAt(holder, 'requests').map((name) => textOf(name));
  const limits = { at: `${path}.requests`, most: MAX_ITEMS, keyOf: (name: string): JsonValue => name };
  return validateUnique(names, limits, validateRequestReference(known));
}

export function validateResourceClaim(claim: JsonObject): FieldError[] {
  return validateClaimSpec(objectAt(claim, 'spec'), 'spec');
}

export function validateResourceClaimTemplate(template: JsonObject): FieldError[] {
  return [
    ...validateTemplateMetadata(objectAt(template, 'spec', 'metadata'), 'spec.metadata'),
    ...validateClaimSpec(objectAt(template, 'spec', 'spec'), 'spec.spec'),
  ];
}

/** What a claim made of a template gets by itself. */
const OWN_METADATA = [
  'name',
  'generateName',
  'namespace',
  'selfLink',
  'uid',
  'resourceVersion',
  'generation',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'ownerReferences',
  'finalizers',
  'managedFields',
];

function validateTemplateMetadata(metadata: JsonObject, at: string): FieldError[] {
  const given = OWN_METADATA.filter((key) => {
    const value = metadata[key];
    if (key === 'deletionGracePeriodSeconds') return value !== undefined;
    return Array.isArray(value)
      ? value.length > 0
      : value !== undefined && value !== '' && value !== 0 && value !== null;
  });
  return [
    ...validateAnnotations(metadata['annotations'], `${at}.annotations`),
    ...validateLabels(metadata['labels'], `${at}.labels`),
    // Upstream names the field as its own program does.
    ...given.map((key) => forbidden(`${at}.${key === 'uid' ? 'uID' : key}`, 'cannot be set')),
  ];
}

function validateClaimSpec(spec: JsonObject, field: string): FieldError[] {
  const devices = objectAt(spec, 'devices');
  const path = `${field}.devices`;
  const known = requestNames(spec);
  const byName = (request: JsonObject): JsonValue => stringAt(request, 'name');
  const requests = { at: `${path}.requests`, most: MAX_ITEMS, keyOf: byName };
  return [
    ...validateUnique(objectsAt(devices, 'requests'), requests, validateRequest),
    ...validateList(
      objectsAt(devices, 'constraints'),
      { at: `${path}.constraints`, most: MAX_ITEMS },
      (constraint, at) => validateConstraint(constraint, at, known),
    ),
    ...validateList(
      objectsAt(devices, 'config'),
      { at: `${path}.config`, most: MAX_ITEMS },
      (configuration, at) => [
        ...validateReferences(configuration, at, known),
        ...validateOpaque(configuration, at),
      ],
    ),
  ];
}

function validateConstraint(constraint: JsonObject, at: string, known: RequestNames): FieldError[] {
  const errors = validateReferences(constraint, at, known);
  const key = ['matchAttribute', 'distinctAttribute'].find((name) => constraint[name] !== undefined);
  if (key === undefined) {
    // The words are upstream's, though nothing is set.
    const detail =
      'exactly one of "matchAttribute" or "distinctAttribute" is required, but multiple fields are set';
    return [...errors, required(at, detail)];
  }
  return [...errors, ...fullyQualified(stringAt(constraint, key), `${at}.${key}`)];
}

function validateRequest(request: JsonObject, at: string): FieldError[] {
  const errors = formed(stringAt(request, 'name'), `${at}.name`, dns1123Label);
  const { exactly } = request;
  const alternatives = objectsAt(request, 'firstAvailable');
  if (isJsonObject(exactly) === alternatives.length > 0) {
    const detail = 'exactly one of `exactly` or `firstAvailable` is required';
    return isJsonObject(exactly)
      ? [...errors, invalid(at, null, `${detail}, but multiple fields are set`)]
      : [...errors, required(at, detail)];
  }
  if (isJsonObject(exactly)) return [...errors, ...validateDemand(exactly, `${at}.exactly`)];
  const byName = (alternative: JsonObject): JsonValue => stringAt(alternative, 'name');
  const limits = { at: `${at}.firstAvailable`, most: MAX_ALTERNATIVES, keyOf: byName };
  return [
    ...errors,
    ...validateUnique(alternatives, limits, (alternative, here) => [
      ...formed(stringAt(alternative, 'name'), `${here}.name`, dns1123Label),
      ...validateDemand(alternative, here),
    ]),
  ];
}

/** Which devices, and how many. */
function validateDemand(request: JsonObject, at: string): FieldError[] {
  const name = stringAt(request, 'deviceClassName');
  const errors =
    name === ''
      ? [required(`${at}.deviceClassName`)]
      : formed(name, `${at}.deviceClassName`, dns1123Subdomain);
  append(errors, validateSelectors(request, at));
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
    append(errors, validateToleration(toleration, `${at}.tolerations[${index}]`));
  }
  return errors;
}

function validateToleration(toleration: JsonObject, at: string): FieldError[] {
  const key = stringAt(toleration, 'key');
  const operator = stringAt(toleration, 'operator');
  const errors = key === '' ? [] : validateLabelName(key, `${at}.key`);
  if (operator === 'Exists') {
    if (stringAt(toleration, 'value') !== '') {
      errors.push(invalid(`${at}.value`, toleration['value'], 'must be empty for operator `Exists`'));
    }
  } else if (operator === 'Equal') {
    append(errors, validateLabelValue(stringAt(toleration, 'value'), `${at}.value`));
  } else if (operator === '') errors.push(required(`${at}.operator`));
  else errors.push(unsupported(`${at}.operator`, operator, ['Equal', 'Exists']));
  return [...errors, ...oneOf(toleration, 'effect', { field: at, supported: TAINT_EFFECTS })];
}

/** What has been asked for is not asked for differently. */
export function validateClaimImmutable(claim: JsonObject, old: JsonObject): FieldError[] {
  return unchanged(claim, old, 'spec');
}
