/** Volumes of pods. */
import { append } from '../../../base/append.ts';
import { duplicate, forbidden, invalid, required, type FieldError } from '../field-error.ts';
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
import { tryParseQuantity } from '../quantity.ts';
import { signerName, trustBundleName } from './certificate-names.ts';
import { formed, needed, notSupported } from './checks.ts';
import { FILE_FIELDS, validateFieldRef, validateResourceRef } from './field-ref.ts';
import { validateLabelSelector } from './label-selector.ts';
import { validateAnnotations, validateLabels } from './metadata.ts';
import { dns1123Label, dns1123Subdomain } from './names.ts';
import { validateDescendingPath, validateLocalPath } from './paths.ts';
import { validateClaimSpec } from './persistent-volume.ts';
import { SHARED_SOURCES } from './volume-sources.ts';

/** A pod's volumes: the right ones by name, and what is wrong with the others. */
export interface CheckedVolumes {
  readonly volumes: ReadonlyMap<string, JsonObject>;
  readonly errors: readonly FieldError[];
}

const NO_VOLUMES: CheckedVolumes = { volumes: new Map(), errors: [] };

/** `podName` is '' for a template, whose pods have no names yet. */
export function validateVolumes(
  volumes: readonly JsonObject[],
  field: string,
  pod: { readonly isPod: boolean; readonly name: string },
): CheckedVolumes {
  if (volumes.length === 0) return NO_VOLUMES;
  const errors: FieldError[] = [];
  const right = new Map<string, JsonObject>();
  const made = new Set(
    volumes
      .filter((volume) => pod.name !== '' && isJsonObject(volume['ephemeral']))
      .map((volume) => `${pod.name}-${stringAt(volume, 'name')}`),
  );
  for (const [index, volume] of volumes.entries()) {
    const at = `${field}[${index}]`;
    const name = stringAt(volume, 'name');
    const found = validateSource(volume, at, pod);
    if (name === '') found.push(required(`${at}.name`));
    else append(found, formed(name, `${at}.name`, dns1123Label));
    if (right.has(name)) found.push(duplicate(`${at}.name`, name));
    if (found.length === 0) right.set(name, volume);
    append(errors, found);
    const claim = stringAt(volume, 'persistentVolumeClaim', 'claimName');
    if (made.has(claim)) {
      const detail = 'must not reference a PVC that gets created for an ephemeral volume';
      errors.push(invalid(`${at}.persistentVolumeClaim.claimName`, claim, detail));
    }
  }
  return { volumes: right, errors };
}

/** In the order in which the first of several is found. */
const TYPES = [
  'emptyDir',
  'hostPath',
  'gitRepo',
  'gcePersistentDisk',
  'awsElasticBlockStore',
  'secret',
  'nfs',
  'iscsi',
  'glusterfs',
  'flocker',
  'persistentVolumeClaim',
  'rbd',
  'cinder',
  'cephfs',
  'quobyte',
  'downwardAPI',
  'fc',
  'flexVolume',
  'configMap',
  'azureFile',
  'vsphereVolume',
  'photonPersistentDisk',
  'portworxVolume',
  'azureDisk',
  'storageos',
  'projected',
  'scaleIO',
  'csi',
  'ephemeral',
  'image',
];

/** What upstream calls members when it complains that they are too many. */
const SECOND_NAMES: Readonly<Record<string, string>> = { cephfs: 'cephFS', downwardAPI: 'downwarAPI' };

/** Kinds that only pods have. */
const OWN: Readonly<Record<string, (source: JsonObject, at: string) => FieldError[]>> = {
  configMap: (source, at) => [
    ...needed(source, at, 'name'),
    ...validateMode(source, 'defaultMode', at),
    ...validateKeys(source, at),
  ],
  downwardAPI: (source, at) => [
    ...validateMode(source, 'defaultMode', at),
    // Its files share one place.
    ...objectsAt(source, 'items').flatMap((file) => validateFile(file, at)),
  ],
  emptyDir: (source, at) => {
    const quantity = tryParseQuantity(textOf(source['sizeLimit']));
    return quantity !== undefined && quantity.nano < 0n
      ? [forbidden(`${at}.sizeLimit`, 'SizeLimit field must be a valid resource quantity')]
      : [];
  },
  ephemeral: (source, at) => validateEphemeral(source, at),
  gitRepo: (source, at) => [
    ...needed(source, at, 'repository'),
    ...validateDescendingPath(stringAt(source, 'directory'), `${at}.directory`),
  ],
  persistentVolumeClaim: (source, at) => needed(source, at, 'claimName'),
  projected: (source, at) => [...validateMode(source, 'defaultMode', at), ...validateProjected(source, at)],
  secret: (source, at) => [
    ...needed(source, at, 'secretName'),
    ...validateMode(source, 'defaultMode', at),
    ...validateKeys(source, at),
  ],
};

function validateSource(
  volume: JsonObject,
  at: string,
  pod: { readonly isPod: boolean; readonly name: string },
): FieldError[] {
  const name = stringAt(volume, 'name');
  const given = TYPES.filter((type) => isJsonObject(volume[type]));
  const errors = given.flatMap((type, index) => {
    if (index > 0) {
      return [forbidden(`${at}.${SECOND_NAMES[type] ?? type}`, 'may not specify more than 1 volume type')];
    }
    const source = objectAt(volume, type);
    const here = `${at}.${type}`;
    if (type === 'image') return validateImage(source, here, pod.isPod);
    const shared = SHARED_SOURCES[type];
    if (shared !== undefined) return shared(source, { at: here, persistent: false, name });
    return OWN[type]?.(source, here) ?? [];
  });
  if (given[0] === 'ephemeral' && pod.name !== '' && name !== '') {
    const claim = `${pod.name}-${name}`;
    append(
      errors,
      dns1123Subdomain(claim).map((why) => invalid(`${at}.name`, name, `PVC name "${claim}": ${why}`)),
    );
  }
  return given.length === 0 ? [required(at, 'must specify a volume type')] : errors;
}

function validateImage(source: JsonObject, at: string, isPod: boolean): FieldError[] {
  const policy = stringAt(source, 'pullPolicy');
  return [
    ...(isPod ? needed(source, at, 'reference') : []),
    ...(policy === ''
      ? [required(`${at}.pullPolicy`)]
      : notSupported(policy, `${at}.pullPolicy`, ['Always', 'IfNotPresent', 'Never'])),
  ];
}

function validateMode(holder: JsonObject, key: string, at: string): FieldError[] {
  const mode = numberAt(holder, key);
  if (mode === undefined || (mode >= 0 && mode <= 0o777)) return [];
  const detail = 'must be a number between 0 and 0777 (octal), both inclusive';
  return [invalid(`${at}.${key}`, mode, detail)];
}

/** Keys of a config map or secret and the files that they become. */
function validateKeys(source: JsonObject, at: string): FieldError[] {
  return objectsAt(source, 'items').flatMap((item, index) => {
    const here = `${at}.items[${index}]`;
    return [
      ...needed(item, here, 'key', 'path'),
      ...validateLocalPath(stringAt(item, 'path'), `${here}.path`),
      ...validateMode(item, 'mode', here),
    ];
  });
}

function validateFile(file: JsonObject, at: string): FieldError[] {
  const { fieldRef, resourceFieldRef } = file;
  const errors = [...needed(file, at, 'path'), ...validateLocalPath(stringAt(file, 'path'), `${at}.path`)];
  if (isJsonObject(fieldRef)) {
    append(errors, validateFieldRef(fieldRef, `${at}.fieldRef`, FILE_FIELDS));
    if (resourceFieldRef !== undefined) {
      const detail = 'fieldRef and resourceFieldRef can not be specified simultaneously';
      errors.push(invalid(at, 'resource', detail));
    }
  } else if (isJsonObject(resourceFieldRef)) {
    append(errors, validateResourceRef(resourceFieldRef, `${at}.resourceFieldRef`, true));
  } else errors.push(required(at, 'one of fieldRef and resourceFieldRef is required'));
  return [...errors, ...validateMode(file, 'mode', at)];
}

const MIN_TOKEN_SECONDS = 600;
const MAX_TOKEN_SECONDS = 2 ** 32;

/** Several sources in one folder: no two of them make the same file. */
function validateProjected(source: JsonObject, at: string): FieldError[] {
  const paths = new Set<string>();
  const taken = (path: string, shown: string): FieldError[] => {
    if (path === '') return [];
    if (paths.has(path)) return [invalid(at, shown, 'conflicting duplicate paths')];
    paths.add(path);
    return [];
  };
  return objectsAt(source, 'sources').flatMap((projection, index) => {
    const here = `${at}.sources[${index}]`;
    const errors: FieldError[] = [];
    for (const kind of ['secret', 'configMap']) {
      const content = projection[kind];
      if (!isJsonObject(content)) continue;
      append(errors, needed(content, `${here}.${kind}`, 'name'));
      append(errors, validateKeys(content, `${here}.${kind}`));
      for (const item of objectsAt(content, 'items')) {
        append(errors, taken(stringAt(item, 'path'), stringAt(content, 'name')));
      }
    }
    for (const item of objectsAt(projection, 'downwardAPI', 'items')) {
      const path = stringAt(item, 'path');
      append(errors, validateFile(item, `${here}.downwardAPI`));
      append(errors, taken(path, path));
    }
    const { serviceAccountToken, clusterTrustBundle, podCertificate } = projection;
    if (isJsonObject(serviceAccountToken)) {
      append(errors, validateToken(serviceAccountToken, at, `${here}.serviceAccountToken`));
    }
    if (isJsonObject(clusterTrustBundle)) {
      const path = stringAt(clusterTrustBundle, 'path');
      append(errors, validateBundle(clusterTrustBundle, `${here}.clusterTrustBundle`));
      append(errors, taken(path, path));
    }
    if (isJsonObject(podCertificate)) {
      append(errors, needed(podCertificate, `${here}.podCertificate`, 'signerName', 'keyType'));
    }
    if (Object.values(projection).filter((value) => isJsonObject(value)).length > 1) {
      errors.push(forbidden(here, 'may not specify more than 1 volume type per source'));
    }
    return errors;
  });
}

/** Upstream puts the path on the volume and not on the source. */
function validateToken(token: JsonObject, volume: string, at: string): FieldError[] {
  const seconds = numberAt(token, 'expirationSeconds') ?? 0;
  const errors: FieldError[] = [];
  if (seconds < MIN_TOKEN_SECONDS) {
    const detail = 'may not specify a duration less than 10 minutes';
    errors.push(invalid(`${at}.expirationSeconds`, seconds, detail));
  }
  if (seconds > MAX_TOKEN_SECONDS) {
    const detail = 'may not specify a duration larger than 2^32 seconds';
    errors.push(invalid(`${at}.expirationSeconds`, seconds, detail));
  }
  const path = stringAt(token, 'path');
  return errors.concat(
    path === '' ? [required(`${volume}.path`)] : validateLocalPath(path, `${volume}.path`),
  );
}

function validateBundle(bundle: JsonObject, at: string): FieldError[] {
  const { name, signerName: signer, labelSelector } = bundle;
  const errors: FieldError[] = [];
  if (typeof name === 'string' && typeof signer === 'string') {
    errors.push(invalid(at, bundle, 'only one of name and signerName may be used'));
  } else if (typeof name === 'string') {
    if (name === '') errors.push(required(`${at}.name`, 'must be a valid object name'));
    append(
      errors,
      trustBundleName(name).map((why) =>
        invalid(`${at}.name`, name, `not a valid clustertrustbundlename: ${why}`),
      ),
    );
    if (labelSelector !== undefined) {
      const detail = 'labelSelector must be unset if name is specified';
      errors.push(invalid(`${at}.labelSelector`, labelSelector, detail));
    }
  } else if (typeof signer === 'string') {
    if (signer === '') errors.push(required(`${at}.signerName`, 'must be a valid signer name'));
    append(errors, signerName(signer, `${at}.signerName`));
    if (isJsonObject(labelSelector)) {
      append(errors, validateLabelSelector(labelSelector, `${at}.labelSelector`));
    }
  } else errors.push(required(at, 'either name or signerName must be specified'));
  const path = stringAt(bundle, 'path');
  if (path === '') errors.push(required(`${at}.path`));
  return [...errors, ...validateLocalPath(path, `${at}.path`)];
}

/** All that a template says of the claim's metadata. */
const TEMPLATED = new Set(['annotations', 'labels']);

function validateEphemeral(source: JsonObject, at: string): FieldError[] {
  const { volumeClaimTemplate: template } = source;
  const field = `${at}.volumeClaimTemplate`;
  if (!isJsonObject(template)) return [required(field)];
  const metadata = objectAt(template, 'metadata');
  return [
    ...validateAnnotations(metadata['annotations'], `${field}.metadata.annotations`),
    ...validateLabels(metadata['labels'], `${field}.metadata.labels`),
    ...Object.keys(metadata)
      .filter(
        (key) =>
          !TEMPLATED.has(key) &&
          metadata[key] !== undefined &&
          listAt(metadata, key).length + textOf(metadata[key]).length > 0,
      )
      .map((key) => forbidden(`${field}.metadata.${key === 'uid' ? 'uID' : key}`, 'cannot be set')),
    ...validateClaimSpec(objectAt(template, 'spec'), `${field}.spec`),
  ];
}
