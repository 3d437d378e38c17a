import { isDeepStrictEqual } from 'node:util';
import { append } from '../../../base/append.ts';
import {
  duplicate,
  forbidden,
  goShown,
  invalid,
  required,
  tooLong,
  type FieldError,
} from '../field-error.ts';
import {
  getPath,
  isJsonObject,
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
import {
  formed,
  IMMUTABLE,
  notNegative,
  notNegativeQuantity,
  notSupported,
  oneOf,
  unchanged,
} from './checks.ts';
import { validateLabelSelector } from './label-selector.ts';
import { dns1123Subdomain, qualifiedName } from './names.ts';
import { validateInlineSpec } from './persistent-volume.ts';
import { validateDriverName } from './volume-sources.ts';

const MAX_PARAMETERS = 512;
const MAX_PARAMETER_SIZE = 256 * 1024;
const MAX_ATTACHMENT_METADATA = 256 * 1024;
const MAX_MESSAGE = 1024;
/** Bytes of the name by which a driver knows its node. */
const MAX_NODE_ID = 256;

export function validateStorageClass(storageClass: JsonObject): FieldError[] {
  return [
    ...validateProvisioner(stringAt(storageClass, 'provisioner'), 'provisioner'),
    ...validateParameters(storageClass),
    ...oneOf(storageClass, 'reclaimPolicy', { field: '', supported: ['Delete', 'Retain'] }),
    ...chosen(storageClass['volumeBindingMode'], 'volumeBindingMode', ['Immediate', 'WaitForFirstConsumer']),
    ...validateTopologies(storageClass),
  ];
}

/** There, and one of them. */
function chosen(value: JsonValue | undefined, at: string, supported: readonly string[]): FieldError[] {
  return value === undefined ? [required(at)] : notSupported(value, at, supported);
}

function validateProvisioner(name: string, at: string): FieldError[] {
  return name === '' ? [required(at)] : formed(name.toLowerCase(), at, qualifiedName);
}

function validateParameters(object: JsonObject): FieldError[] {
  const parameters = Object.entries(objectAt(object, 'parameters'));
  const errors: FieldError[] = [];
  if (parameters.length > MAX_PARAMETERS) return [tooLong('parameters', MAX_PARAMETERS)];
  let size = 0;
  for (const [key, value] of parameters) {
    if (key === '') errors.push(invalid('parameters', key, 'field can not be empty.'));
    size += Buffer.byteLength(key) + Buffer.byteLength(textOf(value));
  }
  if (size > MAX_PARAMETER_SIZE) errors.push(tooLong('parameters', MAX_PARAMETER_SIZE));
  return errors;
}

/** The values of each key of a term. */
type Choices = ReadonlyMap<string, ReadonlySet<string>>;

function validateTopologies(storageClass: JsonObject): FieldError[] {
  const terms = objectsAt(storageClass, 'allowedTopologies');
  // Upstream compares with one empty term for each that there is.
  const seen: Choices[] = terms.map(() => new Map());
  return terms.flatMap((term, index) => {
    const at = `allowedTopologies[${index}]`;
    const choices = new Map<string, ReadonlySet<string>>();
    const errors = objectsAt(term, 'matchLabelExpressions').flatMap((item, position) => {
      const here = `${at}.matchLabelExpressions[${position}]`;
      const key = stringAt(item, 'key');
      const values = listAt(item, 'values').map((value) => textOf(value));
      const found: FieldError[] = values.length === 0 ? [required(`${here}.values`)] : [];
      for (const [place, value] of values.entries()) {
        if (values.indexOf(value) < place) found.push(duplicate(`${here}.values[${place}]`, value));
      }
      append(found, formed(key, `${here}.key`, qualifiedName));
      if (choices.has(key)) found.push(duplicate(`${here}.key`, key));
      choices.set(key, new Set(values));
      return found;
    });
    for (const other of seen) {
      if (isDeepStrictEqual(other, choices)) errors.push(duplicate(`${at}.matchLabelExpressions`, ''));
    }
    seen.push(choices);
    return errors;
  });
}

/** What a class means never changes under those who use it. */
function frozen(object: JsonObject, old: JsonObject, keys: readonly string[]): FieldError[] {
  return keys
    .filter((key) => !jsonEqual(object[key], old[key]))
    .map((key) => forbidden(key, `updates to ${key} are forbidden.`));
}

export function validateStorageClassUpdate(storageClass: JsonObject, old: JsonObject): FieldError[] {
  return ['parameters', 'provisioner', 'reclaimPolicy', 'volumeBindingMode'].flatMap((key) => {
    const absent = key === 'provisioner' ? '' : null;
    const now = storageClass[key] ?? absent;
    return jsonEqual(now, old[key] ?? absent) ? [] : [invalid(key, now, IMMUTABLE)];
  });
}

export function validateAttributesClass(attributesClass: JsonObject): FieldError[] {
  const errors = validateProvisioner(stringAt(attributesClass, 'driverName'), 'driverName');
  return Object.keys(objectAt(attributesClass, 'parameters')).length === 0
    ? [...errors, required('parameters', 'must contain at least one key/value pair')]
    : [...errors, ...validateParameters(attributesClass)];
}

export function validateAttributesClassUpdate(attributesClass: JsonObject, old: JsonObject): FieldError[] {
  return [
    ...frozen(attributesClass, old, ['driverName', 'parameters']),
    ...validateAttributesClass(attributesClass),
  ];
}

export function validateVolumeAttachment(attachment: JsonObject): FieldError[] {
  const spec = objectAt(attachment, 'spec');
  const attacher = stringAt(spec, 'attacher');
  const node = stringAt(spec, 'nodeName');
  const volume = getPath(spec, 'source', 'persistentVolumeName');
  const size = Object.entries(objectAt(attachment, 'status', 'attachmentMetadata')).reduce(
    (sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(textOf(value)),
    0,
  );
  return [
    ...validateDriverName(attacher, 'spec.attacher'),
    ...validateAttached(objectAt(spec, 'source')),
    ...formed(node, 'spec.nodeName', dns1123Subdomain),
    ...(size > MAX_ATTACHMENT_METADATA
      ? [tooLong('status.attachmentMetadata', MAX_ATTACHMENT_METADATA)]
      : []),
    ...['attachError', 'detachError'].flatMap((key) =>
      validateVolumeError(objectAt(attachment, 'status', key), `status.${key}`),
    ),
    ...(typeof volume === 'string'
      ? formed(volume, 'spec.source.persistentVolumeName', dns1123Subdomain)
      : []),
  ];
}

/** Longer messages are refused with the limit of something else: that is what upstream says. */
function validateVolumeError(problem: JsonObject, at: string): FieldError[] {
  const code = numberAt(problem, 'errorCode');
  return [
    ...(Buffer.byteLength(stringAt(problem, 'message')) > MAX_MESSAGE
      ? [tooLong(`${at}.message`, MAX_ATTACHMENT_METADATA)]
      : []),
    ...(code !== undefined && code < 0
      ? [invalid(`${at}.errorCode`, code, 'must be between 0 and 2147483647, inclusive')]
      : []),
  ];
}

function validateAttached(source: JsonObject): FieldError[] {
  const at = 'spec.source';
  const { inlineVolumeSpec: inline, persistentVolumeName: name } = source;
  const detail = 'must specify exactly one of inlineVolumeSpec and persistentVolumeName';
  if (inline === undefined && name === undefined) return [required(at, detail)];
  if (inline !== undefined && name !== undefined) return [forbidden(at, detail)];
  if (name !== undefined) {
    return name === ''
      ? [required(`${at}.persistentVolumeName`, 'must specify non empty persistentVolumeName')]
      : [];
  }
  return isJsonObject(inline) ? validateInlineSpec(inline, `${at}.inlineVolumeSpec`) : [];
}

export function validateVolumeAttachmentUpdate(attachment: JsonObject, old: JsonObject): FieldError[] {
  const [spec, before] = [attachment, old].map((one) => objectAt(one, 'spec'));
  return jsonEqual(spec, before) ? [] : [invalid('spec', goShown(spec ?? {}, ATTACHMENT), IMMUTABLE)];
}

const ATTACHMENT = [
  { name: 'attacher' },
  {
    name: 'source',
    zero: { PersistentVolumeName: null, InlineVolumeSpec: null },
    members: [
      { name: 'persistentVolumeName', zero: null },
      { name: 'inlineVolumeSpec', zero: null },
    ],
  },
  { name: 'nodeName' },
];

export function validateCsiDriver(driver: JsonObject): FieldError[] {
  const spec = objectAt(driver, 'spec');
  // Upstream knows the first by another name in what it says.
  const needed = {
    attachRequired: 'attachedRequired',
    podInfoOnMount: 'podInfoOnMount',
    storageCapacity: 'storageCapacity',
  };
  const errors = Object.entries(needed)
    .filter(([key]) => spec[key] === undefined)
    .map(([, name]) => required(`spec.${name}`));
  append(
    errors,
    spec['fsGroupPolicy'] === undefined
      ? []
      : notSupported(spec['fsGroupPolicy'], 'spec.fsGroupPolicy', [
          'File',
          'None',
          'ReadWriteOnceWithFSType',
        ]),
  );
  append(errors, validateTokens(spec));
  for (const mode of listAt(spec, 'volumeLifecycleModes')) {
    append(errors, notSupported(mode, 'spec.volumeLifecycleModes', ['Persistent', 'Ephemeral']));
  }
  if (spec['seLinuxMount'] === undefined) errors.push(required('spec.seLinuxMount'));
  const period = numberAt(spec, 'nodeAllocatableUpdatePeriodSeconds');
  if (period !== undefined && period < 10) {
    errors.push(
      invalid(
        'spec.nodeAllocatableUpdatePeriodSeconds',
        period,
        'must be greater than or equal to 10 seconds',
      ),
    );
  }
  const { serviceAccountTokenInSecrets: secrets } = spec;
  if (secrets !== undefined && listAt(spec, 'tokenRequests').length === 0) {
    const detail = 'serviceAccountTokenInSecrets is set but no tokenRequests are specified';
    errors.push(invalid('spec.serviceAccountTokenInSecrets', secrets, detail));
  }
  return errors;
}

function validateTokens(spec: JsonObject): FieldError[] {
  const seen = new Set<string>();
  return objectsAt(spec, 'tokenRequests').flatMap((request, index) => {
    const at = `spec.tokenRequests[${index}]`;
    const audience = stringAt(request, 'audience');
    if (seen.has(audience)) return [duplicate(`${at}.audience`, audience)];
    seen.add(audience);
    const errors: FieldError[] = [];
    const seconds = numberAt(request, 'expirationSeconds');
    if (seconds !== undefined && seconds < 600) {
      const detail = 'may not specify a duration less than 10 minutes';
      errors.push(invalid(`${at}.expirationSeconds`, seconds, detail));
    }
    if (seconds !== undefined && seconds > 2 ** 32) {
      const detail = 'may not specify a duration larger than 2^32 seconds';
      errors.push(invalid(`${at}.expirationSeconds`, seconds, detail));
    }
    return errors;
  });
}

export function validateCsiDriverUpdate(driver: JsonObject, old: JsonObject): FieldError[] {
  const attach = getPath(driver, 'spec', 'attachRequired');
  const same = jsonEqual(attach, getPath(old, 'spec', 'attachRequired'));
  return [
    ...(same ? [] : [invalid('spec.attachedRequired', attach, IMMUTABLE)]),
    ...unchanged(driver, old, 'spec.volumeLifecycleModes'),
  ];
}

export function validateCsiNode(node: JsonObject): FieldError[] {
  const names = new Set<string>();
  return objectsAt(node, 'spec', 'drivers').flatMap((driver, index) => {
    const at = `spec.drivers[${index}]`;
    const name = stringAt(driver, 'name');
    const id = stringAt(driver, 'nodeID');
    const errors = validateDriverName(name, `${at}.name`);
    if (id === '') errors.push(required(`${at}.nodeID`));
    if (Buffer.byteLength(id) > MAX_NODE_ID) {
      errors.push(invalid(`${at}.nodeID`, id, `must be ${MAX_NODE_ID} characters or less`));
    }
    append(errors, notNegative(objectAt(driver, 'allocatable'), `${at}.allocatable`, 'count'));
    if (names.has(name)) errors.push(duplicate(`${at}.name`, name));
    names.add(name);
    const keys = listAt(driver, 'topologyKeys').map((key) => textOf(key));
    for (const [position, key] of keys.entries()) {
      if (key === '') errors.push(required(at));
      if (keys.indexOf(key) < position) errors.push(duplicate(at, key));
      append(errors, formed(key, at, qualifiedName));
    }
    return errors;
  });
}

/** A driver that stays keeps what it has said of the node, but for how much fits. */
export function validateCsiNodeUpdate(node: JsonObject, old: JsonObject): FieldError[] {
  const now = objectsAt(node, 'spec', 'drivers');
  return objectsAt(old, 'spec', 'drivers').flatMap((was) =>
    now
      .filter((driver) => driver['name'] === was['name'])
      .map(withoutAllocatable)
      .filter((driver) => !jsonEqual(driver, withoutAllocatable(was)))
      .map((driver) => invalid('spec.drivers', goShown(driver, DRIVER_MEMBERS), IMMUTABLE)),
  );
}

const DRIVER_MEMBERS = [
  { name: 'name' },
  { name: 'nodeID' },
  { name: 'topologyKeys', zero: null },
  { name: 'allocatable', zero: null },
];

function withoutAllocatable(whole: JsonObject): JsonObject {
  const { allocatable: _allocatable, ...driver } = whole;
  return driver;
}

export function validateCsiStorageCapacity(capacity: JsonObject): FieldError[] {
  const { nodeTopology } = capacity;
  return [
    ...(isJsonObject(nodeTopology) ? validateLabelSelector(nodeTopology, 'nodeTopology') : []),
    ...formed(stringAt(capacity, 'storageClassName'), 'storageClassName', dns1123Subdomain),
    ...notNegativeQuantity(capacity['capacity'], 'capacity'),
  ];
}

export function validateCsiStorageCapacityUpdate(capacity: JsonObject, old: JsonObject): FieldError[] {
  return unchanged(capacity, old, 'nodeTopology', 'storageClassName');
}
