/** One request and its answer, over whichever version of HTTP: who asks, the body in, the answer or stream out. */
import { PassThrough, type Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';

import { yieldToLoop } from '../../../base/yield-to-loop.ts';
import { statusOf } from '../../api/status.ts';
import type { ApiRequest, ApiResponse } from '../../api/transport.ts';
import type { ApiServer } from '../api-server.ts';
import type { Credentials } from '../authentication/authenticator.ts';
import { proxiedUser, type Standing, type StandingOf } from '../authentication/front-proxy.ts';
import { tooLarge } from '../failure.ts';
import { ListBody } from '../encoding/list-body.ts';
import { MAX_BODY_BYTES } from '../encoding/request-body.ts';
import { statusResponse } from '../encoding/respond.ts';

/** What HTTP/1.1 and HTTP/2 have in common. */
export interface Exchange {
  readonly method: string;
  readonly url: string;
  /** Lower-case names, no pseudo headers. Several values are joined. */
  readonly headers: Readonly<Record<string, string>>;
  /** Each value of a header that may come more than once. */
  values(name: string): readonly string[];
  readonly socket: TLSSocket;
  readonly hasBody: boolean;
  /** The whole body. Fails for more than `limit` bytes, and when the client goes before the end. */
  readBody(limit: number): Uint8Array | Promise<Uint8Array>;
  /** The client has gone before the answer was complete. */
  readonly gone: AbortSignal;
  readonly headersSent: boolean;
  respond(status: number, headers: Readonly<Record<string, string | number>>): void;
  /** Sends headers and a whole body in one go. */
  answer(
    status: number,
    headers: Readonly<Record<string, string | number>>,
    body: Uint8Array | undefined,
  ): void;
  /** False when the client reads slower than it is written to. */
  write(bytes: Uint8Array): boolean;
  /** Resolves when there is room again, or nobody is there any more. */
  drained(): Promise<void>;
  end(): void;
  destroy(): void;
  /** Sends a head and gives the connection away; absent when the connection cannot change its protocol. */
  tunnel?(headers: Readonly<Record<string, string>>): Duplex;
}

/** Headers whose values are told apart by lines, as a group's name may have a comma in it. */
export function isImpersonation(name: string): boolean {
  return name.startsWith('impersonate-');
}

interface Holder {
  readonly standing: Standing;
  readonly credentials: Credentials;
}

/** A connection has one certificate: reading it costs more than a whole request. */
const certificates = new WeakMap<TLSSocket, Holder | undefined>();

const STRANGER: Holder = { standing: { client: false, proxy: false }, credentials: {} };

function certificateOf(socket: TLSSocket, standingOf: StandingOf): Holder | undefined {
  if (certificates.has(socket)) return certificates.get(socket);
  const { subject } = socket.getPeerCertificate();
  let found: Holder | undefined;
  // An empty object when the client sent none.
  if (subject !== undefined) {
    const certificate = { ...subject } as Credentials['certificate'] & object;
    const fingerprint = socket.getPeerCertificate().fingerprint256.replaceAll(':', '').toLowerCase();
    found = socket.authorized
      ? { standing: standingOf(socket), credentials: { certificate, fingerprint } }
      : STRANGER;
  }
  certificates.set(socket, found);
  return found;
}

function credentialsOf(exchange: Exchange, standingOf: StandingOf): Credentials {
  const holder = certificateOf(exchange.socket, standingOf);
  if (holder !== undefined) {
    const proxied = holder.standing.proxy ? proxiedUser(exchange) : undefined;
    if (proxied !== undefined) return { proxied };
    if (holder.standing.client) return holder.credentials;
  }
  const token = tokenOf(exchange.headers);
  if (token !== undefined) return { token };
  const [path] = exchange.url.split('?', 1);
  return { ...(path !== undefined && { path }), ...(holder !== undefined && { stranger: true }) };
}

/** Browsers cannot set headers of a WebSocket: there the token may be one of the protocols that are asked for. */
const TOKEN_PROTOCOL = 'base64url.bearer.authorization.k8s.io.';

function tokenOf(headers: Readonly<Record<string, string>>): string | undefined {
  const { authorization } = headers;
  // Of another scheme it says nothing to us.
  if (authorization !== undefined) return /^bearer\s+(\S+)\s*$/i.exec(authorization.trim())?.[1];
  if (headers['upgrade']?.toLowerCase() !== 'websocket') return undefined;
  const protocols = (headers['sec-websocket-protocol'] ?? '').split(',').map((protocol) => protocol.trim());
  const [found, ...more] = protocols.filter((protocol) => protocol.startsWith(TOKEN_PROTOCOL));
  if (found === undefined) return undefined;
  // Two tokens are one too many: neither is known.
  if (more.length > 0) return '';
  return Buffer.from(found.slice(TOKEN_PROTOCOL.length), 'base64url').toString('utf8');
}

/** As Go's HTTP library answers a path that is badly escaped, before anybody has looked. */
const BAD_ESCAPE = /^[^?]*%(?![0-9a-fA-F]{2})/;
const BAD_REQUEST: ApiResponse = {
  status: 400,
  headers: { 'content-type': 'text/plain; charset=utf-8' },
  body: Buffer.from('400 Bad Request'),
};

/** Answers it. Never throws: what goes wrong after the headers ends the connection or stream. */
export async function serve(exchange: Exchange, server: ApiServer, standingOf: StandingOf): Promise<void> {
  let answer: ApiResponse;
  if (exchange.url.includes('%') && BAD_ESCAPE.test(exchange.url)) return void send(exchange, BAD_REQUEST);
  try {
    const user = await server.authenticate(credentialsOf(exchange, standingOf));
    const request = new ExchangedRequest(exchange);
    if (exchange.hasBody) request.body = await readBody(exchange);
    answer = await server.handle(request, user);
  } catch (error) {
    answer = server.refuse(error, exchange.headers);
  }
  const sending = send(exchange, answer);
  if (sending !== undefined) await sending;
}

/** Asks for the client's signal only when somebody else does. */
class ExchangedRequest implements ApiRequest {
  readonly method: ApiRequest['method'];
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  declare body?: Uint8Array;
  readonly #exchange: Exchange;

  constructor(exchange: Exchange) {
    this.method = exchange.method as ApiRequest['method'];
    this.url = exchange.url;
    this.headers = exchange.headers;
    this.#exchange = exchange;
  }

  get signal(): AbortSignal {
    return this.#exchange.gone;
  }
}

function readBody(exchange: Exchange): Uint8Array | Promise<Uint8Array> {
  if (Number(exchange.headers['content-length'] ?? 0) > MAX_BODY_BYTES) throw tooLarge(MAX_BODY_BYTES);
  return exchange.readBody(MAX_BODY_BYTES);
}

/** Undefined when it is all on its way. */
function send(exchange: Exchange, answer: ApiResponse): Promise<void> | undefined {
  const { status, headers, body, tunnel } = answer;
  if (tunnel !== undefined) {
    give(exchange, headers, tunnel);
    return undefined;
  }
  const isHead = exchange.method === 'HEAD';
  if (body instanceof Uint8Array) {
    const bodyless = status === 304 || status === 204;
    const fields = bodyless ? headers : { ...headers, 'content-length': body.length };
    const isLarge = !isHead && !bodyless && body.length > WHOLE_BYTES;
    if (isLarge) return stream(exchange, { status, headers: fields }, inPieces(body));
    exchange.answer(status, fields, isHead || bodyless ? undefined : body);
    return undefined;
  }
  if (!isHead) return stream(exchange, answer, body);
  exchange.answer(status, headers, undefined);
  return undefined;
}

/** What is encrypted in one go: some 0.1 ms. */
const WHOLE_BYTES = 128 * 1024;

/**
 * What comes last is so short that nobody waits until it has been taken: a client that has all of its answer sends the
 * next request, and Node loses one over TLS that is longer than a record and comes while it waits (HPE_PAUSED).
 */
const LAST_BYTES = 1024;

async function* inPieces(body: Uint8Array): AsyncGenerator<Uint8Array> {
  const end = body.length - LAST_BYTES;
  for (let at = 0; at < end; at += WHOLE_BYTES) {
    if (at > 0) await yieldToLoop();
    yield body.subarray(at, Math.min(at + WHOLE_BYTES, end));
  }
  yield body.subarray(end);
}

interface Head {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | number>>;
}

async function stream(
  exchange: Exchange,
  { status, headers }: Head,
  body: AsyncIterable<Uint8Array>,
): Promise<void> {
  const iterator = body[Symbol.asyncIterator]();
  try {
    // The first bytes decide whether there is a stream at all; a watch has its headers at once.
    let first: Promise<IteratorResult<Uint8Array>> | undefined = iterator.next();
    const isLog = headers['content-type'] === 'text/plain';
    if (isLog || body instanceof ListBody) {
      const result = await first;
      first = Promise.resolve(result);
    }
    const length = body instanceof ListBody ? body.length : undefined;
    exchange.respond(status, length === undefined ? headers : { ...headers, 'content-length': length });
    for (;;) {
      const result = await (first ?? iterator.next());
      first = undefined;
      if (result.done === true || exchange.gone.aborted) break;
      if (!exchange.write(result.value)) await exchange.drained();
    }
    exchange.end();
  } catch (error) {
    if (exchange.headersSent) exchange.destroy();
    else await send(exchange, statusResponse(statusOf(error)));
  } finally {
    await iterator.return?.();
  }
}

function give(
  exchange: Exchange,
  headers: ApiResponse['headers'],
  take: NonNullable<ApiResponse['tunnel']>,
): void {
  if (exchange.tunnel !== undefined && !exchange.gone.aborted) return take(exchange.tunnel(headers));
  // Nobody is there to talk to any more, or it never asked for this.
  take(new PassThrough().destroy());
  exchange.destroy();
}
