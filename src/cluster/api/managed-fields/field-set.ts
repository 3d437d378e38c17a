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

  union(other: FieldSet): FieldSet {
    if (other.isEmpty || other === this) return this;
    if (this.isEmpty) return other;
    const children = new Map(this.children);
    for (const [step, set] of other.children) {
      const mine = children.get(step);
      children.set(step, mine === undefined ? set : mine.union(set));
    }
    return new FieldSet(this.member || other.member, children);
  }

  intersection(other: FieldSet): FieldSet {
    if (other === this) return this;
    const children = new Map<string, FieldSet>();
    for (const [step, set] of this.children) {
      const theirs = other.children.get(step);
      const both = theirs === undefined ? FieldSet.empty : set.intersection(theirs);
      if (!both.isEmpty) children.set(step, both);
    }
    return new FieldSet(this.member && other.member, children);
  }

  difference(other: FieldSet): FieldSet {
    if (other.isEmpty || this.isEmpty) return this;
    const children = new Map<string, FieldSet>();
    for (const [step, set] of this.children) {
      const theirs = other.children.get(step);
      const rest = theirs === undefined ? set : set.difference(theirs);
      if (!rest.isEmpty) children.set(step, rest);
    }
    return new FieldSet(this.member && !other.member, children);
  }

  /** Without the other's members and everything below them. */
  withoutTrees(other: FieldSet): FieldSet {
    if (other.member) return FieldSet.empty;
    if (other.isEmpty) return this;
    const children = new Map<string, FieldSet>();
    for (const [step, set] of this.children) {
      const theirs = other.children.get(step);
      const rest = theirs === undefined ? set : set.withoutTrees(theirs);
      if (!rest.isEmpty) children.set(step, rest);
    }
    return new FieldSet(this.member, children);
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
    if (this.member) yield prefix;
    for (const step of [...this.children.keys()].toSorted()) {
      yield* this.children.get(step)!.paths([...prefix, step]);
    }
  }

  /** Shared by all who ask: never change it. */
  toJson(): JsonObject {
    return (this.#json ??= this.#makeJson());
  }

  #makeJson(): JsonObject {
    const json: JsonObject = {};
    if (this.member && this.children.size > 0) json['.'] = {};
    for (const step of [...this.children.keys()].toSorted()) json[step] = this.children.get(step)!.toJson();
    return json;
  }

  /** Throws `invalid` for what is not FieldsV1. */
  static fromJson(json: JsonValue | undefined): FieldSet {
    if (!isJsonObject(json)) return FieldSet.empty;
    return parsed.get(JSON.stringify(json), () => parse(json, false, 0));
  }
}

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
    if (!/^[fkvi]:/.test(step) || !isJsonObject(below)) {
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
  /** All that is at and below this place. */
  #whole: FieldSet | undefined;
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

  /** Everything at and below a path, which nothing else may be added to. */
  graft(path: readonly string[], set: FieldSet): void {
    const [step, ...rest] = path;
    if (step === undefined) {
      this.#whole = set;
      return;
    }
    this.#below(step).graft(rest, set);
  }

  build(): FieldSet {
    if (this.#whole !== undefined) return this.#whole;
    if (this.#children.size === 0) return this.#member ? FieldSet.leaf : FieldSet.empty;
    const children = new Map<string, FieldSet>();
    for (const [step, child] of this.#children) children.set(step, child?.build() ?? FieldSet.leaf);
    return new FieldSet(this.#member, children);
  }
}
