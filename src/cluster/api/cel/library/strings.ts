/** cel-go's strings extension. Positions count code points. */
import { CelError } from '../cel-error.ts';
import { copies, fn, method, reads, rewrites, type Overload } from '../functions.ts';
import {
  atMost,
  exactly,
  joined,
  repeated,
  times,
  TRAVERSAL,
  traversal,
  UNKNOWN,
  type Size,
} from '../sizes.ts';
import { DYN, INT, list, STRING } from '../types.ts';
import { sizeOf, type Value } from '../values.ts';
import { formatText } from './format-text.ts';

const chars = (text: string): readonly string[] => Array.from(text);

function inRange(index: bigint, limit: number): number {
  const at = Number(index);
  if (at < 0 || at > limit) throw new CelError(`index out of range: ${index}`);
  return at;
}

function charAt(text: string, index: bigint): string {
  let left = inRange(index, sizeOf(text));
  for (const char of text) if (left-- === 0) return char;
  return '';
}

function indexOf(text: string, part: string, from = 0n): bigint {
  const [all, wanted] = [chars(text), chars(part)];
  if (from < 0n) throw new CelError(`index out of range: ${from}`);
  const start = Number(from);
  for (let at = start; at + wanted.length <= all.length; at++) {
    if (wanted.every((char, index) => all[at + index] === char)) return BigInt(at);
  }
  return -1n;
}

function lastIndexOf(text: string, part: string, from?: bigint): bigint {
  const [all, wanted] = [chars(text), chars(part)];
  if (from !== undefined && from < 0n) throw new CelError(`index out of range: ${from}`);
  // Nothing is found beyond the end.
  if (from !== undefined && Number(from) >= all.length && part !== '') return -1n;
  const start = from === undefined ? all.length : Number(from);
  for (let at = Math.min(start, all.length - wanted.length); at >= 0; at--) {
    if (wanted.every((char, index) => all[at + index] === char)) return BigInt(at);
  }
  return -1n;
}

function replace(text: string, old: string, next: string, limit = -1n): string {
  if (limit < 0n) return text.replaceAll(old, () => next);
  let left = Number(limit);
  return text.replaceAll(old, (all) => (left-- > 0 ? next : all));
}

function split(text: string, separator: string, limit = -1n): readonly string[] {
  if (limit === 0n) return [];
  const parts = separator === '' ? chars(text) : text.split(separator);
  const most = Number(limit);
  if (limit < 0n || parts.length <= most) return parts;
  return [...parts.slice(0, most - 1), parts.slice(most - 1).join(separator)];
}

function substring(text: string, start: bigint, end?: bigint): string {
  const all = chars(text);
  const [from, to] = [inRange(start, all.length), end === undefined ? all.length : inRange(end, all.length)];
  if (from > to) throw new CelError(`invalid substring range. start: ${start}, end: ${end}`);
  return all.slice(from, to).join('');
}

/** What Unicode calls white space. */
const SPACES = /^\p{White_Space}+|\p{White_Space}+$/gu;

const lower = (text: string): string => text.replaceAll(/[A-Z]/g, (char) => char.toLowerCase());
const upper = (text: string): string => text.replaceAll(/[a-z]/g, (char) => char.toUpperCase());

function quote(text: string): string {
  const escapes: Readonly<Record<string, string>> = {
    '\x07': '\\a',
    '\b': '\\b',
    '\f': '\\f',
    '\n': '\\n',
    '\r': '\\r',
    '\t': '\\t',
    '\v': '\\v',
    '\\': '\\\\',
    '"': '\\"',
  };
  return `"${chars(text)
    .map((char) => escapes[char] ?? char)
    .join('')}"`;
}

/** Each place where the old text may be becomes the new one; an empty text is between all characters, which stay. */
function replaced(text: Size, old: Size, next: Size): Size {
  const places = (size: number, length: number): number =>
    length === 0 ? size + 1 : Math.ceil(size / length);
  const grows = old.least === 0 || next.most > old.least;
  const shrinks = old.most === 0 || next.least < old.most;
  const most = grows ? places(text.most, old.least) * next.most : 0;
  const least = shrinks ? places(text.least, old.most) * next.least : 0;
  const kept = {
    least: old.most === 0 || !shrinks ? text.least : 0,
    most: old.least === 0 || !grows ? text.most : 0,
  };
  return joined({ least, most }, kept);
}

function together(all: Size, by: Size = exactly(0)): Size {
  const gaps = { least: Math.max(0, all.least - 1), most: Math.max(0, all.most - 1) };
  return joined(repeated(all, all.element ?? UNKNOWN), repeated(by, gaps));
}

const replacing = { ...rewrites, size: replaced };
const splitting = {
  ...rewrites,
  size: (text: Size, _by: Size, limit?: Size): Size => {
    const most = limit?.number ?? text.most;
    return atMost(most < 0 ? UNKNOWN.most : most);
  },
};
const joining = {
  cost: (all: Size, by?: Size): number => traversal(together(all, by)),
  size: together,
  spent: (result: Value): number => times(exactly(sizeOf(result)), 2 * TRAVERSAL),
};
const quoting = {
  ...reads,
  size: ({ least, most }: Size): Size => ({ least: least + 2, most: most * 2 + 2 }),
};

export const strings: readonly Overload[] = [
  method(STRING, 'charAt', [INT], STRING, charAt),
  method(STRING, 'indexOf', [STRING], INT, indexOf, reads),
  method(STRING, 'indexOf', [STRING, INT], INT, indexOf, reads),
  method(STRING, 'lastIndexOf', [STRING], INT, lastIndexOf, reads),
  method(STRING, 'lastIndexOf', [STRING, INT], INT, lastIndexOf, reads),
  method(STRING, 'lowerAscii', [], STRING, lower, copies),
  method(STRING, 'upperAscii', [], STRING, upper, copies),
  method(STRING, 'replace', [STRING, STRING], STRING, replace, replacing),
  method(STRING, 'replace', [STRING, STRING, INT], STRING, replace, replacing),
  method(STRING, 'split', [STRING], list(STRING), split, splitting),
  method(STRING, 'split', [STRING, INT], list(STRING), split, splitting),
  method(STRING, 'substring', [INT], STRING, substring, copies),
  method(STRING, 'substring', [INT, INT], STRING, substring, copies),
  method(STRING, 'trim', [], STRING, (text: string) => text.replaceAll(SPACES, ''), copies),
  method(list(STRING), 'join', [], STRING, (all: readonly string[]) => all.join(''), joining),
  method(
    list(STRING),
    'join',
    [STRING],
    STRING,
    (all: readonly string[], by: string) => all.join(by),
    joining,
  ),
  fn('strings.quote', [STRING], STRING, quote, quoting),
  method(
    STRING,
    'format',
    [list(DYN)],
    STRING,
    (text: string, args: readonly Value[]) => formatText(text, args),
    reads,
  ),
];
