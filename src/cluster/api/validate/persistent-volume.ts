import { posix } from 'node:path';
import { append } from '../../../base/append.ts';
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
import {
  formed,
  IMMUTABLE,
  named,
  needed,
  notNegativeQuantity,
  notSupported,
  oneOf,
  positiveQuantity,
} from './checks.ts';
import { validateLabelSelector } from './label-selector.ts';
import { dns1123Label, dns1123Subdomain, qualifiedName } from './names.ts';
import { validateNodeSelector } from './node-selector.ts';
import { validateNoBacksteps } from './paths.ts';
import { isNative } from './resource-names.ts';
import { SHARED_SOURCES } from './volume-sources.ts';

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

export function validatePersistentVolume(volume: JsonObject): FieldError[] {
  const name = stringAt(volume, 'metadata', 'name');
  const spec = objectAt(volume, 'spec');
  const options = objectAt(volume, 'metadata', 'annotations')[MOUNT_OPTIONS] !== undefined;
  return [
    ...validateVolumeSpec(spec, 'spec', name),
    ...(options && !MOUNTED.some((type) => isJsonObject(spec[type]))
      ? [
          forbidden(
            `metadata.annotations.${MOUNT_OPTIONS}`,
            'may not specify mount options for this volume type',
          ),
        ]
      : []),
  ];
}

const MOUNT_OPTIONS = 'volume.beta.kubernetes.io/mount-options';

/** Sources whose plugins know mount options. */
const MOUNTED = [
  'gcePersistentDisk',
  'awsElasticBlockStore',
  'glusterfs',
  'nfs',
  'rbd',
  'quobyte',
  'iscsi',
  'cinder',
  'cephfs',
  'azureFile',
  'vsphereVolume',
  'azureDisk',
  'photonPersistentDisk',
];

function validateVolumeSpec(spec: JsonObject, field: string, name: string): FieldError[] {
  return [
    ...(listAt(spec, 'accessModes').length === 0 ? [required(`${field}.accessModes`)] : []),
    ...validateAccessModes(spec, field),
    ...validateCapacity(spec, field),
    ...oneOf(spec, 'persistentVolumeReclaimPolicy', { field, supported: ['Delete', 'Recycle', 'Retain'] }),
    ...validateAffinity(spec, field),
    ...validateSources(spec, field, name),
    ...named(spec, 'storageClassName', { field, rule: dns1123Subdomain, optional: true }),
    ...validateMode(spec, field),
    ...validateAttributesClass(spec, field),
  ];
}

function validateMode({ volumeMode }: JsonObject, field: string): FieldError[] {
  return volumeMode === undefined ? [] : notSupported(volumeMode, `${field}.volumeMode`, VOLUME_MODES);
}

const INLINE = 'in the context of inline volumes';

/** The volume that an attachment describes itself: a driver's, and nothing that a claim could have. */
export function validateInlineSpec(spec: JsonObject, field: string): FieldError[] {
  const errors: FieldError[] = [];
  const refuse = (key: string): void => {
    errors.push(forbidden(`${field}.${key}`, `may not be specified ${INLINE}`));
  };
  if (spec['claimRef'] !== undefined) refuse('claimRef');
  if (Object.keys(objectAt(spec, 'capacity')).length > 0) refuse('capacity');
  if (spec['csi'] === undefined) errors.push(required(`${field}.csi`, `has to be specified ${INLINE}`));
  if (listAt(spec, 'accessModes').length === 0) errors.push(required(`${field}.accessModes`));
  append(errors, validateAccessModes(spec, field));
  const policy = stringAt(spec, 'persistentVolumeReclaimPolicy');
  if (policy !== '' && policy !== 'Retain') {
    errors.push(forbidden(`${field}.persistentVolumeReclaimPolicy`, `may only be Retain ${INLINE}`));
  }
  if (spec['nodeAffinity'] !== undefined) refuse('nodeAffinity');
  append(errors, validateSources(spec, field, ''));
  if (stringAt(spec, 'storageClassName') !== '') refuse('storageClassName');
  const mode = stringAt(spec, 'volumeMode');
  if (mode !== '' && mode !== 'Filesystem') {
    const detail = `may not specify volumeMode other than Filesystem ${INLINE}`;
    errors.push(forbidden(`${field}.volumeMode`, detail));
  }
  return errors;
}

function validateAccessModes(spec: JsonObject, field: string): FieldError[] {
  const modes = listAt(spec, 'accessModes');
  const at = `${field}.accessModes`;
  const errors = modes
    .filter((mode) => !ACCESS_MODES.includes(textOf(mode)))
    .map((mode) => unsupported(at, mode, ACCESS_MODES));
  const others = modes.filter((mode) => mode !== 'ReadWriteOncePod' && ACCESS_MODES.includes(textOf(mode)));
  if (modes.includes('ReadWriteOncePod') && others.length > 0) {
    errors.push(forbidden(at, 'may not use ReadWriteOncePod with other access modes'));
  }
  return errors;
}

function validateCapacity(spec: JsonObject, field: string): FieldError[] {
  const at = `${field}.capacity`;
  const capacity = objectAt(spec, 'capacity');
  const names = Object.keys(capacity);
  const errors: FieldError[] = names.length === 0 ? [required(at)] : [];
  if (names.length !== 1 || names[0] !== 'storage') {
    errors.push(unsupported(at, spec['capacity'], ['storage']));
  }
  for (const [name, value] of Object.entries(capacity)) {
    const here = `${at}[${name}]`;
    append(errors, basicAmount(value, here));
    append(errors, positiveQuantity(value, here));
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

/** In the order in which the first of several is found. */
const ORDER = [
  'hostPath',
  'gcePersistentDisk',
  'awsElasticBlockStore',
  'glusterfs',
  'flocker',
  'nfs',
  'rbd',
  'quobyte',
  'cephfs',
  'iscsi',
  'cinder',
  'fc',
  'flexVolume',
  'azureFile',
  'vsphereVolume',
  'photonPersistentDisk',
  'portworxVolume',
  'azureDisk',
  'scaleIO',
  'local',
  'storageos',
  'csi',
];

function validateSources(spec: JsonObject, field: string, name: string): FieldError[] {
  const given = ORDER.filter((type) => isJsonObject(spec[type]));
  if (given.length === 0) return [required(field, 'must specify a volume type')];
  const errors = given.flatMap((type, index) => {
    const at = `${field}.${type}`;
    // Upstream never counts this one, and spells that one its own way.
    if (index > 0 && type !== 'flexVolume') {
      const said = type === 'cephfs' ? `${field}.cephFS` : at;
      return [forbidden(said, 'may not specify more than 1 volume type')];
    }
    const source = objectAt(spec, type);
    if (type === 'local') return validateLocal(spec, field);
    return SHARED_SOURCES[type]?.(source, { at, persistent: true, name }) ?? [];
  });
  const path = stringAt(spec, 'hostPath', 'path');
  if (
    spec['persistentVolumeReclaimPolicy'] === 'Recycle' &&
    path !== '' &&
    posix.normalize(`${path}/`) === '/'
  ) {
    const detail = "may not be 'recycle' for a hostPath mount of '/'";
    errors.push(forbidden(`${field}.persistentVolumeReclaimPolicy`, detail));
  }
  return errors;
}

function validateLocal(spec: JsonObject, field: string): FieldError[] {
  const path = stringAt(spec, 'local', 'path');
  const at = `${field}.local.path`;
  return [
    ...(path === '' ? [required(at)] : validateNoBacksteps(path, at)),
    ...(spec['nodeAffinity'] === undefined
      ? [required(`${field}.nodeAffinity`, 'Local volume requires node affinity')]
      : []),
  ];
}

function validateAttributesClass(spec: JsonObject, field: string): FieldError[] {
  const { volumeAttributesClassName: name } = spec;
  if (typeof name !== 'string') return [];
  const at = `${field}.volumeAttributesClassName`;
  const errors =
    name === '' ? [required(at, 'an empty string is disallowed')] : formed(name, at, dns1123Subdomain);
  if (spec['csi'] === undefined) {
    errors.push(required(`${field}.csi`, 'has to be specified when using volumeAttributesClassName'));
  }
  return errors;
}

export function validatePersistentVolumeUpdate(volume: JsonObject, old: JsonObject): FieldError[] {
  const errors: FieldError[] = [];
  if (!jsonEqual(sourcePart(volume, old), sourcePart(old, old))) {
    const detail = 'spec.persistentvolumesource is immutable after creation';
    errors.push(forbidden('spec.persistentvolumesource', detail));
  }
  const mode = getPath(volume, 'spec', 'volumeMode');
  if (!jsonEqual(mode, getPath(old, 'spec', 'volumeMode'))) {
    errors.push(invalid('volumeMode', mode, 'field is immutable'));
  }
  if (getPath(old, 'spec', 'nodeAffinity') !== undefined) {
    const affinity = getPath(volume, 'spec', 'nodeAffinity');
    if (!isSameButForLabels(affinity, getPath(old, 'spec', 'nodeAffinity'))) {
      const detail = 'field is immutable, except for updating from beta label to GA';
      errors.push(invalid('nodeAffinity', affinity, detail));
    }
  }
  const [name, was] = [volume, old].map((object) => getPath(object, 'spec', 'volumeAttributesClassName'));
  if (was !== undefined && name === undefined) {
    const detail = 'update from non-nil value to nil is forbidden';
    errors.push(forbidden('spec.volumeAttributesClassName', detail));
  }
  return errors;
}

/** Labels of nodes from before they were stable, and what they are called now. */
const STABLE_LABELS: Readonly<Record<string, string>> = {
  'beta.kubernetes.io/arch': 'kubernetes.io/arch',
  'beta.kubernetes.io/instance-type': 'node.kubernetes.io/instance-type',
  'beta.kubernetes.io/os': 'kubernetes.io/os',
  'failure-domain.beta.kubernetes.io/region': 'topology.kubernetes.io/region',
  'failure-domain.beta.kubernetes.io/zone': 'topology.kubernetes.io/zone',
};

function isSameButForLabels(now: JsonValue | undefined, was: JsonValue | undefined): boolean {
  if (Array.isArray(now) && Array.isArray(was))
    return now.length === was.length && now.every((item, index) => isSameButForLabels(item, was[index]));
  if (!isJsonObject(now) || !isJsonObject(was)) return jsonEqual(now, was);
  return [...new Set([...Object.keys(now), ...Object.keys(was)])].every(
    (name) =>
      isSameButForLabels(now[name], was[name]) ||
      (name === 'key' && STABLE_LABELS[textOf(was[name])] === now[name]),
  );
}

/** The sources; a secret for expanding may come later, once. */
function sourcePart(volume: JsonObject, old: JsonObject): JsonObject {
  const spec = objectAt(volume, 'spec');
  const late = getPath(old, 'spec', 'csi', 'controllerExpandSecretRef') === undefined;
  return Object.fromEntries(
    sourcesOf(spec).map((type): [string, JsonValue] => {
      const { controllerExpandSecretRef: secret, ...rest } = objectAt(spec, type);
      return [type, secret === undefined || (late && type === 'csi') ? rest : { ...rest, secret }];
    }),
  );
}

export function validateClaim(claim: JsonObject): FieldError[] {
  return validateClaimSpec(objectAt(claim, 'spec'), 'spec');
}

/** `anyGroup`: the groups of what the claim is filled from have been taken before. */
export function validateClaimSpec(spec: JsonObject, field: string, anyGroup = false): FieldError[] {
  const errors: FieldError[] = [];
  if (listAt(spec, 'accessModes').length === 0) {
    errors.push(required(`${field}.accessModes`, 'at least 1 access mode is required'));
  }
  if (isJsonObject(spec['selector'])) {
    append(errors, validateLabelSelector(spec['selector'], `${field}.selector`));
  }
  append(errors, validateAccessModes(spec, field));
  const storage = getPath(spec, 'resources', 'requests', 'storage');
  const at = `${field}.resources[storage]`;
  append(errors, storage === undefined ? [required(at)] : positiveQuantity(storage, at));
  append(errors, named(spec, 'storageClassName', { field, rule: dns1123Subdomain, optional: true }));
  append(errors, validateMode(spec, field));
  append(
    errors,
    ['dataSource', 'dataSourceRef'].flatMap((key) => validateDataSource(spec, key, { field, anyGroup })),
  );
  const { dataSource, dataSourceRef } = spec;
  if (isJsonObject(dataSource) && isJsonObject(dataSourceRef)) {
    const { namespace, ...reference } = dataSourceRef;
    // The value that upstream shows is a path, of which its JSON says nothing.
    if (namespace !== undefined && namespace !== '') {
      const detail = 'may not be specified when dataSourceRef.namespace is specified';
      errors.push(invalid(field, {}, detail));
    } else if (!jsonEqual(dataSource, reference)) {
      errors.push(invalid(field, {}, 'must match dataSourceRef'));
    }
  }
  return [
    ...errors,
    ...named(spec, 'volumeAttributesClassName', { field, rule: dns1123Subdomain, optional: true }),
  ];
}

function validateDataSource(
  spec: JsonObject,
  key: string,
  { field, anyGroup }: { readonly field: string; readonly anyGroup: boolean },
): FieldError[] {
  const source = spec[key];
  if (!isJsonObject(source)) return [];
  const at = `${field}.${key}`;
  const errors = needed(source, at, 'name', 'kind');
  const group = stringAt(source, 'apiGroup');
  const kind = stringAt(source, 'kind');
  if (group === '' && kind !== 'PersistentVolumeClaim') {
    errors.push(invalid(at, kind, "must be 'PersistentVolumeClaim' when referencing the default apiGroup"));
  }
  if (group !== '' && !anyGroup) append(errors, formed(group, `${at}.apiGroup`, dns1123Subdomain));
  const namespace = key === 'dataSourceRef' ? stringAt(source, 'namespace') : '';
  return errors.concat(namespace === '' ? [] : formed(namespace, `${at}.namespace`, dns1123Label));
}

const CLAIM_IMMUTABLE =
  'spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims';
const BETA_CLASS = 'volume.beta.kubernetes.io/storage-class';

/** A claim stays what it was but for its binding, and, once bound, for growing and its attributes' class. */
export function validateClaimUpdate(claim: JsonObject, old: JsonObject): FieldError[] {
  const anyGroup = ['dataSource', 'dataSourceRef'].some(
    (key) => getPath(old, 'spec', key, 'apiGroup') !== undefined,
  );
  const bound = stringAt(claim, 'status', 'phase') === 'Bound';
  const [now, before] = [objectAt(claim, 'spec'), objectAt(old, 'spec')];
  const [beta, betaWas] = [claim, old].map((object) =>
    stringAt(object, 'metadata', 'annotations', BETA_CLASS),
  );
  const errors = validateClaimSpec(now, 'spec', anyGroup);
  // The class moves from the annotation to its field, or is filled in where there was none.
  const moved =
    betaWas !== '' && before['storageClassName'] === undefined && now['storageClassName'] === betaWas;
  if (!(moved && (beta === '' || beta === betaWas)) && beta !== betaWas) {
    errors.push(invalid(`metadata.annotations.${BETA_CLASS}`, beta, IMMUTABLE));
  }
  const filled = betaWas === '' && before['storageClassName'] === undefined;
  const how = { bound, binding: stringAt(before, 'volumeName') === '', classed: moved || filled };
  if (!jsonEqual(fixedPart(now, how), fixedPart(before, how))) {
    errors.push(forbidden('spec', CLAIM_IMMUTABLE));
  }
  const [size, was, has] = [
    stringAt(now, 'resources', 'requests', 'storage'),
    stringAt(before, 'resources', 'requests', 'storage'),
    stringAt(old, 'status', 'capacity', 'storage'),
  ].map((text) => tryParseQuantity(text === '' ? '0' : text));
  if (size !== undefined && was !== undefined && has !== undefined && compareQuantities(size, was) < 0) {
    // An expansion that failed may be taken back, down to more than what is there (KEP-1790).
    if (compareQuantities(size, has) <= 0) {
      const at = 'spec.resources.requests.storage';
      errors.push(forbidden(at, 'field can not be less than status.capacity'));
    }
  }
  if (!jsonEqual(now['volumeMode'], before['volumeMode'])) {
    errors.push(invalid('volumeMode', now['volumeMode'], IMMUTABLE));
  }
  const { volumeAttributesClassName: name } = now;
  const applied = getPath(old, 'status', 'currentVolumeAttributesClassName') !== undefined;
  if (applied && name !== before['volumeAttributesClassName'] && (name === undefined || name === '')) {
    const what = name === undefined ? 'nil' : 'empty string';
    const detail = `update to ${what} is forbidden when status.currentVolumeAttributesClassName is not nil`;
    errors.push(forbidden('spec.volumeAttributesClassName', detail));
  }
  return errors;
}

const RESIZES = [
  'ControllerResizeInProgress',
  'ControllerResizeInfeasible',
  'NodeResizeInProgress',
  'NodeResizeInfeasible',
  'NodeResizePending',
].toSorted();

/** What a driver and its controllers say of a claim. */
export function validateVolumeClaimStatus(claim: JsonObject): FieldError[] {
  const status = objectAt(claim, 'status');
  const errors: FieldError[] = [];
  if (listAt(claim, 'spec', 'accessModes').length === 0) errors.push(required('Spec.accessModes'));
  for (const [name, value] of Object.entries(objectAt(status, 'capacity'))) {
    append(errors, basicAmount(value, `status.capacity[${name}]`));
  }
  const at = 'status.allocatedResourceStatuses';
  for (const [name, value] of Object.entries(objectAt(status, 'allocatedResourceStatuses'))) {
    append(errors, claimResource(name, at));
    // The resource is shown, not what is said of it.
    if (!RESIZES.includes(textOf(value))) errors.push(unsupported(at, name, RESIZES));
  }
  for (const [name, value] of Object.entries(objectAt(status, 'allocatedResources'))) {
    const wrong = claimResource(name, 'status.allocatedResources');
    const here = `status.allocatedResources[${name}]`;
    if (wrong.length === 0) append(wrong, basicAmount(value, here));
    append(errors, wrong.length > 0 ? wrong : notNegativeQuantity(value, here));
  }
  return errors;
}

function claimResource(name: string, at: string): FieldError[] {
  const errors = formed(name, at, qualifiedName);
  if (errors.length > 0) return errors;
  return isNative(name) && name !== 'storage' ? [unsupported(at, name, ['storage'])] : [];
}

/** Not below zero, in whole units rounded up. */
function basicAmount(value: JsonValue | undefined, at: string): FieldError[] {
  const quantity = tryParseQuantity(textOf(value));
  if (quantity === undefined) return [];
  const units = quantity.nano / NANO;
  return units < 0n ? [invalid(at, Number(units), 'must be a valid resource quantity')] : [];
}

const NANO = 1_000_000_000n;

/** The spec without what may change. */
function fixedPart(
  spec: JsonObject,
  how: { readonly bound: boolean; readonly binding: boolean; readonly classed: boolean },
): JsonObject {
  const result: JsonObject = { ...spec };
  if (how.binding) delete result['volumeName'];
  if (how.classed) delete result['storageClassName'];
  if (!how.bound) return result;
  delete result['volumeAttributesClassName'];
  const { requests, ...resources } = objectAt(spec, 'resources');
  const { storage: _storage, ...others } = isJsonObject(requests) ? requests : {};
  return { ...result, resources: { ...resources, requests: others } };
}
