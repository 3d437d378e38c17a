import type { ApiResponse } from '../../api/transport.ts';
import { isWebSocketRequest } from '../../api/websocket.ts';
import type { ResourceContext } from '../context.ts';
import { notAcceptableSo } from '../failure.ts';
import { listResponse } from '../encoding/list-body.ts';
import { checkMade } from '../offload/wide.ts';
import { listOptionsOf, parseVersion, type ListOptions } from '../cache/list-options.ts';
import { listObjects } from '../cache/listing.ts';
import { jsonResponse } from '../encoding/respond.ts';
import { selectionOf, type Selection } from '../cache/selection.ts';
import { viewable, viewFor, type View } from '../encoding/view.ts';
import { watchObjects } from '../cache/watching.ts';
import type { CachedObject } from '../cache/watch-cache.ts';
import { overWebSocket } from './websocket-watch.ts';

const SHOWN_AS: Readonly<Record<string, 'list' | 'events' | 'deleted'>> = {
  list: 'list',
  deletecollection: 'deleted',
  watch: 'events',
};

export function viewOf({ resource, request, info, server }: ResourceContext): View {
  const accept = request.headers['accept'];
  return viewFor({ resource, accept, query: info.query, clock: server.clock, as: SHOWN_AS[info.verb] });
}

/** One object as the client wants to see it. */
export async function showObject(
  context: ResourceContext,
  object: CachedObject,
  options: {
    readonly status?: number;
    readonly headers?: Readonly<Record<string, string>>;
    readonly view?: View;
  } = {},
): Promise<ApiResponse> {
  const view = options.view ?? viewOf(context);
  if (view.unshown !== undefined) throw notAcceptableSo(view.unshown);
  const made = viewable(context.resource, object);
  const shown = made instanceof Promise ? await made : made;
  if (context.info.verb === 'get' && !view.verbatim) checkMade(context.server, shown);
  if (view.format === 'json') return jsonResponse(options.status ?? 200, view.encode(shown), options.headers);
  const headers = { 'content-type': view.contentType, ...options.headers };
  return { status: options.status ?? 200, headers, body: view.encode(shown) };
}

export async function getObject(context: ResourceContext): Promise<ApiResponse> {
  const { server, resource, info } = context;
  const view = viewOf(context);
  // A get at an older version is a get of the newest: the cache never goes back. A newer one has to come first.
  const version = parseVersion(info.query.get('resourceVersion') ?? '');
  if (version > 0) await server.cache.waitFor(version);
  const found = await server.registry.get(resource, info);
  return await showObject(context, found, { view });
}

export async function listResource(context: ResourceContext): Promise<ApiResponse> {
  const { server, resource, info } = context;
  const { query, namespace } = info;
  const view = viewOf(context);
  const asked = listOptionsOf(query, false);
  const selection = selectionOf({ resource, namespace, query });
  const page = await listObjects({ ...asked, limit: limitOf(asked), resource, selection }, server);
  const wide = server.offload?.views(context, view);
  return await listResponse({ ...page, resource, view, wide, clock: server.clock });
}

export async function watchResource(context: ResourceContext): Promise<ApiResponse> {
  const { server, resource, info, request } = context;
  const { query, namespace, name } = info;
  const options = listOptionsOf(query, true);
  const { bookmarks, sendInitialEvents, resourceVersion: version } = options;
  // Without bookmarks nobody could say where the present state ends: it is a watch as any other.
  const wantsInitial = sendInitialEvents === true && bookmarks;
  const view = viewOf(context);
  const selection: Selection = selectionOf({ resource, namespace, query, name });
  const from = parseVersion(version);
  if (version === '' || wantsInitial) await server.registry.fresh();
  // Nor does a watch begin amid a transaction.
  const late = server.cache.waitFor(wantsInitial ? from : 0);
  if (late !== undefined) await late;
  const { timeoutSeconds: seconds = 0 } = options;
  const noInitial = sendInitialEvents === false;
  const after =
    wantsInitial || (from === 0 && !noInitial) ? undefined : from === 0 ? server.cache.revision : from;
  const open = (): AsyncIterable<Uint8Array> =>
    watchObjects(
      {
        resource,
        selection,
        view,
        wide: server.offload?.views(context, view),
        after,
        bookmarks,
        markInitial: wantsInitial,
        isLocal: request.isLocal === true,
        timeoutMs: seconds > 0 ? seconds * 1000 : server.limits.minWatchMs * (1 + server.random.next()),
        signal:
          request.signal === undefined ? server.stopping : AbortSignal.any([request.signal, server.stopping]),
      },
      server,
    );
  if (isWebSocketRequest(request.headers)) return overWebSocket(request.headers, view.format, open);
  return {
    status: 200,
    headers: { 'content-type': view.streamType, 'cache-control': 'no-cache, private' },
    body: open(),
  };
}

/** What is listed from the cache as it is comes in one piece, unless the first piece came from elsewhere. */
export function limitOf(options: ListOptions): number {
  const { limit, resourceVersion, resourceVersionMatch, continueToken } = options;
  const isAny = resourceVersion === '0' && resourceVersionMatch !== 'Exact' && continueToken === '';
  return isAny ? 0 : limit;
}
