/** Times and durations as Kubernetes writes them, without the Date object's tolerance. */
const RFC3339 =
  /^(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(?:\.(\d+))?(?:[Zz]|([+-])(\d{2}):(\d{2}))$/;

function epoch(text: string): { ms: number; fraction: string } | undefined {
  const match = RFC3339.exec(text);
  if (match === null) return undefined;
  const [, year, month, day, hour, minute, second, fraction = '', sign, zoneHour, zoneMinute] = match;
  const numbers = [year, month, day, hour, minute, second].map(Number);
  const [y = 0, mo = 0, d = 0, h = 0, mi = 0, s = 0] = numbers;
  if (mo < 1 || mo > 12 || d < 1 || d > 31 || h > 23 || mi > 59 || s > 59) return undefined;
  const offset =
    sign === undefined ? 0 : (sign === '-' ? -1 : 1) * (Number(zoneHour) * 60 + Number(zoneMinute)) * 60_000;
  const local = utc(y, mo - 1, d) + ((h * 60 + mi) * 60 + s) * 1000;
  if (new Date(local).getUTCDate() !== d) return undefined;
  return { ms: local - offset, fraction };
}

/** Date.UTC takes the years up to 99 for those of the twentieth century; Go's zero time is in year 1. */
function utc(year: number, month: number, day: number): number {
  const date = new Date(0);
  return date.setUTCFullYear(year, month, day);
}

/** Milliseconds since the epoch of an RFC 3339 time, undefined when it is none. */
export function timeToMs(text: string): number | undefined {
  const parsed = epoch(text);
  return parsed === undefined
    ? undefined
    : parsed.ms + Number(`0.${parsed.fraction === '' ? '0' : parsed.fraction}`) * 1000;
}

/** Canonical times of days that every month has: nothing to look for in a calendar. */
const CANONICAL =
  /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{6})?Z$/;
const TIME_LENGTH = '2006-01-02T15:04:05Z'.length;
const MICRO_TIME_LENGTH = '2006-01-02T15:04:05.000000Z'.length;

/** metav1.Time in its canonical form: UTC, whole seconds. */
export function parseTime(text: string): string | undefined {
  if (text.length === TIME_LENGTH && CANONICAL.test(text)) return text;
  const parsed = epoch(text);
  return parsed === undefined ? undefined : `${new Date(parsed.ms).toISOString().slice(0, 19)}Z`;
}

/** metav1.MicroTime in its canonical form: UTC, six digits. */
export function parseMicroTime(text: string): string | undefined {
  if (text.length === MICRO_TIME_LENGTH && CANONICAL.test(text)) return text;
  const parsed = epoch(text);
  // Go's layout has exactly six digits.
  if (parsed?.fraction.length !== 6) return undefined;
  return `${new Date(parsed.ms).toISOString().slice(0, 19)}.${parsed.fraction}Z`;
}

/** metav1.Duration, kept as written: `1h30m`, `5s`. */
export function parseDuration(text: string): string | undefined {
  return /^[+-]?(0|((\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h))+)$/.test(text) ? text : undefined;
}

/** A duration as kubectl prints an age: two units at most, fewer as it grows (`45s`, `3m12s`, `5h`, `12d`, `3y`). */
export function humanDuration(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (seconds < -1) return '<invalid>';
  if (seconds < 0) return '0s';
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 10) return withRest(minutes, 'm', seconds % 60, 's');
  if (minutes < 180) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 8) return withRest(hours, 'h', minutes % 60, 'm');
  if (hours < 48) return `${hours}h`;
  const days = Math.floor(hours / 24);
  if (hours < 192) return withRest(days, 'd', hours % 24, 'h');
  if (hours < 24 * 365 * 2) return `${days}d`;
  const years = Math.floor(days / 365);
  if (hours < 24 * 365 * 8) return withRest(years, 'y', days % 365, 'd');
  return `${years}y`;
}

function withRest(value: number, unit: string, rest: number, restUnit: string): string {
  return rest === 0 ? `${value}${unit}` : `${value}${unit}${rest}${restUnit}`;
}

const NANOSECONDS: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  μs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};

/** Go's time.Duration of a metav1.Duration; undefined when it is none. */
export function durationToNanoseconds(text: string): number | undefined {
  if (parseDuration(text) === undefined) return undefined;
  let sum = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g)) {
    sum += Number(amount) * NANOSECONDS[unit!]!;
  }
  return Math.round(text.startsWith('-') ? -sum : sum);
}
