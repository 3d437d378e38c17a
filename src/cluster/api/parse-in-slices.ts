/**
 * JSON of large bodies, read in slices: JSON.parse takes as long as it takes, and a few megabytes of hostile text make it
 * take a third of a second. Gives what JSON.parse gives, without halves of surrogate pairs; keys that occur twice and the
 * depth are seen on the way.
 */
import { errorMessage } from '../../base/errors.ts';
import { yieldToLoop } from '../../base/yield-to-loop.ts';
import { endOfShort, endOfString, MAX_JSON_DEPTH, tooDeep } from './duplicate-keys.ts';
import { goQuote } from './field-error.ts';
import { isJsonObject, setOwn, type JsonObject, type JsonValue } from './json.ts';
import { knownListAt, rememberList } from './known-lists.ts';

/** Characters that are read in one go: of the worst text they take about a millisecond. */
const SLICE = 8 * 1024;

/** An object of so many members takes its time as soon as somebody asks for their names. */
const MANY = 1000;
const crowded = new WeakSet<object>();

/** Whether the object is known to have thousands of members: to list them alone takes milliseconds. */
export function isCrowded(object: JsonObject): boolean {
  return crowded.has(object);
}

/** Whether a value has so many others in it; looks no further than it has to. */
export function hasValues(value: JsonValue, wanted: number): boolean {
  return missingFrom(value, wanted) <= 0;
}

/** How many more there would have to be. */
function missingFrom(value: JsonValue, wanted: number): number {
  let missing = wanted;
  if (Array.isArray(value)) {
    missing -= value.length;
    for (let i = 0; i < value.length && missing > 0; i++) missing = missingFrom(value[i]!, missing);
  } else if (isJsonObject(value)) {
    // Its members cannot even be listed in a short time.
    if (isCrowded(value)) return 0;
    let members = 0;
    for (const name in value) {
      if (missing > 0) missing = missingFrom(value[name] ?? null, missing - 1);
      if (++members < MANY) continue;
      // They have all been listed by now: not once more.
      crowded.add(value);
      break;
    }
  }
  return missing;
}

const long = new WeakSet<object>();

/** Whether it was read in slices, and is longer than one. */
export function isLong(value: object): boolean {
  return long.has(value);
}

const earlier = new WeakMap<JsonObject, Map<string, JsonValue[]>>();

/** What members of an object that was read in slices were before they came again, in order. */
export function earlierValues(object: JsonObject): ReadonlyMap<string, readonly JsonValue[]> | undefined {
  return earlier.get(object);
}

interface Level {
  readonly value: JsonObject | JsonValue[];
  /** Where its text begins. */
  readonly start: number;
  /** Whether a list in it is known. */
  hasKnown: boolean;
  members: number;
  readonly isList: boolean;
  /** Of the member that is being read. */
  key: string;
}

/**
 * `duplicates` are paths as `duplicateKeys` has them, at most `maxDuplicates`. Throws SyntaxError in Go's words for what is
 * not JSON, `invalid` for what is too deep.
 */
export async function parseInSlices(
  text: string,
  maxDuplicates: number,
): Promise<{ value: JsonValue; duplicates: string[] }> {
  const reader = new Reader(text, maxDuplicates);
  return { value: await readInSlices(reader), duplicates: [...reader.duplicates] };
}

/** Characters of a hundred pods, which JSON.parse reads in two milliseconds. */
const IN_ONE_GO = 256 * 1024;

/** As JSON.parse, but long texts are read a slice at a time. Throws SyntaxError. */
export function parseText(text: string): unknown {
  return text.length <= IN_ONE_GO ? JSON.parse(text) : readInSlices(new Reader(text, 0));
}

export interface SharedReading {
  /** Where a list is left out: keys alone, whatever lists they are in. */
  readonly without: readonly string[];
  /** Characters that are read in one go, and as they are. */
  readonly inOneGo?: number;
}

/** Those who read the same at the same time are to find what the first of them has read. */
let lastShared: Promise<unknown> = Promise.resolve();

/** As parseText, for those who change nothing of what they get: they share long lists with others (known-lists.ts). */
export function parseShared(text: string, { without, inOneGo = IN_ONE_GO }: SharedReading): unknown {
  if (text.length <= inOneGo) return JSON.parse(text);
  const read = lastShared.then(() => readInSlices(new Reader(text, 0, without)));
  lastShared = read.catch(() => {});
  return read;
}

async function readInSlices(reader: Reader): Promise<JsonValue> {
  while (!reader.read()) await yieldToLoop();
  return reader.value;
}

/** As JSON.parse, of a short text, with what `earlierValues` tells. */
export function parseRepeated(text: string): JsonValue {
  const reader = new Reader(text, 1);
  while (!reader.read());
  return reader.value;
}

/** What Go says about a text that is not JSON. */
export function goSyntaxError(text: string): string | undefined {
  const reader = new Reader(text, 0);
  try {
    while (!reader.read());
  } catch (error) {
    return errorMessage(error);
  }
  return undefined;
}

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
/** Of a string, as far as it is one. */
// oxlint-disable-next-line no-control-regex
const GOOD_IN_STRING = /(?:[^\0-\x1f\\"]|\\["\\/bfnrt]|\\u[\da-fA-F]{4})*/y;
const WORDS: readonly (readonly [string, true | false | null])[] = [
  ['true', true],
  ['false', false],
  ['null', null],
];

class Reader {
  value: JsonValue = null;
  readonly duplicates = new Set<string>();
  readonly #text: string;
  readonly #maxDuplicates: number;
  readonly #without: readonly string[] | undefined;
  readonly #stack: Level[] = [];
  #at = 0;
  /** Levels of what is left out, when it is being passed. */
  #passing = 0;
  /** What has to come: a value, the first member or the end of a level, what follows a value. */
  #expected: 'value' | 'first' | 'after' = 'value';

  constructor(text: string, maxDuplicates: number, without?: readonly string[]) {
    this.#text = text;
    this.#maxDuplicates = maxDuplicates;
    this.#without = without;
  }

  /** Reads on for one slice; true when that was all. */
  read(): boolean {
    const end = this.#at + SLICE;
    while (this.#at < end) {
      const mark = this.#mark();
      const level = this.#stack.at(-1);
      if (this.#passing > 0) this.#pass(mark);
      else if (this.#expected === 'value') this.#value(mark);
      else if (level === undefined) {
        if (mark !== '') throw this.#unexpected('after top-level value');
        return true;
      } else if (mark === (level.isList ? ']' : '}')) {
        this.#at++;
        this.#close(level);
        this.#expected = 'after';
      } else this.#member(level, mark);
    }
    return false;
  }

  #close(level: Level): void {
    this.#stack.pop();
    const { value, start } = level;
    if (this.#at - start <= SLICE) return;
    long.add(value);
    if (this.#without === undefined) return;
    // The innermost, but not the items of a list of objects, of which something may have been left out.
    if (Array.isArray(value) && !level.hasKnown && this.#stack.length > 1) {
      rememberList(value, this.#text.slice(start, this.#at));
      level.hasKnown = true;
    }
    const parent = this.#stack.at(-1);
    if (parent !== undefined) parent.hasKnown ||= level.hasKnown;
  }

  /** The next character that is not space; '' at the end. */
  #mark(): string {
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      if (code !== 32 && code !== 10 && code !== 13 && code !== 9) break;
      this.#at++;
    }
    return this.#text.charAt(this.#at);
  }

  #member(level: Level, mark: string): void {
    if (this.#expected === 'after') {
      if (mark !== ',')
        throw this.#unexpected(level.isList ? 'after array element' : 'after object key:value pair');
      this.#at++;
    }
    this.#expected = 'value';
    if (level.isList) return;
    if (this.#mark() !== '"') throw this.#unexpected('looking for beginning of object key string');
    level.key = this.#string();
    if (Object.hasOwn(level.value, level.key)) this.#again(level.value as JsonObject, level.key);
    if (this.#mark() !== ':') throw this.#unexpected('after object key');
    this.#at++;
  }

  #again(object: JsonObject, key: string): void {
    if (this.#maxDuplicates === 0) return;
    if (this.duplicates.size < this.#maxDuplicates) this.duplicates.add(this.#path());
    const values = earlier.getOrInsertComputed(object, () => new Map<string, JsonValue[]>());
    values.getOrInsertComputed(key, () => []).push(object[key] ?? null);
  }

  #value(mark: string): void {
    if (mark === '{') return this.#takeShort() ? undefined : this.#open({}, false);
    if (mark === '[') {
      if (this.#without === undefined) return this.#open([], true);
      if (this.#isLeftOut(this.#without)) return this.#pass(mark);
      return this.#takeKnown() ? undefined : this.#open([], true);
    }
    this.#put(mark === '"' ? this.#string() : this.#scalar());
    this.#expected = 'after';
  }

  #isLeftOut(path: readonly string[]): boolean {
    const objects = this.#stack.filter(({ isList }) => !isList);
    return objects.length === path.length && objects.every(({ key }, i) => key === path[i]);
  }

  /** One word, text or mark of what is left out. */
  #pass(mark: string): void {
    if (mark === '"') this.#at = endOfString(this.#text, this.#at);
    if (mark === '' || this.#at < 0) throw new SyntaxError('unexpected end of JSON input');
    this.#at++;
    if (mark === '[' || mark === '{') this.#passing++;
    else if ((mark === ']' || mark === '}') && --this.#passing === 0) this.#expected = 'after';
  }

  #takeKnown(): boolean {
    const found = knownListAt(this.#text, this.#at);
    if (found === undefined) return false;
    this.#put(found.list);
    this.#stack.at(-1)!.hasKnown = true;
    this.#at += found.length;
    this.#expected = 'after';
    return true;
  }

  /** An object of which nobody asks for keys that come twice, or for a list in it: most of a wide one are such. */
  #takeShort(): boolean {
    if (this.#maxDuplicates > 0) return false;
    const end = endOfShort(this.#text, this.#at, this.#without === undefined);
    const text = this.#text.slice(this.#at, end);
    // What is escaped may be half of a pair.
    if (text === '' || text.includes('\\u') || !text.isWellFormed()) return false;
    let value: JsonValue;
    try {
      value = JSON.parse(text) as JsonValue;
    } catch {
      // It is read again to see where it is wrong.
      return false;
    }
    this.#put(value);
    this.#at = end;
    this.#expected = 'after';
    return true;
  }

  #open(value: JsonObject | JsonValue[], isList: boolean): void {
    this.#put(value);
    const level = { value, start: this.#at, hasKnown: false, members: 0, isList, key: '' };
    if (this.#stack.push(level) > MAX_JSON_DEPTH) throw tooDeep();
    this.#at++;
    this.#expected = 'first';
  }

  #put(value: JsonValue): void {
    const level = this.#stack.at(-1);
    if (level === undefined) this.value = value;
    else if (Array.isArray(level.value)) level.value.push(value);
    else {
      setOwn(level.value, level.key, value);
      if (++level.members === MANY) crowded.add(level.value);
    }
  }

  #string(): string {
    const start = this.#at;
    const end = endOfString(this.#text, start);
    if (end < 0) throw new SyntaxError('unexpected end of JSON input');
    this.#at = end + 1;
    try {
      // Judges escapes and control characters, and makes a copy that does not hold the whole text.
      return (JSON.parse(this.#text.slice(start, end + 1)) as string).toWellFormed();
    } catch {
      // What is no good behind what is.
      GOOD_IN_STRING.lastIndex = start + 1;
      const good = GOOD_IN_STRING.exec(this.#text)?.[0] ?? '';
      const [escape = ''] = /^\\(?:u[\da-fA-F]{0,3})?/.exec(this.#text.slice(start + 1 + good.length)) ?? [];
      this.#at = start + 1 + good.length + escape.length;
      throw this.#unexpected(
        escape === ''
          ? 'in string literal'
          : escape === '\\'
            ? 'in string escape code'
            : 'in \\u hexadecimal character escape',
      );
    }
  }

  #scalar(): JsonValue {
    for (const [word, value] of WORDS) {
      if (!this.#text.startsWith(word, this.#at)) continue;
      this.#at += word.length;
      return value;
    }
    NUMBER.lastIndex = this.#at;
    const number = NUMBER.exec(this.#text)?.[0];
    if (number === undefined) throw this.#noScalar();
    this.#at += number.length;
    if (/[.eE]/.test(this.#text.charAt(this.#at))) throw this.#noFraction();
    return Number(number);
  }

  #noScalar(): SyntaxError {
    const rest = this.#text.slice(this.#at, this.#at + 5);
    const word = WORDS.find(([each]) => each[0] === rest[0])?.[0];
    if (word === undefined && rest[0] !== '-') return this.#unexpected('looking for beginning of value');
    const good = word === undefined ? 1 : word.split('').findIndex((letter, index) => letter !== rest[index]);
    this.#at += good;
    return this.#within(
      word === undefined ? 'in numeric literal' : `in literal ${word} (expecting '${word[good]}')`,
    );
  }

  /** Behind a number that would go on. */
  #noFraction(): SyntaxError {
    const isExponent = this.#text.charAt(this.#at) !== '.';
    this.#at++;
    if (isExponent && /[-+]/.test(this.#text.charAt(this.#at))) this.#at++;
    return this.#within(
      isExponent ? 'in exponent of numeric literal' : 'after decimal point in numeric literal',
    );
  }

  #path(): string {
    let path = '';
    for (const { value, isList, key } of this.#stack) {
      if (isList) path += `[${(value as JsonValue[]).length - 1}]`;
      else path += path === '' ? key : `.${key}`;
    }
    return path;
  }

  /** Go's scanner is told the end as a space, which only says nothing between tokens. */
  #within(where: string): SyntaxError {
    return this.#unexpected(where, ' ');
  }

  #unexpected(where: string, end?: string): SyntaxError {
    const [mark = end] = this.#text.slice(this.#at, this.#at + 2);
    if (mark === undefined) return new SyntaxError('unexpected end of JSON input');
    const shown = mark === '"' ? mark : mark === "'" ? "\\'" : goQuote(mark).slice(1, -1);
    return new SyntaxError(`invalid character '${shown}' ${where}`);
  }
}
