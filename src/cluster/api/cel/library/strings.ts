/** cel-go's strings extension. Positions count code points. */
import { CelError } from '../cel-error.ts';
import { fn, method, reads, searches, type Overload } from '../functions.ts';
import { DYN, INT, list, STRING } from '../types.ts';
import type { Value } from '../values.ts';
import { formatText } from './format-text.ts';

const chars = (text: string): readonly string[] => Array.from(text);

function inRange(index: bigint, limit: number): number {
  const at = Number(index);
  if (at < 0 || at > limit) throw new CelError(`index out of range: ${index}`);
  return at;
}

function charAt(text: string, index: bigint): string {
  const all = chars(text);
  return all[inRange(index, all.length)] ?? '';
}

function indexOf(text: string, part: string, from = 0n): bigint {
  const [all, wanted] = [chars(text), chars(part)];
  const start = part === '' || from !== 0n ? inRange(from, all.length) : 0;
  for (let at = start; at + wanted.length <= all.length; at++) {
    if (wanted.every((char, index) => all[at + index] === char)) return BigInt(at);
  }
  return -1n;
}

function lastIndexOf(text: string, part: string, from?: bigint): bigint {
  const [all, wanted] = [chars(text), chars(part)];
  const start = from === undefined ? all.length : inRange(from, all.length);
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

export const strings: readonly Overload[] = [
  method(STRING, 'charAt', [INT], STRING, charAt),
  method(STRING, 'indexOf', [STRING], INT, indexOf, searches),
  method(STRING, 'indexOf', [STRING, INT], INT, indexOf, searches),
  method(STRING, 'lastIndexOf', [STRING], INT, lastIndexOf, searches),
  method(STRING, 'lastIndexOf', [STRING, INT], INT, lastIndexOf, searches),
  method(STRING, 'lowerAscii', [], STRING, lower, reads),
  method(STRING, 'upperAscii', [], STRING, upper, reads),
  method(STRING, 'replace', [STRING, STRING], STRING, replace, reads),
  method(STRING, 'replace', [STRING, STRING, INT], STRING, replace, reads),
  method(STRING, 'split', [STRING], list(STRING), split, reads),
  method(STRING, 'split', [STRING, INT], list(STRING), split, reads),
  method(STRING, 'substring', [INT], STRING, substring, reads),
  method(STRING, 'substring', [INT, INT], STRING, substring, reads),
  method(STRING, 'trim', [], STRING, (text: string) => text.trim(), reads),
  method(STRING, 'reverse', [], STRING, (text: string) => chars(text).toReversed().join(''), reads),
  method(list(STRING), 'join', [], STRING, (all: readonly string[]) => all.join(''), reads),
  method(list(STRING), 'join', [STRING], STRING, (all: readonly string[], by: string) => all.join(by), reads),
  fn('strings.quote', [STRING], STRING, quote, reads),
  method(
    STRING,
    'format',
    [list(DYN)],
    STRING,
    (text: string, args: readonly Value[]) => formatText(text, args),
    reads,
  ),
];
