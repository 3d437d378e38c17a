/**
 * Kubernetes quantities (https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/): exact decimal
 * numbers with a suffix. Held as whole nano-units, the finest that Kubernetes keeps; finer is rounded up.
 */
import { PlatformError } from '../../base/errors.ts';

export type QuantityFormat = 'decimal' | 'binary' | 'exponent';

export interface Quantity {
  /** The value in units of 10⁻⁹. */
  readonly nano: bigint;
  readonly format: QuantityFormat;
}

const NANO = 1_000_000_000n;
const MAX_NANO = (2n ** 63n - 1n) * NANO;
const DECIMAL: readonly (readonly [string, number])[] = [
  ['n', -9],
  ['u', -6],
  ['m', -3],
  ['', 0],
  ['k', 3],
  ['M', 6],
  ['G', 9],
  ['T', 12],
  ['P', 15],
  ['E', 18],
];
const BINARY = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];
const FORM = /^([+-]?)(\d*)(?:\.(\d*))?([KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?$/;

interface Unit {
  /** Of one of them, in units of 10⁻⁹. */
  readonly nano: bigint;
  readonly format: QuantityFormat;
  /** So many make one of the next larger unit. */
  readonly step: number;
  /** More than this is beyond int64. */
  readonly most: number;
}

function unit(nano: bigint, format: 'decimal' | 'binary'): Unit {
  return { nano, format, step: format === 'binary' ? 1024 : 1000, most: Number(MAX_NANO / nano) };
}

const UNITS: ReadonlyMap<string, Unit> = new Map([
  ...DECIMAL.map(([name, power]) => [name, unit(10n ** BigInt(power + 9), 'decimal')] as const),
  ...BINARY.slice(1).map((name, i) => [name, unit(1024n ** BigInt(i + 1) * NANO, 'binary')] as const),
]);

/** Numbers of so many digits are exact in JavaScript. */
const EXACT_DIGITS = 15;

/** How many digits a text begins with. */
function leadingDigits(text: string): number {
  let count = 0;
  while (count < text.length && text.charCodeAt(count) >= 48 && text.charCodeAt(count) <= 57) count++;
  return count;
}

/** Undefined for text that is no quantity. Values beyond int64 are capped, as Kubernetes does. */
export function tryParseQuantity(text: string): Quantity | undefined {
  const digits = leadingDigits(text);
  if (digits === 0 || digits > EXACT_DIGITS) return parseAny(text);
  // Nearly all are like this: digits and a suffix.
  const found = UNITS.get(text.slice(digits));
  if (found === undefined) return parseAny(text);
  const nano = BigInt(text.slice(0, digits)) * found.nano;
  return { nano: nano > MAX_NANO ? MAX_NANO : nano, format: found.format };
}

/** In every form that there is: with a sign, a fraction, an exponent. */
function parseAny(text: string): Quantity | undefined {
  const match = FORM.exec(text);
  if (match === null) return undefined;
  const [, sign, whole = '', fraction = '', suffix = ''] = match;
  // Go takes a sign, a point or a suffix without any digit for nothing of it.
  if (text === '') return undefined;
  let digits = BigInt(whole + fraction);
  let divisor = 10n ** BigInt(fraction.length);
  let format: QuantityFormat = 'decimal';
  const binary = BINARY.indexOf(suffix);
  if (binary > 0) {
    format = 'binary';
    digits *= 1024n ** BigInt(binary) * NANO;
  } else {
    const exponential = /^[eE]([+-]?\d+)$/.exec(suffix);
    const exponent =
      exponential === null ? DECIMAL.find(([name]) => name === suffix)?.[1] : Number(exponential[1]);
    if (exponent === undefined || Math.abs(exponent) > 1000) return undefined;
    if (exponential !== null) format = 'exponent';
    const shift = exponent + 9;
    if (shift >= 0) digits *= 10n ** BigInt(shift);
    else divisor *= 10n ** BigInt(-shift);
  }
  const rounded = (digits + divisor - 1n) / divisor;
  const capped = rounded > MAX_NANO ? MAX_NANO : rounded;
  return { nano: sign === '-' ? -capped : capped, format };
}

/** Throws `invalid`. */
export function parseQuantity(text: string): Quantity {
  const quantity = tryParseQuantity(text);
  if (quantity === undefined) throw new PlatformError('invalid', `not a quantity: ${JSON.stringify(text)}`);
  return quantity;
}

/** The canonical text: no fraction, the largest suffix that keeps it whole. */
export function formatQuantity(quantity: Quantity): string {
  const { nano } = quantity;
  if (nano === 0n) return '0';
  const sign = nano < 0n ? '-' : '';
  const absolute = nano < 0n ? -nano : nano;
  // Kubernetes writes binary values below 1Ki, and those with a fraction, in decimal form.
  if (quantity.format === 'binary' && absolute >= 1024n * NANO && absolute % NANO === 0n) {
    let value = absolute / NANO;
    let power = 0;
    while (power < BINARY.length - 1 && value % 1024n === 0n) {
      value /= 1024n;
      power++;
    }
    return `${sign}${value}${BINARY[power]}`;
  }
  let value = absolute;
  let exponent = -9;
  while (exponent < 18 && value % 1000n === 0n) {
    value /= 1000n;
    exponent += 3;
  }
  if (quantity.format === 'exponent') return `${sign}${value}${exponent === 0 ? '' : `e${exponent}`}`;
  return `${sign}${value}${DECIMAL.find(([, power]) => power === exponent)?.[0] ?? ''}`;
}

/** Canonical text of a text, undefined when it is no quantity. */
export function canonicalQuantity(text: string): string | undefined {
  if (isCanonical(text)) return text;
  const quantity = tryParseQuantity(text);
  return quantity === undefined ? undefined : formatQuantity(quantity);
}

/** True only for what is canonical; cheaper than to write it anew. */
function isCanonical(text: string): boolean {
  const digits = leadingDigits(text);
  if (digits === 0 || digits > EXACT_DIGITS || text.startsWith('0')) return text === '0';
  const amount = Number(text.slice(0, digits));
  const found = UNITS.get(text.slice(digits));
  return found !== undefined && amount % found.step !== 0 && amount <= found.most;
}

/** Negative, zero or positive as `a` is less than, equal to or greater than `b`. */
export function compareQuantities(a: Quantity, b: Quantity): number {
  return a.nano < b.nano ? -1 : a.nano > b.nano ? 1 : 0;
}

/** Thousandths, rounded up: the unit of cpu. */
export function quantityMilli(text: string): number {
  return Number(ceilDivide(parseQuantity(text).nano, 1_000_000n));
}

/** Whole units, rounded up: bytes, pods. */
export function quantityValue(text: string): number {
  return Number(ceilDivide(parseQuantity(text).nano, NANO));
}

/** The sum, in the format of `a`. */
export function addQuantities(a: Quantity, b: Quantity): Quantity {
  return { nano: a.nano + b.nano, format: a.nano === 0n ? b.format : a.format };
}

function ceilDivide(value: bigint, divisor: bigint): bigint {
  return value > 0n ? (value + divisor - 1n) / divisor : value / divisor;
}
