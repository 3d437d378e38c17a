/** Lists: from the cache when it has the revision, page by page from the store when it has moved on. */
import type { Clock } from '../../../base/clock.ts';
import { Slice } from '../../../base/yield-to-loop.ts';
import { prefixEnd, type Store } from '../../store/store.ts';
import { badRequest, expired, expiredContinue, tooLargeVersion } from '../failure.ts';
import { parseVersion } from './list-options.ts';
import { isExpired, type Registry } from '../writes/registry.ts';
import type { ConvertingProgram, Resource } from '../resource.ts';
import type { Selection } from './selection.ts';
import { CachedObject, type ResourceCache, type WatchCache } from './watch-cache.ts';

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
  readonly clock: Clock;
}

/** Objects that another program converts before selectors look into them: as many as it is asked about at once. */
const CONVERTED = 500;

export async function listObjects(request: ListRequest, sources: Sources): Promise<Page> {
  const page = await listStored(request, sources);
  const program = request.resource.conversion?.program;
  return program === undefined ? page : { ...page, objects: await program.shown(page.objects) };
}

/** Of what another program converts only that which had to be looked into is converted. */
async function listStored(request: ListRequest, sources: Sources): Promise<Page> {
  const { registry, cache, store, clock } = sources;
  const { resource, selection, continueToken, resourceVersion } = request;
  if (continueToken !== '' && resourceVersion !== '' && resourceVersion !== '0')
    throw badRequest('specifying resource version is not allowed when using continue');
  const from = continueToken === '' ? undefined : decodeToken(continueToken, selection.prefix);
  // A token of -1 goes on in the newest state: the one that it stands for has been forgotten.
  const exact =
    from === undefined ? exactRevision(request) : from.revision === -1 ? undefined : from.revision;
  if (exact === undefined) {
    const minimum = parseVersion(request.resourceVersion, true);
    if (request.resourceVersion === '') await registry.fresh();
    else await cache.waitFor(minimum);
  } else {
    await registry.fresh();
    if (exact > cache.revision) throw tooLargeVersion(exact, cache.revision, false);
  }
  if (exact !== undefined && exact < cache.forgotten) throw tooOld(request, from?.start);
  const held = cache.resource(resource.prefix);
  if (exact === undefined || exact >= held.lastChange) {
    const revision = exact ?? cache.revision;
    const candidates = candidatesIn(held, selection, from?.start);
    return await pageOf(candidates, { request, revision, clock });
  }
  try {
    return await listFromStore(request, {
      store,
      clock,
      revision: exact,
      start: from?.start ?? selection.prefix,
    });
  } catch (error) {
    if (!isExpired(error)) throw error;
    throw tooOld(request, from?.start);
  }
}

/** A list that was begun can be gone on with, in another state. */
function tooOld({ selection }: ListRequest, start: string | undefined): Error {
  if (start === undefined) return expired('The resourceVersion for the provided list is too old.');
  return expiredContinue(encodeToken(-1, start.slice(0, -1), selection.prefix));
}

function exactRevision({ resourceVersion, resourceVersionMatch, limit }: ListRequest): number | undefined {
  const version = parseVersion(resourceVersion, true);
  if (resourceVersionMatch === 'Exact') return version;
  // What clients older than resourceVersionMatch mean by a limit and a version.
  return resourceVersionMatch === '' && limit > 0 && version > 0 ? version : undefined;
}

/** An index that leaves more than this would be sorted longer than everything is filtered. */
const MAX_SORTED = 4096;

/** A walk over more leaves none of them decoded: they would push out each other, and what others need. */
const MAX_KEPT = 500;

/** Everything that may be selected, in key order. */
function candidatesIn(
  held: ResourceCache,
  selection: Selection,
  start: string | undefined,
): readonly CachedObject[] {
  for (const { id, valueOf, values } of selection.indexed) {
    const found = held.indexed(id, valueOf, values);
    if (found === undefined || found.length > MAX_SORTED) continue;
    const from = start ?? selection.prefix;
    return found
      .filter(({ key }) => key >= from && key.startsWith(selection.prefix))
      .toSorted((a, b) => (a.key < b.key ? -1 : 1));
  }
  return held.list(selection.prefix, start);
}

async function pageOf(
  candidates: readonly CachedObject[],
  about: { request: ListRequest; revision: number; clock: Clock },
): Promise<Page> {
  const { request, revision, clock } = about;
  const { limit, selection } = request;
  const program = converterOf(request);
  if (!selection.filters && limit === 0) return { objects: candidates, revision };
  const objects: CachedObject[] = [];
  const passing = candidates.length > MAX_KEPT;
  const slice = new Slice(clock);
  let seen = candidates;
  for (const [i, candidate] of candidates.entries()) {
    let object = candidate;
    if (selection.filters) {
      if (slice.over) await slice.next();
      if (program !== undefined) {
        if (i % CONVERTED === 0) seen = await program.shown(candidates.slice(i, i + CONVERTED));
        object = seen[i % CONVERTED]!;
      }
      if (!selection.matches(object, passing)) continue;
    }
    if (limit > 0 && objects.length === limit) {
      const continueToken = encodeToken(revision, objects.at(-1)!.key, selection.prefix);
      return {
        objects,
        revision,
        continueToken,
        remaining: selection.filters ? undefined : candidates.length - i,
      };
    }
    objects.push(object);
  }
  return { objects, revision };
}

/** Who converts objects before the selection looks into them. */
function converterOf({ resource, selection }: ListRequest): ConvertingProgram | undefined {
  return selection.looksInside ? resource.conversion?.program : undefined;
}

/** Smallest number of keys that are read at once when a selector throws most of them away. */
const MIN_READ = 200;
/** Largest number: a store on this thread answers in one go. */
const MAX_READ = 500;

async function listFromStore(
  request: ListRequest,
  at: { store: Store; clock: Clock; revision: number; start: string },
): Promise<Page> {
  const { selection, limit } = request;
  const { store, clock, revision } = at;
  const program = converterOf(request);
  const slice = new Slice(clock);
  const end = prefixEnd(selection.prefix);
  const objects: CachedObject[] = [];
  for (let start = at.start; ;) {
    const missing = limit === 0 ? MAX_READ : limit - objects.length;
    const wanted = Math.min(MAX_READ, Math.max(missing, selection.filters ? MIN_READ : 1));
    const page = await store.range(start, end, { revision, limit: wanted });
    const stored = page.kvs.map((kv) => new CachedObject(kv.key, kv.value, kv.modRevision));
    const found = program === undefined ? stored : await program.shown(stored);
    for (const [i, object] of found.entries()) {
      if (slice.over) await slice.next();
      if (selection.filters && !selection.matches(object)) continue;
      objects.push(object);
      const rest = page.count - i - 1;
      if (objects.length !== limit || rest === 0) continue;
      const continueToken = encodeToken(revision, object.key, selection.prefix);
      return { objects, revision, continueToken, remaining: selection.filters ? undefined : rest };
    }
    const last = page.kvs.at(-1);
    if (!page.more || last === undefined) return { objects, revision };
    start = `${last.key}\0`;
  }
}

const TOKEN_VERSION = 'meta.k8s.io/v1';

/** The next page starts right after `key`. The form is upstream's: URL-safe base64 of a small JSON object. */
function encodeToken(revision: number, key: string, prefix: string): string {
  const token = { v: TOKEN_VERSION, rv: revision, start: `${key.slice(prefix.length)}\0` };
  return Buffer.from(JSON.stringify(token)).toString('base64url');
}

function decodeToken(token: string, prefix: string): { revision: number; start: string } {
  const wrong = notBase64(token);
  if (wrong !== undefined) throw badToken(`illegal base64 data at input byte ${wrong}`);
  const decoded = Buffer.from(token, 'base64url').toString('utf8');
  let fields: Partial<Record<'v' | 'rv' | 'start', unknown>>;
  try {
    fields = Object(JSON.parse(decoded)) as typeof fields;
  } catch {
    throw badToken(`invalid character '${decoded.slice(0, 1)}' looking for beginning of value`);
  }
  const { v = '', rv = 0, start = '' } = fields;
  if (v !== TOKEN_VERSION) throw badToken(`server does not recognize this encoded version ${String(v)}`);
  if (!Number.isSafeInteger(rv) || rv === 0 || (rv as number) < -1)
    throw badToken(`incorrect encoded start resourceVersion (version ${TOKEN_VERSION})`);
  if (typeof start !== 'string' || start === '')
    throw badToken(`encoded start key empty (version ${TOKEN_VERSION})`);
  // It must not lead out of where the list is.
  if (`/${start}`.includes('/../')) throw badToken(start);
  return { revision: rv as number, start: prefix + start.replace(/^\//, '') };
}

/** Where Go's decoder of URL-safe base64 without padding gives up; undefined where it does not. */
function notBase64(text: string): number | undefined {
  const other = text.search(/[^\w\r\n-]/);
  if (other !== -1) return Buffer.byteLength(text.slice(0, other));
  const length = text.replaceAll(/[\r\n]/g, '').length;
  return length % 4 === 1 ? text.length - 1 : undefined;
}

function badToken(why: string): Error {
  return badRequest(`invalid continue token: continue key is not valid: ${why}`);
}
