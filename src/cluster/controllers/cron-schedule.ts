/** When a schedule strikes next, in a time zone (https://en.wikipedia.org/wiki/Cron). Schedules have been validated. */
import { dateOf } from '../../base/clock.ts';
import { zoneOffset } from '../../base/zone-offset.ts';

const MINUTE_MS = 60_000;
/** A schedule that does not strike in that long (the 30th of February) never does. */
const YEARS = 5;

const WORDS: Readonly<Record<string, string>> = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *',
};

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];

export interface Schedule {
  /** The first time after `after`, both in milliseconds since the epoch; undefined when there is none. */
  next(after: number): number | undefined;
}

/** The zone is UTC where neither the text nor `timeZone` names one. */
export function parseSchedule(text: string, timeZone?: string): Schedule {
  const named = /^(?:CRON_)?TZ=(\S+)\s+(.*)$/s.exec(text.trim());
  const zone = named?.[1] ?? timeZone ?? 'UTC';
  const plain = (named?.[2] ?? text).trim();
  if (plain.startsWith('@every ')) return every(durationMs(plain.slice('@every '.length)));
  const [minutes, hours, days, months, weekdays] = (WORDS[plain] ?? plain).split(/\s+/);
  const fields: Fields = {
    minutes: field(minutes, { from: 0, to: 59 }),
    hours: field(hours, { from: 0, to: 23 }),
    days: field(days, { from: 1, to: 31 }),
    months: field(months, { from: 1, to: 12, names: MONTHS }),
    weekdays: field(weekdays, { from: 0, to: 6, names: DAYS }),
  };
  const offset = zoneOffset(zone);
  return { next: (after) => nextIn(fields, offset, after) };
}

interface Field {
  readonly values: ReadonlySet<number>;
  /** It says nothing: every value will do. */
  readonly any: boolean;
}

type Fields = Readonly<Record<'minutes' | 'hours' | 'days' | 'months' | 'weekdays', Field>>;

interface Bounds {
  readonly from: number;
  readonly to: number;
  readonly names?: readonly string[];
}

function field(text = '*', { from, to, names = [] }: Bounds): Field {
  const values = new Set<number>();
  let any = false;
  const number = (word: string): number => {
    const at = names.indexOf(word.toLowerCase());
    return at < 0 ? Number(word) : from + at;
  };
  for (const part of text.split(',')) {
    const [range = '', step] = part.split('/');
    const [low = '', high] = range.split('-');
    const all = low === '*' || low === '?';
    const first = all ? from : number(low);
    const last = all || (high === undefined && step !== undefined) ? to : number(high ?? low);
    const by = Number(step ?? 1);
    if (all && by === 1) any = true;
    for (let value = first; value <= last; value += by) values.add(value);
  }
  return { values, any };
}

/** All wall times are milliseconds that would be right in UTC. */
function nextIn(fields: Fields, offset: (at: number) => number, after: number): number | undefined {
  let wall = Math.floor((after + offset(after)) / MINUTE_MS) * MINUTE_MS + MINUTE_MS;
  const end = dateOf(wall).getUTCFullYear() + YEARS;
  for (;;) {
    const date = dateOf(wall);
    const [year, month, day] = [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()];
    if (year > end) return undefined;
    if (!fields.months.values.has(month + 1)) wall = Date.UTC(year, month + 1, 1);
    else if (!isDay(fields, date)) wall = Date.UTC(year, month, day + 1);
    else if (!fields.hours.values.has(date.getUTCHours()))
      wall = Date.UTC(year, month, day, date.getUTCHours() + 1);
    else if (!fields.minutes.values.has(date.getUTCMinutes())) wall += MINUTE_MS;
    else {
      const at = instantOf(wall, offset);
      // An hour that comes twice strikes once; one that is left out strikes not at all.
      if (at > after && at + offset(at) === wall) return at;
      wall += MINUTE_MS;
    }
  }
}

/** Days of the month and of the week: either will do where both are named. */
function isDay({ days, weekdays }: Fields, date: Date): boolean {
  const [ofMonth, ofWeek] = [days.values.has(date.getUTCDate()), weekdays.values.has(date.getUTCDay())];
  return days.any || weekdays.any ? ofMonth && ofWeek : ofMonth || ofWeek;
}

function instantOf(wall: number, offset: (at: number) => number): number {
  const guess = wall - offset(wall);
  return wall - offset(guess);
}

const UNITS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

function durationMs(text: string): number {
  let sum = 0;
  for (const [, number, unit = ''] of text.matchAll(/([\d.]+)(ns|us|µs|ms|s|m|h)/g)) {
    sum += Number(number) * (UNITS[unit] ?? 0);
  }
  // A second is the least there is.
  return Math.max(1000, Math.floor(sum / 1000) * 1000);
}

function every(ms: number): Schedule {
  return { next: (after) => Math.floor(after / 1000) * 1000 + ms };
}
