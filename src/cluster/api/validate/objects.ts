import { append } from '../../../base/append.ts';
import {
  duplicate,
  forbidden,
  goQuote,
  goShown,
  invalid,
  required,
  tooLong,
  type FieldError,
} from '../field-error.ts';
import { jsonTypeName } from '../go-errors.ts';
import {
  jsonEqual,
  listAt,
  numberAt,
  objectAt,
  objectsAt,
  stringAt,
  textOf,
  type JsonObject,
  type JsonValue,
} from '../json.ts';
import { formed, isDualStack, notSupported, parseCidrText, validCidr } from './checks.ts';
import { immutable, validateFinalizerName, validateStandardFinalizer } from './metadata.ts';
import { dataKey, labelValue, qualifiedName } from './names.ts';
import { validateResourceQuantity } from './resource-names.ts';
import { EFFECTS } from './tolerations.ts';

/** All data of a config map or a secret, in bytes. */
const MAX_DATA = 1024 * 1024;

export function validateConfigMap(configMap: JsonObject): FieldError[] {
  const data = objectAt(configMap, 'data');
  const binary = objectAt(configMap, 'binaryData');
  const errors = [...validateKeys(data, 'data'), ...validateKeys(binary, 'binaryData')];
  for (const key of Object.keys(data)) {
    if (Object.hasOwn(binary, key))
      errors.push(invalid(`data[${key}]`, key, 'duplicate of key present in binaryData'));
  }
  if (textSize(data) + base64Size(binary) > MAX_DATA) errors.push(tooLong('', MAX_DATA));
  return errors;
}

export function validateConfigMapUpdate(configMap: JsonObject, old: JsonObject): FieldError[] {
  return [...validateFrozen(configMap, old, ['data', 'binaryData']), ...validateConfigMap(configMap)];
}

/** Keys that a secret's type requires. */
const SECRET_KEYS: Readonly<Record<string, readonly string[]>> = {
  'kubernetes.io/dockerconfigjson': ['.dockerconfigjson'],
  'kubernetes.io/dockercfg': ['.dockercfg'],
  'kubernetes.io/tls': ['tls.crt', 'tls.key'],
  'kubernetes.io/ssh-auth': ['ssh-privatekey'],
};

export function validateSecret(secret: JsonObject): FieldError[] {
  const data = objectAt(secret, 'data');
  const errors = validateKeys(data, 'data');
  if (base64Size(data) > MAX_DATA) errors.push(tooLong('data', MAX_DATA));
  const type = stringAt(secret, 'type');
  for (const key of SECRET_KEYS[type] ?? []) {
    const missing = type === 'kubernetes.io/ssh-auth' ? textOf(data[key]) === '' : !Object.hasOwn(data, key);
    if (missing) errors.push(required(`data[${key}]`));
    else if (type.startsWith('kubernetes.io/dockerc'))
      append(errors, validateJson(data[key], `data[${key}]`));
  }
  if (
    type === 'kubernetes.io/basic-auth' &&
    !Object.hasOwn(data, 'username') &&
    !Object.hasOwn(data, 'password')
  ) {
    errors.push(required('data[username]'), required('data[password]'));
  }
  if (
    type === 'kubernetes.io/service-account-token' &&
    stringAt(secret, 'metadata', 'annotations', 'kubernetes.io/service-account.name') === ''
  ) {
    errors.push(required('metadata.annotations[kubernetes.io/service-account.name]'));
  }
  return errors;
}

/** What is inside is nobody's business, so that it is not shown. */
function validateJson(value: JsonObject[string], at: string): FieldError[] {
  const text = Buffer.from(textOf(value), 'base64').toString();
  const say = (detail: string): FieldError[] => [invalid(at, '<secret contents redacted>', detail)];
  try {
    const parsed = JSON.parse(text) as JsonValue;
    if (typeof parsed === 'object' && !Array.isArray(parsed)) return [];
    return say(
      `json: cannot unmarshal ${jsonTypeName(parsed)} into Go value of type map[string]interface {}`,
    );
  } catch {
    return say(jsonProblem(text));
  }
}

/** As Go words it, where what is there is no JSON from its beginning. */
function jsonProblem(text: string): string {
  const beginning = text.trimStart();
  if (beginning === '') return 'unexpected end of JSON input';
  // Go looks at bytes.
  const first = Buffer.from(beginning).toString('latin1', 0, 1);
  return '{["tfn-0123456789'.includes(first)
    ? 'invalid character or unexpected end of JSON input'
    : `invalid character ${first === "'" ? String.raw`'\''` : `'${first}'`} looking for beginning of value`;
}

export function validateSecretUpdate(secret: JsonObject, old: JsonObject): FieldError[] {
  return [
    ...immutable(secret, old, ['type']),
    ...validateFrozen(secret, old, ['data']),
    ...validateSecret(secret),
  ];
}

function validateKeys(data: JsonObject, field: string): FieldError[] {
  return Object.keys(data).flatMap((key) =>
    dataKey(key).map((detail) => invalid(`${field}[${key}]`, key, detail)),
  );
}

function textSize(data: JsonObject): number {
  return Object.values(data).reduce<number>((sum, value) => sum + Buffer.byteLength(textOf(value)), 0);
}

function base64Size(data: JsonObject): number {
  return Object.values(data).reduce<number>(
    (sum, value) => sum + Buffer.byteLength(textOf(value), 'base64'),
    0,
  );
}

/** An object that was made immutable stays as it is, and stays immutable. */
function validateFrozen(object: JsonObject, old: JsonObject, keys: readonly string[]): FieldError[] {
  if (old['immutable'] !== true) return [];
  const detail = 'field is immutable when `immutable` is set';
  return [
    ...(object['immutable'] === true ? [] : [forbidden('immutable', detail)]),
    ...keys.filter((key) => !jsonEqual(object[key], old[key])).map((key) => forbidden(key, detail)),
  ];
}

export function validateNode(node: JsonObject): FieldError[] {
  return [
    ...validateTaints(objectsAt(node, 'spec', 'taints')),
    ...validateNodeAmounts(node),
    ...validateFeatures(node),
    ...validatePodRanges(node),
  ];
}

function validateNodeAmounts(node: JsonObject): FieldError[] {
  return ['capacity', 'allocatable'].flatMap((list) =>
    Object.entries(objectAt(node, 'status', list)).flatMap(([name, value]) =>
      validateResourceQuantity(name, value, `status.${list}.${name}`),
    ),
  );
}

const FEATURE = /^[A-Z][a-zA-Z0-9]*(\/[a-zA-Z0-9]+)*$/;
const LONGEST_FEATURE = 253;

function featureProblem(name: string): string | undefined {
  if (name.length > LONGEST_FEATURE) return `must be no more than ${LONGEST_FEATURE} characters`;
  if (FEATURE.test(name)) return undefined;
  return "must start with an UpperCamelCase segment, with subsequent segments separated by '/' (e.g., MyFeature or MyFeature/mySubFeature), and contain only alphanumeric characters and slashes";
}

/** What a node's programs can do, each once and in order. */
function validateFeatures(node: JsonObject): FieldError[] {
  const names = listAt(node, 'status', 'declaredFeatures').map((name) => textOf(name));
  return names.flatMap((name, index) => {
    const at = (position: number): string => `status.declaredFeatures[${position}]`;
    const problem = featureProblem(name);
    const errors =
      problem === undefined
        ? []
        : [invalid(at(index), name, `invalid feature name ${goQuote(name)}: ${problem}`)];
    const next = names[index + 1];
    if (next === name) errors.push(duplicate(at(index + 1), next));
    else if (next !== undefined && name > next) {
      errors.push(invalid(at(index + 1), next, 'list must be sorted alphabetically'));
    }
    return errors;
  });
}

const TAINT_MEMBERS = [
  { name: 'key' },
  { name: 'value' },
  { name: 'effect' },
  { name: 'timeAdded', zero: null },
];

/** Upstream looks for them in the metadata. */
function validateTaints(taints: readonly JsonObject[]): FieldError[] {
  const seen = new Set<string>();
  return taints.flatMap((taint, index) => {
    const at = `metadata.taints[${index}]`;
    const [key, value, effect] = [
      stringAt(taint, 'key'),
      stringAt(taint, 'value'),
      stringAt(taint, 'effect'),
    ];
    const wrong = labelValue(value);
    const errors = formed(key, `${at}.key`, qualifiedName);
    if (wrong.length > 0) errors.push(invalid(`${at}.value`, value, wrong.join(';')));
    append(
      errors,
      effect === '' ? [required(`${at}.effect`)] : notSupported(effect, `${at}.effect`, EFFECTS),
    );
    const identity = `${key}:${effect}`;
    const detail = 'taints must be unique by key and effect pair';
    if (seen.has(identity)) errors.push({ ...duplicate(at, goShown(taint, TAINT_MEMBERS)), detail });
    seen.add(identity);
    return errors;
  });
}

function validatePodRanges(node: JsonObject): FieldError[] {
  const at = 'spec.podCIDRs';
  const ranges = listAt(node, 'spec', 'podCIDRs').map((range) => textOf(range));
  const errors = ranges.flatMap((range, index) => validCidr(range, `${at}[${index}]`));
  if (ranges.length < 2) return errors;
  const bad = ranges.findIndex((range) => parseCidrText(range) === undefined);
  if (bad !== -1) {
    const detail = `invalid PodCIDRs. failed to check with dual stack with error:invalid CIDR[${bad}]: <nil> (invalid CIDR address: ${ranges[bad] ?? ''})`;
    errors.push({ type: 'Internal error', field: at, detail });
  }
  if (bad !== -1 || !isDualStack(ranges) || ranges.length > 2) {
    errors.push(invalid(at, ranges, 'may specify no more than one CIDR for each IP family'));
  }
  return errors;
}

/** Where a node's pods get their addresses is settled once. */
export function validateNodeUpdate(node: JsonObject, old: JsonObject): FieldError[] {
  const errors = [...validateNodeAmounts(node), ...validateFeatures(node)];
  const addresses = objectsAt(node, 'status', 'addresses');
  for (const [index, address] of addresses.entries()) {
    const first = addresses.findIndex((other) => jsonEqual(other, address));
    if (first === index) continue;
    errors.push(duplicate(`status.addresses[${index}]`, goShown(address, ADDRESS_MEMBERS)));
  }
  const before = listAt(old, 'spec', 'podCIDRs');
  const now = listAt(node, 'spec', 'podCIDRs');
  const moved = before.length === now.length ? before.filter((range, index) => range !== now[index]) : before;
  const times = before.length === now.length ? moved.length : Math.min(moved.length, 1);
  for (let time = 0; time < times; time++) {
    const detail = 'node updates may not change podCIDR except from "" to valid';
    errors.push(forbidden('spec.podCIDRs', detail));
  }
  const provider = stringAt(old, 'spec', 'providerID');
  if (provider !== '' && stringAt(node, 'spec', 'providerID') !== provider) {
    const detail = 'node updates may not change providerID except from "" to valid';
    errors.push(forbidden('spec.providerID', detail));
  }
  append(errors, validateTaints(objectsAt(node, 'spec', 'taints')));
  if (stringAt(node, 'spec', 'externalID') !== stringAt(old, 'spec', 'externalID')) {
    errors.push(forbidden('spec.externalID', 'may not be updated'));
  }
  return errors;
}

const ADDRESS_MEMBERS = [{ name: 'type' }, { name: 'address' }];

export function validateNamespace(namespace: JsonObject): FieldError[] {
  return listAt(namespace, 'spec', 'finalizers').flatMap((item) => [
    ...validateFinalizerName(textOf(item), 'spec.finalizers'),
    ...validateStandardFinalizer(textOf(item), 'spec.finalizers'),
  ]);
}

/** A namespace is on its way out exactly when it has been deleted. */
export function validateNamespaceStatus(namespace: JsonObject): FieldError[] {
  const deleted = objectAt(namespace, 'metadata')['deletionTimestamp'] !== undefined;
  const phase = stringAt(namespace, 'status', 'phase');
  const wanted = deleted ? 'Terminating' : 'Active';
  if (phase === wanted) return [];
  const detail = `may only be '${wanted}' if \`deletionTimestamp\` is ${deleted ? 'not empty' : 'empty'}`;
  return [invalid('status.Phase', phase, detail)];
}

export function validateLease(lease: JsonObject): FieldError[] {
  const errors: FieldError[] = [];
  const duration = numberAt(lease, 'spec', 'leaseDurationSeconds');
  if (duration !== undefined && duration <= 0) {
    errors.push(invalid('spec.leaseDurationSeconds', duration, 'must be greater than 0'));
  }
  const transitions = numberAt(lease, 'spec', 'leaseTransitions');
  if (transitions !== undefined && transitions < 0) {
    errors.push(invalid('spec.leaseTransitions', transitions, 'must be greater than or equal to 0'));
  }
  return errors;
}
