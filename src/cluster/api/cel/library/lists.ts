/** Lists and sets: Kubernetes' list library and cel-go's extensions. */
import { CelError } from '../cel-error.ts';
import { exactly, LIST_COST, repeated, times, TRAVERSAL, traversal, UNKNOWN, type Size } from '../sizes.ts';
import { fn, method, type Overload } from '../functions.ts';
import {
  BOOL,
  BYTES,
  DOUBLE,
  DURATION,
  INT,
  list,
  optional,
  param,
  STRING,
  TIMESTAMP,
  UINT,
  type CelType,
} from '../types.ts';
import {
  checkedInt,
  checkedUint,
  compare,
  Duration,
  entriesOf,
  equal,
  isList,
  Optional,
  typeName,
  Uint,
  type Value,
} from '../values.ts';

type List = readonly Value[];

function isSorted(all: List): boolean {
  return all.every((item, index) => index === 0 || compare(all[index - 1]!, item) <= 0);
}

function sum(zero: Value): (all: List) => Value {
  return (all) =>
    all.reduce((total, item) => {
      if (typeof total === 'bigint' && typeof item === 'bigint') return checkedInt(total + item);
      if (total instanceof Uint && item instanceof Uint) return checkedUint(total.value + item.value);
      if (typeof total === 'number' && typeof item === 'number') return total + item;
      if (total instanceof Duration && item instanceof Duration)
        return new Duration(checkedInt(total.nanos + item.nanos));
      throw new CelError('no such overload');
    }, zero);
}

function extreme(name: string, sign: 1 | -1): (all: List) => Value {
  return (all) => {
    const [first, ...rest] = all;
    if (first === undefined) throw new CelError(`${name} called on empty list`);
    return rest.reduce((best, item) => (compare(item, best) * sign > 0 ? item : best), first);
  };
}

const indexOf = (all: List, item: Value): bigint => BigInt(all.findIndex((one) => equal(one, item)));
const lastIndexOf = (all: List, item: Value): bigint => BigInt(all.findLastIndex((one) => equal(one, item)));

const ORDERED: readonly CelType[] = [INT, UINT, DOUBLE, BOOL, DURATION, TIMESTAMP, STRING, BYTES];
const SUMMED: readonly (readonly [CelType, Value])[] = [
  [INT, 0n],
  [UINT, new Uint(0n)],
  [DOUBLE, 0],
  [DURATION, new Duration(0n)],
];

const T = param('T');

/** Compares each element, and texts by what they consist of. */
const visits = {
  cost: ({ most, element }: Size): number => most * (1 + (element === undefined ? 0 : traversal(element))),
  spent: (_result: Value, [all]: readonly Value[]): number => walked(all!),
};

/** Leaf by leaf, texts by their bytes. */
function walked(value: Value): number {
  if (typeof value === 'string') return Math.floor(Buffer.byteLength(value) * TRAVERSAL);
  if (value instanceof Uint8Array) return Math.floor(value.length * TRAVERSAL);
  if (isList(value)) return value.reduce<number>((sum, item) => sum + walked(item), 0);
  const entries = entriesOf(value);
  if (entries === undefined) return 1;
  return entries.keys.reduce<number>((sum, key) => sum + walked(key) + walked(entries.get(key)!), 0);
}

/** Makes a list. */
const making = (size: (...sizes: readonly Size[]) => Size, factor = 1) => ({
  size,
  cost: (...sizes: readonly Size[]): number => times(size(...sizes), factor) + 1 + LIST_COST,
});

const square = (all: Size): Size => repeated(all, all);
const compares = (factor: number) => ({
  cost: (a: Size, b: Size): number => times(repeated(a, b), factor) + 1,
});

const includes = (all: List, item: Value): boolean => all.some((one) => equal(one, item));
const containsAll = (all: List, wanted: List): boolean => wanted.every((item) => includes(all, item));

function distinct(all: List): List {
  const found: Value[] = [];
  for (const item of all) if (!includes(found, item)) found.push(item);
  return found;
}

function flatten(all: List, depth = 1n): List {
  if (depth < 0n) throw new CelError('level must be non-negative');
  return depth === 0n ? all : all.flatMap((item) => (isList(item) ? flatten(item, depth - 1n) : [item]));
}

function slice(all: List, start: bigint, end: bigint): List {
  if (start < 0n || end < 0n)
    throw new CelError(`cannot slice(${start}, ${end}), negative indexes not supported`);
  if (start > end)
    throw new CelError(`cannot slice(${start}, ${end}), start index must be less than or equal to end index`);
  if (Number(end) > all.length)
    throw new CelError(`cannot slice(${start}, ${end}), list is length ${all.length}`);
  return all.slice(Number(start), Number(end));
}

const made = (all: Value): number => (all as List).length + 1 + LIST_COST;
/** Comparing texts costs more. */
const ofTexts = ({ kind }: CelType): number => (kind === 'string' || kind === 'bytes' ? TRAVERSAL : 0);

const sorted = (all: List): List => sortedBy(all, all);

/** In the order of keys, one for each element. */
function sortedBy(all: List, keys: List): List {
  const [first] = keys;
  if (keys.some((key) => typeName(key) !== typeName(first!)))
    throw new CelError('list elements must have the same type');
  return all
    .map((item, index) => ({ item, key: keys[index]! }))
    .toSorted((a, b) => compare(a.key, b.key))
    .map(({ item }) => item);
}

/** What the macro `sortBy` calls. */
export const BY_KEYS = '@sortByAssociatedKeys';

export const lists: readonly Overload[] = [
  ...ORDERED.flatMap((type) => [
    method(list(type), 'isSorted', [], BOOL, isSorted, visits),
    method(list(type), 'min', [], type, extreme('min', -1), visits),
    method(list(type), 'max', [], type, extreme('max', 1), visits),
  ]),
  ...SUMMED.map(([type, zero]) => method(list(type), 'sum', [], type, sum(zero), visits)),
  method(list(T), 'indexOf', [T], INT, indexOf, visits),
  method(list(T), 'lastIndexOf', [T], INT, lastIndexOf, visits),
  method(list(T), 'distinct', [], list(T), distinct, making(square, 2)),
  method(
    list(T),
    'reverse',
    [],
    list(T),
    (all: List) => all.toReversed(),
    making((all) => all),
  ),
  ...ORDERED.flatMap((type) => [
    method(list(type), 'sort', [], list(type), sorted, making(square, 2 + ofTexts(type))),
    method(
      list(T),
      BY_KEYS,
      [list(type)],
      list(T),
      sortedBy,
      making((_all, keys) => square(keys), 2 + ofTexts(type)),
    ),
  ]),
  method(list(T), 'slice', [INT, INT], list(T), slice, {
    // A range that ends before it begins is as large as can be.
    ...making((all, from, to) => {
      const length = Math.max(0, to?.number ?? all.most) - Math.max(0, from?.number ?? 0);
      return length < 0 ? UNKNOWN : exactly(length);
    }),
    spent: (result) => made(result),
  }),
  method(
    list(list(T)),
    'flatten',
    [],
    list(T),
    flatten,
    making((all) => all),
  ),
  method(list({ kind: 'dyn' }), 'flatten', [INT], list({ kind: 'dyn' }), flatten, {
    size: (all) => all,
    cost: (all, depth) => times(all, depth.number ?? UNKNOWN.most) + 1 + LIST_COST,
    spent: (_result, [all, depth]) => Number(depth) * (all as List).length + 1 + LIST_COST,
  }),
  fn('lists.range', [INT], list(INT), (count: bigint) => range(count), {
    ...making((count) => exactly(count?.number ?? UNKNOWN.most)),
    spent: (result) => made(result),
  }),
  fn('sets.contains', [list(T), list(T)], BOOL, containsAll, compares(1)),
  fn(
    'sets.equivalent',
    [list(T), list(T)],
    BOOL,
    (a: List, b: List) => containsAll(a, b) && containsAll(b, a),
    compares(2),
  ),
  fn(
    'sets.intersects',
    [list(T), list(T)],
    BOOL,
    (a: List, b: List) => b.some((item) => includes(a, item)),
    compares(1),
  ),
  method(list(T), 'first', [], optional(T), (all: List) => new Optional(all[0])),
  method(list(T), 'last', [], optional(T), (all: List) => new Optional(all.at(-1))),
];

const MAX_RANGE = 1_000_000n;

function range(count: bigint): List {
  if (count > MAX_RANGE) throw new CelError(`lists.range(${count}) is too large`);
  return Array.from({ length: Number(count) }, (_item, index) => BigInt(index));
}
