import { forbidden, invalid, required, unsupported, type FieldError } from '../field-error.ts';
import {
  getPath,
  isJsonObject,
  jsonEqual,
  listAt,
  objectAt,
  stringAt,
  textOf,
  type JsonObject,
  type JsonValue,
} from '../json.ts';
import { compareQuantities, tryParseQuantity } from '../quantity.ts';
import { formed, named, needed, oneOf, positiveQuantity } from './checks.ts';
import { validateLabelSelector } from './label-selector.ts';
import { dns1123Subdomain, pathSegment } from './names.ts';
import { validateNodeSelector } from './node-selector.ts';

const ACCESS_MODES = ['ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOnce', 'ReadWriteOncePod'];
const VOLUME_MODES = ['Block', 'Filesystem'];

/** What is not a source among the members of a volume's spec. */
const TERMS = new Set([
  'accessModes',
  'capacity',
  'claimRef',
  'mountOptions',
  'nodeAffinity',
  'persistentVolumeReclaimPolicy',
  'storageClassName',
  'volumeAttributesClassName',
  'volumeMode',
]);

/** Members that a source cannot do without. */
const NEEDED: Readonly<Record<string, readonly string[]>> = {
  awsElasticBlockStore: ['volumeID'],
  azureDisk: ['diskName', 'diskURI'],
  azureFile: ['secretName', 'shareName'],
  cinder: ['volumeID'],
  csi: ['driver', 'volumeHandle'],
  flexVolume: ['driver'],
  gcePersistentDisk: ['pdName'],
  glusterfs: ['endpoints', 'path'],
  hostPath: ['path'],
  iscsi: ['targetPortal', 'iqn'],
  local: ['path'],
  nfs: ['server', 'path'],
  photonPersistentDisk: ['pdID'],
  portworxVolume: ['volumeID'],
  quobyte: ['registry', 'volume'],
  rbd: ['image'],
  scaleIO: ['gateway', 'system', 'volumeName'],
  storageos: ['volumeName'],
  vsphereVolume: ['volumePath'],
};

export function validatePersistentVolume(volume: JsonObject): FieldError[] {
  return validateVolumeSpec(objectAt(volume, 'spec'), 'spec');
}

/** Also the inline volume of an attachment. */
export function validateVolumeSpec(spec: JsonObject, field: string): FieldError[] {
  return [
    ...(listAt(spec, 'accessModes').length === 0 ? [required(`${field}.accessModes`)] : []),
    ...validateAccessModes(spec, field),
    ...validateCapacity(spec, field),
    ...oneOf(spec, 'persistentVolumeReclaimPolicy', { field, supported: ['Delete', 'Recycle', 'Retain'] }),
    ...validateAffinity(spec, field),
    ...validateSources(spec, field),
    ...named(spec, 'storageClassName', { field, rule: dns1123Subdomain, optional: true }),
    ...oneOf(spec, 'volumeMode', { field, supported: VOLUME_MODES }),
    ...validateAttributesClass(spec, field),
  ];
}

function validateAccessModes(spec: JsonObject, field: string): FieldError[] {
  const modes = listAt(spec, 'accessModes');
  const at = `${field}.accessModes`;
  const errors = modes
    .filter((mode) => !ACCESS_MODES.includes(textOf(mode)))
    .map((mode) => unsupported(at, mode, ACCESS_MODES));
  if (modes.includes('ReadWriteOncePod') && modes.some((mode) => mode !== 'ReadWriteOncePod')) {
    errors.push(forbidden(at, 'may not use ReadWriteOncePod with other access modes'));
  }
  return errors;
}

function validateCapacity(spec: JsonObject, field: string): FieldError[] {
  const at = `${field}.capacity`;
  const capacity = objectAt(spec, 'capacity');
  const names = Object.keys(capacity);
  if (names.length === 0) return [required(at)];
  const errors: FieldError[] = [];
  if (names.length > 1 || names[0] !== 'storage') errors.push(unsupported(at, capacity, ['storage']));
  for (const [name, value] of Object.entries(capacity)) {
    errors.push(...positiveQuantity(value, `${at}[${name}]`));
  }
  return errors;
}

function validateAffinity(spec: JsonObject, field: string): FieldError[] {
  const { nodeAffinity } = spec;
  if (!isJsonObject(nodeAffinity)) return [];
  const at = `${field}.nodeAffinity.required`;
  const { required: terms } = nodeAffinity;
  return isJsonObject(terms)
    ? validateNodeSelector(terms, at)
    : [required(at, 'must specify required node constraints')];
}

function sourcesOf(spec: JsonObject): string[] {
  return Object.keys(spec).filter((key) => !TERMS.has(key) && isJsonObject(spec[key]));
}

function validateSources(spec: JsonObject, field: string): FieldError[] {
  const [type, ...others] = sourcesOf(spec);
  if (type === undefined) return [required(field, 'must specify a volume type')];
  const errors = others.map((other) =>
    forbidden(`${field}.${other}`, 'may not specify more than 1 volume type'),
  );
  const source = objectAt(spec, type);
  const at = `${field}.${type}`;
  errors.push(...needed(source, at, ...(NEEDED[type] ?? [])));
  const path = stringAt(source, 'path');
  if (type === 'nfs' && path !== '' && !path.startsWith('/')) {
    errors.push(invalid(`${at}.path`, path, 'must be an absolute path'));
  }
  if ((type === 'hostPath' || type === 'local') && path.split('/').includes('..')) {
    errors.push(invalid(`${at}.path`, path, "must not contain '..'"));
  }
  if (type === 'local' && spec['nodeAffinity'] === undefined) {
    errors.push(required(`${field}.nodeAffinity`, 'Local volume requires node affinity'));
  }
  const recycled = spec['persistentVolumeReclaimPolicy'] === 'Recycle';
  if (type === 'hostPath' && recycled && /^\/+$/.test(path)) {
    const detail = "may not be 'recycle' for a hostPath mount of '/'";
    errors.push(forbidden(`${field}.persistentVolumeReclaimPolicy`, detail));
  }
  return errors;
}

function validateAttributesClass(spec: JsonObject, field: string): FieldError[] {
  const { volumeAttributesClassName: name } = spec;
  if (typeof name !== 'string') return [];
  const at = `${field}.volumeAttributesClassName`;
  if (name === '') return [required(at, 'an empty string is disallowed')];
  const errors = formed(name, at, dns1123Subdomain);
  if (spec['csi'] === undefined) {
    errors.push(required(`${field}.csi`, 'has to be specified when using volumeAttributesClassName'));
  }
  return errors;
}

export function validatePersistentVolumeUpdate(volume: JsonObject, old: JsonObject): FieldError[] {
  const errors: FieldError[] = [];
  if (!jsonEqual(sourcePart(volume), sourcePart(old))) {
    const detail = 'spec.persistentvolumesource is immutable after creation';
    errors.push(forbidden('spec.persistentvolumesource', detail));
  }
  const mode = getPath(volume, 'spec', 'volumeMode');
  if (!jsonEqual(mode, getPath(old, 'spec', 'volumeMode'))) {
    errors.push(invalid('volumeMode', mode, 'field is immutable'));
  }
  if (getPath(old, 'spec', 'nodeAffinity') !== undefined) {
    const affinity = getPath(volume, 'spec', 'nodeAffinity');
    if (!jsonEqual(affinity, getPath(old, 'spec', 'nodeAffinity'))) {
      errors.push(invalid('nodeAffinity', affinity, 'field is immutable'));
    }
  }
  return errors;
}

/** The sources; a secret for expanding may come later. */
function sourcePart(volume: JsonObject): JsonObject {
  const spec = objectAt(volume, 'spec');
  return Object.fromEntries(
    sourcesOf(spec).map((type): [string, JsonValue] => {
      const { controllerExpandSecretRef: _c, nodeExpandSecretRef: _n, ...rest } = objectAt(spec, type);
      return [type, rest];
    }),
  );
}

export function validateClaim(claim: JsonObject): FieldError[] {
  return validateClaimSpec(objectAt(claim, 'spec'), 'spec');
}

/** Claims that a stateful set makes for its pods. */
export function validateClaimTemplates(claims: readonly JsonObject[], field: string): FieldError[] {
  return claims.flatMap((claim, index) =>
    validateClaimSpec(objectAt(claim, 'spec'), `${field}[${index}].spec`),
  );
}

export function validateClaimSpec(spec: JsonObject, field: string): FieldError[] {
  const errors: FieldError[] = [];
  if (listAt(spec, 'accessModes').length === 0) {
    errors.push(required(`${field}.accessModes`, 'at least 1 access mode is required'));
  }
  if (isJsonObject(spec['selector'])) {
    errors.push(...validateLabelSelector(spec['selector'], `${field}.selector`));
  }
  errors.push(...validateAccessModes(spec, field));
  const storage = getPath(spec, 'resources', 'requests', 'storage');
  const at = `${field}.resources[storage]`;
  errors.push(...(storage === undefined ? [required(at)] : positiveQuantity(storage, at)));
  errors.push(
    ...named(spec, 'storageClassName', { field, rule: dns1123Subdomain, optional: true }),
    ...oneOf(spec, 'volumeMode', { field, supported: VOLUME_MODES }),
    ...validateDataSource(spec, 'dataSource', field),
    ...validateDataSource(spec, 'dataSourceRef', field),
    ...named(spec, 'volumeAttributesClassName', { field, rule: dns1123Subdomain, optional: true }),
  );
  const { dataSource, dataSourceRef } = spec;
  if (isJsonObject(dataSource) && isJsonObject(dataSourceRef)) {
    const { namespace, ...reference } = dataSourceRef;
    if (namespace === undefined || namespace === '') {
      if (!jsonEqual(dataSource, reference)) {
        errors.push(invalid(field, `${field}.dataSource`, 'must match dataSourceRef'));
      }
    } else
      errors.push(
        invalid(
          field,
          `${field}.dataSource`,
          'may not be specified when dataSourceRef.namespace is specified',
        ),
      );
  }
  return errors;
}

function validateDataSource(spec: JsonObject, key: string, field: string): FieldError[] {
  const source = spec[key];
  if (!isJsonObject(source)) return [];
  const at = `${field}.${key}`;
  const errors = needed(source, at, 'name', 'kind');
  const group = stringAt(source, 'apiGroup');
  const kind = stringAt(source, 'kind');
  if (group === '' && kind !== '' && kind !== 'PersistentVolumeClaim') {
    errors.push(invalid(at, kind, "must be 'PersistentVolumeClaim' when referencing the default apiGroup"));
  }
  if (group !== '') errors.push(...formed(group, `${at}.apiGroup`, dns1123Subdomain));
  return errors.concat(formed(stringAt(source, 'name'), `${at}.name`, pathSegment));
}

const CLAIM_IMMUTABLE =
  'spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims';

/** A claim stays what it was but for its binding, and, once bound, for growing and its attributes' class. */
export function validateClaimUpdate(claim: JsonObject, old: JsonObject): FieldError[] {
  const bound = stringAt(claim, 'status', 'phase') === 'Bound';
  const before = objectAt(old, 'spec');
  const now = objectAt(claim, 'spec');
  const errors: FieldError[] = [];
  if (!jsonEqual(fixedPart(now, before, bound), fixedPart(before, before, bound))) {
    errors.push(forbidden('spec', CLAIM_IMMUTABLE));
  }
  const [size, was, has] = [
    stringAt(now, 'resources', 'requests', 'storage'),
    stringAt(before, 'resources', 'requests', 'storage'),
    stringAt(old, 'status', 'capacity', 'storage'),
  ].map((text) => tryParseQuantity(text));
  if (size !== undefined && was !== undefined && compareQuantities(size, was) < 0) {
    // An expansion that failed may be taken back, down to more than what is there (KEP-1790).
    const at = 'spec.resources.requests.storage';
    if (has === undefined) errors.push(forbidden(at, 'field can not be less than previous value'));
    else if (compareQuantities(size, has) <= 0) {
      errors.push(forbidden(at, 'field can not be less than status.capacity'));
    }
  }
  return errors;
}

/** The spec without what may change; the volume's name and a class may be filled in once. */
function fixedPart(spec: JsonObject, before: JsonObject, bound: boolean): JsonObject {
  const result: JsonObject = { ...spec };
  if (stringAt(before, 'volumeName') === '') delete result['volumeName'];
  if (before['storageClassName'] === undefined && stringAt(before, 'volumeName') === '') {
    delete result['storageClassName'];
  }
  if (!bound) return result;
  delete result['volumeAttributesClassName'];
  const { requests, ...resources } = objectAt(spec, 'resources');
  const { storage: _storage, ...others } = isJsonObject(requests) ? requests : {};
  return { ...result, resources: { ...resources, requests: others } };
}
