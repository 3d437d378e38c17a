import { CompileError } from './cel-error.ts';

export type Token =
  | { readonly kind: 'ident'; readonly text: string; readonly quoted: boolean; readonly at: number }
  | { readonly kind: 'symbol'; readonly text: string; readonly at: number }
  | { readonly kind: 'int' | 'uint'; readonly value: bigint; readonly at: number }
  | { readonly kind: 'double'; readonly value: number; readonly at: number }
  | { readonly kind: 'string'; readonly value: string; readonly at: number }
  | { readonly kind: 'bytes'; readonly value: Uint8Array; readonly at: number }
  | { readonly kind: 'end'; readonly at: number };

const SPACE = /(?:\s|\/\/[^\n]*)+/y;
const IDENT = /[A-Za-z_][A-Za-z0-9_]*/y;
const QUOTED = /`([A-Za-z0-9_.\-/ ]+)`/y;
const DOUBLE = /(?:\d+\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\.\d+(?:[eE][+-]?\d+)?)/y;
const INTEGER = /(0[xX][0-9a-fA-F]+|\d+)([uU]?)/y;
const STRING =
  /([rRbB]{0,2})("""[^]*?(?<!\\)(?:\\\\)*"""|'''[^]*?(?<!\\)(?:\\\\)*'''|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')/y;
const RAW = /([rRbB]{1,2})("""[^]*?"""|'''[^]*?'''|"[^"\n]*"|'[^'\n]*')/y;
const SYMBOL = /==|!=|<=|>=|&&|\|\||[()[\]{}.,?:+\-*/%!<>]/y;

export function tokenize(text: string): readonly Token[] {
  const tokens: Token[] = [];
  let at = 0;
  const take = (pattern: RegExp): RegExpExecArray | undefined => {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    return match ?? undefined;
  };
  while (at < text.length) {
    const space = take(SPACE);
    if (space !== undefined) {
      at += space[0].length;
      continue;
    }
    const start = at;
    const [token, length] = next(text, start, take);
    at += length;
    tokens.push(token);
  }
  tokens.push({ kind: 'end', at: text.length });
  return tokens;
}

function next(
  text: string,
  at: number,
  take: (pattern: RegExp) => RegExpExecArray | undefined,
): readonly [Token, number] {
  const raw = take(RAW);
  const string = raw !== undefined && /r/i.test(raw[1] ?? '') ? raw : take(STRING);
  if (string !== undefined) return [quoted(text, at, string), string[0].length];
  const ident = take(IDENT);
  if (ident !== undefined) return [{ kind: 'ident', text: ident[0], quoted: false, at }, ident[0].length];
  const escaped = take(QUOTED);
  if (escaped !== undefined)
    return [{ kind: 'ident', text: escaped[1] ?? '', quoted: true, at }, escaped[0].length];
  const double = take(DOUBLE);
  if (double !== undefined) {
    const value = Number(double[0]);
    if (!Number.isFinite(value)) throw new CompileError('invalid double literal', text, at);
    return [{ kind: 'double', value, at }, double[0].length];
  }
  const integer = take(INTEGER);
  if (integer !== undefined) {
    const kind = integer[2] === '' ? 'int' : 'uint';
    return [{ kind, value: BigInt(integer[1] ?? '0'), at }, integer[0].length];
  }
  const symbol = take(SYMBOL);
  if (symbol !== undefined) return [{ kind: 'symbol', text: symbol[0], at }, symbol[0].length];
  throw new CompileError(`Syntax error: token recognition error at: '${text[at] ?? ''}'`, text, at);
}

function quoted(text: string, at: number, match: RegExpExecArray): Token {
  const prefix = (match[1] ?? '').toLowerCase();
  const body = match[2] ?? '';
  const edge = body.startsWith('"""') || body.startsWith("'''") ? 3 : 1;
  const inner = body.slice(edge, -edge);
  const bytes = prefix.includes('b');
  if (prefix.includes('r')) {
    return bytes ? { kind: 'bytes', value: Buffer.from(inner), at } : { kind: 'string', value: inner, at };
  }
  if (bytes) return { kind: 'bytes', value: unescapeBytes(inner, text, at), at };
  return { kind: 'string', value: unescape(inner, text, at), at };
}

const SIMPLE: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
  '?': '?',
  '"': '"',
  "'": "'",
  '`': '`',
};

const ESCAPE =
  /\\(?:x([0-9a-fA-F]{2})|X([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})|([^]))/g;

function unescape(inner: string, text: string, at: number): string {
  return inner.replaceAll(ESCAPE, (_all, ...groups: string[]) => {
    const [x, upper, u, long, octal, simple] = groups;
    const hex = x ?? upper ?? u ?? long;
    const code =
      hex !== undefined ? Number.parseInt(hex, 16) : octal !== undefined ? Number.parseInt(octal, 8) : -1;
    if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) {
      throw new CompileError('invalid unicode code point', text, at);
    }
    if (code >= 0) return String.fromCodePoint(code);
    const found = SIMPLE[simple ?? ''];
    if (found === undefined) throw new CompileError('Syntax error: unable to unescape string', text, at);
    return found;
  });
}

function unescapeBytes(inner: string, text: string, at: number): Uint8Array {
  const parts: Buffer[] = [];
  let last = 0;
  for (const match of inner.matchAll(ESCAPE)) {
    parts.push(Buffer.from(inner.slice(last, match.index)));
    last = match.index + match[0].length;
    const [, x, upper, u, long, octal, simple] = match;
    if (u !== undefined || long !== undefined) {
      throw new CompileError('unable to unescape string', text, at);
    }
    const hex = x ?? upper;
    if (hex !== undefined) parts.push(Buffer.from([Number.parseInt(hex, 16)]));
    else if (octal !== undefined) parts.push(Buffer.from([Number.parseInt(octal, 8) & 255]));
    else {
      const found = SIMPLE[simple ?? ''];
      if (found === undefined) throw new CompileError('Syntax error: unable to unescape string', text, at);
      parts.push(Buffer.from(found));
    }
  }
  parts.push(Buffer.from(inner.slice(last)));
  return Buffer.concat(parts);
}
