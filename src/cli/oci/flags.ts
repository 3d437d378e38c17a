/**
 * The grammar of runc's command line, which tools rely on: `-name`, `--name`, `=value` or the next word for all of
 * them, no bundled letters, `--` ends them. A command may be told to take all that follows its first argument as it is.
 */
import { PlatformError } from '../../base/errors.ts';

export interface Flag {
  readonly name: string;
  readonly alias?: string;
  /** `list`: may be given again. `duration`: `5s`, `1m30s`; milliseconds. */
  readonly type: 'boolean' | 'string' | 'integer' | 'list' | 'duration';
  /** A line for `--help`. */
  readonly help: string;
  readonly default?: string;
}

export class FlagValues {
  readonly #values: ReadonlyMap<string, readonly string[]>;

  constructor(values: ReadonlyMap<string, readonly string[]>) {
    this.#values = values;
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  boolean(name: string): boolean {
    return this.string(name) === 'true';
  }

  /** The last one given. */
  string(name: string): string | undefined {
    return this.#values.get(name)?.at(-1);
  }

  list(name: string): readonly string[] {
    return this.#values.get(name) ?? [];
  }

  integer(name: string): number | undefined {
    const text = this.string(name);
    return text === undefined ? undefined : Number(text);
  }

  /** Milliseconds. */
  duration(name: string): number | undefined {
    const text = this.string(name);
    return text === undefined ? undefined : milliseconds(text);
  }
}

export interface Parsed {
  readonly flags: FlagValues;
  readonly args: readonly string[];
}

export interface ParseOptions {
  /** What follows the first argument is not ours. */
  readonly verbatim?: boolean;
}

/** `invalid`, with what Go's flag package would say, for what is not in `table`. */
export function parseFlags(
  words: readonly string[],
  table: readonly Flag[],
  { verbatim = false }: ParseOptions = {},
): Parsed {
  const values = new Map<string, string[]>();
  const args: string[] = [];
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!;
    if (word === '--') {
      args.push(...words.slice(at + 1));
      break;
    }
    if (!word.startsWith('-') || word === '-') {
      args.push(word);
      if (!verbatim) continue;
      args.push(...words.slice(at + 1));
      break;
    }
    const match = /^--?([^=]*)(?:=(.*))?$/s.exec(word);
    const name = match?.[1] ?? '';
    if (name === '' || name.startsWith('-')) throw usage(`bad flag syntax: ${word}`);
    const flag = table.find((each) => each.name === name || each.alias === name);
    if (flag === undefined) throw usage(`flag provided but not defined: -${name}`);
    let value = match![2];
    if (flag.type === 'boolean') value ??= 'true';
    else if (value === undefined) {
      if (++at >= words.length) throw usage(`flag needs an argument: -${name}`);
      value = words[at]!;
    }
    const checked = check(flag, name, value);
    values.set(flag.name, [...(values.get(flag.name) ?? []), checked]);
  }
  for (const flag of table) {
    if (flag.default !== undefined && !values.has(flag.name)) values.set(flag.name, [flag.default]);
  }
  return { flags: new FlagValues(values), args };
}

const TRUE = ['1', 't', 'T', 'TRUE', 'true', 'True'];
const FALSE = ['0', 'f', 'F', 'FALSE', 'false', 'False'];

function check(flag: Flag, name: string, value: string): string {
  switch (flag.type) {
    case 'boolean':
      if (TRUE.includes(value)) return 'true';
      if (FALSE.includes(value)) return 'false';
      throw usage(`invalid boolean value ${JSON.stringify(value)} for -${name}: parse error`);
    case 'integer':
      if (/^[+-]?\d+$/.test(value) && Number.isSafeInteger(Number(value))) return String(Number(value));
      break;
    case 'duration':
      if (milliseconds(value) !== undefined) return value;
      break;
    default:
      return value;
  }
  throw usage(`invalid value ${JSON.stringify(value)} for flag -${name}: parse error`);
}

const UNITS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1e3,
  m: 6e4,
  h: 3.6e6,
};

/** `undefined` when it is not a duration as Go writes them. */
export function milliseconds(text: string): number | undefined {
  if (text === '0') return 0;
  if (!/^(\d+(\.\d*)?(ns|us|µs|ms|s|m|h))+$/.test(text)) return undefined;
  return [...text.matchAll(/([\d.]+)(ns|us|µs|ms|s|m|h)/g)].reduce(
    (sum, [, number, unit]) => sum + Number(number) * UNITS[unit!]!,
    0,
  );
}

/** Printed together with how the command is used. */
export function usage(message: string): PlatformError {
  return new PlatformError('invalid', message, { details: { usage: true } });
}
