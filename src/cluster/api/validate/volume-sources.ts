/** The kinds of volume that pods and persistent volumes both have. */
import { append } from '../../../base/append.ts';
import { invalid, required, unsupported, type FieldError } from '../field-error.ts';
import { isJsonObject, listAt, numberAt, objectAt, stringAt, type JsonObject } from '../json.ts';
import { formed, longerThan, needed, notSupported } from './checks.ts';
import { dns1123Label, dns1123Subdomain } from './names.ts';
import { validateNoBacksteps } from './paths.ts';

export interface SourcePlace {
  readonly at: string;
  /** A persistent volume's: whoever it refers to, it says in which namespace. */
  readonly persistent: boolean;
  /** The volume's own name. */
  readonly name: string;
}

type SourceRule = (source: JsonObject, place: SourcePlace) => FieldError[];

export const HOST_PATH_TYPES: readonly string[] = [
  '',
  'BlockDevice',
  'CharDevice',
  'Directory',
  'DirectoryOrCreate',
  'File',
  'FileOrCreate',
  'Socket',
];

/** By member of the volume. */
export const SHARED_SOURCES: Readonly<Record<string, SourceRule>> = {
  awsElasticBlockStore: (source, { at }) => [...needed(source, at, 'volumeID'), ...partition(source, at)],
  azureDisk: validateAzureDisk,
  azureFile: (source, { at, persistent }) => [
    ...needed(source, at, 'secretName', 'shareName'),
    ...(persistent && source['secretNamespace'] === '' ? [required(`${at}.secretNamespace`)] : []),
  ],
  cephfs: (source, { at }) => (listAt(source, 'monitors').length === 0 ? [required(`${at}.monitors`)] : []),
  cinder: (source, place) => [...needed(source, place.at, 'volumeID'), ...secretOf(source, place)],
  csi: validateCsi,
  fc: (source, { at }) => validateFibreChannel(source, at),
  flexVolume: (source, { at }) => validateFlex(source, at),
  flocker: (source, { at }) => validateFlocker(source, at),
  // Its place is called otherwise than its member.
  gcePersistentDisk: (source, { at }) => {
    const disk = at.replace(/gcePersistentDisk$/, 'persistentDisk');
    return [...needed(source, disk, 'pdName'), ...partition(source, disk)];
  },
  glusterfs: (source, { at, persistent }) => [
    ...needed(source, at, 'endpoints', 'path'),
    ...(persistent ? endpointsNamespace(source, at) : []),
  ],
  hostPath: (source, { at }) => validateHostPath(source, at),
  iscsi: validateIscsi,
  nfs: (source, { at }) => {
    const path = stringAt(source, 'path');
    return [
      ...needed(source, at, 'server', 'path'),
      ...(path.startsWith('/') ? [] : [invalid(`${at}.path`, path, 'must be an absolute path')]),
    ];
  },
  photonPersistentDisk: (source, { at }) => needed(source, at, 'pdID'),
  portworxVolume: (source, { at }) => needed(source, at, 'volumeID'),
  quobyte: (source, { at }) => validateQuobyte(source, at),
  rbd: (source, { at }) => [
    ...(listAt(source, 'monitors').length === 0 ? [required(`${at}.monitors`)] : []),
    ...needed(source, at, 'image'),
  ],
  scaleIO: (source, { at }) => needed(source, at, 'gateway', 'system', 'volumeName'),
  storageos: (source, place) => {
    const [name, namespace] = [stringAt(source, 'volumeName'), stringAt(source, 'volumeNamespace')];
    const { at } = place;
    return [
      ...(name === '' ? [required(`${at}.volumeName`)] : formed(name, `${at}.volumeName`, dns1123Label)),
      ...(namespace === '' ? [] : formed(namespace, `${at}.volumeNamespace`, dns1123Label)),
      ...secretOf(source, place),
    ];
  },
  vsphereVolume: (source, { at }) => needed(source, at, 'volumePath'),
};

function partition(source: JsonObject, at: string): FieldError[] {
  const number = numberAt(source, 'partition') ?? 0;
  return number < 0 || number > 255
    ? [invalid(`${at}.partition`, number, 'must be between 1 and 255, inclusive')]
    : [];
}

function secretOf(source: JsonObject, { at, persistent }: SourcePlace): FieldError[] {
  const { secretRef } = source;
  if (!isJsonObject(secretRef)) return [];
  return needed(secretRef, `${at}.secretRef`, 'name', ...(persistent ? ['namespace'] : []));
}

export function validateHostPath(source: JsonObject, at: string): FieldError[] {
  const path = stringAt(source, 'path');
  if (path === '') return [required(`${at}.path`)];
  return [
    ...validateNoBacksteps(path, `${at}.path`),
    ...(source['type'] === undefined ? [] : notSupported(source['type'], `${at}.type`, HOST_PATH_TYPES)),
  ];
}

function endpointsNamespace(source: JsonObject, at: string): FieldError[] {
  const { endpointsNamespace: namespace } = source;
  const field = `${at}.endpointsNamespace`;
  if (namespace === '') {
    const detail = 'if the endpointnamespace is set, it must be a valid namespace name';
    return [invalid(field, namespace, detail)];
  }
  return typeof namespace === 'string' ? formed(namespace, field, dns1123Label) : [];
}

function validateFlocker(source: JsonObject, at: string): FieldError[] {
  const [name, id] = [stringAt(source, 'datasetName'), stringAt(source, 'datasetUUID')];
  const errors: FieldError[] = [];
  if (name === '' && id === '') errors.push(required(at, 'one of datasetName and datasetUUID is required'));
  if (name !== '' && id !== '') {
    const detail = 'datasetName and datasetUUID can not be specified simultaneously';
    errors.push(invalid(at, 'resource', detail));
  }
  if (name.includes('/')) errors.push(invalid(`${at}.datasetName`, name, "must not contain '/'"));
  return errors;
}

function validateQuobyte(source: JsonObject, at: string): FieldError[] {
  const registry = stringAt(source, 'registry');
  const form = 'must be a host:port pair or multiple pairs separated by commas';
  const errors: FieldError[] = [];
  if (registry === '') errors.push(required(`${at}.registry`, form));
  else if (stringAt(source, 'tenant').length > 64) {
    const detail = 'must be a UUID and may not exceed a length of 64 characters';
    errors.push(required(`${at}.tenant`, detail));
  } else {
    for (const pair of registry.split(',')) {
      if (!/^(\[[^\]]*\]|[^:[\]]*):[^:[\]]*$/.test(pair)) {
        errors.push(invalid(`${at}.registry`, registry, form));
      }
    }
  }
  return [...errors, ...needed(source, at, 'volume')];
}

function validateFlex(source: JsonObject, at: string): FieldError[] {
  return [
    ...needed(source, at, 'driver'),
    ...Object.keys(objectAt(source, 'options')).flatMap((key) => {
      const domain = `.${(key.split('/')[0] ?? '').toLowerCase()}`;
      return domain.endsWith('.kubernetes.io') || domain.endsWith('.k8s.io')
        ? [invalid(`${at}.options[${key}]`, key, 'kubernetes.io and k8s.io namespaces are reserved')]
        : [];
    }),
  ];
}

function validateFibreChannel(source: JsonObject, at: string): FieldError[] {
  const names = listAt(source, 'targetWWNs');
  const ids = listAt(source, 'wwids');
  const errors: FieldError[] = [];
  if (names.length === 0 && ids.length === 0) {
    errors.push(required(`${at}.targetWWNs`, 'must specify either targetWWNs or wwids, but not both'));
  }
  if (names.length > 0 && ids.length > 0) {
    const detail = 'targetWWNs and wwids can not be specified simultaneously';
    errors.push(invalid(`${at}.targetWWNs`, names, detail));
  }
  const lun = numberAt(source, 'lun');
  if (names.length > 0) {
    if (lun === undefined) {
      errors.push(required(`${at}.lun`, 'lun is required if targetWWNs is specified'));
    } else append(errors, lunInRange(lun, at));
  }
  return errors;
}

function lunInRange(lun: number, at: string): FieldError[] {
  return lun < 0 || lun > 255 ? [invalid(`${at}.lun`, lun, 'must be between 0 and 255, inclusive')] : [];
}

const FORMS: Readonly<Record<string, RegExp>> = {
  iqn: /iqn\.\d{4}-\d{2}\.([A-Za-z0-9\-.]+)(:[^,;*&$|\s]+)$/,
  eui: /^eui.[A-Za-z0-9]{16}$/,
  naa: /^naa.[A-Za-z0-9]{32}$/,
};

/** Names of initiators and targets; only pods say more about a wrong start. */
function iscsiName(name: string, at: string, persistent: boolean): FieldError[] {
  const form = FORMS[name.slice(0, 3)];
  if (form === undefined) {
    const start = persistent ? '' : ' starting with iqn, eui, or naa';
    return [invalid(at, name, `must be valid format${start}`)];
  }
  return form.test(name) ? [] : [invalid(at, name, 'must be valid format')];
}

const MAX_INITIATOR = 64;

function validateIscsi(source: JsonObject, { at, persistent, name }: SourcePlace): FieldError[] {
  const [portal, iqn] = [stringAt(source, 'targetPortal'), stringAt(source, 'iqn')];
  const { initiatorName, secretRef } = source;
  const errors = needed(source, at, 'targetPortal');
  const long =
    typeof initiatorName === 'string' && Buffer.byteLength(`${name}:${portal}`) > MAX_INITIATOR
      ? 'Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified.'
      : undefined;
  if (persistent && long !== undefined) errors.push(invalid(`${at}.targetportal`, portal, long));
  if (iqn === '') errors.push(required(`${at}.iqn`));
  else append(errors, iscsiName(iqn, `${at}.iqn`, persistent));
  append(errors, lunInRange(numberAt(source, 'lun') ?? 0, at));
  const authenticated = source['chapAuthDiscovery'] === true || source['chapAuthSession'] === true;
  if (authenticated && !isJsonObject(secretRef)) errors.push(required(`${at}.secretRef`));
  if (persistent && isJsonObject(secretRef)) append(errors, needed(secretRef, `${at}.secretRef`, 'name'));
  if (typeof initiatorName === 'string') {
    append(errors, iscsiName(initiatorName, `${at}.initiatorname`, persistent));
  }
  if (!persistent && long !== undefined) {
    errors.push(invalid(at.replace(/\.iscsi$/, '.name'), name, long));
  }
  return errors;
}

const CACHING = ['None', 'ReadOnly', 'ReadWrite'];
const DISKS = ['Dedicated', 'Managed', 'Shared'];

function validateAzureDisk(source: JsonObject, { at }: SourcePlace): FieldError[] {
  const { cachingMode, kind } = source;
  const uri = stringAt(source, 'diskURI');
  const errors = needed(source, at, 'diskName', 'diskURI');
  if (cachingMode !== undefined) append(errors, notSupported(cachingMode, `${at}.cachingMode`, CACHING));
  if (kind === undefined) return errors;
  append(errors, notSupported(kind, `${at}.kind`, DISKS));
  const [start, form] =
    kind === 'Managed'
      ? [
          '/subscriptions/',
          '/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}',
        ]
      : ['https://', 'https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd'];
  if (!uri.startsWith(start)) errors.push(unsupported(`${at}.diskURI`, uri, [form]));
  return errors;
}

const MAX_DRIVER = 63;

export function validateDriverName(name: string, at: string): FieldError[] {
  if (name === '') return [required(at)];
  return [
    ...longerThan(name, MAX_DRIVER, at),
    ...dns1123Subdomain(name.toLowerCase()).map((detail) => invalid(at, name, detail)),
  ];
}

const CSI_SECRETS = [
  'controllerPublishSecretRef',
  'controllerExpandSecretRef',
  'nodePublishSecretRef',
  'nodeExpandSecretRef',
];

function validateCsi(source: JsonObject, { at, persistent }: SourcePlace): FieldError[] {
  const errors = validateDriverName(stringAt(source, 'driver'), `${at}.driver`);
  const named = (name: string, field: string, rule: (value: string) => string[]): FieldError[] =>
    name === '' ? [required(field)] : formed(name, field, rule);
  if (!persistent) {
    const { nodePublishSecretRef: secret } = source;
    if (!isJsonObject(secret)) return errors;
    const name = stringAt(secret, 'name');
    if (name === '') return [...errors, required(`${at}.nodePublishSecretRef.name`)];
    return [...errors, ...formed(name, `${at}.name`, dns1123Subdomain)];
  }
  append(errors, needed(source, at, 'volumeHandle'));
  for (const key of CSI_SECRETS) {
    const secret = source[key];
    if (!isJsonObject(secret)) continue;
    append(errors, named(stringAt(secret, 'name'), `${at}.${key}.name`, dns1123Subdomain));
    append(errors, named(stringAt(secret, 'namespace'), `${at}.${key}.namespace`, dns1123Label));
  }
  return errors;
}
