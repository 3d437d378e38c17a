/**
 * Values seen through their schema: which paths they have, how two differ, how one is laid over another, and what is
 * left when paths are taken away. Lists with keys are looked at by key; whatever is atomic is one path.
 */
import { PlatformError } from '../../../base/errors.ts';
import { getOwn, isJsonObject, jsonEqual, setOwn, type JsonObject, type JsonValue } from '../json.ts';
import { FieldSet, fieldStep, keyStep, pathText, valueStep } from './field-set.ts';
import { RecentTexts } from './recent-texts.ts';
import { UNTYPED, type ValueSchema } from './value-schema.ts';

type Path = readonly string[];

/** How a value is walked. What does not have the schema's shape is one path, and so is what is atomic. */
type Shape = 'leaf' | 'object' | 'items';

function shapeOf(value: JsonValue, schema: ValueSchema): Shape {
  switch (schema.type) {
    case 'scalar':
      return 'leaf';
    case 'untyped':
      return value === null || isJsonObject(value) ? 'object' : 'leaf';
    case 'list':
      // Null is Go's nil map or slice.
      if (value === null) return schema.listType === 'atomic' ? 'leaf' : 'items';
      return Array.isArray(value) && schema.listType !== 'atomic' ? 'items' : 'leaf';
    default:
      return !schema.atomic && (value === null || isJsonObject(value)) ? 'object' : 'leaf';
  }
}

const NO_ZEROS: ReadonlyMap<string, JsonValue> = new Map();
const NO_MEMBERS: JsonObject = {};

const membersOf = (value: JsonValue): JsonObject => (value as JsonObject | null) ?? NO_MEMBERS;
const itemsOf = (value: JsonValue): readonly JsonValue[] => (value as JsonValue[] | null) ?? [];

const zerosOf = (schema: ValueSchema): ReadonlyMap<string, JsonValue> =>
  schema.type === 'struct' ? schema.zeros : NO_ZEROS;

/** The schema of an object's member, or of each of a list's items. */
function below(schema: ValueSchema, name = ''): ValueSchema {
  if (schema.type === 'struct') return schema.field(name) ?? UNTYPED;
  return schema.type === 'map' || schema.type === 'list' ? schema.element() : UNTYPED;
}

/** Throws `invalid` for an item of which nobody can say which one it is. */
export function itemStep(item: JsonValue, schema: ValueSchema): string {
  if (schema.type !== 'list' || schema.listType !== 'map') {
    if (isJsonObject(item)) throw notAnItem("associative list without keys has an element that's a map type");
    if (Array.isArray(item)) throw notAnItem('not supported: associative list with lists as elements');
    if (item === null)
      throw notAnItem("associative list without keys has an element that's an explicit null");
    return valueStep(item);
  }
  if (item === null) throw notAnItem('associative list with keys may not have a null element');
  if (!isJsonObject(item)) throw notAnItem('associative list with keys may not have non-map elements');
  const keys: JsonObject = {};
  for (const key of schema.keys) {
    const value = getOwn(item, key);
    const counted = value === undefined ? schema.keyDefault(key) : value;
    if (counted !== undefined) keys[key] = counted;
  }
  if (Object.keys(keys).length === 0)
    throw notAnItem(
      `associative list with keys has an element that omits all key fields ${JSON.stringify(schema.keys)} (and doesn't have default values for any key fields)`,
    );
  return keyStep(keys);
}

const notAnItem = (why: string): PlatformError => new PlatformError('invalid', why);

/** Throws `invalid` when a list has two items with the same key: then nobody can say who owns which. */
export function checkUnique(value: JsonValue | undefined, schema: ValueSchema, path: Path = []): void {
  if (value === undefined) return;
  const shape = shapeOf(value, schema);
  if (shape === 'object') {
    const object = membersOf(value);
    for (const name of Object.keys(object)) {
      checkUnique(object[name], below(schema, name), [...path, fieldStep(name)]);
    }
  } else if (shape === 'items') {
    const seen = new Set<string>();
    for (const item of itemsOf(value)) {
      const step = itemStep(item, schema);
      if (seen.has(step)) {
        throw new PlatformError(
          'invalid',
          `${pathText(path)}: duplicate entries for key ${pathText([step])}`,
        );
      }
      seen.add(step);
      checkUnique(item, below(schema), [...path, step]);
    }
  }
}

/** Every path that the value sets. */
export function toFieldSet(value: JsonValue, schema: ValueSchema): FieldSet {
  const shape = shapeOf(value, schema);
  if (shape === 'leaf') return FieldSet.leaf;
  const children = new Map<string, FieldSet>();
  if (shape === 'object') {
    const object = membersOf(value);
    for (const name of Object.keys(object)) {
      const child = object[name];
      if (child === undefined) continue;
      const set = toFieldSet(child, below(schema, name));
      // Keys of a map are there or not by themselves; a field of a struct is only when something is in it.
      const isField = schema.type === 'struct' && schema.field(name) !== undefined;
      const whole = isField && child !== null && !isEmptyObject(child) ? set : asMember(set);
      if (!whole.isEmpty) children.set(fieldStep(name), whole);
    }
  } else {
    for (const item of itemsOf(value)) {
      const step = itemStep(item, schema);
      const set = asMember(toFieldSet(item, below(schema)));
      children.set(step, children.get(step)?.union(set) ?? set);
    }
  }
  return FieldSet.of(false, children);
}

const asMember = (set: FieldSet): FieldSet => (set.member ? set : FieldSet.of(true, set.children));

const isEmptyObject = (value: JsonValue): boolean => isJsonObject(value) && Object.keys(value).length === 0;

const isEmpty = (value: JsonValue): boolean =>
  Array.isArray(value) ? value.length === 0 : isEmptyObject(value);

export interface Comparison {
  /** Of other value, or new. */
  readonly touched: FieldSet;
  readonly removed: FieldSet;
}

const SAME: Comparison = { touched: FieldSet.empty, removed: FieldSet.empty };
const OTHER_VALUE: Comparison = { touched: FieldSet.leaf, removed: FieldSet.empty };

function comparison(touched: FieldSet, removed: FieldSet): Comparison {
  return touched.isEmpty && removed.isEmpty ? SAME : { touched, removed };
}

/** What changed from one object to another, but for what nobody asks about. */
export function compare(
  before: JsonObject,
  after: JsonObject,
  how: { readonly schema: ValueSchema; readonly ignored: FieldSet },
): Comparison {
  const { schema, ignored } = how;
  if (shapeOf(after, schema) !== 'object') return withoutTrees(compareAt(before, after, schema), ignored);
  const zeros = zerosOf(schema);
  const changes = new Changes();
  for (const name of bothNames(before, after)) {
    const step = fieldStep(name);
    const old = getOwn(before, name);
    const now = getOwn(after, name);
    const zero = zeros.get(name);
    const inner = below(schema, name);
    // What replicas of one template have in common. Metadata is never the same twice, and data is seldom.
    const change =
      old === undefined && name !== 'metadata' && inner.type === 'struct' && isJsonObject(now)
        ? madeFrom(now, zero, inner)
        : compareAt(old ?? zero, now ?? zero, inner);
    const skipped = ignored.children.get(step);
    changes.add(step, skipped === undefined ? change : withoutTrees(change, skipped));
  }
  return changes.result();
}

function withoutTrees({ touched, removed }: Comparison, ignored: FieldSet): Comparison {
  return comparison(touched.withoutTrees(ignored), removed.withoutTrees(ignored));
}

/** What was found below one place. */
class Changes {
  #touched: Map<string, FieldSet> | undefined;
  #removed: Map<string, FieldSet> | undefined;

  add(step: string, { touched, removed }: Comparison): void {
    if (!touched.isEmpty) (this.#touched ??= new Map()).set(step, touched);
    if (!removed.isEmpty) (this.#removed ??= new Map()).set(step, removed);
  }

  result(): Comparison {
    if (this.#touched === undefined && this.#removed === undefined) return SAME;
    return { touched: FieldSet.of(false, this.#touched), removed: FieldSet.of(false, this.#removed) };
  }
}

function compareAt(
  before: JsonValue | undefined,
  after: JsonValue | undefined,
  schema: ValueSchema,
): Comparison {
  // Most of what a write leaves alone is the very same object.
  if (before === after) return SAME;
  if (after === undefined) return comparison(FieldSet.empty, treeOf(before!, schema));
  if (before === undefined) return comparison(treeOf(after, schema), FieldSet.empty);
  if (Array.isArray(before) && jsonEqual(before, after)) return SAME;
  // Nothing on either side is told apart as a whole: none at all from an empty one.
  if (isNothing(before) && isNothing(after)) return jsonEqual(before, after) ? SAME : OTHER_VALUE;
  // Without a schema null is a value of its own.
  if (schema.type === 'untyped' && (before === null || after === null)) return OTHER_VALUE;
  const old = shapeOf(before, schema);
  const now = shapeOf(after, schema);
  if (old === 'object' && now === 'object')
    return compareMembers(membersOf(before), membersOf(after), schema);
  if (old === 'items' && now === 'items') return compareItems(before, after, schema);
  if (old !== now && before !== null && after !== null)
    return comparison(treeOf(after, schema), treeOf(before, schema));
  return jsonEqual(before, after) ? SAME : OTHER_VALUE;
}

function compareMembers(before: JsonObject, after: JsonObject, schema: ValueSchema): Comparison {
  let changes: Changes | undefined;
  for (const name of bothNames(before, after)) {
    const old = getOwn(before, name);
    const now = getOwn(after, name);
    if (old === now) continue;
    const zero = zerosOf(schema).get(name);
    const change = compareAt(
      old === undefined ? zero : old,
      now === undefined ? zero : now,
      below(schema, name),
    );
    if (change !== SAME) (changes ??= new Changes()).add(fieldStep(name), change);
  }
  return changes?.result() ?? SAME;
}

function bothNames(before: JsonObject, after: JsonObject): readonly string[] {
  const names = Object.keys(before);
  for (const name in after) if (!Object.hasOwn(before, name)) names.push(name);
  return names;
}

function compareItems(before: JsonValue, after: JsonValue, schema: ValueSchema): Comparison {
  const [old, now] = [allByStep(before, schema), allByStep(after, schema)];
  const changes = new Changes();
  for (const [step, items] of old) changes.add(step, compareKeyed(items, now.get(step) ?? [], below(schema)));
  for (const [step, items] of now) {
    if (!old.has(step)) changes.add(step, compareKeyed([], items, below(schema)));
  }
  return changes.result();
}

/** Items of one key. Several are one path together, whatever is in them. */
function compareKeyed(
  before: readonly JsonValue[],
  after: readonly JsonValue[],
  schema: ValueSchema,
): Comparison {
  if (before.length <= 1 && after.length <= 1) return compareAt(before[0], after[0], schema);
  if (before.length > 1 && after.length > 1) {
    return jsonEqual([...before], [...after]) ? SAME : OTHER_VALUE;
  }
  const tree = (items: readonly JsonValue[]): FieldSet => {
    if (items.length > 1) return FieldSet.leaf;
    return items[0] === undefined ? FieldSet.empty : treeOf(items[0], schema);
  };
  return comparison(tree(after), tree(before));
}

const knownSets = new WeakMap<ValueSchema, RecentTexts<Comparison>>();

/** All that an outermost field has which it had not when it was in its zero value. */
function madeFrom(value: JsonObject, zero: JsonValue | undefined, schema: ValueSchema): Comparison {
  let sets = knownSets.get(schema);
  if (sets === undefined) knownSets.set(schema, (sets = new RecentTexts()));
  // Fields of one type need not have the same zero value: one of them is a pointer.
  return sets.get(`${zero === undefined ? '' : 'zero '}${JSON.stringify(value)}`, () =>
    compareAt(zero, value, schema),
  );
}

/** Everything that comes or goes, whole parts as well as what is in them. */
function treeOf(value: JsonValue, schema: ValueSchema): FieldSet {
  const shape = shapeOf(value, schema);
  if (shape === 'leaf' || value === null) return FieldSet.leaf;
  const children = new Map<string, FieldSet>();
  if (shape === 'items') {
    for (const item of itemsOf(value)) {
      const step = itemStep(item, schema);
      children.set(step, children.has(step) ? FieldSet.leaf : treeOf(item, below(schema)));
    }
  } else {
    const object = membersOf(value);
    for (const name of Object.keys(object)) {
      const child = object[name];
      if (child !== undefined) children.set(fieldStep(name), treeOf(child, below(schema, name)));
    }
    for (const [name, zero] of zerosOf(schema)) {
      if (getOwn(object, name) === undefined) {
        children.set(fieldStep(name), treeOf(zero, below(schema, name)));
      }
    }
  }
  return FieldSet.of(true, children);
}

const isNothing = (value: JsonValue): boolean => value === null || isEmpty(value);

function allByStep(items: JsonValue, schema: ValueSchema): Map<string, JsonValue[]> {
  const map = new Map<string, JsonValue[]>();
  for (const item of itemsOf(items)) {
    const step = itemStep(item, schema);
    const known = map.get(step);
    if (known === undefined) map.set(step, [item]);
    else known.push(item);
  }
  return map;
}

/** `over` laid over `base`: what `over` has wins, even if it is null; lists with keys are joined. Neither is changed. */
export function merge(
  base: JsonValue | undefined,
  over: JsonValue | undefined,
  schema: ValueSchema,
): JsonValue {
  if (over === undefined) return base ?? null;
  if (base === undefined || (isNothing(base) && isNothing(over))) return over;
  const [left, right] = [shapeOf(base, schema), shapeOf(over, schema)];
  if (left === 'object' && right === 'object') {
    const [mine, theirs] = [membersOf(base), membersOf(over)];
    const result: JsonObject = { ...mine };
    for (const name of Object.keys(theirs)) {
      setOwn(result, name, merge(getOwn(mine, name), theirs[name], below(schema, name)));
    }
    return result;
  }
  if (left === 'items' && right === 'items')
    return mergeItems(keyed(base, schema), keyed(over, schema), below(schema));
  return over;
}

interface Item {
  readonly step: string;
  readonly value: JsonValue;
}

const keyed = (items: JsonValue, schema: ValueSchema): Item[] =>
  itemsOf(items).map((value) => ({ step: itemStep(value, schema), value }));

function byStep(items: readonly Item[]): Map<string, JsonValue> {
  const map = new Map<string, JsonValue>();
  for (const { step, value } of items) if (!map.has(step)) map.set(step, value);
  return map;
}

/** The applied order wins among what both have; what only the base has stays where it was among its neighbours. */
function mergeItems(base: readonly Item[], over: readonly Item[], element: ValueSchema): JsonValue[] {
  const [old, wanted] = [byStep(base), byStep(over)];
  const result: JsonValue[] = [];
  const done = new Set<string>();
  let [left, right] = [0, 0];
  const take = (step: string): void => {
    done.add(step);
    result.push(merge(old.get(step), wanted.get(step), element));
  };
  while (left < base.length || right < over.length) {
    const mine = base[left]?.step;
    const theirs = over[right]?.step;
    if (mine !== undefined && (done.has(mine) || !wanted.has(mine))) {
      left++;
      if (!done.has(mine)) take(mine);
    } else if (theirs !== undefined) {
      right++;
      if (!done.has(theirs)) take(theirs);
    } else left++;
  }
  return result;
}

/** The value without the members of `paths` and what is below them. */
export function removePaths(value: JsonValue, schema: ValueSchema, paths: FieldSet): JsonValue {
  const shape = shapeOf(value, schema);
  if (shape === 'leaf' || paths.children.size === 0) return value;
  if (shape === 'object') {
    const result: JsonObject = {};
    for (const [name, child] of Object.entries(membersOf(value))) {
      const inner = paths.children.get(fieldStep(name));
      if (child === undefined || inner?.member === true) continue;
      setOwn(result, name, inner === undefined ? child : removePaths(child, below(schema, name), inner));
    }
    return result;
  }
  return itemsOf(value).flatMap((item) => {
    const inner = paths.children.get(itemStep(item, schema));
    if (inner === undefined) return [item];
    return inner.member ? [] : [removePaths(item, below(schema), inner)];
  });
}

/** The set with every struct field on the way to a member made a member: taking the last part away takes the field. */
export function withNamedFields(set: FieldSet, schema: ValueSchema): FieldSet {
  const children = new Map<string, FieldSet>();
  for (const [step, child] of set.children) {
    const below = childSchema(schema, step);
    const named = withNamedFields(child, below ?? UNTYPED);
    const isField = step.startsWith('f:') && schema.type === 'struct' && below !== undefined;
    children.set(step, isField && !named.member ? new FieldSet(true, named.children) : named);
  }
  return new FieldSet(set.member, children);
}

function childSchema(schema: ValueSchema, step: string): ValueSchema | undefined {
  if (schema.type === 'struct') return schema.field(step.slice(2));
  if (schema.type === 'map' || schema.type === 'list') return schema.element();
  return undefined;
}
