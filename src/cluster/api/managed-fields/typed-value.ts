/**
 * Values seen through their schema: which paths they have, how two differ, how one is laid over another, and what is
 * left when paths are taken away. Lists with keys are looked at by key; whatever is atomic is one path.
 */
import { PlatformError } from '../../../base/errors.ts';
import { getOwn, isJsonObject, jsonEqual, setOwn, type JsonObject, type JsonValue } from '../json.ts';
import { FieldSet, FieldSetBuilder, fieldStep, keyStep, pathText, valueStep } from './field-set.ts';
import { RecentTexts } from './recent-texts.ts';
import { UNTYPED, type ValueSchema } from './value-schema.ts';

type Path = readonly string[];
type Associative = Extract<ValueSchema, { type: 'list' }>;

/** How a value is walked. What does not have the schema's shape is one path. */
type Shape =
  | { readonly kind: 'leaf' }
  | {
      readonly kind: 'object';
      readonly value: JsonObject;
      child(name: string): ValueSchema;
      isField(name: string): boolean;
      readonly zeros: ReadonlyMap<string, JsonValue>;
    }
  | { readonly kind: 'items'; readonly items: readonly Item[]; readonly element: ValueSchema };

interface Item {
  readonly step: string;
  readonly value: JsonValue;
}

const LEAF: Shape = { kind: 'leaf' };
const NO_ZEROS: ReadonlyMap<string, JsonValue> = new Map();
const NO_MEMBERS: JsonObject = {};

function shapeOf(value: JsonValue | undefined, schema: ValueSchema): Shape {
  // Go's nil map or slice.
  if (value === null) {
    if (schema.type === 'list') return shapeOf([], schema);
    if (schema.type === 'map' || schema.type === 'struct') return shapeOf(NO_MEMBERS, schema);
    return LEAF;
  }
  if (isJsonObject(value)) {
    if (schema.type === 'untyped') {
      return { kind: 'object', value, child: () => UNTYPED, isField: () => false, zeros: NO_ZEROS };
    }
    if (schema.type === 'map' && !schema.atomic) {
      return { kind: 'object', value, child: () => schema.element(), isField: () => false, zeros: NO_ZEROS };
    }
    if (schema.type === 'struct' && !schema.atomic) {
      return {
        kind: 'object',
        value,
        child: (name) => schema.field(name) ?? UNTYPED,
        isField: (name) => schema.field(name) !== undefined,
        zeros: schema.zeros,
      };
    }
    return LEAF;
  }
  if (Array.isArray(value) && schema.type === 'list' && schema.listType !== 'atomic') {
    const items = value.map((item) => ({ step: itemStep(item, schema), value: item }));
    return { kind: 'items', items, element: schema.element() };
  }
  return LEAF;
}

/** Throws `invalid` for an item of which nobody can say which one it is. */
function itemStep(item: JsonValue, schema: Associative): string {
  if (schema.listType !== 'map') return valueStep(item);
  const keys: JsonObject = {};
  for (const key of schema.keys) {
    const value = (isJsonObject(item) ? getOwn(item, key) : undefined) ?? schema.keyDefault(key);
    if (value !== undefined) keys[key] = value;
  }
  if (Object.keys(keys).length === 0)
    throw new PlatformError(
      'invalid',
      `associative list with keys has an element that omits all key fields ${JSON.stringify(schema.keys)} (and doesn't have default values for any key fields)`,
    );
  return keyStep(keys);
}

/** Throws `invalid` when a list has two items with the same key: then nobody can say who owns which. */
export function checkUnique(value: JsonValue | undefined, schema: ValueSchema, path: Path = []): void {
  const shape = shapeOf(value, schema);
  if (shape.kind === 'object') {
    for (const name of Object.keys(shape.value)) {
      checkUnique(getOwn(shape.value, name), shape.child(name), [...path, fieldStep(name)]);
    }
  } else if (shape.kind === 'items') {
    const seen = new Set<string>();
    for (const { step, value: item } of shape.items) {
      if (seen.has(step)) {
        throw new PlatformError(
          'invalid',
          `${pathText(path)}: duplicate entries for key ${pathText([step])}`,
        );
      }
      seen.add(step);
      checkUnique(item, shape.element, [...path, step]);
    }
  }
}

/** Every path that the value sets. */
export function toFieldSet(value: JsonValue, schema: ValueSchema): FieldSet {
  const builder = new FieldSetBuilder();
  collect(value, schema, [], builder);
  return builder.build();
}

function collect(value: JsonValue, schema: ValueSchema, path: Path, into: FieldSetBuilder): void {
  const shape = shapeOf(value, schema);
  if (shape.kind === 'leaf') return into.add(path);
  if (shape.kind === 'object') {
    for (const [name, child] of Object.entries(shape.value)) {
      if (child === undefined) continue;
      const below = [...path, fieldStep(name)];
      // Keys of a map are there or not by themselves; a field of a struct is only when something is in it.
      if (!shape.isField(name) || isEmptyObject(child)) into.add(below);
      collect(child, shape.child(name), below, into);
    }
    return;
  }
  for (const item of shape.items) {
    const below = [...path, item.step];
    into.add(below);
    collect(item.value, shape.element, below, into);
  }
}

const isEmptyObject = (value: JsonValue): boolean => isJsonObject(value) && Object.keys(value).length === 0;

const isEmpty = (value: JsonValue): boolean =>
  Array.isArray(value) ? value.length === 0 : isEmptyObject(value);

export interface Comparison {
  readonly added: FieldSet;
  readonly modified: FieldSet;
  readonly removed: FieldSet;
}

/** What changed from `before` to `after`. */
export function compare(before: JsonValue, after: JsonValue, schema: ValueSchema): Comparison {
  const builders = {
    added: new FieldSetBuilder(),
    modified: new FieldSetBuilder(),
    removed: new FieldSetBuilder(),
  };
  compareAt(before, after, { schema, path: [], builders });
  return {
    added: builders.added.build(),
    modified: builders.modified.build(),
    removed: builders.removed.build(),
  };
}

interface ComparePlace {
  readonly schema: ValueSchema;
  readonly path: Path;
  readonly builders: { readonly [kind in keyof Comparison]: FieldSetBuilder };
}

function compareAt(before: JsonValue | undefined, after: JsonValue | undefined, place: ComparePlace): void {
  const { schema, path, builders } = place;
  if (before === undefined && after === undefined) return;
  if (after === undefined) return addTree(before!, schema, path, builders.removed);
  if (before === undefined) return addTree(after, schema, path, builders.added);
  if (Array.isArray(before) && jsonEqual(before, after)) return;
  const [left, right] = [shapeOf(before, schema), shapeOf(after, schema)];
  // Nothing on either side is told apart as a whole: none at all from an empty one.
  if (isNothing(before) && isNothing(after)) {
    if (!jsonEqual(before, after)) builders.modified.add(path);
  } else if (left.kind === 'object' && right.kind === 'object') {
    compareMembers(left, right, place);
  } else if (left.kind === 'items' && right.kind === 'items') {
    const [old, now] = [allByStep(left.items), allByStep(right.items)];
    for (const step of new Set([...old.keys(), ...now.keys()])) {
      const below = { schema: left.element, path: [...path, step], builders };
      compareItems(old.get(step) ?? [], now.get(step) ?? [], below);
    }
  } else if (left.kind !== right.kind || !jsonEqual(before, after)) {
    if (left.kind === 'leaf' && right.kind === 'leaf') builders.modified.add(path);
    else {
      addTree(before, schema, path, builders.removed);
      addTree(after, schema, path, builders.added);
    }
  }
}

/** Those of one key. Several are one path together, whatever is in them. */
function compareItems(before: readonly JsonValue[], after: readonly JsonValue[], place: ComparePlace): void {
  const { path, schema, builders } = place;
  if (before.length <= 1 && after.length <= 1) return compareAt(before[0], after[0], place);
  if (before.length > 1 && after.length > 1) {
    if (!jsonEqual([...before], [...after])) builders.modified.add(path);
  } else if (before.length > 1) {
    if (after[0] !== undefined) addTree(after[0], schema, path, builders.added);
    builders.removed.add(path);
  } else {
    if (before[0] !== undefined) addTree(before[0], schema, path, builders.removed);
    builders.added.add(path);
  }
}

type Members = Extract<Shape, { kind: 'object' }>;

function compareMembers(left: Members, right: Members, { path, builders }: ComparePlace): void {
  const names = new Set([...Object.keys(left.value), ...Object.keys(right.value)]);
  for (const name of names) {
    const before = getOwn(left.value, name);
    const after = getOwn(right.value, name);
    const schema = left.child(name);
    const below = [...path, fieldStep(name)];
    // What replicas of one template have in common. Metadata is never the same twice.
    if (before === undefined && path.length === 0 && name !== 'metadata' && isJsonObject(after)) {
      const set = madeFrom(after, left.zeros.get(name), { schema, path: below });
      if (!set.isEmpty) builders.added.graft(below, set);
    } else {
      const zero = left.zeros.get(name);
      compareAt(before ?? zero, after ?? zero, { schema, path: below, builders });
    }
  }
}

/** All that an outermost field has which it had not when it was in its zero value. */
function madeFrom(
  value: JsonObject,
  zero: JsonValue | undefined,
  { schema, path }: Pick<ComparePlace, 'schema' | 'path'>,
): FieldSet {
  // Fields of one type need not have the same zero value: one of them is a pointer.
  return setsOf(schema).get(`${zero === undefined ? '' : 'zero '}${JSON.stringify(value)}`, () => {
    const builder = new FieldSetBuilder();
    const builders = { added: builder, modified: builder, removed: new FieldSetBuilder() };
    compareAt(zero, value, { schema, path, builders });
    return builder.build().at(path) ?? FieldSet.empty;
  });
}

/** Everything that comes or goes, whole parts as well as what is in them. */
function addTree(value: JsonValue, schema: ValueSchema, path: Path, into: FieldSetBuilder): void {
  into.add(path);
  const shape = shapeOf(value, schema);
  if (shape.kind === 'items') {
    for (const [step, items] of allByStep(shape.items)) {
      if (items.length > 1) into.add([...path, step]);
      else addTree(items[0]!, shape.element, [...path, step], into);
    }
  } else if (shape.kind === 'object' && value !== null) {
    for (const [name, child] of Object.entries(shape.value))
      if (child !== undefined) addTree(child, shape.child(name), [...path, fieldStep(name)], into);
    for (const [name, zero] of shape.zeros)
      if (getOwn(shape.value, name) === undefined)
        addTree(zero, shape.child(name), [...path, fieldStep(name)], into);
  }
}

const isNothing = (value: JsonValue): boolean => value === null || isEmpty(value);

const knownSets = new WeakMap<ValueSchema, RecentTexts<FieldSet>>();

function setsOf(schema: ValueSchema): RecentTexts<FieldSet> {
  let sets = knownSets.get(schema);
  if (sets === undefined) knownSets.set(schema, (sets = new RecentTexts()));
  return sets;
}

function allByStep(items: readonly Item[]): Map<string, JsonValue[]> {
  const map = new Map<string, JsonValue[]>();
  for (const { step, value } of items) {
    const known = map.get(step);
    if (known === undefined) map.set(step, [value]);
    else known.push(value);
  }
  return map;
}

function byStep(items: readonly Item[]): Map<string, JsonValue> {
  const map = new Map<string, JsonValue>();
  for (const { step, value } of items) if (!map.has(step)) map.set(step, value);
  return map;
}

/** `over` laid over `base`: what `over` has wins, lists with keys are joined. Neither is changed. */
export function merge(
  base: JsonValue | undefined,
  over: JsonValue | undefined,
  schema: ValueSchema,
): JsonValue {
  if (over === undefined || over === null) return base ?? null;
  if (base === undefined || base === null) return over;
  const [left, right] = [shapeOf(base, schema), shapeOf(over, schema)];
  if (left.kind === 'object' && right.kind === 'object') {
    const result: JsonObject = { ...left.value };
    for (const name of Object.keys(right.value)) {
      const value = merge(getOwn(left.value, name), getOwn(right.value, name), left.child(name));
      if (value !== null) setOwn(result, name, value);
    }
    return result;
  }
  if (left.kind === 'items' && right.kind === 'items')
    return mergeItems(left.items, right.items, left.element);
  return over;
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

/** The value without the members of `paths` and what is below them, and without fields that have become empty by it. */
export function removePaths(value: JsonValue, schema: ValueSchema, paths: FieldSet): JsonValue {
  const shape = shapeOf(value, schema);
  if (shape.kind === 'leaf' || paths.children.size === 0) return value;
  if (shape.kind === 'object') {
    const result: JsonObject = {};
    for (const [name, child] of Object.entries(shape.value)) {
      const below = paths.children.get(fieldStep(name));
      if (child === undefined || below?.member === true) continue;
      const rest = below === undefined ? child : removePaths(child, shape.child(name), below);
      if (rest === child || !isEmpty(rest)) setOwn(result, name, rest);
    }
    return result;
  }
  return shape.items.flatMap(({ step, value: item }) => {
    const below = paths.children.get(step);
    if (below === undefined) return [item];
    return below.member ? [] : [removePaths(item, shape.element, below)];
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
