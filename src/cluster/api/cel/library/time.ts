import { dateOf } from '../../../../base/clock.ts';
import { zoneOffset } from '../../../../base/zone-offset.ts';
import { CelError } from '../cel-error.ts';
import { checkedInt, Duration, Timestamp } from '../values.ts';

const NANOS: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1000n,
  µs: 1000n,
  μs: 1000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
};
const SECOND = 1_000_000_000n;

/** Go's durations: `1h30m`, `-1.5s`. */
export function parseDuration(text: string): Duration {
  const match = /^([+-]?)((?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/.test(text);
  if (text === '0') return new Duration(0n);
  if (!match) throw new CelError(`time: invalid duration ${JSON.stringify(text)}`);
  let total = 0n;
  for (const [, whole = '', fraction = '', unit = ''] of text.matchAll(
    /(\d*)(?:\.(\d*))?(ns|us|µs|μs|ms|s|m|h)/g,
  )) {
    const nanos = NANOS[unit]!;
    total += BigInt(whole === '' ? '0' : whole) * nanos;
    if (fraction !== '') total += (BigInt(fraction) * nanos) / 10n ** BigInt(fraction.length);
  }
  return new Duration(checkedInt(text.startsWith('-') ? -total : total));
}

const RFC3339 =
  /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9})\d*)?(?:[Zz]|([+-])(\d\d):(\d\d))$/;

export function parseTimestamp(text: string): Timestamp {
  const match = RFC3339.exec(text);
  const ms = match === null ? Number.NaN : Date.parse(text.toUpperCase().replace(/\.\d+/, ''));
  if (Number.isNaN(ms))
    throw new CelError(`parsing time ${JSON.stringify(text)} as "2006-01-02T15:04:05Z07:00"`);
  const fraction = match?.[7] ?? '';
  return new Timestamp(BigInt(ms) * 1_000_000n + BigInt(fraction.padEnd(9, '0') || '0'));
}

function fractionText(nanos: bigint): string {
  return nanos === 0n ? '' : `.${String(nanos).padStart(9, '0').replace(/0+$/, '')}`;
}

export function timestampText({ nanos }: Timestamp): string {
  const seconds = nanos >= 0n ? nanos / SECOND : (nanos - SECOND + 1n) / SECOND;
  const text = isoOf(Number(seconds) * 1000);
  return `${text}${fractionText(nanos - seconds * SECOND)}Z`;
}

export function durationText({ nanos }: Duration): string {
  const [sign, positive] = nanos < 0n ? ['-', -nanos] : ['', nanos];
  return `${sign}${positive / SECOND}${fractionText(positive % SECOND)}s`;
}

function isoOf(ms: number): string {
  return dateOf(ms).toISOString().slice(0, 19);
}

/** One part of a time in a time zone: a name, or an offset like `+01:00`. */
export function field(time: Timestamp, name: string, zone: string): bigint {
  const ms = Number(time.nanos / 1_000_000n);
  if (name === 'getMilliseconds') return BigInt(((ms % 1000) + 1000) % 1000);
  const shifted = dateOf(ms + offset(ms, zone));
  switch (name) {
    case 'getFullYear':
      return BigInt(shifted.getUTCFullYear());
    case 'getMonth':
      return BigInt(shifted.getUTCMonth());
    case 'getDate':
      return BigInt(shifted.getUTCDate());
    case 'getDayOfMonth':
      return BigInt(shifted.getUTCDate() - 1);
    case 'getDayOfWeek':
      return BigInt(shifted.getUTCDay());
    case 'getDayOfYear': {
      const start = Date.UTC(shifted.getUTCFullYear(), 0, 1);
      return BigInt(Math.floor((shifted.getTime() - start) / 86_400_000));
    }
    case 'getHours':
      return BigInt(shifted.getUTCHours());
    case 'getMinutes':
      return BigInt(shifted.getUTCMinutes());
    default:
      return BigInt(shifted.getUTCSeconds());
  }
}

function offset(ms: number, zone: string): number {
  const fixed = /^([+-]?)(\d\d):(\d\d)$/.exec(zone);
  if (fixed !== null) {
    const minutes = Number(fixed[2]) * 60 + Number(fixed[3]);
    return (fixed[1] === '-' ? -minutes : minutes) * 60_000;
  }
  try {
    return zoneOffset(zone === '' ? 'UTC' : zone)(ms);
  } catch {
    throw new CelError(`unknown time zone ${zone}`);
  }
}
