/** Kubernetes' library of URLs, which are read as Go's ParseRequestURI does: absolute, or a path from the root. */
import { CelError } from '../cel-error.ts';
import { copies, fn, method, type Overload } from '../functions.ts';
import { BOOL, list, map, opaque, STRING } from '../types.ts';
import { LiteralMap, type Opaque } from '../values.ts';

interface Parts {
  readonly scheme: string;
  /** With its port; without who asks. */
  readonly host: string;
  readonly path: string;
  readonly query: string;
}

class Url implements Opaque {
  readonly opaque = 'kubernetes.URL';
  readonly parts: Parts;
  readonly text: string;

  constructor(parts: Parts, text: string) {
    this.parts = parts;
    this.text = text;
  }

  equals(other: Opaque): boolean {
    return other instanceof Url && other.text === this.text;
  }
}

const SCHEME = /^[A-Za-z][A-Za-z0-9+.-]*(?=:)/;
const HOST =
  /^(?:\[[0-9A-Fa-f:.]+(?:%25[^\]]*)?\]|(?:[\w~!$&'()*+,;=.<>"-]|[^\0-\x7f]|%[89A-Fa-f][0-9A-Fa-f])*)(?::\d*)?$/;
const BAD_ESCAPE = /%(?![0-9A-Fa-f]{2})/;

function parseUrl(text: string): Url | undefined {
  // eslint-disable-next-line no-control-regex
  if (text === '' || /[\0-\x1f\x7f]/.test(text)) return undefined;
  const scheme = SCHEME.exec(text)?.[0] ?? '';
  const all = scheme === '' ? text : text.slice(scheme.length + 1);
  const mark = all.indexOf('?');
  const [rest, query] = mark === -1 ? [all, ''] : [all.slice(0, mark), all.slice(mark + 1)];
  const about = { scheme: scheme.toLowerCase(), query };
  if (!rest.startsWith('/'))
    return scheme === '' ? undefined : new Url({ ...about, host: '', path: '' }, text);
  if (!rest.startsWith('//') || (scheme === '' && rest.startsWith('///')))
    return BAD_ESCAPE.test(rest) ? undefined : new Url({ ...about, host: '', path: rest }, text);
  const [, authority = '', path = ''] = /^\/\/([^/]*)(.*)$/s.exec(rest) ?? [];
  const host = authority.slice(authority.lastIndexOf('@') + 1);
  if (!HOST.test(host) || BAD_ESCAPE.test(path)) return undefined;
  return new Url({ ...about, host, path }, text);
}

/** What is wrong with a text that is no URL, as Go says it. */
export function urlProblem(text: string): string | undefined {
  if (parseUrl(text) !== undefined) return undefined;
  const escape = /%[^]{0,2}/.exec(
    BAD_ESCAPE.exec(text) === null ? '' : text.slice(text.search(BAD_ESCAPE)),
  )?.[0];
  const why =
    text === ''
      ? 'empty url'
      : escape === undefined
        ? 'invalid URI for request'
        : `invalid URL escape ${JSON.stringify(escape)}`;
  return `parse ${JSON.stringify(text)}: ${why}`;
}

function urlOf(text: string): Url {
  const found = parseUrl(text);
  // What follows the mark belongs to neither path nor query, though it is read with them.
  if (found !== undefined)
    return text.includes('#')
      ? new Url(parseUrl(text.replace(/#.*/s, ''))?.parts ?? found.parts, text)
      : found;
  throw new CelError(`URL parse error during conversion from string: ${urlProblem(text) ?? ''}`);
}

/** As it was written, where that can be sent. */
function escapedPath({ parts: { path } }: Url): string {
  if (/^[\w~.!$&'()*+,;=:@[\]%/-]*$/.test(path)) return path;
  const bytes = Buffer.from(
    path.replaceAll(/%([0-9A-Fa-f]{2})/g, (_all, code: string) =>
      String.fromCharCode(Number.parseInt(code, 16)),
    ),
  );
  return Array.from(bytes, (byte) => {
    const char = String.fromCharCode(byte);
    return /[\w~.$&+,/:;=@-]/.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }).join('');
}

function unescaped(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return undefined;
  }
}

/** What cannot be read is left out. */
function query({ parts }: Url): LiteralMap {
  const values = new Map<string, string[]>();
  for (const pair of parts.query.split('&')) {
    if (pair === '' || pair.includes(';')) continue;
    const equals = pair.indexOf('=');
    const key = unescaped(equals === -1 ? pair : pair.slice(0, equals));
    const value = unescaped(equals === -1 ? '' : pair.slice(equals + 1));
    if (key !== undefined && value !== undefined) values.set(key, [...(values.get(key) ?? []), value]);
  }
  const made = new LiteralMap();
  for (const [key, all] of values) made.set(key, all);
  return made;
}

const port = ({ parts }: Url): string => /:(\d*)$/.exec(parts.host)?.[1] ?? '';
const hostname = ({ parts }: Url): string => parts.host.replace(/:\d*$/, '').replaceAll(/^\[|\]$/g, '');

const URL_TYPE = opaque('kubernetes.URL');

export const urls: readonly Overload[] = [
  fn('url', [STRING], URL_TYPE, urlOf, copies),
  fn('isURL', [STRING], BOOL, (text: string) => parseUrl(text) !== undefined),
  method(URL_TYPE, 'getScheme', [], STRING, ({ parts }: Url) => parts.scheme),
  method(URL_TYPE, 'getHost', [], STRING, ({ parts }: Url) => parts.host),
  method(URL_TYPE, 'getHostname', [], STRING, hostname),
  method(URL_TYPE, 'getPort', [], STRING, port),
  method(URL_TYPE, 'getEscapedPath', [], STRING, escapedPath),
  method(URL_TYPE, 'getQuery', [], map(STRING, list(STRING)), query),
];
