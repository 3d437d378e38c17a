/** One request to somebody else, whose answer may go on in another protocol. */
import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Duplex } from 'node:stream';
import type { ApiResponse } from '../../../api/transport.ts';

export type Answer =
  | { readonly type: 'message'; readonly message: IncomingMessage }
  | { readonly type: 'upgraded'; readonly message: IncomingMessage; readonly socket: Duplex };

export function exchange(
  scheme: 'http' | 'https',
  options: RequestOptions,
  body: Uint8Array | undefined,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = (scheme === 'https' ? httpsRequest : httpRequest)(options);
    request.on('error', reject);
    request.on('response', (message) => resolve({ type: 'message', message }));
    request.on('upgrade', (message, socket, head) => {
      if (head.length > 0) socket.unshift(head);
      resolve({ type: 'upgraded', message, socket });
    });
    request.end(body);
  });
}

export function tunnelTo({ message, socket }: Extract<Answer, { type: 'upgraded' }>): ApiResponse {
  return {
    status: 101,
    headers: headersOf(message),
    body: new Uint8Array(0),
    tunnel: (connection) => {
      for (const [from, to] of [
        [connection, socket],
        [socket, connection],
      ] as const) {
        from.on('error', () => from.destroy());
        from.on('close', () => to.destroy());
        from.pipe(to);
      }
    },
  };
}

function headersOf({ headers }: IncomingMessage): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, typeof value === 'string' ? value : value.join(', ')]],
    ),
  );
}

const BETWEEN_NEIGHBOURS = /^(connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade)$/;

/** What an answer says to whoever asked first, on any connection. */
export function endToEndHeaders(message: IncomingMessage): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headersOf(message)).filter(([name]) => !BETWEEN_NEIGHBOURS.test(name)),
  );
}
