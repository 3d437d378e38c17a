import { duplicate, forbidden, invalid, required, tooLong, type FieldError } from '../field-error.ts';
import {
  jsonEqual,
  listAt,
  numberAt,
  objectAt,
  objectsAt,
  stringAt,
  textOf,
  type JsonObject,
} from '../json.ts';
import { formed, isDualStack, notSupported, validCidr } from './checks.ts';
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
  return validateFrozen(configMap, old, ['data', 'binaryData']);
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
      errors.push(...validateJson(data[key], `data[${key}]`));
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
  try {
    const parsed: unknown = JSON.parse(Buffer.from(textOf(value), 'base64').toString());
    if (typeof parsed === 'object' && !Array.isArray(parsed)) return [];
    const what = Array.isArray(parsed) ? 'array' : typeof parsed === 'boolean' ? 'bool' : typeof parsed;
    const detail = `json: cannot unmarshal ${what} into Go value of type map[string]interface {}`;
    return [invalid(at, '<secret contents redacted>', detail)];
  } catch {
    return [invalid(at, '<secret contents redacted>', 'invalid character or unexpected end of JSON input')];
  }
}

export function validateSecretUpdate(secret: JsonObject, old: JsonObject): FieldError[] {
  return [...immutable(secret, old, ['type']), ...validateFrozen(secret, old, ['data'])];
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
    ...['capacity', 'allocatable'].flatMap((list) =>
      Object.entries(objectAt(node, 'status', list)).flatMap(([name, value]) =>
        validateResourceQuantity(name, value, `status.${list}.${name}`),
      ),
    ),
    ...validatePodRanges(node),
  ];
}

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
    errors.push(
      ...(effect === '' ? [required(`${at}.effect`)] : notSupported(effect, `${at}.effect`, EFFECTS)),
    );
    const identity = `${key}:${effect}`;
    const detail = 'taints must be unique by key and effect pair';
    if (seen.has(identity)) errors.push({ type: 'Duplicate value', field: at, value: taint, detail });
    seen.add(identity);
    return errors;
  });
}

function validatePodRanges(node: JsonObject): FieldError[] {
  const at = 'spec.podCIDRs';
  const ranges = listAt(node, 'spec', 'podCIDRs').map((range) => textOf(range));
  const errors = ranges.flatMap((range, index) => validCidr(range, `${at}[${index}]`));
  if (ranges.length < 2) return errors;
  if (!isDualStack(ranges) || ranges.length > 2) {
    errors.push(invalid(at, ranges, 'may specify no more than one CIDR for each IP family'));
  }
  for (const [index, range] of ranges.entries()) {
    if (ranges.indexOf(range) < index) errors.push(duplicate(`${at}[${index}]`, range));
  }
  return errors;
}

/** Where a node's pods get their addresses is settled once. */
export function validateNodeUpdate(node: JsonObject, old: JsonObject): FieldError[] {
  const errors: FieldError[] = [];
  const addresses = objectsAt(node, 'status', 'addresses');
  for (const [index, address] of addresses.entries()) {
    const first = addresses.findIndex((other) => jsonEqual(other, address));
    if (first < index) errors.push(duplicate(`status.addresses[${index}]`, address));
  }
  const before = listAt(old, 'spec', 'podCIDRs');
  if (before.length > 0 && !jsonEqual(listAt(node, 'spec', 'podCIDRs'), before)) {
    const detail = 'node updates may not change podCIDR except from "" to valid';
    errors.push(forbidden('spec.podCIDRs', detail));
  }
  const provider = stringAt(old, 'spec', 'providerID');
  if (provider !== '' && stringAt(node, 'spec', 'providerID') !== provider) {
    const detail = 'node updates may not change providerID except from "" to valid';
    errors.push(forbidden('spec.providerID', detail));
  }
  if (stringAt(node, 'spec', 'externalID') !== stringAt(old, 'spec', 'externalID')) {
    errors.push(forbidden('spec.externalID', 'may not be updated'));
  }
  return errors;
}

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

export function validateEvent(event: JsonObject): FieldError[] {
  const about = 'regarding' in event ? 'regarding' : 'involvedObject';
  const namespace = stringAt(event, 'metadata', 'namespace');
  const involved = stringAt(event, about, 'namespace');
  // Events about cluster-scoped objects are kept in the default namespace.
  const fits =
    involved === '' ? namespace === 'default' || namespace === 'kube-system' : involved === namespace;
  return fits ? [] : [invalid(`${about}.namespace`, involved, 'does not match event.namespace')];
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
