/** Events: loose in the core group, where clients of every age write them, and strict in their own. */
import { append } from '../../../base/append.ts';
import { goShown, invalid, required, type FieldError, type GoMember } from '../field-error.ts';
import {
  isJsonObject,
  jsonEqual,
  numberAt,
  objectAt,
  stringAt,
  type JsonObject,
  type JsonValue,
} from '../json.ts';
import { formed, IMMUTABLE } from './checks.ts';
import { validateMetadata, validateMetadataUpdate } from './metadata.ts';
import { dns1123Subdomain, qualifiedName } from './names.ts';

const LONGEST = 128;
const LONGEST_NOTE = 1024;

/** What a member is called in the group's version, by its name in the core group. */
const NEWER: Readonly<Record<string, string>> = {
  involvedObject: 'regarding',
  message: 'note',
  source: 'deprecatedSource',
  firstTimestamp: 'deprecatedFirstTimestamp',
  lastTimestamp: 'deprecatedLastTimestamp',
  count: 'deprecatedCount',
  reportingComponent: 'reportingController',
};

type Names = (core: string) => string;
const CORE: Names = (name) => name;
/** No rules of the core group: what every object is held to. */
const ANY_NAME = { name: 'path-segment', custom: true } as const;
const STRICT: Names = (name) => NEWER[name] ?? name;

/** An event of the core group; its metadata matters only when nothing else is wrong. */
export function validateEvent(event: JsonObject): FieldError[] {
  const errors = validateLoosely(event, CORE);
  return errors.length > 0 ? errors : validateMetadata(event, ANY_NAME);
}

export function validateEventUpdate(event: JsonObject, old: JsonObject): FieldError[] {
  const errors = validateLoosely(event, CORE);
  if (errors.length > 0) return errors;
  return [...validateMetadataUpdate(event, old), ...validateMetadata(event, ANY_NAME)];
}

/** An event of events.k8s.io: complaints name the members as the core group does. */
export function validateStrictEvent(event: JsonObject): FieldError[] {
  const type = stringAt(event, 'type');
  const unset = (field: string, isSet: boolean): FieldError[] =>
    isSet ? [invalid(field, '', 'needs to be unset')] : [];
  const source = objectAt(event, 'deprecatedSource');
  return [
    ...validateLoosely(event, STRICT),
    ...validateMetadata(event, { name: 'subdomain' }),
    ...validateSeries(event),
    ...(event['eventTime'] === undefined ? [required('eventTime')] : []),
    ...(type === 'Normal' || type === 'Warning' ? [] : [invalid('type', '', `has invalid value: ${type}`)]),
    ...unset('firstTimestamp', event['deprecatedFirstTimestamp'] !== undefined),
    ...unset('lastTimestamp', event['deprecatedLastTimestamp'] !== undefined),
    ...unset('count', (numberAt(event, 'deprecatedCount') ?? 0) !== 0),
    ...unset('source', stringAt(source, 'component') !== '' || stringAt(source, 'host') !== ''),
  ];
}

/** In the order in which upstream looks; it looks at the reason twice. */
const SETTLED = [
  'involvedObject',
  'reason',
  'message',
  'source',
  'firstTimestamp',
  'lastTimestamp',
  'count',
  'reason',
  'type',
  'eventTime',
  'action',
  'related',
  'reportingComponent',
  'reportingInstance',
];

export function validateStrictEventUpdate(event: JsonObject, old: JsonObject): FieldError[] {
  const errors = [...validateLoosely(event, STRICT), ...validateMetadataUpdate(event, old)];
  if (!jsonEqual(event['series'], old['series'])) append(errors, validateSeries(event));
  for (const name of SETTLED) {
    const [now, before] = [event, old].map((one) => one[STRICT(name)]);
    // Which of the two versions of the kind always writes it says nothing about it.
    if (jsonEqual(now ?? '', before ?? '')) continue;
    const field = name === 'reportingComponent' ? 'reportingController' : name;
    errors.push(invalid(field, shown(name, now), IMMUTABLE));
  }
  return errors.length > 0 ? errors : validateMetadata(event, { name: 'path-segment' });
}

const REFERENCE: readonly GoMember[] = [
  { name: 'kind' },
  { name: 'namespace' },
  { name: 'name' },
  { name: 'uid', go: 'UID' },
  { name: 'apiVersion', go: 'APIVersion' },
  { name: 'resourceVersion' },
  { name: 'fieldPath' },
];
const SHOWN: Readonly<Record<string, readonly GoMember[]>> = {
  involvedObject: REFERENCE,
  related: REFERENCE,
  source: [{ name: 'component' }, { name: 'host' }],
};
const NULL = new Set(['related', 'eventTime', 'firstTimestamp', 'lastTimestamp']);

function shown(name: string, value: JsonValue | undefined): JsonValue {
  const members = SHOWN[name];
  if (value === undefined && NULL.has(name)) return null;
  if (members !== undefined) return goShown(isJsonObject(value) ? value : {}, members);
  return value ?? (name === 'count' ? 0 : '');
}

function validateSeries(event: JsonObject): FieldError[] {
  if (event['series'] === undefined) return [];
  const series = objectAt(event, 'series');
  return [
    ...((numberAt(series, 'count') ?? 0) < 2 ? [invalid('series.count', '', 'should be at least 2')] : []),
    ...(series['lastObservedTime'] === undefined ? [required('series.lastObservedTime')] : []),
  ];
}

/** Only newer events have an eventTime, and are held to what came with it. */
function validateLoosely(event: JsonObject, names: Names): FieldError[] {
  const namespace = stringAt(event, 'metadata', 'namespace');
  const involved = stringAt(event, names('involvedObject'), 'namespace');
  const mismatch = invalid('involvedObject.namespace', involved, 'does not match event.namespace');
  const errors: FieldError[] = [];
  if (event['eventTime'] === undefined) {
    // Events about cluster-scoped objects are kept in the default namespace.
    const wanted = involved === '' ? 'default' : involved;
    if (namespace !== wanted) errors.push(mismatch);
  } else {
    if (involved === '' && namespace !== 'default' && namespace !== 'kube-system') errors.push(mismatch);
    const at = names === CORE ? 'reportingComponent' : 'reportingController';
    const controller = stringAt(event, names('reportingComponent'));
    if (controller === '') errors.push(required(at));
    append(errors, formed(controller, at, qualifiedName));
    append(errors, validateText(event, 'reportingInstance'));
    append(errors, validateText(event, 'action'));
    append(errors, validateText(event, 'reason'));
    append(errors, validateLength(stringAt(event, names('message')), 'message', LONGEST_NOTE));
  }
  return [...errors, ...formed(namespace, 'namespace', dns1123Subdomain)];
}

function validateText(event: JsonObject, name: string): FieldError[] {
  const text = stringAt(event, name);
  return text === '' ? [required(name)] : validateLength(text, name, LONGEST);
}

function validateLength(text: string, at: string, longest: number): FieldError[] {
  return Buffer.byteLength(text) > longest ? [invalid(at, '', `can have at most ${longest} characters`)] : [];
}
