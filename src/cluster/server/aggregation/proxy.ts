/** Requests for groups and versions of another server go there, with the name of whoever asks. */
import { errorMessage, isPlatformError } from '../../../base/errors.ts';
import type { ApiResponse } from '../../api/transport.ts';
import type { Handler, RequestContext } from '../context.ts';
import { badRequest, requestTimeout } from '../failure.ts';
import type { ApiServices, RemoteService } from './api-services.ts';
import { AGGREGATOR } from './ask.ts';
import type { Connections } from './connections.ts';
import { outgoingHeaders } from './identity.ts';
import type { ForeignDiscovery } from './foreign-discovery.ts';
import type { Locator } from './locate.ts';

export interface ProxyParts {
  readonly services: ApiServices;
  readonly locator: Locator;
  readonly connections: Connections;
}

/** A request that does not last as long as its client likes is over by then. */
const LIMIT_MS = 60_000;
const LASTING = new Set(['attach', 'exec', 'log', 'portforward', 'proxy']);

export function proxyHandler(parts: ProxyParts, discovery: ForeignDiscovery): Handler {
  return (context, next) => {
    const service = serviceFor(parts.services, context);
    if (service === undefined) return next();
    // A backend that has no such document: it is made here of an older one.
    const described = describes(context) && discovery.version(service).openApiUrl === undefined;
    if (described) return next();
    context.verbatim = true;
    return delegate(parts, context, service);
  };
}

function describes({ info }: RequestContext): boolean {
  return info.path.startsWith('/openapi/v3/apis/');
}

function serviceFor(services: ApiServices, context: RequestContext): RemoteService | undefined {
  const { info } = context;
  if (info.isResource) return services.remote(info.group, info.version);
  // The version's own document, and what is below it without being a resource's.
  const segments = info.path.split('/').filter((segment) => segment !== '');
  const [root, group = '', version = ''] = describes(context) ? segments.slice(2) : segments;
  if (root === 'apis' && version !== '') return services.remote(group, version);
  return root === 'api' ? services.remote('', 'v1') : undefined;
}

async function delegate(
  { locator, connections }: ProxyParts,
  context: RequestContext,
  service: RemoteService,
): Promise<ApiResponse> {
  const { request, server } = context;
  // A description is for everybody: the backend is not asked whether this one may read it.
  const user = describes(context) ? AGGREGATOR : context.user;
  if (!service.available) return plain('service unavailable');
  const url = cleanUrl(request.url);
  let address;
  try {
    address = locator.pick(service.backend);
  } catch (error) {
    server.log.warn('cannot find the service of an APIService', {
      name: service.name,
      error: errorMessage(error),
    });
    return plain('service unavailable');
  }
  const upgrades = request.headers['upgrade'] !== undefined;
  const limit = new AbortController();
  const signals = [limit.signal, ...(request.signal === undefined ? [] : [request.signal])];
  const patience = { ms: LIMIT_MS, over: () => limit.abort() };
  try {
    const headers = outgoingHeaders(request.headers, user);
    return await connections.send({
      address,
      backend: service.backend,
      method: request.method,
      url,
      headers: { ...headers, 'x-forwarded-uri': url.split('?')[0]! },
      ...(request.body !== undefined && { body: request.body }),
      signal: AbortSignal.any(signals),
      ...(!isLasting(context) && { patience }),
    });
  } catch (error) {
    if (limit.signal.aborted) throw requestTimeout();
    if (isPlatformError(error, 'internal')) return plain(error.message, 500);
    if (isPlatformError(error, 'cancelled')) throw error;
    const what = upgrades ? 'error dialing backend' : 'error trying to reach service';
    return plain(`${what}: ${errorMessage(error)}`);
  }
}

function isLasting({ info, request }: RequestContext): boolean {
  return (
    info.verb === 'watch' ||
    request.headers['upgrade'] !== undefined ||
    LASTING.has(info.subresource.split('/')[0] ?? '')
  );
}

/**
 * What has been authorized is what is sent: a segment that the next server would read as two, or as a step up, is refused.
 */
function cleanUrl(url: string): string {
  const mark = url.indexOf('?');
  const path = mark === -1 ? url : url.slice(0, mark);
  const segments = path.split('/').filter((segment) => segment !== '');
  for (const segment of segments) {
    const decoded = decodedOf(segment);
    if (decoded === undefined || decoded.includes('/') || decoded === '.' || decoded === '..') {
      throw badRequest(`invalid path: ${JSON.stringify(path)}`);
    }
  }
  const trailing = path.endsWith('/') ? '/' : '';
  return `/${segments.join('/')}${trailing}${mark === -1 ? '' : url.slice(mark)}`;
}

function decodedOf(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}

/** As Go's http.Error writes: clients make their own Status of it. */
function plain(text: string, status = 503): ApiResponse {
  const headers = { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' };
  return { status, headers, body: Buffer.from(`${text}\n`) };
}
