/** Values at run time. Integers are bigints, doubles numbers; what JSON holds is wrapped only when it is looked at. */
import type { Quantity } from '../quantity.ts';
import { CelError } from './cel-error.ts';
import type { CelType } from './types.ts';

export type Value =
  | null
  | boolean
  | string
  | bigint
  | number
  | Uint8Array
  | Uint
  | Timestamp
  | Duration
  | TypeValue
  | Optional
  | Opaque
  | MapValue
  | ObjectValue
  | readonly Value[];

export class Uint {
  readonly value: bigint;
  constructor(value: bigint) {
    this.value = value;
  }
}

/** Nanoseconds since the epoch. */
export class Timestamp {
  readonly nanos: bigint;
  /** Minutes that its zone is ahead of UTC, when it is written; the same moment is the same value in all. */
  readonly zone: number;
  constructor(nanos: bigint, zone = 0) {
    this.nanos = nanos;
    this.zone = zone;
  }
}

export class Duration {
  readonly nanos: bigint;
  constructor(nanos: bigint) {
    this.nanos = nanos;
  }
}

export class TypeValue {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

export class Optional {
  readonly value: Value | undefined;
  constructor(value: Value | undefined) {
    this.value = value;
  }
}

export const NONE: Optional = new Optional(undefined);

/** A value of a type that a library adds: url, ip, cidr, quantity, semver, an authorizer and its parts. */
export interface Opaque {
  readonly opaque: string;
  /** Negative, zero, positive; absent for what has no order. */
  compare?(other: Opaque): number;
  equals(other: Opaque): boolean;
}

export class QuantityValue implements Opaque {
  readonly opaque = 'kubernetes.Quantity';
  readonly quantity: Quantity;
  readonly mayBeWhole: boolean;
  constructor(quantity: Quantity, mayBeWhole = true) {
    this.quantity = quantity;
    this.mayBeWhole = mayBeWhole;
  }
  compare(other: Opaque): number {
    const [a, b] = [this.quantity.nano, (other as QuantityValue).quantity.nano];
    return a < b ? -1 : a > b ? 1 : 0;
  }
  equals(other: Opaque): boolean {
    return other instanceof QuantityValue && this.compare(other) === 0;
  }
}

export interface MapValue {
  readonly isMap: true;
  readonly size: number;
  get(key: Value): Value | undefined;
  keys(): readonly Value[];
}

/** A structure with declared fields: what is absent has no value. */
export interface ObjectValue {
  readonly isObject: true;
  readonly typeName: string;
  field(name: string): Value | undefined;
  /** The fields that are there. */
  names(): readonly string[];
}

export function isMap(value: Value): value is MapValue {
  return typeof value === 'object' && value !== null && 'isMap' in value;
}

export function isObject(value: Value): value is ObjectValue {
  return typeof value === 'object' && value !== null && 'isObject' in value;
}

export function isOpaque(value: Value): value is Opaque {
  return typeof value === 'object' && value !== null && 'opaque' in value;
}

export function isList(value: Value): value is readonly Value[] {
  return Array.isArray(value);
}

/** Equal keys have equal texts: 1, 1u and 1.0 are one key. */
function keyText(key: Value): string {
  if (typeof key === 'string') return `s${key}`;
  if (typeof key === 'boolean') return `b${key}`;
  if (key instanceof Uint) return `n${key.value}`;
  if (typeof key === 'bigint') return `n${key}`;
  if (typeof key === 'number') return Number.isInteger(key) ? `n${BigInt(key)}` : `n${key}`;
  throw new CelError('unsupported key type');
}

export class LiteralMap implements MapValue {
  readonly isMap = true;
  readonly #entries = new Map<string, readonly [Value, Value]>();

  get size(): number {
    return this.#entries.size;
  }

  /** Throws when it is there. */
  insert(key: Value, value: Value): void {
    if (this.#entries.has(keyText(key)))
      throw new CelError(`insert failed: key ${describe(key)} already exists`);
    this.set(key, value);
  }

  set(key: Value, value: Value): void {
    this.#entries.set(keyText(key), [key, value]);
  }

  get(key: Value): Value | undefined {
    return this.#entries.get(keyText(key))?.[1];
  }

  keys(): readonly Value[] {
    return [...this.#entries.values()].map(([key]) => key);
  }
}

/** The object that a struct literal makes. */
export class LiteralObject implements ObjectValue {
  readonly isObject = true;
  readonly typeName: string;
  readonly #fields: ReadonlyMap<string, Value>;

  constructor(typeName: string, fields: ReadonlyMap<string, Value>) {
    this.typeName = typeName;
    this.#fields = fields;
  }

  field(name: string): Value | undefined {
    return this.#fields.get(name);
  }

  names(): readonly string[] {
    return [...this.#fields.keys()];
  }
}

export function typeName(value: Value): string {
  if (value === null) return 'null_type';
  switch (typeof value) {
    case 'boolean':
      return 'bool';
    case 'string':
      return 'string';
    case 'bigint':
      return 'int';
    case 'number':
      return 'double';
    default:
  }
  if (value instanceof Uint8Array) return 'bytes';
  if (value instanceof Uint) return 'uint';
  if (value instanceof Timestamp) return 'google.protobuf.Timestamp';
  if (value instanceof Duration) return 'google.protobuf.Duration';
  if (value instanceof TypeValue) return 'type';
  if (value instanceof Optional) return 'optional_type';
  if (isList(value)) return 'list';
  if (isMap(value)) return 'map';
  if (isObject(value)) return value.typeName;
  return value.opaque;
}

/** Whether a value is of a type, as far as its own level goes. */
export function hasType(value: Value, type: CelType): boolean {
  switch (type.kind) {
    case 'dyn':
    case 'param':
      return true;
    case 'list':
      return isList(value);
    case 'map':
      return isMap(value) || isObject(value);
    case 'object':
      return isObject(value) || isMap(value);
    case 'optional':
      return value instanceof Optional;
    case 'opaque':
      return isOpaque(value) && value.opaque === type.name;
    case 'null':
      return value === null;
    case 'timestamp':
      return value instanceof Timestamp;
    case 'duration':
      return value instanceof Duration;
    default:
      return typeName(value) === type.kind;
  }
}

function numeric(value: Value): number | bigint | undefined {
  if (typeof value === 'number' || typeof value === 'bigint') return value;
  return value instanceof Uint ? value.value : undefined;
}

export function equal(a: Value, b: Value): boolean {
  if (a === b) return true;
  const [x, y] = [numeric(a), numeric(b)];
  // JavaScript compares numbers and bigints by what they stand for.
  // eslint-disable-next-line eqeqeq
  if (x !== undefined && y !== undefined) return x == y;
  if (a === null || b === null || typeof a !== 'object' || typeof b !== 'object') return false;
  if (isList(a) && isList(b) && keyed.has(a)) return sameMembers(a, b, keyed.get(a)!);
  if (isList(a))
    return isList(b) && a.length === b.length && a.every((item, index) => equal(item, b[index]!));
  if (a instanceof Uint8Array) return b instanceof Uint8Array && Buffer.compare(a, b) === 0;
  if (a instanceof Timestamp) return b instanceof Timestamp && a.nanos === b.nanos;
  if (a instanceof Duration) return b instanceof Duration && a.nanos === b.nanos;
  if (a instanceof TypeValue) return b instanceof TypeValue && a.name === b.name;
  if (a instanceof Optional) {
    if (!(b instanceof Optional)) return false;
    return a.value === undefined || b.value === undefined ? a.value === b.value : equal(a.value, b.value);
  }
  if (isOpaque(a)) return isOpaque(b) && a.opaque === b.opaque && a.equals(b);
  return sameEntries(a, b);
}

/** Lists whose elements are told apart by a key, or are one of a set: their order is nothing, and adding merges. */
const keyed = new WeakMap<readonly Value[], (item: Value) => Value>();

export function keyedList(items: readonly Value[], keyOf: (item: Value) => Value): readonly Value[] {
  keyed.set(items, keyOf);
  return items;
}

function sameMembers(a: readonly Value[], b: readonly Value[], keyOf: (item: Value) => Value): boolean {
  if (a.length !== b.length) return false;
  const others = Map.groupBy(b, (item) => textOf(keyOf(item)));
  return a.every((item) => others.get(textOf(keyOf(item)))?.some((other) => equal(item, other)) === true);
}

const MAX_LIST = 1_000_000;

/** Elements that the second list has as well become its own. */
export function addedLists(a: readonly Value[], b: readonly Value[]): readonly Value[] {
  if (a.length + b.length > MAX_LIST) throw new CelError('list is too large');
  const keyOf = keyed.get(a);
  if (keyOf === undefined) return [...a, ...b];
  const merged = [...a];
  const places = new Map<string, number>();
  const placeOf = (item: Value, at: number): number => {
    const key = textOf(keyOf(item));
    const place = places.get(key) ?? at;
    places.set(key, place);
    return place;
  };
  a.forEach(placeOf);
  for (const item of b) merged[placeOf(item, merged.length)] = item;
  return keyedList(merged, keyOf);
}

/** Equal values have equal texts. */
function textOf(value: Value): string {
  if (value === null) return 'null';
  if (typeof value === 'string') return JSON.stringify(value);
  if (isList(value)) return `[${value.map(textOf).join()}]`;
  const entries = typeof value === 'object' ? entriesOf(value) : undefined;
  if (entries !== undefined) {
    const texts = entries.keys.map((key) => `${textOf(key)}:${textOf(entries.get(key) ?? null)}`);
    return `{${texts.toSorted().join()}}`;
  }
  if (value instanceof Timestamp || value instanceof Duration) return `${typeName(value)} ${value.nanos}`;
  return value instanceof Uint8Array ? `bytes ${Buffer.from(value).toString('hex')}` : keyText(value);
}

function sameEntries(a: Value, b: Value): boolean {
  const [left, right] = [entriesOf(a), entriesOf(b)];
  if (left === undefined || right === undefined || left.keys.length !== right.keys.length) return false;
  return left.keys.every((key) => {
    const other = right.get(key);
    return other !== undefined && equal(left.get(key)!, other);
  });
}

/** Maps and objects alike. */
export function entriesOf(
  value: Value,
): { readonly keys: readonly Value[]; readonly get: (key: Value) => Value | undefined } | undefined {
  if (isMap(value)) return { keys: value.keys(), get: (key) => value.get(key) };
  if (!isObject(value)) return undefined;
  return { keys: value.names(), get: (key) => (typeof key === 'string' ? value.field(key) : undefined) };
}

/** Negative, zero, positive; throws for what has no order. */
export function compare(a: Value, b: Value): number {
  const [x, y] = [numeric(a), numeric(b)];
  if (x !== undefined && y !== undefined) return x < y ? -1 : x > y ? 1 : 0;
  if (typeof a === 'string' && typeof b === 'string') return a === b ? 0 : byCodePoint(a, b);
  if (typeof a === 'boolean' && typeof b === 'boolean') return Number(a) - Number(b);
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b);
  if (a instanceof Timestamp && b instanceof Timestamp)
    return a.nanos < b.nanos ? -1 : a.nanos > b.nanos ? 1 : 0;
  if (a instanceof Duration && b instanceof Duration)
    return a.nanos < b.nanos ? -1 : a.nanos > b.nanos ? 1 : 0;
  throw new CelError('no such overload');
}

/** JavaScript orders by UTF-16 unit, CEL by code point. */
function byCodePoint(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function codePoints(text: string): number {
  if (/^[\0-\x7f]*$/.test(text)) return text.length;
  let count = text.length;
  for (let at = 0; at < text.length; at++) {
    // Both halves of a pair are one.
    const isPair = (text.charCodeAt(at) & 0xfc00) === 0xd800 && (text.charCodeAt(at + 1) & 0xfc00) === 0xdc00;
    if (isPair) count--;
  }
  return count;
}

/** Of strings in code points. */
export function sizeOf(value: Value): number {
  if (typeof value === 'string') return codePoints(value);
  if (value instanceof Uint8Array || isList(value)) return value.length;
  if (value !== null && typeof value === 'object' && isMap(value)) return value.size;
  if (value !== null && typeof value === 'object' && isObject(value)) return value.names().length;
  return 1;
}

const MAX_INT = 2n ** 63n - 1n;
const MIN_INT = -(2n ** 63n);
const MAX_UINT = 2n ** 64n - 1n;

export function checkedInt(value: bigint): bigint {
  if (value > MAX_INT || value < MIN_INT) throw new CelError('integer overflow');
  return value;
}

export function checkedUint(value: bigint): Uint {
  if (value < 0n || value > MAX_UINT) throw new CelError('unsigned integer overflow');
  return new Uint(value);
}

const [FIRST_MOMENT, LAST_MOMENT] = [-62_135_596_800n, 253_402_300_800n];

/** From the year 1 to 9999, in nanoseconds. */
export function checkedTimestamp(nanos: bigint, zone = 0): Timestamp {
  if (nanos < FIRST_MOMENT * 1_000_000_000n || nanos >= LAST_MOMENT * 1_000_000_000n)
    throw new CelError('timestamp overflow');
  return new Timestamp(nanos, zone);
}

/** For messages. */
export function describe(value: Value): string {
  if (typeof value === 'string') return value;
  if (value instanceof Uint) return String(value.value);
  if (typeof value === 'bigint' || typeof value === 'number' || typeof value === 'boolean')
    return String(value);
  return typeName(value);
}
