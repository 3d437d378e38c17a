/** HTTPS in front of an API server: who is asking (certificate or token), and bytes in and out. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';

import { errorMessage, PlatformError } from '../../base/errors.ts';
import { statusOf } from '../api/status.ts';
import type { ApiRequest, ApiResponse } from '../api/transport.ts';
import type { ApiServer } from './api-server.ts';
import type { Credentials } from './authentication/authenticator.ts';
import { tooLarge, unauthorized } from './failure.ts';
import { MAX_BODY_BYTES } from './request-body.ts';
import { statusResponse } from './respond.ts';

export interface ListenOptions {
  readonly server: ApiServer;
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  /** PEM. Clients whose certificate the authority `clientCa` has issued are who it says. */
  readonly tls: { readonly key: string; readonly cert: string; readonly clientCa: string };
}

export interface Listener extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
}

/** Throws `unavailable` when the port is taken. Disposing ends every connection. */
export async function listen(options: ListenOptions): Promise<Listener> {
  const { server, host, port, tls } = options;
  const https = createServer({
    key: tls.key,
    cert: tls.cert,
    ca: tls.clientCa,
    requestCert: true,
    // Without a certificate there may be a token; with one that is not ours, `authenticate` refuses.
    rejectUnauthorized: false,
    minVersion: 'TLSv1.2',
    ALPNProtocols: ['http/1.1'],
    keepAliveTimeout: 120_000,
    requestTimeout: 0,
  });
  https.on('request', (message: IncomingMessage, response: ServerResponse) => {
    serve({ message, response, server }).catch(() => response.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    https.once('error', reject);
    https.listen(port, host, () => {
      https.off('error', reject);
      resolve();
    });
  }).catch((error: unknown) => {
    throw new PlatformError('unavailable', `cannot listen on ${host}:${port}: ${errorMessage(error)}`, {
      cause: error,
      hint: 'choose another port, or stop the program that uses it',
    });
  });
  return {
    host,
    port: (https.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => https.close(() => resolve()));
      https.closeAllConnections();
      await closed;
    },
  };
}

function credentialsOf(message: IncomingMessage): Credentials {
  const socket = message.socket as TLSSocket;
  const certificate = socket.getPeerCertificate();
  // An empty object when the client sent none.
  if (Object.keys(certificate).length > 0) {
    if (!socket.authorized) throw unauthorized();
    return { certificate: { ...certificate.subject } };
  }
  const { authorization } = message.headers;
  if (authorization === undefined) return {};
  return { token: /^bearer\s+(\S+)\s*$/i.exec(authorization)?.[1] ?? '' };
}

interface Exchange {
  readonly message: IncomingMessage;
  readonly response: ServerResponse;
  readonly server: ApiServer;
}

async function serve({ message, response, server }: Exchange): Promise<void> {
  const gone = new AbortController();
  response.on('close', () => gone.abort());
  let answer: ApiResponse;
  try {
    const user = await server.authenticate(credentialsOf(message));
    const body = await readBody(message);
    const request: ApiRequest = {
      method: (message.method ?? 'GET') as ApiRequest['method'],
      url: message.url ?? '/',
      headers: flatHeaders(message),
      signal: gone.signal,
      ...(body.length > 0 && { body }),
    };
    answer = await server.handle(request, user);
  } catch (error) {
    answer = statusResponse(statusOf(error));
  }
  await send(message, response, answer);
}

async function send(message: IncomingMessage, response: ServerResponse, answer: ApiResponse): Promise<void> {
  const { status, headers, body } = answer;
  if (body instanceof Uint8Array) {
    // A body that was not read to its end leaves the connection unusable.
    if (!message.complete) response.setHeader('connection', 'close');
    response.writeHead(status, { ...headers, 'content-length': body.length });
    response.end(message.method === 'HEAD' ? undefined : body);
    return;
  }
  const iterator = body[Symbol.asyncIterator]();
  try {
    // The first bytes decide whether there is a stream at all; a watch has its headers at once.
    let first: Promise<IteratorResult<Uint8Array>> | undefined = iterator.next();
    const isLog = headers['content-type'] === 'text/plain';
    if (isLog) {
      const result = await first;
      first = Promise.resolve(result);
    }
    response.writeHead(status, headers);
    response.flushHeaders();
    for (;;) {
      const result = await (first ?? iterator.next());
      first = undefined;
      if (result.done === true || response.destroyed) break;
      if (!response.write(result.value)) await drained(response);
    }
    response.end();
  } catch (error) {
    if (response.headersSent) response.destroy();
    else await send(message, response, statusResponse(statusOf(error)));
  } finally {
    await iterator.return?.();
  }
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    response.on('drain', done);
    response.on('close', done);
  });
}

async function readBody(message: IncomingMessage): Promise<Uint8Array> {
  if (Number(message.headers['content-length'] ?? 0) > MAX_BODY_BYTES) throw tooLarge(MAX_BODY_BYTES);
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of message as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw tooLarge(MAX_BODY_BYTES);
    chunks.push(chunk);
  }
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
}

function flatHeaders(message: IncomingMessage): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(message.headers)) {
    if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return headers;
}
