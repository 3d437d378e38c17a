/**
 * Sets of field paths, and their JSON form FieldsV1: `{"f:spec":{"f:ports":{"k:{\"port\":80,\"protocol\":\"TCP\"}":{".":{},"f:port":{}}}}}`.
 *
 * A set is a trie. A path's step is the key that FieldsV1 writes: `f:<name>` (field or map key), `k:<json>` (item of a list
 * by its keys, in the order of their names), `v:<json>` (item of a list by its value). Sets are immutable; what two share
 * is shared. https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
 */
import { PlatformError } from '../../../base/errors.ts';
import { getOwn, isJsonObject, type JsonObject, type JsonValue } from '../json.ts';
import { RecentTexts } from './recent-texts.ts';

/** Deeper sets are nobody's honest work. */
const MAX_DEPTH = 256;

export class FieldSet {
  /** True when the path that leads here is itself in the set. */
  readonly member: boolean;
  readonly children: ReadonlyMap<string, FieldSet>;
  #json: JsonObject | undefined;

  static readonly empty: FieldSet = new FieldSet(false, new Map());
  static readonly leaf: FieldSet = new FieldSet(true, new Map());

  constructor(member: boolean, children: ReadonlyMap<string, FieldSet>) {
    this.member = member;
    this.children = children;
  }

  /** One of the two above where there are no children. */
  static of(member: boolean, children: ReadonlyMap<string, FieldSet> | undefined): FieldSet {
    if (children !== undefined && children.size > 0) return new FieldSet(member, children);
    return member ? FieldSet.leaf : FieldSet.empty;
  }

  get isEmpty(): boolean {
    return !this.member && this.children.size === 0;
  }

  has(path: readonly string[]): boolean {
    return this.at(path)?.member ?? false;
  }

  at(path: readonly string[]): FieldSet | undefined {
    const [step, ...rest] = path;
    return step === undefined ? this : this.children.get(step)?.at(rest);
  }

  // What follows hands out the set itself, or the other one, where nothing is different about it.

  union(other: FieldSet): FieldSet {
    if (other.isEmpty || other === this) return this;
    if (this.isEmpty) return other;
    let children: Map<string, FieldSet> | undefined;
    for (const [step, set] of other.children) {
      const mine = this.children.get(step);
      const both = mine === undefined ? set : mine.union(set);
      if (both !== mine) (children ??= new Map(this.children)).set(step, both);
    }
    if (children === undefined && (this.member || !other.member)) return this;
    return new FieldSet(this.member || other.member, children ?? this.children);
  }

  intersection(other: FieldSet): FieldSet {
    if (other === this) return this;
    let children: Map<string, FieldSet> | undefined;
    for (const [step, set] of this.children) {
      const theirs = other.children.get(step);
      if (theirs === undefined) continue;
      const both = set.intersection(theirs);
      if (!both.isEmpty) (children ??= new Map()).set(step, both);
    }
    return FieldSet.of(this.member && other.member, children);
  }

  difference(other: FieldSet): FieldSet {
    if (other.isEmpty || this.isEmpty) return this;
    return this.#rest(this.member && !other.member, other, subtract);
  }

  /** Without the other's members and everything below them. */
  withoutTrees(other: FieldSet): FieldSet {
    if (other.member) return FieldSet.empty;
    if (other.isEmpty) return this;
    return this.#rest(this.member, other, cut);
  }

  #rest(member: boolean, other: FieldSet, less: (a: FieldSet, b: FieldSet) => FieldSet): FieldSet {
    let children: Map<string, FieldSet> | undefined;
    for (const [step, theirs] of other.children) {
      const mine = this.children.get(step);
      if (mine === undefined) continue;
      const rest = less(mine, theirs);
      if (rest === mine) continue;
      children ??= new Map(this.children);
      if (rest.isEmpty) children.delete(step);
      else children.set(step, rest);
    }
    if (children === undefined && member === this.member) return this;
    return FieldSet.of(member, children ?? this.children);
  }

  equals(other: FieldSet): boolean {
    if (this === other) return true;
    if (this.member !== other.member || this.children.size !== other.children.size) return false;
    for (const [step, set] of this.children) {
      const theirs = other.children.get(step);
      if (theirs === undefined || !set.equals(theirs)) return false;
    }
    return true;
  }

  /** Every member's path, in FieldsV1's order. */
  *paths(prefix: readonly string[] = []): Generator<readonly string[]> {
    if (this.member && prefix.length === 0) yield prefix;
    const steps = sorted(this.children);
    for (const step of steps) if (this.children.get(step)!.member) yield [...prefix, step];
    for (const step of steps) yield* this.children.get(step)!.paths([...prefix, step]);
  }

  /** Shared by all who ask: never change it. */
  toJson(): JsonObject {
    return (this.#json ??= this.#makeJson());
  }

  #makeJson(): JsonObject {
    const json: JsonObject = {};
    if (this.member && this.children.size > 0) json['.'] = {};
    for (const step of sorted(this.children)) json[step] = this.children.get(step)!.toJson();
    return json;
  }

  /** Throws `invalid` for what is not FieldsV1. */
  static fromJson(json: JsonValue | undefined): FieldSet {
    if (json === undefined || json === null) return FieldSet.empty;
    if (!isJsonObject(json)) throw new PlatformError('invalid', 'fieldsV1 is no object');
    let known = read.get(json);
    if (known === undefined) {
      known = parsed.get(JSON.stringify(json), () => parse(json, false, 0));
      read.set(json, known);
    }
    return known;
  }
}

/** Most sets are small and in order, and sorting is expensive. */
function sorted(children: ReadonlyMap<string, FieldSet>): readonly string[] {
  const steps = [...children.keys()];
  return steps.every((step, i) => i === 0 || steps[i - 1]! < step) ? steps : steps.sort();
}

const subtract = (a: FieldSet, b: FieldSet): FieldSet => a.difference(b);
const cut = (a: FieldSet, b: FieldSet): FieldSet => a.withoutTrees(b);

/** What was read before is found by itself: objects that are kept decoded share what has not changed. */
const read = new WeakMap<JsonObject, FieldSet>();
/** Objects made alike have the same owners: there are few different sets. */
const parsed = new RecentTexts<FieldSet>();

/** In FieldsV1 an object without members is a leaf; the outermost is the empty set. */
function parse(json: JsonObject, nested: boolean, depth: number): FieldSet {
  if (depth > MAX_DEPTH) throw new PlatformError('invalid', 'fieldsV1 is nested too deeply');
  if (nested && isBare(json)) return FieldSet.leaf;
  const children = new Map<string, FieldSet>();
  let member = nested;
  for (const step of Object.keys(json)) {
    if (step === '.') continue;
    const below = getOwn(json, step);
    if (!/^(?:[fkv]:|i:[-+]?\d+$)/.test(step) || !isJsonObject(below)) {
      throw new PlatformError('invalid', `fieldsV1: ${JSON.stringify(step)} is not a path element`);
    }
    children.set(canonical(step), parse(below, true, depth + 1));
  }
  if (children.size > 0) member = Object.hasOwn(json, '.');
  return new FieldSet(member, children);
}

function isBare(json: JsonObject): boolean {
  for (const _ in json) return false;
  return true;
}

/** Keys and values as we would write them, whatever the order and the spaces were. */
function canonical(step: string): string {
  if (!step.startsWith('k:') && !step.startsWith('v:')) return step;
  try {
    const value = JSON.parse(step.slice(2)) as JsonValue;
    return step.startsWith('k:') && isJsonObject(value) ? keyStep(value) : `v:${JSON.stringify(value)}`;
  } catch (error) {
    throw new PlatformError('invalid', `fieldsV1: ${JSON.stringify(step)} is not a path element`, {
      cause: error,
    });
  }
}

export const fieldStep = (name: string): string => `f:${name}`;
export const valueStep = (value: JsonValue): string => `v:${JSON.stringify(value)}`;
export function keyStep(keys: JsonObject): string {
  const sorted = Object.keys(keys)
    .toSorted()
    .map((name) => `${JSON.stringify(name)}:${JSON.stringify(keys[name])}`);
  return `k:{${sorted.join(',')}}`;
}

/** As conflicts name it: `.spec.ports[port=80,protocol="TCP"].name`. */
export function pathText(path: readonly string[]): string {
  return path
    .map((step) => {
      if (step.startsWith('f:')) return `.${step.slice(2)}`;
      if (step.startsWith('v:')) return `[=${step.slice(2)}]`;
      if (step.startsWith('i:')) return `[${step.slice(2)}]`;
      const keys = JSON.parse(step.slice(2)) as Record<string, JsonValue>;
      return `[${Object.entries(keys)
        .map(([name, value]) => `${name}=${JSON.stringify(value)}`)
        .join(',')}]`;
    })
    .join('');
}

/** Builds a set path by path. */
export class FieldSetBuilder {
  #member = false;
  /** Most places have nothing below them: those that are built are leaves until something comes. */
  readonly #children = new Map<string, FieldSetBuilder | undefined>();

  add(path: readonly string[], from = 0): void {
    const step = path[from];
    if (step === undefined) {
      this.#member = true;
      return;
    }
    const below = this.#children.get(step);
    if (from < path.length - 1) (below ?? this.#below(step)).add(path, from + 1);
    else if (below !== undefined) below.#member = true;
    else this.#children.set(step, undefined);
  }

  #below(step: string): FieldSetBuilder {
    let next = this.#children.get(step);
    if (next !== undefined) return next;
    next = new FieldSetBuilder();
    next.#member = this.#children.has(step);
    this.#children.set(step, next);
    return next;
  }

  build(): FieldSet {
    if (this.#children.size === 0) return this.#member ? FieldSet.leaf : FieldSet.empty;
    const children = new Map<string, FieldSet>();
    for (const [step, child] of this.#children) children.set(step, child?.build() ?? FieldSet.leaf);
    return new FieldSet(this.#member, children);
  }
}
