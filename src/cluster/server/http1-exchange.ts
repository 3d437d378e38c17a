import type { IncomingMessage, ServerResponse } from 'node:http';
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

function flatHeaders({ headers }: IncomingMessage): Record<string, string> {
  const flat: Record<string, string> = {};
  for (const name in headers) {
    const value = headers[name];
    if (value !== undefined) flat[name] = typeof value === 'string' ? value : value.join(', ');
  }
  return flat;
}
