/** What Go's parser says of a YAML text that is none, which people know and programs look for. */
import type { ErrorCode, YAMLParseError } from 'yaml';

/** Of the scanner, which counts lines from one. */
const SCANNED: Partial<Record<ErrorCode, string>> = {
  TAB_AS_INDENT: 'found character that cannot start any token',
  BAD_SCALAR_START: 'found character that cannot start any token',
  BLOCK_AS_IMPLICIT_KEY: 'mapping values are not allowed in this context',
  MULTILINE_IMPLICIT_KEY: "could not find expected ':'",
  BAD_DQ_ESCAPE: 'found unknown escape character',
};

/** Of the parser, which counts them from zero and names the one that it has come to. */
const PARSED: Partial<Record<ErrorCode, string>> = {
  BAD_INDENT: 'did not find expected key',
  UNEXPECTED_TOKEN: 'did not find expected node content',
  BLOCK_IN_FLOW: 'did not find expected node content',
};

/** `line 3: found unknown escape character`; nobody names the first line. */
export function yamlProblem({ code, message, linePos, pos }: YAMLParseError, text: string): string {
  let line = linePos?.[0].line ?? 1;
  // It is the colon which should not be there, further on.
  if (code === 'BLOCK_AS_IMPLICIT_KEY') line += linesBefore(text.slice(pos[0]), /:(?=\s|$)/);
  if (message.startsWith('Implicit map keys need')) return at(line + 1, "could not find expected ':'", 1);
  const scanned = SCANNED[code];
  if (scanned !== undefined) return at(line, scanned, 1);
  const missing = /^Flow .* (?:end with an? |and end with a )([\]}])/.exec(message);
  if (missing !== null) {
    const isOpen = /[[{,:]\s*$/.test(text);
    const why = isOpen
      ? 'did not find expected node content'
      : `did not find expected ',' or '${missing[1]}'`;
    return at(text.endsWith('\n') ? line - 1 : line, why, 0);
  }
  if (code === 'MISSING_CHAR') return at(line, 'found unexpected end of stream', 1);
  const parsed = PARSED[code];
  if (parsed !== undefined) return at(line - 1, parsed, 0);
  return at(line, message.split('\n', 1)[0]!.replace(/ at line \d+, column \d+:$/, ''), 1);
}

function linesBefore(text: string, what: RegExp): number {
  return text.slice(0, Math.max(0, text.search(what))).split('\n').length - 1;
}

function at(line: number, why: string, first: number): string {
  return line <= first ? why : `line ${line}: ${why}`;
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
