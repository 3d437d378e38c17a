/** TLS in front of an API server, HTTP/1.1 and HTTP/2 on one port: the client chooses by ALPN. */
import { createServer as createHttpServer } from 'node:http';
import { createServer as createPlainServer, type AddressInfo, type Server } from 'node:net';
import { createServer, type TLSSocket } from 'node:tls';

import { systemClock, type Clock } from '../../../base/clock.ts';
import { errorMessage, PlatformError } from '../../../base/errors.ts';
import type { ApiServer } from '../api-server.ts';
import { standings } from '../authentication/front-proxy.ts';
import { http1Upgrade, wantsUpgrade } from './http1-exchange.ts';
import { takeRequests } from './http1-other-methods.ts';
import { serve, type Exchange } from './http-exchange.ts';
import type { Http2Sessions } from './http2-sessions.ts';

export interface ListenOptions {
  readonly server: ApiServer;
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  readonly tls: ListenerTls;
  readonly timeouts?: Partial<Timeouts>;
  readonly clock?: Clock;
}

/** PEM. */
export interface ListenerTls {
  readonly key: string;
  readonly cert: string;
  /** Clients whose certificate it has issued are who it says. */
  readonly clientCa: string;
  /** Those whose certificate it has issued pass requests on for others (authentication/front-proxy.ts). */
  readonly requestHeaderCa?: string;
}

/** In milliseconds. */
export interface Timeouts {
  /** The handshake, and then the head of a request. */
  readonly head: number;
  /** A whole request with its body; answers may take as long as they like. */
  readonly request: number;
  /** Between two requests. */
  readonly idle: number;
}

export interface Listener extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /**
   * Listens on the same port of another address of this machine too. Connections from addresses that `from` does not
   * take are closed unheard: whoever has a route to us could reach any of our addresses.
   */
  alsoOn(host: string, from: (address: string) => boolean): Promise<void>;
}

/** As Go's: selectors and tokens may be long. */
const MAX_HEAD_BYTES = 1024 * 1024;
const TIMEOUTS: Timeouts = { head: 30_000, request: 60_000, idle: 120_000 };

/** Throws `unavailable` when the port is taken. Disposing ends every connection. */
export async function listen(options: ListenOptions): Promise<Listener> {
  const { server, host, port, tls } = options;
  const timeouts = { ...TIMEOUTS, ...options.timeouts };
  const standingOf = standings(tls.clientCa, tls.requestHeaderCa);
  const answer = (exchange: Exchange): void => {
    serve(exchange, server, standingOf).catch(() => exchange.destroy());
  };
  const http1 = createHttpServer({
    keepAliveTimeout: timeouts.idle,
    headersTimeout: timeouts.head,
    requestTimeout: timeouts.request,
    connectionsCheckingInterval: Math.min(5000, timeouts.head),
    shouldUpgradeCallback: wantsUpgrade,
    maxHeaderSize: MAX_HEAD_BYTES,
  });
  takeRequests(http1, answer);
  http1.on('upgrade', (message, socket, head) => answer(http1Upgrade(message, socket as TLSSocket, head)));
  // It never listens itself; this is how it begins to look after slow clients.
  http1.emit('listening');

  const sockets = new Set<TLSSocket>();
  let http2: Promise<Http2Sessions> | undefined;
  const secure = createServer({
    key: tls.key,
    cert: tls.cert,
    ca: [tls.clientCa, ...(tls.requestHeaderCa === undefined ? [] : [tls.requestHeaderCa])],
    requestCert: true,
    // Without a certificate there may be a token; with one that is not ours, the exchange refuses.
    rejectUnauthorized: false,
    minVersion: 'TLSv1.2',
    ALPNProtocols: ['h2', 'http/1.1'],
    handshakeTimeout: timeouts.head,
    noDelay: true,
    keepAlive: true,
  });
  secure.on('secureConnection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    if (socket.alpnProtocol !== 'h2') {
      http1.emit('connection', socket);
      return;
    }
    socket.on('error', () => socket.destroy());
    http2 ??= import('./http2-sessions.ts').then(
      (module) => new module.Http2Sessions(answer, options.clock ?? systemClock),
    );
    http2.then((sessions) => sessions.take(socket)).catch(() => socket.destroy());
  });
  // A handshake that fails is the client's business.
  secure.on('tlsClientError', (_error, socket) => socket.destroy());
  await bind(secure, port, host).catch((error: unknown) => {
    http1.close();
    throw error;
  });
  const others: Server[] = [];
  return {
    host,
    port: (secure.address() as AddressInfo).port,
    async alsoOn(address, from) {
      const other = createPlainServer({ noDelay: true, keepAlive: true }, (socket) => {
        if (from(socket.remoteAddress ?? '')) secure.emit('connection', socket);
        else socket.destroy();
      });
      await bind(other, (secure.address() as AddressInfo).port, address);
      others.push(other);
    },
    async [Symbol.asyncDispose]() {
      const closed = Promise.all(
        [secure, ...others].map((one) => new Promise<void>((resolve) => one.close(() => resolve()))),
      );
      http1.close();
      (await http2)?.[Symbol.dispose]();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

async function bind(server: Server, port: number, host: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  }).catch((error: unknown) => {
    throw new PlatformError('unavailable', `cannot listen on ${host}:${port}: ${errorMessage(error)}`, {
      cause: error,
      hint: 'choose another port, or stop the program that uses it',
    });
  });
}
