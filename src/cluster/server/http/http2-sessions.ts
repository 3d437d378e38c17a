/**
 * HTTP/2 on connections whose client has chosen it (ALPN `h2`), as Go's clients do. A module of its own, loaded with the
 * first such connection: node:http2 takes as long to load as everything else.
 */
import {
  constants,
  performServerHandshake,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { TLSSocket } from 'node:tls';

import { drained } from '../../../base/drained.ts';
import type { Clock } from '../../../base/clock.ts';
import { isImpersonation, type Exchange } from './http-exchange.ts';
import { Departure, gathered } from './request-stream.ts';

/** Watches of one informer factory share a connection: client-go opens one for all of its resources. */
const MAX_STREAMS = 1000;
const IDLE_MS = 5 * 60_000;
/** How long a request's body may take. */
const BODY_MS = 60_000;

export class Http2Sessions implements Disposable {
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #serve: (exchange: Exchange) => void;

  readonly #clock: Clock;

  constructor(serve: (exchange: Exchange) => void, clock: Clock) {
    this.#serve = serve;
    this.#clock = clock;
  }

  take(socket: TLSSocket): void {
    if (socket.destroyed) return;
    const session = performServerHandshake(socket, {
      settings: { maxConcurrentStreams: MAX_STREAMS, enablePush: false, initialWindowSize: 1 << 20 },
      // A client that opens and resets streams in a loop is cut off (CVE-2023-44487).
      streamResetBurst: 1000,
      streamResetRate: 100,
    });
    this.#sessions.add(session);
    session.on('close', () => this.#sessions.delete(session));
    session.on('error', () => session.destroy());
    let open = 0;
    let idle = this.#clock.after(IDLE_MS, () => session.close());
    session.on('close', () => idle[Symbol.dispose]());
    session.on('stream', (stream, headers: IncomingHttpHeaders, _flags, raw: readonly string[]) => {
      idle[Symbol.dispose]();
      open++;
      stream.on('close', () => {
        if (--open === 0 && !session.closed) idle = this.#clock.after(IDLE_MS, () => session.close());
      });
      stream.on('error', () => {});
      this.#serve(http2Exchange(stream, headers, { socket, clock: this.#clock, raw }));
    });
  }

  [Symbol.dispose](): void {
    for (const session of this.#sessions) session.destroy();
  }
}

function http2Exchange(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  {
    socket,
    clock,
    raw,
  }: { readonly socket: TLSSocket; readonly clock: Clock; readonly raw: readonly string[] },
): Exchange {
  const departure = new Departure();
  stream.on('close', () => {
    if (!stream.writableFinished) departure.happened();
  });
  const values = (name: string): string[] =>
    raw.filter((_, i) => i % 2 === 1 && raw[i - 1]!.toLowerCase() === name);
  return {
    method: String(headers[constants.HTTP2_HEADER_METHOD] ?? 'GET'),
    url: String(headers[constants.HTTP2_HEADER_PATH] ?? '/'),
    headers: flatHeaders(headers, values),
    values,
    socket,
    hasBody: !stream.endAfterHeaders,
    readBody: (limit) => inTime(stream, { limit, clock }),
    get gone() {
      return departure.signal;
    },
    get headersSent() {
      return stream.headersSent;
    },
    respond(status, fields) {
      if (!stream.destroyed) stream.respond({ ...fields, ':status': status });
    },
    answer(status, fields, body) {
      if (stream.destroyed) return;
      stream.respond({ ...fields, ':status': status }, { endStream: body === undefined });
      if (body !== undefined) stream.end(body);
      // What is left of a body that nobody is going to read.
      if (!stream.readableEnded) stream.resume();
    },
    write: (bytes) => stream.destroyed || stream.write(bytes),
    drained: () => drained(stream),
    end: () => void stream.end(),
    destroy: () => stream.close(constants.NGHTTP2_INTERNAL_ERROR),
  };
}

/** The body, which a client that stops half-way does not hold open for ever. */
async function inTime(
  stream: ServerHttp2Stream,
  { limit, clock }: { readonly limit: number; readonly clock: Clock },
): Promise<Uint8Array> {
  const timer = clock.after(BODY_MS, () => stream.close(constants.NGHTTP2_CANCEL));
  try {
    return await gathered(stream, limit);
  } finally {
    timer[Symbol.dispose]();
  }
}

function flatHeaders(
  headers: IncomingHttpHeaders,
  values: (name: string) => readonly string[],
): Record<string, string> {
  const flat: Record<string, string> = {};
  for (const name in headers) {
    const value = headers[name];
    if (value === undefined || name.startsWith(':')) continue;
    if (isImpersonation(name)) flat[name] = values(name).join('\n');
    else flat[name] = typeof value === 'string' ? value : value.join(', ');
  }
  return flat;
}
