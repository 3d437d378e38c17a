/** What Kubernetes adds besides lists and addresses: regular expressions, quantities, formats, versions. */
import { tryParseQuantity, type Quantity } from '../../quantity.ts';
import { formatProblem } from '../../structural/formats.ts';
import {
  dns1035Label,
  dns1123Label,
  dns1123Subdomain,
  labelValue,
  qualifiedName,
} from '../../validate/names.ts';
import { CelError } from '../cel-error.ts';
import { fn, method, reads, type Overload } from '../functions.ts';
import { BOOL, DOUBLE, INT, list, opaque, optional, STRING } from '../types.ts';
import {
  compare as compareValues,
  NONE,
  Optional,
  QuantityValue,
  type Opaque,
  type Value,
} from '../values.ts';
import { atMost, matching, traversal, type Size } from '../sizes.ts';
import { findAll } from './patterns.ts';
import { urlProblem } from './urls.ts';

/** As if every character were found. */
const finding = { cost: matching, size: (text: Size): Size => atMost(text.most), isPattern: true };

const regex: readonly Overload[] = [
  method(
    STRING,
    'find',
    [STRING],
    STRING,
    (text: string, pattern: string) => findAll(text, pattern, 1)[0] ?? '',
    finding,
  ),
  method(
    STRING,
    'findAll',
    [STRING],
    list(STRING),
    (text: string, pattern: string) => findAll(text, pattern, -1),
    finding,
  ),
  method(
    STRING,
    'findAll',
    [STRING, INT],
    list(STRING),
    (text: string, pattern: string, limit: bigint) => findAll(text, pattern, Number(limit)),
    finding,
  ),
];

export const QUANTITY = opaque('kubernetes.Quantity');
const NANO = 1_000_000_000n;

function quantityOf(text: string): QuantityValue {
  const found = tryParseQuantity(text);
  if (found === undefined) {
    throw new CelError(
      "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
    );
  }
  // What is written in fractions is none, whatever it amounts to.
  const [, digits = '0'] = /^[+-]?(\d+)\.?(?:[eE]\+?\d+|[kMGTPE]i?)?$/.exec(text) ?? [];
  const isWhole =
    /^[+-]?\d+\.?(?:[eE]\+?\d+|[kMGTPE]i?)?$/.test(text) &&
    BigInt.asIntN(64, BigInt(digits)) === BigInt(digits);
  return new QuantityValue(found, isWhole);
}

const nanoOf = (value: Value): bigint =>
  typeof value === 'bigint' ? value * NANO : (value as QuantityValue).quantity.nano;

function shifted(sign: 1n | -1n) {
  return (one: QuantityValue, other: Value): QuantityValue => {
    const quantity: Quantity = { ...one.quantity, nano: one.quantity.nano + sign * nanoOf(other) };
    return new QuantityValue(quantity);
  };
}

function isWhole({ quantity, mayBeWhole }: QuantityValue): boolean {
  return (
    mayBeWhole &&
    quantity.nano % NANO === 0n &&
    quantity.nano / NANO <= 2n ** 63n - 1n &&
    quantity.nano / NANO >= -(2n ** 63n)
  );
}

const quantities: readonly Overload[] = [
  fn('quantity', [STRING], QUANTITY, quantityOf, reads),
  fn('isQuantity', [STRING], BOOL, (text: string) => tryParseQuantity(text) !== undefined, reads),
  fn('sign', [QUANTITY], INT, (one: QuantityValue) =>
    BigInt(one.compare(new QuantityValue({ nano: 0n, format: 'decimal' }))),
  ),
  method(QUANTITY, 'isInteger', [], BOOL, isWhole),
  method(QUANTITY, 'asInteger', [], INT, (one: QuantityValue) => {
    if (!isWhole(one)) throw new CelError('cannot convert value to integer');
    return one.quantity.nano / NANO;
  }),
  method(
    QUANTITY,
    'asApproximateFloat',
    [],
    DOUBLE,
    ({ quantity }: QuantityValue) => Number(quantity.nano) / 1e9,
  ),
  method(QUANTITY, 'add', [QUANTITY], QUANTITY, shifted(1n)),
  method(QUANTITY, 'add', [INT], QUANTITY, shifted(1n)),
  method(QUANTITY, 'sub', [QUANTITY], QUANTITY, shifted(-1n)),
  method(QUANTITY, 'sub', [INT], QUANTITY, shifted(-1n)),
  method(QUANTITY, 'isLessThan', [QUANTITY], BOOL, (a: QuantityValue, b: QuantityValue) => a.compare(b) < 0),
  method(
    QUANTITY,
    'isGreaterThan',
    [QUANTITY],
    BOOL,
    (a: QuantityValue, b: QuantityValue) => a.compare(b) > 0,
  ),
  method(QUANTITY, 'compareTo', [QUANTITY], INT, (a: QuantityValue, b: QuantityValue) =>
    BigInt(a.compare(b)),
  ),
];

const FORMAT = opaque('kubernetes.NamedFormat');

class Format implements Opaque {
  readonly opaque = 'kubernetes.NamedFormat';
  readonly name: string;
  readonly problems: (text: string) => readonly string[];

  constructor(name: string, problems: (text: string) => readonly string[]) {
    this.name = name;
    this.problems = problems;
  }

  equals(other: Opaque): boolean {
    return other instanceof Format && other.name === this.name;
  }
}

const withSuffixDash =
  (check: (text: string) => string[]) =>
  (text: string): string[] =>
    check(text.endsWith('-') ? `${text.slice(0, -1)}a` : text);
const named = (format: string, why: string) => (text: string) =>
  formatProblem(format, text) === undefined ? [] : [why];
const uri = (text: string): string[] => {
  const problem = urlProblem(text);
  return problem === undefined ? [] : [problem];
};

const FORMATS: Readonly<Record<string, (text: string) => readonly string[]>> = {
  dns1123Label,
  dns1123Subdomain,
  dns1035Label,
  qualifiedName,
  dns1123LabelPrefix: withSuffixDash(dns1123Label),
  dns1123SubdomainPrefix: withSuffixDash(dns1123Subdomain),
  dns1035LabelPrefix: withSuffixDash(dns1035Label),
  labelValue,
  uri,
  uuid: named('uuid', 'does not match the UUID format'),
  byte: named('byte', 'invalid base64'),
  date: named('date', 'invalid date'),
  datetime: named('date-time', 'invalid datetime'),
};

function formatOf(name: string): Format | undefined {
  const check = Object.hasOwn(FORMATS, name) ? FORMATS[name] : undefined;
  return check && new Format(name, check);
}

const formats: readonly Overload[] = [
  fn('format.named', [STRING], optional(FORMAT), (name: string) => {
    const found = formatOf(name);
    return found === undefined ? NONE : new Optional(found);
  }),
  ...Object.keys(FORMATS).map((name) => fn(`format.${name}`, [], FORMAT, () => formatOf(name)!)),
  method(
    FORMAT,
    'validate',
    [STRING],
    optional(list(STRING)),
    (format: Format, text: string) => {
      const problems = format.problems(text);
      return problems.length === 0 ? NONE : new Optional(problems);
    },
    { cost: (_format, text) => traversal(text) * 32 },
  ),
];

const SEMVER = opaque('kubernetes.Semver');
const SEMVER_FORM =
  /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-((?:0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*)(?:\.(?:0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*))*))?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?$/;

class Semver implements Opaque {
  readonly opaque = 'kubernetes.Semver';
  readonly numbers: readonly bigint[];
  readonly before: readonly string[];

  constructor(numbers: readonly bigint[], before: readonly string[]) {
    this.numbers = numbers;
    this.before = before;
  }

  compare(other: Opaque): number {
    const { numbers, before } = other as Semver;
    for (const [index, number] of this.numbers.entries()) {
      const order = compareValues(number, numbers[index]!);
      if (order !== 0) return order;
    }
    // A version that comes before a release is less than it.
    if (this.before.length === 0 || before.length === 0) return before.length - this.before.length;
    for (const [index, part] of this.before.entries()) {
      const theirs = before[index];
      if (theirs === undefined) return 1;
      const order = comparePart(part, theirs);
      if (order !== 0) return order;
    }
    return this.before.length - before.length;
  }

  equals(other: Opaque): boolean {
    return other instanceof Semver && this.compare(other) === 0;
  }
}

function comparePart(a: string, b: string): number {
  const [left, right] = [/^\d+$/.test(a), /^\d+$/.test(b)];
  if (left && right) return compareValues(BigInt(a), BigInt(b));
  if (left !== right) return left ? -1 : 1;
  return a < b ? -1 : a > b ? 1 : 0;
}

const MAX_UINT = 2n ** 64n - 1n;

function parseSemver(text: string, lenient = false): Semver | undefined {
  const match = SEMVER_FORM.exec(lenient ? completed(text) : text);
  if (match === null) return undefined;
  const [, major = '0', minor = '0', patch = '0', before = ''] = match;
  const numbers = [BigInt(major), BigInt(minor), BigInt(patch)] as const;
  const parts = before === '' ? [] : before.split('.');
  const counted = parts.filter((part) => /^\d+$/.test(part)).map((part) => BigInt(part));
  if ([...numbers, ...counted].some((number) => number > MAX_UINT)) return undefined;
  return new Semver(numbers, parts);
}

/** `v1.2` is 1.2.0. */
function completed(text: string): string {
  const [, numbers = '', rest = ''] = /^v?([\d.]+)(.*)$/.exec(text) ?? [];
  const parts = numbers.split('.').map((part) => part.replace(/^0+(?=\d)/, ''));
  if (parts.length < 3 && rest !== '') return '';
  while (parts.length < 3) parts.push('0');
  return `${parts.join('.')}${rest}`;
}

function semverOf(text: string, lenient = false): Semver {
  const found = parseSemver(text, lenient);
  if (found === undefined) throw new CelError(`failed to parse semver: ${JSON.stringify(text)}`);
  return found;
}

const sign = (value: number): bigint => BigInt(Math.sign(value));

const versions: readonly Overload[] = [
  fn('semver', [STRING], SEMVER, (text: string) => semverOf(text), reads),
  fn('semver', [STRING, BOOL], SEMVER, semverOf, reads),
  fn('isSemver', [STRING], BOOL, (text: string) => parseSemver(text) !== undefined, reads),
  fn(
    'isSemver',
    [STRING, BOOL],
    BOOL,
    (text: string, lenient: boolean) => parseSemver(text, lenient) !== undefined,
    reads,
  ),
  method(SEMVER, 'major', [], INT, ({ numbers }: Semver) => numbers[0]!),
  method(SEMVER, 'minor', [], INT, ({ numbers }: Semver) => numbers[1]!),
  method(SEMVER, 'patch', [], INT, ({ numbers }: Semver) => numbers[2]!),
  method(SEMVER, 'isLessThan', [SEMVER], BOOL, (a: Semver, b: Semver) => a.compare(b) < 0),
  method(SEMVER, 'isGreaterThan', [SEMVER], BOOL, (a: Semver, b: Semver) => a.compare(b) > 0),
  method(SEMVER, 'compareTo', [SEMVER], INT, (a: Semver, b: Semver) => sign(a.compare(b))),
];

export const kubernetes: readonly Overload[] = [...regex, ...quantities, ...formats, ...versions];

export const kubernetesTypes: readonly string[] = ['net.IP', 'net.CIDR'];
