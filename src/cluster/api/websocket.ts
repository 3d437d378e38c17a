/** The server's side of WebSocket (RFC 6455) on a connection whose request is answered: frames, no extensions. */
import { createHash } from 'node:crypto';
import type { Duplex } from 'node:stream';

import { drained } from '../../base/drained.ts';
import { PlatformError } from '../../base/errors.ts';

const CONTINUATION = 0;
const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

/** Of one message, in bytes: clients send pieces of a stream, not all of it at once. */
const MAX_MESSAGE = 16 << 20;
const MAX_CONTROL = 125;

export interface Handshake {
  /** Empty: none was agreed on. */
  readonly protocol: string;
  /** Of the answer 101. */
  readonly headers: Readonly<Record<string, string>>;
}

export function isWebSocketRequest(headers: Readonly<Record<string, string>>): boolean {
  return headers['upgrade']?.toLowerCase() === 'websocket';
}

export function offeredProtocols(headers: Readonly<Record<string, string>>): readonly string[] {
  return (headers['sec-websocket-protocol'] ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}

/** Throws `invalid` for what is no handshake, or where no protocol is in common; `known` has '' where none is needed. */
export function acceptWebSocket(
  headers: Readonly<Record<string, string>>,
  known: readonly string[],
): Handshake {
  const key = headers['sec-websocket-key'] ?? '';
  if (Buffer.from(key, 'base64').length !== 16 || headers['sec-websocket-version'] !== '13') {
    throw new PlatformError('invalid', 'websocket: want version 13 and a key of 16 bytes');
  }
  const offered = offeredProtocols(headers);
  const protocol = offered.length === 0 ? '' : offered.find((name) => known.includes(name));
  if (protocol === undefined || !known.includes(protocol)) {
    throw new PlatformError(
      'invalid',
      `unable to upgrade: unable to negotiate protocol: client supports [${offered.join(' ')}], server accepts [${known.join(' ')}]`,
    );
  }
  const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
  return {
    protocol,
    headers: {
      upgrade: 'websocket',
      connection: 'Upgrade',
      'sec-websocket-accept': accept,
      ...(protocol !== '' && { 'sec-websocket-protocol': protocol }),
    },
  };
}

/** Takes one whole message; the next one waits for it. */
export type OnMessage = (payload: Buffer, isText: boolean) => void | Promise<void>;

export class WebSocketConnection {
  readonly #connection: Duplex;
  readonly #onMessage: OnMessage;
  #parts: Buffer[] = [];
  #size = 0;
  #kind = 0;
  #closing = false;
  /** Resolves when nothing more comes: the client has closed it, gone, or broken the rules. */
  readonly ended: Promise<void>;

  constructor(connection: Duplex, onMessage: OnMessage) {
    this.#connection = connection;
    this.#onMessage = onMessage;
    connection.on('error', () => connection.destroy());
    this.ended = this.#read();
  }

  /** Resolves when there is room for more, or nobody is there any more. */
  async send(payload: Uint8Array, kind: 'binary' | 'text' = 'binary'): Promise<void> {
    if (this.#closing) return;
    await this.#write(kind === 'text' ? TEXT : BINARY, payload);
  }

  /** Says goodbye and ends the connection. */
  close(code = 1000, reason = ''): void {
    if (this.#closing) return;
    this.#closing = true;
    const text = Buffer.from(reason).subarray(0, MAX_CONTROL - 2);
    const payload = Buffer.alloc(2 + text.length);
    payload.writeUInt16BE(code);
    text.copy(payload, 2);
    void this.#write(CLOSE, payload);
    this.#connection.end();
  }

  #write(opcode: number, payload: Uint8Array): Promise<void> {
    const connection = this.#connection;
    if (!connection.writable) return Promise.resolve();
    connection.cork();
    connection.write(headOf(opcode, payload.length));
    const room = connection.write(payload);
    connection.uncork();
    return room ? Promise.resolve() : drained(connection);
  }

  async #read(): Promise<void> {
    const connection = this.#connection;
    try {
      let held: Buffer = Buffer.alloc(0);
      for await (const chunk of connection.iterator({ destroyOnReturn: false })) {
        held = held.length === 0 ? (chunk as Buffer) : Buffer.concat([held, chunk as Buffer]);
        for (;;) {
          const frame = frameOf(held);
          if (frame === undefined) break;
          held = held.subarray(frame.length);
          if (!(await this.#take(frame))) return;
        }
      }
    } catch (error) {
      if (error instanceof Broken) this.close(error.code, error.message);
      else connection.destroy();
    } finally {
      this.#parts = [];
      // What still comes is of no interest, but an end must be noticed.
      connection.resume();
    }
  }

  /** False at the client's goodbye. */
  async #take({ opcode, final, payload }: Frame): Promise<boolean> {
    switch (opcode) {
      case PING:
        await this.#write(PONG, payload);
        return true;
      case PONG:
        return true;
      case CLOSE:
        this.close(payload.length >= 2 ? payload.readUInt16BE() : 1000);
        return false;
      case CONTINUATION:
        if (this.#kind === 0) throw new Broken(1002, 'a continuation of nothing');
        break;
      default:
        if (this.#kind !== 0) throw new Broken(1002, 'a new message inside another');
        this.#kind = opcode;
    }
    this.#size += payload.length;
    if (this.#size > MAX_MESSAGE) throw new Broken(1009, `a message is longer than ${MAX_MESSAGE} bytes`);
    this.#parts.push(payload);
    if (!final) return true;
    const message = this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts);
    const isText = this.#kind === TEXT;
    this.#parts = [];
    this.#size = this.#kind = 0;
    await this.#onMessage(message, isText);
    return true;
  }
}

/** The client does not keep to the protocol. */
class Broken extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

interface Frame {
  readonly opcode: number;
  readonly final: boolean;
  readonly payload: Buffer;
  /** With its head. */
  readonly length: number;
}

/** The first whole frame; undefined when it has not come yet. */
function frameOf(bytes: Buffer): Frame | undefined {
  if (bytes.length < 2) return undefined;
  const [first, second] = [bytes[0]!, bytes[1]!];
  const opcode = first & 0x0f;
  const final = (first & 0x80) !== 0;
  if ((first & 0x70) !== 0) throw new Broken(1002, 'reserved bits are set');
  if (opcode > PONG || (opcode > BINARY && opcode < CLOSE))
    throw new Broken(1002, 'an unknown kind of frame');
  if ((second & 0x80) === 0) throw new Broken(1002, 'a frame without a mask');
  const short = second & 0x7f;
  if (opcode >= CLOSE && (!final || short > MAX_CONTROL)) throw new Broken(1002, 'a control frame in pieces');
  const extra = short === 126 ? 2 : short === 127 ? 8 : 0;
  const head = 2 + extra + 4;
  if (bytes.length < head) return undefined;
  const size = extra === 0 ? short : extra === 2 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
  if (size > MAX_MESSAGE) throw new Broken(1009, `a message is longer than ${MAX_MESSAGE} bytes`);
  if (bytes.length < head + size) return undefined;
  const payload = Buffer.from(bytes.subarray(head, head + size));
  const mask = bytes.subarray(head - 4, head);
  for (let at = 0; at < size; at++) payload[at]! ^= mask[at & 3]!;
  return { opcode, final, payload, length: head + size };
}

function headOf(opcode: number, size: number): Buffer {
  if (size <= MAX_CONTROL) return Buffer.from([0x80 | opcode, size]);
  if (size <= 0xffff) return Buffer.from([0x80 | opcode, 126, size >> 8, size & 0xff]);
  const head = Buffer.alloc(10);
  head[0] = 0x80 | opcode;
  head[1] = 127;
  head.writeBigUInt64BE(BigInt(size), 2);
  return head;
}
