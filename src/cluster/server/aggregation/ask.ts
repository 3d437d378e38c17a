/** Questions of this server's own to a backend: small documents, read whole. */
import { PlatformError } from '../../../base/errors.ts';
import type { UserInfo } from '../../api/transport.ts';
import type { ServerParts } from '../context.ts';
import type { RemoteService } from './api-services.ts';
import { outgoingHeaders } from './identity.ts';
import type { ProxyParts } from './proxy.ts';

/** Whom backends are asked by: one that always may. */
export const AGGREGATOR: UserInfo = { name: 'system:kube-aggregator', groups: ['system:masters'] };

/** Larger answers are not read. */
const MAX_BYTES = 32 * 1024 * 1024;
const PATIENCE_MS = 5000;

export interface Answered {
  readonly status: number;
  readonly type: string;
  readonly etag: string | undefined;
  readonly bytes: Uint8Array;
}

export interface Question {
  readonly url: string;
  readonly accept: string;
  /** The answer that is known already. */
  readonly etag?: string | undefined;
  readonly signal: AbortSignal;
}

/** Throws when nobody answers in time. */
export async function ask(
  { locator, connections }: ProxyParts,
  server: ServerParts,
  { service, question }: { readonly service: RemoteService; readonly question: Question },
): Promise<Answered> {
  const patience = new AbortController();
  using timer = new DisposableStack();
  timer.use(server.clock.after(PATIENCE_MS, () => patience.abort()));
  const { url, accept, etag, signal } = question;
  const known = etag === undefined ? {} : { 'if-none-match': etag };
  const answer = await connections.send({
    address: locator.pick(service.backend),
    backend: service.backend,
    method: 'GET',
    url,
    headers: outgoingHeaders({ accept, ...known }, AGGREGATOR),
    signal: AbortSignal.any([patience.signal, signal]),
  });
  const { status, headers, body } = answer;
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of body instanceof Uint8Array ? [body] : body) {
    size += part.length;
    if (size > MAX_BYTES)
      throw new PlatformError('unavailable', `${service.name} ${url}: the answer is too large`);
    parts.push(part);
  }
  return { status, type: headers['content-type'] ?? '', etag: headers['etag'], bytes: Buffer.concat(parts) };
}
