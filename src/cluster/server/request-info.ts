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

export function parseRequest(method: string, url: string): RequestInfo {
  const mark = url.indexOf('?');
  const path = mark === -1 ? url : url.slice(0, mark);
  const query = new URLSearchParams(mark === -1 ? '' : url.slice(mark + 1));
  const plain = {
    path,
    query,
    group: '',
    version: '',
    namespace: '',
    resource: '',
    name: '',
    subresource: '',
    subpath: '',
  };
  const nonResource = { ...plain, isResource: false, verb: method.toLowerCase() };
  let segments: string[];
  try {
    segments = path
      .split('/')
      .filter((segment) => segment !== '')
      .map(decodeURIComponent);
  } catch {
    return nonResource;
  }
  const core = segments[0] === 'api';
  if ((!core && segments[0] !== 'apis') || segments.length < (core ? 3 : 4)) return nonResource;
  const [group, version, behindVersion] = core
    ? ['', segments[1]!, segments.slice(2)]
    : [segments[1]!, segments[2]!, segments.slice(3)];
  // The way to say it before there was a parameter; still served.
  const isWatch = behindVersion[0] === 'watch' && behindVersion.length > 1 && method === 'GET';
  const rest = isWatch ? behindVersion.slice(1) : behindVersion;
  let namespace = '';
  let parts = rest;
  if (rest[0] === 'namespaces' && rest.length > 1) {
    namespace = rest[1]!;
    if (rest.length > 2 && !OF_NAMESPACE.has(rest[2]!)) parts = rest.slice(2);
  }
  const [resource = '', name = '', ...sub] = parts;
  const isProxy = sub[0] === 'proxy';
  return {
    ...plain,
    isResource: true,
    group,
    version,
    namespace,
    resource,
    name,
    subresource: isProxy ? 'proxy' : sub.join('/'),
    subpath: isProxy ? behind(path, segments.length - sub.length + 1) : '',
    verb: isWatch ? 'watch' : verbOf(method, name, query),
  };
}

/** The rest of a path behind its first segments. */
function behind(path: string, segments: number): string {
  let at = 0;
  for (let seen = 0; seen < segments; seen++) {
    while (path[at] === '/') at++;
    const slash = path.indexOf('/', at);
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
