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
  jsonEqual,
  stringAt,
  type JsonObject,
  type JsonValue,
} from '../json.ts';
import { parseApiVersion } from '../schema.ts';
import { FieldSet, FieldSetBuilder, fieldStep, pathText } from './field-set.ts';
import { ownByApply, ownByUpdate, type Conflict, type Owned, type Owners } from './ownership.ts';
import { typeProblems } from './type-problems.ts';
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

/** What belongs to nobody at an endpoint that does not write these fields. */
export function unownedWith(resets: readonly (readonly string[])[]): FieldSet {
  return UNOWNED.union(setOf(resets));
}

export interface ManagedWrite {
  readonly schema: ValueSchema;
  /** `apps/v1` */
  readonly apiVersion: string;
  readonly manager: string;
  /** Empty for the main endpoint. */
  readonly subresource: string;
  /** What nobody owns, as `unownedWith` makes it: `status` at the main endpoint, everything else at the other. */
  readonly ignored: FieldSet;
  /** RFC 3339 */
  readonly now: string;
}

export interface Entry extends Owned {
  readonly manager: string;
  readonly subresource: string;
  readonly time: string;
  /** As it is in the object's list, where it was read from the live one and has not changed since. */
  readonly item?: JsonObject;
}

type Entries = Owners<Entry>;

const NO_ENTRIES: Entries = new Map();

/** The lengths keep apart what a manager's name could run together. */
function identity({ manager, applied, subresource, apiVersion }: Omit<Entry, 'time' | 'fields'>): string {
  const who = `${manager.length} ${manager} ${subresource.length} ${subresource}`;
  return applied ? `Apply ${who}` : `Update ${who} ${apiVersion}`;
}

/** Throws `invalid` when what is there is not a list of managers. */
export function readEntries(list: JsonValue | undefined): Entries {
  if (!Array.isArray(list)) return NO_ENTRIES;
  const entries = new Map<string, Entry>();
  for (const item of list) {
    if (!isJsonObject(item)) continue;
    const operation = stringAt(item, 'operation');
    if (operation !== 'Apply' && operation !== 'Update') {
      throw new PlatformError('invalid', `metadata.managedFields: operation must be Apply or Update`);
    }
    if (stringAt(item, 'apiVersion') === '' || stringAt(item, 'fieldsType') !== 'FieldsV1') {
      throw new PlatformError(
        'invalid',
        `metadata.managedFields: needs apiVersion, and FieldsV1 as fieldsType`,
      );
    }
    const entry: Entry = {
      fields: FieldSet.fromJson(item['fieldsV1']),
      apiVersion: stringAt(item, 'apiVersion'),
      applied: operation === 'Apply',
      manager: stringAt(item, 'manager'),
      subresource: stringAt(item, 'subresource'),
      time: stringAt(item, 'time'),
      item,
    };
    entries.set(identity(entry), entry);
  }
  return entries;
}

/** Without those of another group: upstream cannot bring the object to their version, as with events, which two groups have. */
function reachable(entries: Entries, { apiVersion }: ManagedWrite): Entries {
  const { group } = parseApiVersion(apiVersion);
  const isReachable = (entry: Entry): boolean => parseApiVersion(entry.apiVersion).group === group;
  const all = [...entries];
  return all.every(([, entry]) => isReachable(entry))
    ? entries
    : new Map(all.filter(([, entry]) => isReachable(entry)));
}

const listOf = (object: JsonObject): JsonValue | undefined =>
  getPath(object, 'metadata', 'managedFields') ?? undefined;

/** What a client says about owners: nothing that could be read (keep them), who they are, or that they be forgotten. */
function sentEntries(list: JsonValue | undefined, live: JsonValue | undefined, known: Entries): Entries {
  if (!Array.isArray(list) || jsonEqual(list, live)) return known;
  if (list.length === 0) return NO_ENTRIES;
  if (list.length === 1 && isJsonObject(list[0]) && Object.keys(list[0]).length === 0) return NO_ENTRIES;
  try {
    // What a client has written is written anew, in our order.
    const sent = new Map<string, Entry>();
    for (const [key, { item: _item, ...entry }] of readEntries(list)) sent.set(key, entry);
    return sent;
  } catch {
    return known;
  }
}

function writeEntries(object: JsonObject, entries: Entries): void {
  const metadata = getOwn(object, 'metadata');
  if (!isJsonObject(metadata)) return;
  if (entries.size === 0) delete metadata['managedFields'];
  else metadata['managedFields'] = listOfEntries([...entries.values()]);
}

export function listOfEntries(entries: readonly Entry[]): JsonObject[] {
  return entries.toSorted(inOrder).map((entry) => entry.item ?? itemOf(entry));
}

/** Appliers first, then by time. */
function inOrder(a: Entry, b: Entry): number {
  return (
    Number(b.applied) - Number(a.applied) ||
    compareText(a.time, b.time) ||
    compareText(a.manager, b.manager) ||
    compareText(a.apiVersion, b.apiVersion) ||
    compareText(a.subresource, b.subresource)
  );
}

function itemOf({ manager, applied, apiVersion, time, fields, subresource }: Entry): JsonObject {
  const item: JsonObject = { manager, operation: applied ? 'Apply' : 'Update', apiVersion };
  if (time !== '') item['time'] = time;
  item['fieldsType'] = 'FieldsV1';
  item['fieldsV1'] = fields.toJson();
  if (subresource !== '') item['subresource'] = subresource;
  return item;
}

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** The entries for these owners. */
function entriesOf(owners: Owners, before: Entries, acting: Entry): Map<string, Entry> {
  const entries = new Map<string, Entry>();
  for (const [key, owned] of owners) {
    const old = before.get(key);
    entries.set(
      key,
      owned === old ? old : changed(old ?? acting, { fields: owned.fields, apiVersion: owned.apiVersion }),
    );
  }
  return entries;
}

export function changed({ item: _item, ...entry }: Entry, change: Partial<Entry>): Entry {
  return { ...entry, ...change };
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
    writeEntries(object, NO_ENTRIES);
  }
}

function record(live: JsonObject | undefined, object: JsonObject, write: ManagedWrite): void {
  const acting = entryOf(write, false);
  const list = live === undefined ? undefined : listOf(live);
  const before = readEntries(list);
  const known = write.subresource === '' ? sentEntries(listOf(object), list, before) : before;
  if (known.size === 0) {
    // What nobody owned is not tracked from now on: KEP-555.
    if (live !== undefined) return writeEntries(object, known);
    const { touched } = compare({}, object, write);
    return writeEntries(
      object,
      touched.isEmpty ? NO_ENTRIES : new Map([['', { ...acting, fields: touched }]]),
    );
  }
  const key = identity(acting);
  const result = ownByUpdate(live ?? {}, object, {
    schema: write.schema,
    manager: key,
    apiVersion: write.apiVersion,
    ignored: write.ignored,
    owners: reachable(known, write),
  });
  const entries = entriesOf(result.owners, known, acting);
  const mine = entries.get(key);
  if (mine !== undefined && result.changed && mine.time !== write.now)
    entries.set(key, changed(mine, { time: write.now }));
  writeEntries(object, capped(entries));
}

export interface ApplyOptions extends ManagedWrite {
  readonly force: boolean;
}

/**
 * The live object (`{}` to make one) with the configuration applied, managedFields included; it may share parts with
 * both. Throws `conflict` with `details.conflicts`, which `applyConflict` words.
 */
export function applyConfiguration(
  live: JsonObject,
  configuration: JsonObject,
  options: ApplyOptions,
): JsonObject {
  const { schema, apiVersion, ignored } = options;
  if (listOf(configuration) !== undefined) {
    throw new PlatformError('invalid', 'metadata.managedFields must be nil');
  }
  checkUnique(configuration, schema);
  let before = readEntries(listOf(live));
  const acting = entryOf(options, true);
  const key = identity(acting);
  if (before.size === 0 && Object.keys(live).length > 0) before = untracked(live, options);
  before = reachable(before, options);
  const apply = (force: boolean): ReturnType<typeof ownByApply> =>
    ownByApply(live, configuration, {
      schema,
      manager: key,
      apiVersion,
      ignored,
      owners: before,
      force,
    });
  let result = apply(options.force);
  if ('conflicts' in result) {
    const conflicts = withoutOwn(result.conflicts, kubectlsOwn(live, options));
    if (conflicts.length === 0) result = apply(true);
    if ('conflicts' in result) throw conflictError(conflicts, before);
  }
  const object = { ...(result.object as JsonObject) };
  if (isJsonObject(object['metadata'])) object['metadata'] = { ...object['metadata'] };
  // Who only joins the owners of what is there has written at no time.
  const entries = entriesOf(result.owners, before, { ...acting, time: '' });
  const mine = entries.get(key);
  if (mine !== undefined && !sameWithoutOwners(live, object)) {
    entries.set(key, changed(mine, { time: options.now }));
  }
  writeEntries(object, entries);
  return object;
}

function entryOf({ manager, apiVersion, subresource, now }: ManagedWrite, applied: boolean): Entry {
  return { fields: FieldSet.empty, apiVersion, applied, manager, subresource, time: now };
}

/** What an endpoint writes of what is there belongs to one manager of the time before. */
function untracked(live: JsonObject, write: ManagedWrite): Entries {
  const { touched } = compare({}, live, write);
  if (touched.isEmpty) return NO_ENTRIES;
  const entry: Entry = { ...entryOf({ ...write, manager: BEFORE_FIRST_APPLY }, false), fields: touched };
  return new Map([[identity(entry), entry]]);
}

/**
 * `kubectl apply --server-side` of what `kubectl apply` made: what the last-applied annotation has as it still is there is
 * kubectl's own, so it is no conflict.
 */
function kubectlsOwn(live: JsonObject, { manager, apiVersion, schema }: ApplyOptions): FieldSet {
  if (manager !== 'kubectl') return FieldSet.empty;
  const text = stringAt(live, 'metadata', 'annotations', LAST_APPLIED);
  if (text === '') return FieldSet.empty;
  try {
    const last = JSON.parse(text) as JsonValue;
    if (!isJsonObject(last) || last['apiVersion'] !== apiVersion) return FieldSet.empty;
    if (typeProblems(last, schema).length > 0) return FieldSet.empty;
    checkUnique(last, schema);
    const { touched, removed } = compare(last, live, { schema, ignored: FieldSet.empty });
    return toFieldSet(last, schema).difference(touched).difference(removed);
  } catch (error) {
    if (error instanceof SyntaxError || isPlatformError(error, 'invalid')) return FieldSet.empty;
    throw error;
  }
}

function withoutOwn(conflicts: readonly Conflict[], own: FieldSet): readonly Conflict[] {
  return conflicts
    .map(({ manager, fields }) => ({ manager, fields: fields.difference(own) }))
    .filter(({ fields }) => !fields.isEmpty);
}

function conflictError(conflicts: readonly Conflict[], entries: Entries): PlatformError {
  const causes = conflicts.flatMap(({ manager, fields }) => {
    const entry = entries.get(manager);
    const who = entry === undefined ? manager : describe(entry);
    return [...fields.paths()].map((path) => ({ who, field: pathText(path) }));
  });
  const byWho = Map.groupBy(causes, ({ who }) => who);
  const texts = [...byWho].map(([who, list]) =>
    causes.length === 1
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

function describe({ manager, subresource, applied, apiVersion }: Entry): string {
  const on = subresource === '' ? '' : ` with subresource ${JSON.stringify(subresource)}`;
  return `${JSON.stringify(manager)}${on}${applied ? '' : ` using ${apiVersion}`}`;
}

function sameWithoutOwners(a: JsonObject, b: JsonObject): boolean {
  const strip = (object: JsonObject): JsonObject => {
    const metadata = getOwn(object, 'metadata');
    const { managedFields: _owners, ...rest } = isJsonObject(metadata) ? metadata : {};
    return { ...object, metadata: rest };
  };
  return jsonEqual(strip(a), strip(b));
}

/** Joins the oldest updaters of the main endpoint when there are too many. */
function capped(entries: Map<string, Entry>): Entries {
  if (entries.size <= MAX_UPDATERS) return entries;
  const updaters = [...entries].filter(([, { applied }]) => !applied);
  if (updaters.length <= MAX_UPDATERS) return entries;
  const oldest = updaters.toSorted(([, a], [, b]) => compareText(a.time, b.time));
  const joined = new Map(entries);
  for (const [key, entry] of oldest.slice(0, updaters.length - MAX_UPDATERS + 1)) {
    joined.delete(key);
    const ancient = changed(entry, { manager: ANCIENT });
    const present = joined.get(identity(ancient));
    const fields = present === undefined ? entry.fields : present.fields.union(entry.fields);
    joined.set(identity(ancient), { ...ancient, fields });
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
