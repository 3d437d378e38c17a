/** GVariant's text form, as `busctl` and unit annotations use it: `uint64 10`, `'text'`, `['a', 'b']`, `@as []`. */
import { PlatformError } from '../../../base/errors.ts';
import { variant, type DbusValue, type Variant } from '../../../kernel/dbus.ts';
import { firstType, typesOf } from '../../../kernel/dbus-codec.ts';

const KEYWORDS: Readonly<Record<string, string>> = {
  boolean: 'b',
  byte: 'y',
  int16: 'n',
  uint16: 'q',
  int32: 'i',
  uint32: 'u',
  int64: 'x',
  uint64: 't',
  double: 'd',
  string: 's',
  objectpath: 'o',
  signature: 'g',
};

const TOKEN =
  /\s*(?:(?<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|(?<number>[-+]?(?:0x[\da-fA-F]+|\d+(?:\.\d+)?(?:e[-+]?\d+)?))|(?<word>[a-z]+\d*)|@(?<type>[a-z(){}]+)|(?<mark>[[\](){}<>,:]))/gy;

interface Token {
  readonly text?: string;
  readonly number?: string;
  readonly word?: string;
  readonly type?: string;
  readonly mark?: string;
}

/** `invalid` when it is not one value. A number without a type is an int32, one with a point a double. */
export function parseVariant(text: string): Variant {
  const parser = new VariantParser(text);
  const value = parser.value(undefined);
  parser.end();
  return value;
}

class VariantParser {
  readonly #tokens: Token[] = [];
  #at = 0;

  constructor(text: string) {
    let end = 0;
    for (const match of text.matchAll(TOKEN)) {
      this.#tokens.push({ ...match.groups });
      end = match.index + match[0].length;
    }
    if (text.slice(end).trim() !== '') throw wrong(`"${text.slice(end)}"`);
  }

  end(): void {
    if (this.#at < this.#tokens.length) throw wrong('more after the value');
  }

  /** @param want the type that it must have */
  value(want: string | undefined): Variant {
    const { text, number, word, type, mark } = this.#next();
    if (type !== undefined) {
      if (firstType(type) !== type) throw wrong(`"@${type}"`);
      return this.value(type);
    }
    if (word === 'true' || word === 'false') return checked(want, variant('b', word === 'true'));
    if (word !== undefined) {
      const keyword = KEYWORDS[word];
      if (keyword === undefined) throw wrong(`"${word}"`);
      return checked(want, this.value(keyword));
    }
    if (text !== undefined) return variant(want ?? 's', checkText(want, unquote(text)));
    if (number !== undefined) return parseNumber(number, want);
    if (mark === '[') return this.#array(want);
    if (mark === '(') return this.#struct(want);
    if (mark === '<') {
      const inner = this.value(undefined);
      this.#expect('>');
      return checked(want, variant('v', inner));
    }
    throw wrong(`"${mark}"`);
  }

  #array(want: string | undefined): Variant {
    if (want !== undefined && want[0] !== 'a') throw wrong('an array');
    let element = want?.slice(1);
    const values: DbusValue[] = [];
    while (!this.#take(']')) {
      if (values.length > 0) this.#expect(',');
      const { signature, value } = this.value(element);
      element ??= signature;
      values.push(value);
    }
    if (element === undefined) throw wrong('an empty array without its type');
    return variant(`a${element}`, values);
  }

  #struct(want: string | undefined): Variant {
    if (want !== undefined && want[0] !== '(') throw wrong('a tuple');
    const types = want === undefined ? undefined : typesOf(want.slice(1, -1));
    const members: Variant[] = [];
    while (!this.#take(')')) {
      if (members.length > 0) this.#expect(',');
      members.push(this.value(types?.[members.length]));
    }
    if (members.length === 0 || (types !== undefined && types.length !== members.length))
      throw wrong('a tuple');
    return variant(
      `(${members.map(({ signature }) => signature).join('')})`,
      members.map(({ value }) => value),
    );
  }

  #next(): Token {
    const token = this.#tokens[this.#at++];
    if (token === undefined) throw wrong('nothing where a value should be');
    return token;
  }

  #take(mark: string): boolean {
    const found = this.#tokens[this.#at]?.mark === mark;
    if (found) this.#at++;
    return found;
  }

  #expect(mark: string): void {
    if (!this.#take(mark)) throw wrong(`no "${mark}"`);
  }
}

function wrong(what: string): PlatformError {
  return new PlatformError('invalid', `not a value in GVariant's text form: ${what}`);
}

function checked(want: string | undefined, value: Variant): Variant {
  if (want !== undefined && want !== value.signature) throw wrong(`${value.signature} instead of ${want}`);
  return value;
}

function checkText(want: string | undefined, text: string): string {
  if (want !== undefined && !'sog'.includes(want)) throw wrong(`a string instead of ${want}`);
  return text;
}

function unquote(text: string): string {
  const escapes: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', b: '\b', f: '\f', v: '\v' };
  return text.slice(1, -1).replaceAll(/\\(.)/g, (_, letter: string) => escapes[letter] ?? letter);
}

const RANGES: Readonly<Record<string, readonly [min: bigint, max: bigint]>> = {
  y: [0n, 0xffn],
  n: [-0x8000n, 0x7fffn],
  q: [0n, 0xffffn],
  i: [-(2n ** 31n), 2n ** 31n - 1n],
  u: [0n, 2n ** 32n - 1n],
  x: [-(2n ** 63n), 2n ** 63n - 1n],
  t: [0n, 2n ** 64n - 1n],
};

function parseNumber(text: string, want: string | undefined): Variant {
  const isWhole = /^[-+]?(?:0x[\da-f]+|\d+)$/i.test(text);
  const type = want ?? (isWhole ? 'i' : 'd');
  if (type === 'd') return variant('d', Number(text));
  const range = RANGES[type];
  const negative = text.startsWith('-');
  const digits = text.replace(/^[-+]/, '');
  const value = isWhole ? BigInt(digits) * (negative ? -1n : 1n) : undefined;
  if (range === undefined || value === undefined || value < range[0] || value > range[1])
    throw wrong(`${text} as ${type}`);
  return variant(type, type === 'x' || type === 't' ? value : Number(value));
}
