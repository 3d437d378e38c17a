/** A request to an address inside the cluster, and its answer as it comes. */
import type { IncomingMessage, RequestOptions } from 'node:http';

import { errorMessage } from '../../../../base/errors.ts';
import type { ApiResponse } from '../../../api/transport.ts';
import type { ResourceContext } from '../../context.ts';
import { wholeBody } from '../../encoding/list-body.ts';
import { endToEndHeaders, exchange, tunnelTo } from './exchange.ts';
import { passedHeaders } from './passed-headers.ts';
import { queryOf, unavailable, type ProxyTarget } from './proxy.ts';

/** Pages that are longer are passed on as they are. */
const MAX_PAGE = 4 << 20;

export async function forward(context: ResourceContext, target: ProxyTarget): Promise<ApiResponse> {
  const { request, info, server } = context;
  const { scheme, host, port } = target;
  const headers: Record<string, string> = {
    ...passedHeaders(request.headers),
    host: `${host.includes(':') ? `[${host}]` : host}${port === undefined ? '' : `:${port}`}`,
    'x-forwarded-uri': info.path,
    'x-forwarded-proto': 'https',
    ...(request.headers['host'] !== undefined && { 'x-forwarded-host': request.headers['host'] }),
    ...(request.body !== undefined && { 'content-length': String(request.body.length) }),
  };
  const { signal = server.stopping } = request;
  const options: RequestOptions & { rejectUnauthorized: boolean } = {
    host,
    ...(port !== undefined && { port }),
    method: request.method,
    path: `${info.subpath === '' ? '/' : info.subpath}${queryOf(request.url)}`,
    headers,
    agent: false,
    signal: signal === server.stopping ? signal : AbortSignal.any([signal, server.stopping]),
    // As upstream: what serves inside the cluster has no certificate that anybody here could check.
    rejectUnauthorized: false,
  };
  const answer = await exchange(scheme, options, request.body).catch((error: unknown) => {
    throw unavailable(`error trying to reach service: ${errorMessage(error)}`);
  });
  const prefix = info.path.slice(0, info.path.length - info.subpath.length);
  if (answer.type === 'upgraded') return tunnelTo(answer);
  return await rewritten(answer.message, { prefix, host: headers['host']! });
}

/** Links to the place itself are led back through the proxy: in Location, and in pages of text/html. */
async function rewritten(
  message: IncomingMessage,
  { prefix, host }: { readonly prefix: string; readonly host: string },
): Promise<ApiResponse> {
  const headers = endToEndHeaders(message);
  const { location } = headers;
  if (location !== undefined) headers['location'] = throughProxy(location, prefix, host);
  const status = message.statusCode ?? 502;
  const isPage = headers['content-type']?.startsWith('text/html') === true;
  const length = Number(headers['content-length'] ?? MAX_PAGE + 1);
  if (!isPage || headers['content-encoding'] !== undefined || length > MAX_PAGE) {
    return { status, headers, body: message };
  }
  const { 'content-length': _length, ...others } = headers;
  const page = Buffer.from(await wholeBody(message)).toString('utf8');
  const body = page.replaceAll(
    /(<[a-z][^<>]*?\s(?:href|src|action|cite|data|longdesc|poster|formaction|background)\s*=\s*)("[^"<>]*"|'[^'<>]*')/gi,
    (_all, before: string, quoted: string) => {
      const quote = quoted[0]!;
      return `${before}${quote}${throughProxy(quoted.slice(1, -1), prefix, host)}${quote}`;
    },
  );
  return { status, headers: others, body: Buffer.from(body) };
}

/** Absolute paths, and addresses of the place itself; others are left alone. */
function throughProxy(link: string, prefix: string, host: string): string {
  if (link.startsWith('/') && !link.startsWith('//'))
    return link.startsWith(`${prefix}/`) ? link : prefix + link;
  const match = /^https?:\/\/([^/?#]+)(.*)$/i.exec(link);
  return match !== null && match[1] === host
    ? prefix + (match[2]!.startsWith('/') ? match[2]! : `/${match[2]!}`)
    : link;
}
