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
