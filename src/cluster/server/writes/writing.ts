/** The steps between a decoded object and its transaction: defaults, strategy, validation, metadata. */
import { USERS_METADATA } from '../resource.ts';
import { append } from '../../../base/append.ts';
import { rfc3339, type Clock } from '../../../base/clock.ts';
import { TooLong } from '../../../base/too-long.ts';
import { nameSuffix, uuid, type Random } from '../../../base/random.ts';
import { fieldErrorsError, type FieldError } from '../../api/field-error.ts';
import type { DecodeOptions } from '../../api/decode.ts';
import { jsonEqual } from '../../api/json.ts';
import { recordUpdate, type ManagedWrite } from '../../api/managed-fields/managed-fields.ts';
import type { UserInfo } from '../../api/transport.ts';
import { hasEmpties, noteEmpties } from '../../api/empties.ts';
import { mayVanish } from './deletion.ts';
import { MODIFIED, badRequest, conflict, invalidObject } from '../failure.ts';
import type { Update } from '../offload/offload.ts';
import type { Json, KubeObject, OwnerReference } from '../object.ts';
import type { Change } from './registry.ts';
import { checkSentVersion } from '../cache/list-options.ts';
import { keyOf } from '../resource-table.ts';
import type { Resource } from '../resource.ts';

/** Upstream cuts a generated name's base so that base and suffix fit a label. */
const MAX_GENERATED_BASE = 58;

/** Who writes; `isApplied` where managedFields are in the object already. */
export type Authorship = ManagedWrite & { readonly isApplied?: boolean };

export interface CreateOptions {
  readonly namespace: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly author: Authorship;
  /** Absent for the server itself. */
  readonly user?: UserInfo;
  /** `draft` has been at it. */
  readonly isDraft?: boolean;
  /** Called when nobody changes the object any more. */
  readonly settle?: ((object: KubeObject) => void) | undefined;
}

export interface Drafting {
  readonly namespace: string;
  readonly author: Authorship;
  readonly gate: Pick<Gate, 'warnings' | 'pause'>;
}

/** Those who have a say between the steps; `open` lets everything through. */
export interface Gate {
  /** What the answer says beside the object. */
  readonly warnings?: string[];
  /** Nothing will be written. */
  readonly dryRun?: boolean;
  mutate(object: KubeObject, old?: KubeObject): Promise<void>;
  validate(object: KubeObject, old?: KubeObject): Promise<void>;
  /** What is wrong with an object, where that takes too long to tell here. */
  readonly elsewhere?:
    | ((resource: Resource, object: KubeObject, update?: Update) => Promise<readonly FieldError[]>)
    | undefined;
  /** Between two steps; undefined while the request has time left. */
  pause(): Promise<void> | undefined;
}

export const open: Gate = { mutate: async () => {}, validate: async () => {}, pause: () => undefined };

/** A decoded object before anybody has a say in it: with its defaults and its owners. Changes it. */
export async function draft(
  resource: Resource,
  object: KubeObject,
  { namespace, author, gate }: Drafting,
): Promise<void> {
  const sent = (object.metadata ??= {});
  for (const field of SYSTEM_FIELDS) delete sent[field];
  if (resource.namespaced) {
    if ((sent.namespace ?? '') === '') sent.namespace = namespace;
    else if (sent.namespace !== namespace) throw otherNamespace();
  } else delete sent.namespace;
  dropRepeatedOwners(object, gate, 'sent');
  await gate.pause();
  resource.type.applyDefaults(object);
  await gate.pause();
  // What admission and the strategy add belongs to nobody.
  if (author.isApplied !== true) record(resource, object, { author });
}

/** Makes a decoded object ready to be stored for the first time; changes and returns it. */
export async function prepareCreate(
  resource: Resource,
  object: KubeObject,
  options: CreateOptions & { readonly gate: Gate },
): Promise<KubeObject> {
  const { clock, random, namespace, gate } = options;
  if (options.isDraft !== true) await draft(resource, object, options);
  await gate.pause();
  await gate.mutate(object);
  dropEmpties(resource, object, { empties: 'told' });
  dropRepeatedOwners(object, gate, 'admitted');
  const { metadata } = object;
  if (resource.namespaced && metadata.namespace !== namespace) throw otherNamespace();
  if (jsonEqual(metadata.managedFields, [])) delete metadata.managedFields;
  const { name = '', generateName = '' } = metadata;
  if (name === '' && generateName !== '')
    metadata.name = generateName.slice(0, MAX_GENERATED_BASE) + nameSuffix(random);
  metadata.uid = uuid(random);
  metadata.creationTimestamp = rfc3339(clock.now());
  // Kinds that do not count theirs keep what was sent.
  if (resource.declaration.hasGeneration) metadata.generation = 1;
  resource.type.applyDefaults(object);
  const asked = { user: options.user, dryRun: gate.dryRun === true };
  const told = resource.strategy.prepareForCreate?.(object, asked) ?? [];
  warn(gate, told);
  await gate.pause();
  options.settle?.(object);
  const errors = await errorsIn(resource, object, { gate });
  // By the name that it has got, if it had none.
  if (errors.length > 0) {
    const { group } = resource.declaration.storage;
    throw invalidObject({ group, kind: resource.kind, name: metadata.name ?? '' }, errors);
  }
  await gate.pause();
  warn(gate, resource.type.warnings(object));
  await gate.validate(object);
  dropEmpties(resource, object, { empties: 'none' });
  return object;
}

/** What only checks tell from nothing belongs to nobody. */
function record(
  { type }: Resource,
  object: KubeObject,
  { old, author }: { readonly old?: KubeObject; readonly author: ManagedWrite },
): void {
  if (!hasEmpties(object)) return recordUpdate(old, object, author);
  const seen = type.decode(object, { prior: old, empties: 'owned' }).object as KubeObject;
  const metadata = { ...seen.metadata };
  recordUpdate(old, Object.assign(seen, { metadata }), author);
  if (metadata.managedFields === undefined) delete object.metadata.managedFields;
  else object.metadata.managedFields = metadata.managedFields;
}

/** Between two steps that tell an empty list from none less and less: `DecodeOptions` says how. */
function dropEmpties({ type }: Resource, object: KubeObject, how: DecodeOptions): void {
  if (!hasEmpties(object)) return;
  const { object: left } = type.decode(object, how);
  for (const key of Object.keys(object)) delete object[key];
  Object.assign(object, left);
}

/** Here, or in another thread where rules take long: nobody who was asked about the object before is asked again. */
async function errorsIn(
  resource: Resource,
  object: KubeObject,
  { gate, update }: { readonly gate: Gate; readonly update?: Update },
): Promise<readonly FieldError[]> {
  const { type } = resource;
  try {
    return update === undefined
      ? type.validateCreate(object)
      : type.validateUpdate(object, update.old, update.endpoint);
  } catch (error) {
    if (!(error instanceof TooLong) || gate.elsewhere === undefined) throw error;
    return await gate.elsewhere(resource, object, update);
  }
}

function warn({ warnings }: Pick<Gate, 'warnings'>, told: readonly string[]): void {
  if (warnings !== undefined) append(warnings, told);
}

/** Only the server says these of a new object. */
export const SYSTEM_FIELDS = [
  'uid',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'selfLink',
] as const;

const REPEATED_OWNERS: Readonly<Record<'sent' | 'admitted', string>> = {
  sent: '.metadata.ownerReferences contains duplicate entries;',
  admitted: '.metadata.ownerReferences contains duplicate entries after mutating admission happens;',
};

/** Keeps one of equal references to owners and warns. */
function dropRepeatedOwners(
  { metadata }: KubeObject,
  gate: Pick<Gate, 'warnings'>,
  when: 'sent' | 'admitted',
): void {
  const owners = metadata.ownerReferences;
  if (owners === undefined || owners.length < 2) return;
  const kept: OwnerReference[] = [];
  const repeated: string[] = [];
  for (const owner of owners) {
    if (kept.some((other) => other.uid === owner.uid && jsonEqual(other, owner)))
      repeated.push(owner.uid ?? '');
    else kept.push(owner);
  }
  if (repeated.length === 0) return;
  metadata.ownerReferences = kept;
  const advice =
    'API server dedups owner references in 1.20+, and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed:';
  gate.warnings?.push(`${REPEATED_OWNERS[when]} ${advice} ${repeated.join(', ')}`);
}

export type Endpoint = 'main' | 'status' | 'approval' | 'finalize' | Narrow;

/** Endpoints that write a part of what the user wants, and nothing else. */
export type Narrow = 'ephemeralcontainers' | 'resize';

function isNarrow(endpoint: Endpoint): endpoint is Narrow {
  return endpoint === 'ephemeralcontainers' || endpoint === 'resize';
}

export interface UpdateOptions {
  readonly old: KubeObject;
  readonly endpoint: Endpoint;
  readonly author: Authorship;
  readonly gate: Gate;
}

/**
 * Turns what a client sent for an existing object into what is to be stored. Parts of `wish` may be those of the old
 * object, which stays as it is.
 */
export async function planUpdate(
  resource: Resource,
  wish: KubeObject,
  options: UpdateOptions,
): Promise<Change> {
  const { old, endpoint, author, gate } = options;
  const name = old.metadata.name ?? '';
  const metadata = { ...wish.metadata };
  const sent: KubeObject = { ...wish, metadata };
  if (!resource.namespaced) delete metadata.namespace;
  const { uid = '' } = metadata;
  if (uid !== '' && uid !== old.metadata.uid) throw otherUid(resource, old, uid);
  const version = metadata.resourceVersion ?? '';
  await gate.pause();
  const owners = metadata.managedFields;
  const isMain = endpoint === 'main' || endpoint === 'finalize';
  const isWish = isMain || isNarrow(endpoint);
  const object = isWish ? sent : statusUpdate(resource, sent, old);
  if (isWish) keepServerFields(resource, object, old);
  else if (hasEmpties(wish)) noteEmpties(object);
  dropRepeatedOwners(object, gate, 'sent');
  resource.type.applyDefaults(object, old);
  if (owners === undefined) delete object.metadata.managedFields;
  else object.metadata.managedFields = owners;
  await gate.pause();
  // What admission and the strategy change belongs to nobody.
  if (author.isApplied !== true) record(resource, object, { old, author });
  await gate.pause();
  await gate.mutate(object, old);
  dropEmpties(resource, object, { prior: old, empties: 'told' });
  dropRepeatedOwners(object, gate, 'admitted');
  if (version !== '' && version !== '0' && version !== old.metadata.resourceVersion) {
    checkSentVersion(version);
    throw conflict(resource, name, MODIFIED);
  }
  const recorded = object.metadata.managedFields;
  if (isNarrow(endpoint)) narrow(resource, object, { old, endpoint });
  if (isMain || isNarrow(endpoint)) {
    finishMain(resource, object, {
      old,
      dryRun: gate.dryRun === true,
      finalizes: endpoint === 'finalize',
    });
  } else {
    resource.strategy.prepareForStatus?.(object, old, { endpoint, now: author.now });
  }
  if (recorded === undefined) delete object.metadata.managedFields;
  else object.metadata.managedFields = recorded;
  if (old.metadata.resourceVersion !== undefined)
    object.metadata.resourceVersion = old.metadata.resourceVersion;
  const update = { old, endpoint: endpoint === 'finalize' ? 'main' : endpoint };
  const errors = await errorsIn(resource, object, { gate, update });
  if (errors.length > 0) throw fieldErrorsError(errors);
  await gate.pause();
  if (endpoint === 'main') warn(gate, resource.type.warnings(object, old));
  await gate.validate(object, old);
  dropEmpties(resource, object, { prior: old, empties: 'none' });
  return mayVanish(resource, object) ? { type: 'delete', last: object } : { type: 'put', object };
}

/** The status endpoint writes the status, and of the metadata what the strategy leaves to it. */
function statusUpdate({ strategy }: Resource, sent: KubeObject, old: KubeObject): KubeObject {
  const { status: _status, ...rest } = old;
  const metadata = { ...old.metadata };
  for (const field of USERS_METADATA) {
    if (strategy.fixedInStatus?.includes(field) === true) continue;
    const value = sent.metadata[field];
    if (value === undefined) delete metadata[field];
    else metadata[field] = value;
  }
  return { ...rest, metadata, ...(sent.status !== undefined && { status: sent.status }) };
}

/** Of the metadata nothing changes, of the rest what the strategy says that the endpoint writes. */
function narrow(
  { strategy }: Resource,
  object: KubeObject,
  { old, endpoint }: { readonly old: KubeObject; readonly endpoint: Narrow },
): void {
  object.metadata = { ...old.metadata };
  const spec = strategy.specAt?.(endpoint, object, old);
  if (spec !== undefined) object.spec = spec;
}

/** What clients cannot change: the system's part of the metadata, and the status on the main endpoint. */
function keepServerFields({ declaration }: Resource, object: KubeObject, old: KubeObject): void {
  const { uid, creationTimestamp, deletionTimestamp, deletionGracePeriodSeconds, generation } = old.metadata;
  const { metadata } = object;
  delete metadata['selfLink'];
  for (const [field, value] of Object.entries({ uid, creationTimestamp, generation })) {
    if (value === undefined) delete metadata[field];
    else metadata[field] = value;
  }
  // Nobody makes an object a deleted one by writing it: validation refuses what is left of these.
  if (deletionTimestamp !== undefined) metadata.deletionTimestamp = deletionTimestamp;
  if (deletionGracePeriodSeconds !== undefined)
    metadata.deletionGracePeriodSeconds ??= deletionGracePeriodSeconds;
  if (!declaration.hasStatus) return;
  if (old.status === undefined) delete object.status;
  else object.status = old.status;
}

/** After admission, which is somebody's program: the same again, and what follows from the change. */
function finishMain(
  resource: Resource,
  object: KubeObject,
  { old, ...asked }: { readonly old: KubeObject; readonly dryRun: boolean; readonly finalizes: boolean },
): void {
  const { declaration, strategy, type } = resource;
  keepServerFields(resource, object, old);
  type.applyDefaults(object, old);
  strategy.prepareForUpdate?.(object, old, asked);
  if (declaration.hasGeneration && !jsonEqual(desired(object), desired(old))) {
    object.metadata.generation = (old.metadata.generation ?? 0) + 1;
  }
}

/** What a user wants, as opposed to what is: everything outside metadata and status. */
function desired(object: KubeObject): Json {
  const { metadata: _metadata, status: _status, ...rest } = object;
  return rest;
}

export function otherUid(resource: Resource, object: KubeObject, uid: string): Error {
  return otherThan(resource, object, ['UID', uid, object.metadata.uid]);
}

/** Who writes has said which state it is to be, and it is another one. */
export function otherVersion(resource: Resource, object: KubeObject, version: string): Error {
  return otherThan(resource, object, ['ResourceVersion', version, object.metadata.resourceVersion]);
}

function otherThan(
  resource: Resource,
  { metadata }: KubeObject,
  [what, wanted, is = '']: readonly [string, string, string | undefined],
): Error {
  const { name = '', namespace = '' } = metadata;
  const why = `Precondition failed: ${what} in precondition: ${wanted}, ${what} in object meta: ${is}`;
  // Upstream's storage refuses it, and says where in the storage that was: below its prefix, if it is there.
  const key = keyOf(resource, namespace, name).slice(metadata.uid === undefined ? 0 : '/registry'.length);
  const place = `StorageError: invalid object, Code: 4, Key: ${key}, ResourceVersion: 0, AdditionalErrorMsg:`;
  return conflict(resource, name, `${place} ${why}`);
}

export function otherNamespace(): Error {
  return badRequest('the namespace of the provided object does not match the namespace sent on the request');
}
