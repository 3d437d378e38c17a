/** Requests that are answered by a node's kubelet. */
import { PlatformError } from '../../../../base/errors.ts';
import type { ApiResponse } from '../../../api/transport.ts';
import type { ResourceContext } from '../../context.ts';
import { badRequest } from '../../failure.ts';
import { wholeBody } from '../../encoding/list-body.ts';
import { passedHeaders } from './passed-headers.ts';
import { remoteKubelet } from './remote-kubelet.ts';

/** Of an error's text. */
const MAX_TEXT = 10_000;

/** `unavailable` when there is no way to that node. */
export async function askNode(
  { server, request }: ResourceContext,
  node: string,
  url: string,
): Promise<ApiResponse> {
  const transport = server.nodes(node) ?? (await remoteKubelet(server, node));
  if (transport === undefined) {
    throw new PlatformError('unavailable', `no connection to node ${JSON.stringify(node)}`);
  }
  const { signal = server.stopping } = request;
  return await transport.request({
    method: request.method,
    url,
    headers: passedHeaders(request.headers),
    ...(request.body !== undefined && { body: request.body }),
    signal: signal === server.stopping ? signal : AbortSignal.any([signal, server.stopping]),
  });
}

/** The kubelet's answer; its failures, which are plain text, become Statuses. */
export async function passOn(response: ApiResponse, kind: 'upgrade' | 'log'): Promise<ApiResponse> {
  const { status, tunnel } = response;
  if (tunnel !== undefined || (status >= 200 && status < 300)) return response;
  const bytes = await wholeBody(response.body);
  const body = Buffer.from(bytes).toString('utf8', 0, MAX_TEXT).trim();
  const text = kind === 'log' ? body : `unable to upgrade connection: ${body}`;
  if (status === 400) throw badRequest(text);
  if (status === 500) throw new PlatformError('internal', `Internal error occurred: ${text}`);
  throw new PlatformError(status === 404 ? 'not-found' : 'unavailable', text, {
    details: { code: status, ...(status !== 404 && { reason: 'Unknown' }) },
  });
}
