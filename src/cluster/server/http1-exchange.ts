import {
  ServerResponse,
  STATUS_CODES,
  validateHeaderName,
  validateHeaderValue,
  type IncomingMessage,
} from 'node:http';
import type { TLSSocket } from 'node:tls';

import type { Exchange } from './http-exchange.ts';

export function http1Exchange(message: IncomingMessage, response: ServerResponse): Exchange {
  const gone = new AbortController();
  response.on('close', () => {
    // An abort makes an error with a stack: only for those who went too early.
    if (!response.writableFinished) gone.abort();
  });
  const { headers } = message;
  const hasBody =
    headers['transfer-encoding'] !== undefined ||
    (headers['content-length'] !== undefined && headers['content-length'] !== '0');
  return {
    method: message.method ?? 'GET',
    url: message.url ?? '/',
    headers: flatHeaders(message),
    values: (name) => message.headersDistinct[name] ?? [],
    socket: message.socket as TLSSocket,
    // A body that is given up leaves the connection open for the answer.
    body: hasBody ? message.iterator({ destroyOnReturn: false }) : undefined,
    gone: gone.signal,
    get headersSent() {
      return response.headersSent;
    },
    respond(status, fields) {
      response.writeHead(status, fields);
      response.flushHeaders();
    },
    answer(status, fields, body) {
      // A body that was not read to its end leaves the connection unusable.
      if (hasBody && !message.complete) response.setHeader('connection', 'close');
      response.writeHead(status, fields);
      response.end(body);
    },
    write: (bytes) => response.write(bytes),
    drained: () =>
      new Promise((resolve) => {
        if (response.destroyed) return resolve();
        const done = (): void => {
          response.off('drain', done);
          response.off('close', done);
          resolve();
        };
        response.on('drain', done);
        response.on('close', done);
      }),
    end: () => void response.end(),
    destroy: () => void response.destroy(),
  };
}

/** Protocols that a request may ask to go on with; others, like `h2c`, are not heard. */
const PROTOCOLS = /^(websocket|spdy\/3\.1)$/i;

export function wantsUpgrade({ headers }: IncomingMessage): boolean {
  return PROTOCOLS.test(headers.upgrade ?? '') && /(^|[\s,])upgrade([\s,]|$)/i.test(headers.connection ?? '');
}

/** A request that wants to go on in another protocol, until it is answered: with a tunnel, or as any other. */
export function http1Upgrade(message: IncomingMessage, socket: TLSSocket, head: Buffer): Exchange {
  // Nothing else looks after the connection any more.
  socket.on('error', () => socket.destroy());
  const response = new ServerResponse(message);
  response.shouldKeepAlive = false;
  response.assignSocket(socket);
  response.on('finish', () => socket.end());
  const exchange = http1Exchange(message, response);
  const { upgrade = '', connection = '' } = message.headers;
  return {
    ...exchange,
    headers: { ...exchange.headers, upgrade, connection },
    body: undefined,
    get headersSent() {
      return response.headersSent;
    },
    tunnel(fields) {
      const first = headOf(101, fields);
      response.detachSocket(socket);
      socket.write(first);
      if (head.length > 0) socket.unshift(head);
      return socket;
    },
  };
}

/** Throws when a name or value would break out of its line. */
function headOf(status: number, fields: Readonly<Record<string, string>>): string {
  const lines = Object.entries(fields).map(([name, value]) => {
    validateHeaderName(name);
    validateHeaderValue(name, value);
    return `${name}: ${value}\r\n`;
  });
  return `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n`;
}

/** Without what is between two neighbours only: an upgrade that nobody does here. */
function flatHeaders({ headers }: IncomingMessage): Record<string, string> {
  const flat: Record<string, string> = {};
  for (const name in headers) {
    if (name === 'upgrade') continue;
    const value = headers[name];
    if (value !== undefined) flat[name] = typeof value === 'string' ? value : value.join(', ');
  }
  return flat;
}
