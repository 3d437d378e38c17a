/** `"%s is %d".format([…])`. */
import { isUtf8 } from 'node:buffer';
import { CelError } from '../cel-error.ts';
import { typeText, type CelType } from '../types.ts';
import { Duration, entriesOf, isList, Timestamp, typeName, TypeValue, Uint, type Value } from '../values.ts';
import { doubleText, durationText, timestampText } from './texts.ts';

interface Clause {
  /** Of types. */
  readonly takes: ReadonlySet<string>;
  readonly refuses: string;
  readonly write: (value: Value, precision: number) => string | undefined;
}

const whole = (value: Value): bigint | undefined =>
  value instanceof Uint ? value.value : typeof value === 'bigint' ? value : undefined;

const clause = (takes: string, refuses: string, write: Clause['write']): Clause => ({
  takes: new Set(takes.split(' ')),
  refuses,
  write,
});

const hex = clause(
  'int uint string bytes',
  'only integers, byte buffers, and strings can be formatted as hex',
  (value) =>
    typeof value === 'string' || value instanceof Uint8Array
      ? Buffer.from(value as string).toString('hex')
      : whole(value)?.toString(16),
);

const CLAUSES: Readonly<Record<string, Clause>> = {
  s: clause(
    'string bool bytes int uint double map list type duration timestamp null',
    'string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps',
    (value) => textOf(value),
  ),
  d: clause('int uint', 'decimal clause can only be used on integers', (value) => whole(value)?.toString()),
  f: clause('double string', 'fixed-point clause can only be used on doubles', (value, precision) => {
    const number = doubleOf(value);
    return number === undefined ? undefined : (special(number) ?? grouped(fixed(number, precision)));
  }),
  e: clause('double string', 'scientific clause can only be used on doubles', (value) => {
    const number = doubleOf(value);
    return number === undefined ? undefined : (special(number) ?? scientific(number));
  }),
  b: clause('int uint bool', 'only integers and bools can be formatted as binary', (value) =>
    typeof value === 'boolean' ? String(Number(value)) : whole(value)?.toString(2),
  ),
  o: clause('int uint', 'octal clause can only be used on integers', (value) => whole(value)?.toString(8)),
  x: hex,
  X: { ...hex, write: (value, precision) => hex.write(value, precision)?.toUpperCase() },
};

const CLAUSE = /%(?:(%)|(\.\d*)?([^]?))/gu;
const DEFAULT_PRECISION = 6;

interface Part {
  readonly clause: Clause;
  readonly precision: number;
  /** Of the arguments. */
  readonly index: number;
}

/** Throws CelError for what is no format. */
function write(text: string, count: number, written: (part: Part) => string): string {
  let next = 0;
  return text.replaceAll(
    CLAUSE,
    (_all, escaped: string | undefined, dot: string | undefined, verb: string) => {
      if (escaped !== undefined) return '%';
      const index = next++;
      if (index >= count) throw new CelError(`index ${index} out of range`);
      return written({ index, ...parsed(dot, verb) });
    },
  );
}

function parsed(dot: string | undefined, verb: string): Omit<Part, 'index'> {
  if (verb === '' && dot === undefined) throw new CelError('unexpected end of string');
  const unparsed = 'could not parse formatting clause:';
  if (dot === '.') {
    const why = 'error while converting precision to integer: strconv.Atoi: parsing "": invalid syntax';
    throw new CelError(`${unparsed} error while parsing precision: ${why}`);
  }
  const found = Object.hasOwn(CLAUSES, verb) ? CLAUSES[verb] : undefined;
  if (found === undefined) throw new CelError(`${unparsed} unrecognized formatting clause "${verb}"`);
  return { clause: found, precision: dot === undefined ? DEFAULT_PRECISION : Number(dot.slice(1)) };
}

export function formatText(text: string, args: readonly Value[]): string {
  return write(text, args.length, ({ clause: { write: print, refuses }, index, precision }) => {
    const value = args[index]!;
    const printed = print(value, precision);
    if (printed !== undefined) return printed;
    throw new CelError(`error during formatting: ${refuses}, was given ${typeName(value)}`);
  });
}

export interface FormatArgument {
  readonly type: CelType;
  /** Where in the expression. */
  readonly at: number;
  /** What is in a list or a map that is written down. */
  readonly parts: readonly FormatArgument[];
}

/** What is wrong with a format that is written down, for its arguments; `at` is that of an argument, where it is one's. */
export function formatProblem(
  text: string,
  args: readonly FormatArgument[],
): { readonly why: string; readonly at?: number } | undefined {
  let used = 0;
  let wrong: { readonly why: string; readonly at: number } | undefined;
  try {
    write(text, args.length, ({ clause: { takes, refuses }, index }) => {
      used = index + 1;
      const bad = refused(args[index]!, takes);
      if (bad !== undefined) {
        const given = bad.type.kind === 'optional' ? 'optional_type' : typeText(bad.type);
        wrong ??= { why: `error during formatting: ${refuses}, was given ${given}`, at: bad.at };
      }
      return '';
    });
  } catch (error) {
    if (!(error instanceof CelError)) throw error;
    return wrong ?? { why: error.message };
  }
  if (wrong !== undefined || used >= args.length) return wrong;
  return {
    why: `too many arguments supplied to string.format (expected ${used}, got ${args.length})`,
  };
}

/** The argument, or what is in it, that a clause does not take. */
function refused(argument: FormatArgument, takes: ReadonlySet<string>): FormatArgument | undefined {
  const { kind } = argument.type;
  if (kind !== 'dyn' && kind !== 'param' && !takes.has(kind)) return argument;
  for (const part of argument.parts) {
    const bad = refused(part, takes);
    if (bad !== undefined) return bad;
  }
  return undefined;
}

function doubleOf(value: Value): number | undefined {
  if (typeof value === 'number') return value;
  return value === 'NaN' || value === 'Infinity' || value === '-Infinity' ? Number(value) : undefined;
}

function special(value: number): string | undefined {
  if (Number.isNaN(value)) return 'NaN';
  return Number.isFinite(value) ? undefined : value > 0 ? '∞' : '-∞';
}

/** JavaScript writes up to a hundred digits, and not all of a large number. */
function fixed(value: number, precision: number): string {
  const digits = Math.min(precision, 100);
  const more = '0'.repeat(precision - digits);
  if (Math.abs(value) >= 1e21) return `${BigInt(value)}${precision === 0 ? '' : `.${'0'.repeat(precision)}`}`;
  const tail = value.toFixed(100).slice(digits - 100);
  const isTie = /^50*$/.test(tail) && /[02468]\.?$/.test(value.toFixed(100).slice(0, digits - 100));
  // What is in the middle goes to the even digit.
  if (isTie)
    return (
      value
        .toFixed(100)
        .slice(0, digits - 100)
        .replace(/\.$/, '') + more
    );
  return value.toFixed(digits) + more;
}

/** In thousands. */
function grouped(digits: string): string {
  const [integer = '', fraction] = digits.split('.');
  const groups = integer.replaceAll(/\B(?=(?:\d{3})+$)/g, ',');
  return fraction === undefined ? groups : `${groups}.${fraction}`;
}

const RAISED = '⁰¹²³⁴⁵⁶⁷⁸⁹';

/** Upstream's has always as many digits. */
function scientific(value: number): string {
  const [mantissa = '', exponent = ''] = value.toExponential(DEFAULT_PRECISION).split('e');
  const digits = exponent
    .slice(1)
    .padStart(2, '0')
    .replaceAll(/\d/g, (digit) => RAISED[Number(digit)]!);
  return `${mantissa}×10${exponent.startsWith('-') ? '⁻' : ''}${digits}`;
}

function textOf(value: Value): string | undefined {
  if (value === null) return 'null';
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return doubleText(value);
  if (typeof value === 'boolean' || typeof value === 'bigint') return String(value);
  if (value instanceof Uint) return String(value.value);
  if (value instanceof Uint8Array) return utf8Of(value);
  if (value instanceof Timestamp) return timestampText(value);
  if (value instanceof Duration) return durationText(value);
  if (value instanceof TypeValue) return value.name;
  if (isList(value)) return `[${value.map(literal).join(', ')}]`;
  const entries = entriesOf(value);
  if (entries === undefined) return undefined;
  const pairs = entries.keys.map((key) => [keyLiteral(key), literal(entries.get(key)!)] as const);
  const sorted = pairs.toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return `{${sorted.map(([key, one]) => `${key}:${one}`).join(', ')}}`;
}

function utf8Of(bytes: Uint8Array): string {
  if (isUtf8(bytes)) return Buffer.from(bytes).toString('utf8');
  const why = 'could not convert argument "invalid UTF-8 in bytes, cannot convert to string" to string';
  throw new CelError(`error during formatting: ${why}`);
}

function keyLiteral(key: Value): string {
  if (typeof key !== 'number') return literal(key);
  throw new CelError('error during formatting: no formatting function for map key of type double');
}

/** As it would be written in an expression. */
function literal(value: Value): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (value instanceof Uint8Array) return `b${JSON.stringify(utf8Of(value))}`;
  if (typeof value === 'number')
    return Number.isFinite(value) ? fixed(value, DEFAULT_PRECISION) : `"${goDouble(value)}"`;
  if (value instanceof Timestamp) return `timestamp(${JSON.stringify(timestampText(value))})`;
  if (value instanceof Duration) return `duration(${JSON.stringify(durationText(value))})`;
  const text = textOf(value);
  if (text === undefined)
    throw new CelError(`error during formatting: no formatting function for ${typeName(value)}`);
  return text;
}

const goDouble = (value: number): string => (Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf');
