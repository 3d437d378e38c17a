import {
  ServerResponse,
  STATUS_CODES,
  validateHeaderName,
  validateHeaderValue,
  type IncomingMessage,
} from 'node:http';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';

import { tooLarge } from '../failure.ts';
import { isImpersonation, type Exchange } from './http-exchange.ts';
import { Departure, gathered } from './request-stream.ts';

/** Longer ones are not copied once more. */
const MAX_CHUNK = 256 * 1024;
const CRLF = Buffer.from('\r\n');

let last: { readonly bytes: Uint8Array; readonly chunk: Buffer } = { bytes: CRLF, chunk: CRLF };

/**
 * As a chunk of a chunked body (RFC 9112, section 7.1). Node makes four writes of it, which costs a watcher as much as
 * encrypting what it is sent; and what goes to one watcher mostly goes to the next as well.
 */
function chunkOf(bytes: Uint8Array): Buffer {
  if (last.bytes !== bytes) {
    const size = Buffer.from(`${bytes.length.toString(16)}\r\n`);
    last = { bytes, chunk: Buffer.concat([size, bytes, CRLF]) };
  }
  return last.chunk;
}

/** Of a target in either form (RFC 9112, section 3.2). */
function pathOf(target: string): string {
  return target.startsWith('/') ? target : target.replace(/^https?:\/\/[^/?]*/i, '') || '/';
}

export class Http1Exchange implements Exchange {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly hasBody: boolean;
  readonly #message: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #departure = new Departure();
  #isRead = false;

  constructor(message: IncomingMessage, response: ServerResponse) {
    const { headers } = message;
    this.method = message.method ?? 'GET';
    this.url = pathOf(message.url ?? '/');
    this.headers = flatHeaders(message);
    this.hasBody =
      headers['transfer-encoding'] !== undefined ||
      (headers['content-length'] !== undefined && headers['content-length'] !== '0');
    this.#message = message;
    this.#response = response;
    response.on('close', () => {
      if (!response.writableFinished) this.#departure.happened();
    });
  }

  get socket(): TLSSocket {
    return this.#message.socket as TLSSocket;
  }

  get gone(): AbortSignal {
    return this.#departure.signal;
  }

  get headersSent(): boolean {
    return this.#response.headersSent;
  }

  values(name: string): readonly string[] {
    return this.#message.headersDistinct[name] ?? [];
  }

  readBody(limit: number): Uint8Array | Promise<Uint8Array> {
    const message = this.#message;
    // Most bodies come together with their heads: there is nothing to wait for then.
    const isThere = message.readableLength === Number(this.headers['content-length']) && !message.destroyed;
    if (!isThere) return gathered(message, limit);
    const whole = message.read() as Buffer;
    this.#isRead = true;
    // Its end is still to come, for Node.
    message.resume();
    if (whole.length > limit) throw tooLarge(limit);
    return whole;
  }

  respond(status: number, fields: Readonly<Record<string, string | number>>): void {
    this.#response.writeHead(status, fields);
    this.#response.flushHeaders();
  }

  answer(
    status: number,
    fields: Readonly<Record<string, string | number>>,
    body: Uint8Array | undefined,
  ): void {
    const response = this.#response;
    // A body that was not read to its end leaves the connection unusable.
    if (this.hasBody && !this.#isRead && !this.#message.complete) response.setHeader('connection', 'close');
    response.writeHead(status, fields);
    response.end(body);
  }

  write(bytes: Uint8Array): boolean {
    const { socket, chunkedEncoding } = this.#response;
    // Without a socket it waits behind another answer on the same connection.
    const isPlain = !chunkedEncoding || bytes.length === 0 || bytes.length > MAX_CHUNK;
    if (isPlain || socket === null) return this.#response.write(bytes);
    return socket.write(chunkOf(bytes));
  }

  drained(): Promise<void> {
    const response = this.#response;
    const { socket } = response;
    return new Promise((resolve) => {
      if (response.destroyed) return resolve();
      const done = (): void => {
        response.off('drain', done);
        response.off('close', done);
        socket?.off('drain', done);
        resolve();
      };
      response.on('drain', done);
      response.on('close', done);
      socket?.on('drain', done);
    });
  }

  end(): void {
    this.#response.end();
  }

  destroy(): void {
    this.#response.destroy();
  }
}

/** Protocols that a request may ask to go on with; others, like `h2c`, are not heard. */
const PROTOCOLS = /^(websocket|spdy\/3\.1)$/i;

export function wantsUpgrade({ headers }: IncomingMessage): boolean {
  return PROTOCOLS.test(headers.upgrade ?? '') && /(^|[\s,])upgrade([\s,]|$)/i.test(headers.connection ?? '');
}

/** Until it is answered: with a tunnel, or as any other. */
class UpgradeExchange extends Http1Exchange {
  override readonly headers: Readonly<Record<string, string>>;
  override readonly hasBody = false;
  readonly #response: ServerResponse;
  readonly #head: Buffer;

  constructor(message: IncomingMessage, socket: TLSSocket, head: Buffer) {
    // Nothing else looks after the connection any more.
    socket.on('error', () => socket.destroy());
    const response = new ServerResponse(message);
    response.shouldKeepAlive = false;
    response.assignSocket(socket);
    response.on('finish', () => socket.end());
    super(message, response);
    const { upgrade = '', connection = '' } = message.headers;
    this.headers = { ...flatHeaders(message), upgrade, connection };
    this.#response = response;
    this.#head = head;
  }

  tunnel(fields: Readonly<Record<string, string>>): Duplex {
    const first = headOf(101, fields);
    const { socket } = this;
    this.#response.detachSocket(socket);
    socket.write(first);
    if (this.#head.length > 0) socket.unshift(this.#head);
    return socket;
  }
}

/** A request that wants to go on in another protocol. */
export function http1Upgrade(message: IncomingMessage, socket: TLSSocket, head: Buffer): Exchange {
  return new UpgradeExchange(message, socket, head);
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
function flatHeaders(message: IncomingMessage): Record<string, string> {
  const { headers } = message;
  const flat: Record<string, string> = {};
  for (const name in headers) {
    if (name === 'upgrade') continue;
    const value = isImpersonation(name) ? message.headersDistinct[name]?.join('\n') : headers[name];
    if (value !== undefined) flat[name] = typeof value === 'string' ? value : value.join(', ');
  }
  return flat;
}
