/** Lists and sets: Kubernetes' list library and cel-go's extensions. */
import { CelError } from '../cel-error.ts';
import { fn, method, visits, type Overload } from '../functions.ts';
import {
  BOOL,
  BYTES,
  DOUBLE,
  DURATION,
  INT,
  list,
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
  equal,
  isList,
  sizeOf,
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
const pair = {
  cost: (a?: Value, b?: Value): number => 1 + sizeOf(a ?? []) * Math.max(1, sizeOf(b ?? [])),
  grows: 'product',
} as const;

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

export const lists: readonly Overload[] = [
  ...ORDERED.flatMap((type) => [
    method(list(type), 'isSorted', [], BOOL, isSorted, visits),
    method(list(type), 'min', [], type, extreme('min', -1), visits),
    method(list(type), 'max', [], type, extreme('max', 1), visits),
  ]),
  ...SUMMED.map(([type, zero]) => method(list(type), 'sum', [], type, sum(zero), visits)),
  method(list(T), 'indexOf', [T], INT, indexOf, visits),
  method(list(T), 'lastIndexOf', [T], INT, lastIndexOf, visits),
  method(list(T), 'distinct', [], list(T), distinct, pair),
  method(list(T), 'reverse', [], list(T), (all: List) => all.toReversed(), visits),
  method(list(T), 'sort', [], list(T), (all: List) => all.toSorted(compare), visits),
  method(list(T), 'slice', [INT, INT], list(T), slice, visits),
  method(list(list(T)), 'flatten', [], list(T), flatten, visits),
  method(list({ kind: 'dyn' }), 'flatten', [INT], list({ kind: 'dyn' }), flatten, visits),
  fn('lists.range', [INT], list(INT), (count: bigint) => range(count), visits),
  fn('sets.contains', [list(T), list(T)], BOOL, containsAll, pair),
  fn(
    'sets.equivalent',
    [list(T), list(T)],
    BOOL,
    (a: List, b: List) => containsAll(a, b) && containsAll(b, a),
    pair,
  ),
  fn(
    'sets.intersects',
    [list(T), list(T)],
    BOOL,
    (a: List, b: List) => b.some((item) => includes(a, item)),
    pair,
  ),
];

const MAX_RANGE = 1_000_000n;

function range(count: bigint): List {
  if (count > MAX_RANGE) throw new CelError(`lists.range(${count}) is too large`);
  return Array.from({ length: Number(count) }, (_item, index) => BigInt(index));
}
