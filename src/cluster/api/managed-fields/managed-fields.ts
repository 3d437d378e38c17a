/**
 * metadata.managedFields: the owners of an object's fields, read from it, changed by a write, and written back.
 *
 * A manager is known by its name, operation and subresource, and when it updates also by the API version; appliers are
 * one manager whatever version they apply. Times change only for the manager that has changed something.
 */
import { isPlatformError, PlatformError } from '../../../base/errors.ts';
import {
  getOwn,
  getPath,
  isJsonObject,
  jsonCopy,
  objectsAt,
  stringAt,
  type JsonObject,
  type JsonValue,
} from '../json.ts';
import { FieldSet, FieldSetBuilder, fieldStep, pathText } from './field-set.ts';
import { ownByApply, ownByUpdate, type Conflict, type Owned, type Owners } from './ownership.ts';
import { checkUnique, compare, toFieldSet } from './typed-value.ts';
import type { ValueSchema } from './value-schema.ts';

/** How many updaters an object remembers; the oldest are counted together as `ancient-changes`. */
const MAX_UPDATERS = 10;
const ANCIENT = 'ancient-changes';
/** Whoever wrote before anybody applied, when nobody kept track. */
const BEFORE_FIRST_APPLY = 'before-first-apply';
const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';
const MAX_MANAGER_LENGTH = 128;

/** What the server itself sets or what names the object belongs to nobody. */
const UNOWNED = setOf([
  ['apiVersion'],
  ['kind'],
  ...[
    'name',
    'namespace',
    'creationTimestamp',
    'selfLink',
    'uid',
    'generation',
    'managedFields',
    'resourceVersion',
  ].map((name) => ['metadata', name]),
]);

function setOf(paths: readonly (readonly string[])[]): FieldSet {
  const builder = new FieldSetBuilder();
  for (const path of paths) builder.add(path.map(fieldStep));
  return builder.build();
}

export interface ManagedWrite {
  readonly schema: ValueSchema;
  /** `apps/v1` */
  readonly apiVersion: string;
  readonly manager: string;
  /** Empty for the main endpoint. */
  readonly subresource: string;
  /** Top-level fields that this endpoint does not write: `status`, or everything else. */
  readonly resets: readonly (readonly string[])[];
  /** RFC 3339 */
  readonly now: string;
}

interface Entry {
  readonly manager: string;
  readonly operation: 'Apply' | 'Update';
  readonly apiVersion: string;
  readonly subresource: string;
  readonly time: string;
  readonly fields: FieldSet;
}

type Entries = ReadonlyMap<string, Entry>;

const identity = ({ manager, operation, subresource, apiVersion }: Omit<Entry, 'time' | 'fields'>): string =>
  JSON.stringify([operation, manager, subresource, operation === 'Apply' ? '' : apiVersion]);

/** Throws `invalid` when what is there is not a list of managers. */
function readEntries(object: JsonObject): Entries {
  const entries = new Map<string, Entry>();
  for (const item of objectsAt(object, 'metadata', 'managedFields')) {
    const operation = stringAt(item, 'operation');
    if (operation !== 'Apply' && operation !== 'Update') {
      throw new PlatformError('invalid', `metadata.managedFields: operation must be Apply or Update`);
    }
    const entry: Entry = {
      manager: stringAt(item, 'manager'),
      operation,
      apiVersion: stringAt(item, 'apiVersion'),
      subresource: stringAt(item, 'subresource'),
      time: stringAt(item, 'time'),
      fields: FieldSet.fromJson(item['fieldsV1']),
    };
    entries.set(identity(entry), entry);
  }
  return entries;
}

/** What a client says about owners in an update: nothing (keep them), or that they be forgotten. */
function sentEntries(sent: JsonObject, live: Entries): Entries {
  const list = getPath(sent, 'metadata', 'managedFields');
  if (!Array.isArray(list) || list.length === 0) return live;
  if (list.length === 1 && isJsonObject(list[0]) && Object.keys(list[0]).length === 0) return new Map();
  try {
    return readEntries(sent);
  } catch {
    return live;
  }
}

function writeEntries(object: JsonObject, entries: Entries): void {
  const metadata = getOwn(object, 'metadata');
  if (!isJsonObject(metadata)) return;
  if (entries.size === 0) {
    delete metadata['managedFields'];
    return;
  }
  const order = (a: Entry, b: Entry): number =>
    compareText(a.operation, b.operation) ||
    compareText(a.time, b.time) ||
    compareText(a.manager, b.manager) ||
    compareText(a.apiVersion, b.apiVersion) ||
    compareText(a.subresource, b.subresource);
  metadata['managedFields'] = [...entries.values()].toSorted(order).map((entry) => ({
    manager: entry.manager,
    operation: entry.operation,
    apiVersion: entry.apiVersion,
    ...(entry.time !== '' && { time: entry.time }),
    fieldsType: 'FieldsV1',
    fieldsV1: entry.fields.toJson(),
    ...(entry.subresource !== '' && { subresource: entry.subresource }),
  }));
}

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function ownersOf(entries: Entries): Owners {
  return new Map(
    [...entries].map(([key, { fields, apiVersion, operation }]): [string, Owned] => [
      key,
      { fields, apiVersion, applied: operation === 'Apply' },
    ]),
  );
}

/** The entries for these owners; the acting one's time is now when its fields or the object changed. */
function entriesOf(owners: Owners, before: Entries, acting: Entry): Map<string, Entry> {
  const entries = new Map<string, Entry>();
  for (const [key, owned] of owners) {
    const old = before.get(key) ?? acting;
    entries.set(key, { ...old, fields: owned.fields, apiVersion: owned.apiVersion });
  }
  return entries;
}

/**
 * After any write but apply: `object` gets its new managedFields, or none where nobody can say who owns what. `live` is
 * absent for a creation.
 */
export function recordUpdate(live: JsonObject | undefined, object: JsonObject, write: ManagedWrite): void {
  try {
    record(live, object, write);
  } catch (error) {
    if (!isPlatformError(error, 'invalid')) throw error;
    writeEntries(object, new Map());
  }
}

function record(live: JsonObject | undefined, object: JsonObject, write: ManagedWrite): void {
  const before = live === undefined ? new Map<string, Entry>() : readEntries(live);
  const known = live === undefined ? before : sentEntries(object, before);
  // What nobody owned is not tracked from now on: KEP-555.
  if (live !== undefined && known.size === 0) return writeEntries(object, known);
  const acting: Entry = { ...entryOf(write, 'Update'), fields: FieldSet.empty };
  const key = identity(acting);
  const { owners, changed } = ownByUpdate(live ?? {}, object, {
    schema: write.schema,
    manager: key,
    apiVersion: write.apiVersion,
    ignored: ignoredBy(write),
    owners: ownersOf(known),
  });
  const entries = entriesOf(owners, known, acting);
  const mine = entries.get(key);
  if (mine !== undefined && changed) entries.set(key, { ...mine, time: write.now });
  writeEntries(object, capped(entries));
}

export interface ApplyOptions extends ManagedWrite {
  readonly force: boolean;
}

/**
 * The live object (`{}` to make one) with the configuration applied, managedFields included. Throws `conflict` with
 * `details.conflicts`, which `applyConflict` words.
 */
export function applyConfiguration(
  live: JsonObject,
  configuration: JsonObject,
  options: ApplyOptions,
): JsonObject {
  const { schema, apiVersion } = options;
  if (getPath(configuration, 'metadata', 'managedFields') !== undefined) {
    throw new PlatformError('invalid', 'metadata.managedFields must be nil');
  }
  checkUnique(configuration, schema);
  let before = readEntries(live);
  const acting: Entry = { ...entryOf(options, 'Apply'), fields: FieldSet.empty };
  const key = identity(acting);
  const ignored = ignoredBy(options);
  if (before.size === 0 && Object.keys(live).length > 0) before = untracked(live, options);
  const apply = (force: boolean): ReturnType<typeof ownByApply> =>
    ownByApply(live, configuration, {
      schema,
      manager: key,
      apiVersion,
      ignored,
      owners: ownersOf(before),
      force,
    });
  let result = apply(options.force);
  if ('conflicts' in result && mayTakeOver(live, result.conflicts, options)) result = apply(true);
  if ('conflicts' in result) throw conflictError(result.conflicts, before);
  const object = jsonCopy(result.object) as JsonObject;
  const entries = entriesOf(result.owners, before, acting);
  const mine = entries.get(key);
  const unchanged = mine !== undefined && before.get(key)?.fields.equals(mine.fields) === true;
  if (mine !== undefined && !(unchanged && sameWithoutOwners(live, object))) {
    entries.set(key, { ...mine, time: options.now });
  }
  writeEntries(object, entries);
  return object;
}

function entryOf(write: ManagedWrite, operation: 'Apply' | 'Update'): Omit<Entry, 'fields'> {
  const { manager, apiVersion, subresource, now } = write;
  return { manager, operation, apiVersion, subresource, time: now };
}

/** Everything that is there belongs to one manager of the time before. */
function untracked(live: JsonObject, write: ManagedWrite): Entries {
  const { added, modified } = compare({}, live, write.schema);
  const fields = added.union(modified).withoutTrees(ignoredBy({ ...write, resets: [] }));
  if (fields.isEmpty) return new Map();
  const entry: Entry = {
    ...entryOf({ ...write, manager: BEFORE_FIRST_APPLY, subresource: '' }, 'Update'),
    fields,
  };
  return new Map([[identity(entry), entry]]);
}

/**
 * `kubectl apply --server-side` of what `kubectl apply` made: what the last-applied annotation still describes is
 * kubectl's own, so it is no conflict.
 */
function mayTakeOver(live: JsonObject, conflicts: readonly Conflict[], options: ApplyOptions): boolean {
  if (options.manager !== 'kubectl') return false;
  const text = stringAt(live, 'metadata', 'annotations', LAST_APPLIED);
  if (text === '') return false;
  let last: JsonValue;
  try {
    last = JSON.parse(text) as JsonValue;
  } catch {
    return false;
  }
  if (!isJsonObject(last) || last['apiVersion'] !== options.apiVersion) return false;
  const described = toFieldSet(last, options.schema);
  return conflicts.every(({ fields }) => fields.difference(described).isEmpty);
}

function conflictError(conflicts: readonly Conflict[], entries: Entries): PlatformError {
  const causes = conflicts.flatMap(({ manager, fields }) => {
    const entry = entries.get(manager);
    const who = entry === undefined ? manager : describe(entry);
    return [...fields.paths()].map((path) => ({ who, field: pathText(path) }));
  });
  const byWho = Map.groupBy(causes, ({ who }) => who);
  const texts = [...byWho].map(([who, list]) =>
    list.length === 1
      ? `conflict with ${who}: ${list[0]!.field}`
      : `conflicts with ${who}:\n${list.map(({ field }) => `- ${field}`).join('\n')}`,
  );
  const head =
    causes.length === 1 ? 'Apply failed with 1 conflict' : `Apply failed with ${causes.length} conflicts`;
  return new PlatformError('conflict', `${head}: ${texts.toSorted().join('\n')}`, {
    details: {
      conflicts: causes.map(({ who, field }) => ({
        reason: 'FieldManagerConflict',
        message: `conflict with ${who}`,
        field,
      })),
    },
  });
}

function describe({ manager, subresource, operation, apiVersion }: Entry): string {
  const on = subresource === '' ? '' : ` with subresource ${JSON.stringify(subresource)}`;
  return `${JSON.stringify(manager)}${on}${operation === 'Apply' ? '' : ` using ${apiVersion}`}`;
}

function ignoredBy({ resets }: ManagedWrite): FieldSet {
  return resets.length === 0 ? UNOWNED : UNOWNED.union(setOf(resets));
}

function sameWithoutOwners(a: JsonObject, b: JsonObject): boolean {
  const strip = (object: JsonObject): string => {
    const metadata = getOwn(object, 'metadata');
    const { managedFields: _owners, ...rest } = isJsonObject(metadata) ? metadata : {};
    return JSON.stringify({ ...object, metadata: rest });
  };
  return strip(a) === strip(b);
}

/** Joins the oldest updaters of the main endpoint when there are too many. */
function capped(entries: Map<string, Entry>): Entries {
  const updaters = [...entries].filter(([, { operation }]) => operation === 'Update');
  if (updaters.length <= MAX_UPDATERS) return entries;
  const oldest = updaters.toSorted(([, a], [, b]) => compareText(a.time, b.time));
  const joined = new Map(entries);
  for (const [key, entry] of oldest.slice(0, updaters.length - MAX_UPDATERS + 1)) {
    joined.delete(key);
    const ancient: Entry = { ...entry, manager: ANCIENT };
    const present = joined.get(identity(ancient));
    joined.set(identity(ancient), {
      ...ancient,
      fields: present === undefined ? entry.fields : present.fields.union(entry.fields),
    });
  }
  return joined;
}

/** The manager's name: what the request says, else the program's part of the user agent. */
export function managerName(fieldManager: string | null, userAgent: string | undefined): string {
  if (fieldManager !== null && fieldManager !== '') {
    if (fieldManager.length > MAX_MANAGER_LENGTH || !/^[\x20-\x7e\u00a0-\uffff]*$/u.test(fieldManager)) {
      throw new PlatformError(
        'invalid',
        `fieldManager: Invalid value: ${JSON.stringify(fieldManager)}: may not be more than ${MAX_MANAGER_LENGTH} bytes of printable characters`,
      );
    }
    return fieldManager;
  }
  return (userAgent ?? '').split('/', 1)[0]!.slice(0, MAX_MANAGER_LENGTH) || 'unknown';
}
