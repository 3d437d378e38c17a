/** The functions of the language definition (https://github.com/google/cel-spec/blob/master/doc/langdef.md#standard-definitions). */
import { CelError } from '../cel-error.ts';
import { fn, method, searches, type Overload } from '../functions.ts';
import { exactly, matching, traversal, type Size } from '../sizes.ts';
import { goPattern, matchesPattern } from './patterns.ts';
import { doubleText, durationText, timestampText } from './texts.ts';
import { field, notConverted, parseDuration, parseTimestamp } from './time.ts';
import {
  BOOL,
  BYTES,
  DOUBLE,
  DURATION,
  DYN,
  INT,
  list,
  map,
  optional,
  param,
  STRING,
  TIMESTAMP,
  TYPE,
  UINT,
} from '../types.ts';
import {
  checkedInt,
  checkedTimestamp,
  checkedUint,
  Duration,
  NONE,
  Optional,
  sizeOf,
  Timestamp,
  typeName,
  TypeValue,
  Uint,
  type Value,
} from '../values.ts';

const A = param('A');
const size = (value: Value): bigint => BigInt(sizeOf(value));
const SIZED = [STRING, BYTES, list(A), map(A, param('B'))];

const sizes: readonly Overload[] = SIZED.flatMap((type) => [
  fn('size', [type], INT, size),
  method(type, 'size', [], INT, size),
]);

function intOf(value: number | string): bigint {
  if (typeof value === 'number') {
    if (!Number.isFinite(value) || Math.abs(value) >= 2 ** 63) throw new CelError('integer overflow');
    return BigInt(Math.trunc(value));
  }
  if (!/^[+-]?\d+$/.test(value)) throw notConverted('int');
  const found = BigInt(value);
  if (BigInt.asIntN(64, found) !== found) throw notConverted('int');
  return found;
}

function doubleOf(text: string): number {
  if (/^[+-]?inf(inity)?$/i.test(text)) return text.startsWith('-') ? -Infinity : Infinity;
  if (/^nan$/i.test(text)) return Number.NaN;
  const plain = text.replaceAll(/(?<=\d)_(?=\d)/g, '');
  if (/^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(plain)) return Number(plain);
  return hexadecimal(text.replaceAll(/(?<=[0-9a-fxA-FX])_(?=[0-9a-fA-F])/g, ''));
}

/** Of Go: `0x1.8p3` is 12. */
function hexadecimal(text: string): number {
  const match = /^([+-]?)0x([0-9a-f]*)\.?([0-9a-f]*)p([+-]?\d+)$/i.exec(text);
  const [, sign, whole = '', part = '', exponent] = match ?? [];
  if (whole + part === '') throw notConverted('double');
  const value = Number(`0x${whole}${part}`) * 2 ** (Number(exponent) - 4 * part.length);
  return sign === '-' ? -value : value;
}

function boolOf(text: string): boolean {
  if (['1', 't', 'T', 'true', 'TRUE', 'True'].includes(text)) return true;
  if (['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(text)) return false;
  throw notConverted('bool');
}

function uintOf(text: string): Uint {
  if (!/^\d+$/.test(text) || BigInt.asUintN(64, BigInt(text)) !== BigInt(text)) throw notConverted('uint');
  return new Uint(BigInt(text));
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

function textOfBytes(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw new CelError('invalid UTF-8 in bytes, cannot convert to string');
  }
}

const SECOND = 1_000_000_000n;

function notDuration(): never {
  throw notConverted('google.protobuf.Duration', 'int');
}

const conversions: readonly Overload[] = [
  fn('int', [INT], INT, (value: bigint) => value),
  fn('int', [UINT], INT, (value: Uint) => checkedInt(value.value)),
  fn('int', [DOUBLE], INT, intOf),
  fn('int', [STRING], INT, intOf),
  fn(
    'int',
    [TIMESTAMP],
    INT,
    ({ nanos }: Timestamp) => (nanos - (((nanos % SECOND) + SECOND) % SECOND)) / SECOND,
  ),
  fn('int', [DURATION], INT, ({ nanos }: Duration) => nanos),
  fn('uint', [UINT], UINT, (value: Uint) => value),
  fn('uint', [INT], UINT, (value: bigint) => checkedUint(value)),
  fn('uint', [DOUBLE], UINT, (value: number) => {
    if (!(value >= 0 && value < 2 ** 64)) throw new CelError('unsigned integer overflow');
    return new Uint(BigInt(Math.trunc(value)));
  }),
  fn('uint', [STRING], UINT, uintOf),
  fn('double', [DOUBLE], DOUBLE, (value: number) => value),
  fn('double', [INT], DOUBLE, (value: bigint) => Number(value)),
  fn('double', [UINT], DOUBLE, (value: Uint) => Number(value.value)),
  fn('double', [STRING], DOUBLE, doubleOf),
  fn('bool', [BOOL], BOOL, (value: boolean) => value),
  fn('bool', [STRING], BOOL, boolOf),
  fn('string', [STRING], STRING, (value: string) => value),
  fn('string', [BOOL], STRING, (value: boolean) => String(value)),
  fn('string', [INT], STRING, (value: bigint) => String(value)),
  fn('string', [UINT], STRING, (value: Uint) => String(value.value)),
  fn('string', [DOUBLE], STRING, doubleText),
  fn('string', [BYTES], STRING, textOfBytes, {
    cost: traversal,
    // A character takes up to four bytes.
    size: ({ least, most }) => ({ least: Math.floor(least / 4), most }),
  }),
  fn('string', [TIMESTAMP], STRING, timestampText),
  fn('string', [DURATION], STRING, durationText),
  fn('bytes', [BYTES], BYTES, (value: Uint8Array) => value),
  fn('bytes', [STRING], BYTES, (value: string) => Buffer.from(value), {
    cost: traversal,
    size: ({ least, most }) => ({ least, most: most * 4 }),
  }),
  fn('timestamp', [STRING], TIMESTAMP, parseTimestamp, { tries: parseTimestamp }),
  fn('timestamp', [INT], TIMESTAMP, (value: bigint) => checkedTimestamp(value * SECOND), {
    tries: (value: bigint) => checkedTimestamp(value * SECOND),
  }),
  fn('timestamp', [TIMESTAMP], TIMESTAMP, (value: Timestamp) => value),
  fn('duration', [STRING], DURATION, parseDuration, { tries: parseDuration }),
  // There is such a form, and no number is ever taken.
  fn('duration', [INT], DURATION, notDuration, { tries: notDuration }),
  fn('duration', [DURATION], DURATION, (value: Duration) => value),
  fn('dyn', [A], DYN, (value: Value) => value),
  fn('type', [A], TYPE, (value: Value) => new TypeValue(typeName(value))),
];

const ofSecond = { cost: (_first: Size, second: Size) => traversal(second) };

const texts: readonly Overload[] = [
  method(
    STRING,
    'startsWith',
    [STRING],
    BOOL,
    (text: string, prefix: string) => text.startsWith(prefix),
    ofSecond,
  ),
  method(
    STRING,
    'endsWith',
    [STRING],
    BOOL,
    (text: string, suffix: string) => text.endsWith(suffix),
    ofSecond,
  ),
  method(STRING, 'contains', [STRING], BOOL, (text: string, part: string) => text.includes(part), {
    cost: (text, part) => traversal(text) * traversal(part),
  }),
  method(STRING, 'matches', [STRING], BOOL, matchesPattern, { ...searches, tries: goPattern }),
  // Upstream's estimate knows it as a method only.
  fn('matches', [STRING, STRING], BOOL, matchesPattern, {
    spent: (_result, args) => matching(exactly(sizeOf(args[0]!)), exactly(sizeOf(args[1]!))),
    tries: goPattern,
  }),
];

const PARTS = [
  'getFullYear',
  'getMonth',
  'getDate',
  'getDayOfMonth',
  'getDayOfWeek',
  'getDayOfYear',
  'getHours',
  'getMinutes',
  'getSeconds',
  'getMilliseconds',
];

const times: readonly Overload[] = [
  ...PARTS.flatMap((name) => [
    method(TIMESTAMP, name, [], INT, (time: Timestamp) => field(time, name, 'UTC')),
    method(TIMESTAMP, name, [STRING], INT, (time: Timestamp, zone: string) => field(time, name, zone)),
  ]),
  method(DURATION, 'getHours', [], INT, ({ nanos }: Duration) => nanos / (3600n * SECOND)),
  method(DURATION, 'getMinutes', [], INT, ({ nanos }: Duration) => nanos / (60n * SECOND)),
  method(DURATION, 'getSeconds', [], INT, ({ nanos }: Duration) => nanos / SECOND),
  method(DURATION, 'getMilliseconds', [], INT, ({ nanos }: Duration) => nanos / 1_000_000n),
];

function isZero(value: Value): boolean {
  if (value === null || value === false || value === 0 || value === 0n) return true;
  if (value instanceof Uint) return value.value === 0n;
  if (value instanceof Duration) return value.nanos === 0n;
  if (typeof value === 'object' && (value instanceof Timestamp || value instanceof TypeValue)) return false;
  return (typeof value === 'string' || typeof value === 'object') && sizeOf(value) === 0;
}

const optionals: readonly Overload[] = [
  fn('optional.of', [A], optional(A), (value: Value) => new Optional(value)),
  fn('optional.none', [], optional(A), () => NONE),
  fn('optional.ofNonZeroValue', [A], optional(A), (value: Value) =>
    isZero(value) ? NONE : new Optional(value),
  ),
  method(optional(A), 'hasValue', [], BOOL, ({ value }: Optional) => value !== undefined),
  method(optional(A), 'value', [], A, ({ value }: Optional) => {
    if (value === undefined) throw new CelError('optional.none() dereference');
    return value;
  }),
  method(
    optional(A),
    'or',
    [optional(A)],
    optional(A),
    (one: Optional, other: Optional) => (one.value === undefined ? other : one),
    { isChoice: true },
  ),
  method(optional(A), 'orValue', [A], A, ({ value }: Optional, other: Value) => value ?? other, {
    isChoice: true,
  }),
  fn('optional.unwrap', [list(optional(A))], list(A), unwrap),
  method(list(optional(A)), 'unwrapOpt', [], list(A), unwrap),
];

function unwrap(options: readonly Value[]): readonly Value[] {
  return options.flatMap((one) => (one instanceof Optional && one.value !== undefined ? [one.value] : []));
}

export const standard: readonly Overload[] = [...sizes, ...conversions, ...texts, ...times, ...optionals];

/** Types that are values of their own. */
export const standardTypes: readonly string[] = [
  'bool',
  'int',
  'uint',
  'double',
  'string',
  'bytes',
  'list',
  'map',
  'null_type',
  'type',
  'dyn',
  'optional_type',
  'google.protobuf.Timestamp',
  'google.protobuf.Duration',
];
