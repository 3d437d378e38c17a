import type { Agent as HttpAgent, ClientRequest, IncomingMessage, RequestOptions } from 'node:http';
import { errorMessage, PlatformError } from '../../base/errors.ts';
import type { ApiRequest, ApiResponse, Transport } from '../api/transport.ts';

export interface HttpTransportOptions {
  /** `https://127.0.0.1:6443`; `http:` only for tests. */
  readonly server: string;
  /** PEM. Without it the system's certificate authorities are trusted. */
  readonly ca?: string;
  /** PEM; both or none. */
  readonly cert?: string;
  readonly key?: string;
  /** Bearer token. */
  readonly token?: string;
}

/** A server that has not sent a byte for this long is taken for dead; watches are probed by TCP instead. */
const SILENCE_MS = 60_000;
const PROBE_MS = 15_000;

/** Requests over kept-alive connections. Failures to reach the server are `unavailable`, aborts `cancelled`. */
export function httpTransport(options: HttpTransportOptions): Transport & Disposable {
  const base = new URL(options.server);
  let connection: Promise<Connection> | undefined;
  let agent: HttpAgent | undefined;
  const connect = async (): Promise<Connection> => {
    const made = await open(base, options);
    agent = made.agent;
    return made;
  };
  const authorization = options.token === undefined ? {} : { authorization: `Bearer ${options.token}` };
  return {
    async request(request) {
      const { start } = await (connection ??= connect());
      const headers = { ...authorization, ...request.headers };
      try {
        return streamNamed(await send(start, { ...request, headers }), base);
      } catch (error) {
        // The server may close a kept-alive connection just when we take it: then nothing has been done yet.
        if (request.method !== 'GET' || !(error instanceof StaleConnection)) throw named(error, base);
        const again = send(start, { ...request, headers });
        return streamNamed(await again.catch((failed: unknown) => Promise.reject(named(failed, base))), base);
      }
    },
    [Symbol.dispose]: () => agent?.destroy(),
  };
}

interface Connection {
  readonly agent: HttpAgent;
  readonly start: (options: RequestOptions) => ClientRequest;
}

async function open(base: URL, options: HttpTransportOptions): Promise<Connection> {
  const keep = { keepAlive: true, keepAliveMsecs: PROBE_MS };
  const where = { host: base.hostname.replace(/^\[|\]$/g, ''), port: base.port };
  if (base.protocol === 'http:') {
    const http = await import('node:http');
    const agent = new http.Agent(keep);
    return { agent, start: (request) => http.request({ ...where, ...request, agent }) };
  }
  const https = await import('node:https');
  const { ca, cert, key } = options;
  const agent = new https.Agent({ ...keep, ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) });
  return {
    agent,
    start: (request) => https.request({ ...where, port: base.port || 443, ...request, agent }),
  };
}

class StaleConnection extends Error {}

function send(start: Connection['start'], request: ApiRequest): Promise<ApiResponse> {
  const streaming = /[?&](watch|follow)=(true|1)(&|$)/.test(request.url);
  return new Promise((resolve, reject) => {
    const { method, url: path, body, signal } = request;
    if (signal?.aborted) return reject(cancelled(signal));
    const outgoing = start({
      method,
      path,
      headers: { ...request.headers, ...(body === undefined ? {} : { 'content-length': `${body.length}` }) },
      ...(streaming ? {} : { timeout: SILENCE_MS }),
    });
    const abort = (): void => void outgoing.destroy(cancelled(signal));
    signal?.addEventListener('abort', abort, { once: true });
    const settled = (): void => signal?.removeEventListener('abort', abort);
    outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer in ${SILENCE_MS / 1000} s`)));
    outgoing.on('socket', (socket) => socket.setKeepAlive(true, PROBE_MS));
    outgoing.on('error', (error) => {
      settled();
      reject(
        outgoing.reusedSocket && isReset(error)
          ? new StaleConnection(error.message, { cause: error })
          : error,
      );
    });
    outgoing.on('response', (incoming) => {
      const head = { status: incoming.statusCode ?? 0, headers: headersOf(incoming) };
      incoming.on('close', settled);
      if (streaming && head.status === 200) return resolve({ ...head, body: incoming });
      const chunks: Uint8Array[] = [];
      incoming.on('data', (chunk: Uint8Array) => chunks.push(chunk));
      incoming.on('error', reject);
      incoming.on('end', () => resolve({ ...head, body: Buffer.concat(chunks) }));
    });
    outgoing.end(body);
  });
}

/** A stream that breaks off is an error of the connection, like any other. */
function streamNamed(response: ApiResponse, base: URL): ApiResponse {
  const { body } = response;
  if (body instanceof Uint8Array) return response;
  return {
    ...response,
    body: (async function* () {
      try {
        yield* body;
      } catch (error) {
        throw named(error, base);
      }
    })(),
  };
}

function isReset(error: Error): boolean {
  return ['ECONNRESET', 'EPIPE'].includes((error as NodeJS.ErrnoException).code ?? '');
}

function headersOf(incoming: IncomingMessage): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(incoming.headers)) {
    if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return headers;
}

function cancelled(signal: AbortSignal | undefined): PlatformError {
  return new PlatformError('cancelled', 'request cancelled', { cause: signal?.reason });
}

function named(error: unknown, base: URL): unknown {
  if (error instanceof PlatformError) return error;
  return new PlatformError('unavailable', `${base.origin}: ${errorMessage(error)}`, { cause: error });
}
