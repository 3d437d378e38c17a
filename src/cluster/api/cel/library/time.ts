import { dateOf } from '../../../../base/clock.ts';
import { zoneOffset } from '../../../../base/zone-offset.ts';
import { CelError } from '../cel-error.ts';
import { checkedInt, checkedTimestamp, Duration, type Timestamp } from '../values.ts';

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

/** A text that is no value of a type. */
export function notConverted(type: string, from = 'string'): CelError {
  return new CelError(`type conversion error from '${from}' to '${type}'`);
}

/** Go's durations: `1h30m`, `-1.5s`. */
export function parseDuration(text: string): Duration {
  const match = /^([+-]?)((?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/.test(text);
  if (text === '0') return new Duration(0n);
  if (!match) throw notConverted('google.protobuf.Duration');
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
  // A day that its month does not have is taken for one of the next month.
  const day =
    match === null
      ? 0
      : dateOf(Date.UTC(Number(match[1]), Number(match[2]) - 1, Number(match[3]))).getUTCDate();
  if (Number.isNaN(ms) || day !== Number(match?.[3])) throw notConverted('google.protobuf.Timestamp');
  const fraction = match?.[7] ?? '';
  const zone = Number(match?.[9] ?? 0) * 60 + Number(match?.[10] ?? 0);
  return checkedTimestamp(
    BigInt(ms) * 1_000_000n + BigInt(fraction.padEnd(9, '0') || '0'),
    match?.[8] === '-' ? -zone : zone,
  );
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

/** An expression asks for one zone again and again. */
let last: { readonly zone: string; readonly offset: (ms: number) => number } | undefined;

function offset(ms: number, zone: string): number {
  const fixed = /^([+-]?)(\d+):(\d+)$/.exec(zone);
  if (fixed !== null) {
    const minutes = Number(fixed[2]) * 60 + Number(fixed[3]);
    return (fixed[1] === '-' ? -minutes : minutes) * 60_000;
  }
  try {
    if (last?.zone !== zone) last = { zone, offset: zoneOffset(zone === '' ? 'UTC' : zone) };
    return last.offset(ms);
  } catch {
    throw new CelError(`unknown time zone ${zone}`);
  }
}
