/**
 * What Node's parser refuses. Any token may be a method (RFC 9110, section 9.1), and Go hands every one on; Node knows a
 * list. A request with another one goes through the parser again under a name that is on it, and is answered as what it is;
 * all else is refused in the words of Go's HTTP library.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { duplexPair, type Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';

import { Http1Exchange } from './http1-exchange.ts';
import type { Exchange } from './http-exchange.ts';

/** A whole head that begins what has come. */
const HEAD = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+)( \S+ HTTP\/1\.[01]\r\n(?:[^\r\n]+\r\n)*\r\n)/;
/** On the list; nobody sees it. */
const KNOWN = 'GET';

interface Renamed {
  readonly method: string;
  readonly socket: TLSSocket;
}

/** The connection is the client's, and ends with the answer; of the body nothing is read. */
class RenamedExchange extends Http1Exchange {
  override readonly method: string;
  override readonly hasBody = false;
  readonly #socket: TLSSocket;

  constructor({ method, socket }: Renamed, message: IncomingMessage, response: ServerResponse) {
    super(message, response);
    this.method = method;
    this.#socket = socket;
    response.shouldKeepAlive = false;
  }

  override get socket(): TLSSocket {
    return this.#socket;
  }
}

/** Takes the requests of a server, and what its parser does not take for one. */
export function takeRequests(server: Server, answer: (exchange: Exchange) => void): void {
  /** By the end of a pipe that the parser reads. */
  const renamed = new WeakMap<Duplex, Renamed>();
  const last = new WeakMap<Duplex, ServerResponse>();
  const refused = new WeakSet<Duplex>();

  server.on('request', (message, response) => {
    const { socket } = message;
    const as = renamed.get(socket);
    last.set(socket, response);
    answer(
      as === undefined ? new Http1Exchange(message, response) : new RenamedExchange(as, message, response),
    );
  });

  server.on('clientError', (error: Error & { code?: string; rawPacket?: Buffer }, socket) => {
    // The parser complains again about whatever follows.
    if (refused.has(socket)) return;
    refused.add(socket);
    const { writableFinished = true, headersSent = false } = last.get(socket) ?? {};
    const isAnswering = headersSent && !writableFinished;
    // Those who are gone or slow hear nothing, nor does anybody in the middle of an answer.
    const isSilent = error.code === 'ECONNRESET' || error.code === 'ERR_HTTP_REQUEST_TIMEOUT';
    if (isSilent || isAnswering || !socket.writable) {
      socket.destroy();
      return;
    }
    const isOther = error.code === 'HPE_INVALID_METHOD' && writableFinished;
    const [, method, rest] = HEAD.exec(isOther ? String(error.rawPacket?.toString('latin1')) : '') ?? [];
    if (method === undefined) {
      socket.end(refusalOf(error.code));
      return;
    }
    const [ours, parsers] = duplexPair();
    renamed.set(parsers, { method, socket: socket as TLSSocket });
    socket.on('close', () => {
      ours.destroy();
      parsers.destroy();
    });
    ours.pipe(socket);
    server.emit('connection', parsers);
    ours.write(`${KNOWN}${rest}`, 'latin1');
  });
}

function refusalOf(code: string | undefined): string {
  const status = code === 'HPE_HEADER_OVERFLOW' ? '431 Request Header Fields Too Large' : '400 Bad Request';
  return `HTTP/1.1 ${status}\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n${status}`;
}
