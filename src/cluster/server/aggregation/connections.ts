/**
 * Connections to backends: kept open between requests, one pool for each place and trust. node:https is loaded with the
 * first of them: most clusters have none.
 */
import type { ClientRequest, IncomingMessage } from 'node:http';
import type { Agent, RequestOptions } from 'node:https';
import { pipeline, type Duplex } from 'node:stream';
import { checkServerIdentity, type ConnectionOptions, type PeerCertificate } from 'node:tls';
import type { Clock } from '../../../base/clock.ts';
import { errorMessage, PlatformError } from '../../../base/errors.ts';
import type { ApiResponse } from '../../api/transport.ts';
import type { Backend } from './api-services.ts';
import { incomingHeaders, type OutgoingHeaders } from './identity.ts';
import type { Address } from './locate.ts';

/** What this server shows to backends: PEM texts. */
export interface ProxyClient {
  readonly key: string;
  readonly cert: string;
}

export interface Call {
  readonly address: Address;
  readonly backend: Backend;
  /** Whoever answers is believed: for questions whose answer only says whether somebody is there. */
  readonly unverified?: boolean;
  readonly method: string;
  /** Path with query. */
  readonly url: string;
  readonly headers: OutgoingHeaders;
  readonly body?: Uint8Array;
  readonly signal?: AbortSignal;
  /** `over` is called when the whole exchange, its body included, takes longer than `ms`. */
  readonly patience?: { readonly ms: number; readonly over: () => void };
}

const DIAL_MS = 30_000;
const MAX_IDLE = 16;
const MAX_POOLS = 256;
/** A kept connection may have been closed at the other end just when it is taken: these do no harm twice. */
const REPEATABLE = new Set(['GET', 'HEAD', 'OPTIONS']);

export class Connections implements Disposable {
  readonly #client: ProxyClient | undefined;
  readonly #clock: Clock;
  readonly #pools = new Map<string, Agent>();

  constructor(clock: Clock, client: ProxyClient | undefined) {
    this.#clock = clock;
    this.#client = client;
  }

  /** Throws `unavailable` with Go's words for what went wrong, `internal` when the CA bundle is none, `cancelled`. */
  async send(call: Call): Promise<ApiResponse> {
    const https = await import('node:https');
    const trust = this.#trust(call);
    const upgrades = call.headers['upgrade'] !== undefined;
    const agent = upgrades ? false : this.#pool(call, () => new https.Agent({ ...trust, ...KEEP }));
    const start = (): ClientRequest => https.request({ ...trust, agent, ...requestOf(call) });
    try {
      return await this.#exchange(start(), call);
    } catch (error) {
      if (!(error instanceof StaleConnection) || !REPEATABLE.has(call.method)) throw error;
      return await this.#exchange(start(), call);
    }
  }

  #trust({ backend, unverified = false }: Call): ConnectionOptions {
    const verified = !unverified && !backend.insecure;
    if (verified && backend.ca !== '' && !backend.ca.includes('-----BEGIN CERTIFICATE-----')) {
      throw new PlatformError(
        'internal',
        'unable to load root certificates: unable to parse bytes as PEM block',
      );
    }
    return {
      rejectUnauthorized: verified,
      servername: `${backend.name}.${backend.namespace}.svc`,
      checkServerIdentity: checkIdentity,
      ...(verified && backend.ca !== '' && { ca: backend.ca }),
      ...this.#client,
    };
  }

  #pool(call: Call, make: () => Agent): Agent {
    const { address, backend, unverified } = call;
    const trust = unverified === true ? 'unverified' : `${backend.insecure} ${backend.ca}`;
    const id = `${address.host} ${address.port} ${backend.name}.${backend.namespace} ${trust}`;
    let agent = this.#pools.get(id);
    if (agent === undefined) {
      if (this.#pools.size >= MAX_POOLS) this.#forgetOldest();
      agent = make();
      this.#pools.set(id, agent);
    }
    return agent;
  }

  /** Who is still talking goes on. */
  #forgetOldest(): void {
    const [oldest] = this.#pools;
    if (oldest === undefined) return;
    this.#pools.delete(oldest[0]);
    oldest[1].maxFreeSockets = 0;
    for (const idle of Object.values(oldest[1].freeSockets).flat()) idle?.destroy();
  }

  #exchange(outgoing: ClientRequest, call: Call): Promise<ApiResponse> {
    const { address, signal, body, patience } = call;
    const { promise, resolve, reject } = Promise.withResolvers<ApiResponse>();
    const stack = new DisposableStack();
    const abort = (): void => void outgoing.destroy(new PlatformError('cancelled', 'context canceled'));
    signal?.addEventListener('abort', abort, { once: true });
    stack.defer(() => signal?.removeEventListener('abort', abort));
    if (patience !== undefined) stack.use(this.#clock.after(patience.ms, patience.over));
    const dialing = this.#clock.after(DIAL_MS, () =>
      outgoing.destroy(new PlatformError('unavailable', `dial tcp ${authority(address)}: i/o timeout`)),
    );
    stack.use(dialing);
    outgoing.on('socket', (socket) => {
      if (outgoing.reusedSocket) dialing[Symbol.dispose]();
      else socket.once('secureConnect', () => dialing[Symbol.dispose]());
    });
    outgoing.on('error', (error) => {
      stack.dispose();
      const stale = outgoing.reusedSocket && codeOf(error) === 'ECONNRESET';
      reject(stale ? new StaleConnection(error.message, { cause: error }) : named(error, call));
    });
    outgoing.on('response', (incoming) => {
      const head = { status: incoming.statusCode ?? 502, headers: incomingHeaders(incoming.headers) };
      incoming.on('close', () => stack.dispose());
      // An answer that nobody reads never closes; its connection does, with the pool.
      outgoing.on('close', () => stack.dispose());
      if (call.method === 'HEAD') incoming.resume();
      resolve({ ...head, body: call.method === 'HEAD' ? nothing() : incoming });
    });
    outgoing.on('upgrade', (incoming, socket, first) => {
      stack.dispose();
      if (first.length > 0) socket.unshift(first);
      resolve(tunnelOf(incoming, socket));
    });
    if (signal?.aborted === true) abort();
    outgoing.end(body);
    return promise;
  }

  [Symbol.dispose](): void {
    for (const agent of this.#pools.values()) agent.destroy();
    this.#pools.clear();
  }
}

const KEEP = { keepAlive: true, maxFreeSockets: MAX_IDLE };

class StaleConnection extends Error {}

function requestOf({ address, method, url, headers, body }: Call): RequestOptions {
  const length = body === undefined ? {} : { 'content-length': `${body.length}` };
  return {
    host: address.host,
    port: address.port,
    method,
    path: url,
    headers: { ...(headers as Record<string, string | string[]>), ...length },
  };
}

function tunnelOf(incoming: IncomingMessage, socket: Duplex): ApiResponse {
  socket.on('error', () => socket.destroy());
  const { connection = 'Upgrade', upgrade = '' } = incoming.headers;
  return {
    status: 101,
    headers: { ...incomingHeaders(incoming.headers), connection, upgrade },
    body: new Uint8Array(0),
    tunnel: (client) => {
      // One end that breaks takes the other with it; one that only has no more to say does not.
      pipeline(client, socket, () => {});
      pipeline(socket, client, () => {});
    },
  };
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

/** As Go does: only alternative names count, a common name does not. */
function checkIdentity(host: string, certificate: PeerCertificate): Error | undefined {
  const names = certificate.subjectaltname ?? '';
  if (!names.includes('DNS:')) {
    return refused('x509: certificate relies on legacy Common Name field, use SANs instead');
  }
  if (checkServerIdentity(host, certificate) === undefined) return undefined;
  return refused(`x509: certificate is valid for ${names.replaceAll(/(DNS|IP Address):/g, '')}, not ${host}`);
}

function refused(why: string): PlatformError {
  return new PlatformError('unavailable', `tls: failed to verify certificate: ${why}`);
}

function authority({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Where a call goes, as messages name it. */
export function urlOf(address: Address, path: string): string {
  return `https://${authority(address)}${path}`;
}

function codeOf(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  return typeof code === 'string' ? code : '';
}

const DIAL: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connect: connection refused',
  EHOSTUNREACH: 'connect: no route to host',
  ENETUNREACH: 'connect: network is unreachable',
  ETIMEDOUT: 'connect: connection timed out',
};

/** In Go's words: people search for them. */
function named(error: Error, { address }: Call): PlatformError {
  if (error instanceof PlatformError) return error;
  const code = codeOf(error);
  const of = (text: string): PlatformError => new PlatformError('unavailable', text, { cause: error });
  // Several addresses of one name were tried.
  if (error instanceof AggregateError && DIAL[codeOf(error.errors[0])] !== undefined) {
    return of(`dial tcp ${authority(address)}: ${DIAL[codeOf(error.errors[0])]}`);
  }
  if (DIAL[code] !== undefined) return of(`dial tcp ${authority(address)}: ${DIAL[code]}`);
  if (code === 'ENOTFOUND') return of(`dial tcp: lookup ${address.host}: no such host`);
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID') {
    return refused('x509: certificate has expired or is not yet valid');
  }
  if (/^(UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|CERT_|INVALID_CA)/.test(code)) {
    return refused('x509: certificate signed by unknown authority');
  }
  if (code === 'ECONNRESET')
    return of(error.message === 'socket hang up' ? 'EOF' : 'read: connection reset by peer');
  return of(errorMessage(error));
}
