import { append } from '../../../base/append.ts';
import { goQuote, invalid, required, tooLong, forbidden, type FieldError } from '../field-error.ts';
import {
  getPath,
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
import {
  asPrefix,
  dns1035Label,
  dns1123Label,
  dns1123Subdomain,
  ipAddress,
  labelValue,
  pathSegment,
  pathSegmentPrefix,
  qualifiedName,
} from './names.ts';

export type NameRule = 'ip-address' | 'label' | 'path-segment' | 'rfc1035-label' | 'subdomain';

const NAME_RULES: Readonly<Record<NameRule, (value: string) => string[]>> = {
  'ip-address': ipAddress,
  label: dns1123Label,
  subdomain: dns1123Subdomain,
  'rfc1035-label': dns1035Label,
  'path-segment': pathSegment,
};

/** All annotations together, keys and values, in bytes. */
const MAX_ANNOTATIONS = 256 * 1024;

export function validateMetadata(
  object: JsonObject,
  rules: { readonly name: NameRule; readonly clusterScoped?: boolean; readonly custom?: boolean },
): FieldError[] {
  const metadata = objectAt(object, 'metadata');
  const name = stringAt(metadata, 'name');
  const errors: FieldError[] = [];
  const rule = NAME_RULES[rules.name];
  const base = stringAt(metadata, 'generateName');
  if (base !== '') {
    append(
      errors,
      asPrefix(rule)(base).map((detail) => invalid('metadata.generateName', base, detail)),
    );
  }
  if (name === '') errors.push(required('metadata.name', 'name or generateName is required'));
  else for (const detail of rule(name)) errors.push(invalid('metadata.name', name, detail));
  const namespace = stringAt(metadata, 'namespace');
  if (rules.clusterScoped === true) {
    if (namespace !== '') errors.push(forbidden('metadata.namespace', 'not allowed on this type'));
  } else if (namespace !== '') {
    for (const detail of dns1123Label(namespace)) {
      errors.push(invalid('metadata.namespace', namespace, detail));
    }
  }
  append(errors, validateGeneration(metadata));
  append(errors, validateLabels(metadata['labels'], 'metadata.labels'));
  append(errors, validateAnnotations(metadata['annotations'], 'metadata.annotations'));
  append(errors, validateOwners(metadata));
  append(errors, validateFinalizers(metadata, rules.custom === true));
  append(errors, managedFieldsErrors(metadata));
  return errors;
}

const MAX_MANAGER = 128;
const MAX_SUBRESOURCE = 256;

/** Of an object's own ones, which the server writes, there is never anything to say; of those inside of others there is. */
function managedFieldsErrors(metadata: JsonObject): FieldError[] {
  const errors: FieldError[] = [];
  objectsAt(metadata, 'managedFields').forEach((entry, index) => {
    const field = `metadata.managedFields[${index}]`;
    const [operation, type] = [stringAt(entry, 'operation'), stringAt(entry, 'fieldsType')];
    if (operation !== 'Apply' && operation !== 'Update')
      errors.push(invalid(`${field}.operation`, operation, 'must be `Apply` or `Update`'));
    if (type !== '' && type !== 'FieldsV1')
      errors.push(invalid(`${field}.fieldsType`, type, 'must be `FieldsV1`'));
    append(errors, managerErrors(stringAt(entry, 'manager'), `${field}.manager`));
    if (Buffer.byteLength(stringAt(entry, 'subresource')) > MAX_SUBRESOURCE)
      errors.push(tooLong(`${field}.subresource`, MAX_SUBRESOURCE));
  });
  return errors;
}

/** A manager's name: so long, of letters, marks, digits, punctuation, symbols and spaces. */
export function managerErrors(manager: string, field: string): FieldError[] {
  const errors: FieldError[] = [];
  if (Buffer.byteLength(manager) > MAX_MANAGER) errors.push(tooLong(field, MAX_MANAGER));
  const wrong = /[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/u.exec(manager);
  if (wrong !== null) {
    const code = (manager.codePointAt(wrong.index) ?? 0).toString(16).toUpperCase().padStart(4, '0');
    const at = Buffer.byteLength(manager.slice(0, wrong.index));
    errors.push(invalid(field, manager, `invalid character U+${code} (at position ${at})`));
  }
  return errors;
}

/** What changed objects of every kind are held to, before the rules of their own. */
export function validatePrefix(object: JsonObject): FieldError[] {
  const base = stringAt(object, 'metadata', 'generateName');
  if (base === '') return [];
  return pathSegmentPrefix(base).map((detail) => invalid('metadata.generateName', base, detail));
}

function validateGeneration({ generation }: JsonObject): FieldError[] {
  const isNegative = typeof generation === 'number' && generation < 0;
  return isNegative ? [invalid('metadata.generation', generation, 'must be greater than or equal to 0')] : [];
}

export function validateLabels(labels: JsonValue | undefined, field: string): FieldError[] {
  if (!isJsonObject(labels)) return [];
  const errors: FieldError[] = [];
  for (const key of Object.keys(labels)) {
    const value = labels[key];
    for (const detail of qualifiedName(key)) errors.push(invalid(field, key, detail));
    for (const detail of labelValue(textOf(value))) errors.push(invalid(field, value, detail));
  }
  return errors;
}

export function validateAnnotations(annotations: JsonValue | undefined, field: string): FieldError[] {
  if (!isJsonObject(annotations)) return [];
  const errors: FieldError[] = [];
  let size = 0;
  for (const key of Object.keys(annotations)) {
    // Annotation keys may be in any case; the rest is as for labels.
    for (const detail of qualifiedName(key.toLowerCase())) errors.push(invalid(field, key, detail));
    size += Buffer.byteLength(key) + Buffer.byteLength(textOf(annotations[key]));
  }
  if (size > MAX_ANNOTATIONS) errors.push(tooLong(field, MAX_ANNOTATIONS));
  return errors;
}

function validateOwners(metadata: JsonObject): FieldError[] {
  const field = 'metadata.ownerReferences';
  const owners = objectsAt(metadata, 'ownerReferences');
  const errors: FieldError[] = [];
  let first: string | undefined;
  for (const owner of owners) {
    for (const key of ['apiVersion', 'kind', 'name', 'uid']) {
      if (stringAt(owner, key) !== '') continue;
      const detail = key === 'apiVersion' ? 'version must not be empty' : 'must not be empty';
      // Upstream does not say which of the references it means.
      errors.push(invalid(`${field}.${key}`, '', detail));
    }
    if (stringAt(owner, 'apiVersion') === 'v1' && stringAt(owner, 'kind') === 'Event') {
      errors.push(invalid(field, owner, '/v1, Kind=Event is disallowed from being an owner'));
    }
    if (owner['controller'] !== true) continue;
    const name = `${stringAt(owner, 'kind')}/${stringAt(owner, 'name')}`;
    if (first === undefined) first = name;
    else {
      const detail = `Only one reference can have Controller set to true. Found "true" in references for ${first} and ${name}`;
      errors.push(invalid(field, [...owners], detail));
    }
  }
  return errors;
}

/** The finalizers that may go without a domain. */
const STANDARD_FINALIZERS = new Set(['foregroundDeletion', 'kubernetes', 'orphan']);

export function validateFinalizerName(name: string, field: string): FieldError[] {
  return qualifiedName(name).map((detail) => invalid(field, name, detail));
}

/** Only built-in kinds are held to it; definitions' own objects may use any qualified name. */
export function validateStandardFinalizer(name: string, field: string): FieldError[] {
  return name.includes('/') || STANDARD_FINALIZERS.has(name)
    ? []
    : [invalid(field, name, 'name is neither a standard finalizer name nor is it fully qualified')];
}

function validateFinalizers(metadata: JsonObject, custom: boolean): FieldError[] {
  const field = 'metadata.finalizers';
  if (metadata['finalizers'] === undefined) return [];
  const finalizers = listAt(metadata, 'finalizers').map((item) => textOf(item));
  const errors = finalizers.flatMap((name) => validateFinalizerName(name, field));
  if (finalizers.includes('orphan') && finalizers.includes('foregroundDeletion')) {
    const detail = 'finalizer orphan and foregroundDeletion cannot be both set';
    errors.push(invalid(field, finalizers, detail));
  }
  if (custom) return errors;
  return errors.concat(
    finalizers.flatMap((name, index) => validateStandardFinalizer(name, `${field}[${index}]`)),
  );
}

const IMMUTABLE = 'field is immutable';

/** What the server sets and nobody changes afterwards. */
const FIXED = [
  'name',
  'namespace',
  'uid',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
];

export function validateMetadataUpdate(object: JsonObject, old: JsonObject): FieldError[] {
  const errors: FieldError[] = [];
  if (getPath(old, 'metadata', 'deletionTimestamp') !== undefined) {
    const known = new Set(listAt(old, 'metadata', 'finalizers'));
    const added = listAt(object, 'metadata', 'finalizers')
      .filter((item) => !known.has(item))
      .map((item) => textOf(item));
    if (added.length > 0) {
      const list = [...new Set(added)].toSorted().map((item) => goQuote(item));
      errors.push(
        forbidden(
          'metadata.finalizers',
          `no new finalizers can be added if the object is being deleted, found new finalizers []string{${list.join(', ')}}`,
        ),
      );
    }
  }
  const now = objectAt(object, 'metadata');
  const before = objectAt(old, 'metadata');
  for (const key of FIXED) {
    if (!jsonEqual(now[key], before[key])) errors.push(invalid(`metadata.${key}`, now[key], IMMUTABLE));
  }
  return errors;
}

/** One complaint when the value at `path` differs from the old object's. */
export function immutable(object: JsonObject, old: JsonObject, path: readonly string[]): FieldError[] {
  const value = getPath(object, ...path);
  return jsonEqual(value, getPath(old, ...path)) ? [] : [invalid(path.join('.'), value, IMMUTABLE)];
}
