import { duplicate, forbidden, invalid, required, unsupported, type FieldError } from '../field-error.ts';
import { isJsonObject, numberAt, objectAt, objectsAt, stringAt, type JsonObject } from '../json.ts';
import { tryParseQuantity } from '../quantity.ts';
import { formed, needed, notNegative, oneOf } from './checks.ts';
import { FILE_FIELDS, validateFieldRef, validateResourceRef } from './field-ref.ts';
import { csiDriverName, dns1123Label } from './names.ts';
import { validateClaimSpec } from './persistent-volume.ts';

const HOST_PATH_TYPES = [
  '',
  'DirectoryOrCreate',
  'Directory',
  'FileOrCreate',
  'File',
  'Socket',
  'CharDevice',
  'BlockDevice',
];

/** Members that a source cannot do without. */
const NEEDED: Readonly<Record<string, readonly string[]>> = {
  awsElasticBlockStore: ['volumeID'],
  azureDisk: ['diskName', 'diskURI'],
  azureFile: ['secretName', 'shareName'],
  cinder: ['volumeID'],
  configMap: ['name'],
  csi: ['driver'],
  flexVolume: ['driver'],
  gcePersistentDisk: ['pdName'],
  gitRepo: ['repository'],
  glusterfs: ['endpoints', 'path'],
  hostPath: ['path'],
  iscsi: ['targetPortal', 'iqn'],
  nfs: ['server', 'path'],
  persistentVolumeClaim: ['claimName'],
  photonPersistentDisk: ['pdID'],
  portworxVolume: ['volumeID'],
  quobyte: ['registry', 'volume'],
  rbd: ['image'],
  scaleIO: ['gateway', 'system', 'volumeName'],
  secret: ['secretName'],
  storageos: ['volumeName'],
  vsphereVolume: ['volumePath'],
};

export function validateVolumes(volumes: readonly JsonObject[], field: string): FieldError[] {
  const errors: FieldError[] = [];
  const names = new Set<string>();
  for (const [index, volume] of volumes.entries()) {
    const at = `${field}[${index}]`;
    const name = stringAt(volume, 'name');
    if (name === '') errors.push(required(`${at}.name`));
    else errors.push(...formed(name, `${at}.name`, dns1123Label));
    if (names.has(name)) errors.push(duplicate(`${at}.name`, name));
    names.add(name);
    errors.push(...validateSource(volume, at));
  }
  return errors;
}

/** What more there is to say of one kind of source. */
const DETAILS: Readonly<Record<string, (source: JsonObject, at: string) => FieldError[]>> = {
  csi: (source, at) => formed(stringAt(source, 'driver') || 'none', `${at}.driver`, csiDriverName),
  downwardAPI: (source, at) => validateFiles(source, at),
  emptyDir: validateEmptyDir,
  ephemeral: validateEphemeral,
  fc: validateFibreChannel,
  gcePersistentDisk: (source, at) => validatePartition(source, at),
  awsElasticBlockStore: (source, at) => validatePartition(source, at),
  hostPath: validateHostPath,
  image: (source, at) =>
    oneOf(source, 'pullPolicy', { field: at, supported: ['Always', 'IfNotPresent', 'Never'] }),
  nfs: (source, at) => {
    const path = stringAt(source, 'path');
    return path !== '' && !path.startsWith('/')
      ? [invalid(`${at}.path`, path, 'must be an absolute path')]
      : [];
  },
  projected: validateProjected,
};

function validateSource(volume: JsonObject, at: string): FieldError[] {
  const sources = Object.keys(volume).filter((key) => key !== 'name' && isJsonObject(volume[key]));
  const [type, ...others] = sources;
  if (type === undefined) return [required(at, 'must specify a volume type')];
  const errors = others.map((source) =>
    forbidden(`${at}.${source}`, 'may not specify more than 1 volume type'),
  );
  const source = objectAt(volume, type);
  const here = `${at}.${type}`;
  errors.push(...needed(source, here, ...(NEEDED[type] ?? [])), ...validateMode(source, 'defaultMode', here));
  if (type === 'secret' || type === 'configMap') errors.push(...validateKeys(source, here));
  return [...errors, ...(DETAILS[type]?.(source, here) ?? [])];
}

function validateMode(holder: JsonObject, key: string, at: string): FieldError[] {
  const mode = numberAt(holder, key);
  if (mode === undefined || (mode >= 0 && mode <= 0o777)) return [];
  const detail = 'must be a number between 0 and 0777 (octal), both inclusive';
  return [invalid(`${at}.${key}`, mode, detail)];
}

function validatePath(path: string, at: string): FieldError[] {
  if (path === '') return [required(at)];
  if (path.startsWith('/')) return [invalid(at, path, 'must be a relative path')];
  return path.split('/').includes('..') ? [invalid(at, path, "must not contain '..'")] : [];
}

/** Keys of a config map or secret and the files that they become. */
function validateKeys(source: JsonObject, at: string): FieldError[] {
  return objectsAt(source, 'items').flatMap((item, index) => {
    const here = `${at}.items[${index}]`;
    const path = stringAt(item, 'path');
    return [
      ...needed(item, here, 'key'),
      ...validatePath(path, `${here}.path`),
      // The folder is replaced as a whole by a link with such a name.
      ...(path.startsWith('..') && path !== '..' && !path.startsWith('../')
        ? [invalid(`${here}.path`, path, "must not start with '..'")]
        : []),
      ...validateMode(item, 'mode', here),
    ];
  });
}

function validateFiles(source: JsonObject, at: string): FieldError[] {
  return objectsAt(source, 'items').flatMap((item, index) => {
    const here = `${at}.items[${index}]`;
    const { fieldRef, resourceFieldRef } = item;
    const errors = validatePath(stringAt(item, 'path'), `${here}.path`);
    if (isJsonObject(fieldRef)) {
      errors.push(...validateFieldRef(fieldRef, `${here}.fieldRef`, FILE_FIELDS));
      if (resourceFieldRef !== undefined) {
        const detail = 'fieldRef and resourceFieldRef can not be specified simultaneously';
        errors.push(invalid(here, 'resource', detail));
      }
    } else if (isJsonObject(resourceFieldRef)) {
      errors.push(...validateResourceRef(resourceFieldRef, `${here}.resourceFieldRef`, true));
    } else errors.push(required(`${here}.fieldRef`, 'one of fieldRef and resourceFieldRef is required'));
    return [...errors, ...validateMode(item, 'mode', here)];
  });
}

const MIN_TOKEN_SECONDS = 600;
const MAX_TOKEN_SECONDS = 2 ** 32;

function validateProjected(source: JsonObject, at: string): FieldError[] {
  const paths = new Set<string>();
  return objectsAt(source, 'sources').flatMap((projection, index) => {
    const here = `${at}.sources[${index}]`;
    const kinds = Object.keys(projection).filter((key) => isJsonObject(projection[key]));
    const errors = kinds
      .slice(1)
      .map((kind) => forbidden(`${here}.${kind}`, 'may not specify more than 1 volume type per source'));
    const [kind] = kinds;
    if (kind === undefined) return [...errors, required(here)];
    const content = objectAt(projection, kind);
    const field = `${here}.${kind}`;
    if (kind === 'secret' || kind === 'configMap') {
      errors.push(...needed(content, field, 'name'), ...validateKeys(content, field));
    }
    if (kind === 'downwardAPI') errors.push(...validateFiles(content, field));
    if (kind === 'serviceAccountToken') {
      errors.push(...validateToken(content, field));
      paths.add(stringAt(content, 'path'));
    }
    for (const item of objectsAt(content, 'items')) {
      const path = stringAt(item, 'path');
      if (path === '') continue;
      if (paths.has(path)) {
        errors.push(invalid(`${field}.path`, path, 'conflicting duplicate paths'));
      }
      paths.add(path);
    }
    return errors;
  });
}

function validateToken(token: JsonObject, at: string): FieldError[] {
  const seconds = numberAt(token, 'expirationSeconds');
  const errors = validatePath(stringAt(token, 'path'), `${at}.path`);
  if (seconds !== undefined && seconds < MIN_TOKEN_SECONDS) {
    const detail = 'may not specify a duration less than 10 minutes';
    errors.push(invalid(`${at}.expirationSeconds`, seconds, detail));
  }
  if (seconds !== undefined && seconds > MAX_TOKEN_SECONDS) {
    const detail = 'may not specify a duration larger than 2^32 seconds';
    errors.push(invalid(`${at}.expirationSeconds`, seconds, detail));
  }
  return errors;
}

function validateHostPath(source: JsonObject, at: string): FieldError[] {
  const errors: FieldError[] = [];
  const path = stringAt(source, 'path');
  if (path.split('/').includes('..')) errors.push(invalid(`${at}.path`, path, "must not contain '..'"));
  const type = stringAt(source, 'type');
  if (!HOST_PATH_TYPES.includes(type)) errors.push(unsupported(`${at}.type`, type, HOST_PATH_TYPES));
  return errors;
}

function validateEmptyDir(source: JsonObject, at: string): FieldError[] {
  const quantity = tryParseQuantity(stringAt(source, 'sizeLimit'));
  if (quantity === undefined || quantity.nano >= 0n) return [];
  return [forbidden(`${at}.sizeLimit`, 'SizeLimit field must be a valid resource quantity')];
}

function validateEphemeral(source: JsonObject, at: string): FieldError[] {
  const { volumeClaimTemplate } = source;
  if (!isJsonObject(volumeClaimTemplate)) return [required(`${at}.volumeClaimTemplate`)];
  return validateClaimSpec(objectAt(volumeClaimTemplate, 'spec'), `${at}.volumeClaimTemplate.spec`);
}

function validatePartition(source: JsonObject, at: string): FieldError[] {
  const partition = numberAt(source, 'partition');
  return partition !== undefined && (partition < 0 || partition > 255)
    ? [invalid(`${at}.partition`, partition, 'must be between 0 and 255, inclusive')]
    : [];
}

function validateFibreChannel(source: JsonObject, at: string): FieldError[] {
  const names = source['targetWWNs'];
  const ids = source['wwids'];
  const [hasNames, hasIds] = [names, ids].map((list) => Array.isArray(list) && list.length > 0);
  if (hasNames === true && hasIds === true) {
    const detail = 'targetWWNs and wwids can not be specified simultaneously';
    return [invalid(`${at}.targetWWNs`, names, detail)];
  }
  if (hasNames !== true && hasIds !== true) {
    return [required(`${at}.targetWWNs`, 'must specify either targetWWNs or wwids, but not both')];
  }
  if (hasNames === true && source['lun'] === undefined) {
    return [required(`${at}.lun`, 'lun is required if targetWWNs is specified')];
  }
  return notNegative(source, at, 'lun');
}
