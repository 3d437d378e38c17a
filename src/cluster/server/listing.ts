/** Lists: from the cache when it has the revision, page by page from the store when it has moved on. */
import { prefixEnd, type Store } from '../store/store.ts';
import { badRequest, expired, tooLargeVersion } from './failure.ts';
import { isExpired, type Registry } from './registry.ts';
import type { Resource } from './resource.ts';
import type { Selection } from './selection.ts';
import { CachedObject, type WatchCache } from './watch-cache.ts';

export interface Page {
  readonly objects: readonly CachedObject[];
  readonly revision: number;
  readonly continueToken?: string | undefined;
  /** Objects after this page; unknown when something filters. */
  readonly remaining?: number | undefined;
}

export interface ListRequest {
  readonly resource: Resource;
  readonly selection: Selection;
  /** 0 for no limit. */
  readonly limit: number;
  readonly continueToken: string;
  readonly resourceVersion: string;
  readonly resourceVersionMatch: string;
}

interface Sources {
  readonly registry: Registry;
  readonly cache: WatchCache;
  readonly store: Store;
}

const TOO_OLD =
  'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter.';

export async function listObjects(request: ListRequest, { registry, cache, store }: Sources): Promise<Page> {
  const { resource, selection, continueToken } = request;
  const from = continueToken === '' ? undefined : decodeToken(continueToken, selection.prefix);
  const exact = from?.revision ?? exactRevision(request);
  if (exact === undefined) {
    const minimum = parseVersion(request.resourceVersion);
    if (request.resourceVersion === '') await registry.fresh();
    else await cache.waitFor(minimum);
  } else {
    await registry.fresh();
    if (exact > cache.revision) throw tooLargeVersion(exact, cache.revision);
  }
  const held = cache.resource(resource.prefix);
  if (exact === undefined || exact >= held.lastChange) {
    const candidates = held.list(selection.prefix, from?.start);
    return pageOf(candidates, { request, revision: exact ?? cache.revision });
  }
  try {
    return await listFromStore(request, { store, revision: exact, start: from?.start ?? selection.prefix });
  } catch (error) {
    if (!isExpired(error)) throw error;
    throw expired(from === undefined ? 'The resourceVersion for the provided list is too old.' : TOO_OLD);
  }
}

function exactRevision({ resourceVersion, resourceVersionMatch, limit }: ListRequest): number | undefined {
  if (resourceVersionMatch !== '' && resourceVersion === '') {
    throw badRequest('resourceVersionMatch is forbidden unless resourceVersion is provided');
  }
  const version = parseVersion(resourceVersion);
  switch (resourceVersionMatch) {
    case 'Exact':
      if (version === 0)
        throw badRequest('resourceVersionMatch "Exact" is forbidden for resourceVersion "0"');
      return version;
    case 'NotOlderThan':
      return undefined;
    case '':
      // What clients older than resourceVersionMatch mean by a limit and a version.
      return limit > 0 && version > 0 ? version : undefined;
    default:
      throw badRequest(
        `supported values: "Exact", "NotOlderThan": resourceVersionMatch ${JSON.stringify(resourceVersionMatch)}`,
      );
  }
}

/** The number in a resourceVersion; '' and '0' are 0. */
export function parseVersion(text: string): number {
  if (text === '') return 0;
  if (!/^\d{1,15}$/.test(text))
    throw badRequest(
      `Invalid value: ${JSON.stringify(text)}: strconv.ParseUint: parsing ${JSON.stringify(text)}: invalid syntax`,
    );
  return Number(text);
}

function pageOf(
  candidates: readonly CachedObject[],
  about: { request: ListRequest; revision: number },
): Page {
  const { request, revision } = about;
  const { limit, selection } = request;
  if (!selection.filters && limit === 0) return { objects: candidates, revision };
  const objects: CachedObject[] = [];
  for (const [i, candidate] of candidates.entries()) {
    if (selection.filters && !selection.matches(candidate)) continue;
    if (limit > 0 && objects.length === limit) {
      const continueToken = encodeToken(revision, objects.at(-1)!.key, selection.prefix);
      return {
        objects,
        revision,
        continueToken,
        remaining: selection.filters ? undefined : candidates.length - i,
      };
    }
    objects.push(candidate);
  }
  return { objects, revision };
}

/** Smallest number of keys that are read at once when a selector throws most of them away. */
const MIN_READ = 200;

async function listFromStore(
  request: ListRequest,
  at: { store: Store; revision: number; start: string },
): Promise<Page> {
  const { selection, limit } = request;
  const { store, revision } = at;
  const end = prefixEnd(selection.prefix);
  const objects: CachedObject[] = [];
  for (let start = at.start; ;) {
    const wanted = limit === 0 ? 0 : Math.max(limit - objects.length, selection.filters ? MIN_READ : 1);
    const page = await store.range(start, end, { revision, ...(wanted > 0 && { limit: wanted }) });
    for (const [i, kv] of page.kvs.entries()) {
      const object = new CachedObject(kv.key, kv.value, kv.modRevision);
      if (selection.filters && !selection.matches(object)) continue;
      objects.push(object);
      const rest = page.count - i - 1;
      if (objects.length !== limit || rest === 0) continue;
      const continueToken = encodeToken(revision, kv.key, selection.prefix);
      return { objects, revision, continueToken, remaining: selection.filters ? undefined : rest };
    }
    const last = page.kvs.at(-1);
    if (!page.more || last === undefined) return { objects, revision };
    start = `${last.key}\0`;
  }
}

/** The next page starts right after `key`. The form is upstream's: URL-safe base64 of a small JSON object. */
function encodeToken(revision: number, key: string, prefix: string): string {
  const token = { v: 'meta.k8s.io/v1', rv: revision, start: `${key.slice(prefix.length)}\0` };
  return Buffer.from(JSON.stringify(token)).toString('base64url');
}

function decodeToken(token: string, prefix: string): { revision: number; start: string } {
  try {
    const { v, rv, start } = JSON.parse(Buffer.from(token, 'base64url').toString('utf8')) as Record<
      string,
      unknown
    >;
    if (v === 'meta.k8s.io/v1' && Number.isSafeInteger(rv) && typeof start === 'string') {
      return { revision: rv as number, start: prefix + start };
    }
  } catch {
    // Falls through to the same answer as a token of another form.
  }
  throw badRequest('continue key is not valid');
}
