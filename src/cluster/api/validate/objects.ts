import { forbidden, invalid, required, tooLong, unsupported, type FieldError } from '../field-error.ts';
import { jsonEqual, numberAt, objectAt, objectsAt, stringAt, textOf, type JsonObject } from '../json.ts';
import { immutable } from './metadata.ts';
import { dataKey, labelValue, qualifiedName } from './names.ts';

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
    if (!Object.hasOwn(data, key)) errors.push(required(`data[${key}]`));
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

const EFFECTS = ['NoExecute', 'NoSchedule', 'PreferNoSchedule'];

export function validateNode(node: JsonObject): FieldError[] {
  const seen = new Set<string>();
  return objectsAt(node, 'spec', 'taints').flatMap((taint, index) => {
    const at = `spec.taints[${index}]`;
    const key = stringAt(taint, 'key');
    const value = stringAt(taint, 'value');
    const effect = stringAt(taint, 'effect');
    const errors = [
      ...qualifiedName(key).map((detail) => invalid(`${at}.key`, key, detail)),
      ...labelValue(value).map((detail) => invalid(`${at}.value`, value, detail)),
    ];
    if (effect === '') errors.push(required(`${at}.effect`));
    else if (!EFFECTS.includes(effect)) errors.push(unsupported(`${at}.effect`, effect, EFFECTS));
    const identity = `${key}:${effect}`;
    if (seen.has(identity))
      errors.push({
        type: 'Duplicate value',
        field: at,
        value: taint,
        detail: 'taints must be unique by key and effect pair',
      });
    seen.add(identity);
    return errors;
  });
}

/** Where a node's pods get their addresses is settled once. */
export function validateNodeUpdate(node: JsonObject, old: JsonObject): FieldError[] {
  return ['podCIDR', 'providerID'].flatMap((key) => {
    const before = stringAt(old, 'spec', key);
    return before === '' || stringAt(node, 'spec', key) === before
      ? []
      : [forbidden(`spec.${key}`, `node updates may not change ${key} except from "" to valid`)];
  });
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
