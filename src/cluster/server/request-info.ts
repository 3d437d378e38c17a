import { goUtf8 } from '../api/go-utf8.ts';

/** What a path asks for, without knowing which resources exist. */
export interface RequestInfo {
  /** Path without query. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** True for `/api/v1/...` and `/apis/<group>/<version>/...` paths that name a resource. */
  readonly isResource: boolean;
  readonly group: string;
  readonly version: string;
  readonly namespace: string;
  readonly resource: string;
  readonly name: string;
  readonly subresource: string;
  /** What follows `proxy`, as it stands in the path: empty, or from its slash on. */
  readonly subpath: string;
  /** Kubernetes' verb: get, list, watch, create, update, patch, delete, deletecollection; else the method in lower case. */
  readonly verb: string;
}

/** Subresources that are connections rather than answers. */
const LASTING = new Set(['attach', 'exec', 'log', 'portforward', 'proxy']);

/** It may take as long as its client likes. */
export function isLongRunning({ verb, subresource }: RequestInfo): boolean {
  return verb === 'watch' || LASTING.has(subresource);
}

/** Subresources of a namespace itself; any other third segment is a resource inside it. */
const OF_NAMESPACE = new Set(['status', 'finalize']);

/** Of a request without one; shared, as nobody changes a query. */
const NO_QUERY = new URLSearchParams();

export function parseRequest(method: string, url: string): RequestInfo {
  const mark = url.indexOf('?');
  const path = mark === -1 ? url : url.slice(0, mark);
  const query = mark === -1 ? NO_QUERY : queryOf(url.slice(mark + 1));
  const segments = segmentsOf(path);
  const isCore = segments?.[0] === 'api';
  if (segments === undefined || (!isCore && segments[0] !== 'apis') || segments.length < (isCore ? 3 : 4)) {
    return {
      path,
      query,
      isResource: false,
      group: '',
      version: '',
      namespace: '',
      resource: '',
      name: '',
      subresource: '',
      subpath: '',
      verb: method.toLowerCase(),
    };
  }
  let at = isCore ? 2 : 3;
  const version = segments[at - 1]!;
  // The way to say it before there was a parameter; still served.
  const isWatch = segments[at] === 'watch' && segments.length > at + 1 && method === 'GET';
  if (isWatch) at++;
  let namespace = '';
  if (segments[at] === 'namespaces' && segments.length > at + 1) {
    namespace = segments[at + 1]!;
    if (segments.length > at + 2 && !OF_NAMESPACE.has(segments[at + 2]!)) at += 2;
  }
  const name = segments[at + 1] ?? '';
  const isProxy = segments[at + 2] === 'proxy';
  return {
    path,
    query,
    isResource: true,
    group: isCore ? '' : segments[1]!,
    version,
    namespace,
    resource: segments[at] ?? '',
    name,
    subresource: isProxy ? 'proxy' : segments.slice(at + 2).join('/'),
    subpath: isProxy ? behind(path, at + 3) : '',
    verb: isWatch ? 'watch' : verbOf(method, name, query),
  };
}

const BAD_ESCAPE = /%(?![0-9a-fA-F]{2})/;

/** As Go reads it: parts with a semicolon in them, or badly escaped, count for nothing. */
function queryOf(text: string): URLSearchParams {
  const isPlain = !text.includes(';') && !(text.includes('%') && BAD_ESCAPE.test(text));
  if (isPlain) return new URLSearchParams(text);
  const parts = text.split('&').filter((part) => !part.includes(';') && !BAD_ESCAPE.test(part));
  return new URLSearchParams(parts.join('&'));
}

/** What a slash, escaped or not, stands between; undefined of a path that is badly escaped. Slashes at its end say nothing. */
function segmentsOf(path: string): string[] | undefined {
  let plain = path;
  if (path.includes('%')) {
    try {
      plain = decodeURIComponent(path);
    } catch {
      if (BAD_ESCAPE.test(path)) return undefined;
      const bytes = path.replaceAll(/%(..)/g, (_all, hex: string) => String.fromCharCode(parseInt(hex, 16)));
      plain = goUtf8(Buffer.from(bytes, 'latin1'));
    }
  }
  let end = plain.length;
  while (plain[end - 1] === '/') end--;
  return plain.slice(1, end).split('/');
}

/** The rest of a path behind its first segments. */
function behind(path: string, segments: number): string {
  let at = 0;
  for (let seen = 0; seen < segments; seen++) {
    const slash = path.indexOf('/', at + 1);
    at = slash === -1 ? path.length : slash;
  }
  return path.slice(at);
}

function verbOf(method: string, name: string, query: URLSearchParams): string {
  switch (method) {
    case 'POST':
      return 'create';
    case 'PUT':
      return 'update';
    case 'PATCH':
      return 'patch';
    case 'DELETE':
      return name === '' ? 'deletecollection' : 'delete';
    case 'GET':
    case 'HEAD':
      // One object is not watched, nor a subresource: what their query says is for whoever answers.
      if (name !== '') return 'get';
      return flag(query, 'watch') ? 'watch' : 'list';
    default:
      return method.toLowerCase();
  }
}

/** A boolean query parameter as Go clients write it: everything but `false` and `0` is true. */
export function flag(query: URLSearchParams, name: string): boolean {
  const value = query.get(name);
  return value !== null && value !== '0' && value.toLowerCase() !== 'false';
}
