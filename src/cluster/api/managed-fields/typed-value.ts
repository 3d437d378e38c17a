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
    }
  | { readonly kind: 'items'; readonly items: readonly Item[]; readonly element: ValueSchema };

interface Item {
  readonly step: string;
  readonly value: JsonValue;
}

const LEAF: Shape = { kind: 'leaf' };

function shapeOf(value: JsonValue | undefined, schema: ValueSchema): Shape {
  if (isJsonObject(value)) {
    if (schema.type === 'untyped') {
      return { kind: 'object', value, child: () => UNTYPED, isField: () => false };
    }
    if (schema.type === 'map' && !schema.atomic) {
      return { kind: 'object', value, child: () => schema.element(), isField: () => false };
    }
    if (schema.type === 'struct' && !schema.atomic) {
      return {
        kind: 'object',
        value,
        child: (name) => schema.field(name) ?? UNTYPED,
        isField: (name) => schema.field(name) !== undefined,
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

function itemStep(item: JsonValue, schema: Associative): string {
  if (schema.listType !== 'map') return valueStep(item);
  const keys: JsonObject = {};
  for (const key of schema.keys) {
    const value = (isJsonObject(item) ? getOwn(item, key) : undefined) ?? schema.keyDefault(key);
    if (value !== undefined) keys[key] = value;
  }
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
  if (left.kind === 'object' && right.kind === 'object') {
    const names = new Set([...Object.keys(left.value), ...Object.keys(right.value)]);
    for (const name of names) {
      compareAt(getOwn(left.value, name), getOwn(right.value, name), {
        schema: left.child(name),
        path: [...path, fieldStep(name)],
        builders,
      });
    }
  } else if (left.kind === 'items' && right.kind === 'items') {
    const [old, now] = [byStep(left.items), byStep(right.items)];
    for (const step of new Set([...old.keys(), ...now.keys()])) {
      compareAt(old.get(step), now.get(step), { schema: left.element, path: [...path, step], builders });
    }
  } else if (left.kind !== right.kind || !jsonEqual(before, after)) {
    if (left.kind === 'leaf' && right.kind === 'leaf') builders.modified.add(path);
    else {
      addTree(before, schema, path, builders.removed);
      addTree(after, schema, path, builders.added);
    }
  }
}

/** A path that comes or goes, with all that is in it. */
function addTree(value: JsonValue, schema: ValueSchema, path: Path, into: FieldSetBuilder): void {
  // What replicas of one template have in common. Metadata is never the same twice.
  const isShared = path.length === 1 && path[0] !== 'f:metadata' && isJsonObject(value);
  if (!isShared) return addPaths(value, schema, path, into);
  const set = setsOf(schema).get(JSON.stringify(value), () => {
    const builder = new FieldSetBuilder();
    addPaths(value, schema, path, builder);
    return builder.build().at(path) ?? FieldSet.empty;
  });
  if (!set.isEmpty) into.graft(path, set);
}

const knownSets = new WeakMap<ValueSchema, RecentTexts<FieldSet>>();

function setsOf(schema: ValueSchema): RecentTexts<FieldSet> {
  let sets = knownSets.get(schema);
  if (sets === undefined) knownSets.set(schema, (sets = new RecentTexts()));
  return sets;
}

function addPaths(value: JsonValue, schema: ValueSchema, path: Path, into: FieldSetBuilder): void {
  const last = path.at(-1) ?? '';
  if (!last.startsWith('f:') || shapeOf(value, schema).kind === 'leaf' || isEmptyObject(value))
    into.add(path);
  collect(value, schema, path, into);
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
