/**
 * The server's side of SPDY/3.1 (draft 3), as much of it as Kubernetes' clients speak: they open streams, both sides
 * send data. Like theirs it has no flow control of its own; who reads slowly holds up the whole connection.
 */
import { Duplex } from 'node:stream';

import { PlatformError } from '../../../base/errors.ts';
import { HeaderInflater } from './spdy-headers.ts';
import { drained } from '../../../base/drained.ts';
import { settle } from './settle.ts';

const SYN_STREAM = 1;
const SYN_REPLY = 2;
const RST_STREAM = 3;
const PING = 6;
const GOAWAY = 7;
const HEADERS = 8;
const FIN = 1;
const VERSION = 3;

const REFUSED_STREAM = 3;
const CANCEL = 5;
const STREAM_IN_USE = 8;

/** Of a control frame; data is passed on as it comes. */
const MAX_CONTROL = 64 << 10;
const MAX_STREAMS = 2000;
const PIECE = 64 << 10;

export interface SpdyOptions {
  /** A stream that the client has opened; false refuses it. */
  readonly onStream: (stream: SpdyStream) => boolean;
}

export class SpdyConnection {
  readonly #connection: Duplex;
  readonly #onStream: SpdyOptions['onStream'];
  readonly #streams = new Map<number, SpdyStream>();
  readonly #headers = new HeaderInflater();
  #lastStream = 0;
  /** Resolves when nothing more comes; every stream has ended or is destroyed then. */
  readonly ended: Promise<void>;

  constructor(connection: Duplex, { onStream }: SpdyOptions) {
    this.#connection = connection;
    this.#onStream = onStream;
    connection.on('error', () => connection.destroy());
    this.ended = this.#read();
  }

  /** Ends the connection when all that was written is sent. */
  close(): void {
    if (!this.#connection.writable) return;
    const payload = Buffer.alloc(8);
    payload.writeUInt32BE(this.#lastStream);
    this.#control(GOAWAY, 0, payload);
    this.#connection.end();
  }

  /** Resolves when there is room for more, or nobody is there any more. */
  async send(stream: number, data: Uint8Array, fin: boolean): Promise<void> {
    const connection = this.#connection;
    if (!connection.writable) throw new PlatformError('unavailable', 'the client has gone');
    const head = Buffer.alloc(8);
    head.writeUInt32BE(stream);
    head.writeUInt32BE(((fin ? FIN : 0) << 24) | data.length, 4);
    connection.cork();
    connection.write(head);
    const room = connection.write(data);
    connection.uncork();
    if (!room) await drained(connection);
  }

  /** Of a stream that has ended on both sides, or is given up. */
  forget(stream: number, reset: boolean): void {
    if (this.#streams.delete(stream) && reset) this.#reset(stream, CANCEL);
  }

  #reset(stream: number, status: number): void {
    const payload = Buffer.alloc(8);
    payload.writeUInt32BE(stream);
    payload.writeUInt32BE(status, 4);
    this.#control(RST_STREAM, 0, payload);
  }

  #control(type: number, flags: number, payload: Uint8Array): void {
    if (!this.#connection.writable) return;
    const head = Buffer.alloc(8);
    head.writeUInt16BE(0x8000 | VERSION);
    head.writeUInt16BE(type, 2);
    head.writeUInt32BE((flags << 24) | payload.length, 4);
    this.#connection.write(Buffer.concat([head, payload]));
  }

  async #read(): Promise<void> {
    const source = new Source(this.#connection);
    try {
      for (;;) {
        const head = await source.take(8);
        if (head === undefined) break;
        const [word, size] = [head.readUInt32BE(), head.readUIntBE(5, 3)];
        if (word < 0x8000_0000) await this.#data(word, { size, fin: (head[4]! & FIN) !== 0 }, source);
        else if (!(await this.#frame(head, size, source))) break;
      }
    } catch {
      this.#connection.destroy();
    } finally {
      this.#headers[Symbol.dispose]();
      for (const stream of this.#streams.values()) stream.gone();
      this.#streams.clear();
      this.#connection.resume();
    }
  }

  /** False when the client has said goodbye. */
  async #frame(head: Buffer, size: number, source: Source): Promise<boolean> {
    const type = head.readUInt16BE(2);
    if ((head.readUInt16BE() & 0x7fff) !== VERSION || size > MAX_CONTROL) throw broken();
    const payload = await source.take(size);
    if (payload === undefined) return false;
    const flags = head[4]!;
    if (type === SYN_STREAM) await this.#open(payload, flags);
    else if (type === SYN_REPLY || type === HEADERS) await this.#headers.read(payload.subarray(4));
    else if (type === PING && size === 4 && (payload.readUInt32BE() & 1) === 1)
      this.#control(PING, 0, payload);
    else if (type === RST_STREAM && size === 8) this.#takeReset(payload.readUInt32BE());
    // Its streams go on to their ends; nothing that it sends after this is of interest.
    else if (type === GOAWAY) return this.#streams.size > 0;
    return true;
  }

  async #open(payload: Buffer, flags: number): Promise<void> {
    if (payload.length < 10) throw broken();
    const id = payload.readUInt32BE() & 0x7fff_ffff;
    const headers = await this.#headers.read(payload.subarray(10));
    if (id === 0 || id % 2 === 0) throw broken();
    if (this.#streams.has(id)) return this.#reset(id, STREAM_IN_USE);
    this.#lastStream = Math.max(this.#lastStream, id);
    const stream = new SpdyStream(this, id, headers);
    if (this.#streams.size >= MAX_STREAMS) return this.#reset(id, REFUSED_STREAM);
    this.#streams.set(id, stream);
    if (!this.#onStream(stream)) {
      this.#streams.delete(id);
      stream.gone();
      return this.#reset(id, REFUSED_STREAM);
    }
    const reply = Buffer.alloc(4);
    reply.writeUInt32BE(id);
    this.#control(SYN_REPLY, 0, Buffer.concat([reply, this.#headers.nothing()]));
    if ((flags & FIN) !== 0) await stream.received(null);
  }

  #takeReset(id: number): void {
    const stream = this.#streams.get(id & 0x7fff_ffff);
    this.#streams.delete(id & 0x7fff_ffff);
    stream?.gone();
  }

  async #data(id: number, { size, fin }: { size: number; fin: boolean }, source: Source): Promise<void> {
    // For a stream that is over it is read and dropped.
    const stream = this.#streams.get(id);
    for (let left = size; left > 0;) {
      const piece = await source.some(left);
      if (piece === undefined) throw broken();
      left -= piece.length;
      await stream?.received(piece);
    }
    if (fin) await stream?.received(null);
  }
}

const broken = (): PlatformError => new PlatformError('invalid', 'spdy: a broken frame');

/** One stream; `end()` is the end of our half alone. Destroying it resets it. */
export class SpdyStream extends Duplex {
  readonly id: number;
  /** Lower-case names. */
  readonly headers: ReadonlyMap<string, string>;
  readonly #session: SpdyConnection;
  #room: (() => void) | undefined;

  constructor(session: SpdyConnection, id: number, headers: ReadonlyMap<string, string>) {
    super({ allowHalfOpen: true, emitClose: true });
    this.#session = session;
    this.id = id;
    this.headers = headers;
    this.on('error', () => {});
  }

  /** What the client has sent; null is its end. Resolves when there is room for more. */
  received(piece: Buffer | null): Promise<void> {
    if (this.destroyed || this.readableEnded || this.push(piece) || piece === null) return Promise.resolve();
    return new Promise((resolve) => (this.#room = resolve));
  }

  /** The client has reset it, or gone: there is nobody to tell. */
  gone(): void {
    if (!this.readableEnded) this.push(null);
    this.destroy();
  }

  override _read(): void {
    this.#room?.();
    this.#room = undefined;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error) => void): void {
    void settle(this.#sendPieces(chunk), done);
  }

  override _final(done: (error?: Error) => void): void {
    void settle(this.#session.send(this.id, Buffer.alloc(0), true), done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#room?.();
    this.#session.forget(this.id, !(this.readableEnded && this.writableFinished));
    done(error);
  }

  async #sendPieces(chunk: Buffer): Promise<void> {
    for (let at = 0; at < chunk.length; at += PIECE) {
      await this.#session.send(this.id, chunk.subarray(at, at + PIECE), false);
    }
  }
}

/** Bytes of a connection, as many as one wants. */
class Source {
  readonly #iterator: AsyncIterator<Buffer>;
  #held: Buffer = Buffer.alloc(0);

  constructor(connection: Duplex) {
    this.#iterator = connection.iterator({ destroyOnReturn: false }) as AsyncIterator<Buffer>;
  }

  /** Exactly `size` bytes; undefined when the connection ends before. */
  async take(size: number): Promise<Buffer | undefined> {
    while (this.#held.length < size) {
      const next = await this.#iterator.next();
      if (next.done === true) return undefined;
      this.#held = this.#held.length === 0 ? next.value : Buffer.concat([this.#held, next.value]);
    }
    const taken = this.#held.subarray(0, size);
    this.#held = this.#held.subarray(size);
    return taken;
  }

  /** What is there, at most `size` bytes. */
  async some(size: number): Promise<Buffer | undefined> {
    if (this.#held.length === 0) {
      const next = await this.#iterator.next();
      if (next.done === true) return undefined;
      this.#held = next.value;
    }
    return this.take(Math.min(size, this.#held.length));
  }
}
