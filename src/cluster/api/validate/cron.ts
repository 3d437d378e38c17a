/** Schedules of cron jobs: five fields, or a word for the usual ones (https://en.wikipedia.org/wiki/Cron). */

interface Bounds {
  readonly minimum: number;
  readonly maximum: number;
  /** The first is `minimum`. */
  readonly names?: readonly string[];
}

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];

const FIELDS: readonly Bounds[] = [
  { minimum: 0, maximum: 59 },
  { minimum: 0, maximum: 23 },
  { minimum: 1, maximum: 31 },
  { minimum: 1, maximum: 12, names: MONTHS },
  { minimum: 0, maximum: 6, names: DAYS },
];

const WORDS = new Set(['@yearly', '@annually', '@monthly', '@weekly', '@daily', '@midnight', '@hourly']);
const DURATION = /^[+-]?(\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)((\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h))*$/;

/** What is wrong with a schedule, undefined when nothing is. */
export function scheduleComplaint(schedule: string): string | undefined {
  if (schedule === '') return 'empty spec string';
  const zone = /^(?:CRON_)?TZ=(\S*)(?:\s+(.*))?$/s.exec(schedule);
  if (zone !== null && !isTimeZone(zone[1] ?? '')) {
    return `provided bad location ${zone[1] ?? ''}: unknown time zone ${zone[1] ?? ''}`;
  }
  const text = zone === null ? schedule : (zone[2] ?? '').trim();
  if (text.startsWith('@')) return descriptorComplaint(text);
  const fields = text.split(/\s+/).filter((field) => field !== '');
  if (fields.length !== FIELDS.length) {
    return `expected exactly ${FIELDS.length} fields, found ${fields.length}: [${fields.join(' ')}]`;
  }
  for (const [index, field] of fields.entries()) {
    const bounds = FIELDS[index];
    const complaint = bounds === undefined ? undefined : fieldComplaint(field, bounds);
    if (complaint !== undefined) return complaint;
  }
  return undefined;
}

/** True for names of the IANA database. */
export function isTimeZone(name: string): boolean {
  if (name === '' || name === 'UTC') return true;
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}

function descriptorComplaint(text: string): string | undefined {
  if (WORDS.has(text)) return undefined;
  if (!text.startsWith('@every ')) return `unrecognized descriptor: ${text}`;
  const duration = text.slice('@every '.length);
  if (DURATION.test(duration) || duration === '0') return undefined;
  return `failed to parse duration ${text}: time: invalid duration ${JSON.stringify(duration)}`;
}

function fieldComplaint(field: string, bounds: Bounds): string | undefined {
  for (const part of field.split(',')) {
    if (part === '') continue;
    const complaint = rangeComplaint(part, bounds);
    if (complaint !== undefined) return complaint;
  }
  return undefined;
}

/** `*`, `5`, `1-5`, `mon-fri`, each with an optional step. */
function rangeComplaint(text: string, bounds: Bounds): string | undefined {
  const [range = '', stepText, ...moreSteps] = text.split('/');
  const [lowText = '', highText, ...moreEnds] = range.split('-');
  let low = bounds.minimum;
  let high = bounds.maximum;
  if (lowText !== '*' && lowText !== '?') {
    const first = number(lowText, bounds);
    if (typeof first === 'string') return first;
    low = first;
    high = stepText === undefined ? first : bounds.maximum;
    if (moreEnds.length > 0) return `too many hyphens: ${text}`;
    if (highText !== undefined) {
      const last = number(highText, bounds);
      if (typeof last === 'string') return last;
      high = last;
    }
  }
  if (moreSteps.length > 0) return `too many slashes: ${text}`;
  const step = stepText === undefined ? 1 : number(stepText, {});
  if (typeof step === 'string') return step;
  if (low < bounds.minimum) return `beginning of range (${low}) below minimum (${bounds.minimum}): ${text}`;
  if (high > bounds.maximum) return `end of range (${high}) above maximum (${bounds.maximum}): ${text}`;
  if (low > high) return `beginning of range (${low}) beyond end of range (${high}): ${text}`;
  return step === 0 ? `step of range should be a positive number: ${text}` : undefined;
}

/** The number, or what is wrong with it. */
function number(text: string, { minimum = 0, names = [] }: Partial<Bounds>): number | string {
  const named = names.indexOf(text.toLowerCase());
  if (named !== -1) return minimum + named;
  if (/^-\d+$/.test(text)) return `negative number (${text}) not allowed: ${text}`;
  if (!/^\+?\d+$/.test(text)) {
    return `failed to parse int from ${text}: strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`;
  }
  return Number(text);
}
