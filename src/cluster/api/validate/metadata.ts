import { invalid, required, tooLong, forbidden, type FieldError } from '../field-error.ts';
import {
  getPath,
  isJsonObject,
  jsonEqual,
  objectAt,
  objectsAt,
  stringAt,
  textOf,
  type JsonObject,
  type JsonValue,
} from '../json.ts';
import {
  csiDriverName,
  dns1035Label,
  dns1123Label,
  dns1123Subdomain,
  ipAddress,
  labelValue,
  pathSegment,
  qualifiedName,
} from './names.ts';

export type NameRule = 'csi-driver' | 'ip-address' | 'label' | 'path-segment' | 'rfc1035-label' | 'subdomain';

const NAME_RULES: Readonly<Record<NameRule, (value: string) => string[]>> = {
  'csi-driver': csiDriverName,
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
  rules: { readonly name: NameRule; readonly clusterScoped?: boolean },
): FieldError[] {
  const metadata = objectAt(object, 'metadata');
  const name = stringAt(metadata, 'name');
  const errors: FieldError[] = [];
  if (name === '') errors.push(required('metadata.name', 'name or generateName is required'));
  else errors.push(...NAME_RULES[rules.name](name).map((detail) => invalid('metadata.name', name, detail)));
  const namespace = stringAt(metadata, 'namespace');
  if (rules.clusterScoped === true) {
    if (namespace !== '') errors.push(forbidden('metadata.namespace', 'not allowed on this type'));
  } else if (namespace !== '') {
    errors.push(...dns1123Label(namespace).map((detail) => invalid('metadata.namespace', namespace, detail)));
  }
  errors.push(...validateLabels(metadata['labels'], 'metadata.labels'));
  errors.push(...validateAnnotations(metadata['annotations'], 'metadata.annotations'));
  errors.push(...validateOwners(metadata), ...validateFinalizers(metadata));
  return errors;
}

export function validateLabels(labels: JsonValue | undefined, field: string): FieldError[] {
  if (!isJsonObject(labels)) return [];
  return Object.entries(labels).flatMap(([key, value]) => [
    ...qualifiedName(key).map((detail) => invalid(field, key, detail)),
    ...labelValue(textOf(value)).map((detail) => invalid(field, value, detail)),
  ]);
}

export function validateAnnotations(annotations: JsonValue | undefined, field: string): FieldError[] {
  if (!isJsonObject(annotations)) return [];
  const errors: FieldError[] = [];
  let size = 0;
  for (const [key, value] of Object.entries(annotations)) {
    // Annotation keys may be in any case; the rest is as for labels.
    errors.push(...qualifiedName(key.toLowerCase()).map((detail) => invalid(field, key, detail)));
    size += Buffer.byteLength(key) + Buffer.byteLength(textOf(value));
  }
  if (size > MAX_ANNOTATIONS) errors.push(tooLong(field, MAX_ANNOTATIONS));
  return errors;
}

function validateOwners(metadata: JsonObject): FieldError[] {
  const field = 'metadata.ownerReferences';
  const owners = objectsAt(metadata, 'ownerReferences');
  const errors = owners.flatMap((owner, index) =>
    ['apiVersion', 'kind', 'name', 'uid']
      .filter((key) => stringAt(owner, key) === '')
      .map((key) => invalid(`${field}[${index}].${key}`, stringAt(owner, key), `${key} must not be empty`)),
  );
  const controllers = owners.filter((owner) => owner['controller'] === true);
  if (controllers.length > 1) {
    errors.push(invalid(field, owners, 'Only one reference can have Controller set to true'));
  }
  return errors;
}

function validateFinalizers(metadata: JsonObject): FieldError[] {
  const finalizers = metadata['finalizers'];
  if (!Array.isArray(finalizers)) return [];
  return finalizers.flatMap((item, index) =>
    qualifiedName(textOf(item)).map((detail) => invalid(`metadata.finalizers[${index}]`, item, detail)),
  );
}

const IMMUTABLE = 'field is immutable';

export function validateMetadataUpdate(object: JsonObject, old: JsonObject): FieldError[] {
  const errors: FieldError[] = [];
  for (const key of ['name', 'namespace', 'uid', 'creationTimestamp']) {
    errors.push(...immutable(object, old, ['metadata', key]));
  }
  const had = getPath(old, 'metadata', 'deletionTimestamp') !== undefined;
  if (!had) return errors;
  const before = objectAt(old, 'metadata')['finalizers'];
  const known = Array.isArray(before) ? before : [];
  const now = objectAt(object, 'metadata')['finalizers'];
  const added = (Array.isArray(now) ? now : []).filter((item) => !known.includes(item));
  if (added.length > 0) {
    errors.push(
      forbidden(
        'metadata.finalizers',
        `no new finalizers can be added if the object is being deleted, found new finalizers ${JSON.stringify(added)}`,
      ),
    );
  }
  return errors;
}

/** One complaint when the value at `path` differs from the old object's. */
export function immutable(object: JsonObject, old: JsonObject, path: readonly string[]): FieldError[] {
  const value = getPath(object, ...path);
  return jsonEqual(value, getPath(old, ...path)) ? [] : [invalid(path.join('.'), value, IMMUTABLE)];
}
