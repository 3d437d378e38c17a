/** What Go's parser says of a YAML text that is none, which people know and programs look for. */
import type { ErrorCode, YAMLParseError } from 'yaml';

interface Rule {
  readonly code: ErrorCode;
  /** Of several errors of this code the one that says so. */
  readonly says?: RegExp;
  readonly why: string | ((text: string) => string);
  /** The parser counts lines from zero and names the one that it has come to; the scanner counts from one. */
  readonly by?: 'parser';
  /** Lines further on. */
  readonly later?: number;
}

const NO_KEY = 'did not find expected key';
const NO_CONTENT = 'did not find expected node content';
const NO_TOKEN = 'found character that cannot start any token';
const NO_COLON = "could not find expected ':'";

/** The first that is so. `text`: what stands before it, the line that it is in included. */
const RULES: readonly Rule[] = [
  { code: 'BLOCK_AS_IMPLICIT_KEY', says: /^A block sequence/, why: NO_KEY, by: 'parser' },
  { code: 'BLOCK_AS_IMPLICIT_KEY', why: 'mapping values are not allowed in this context' },
  {
    code: 'TAB_AS_INDENT',
    why: (text) =>
      /(:|^)\s*\n[^\n]*$/.test(text) ? NO_TOKEN : 'found a tab character that violates indentation',
  },
  { code: 'BAD_SCALAR_START', says: /flow indicator character ,/, why: NO_CONTENT, by: 'parser' },
  { code: 'BAD_SCALAR_START', why: NO_TOKEN },
  { code: 'BAD_DQ_ESCAPE', says: /\\[xuU]/, why: 'did not find expected hexdecimal number' },
  { code: 'BAD_DQ_ESCAPE', why: 'found unknown escape character' },
  { code: 'BAD_ALIAS', says: /empty/, why: 'did not find expected alphabetic or numeric character' },
  { code: 'MULTILINE_IMPLICIT_KEY', why: NO_COLON, later: 1 },
  { code: 'MISSING_CHAR', says: /^Implicit map keys need/, why: NO_COLON, later: 1 },
  { code: 'MISSING_CHAR', says: /^Missing directives-end/, why: 'found unknown directive name', later: -1 },
  { code: 'MISSING_CHAR', says: /^Sequence item without/, why: noItem, by: 'parser' },
  { code: 'MISSING_CHAR', why: 'found unexpected end of stream' },
  {
    code: 'UNEXPECTED_TOKEN',
    says: /^Block scalar header/,
    why: 'did not find expected comment or line break',
  },
  { code: 'UNEXPECTED_TOKEN', says: /^Unexpected scalar at node end/, why: NO_KEY, by: 'parser' },
  {
    code: 'UNEXPECTED_TOKEN',
    says: /flow-(map|seq)-end/,
    why: (text) => (/[\]}"'\w]$/.test(text) ? NO_KEY : NO_CONTENT),
    by: 'parser',
  },
  { code: 'UNEXPECTED_TOKEN', why: NO_CONTENT, by: 'parser' },
  { code: 'BLOCK_IN_FLOW', why: NO_CONTENT, by: 'parser' },
  { code: 'BAD_INDENT', why: NO_KEY, by: 'parser' },
];

/** A list whose dashes stand under the key that it belongs to ends where something else comes. */
function noItem(text: string): string {
  const lines = text.split('\n').slice(0, -1);
  const item = lines.findLastIndex((line) => /^\s*- /.test(line));
  const indent = /^\s*/.exec(lines[item] ?? '')![0].length;
  const owner = lines
    .slice(0, item)
    .findLast((line) => /^ *[^- #\s]/.test(line) && line.search(/\S/) <= indent);
  return owner?.search(/\S/) === indent ? NO_KEY : "did not find expected '-' indicator";
}

/** `line 3: found unknown escape character`; nobody names the first line. `errors` are all there are. */
export function yamlProblem(errors: readonly YAMLParseError[], text: string): string {
  const { code, message, linePos, pos } =
    // What comes between two items of a list is told as what it is no key of.
    errors.slice(0, 2).find((error) => error.message.startsWith('Unexpected block-seq-ind')) ?? errors[0]!;
  const line = linePos?.[0].line ?? 1;
  if (message.startsWith('Could not resolve tag')) return at(line - 1, 'found undefined tag handle', 0);
  if (code === 'TAG_RESOLVE_FAILED') return firstLine(message);
  const missing = /^Flow .* (?:end with an? |and end with a )([\]}])/.exec(message);
  if (missing !== null) {
    const isOpen = /[[{,:]\s*$/.test(text);
    const why = isOpen ? NO_CONTENT : `did not find expected ',' or '${missing[1]}'`;
    return at(text.endsWith('\n') ? line - 1 : line, why, 0);
  }
  if (message.startsWith('Unexpected block-seq-ind')) return at(line - 1, NO_KEY, 0);
  const rule = RULES.find((one) => one.code === code && one.says?.test(message) !== false);
  if (rule === undefined) return at(line, firstLine(message), 1);
  const { why, by, later = 0 } = rule;
  const told = typeof why === 'string' ? why : why(text.slice(0, pos[0]));
  if (by === 'parser') return at(line - 1, told, 0);
  // It is the colon which should not be there, further on.
  const more = code === 'BLOCK_AS_IMPLICIT_KEY' ? linesBefore(text.slice(pos[0]), /:(?=\s|$)/) : later;
  return at(line + more, told, 1);
}

function firstLine(message: string): string {
  return message.split('\n', 1)[0]!.replace(/ at line \d+, column \d+:$/, '');
}

function linesBefore(text: string, what: RegExp): number {
  return text.slice(0, Math.max(0, text.search(what))).split('\n').length - 1;
}

function at(line: number, why: string, first: number): string {
  return line <= first ? why : `line ${line}: ${why}`;
}

/** Of the parser, which counts lines from zero. */
export function parserProblem(line: number, why: string): string {
  return at(line, why, 0);
}

/** Of the scanner, about what begins in a line. */
export function scannerProblem(line: number, why: string): string {
  return at(line, why, 1);
}

/** JSON may write a character as the halves of a pair, YAML may not: the first of these says whether to look closer. */
export function mayHaveHalf(text: string): boolean {
  return /\\u[dD][89a-fA-F]/.test(text);
}

/** Of what stands between double quotes. */
export function hasHalf(quoted: string): boolean {
  return quoted.matchAll(/\\(?:(u[dD][89a-fA-F])|[^])/g).some(([, half]) => half !== undefined);
}

/** What a sequence of so many bytes has to say at least. */
const LEAST = [0, 0, 0x80, 0x800, 0x10000];

/** Of the reader, about the first bytes that are no UTF-8. */
export function utf8Problem(bytes: Uint8Array): string {
  for (let place = 0; place < bytes.length;) {
    const first = bytes[place]!;
    const ones = Math.clz32(~first << 24);
    if (ones === 1 || ones > 4) return 'invalid leading UTF-8 octet';
    const width = Math.max(1, ones);
    if (place + width > bytes.length) return 'incomplete UTF-8 octet sequence';
    let code = first & (0xff >> (ones + 1));
    for (const byte of bytes.subarray(place + 1, place + width)) {
      if (byte >> 6 !== 0b10) return 'invalid trailing UTF-8 octet';
      code = (code << 6) | (byte & 0x3f);
    }
    if (code < LEAST[width]!) return 'invalid length of a UTF-8 sequence';
    if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return 'invalid Unicode character';
    place += width;
  }
  return '';
}
