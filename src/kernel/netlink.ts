/**
 * Netlink's framing (netlink(7), RFC 3549): a message is a 16-byte header and attributes, each padded to four
 * bytes. Numbers are in host order (little-endian on all machines that we run on) unless a family says otherwise.
 */
import { PlatformError } from '../base/errors.ts';
import { syscallError } from './syscall.ts';

export const NLM_F_REQUEST = 0x1;
export const NLM_F_ACK = 0x4;
export const NLM_F_DUMP = 0x300;
export const NLM_F_REPLACE = 0x100;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;
export const NLM_F_APPEND = 0x800;

export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;

const HEADER = 16;
const NLA_F_NESTED = 0x8000;
const NLA_TYPE_MASK = 0x3fff;
const NLM_F_ACK_TLVS = 0x200;
const NLM_F_CAPPED = 0x100;
const NLMSGERR_ATTR_MSG = 1;
/** A length field of an attribute has 16 bits. */
export const MAX_ATTRIBUTE = 0xffff;

/** Builds messages one behind the other in one growing buffer. Sequence numbers count from 1. */
export class NetlinkWriter {
  #buffer = Buffer.alloc(1024);
  #length = 0;
  #messageStart = 0;
  #sequence = 0;

  /** Bytes so far. */
  get length(): number {
    return this.#length;
  }

  /** The sequence number that the next message will get. */
  get nextSequence(): number {
    return this.#sequence + 1;
  }

  /** Closes the message before. Returns the sequence number, by which an error names its message. */
  message(type: number, flags: number): number {
    this.#endMessage();
    this.#messageStart = this.#length;
    this.#sequence++;
    this.#reserve(HEADER);
    this.#buffer.writeUInt16LE(type, this.#length + 4);
    this.#buffer.writeUInt16LE(flags | NLM_F_REQUEST, this.#length + 6);
    this.#buffer.writeUInt32LE(this.#sequence, this.#length + 8);
    this.#length += HEADER;
    return this.#sequence;
  }

  /** The family's fixed header, behind the netlink header. */
  header(bytes: Uint8Array): this {
    this.#append(bytes);
    return this;
  }

  bytes(type: number, value: Uint8Array): this {
    if (value.length + 4 > MAX_ATTRIBUTE)
      throw new PlatformError('invalid', `netlink attribute ${type} is too long`);
    this.#attribute(type, value.length);
    this.#append(value);
    return this;
  }

  u8(type: number, value: number): this {
    return this.bytes(type, Uint8Array.of(value));
  }

  u16be(type: number, value: number): this {
    return this.bytes(type, Uint8Array.of(value >> 8, value & 0xff));
  }

  u32(type: number, value: number): this {
    this.#attribute(type, 4);
    this.#reserve(4);
    this.#buffer.writeUInt32LE(value >>> 0, this.#length);
    this.#length += 4;
    return this;
  }

  u32be(type: number, value: number): this {
    this.#attribute(type, 4);
    this.#reserve(4);
    this.#buffer.writeUInt32BE(value >>> 0, this.#length);
    this.#length += 4;
    return this;
  }

  u64be(type: number, value: bigint): this {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64BE(value);
    return this.bytes(type, bytes);
  }

  /** NUL-terminated. */
  string(type: number, value: string): this {
    const length = Buffer.byteLength(value);
    this.#attribute(type, length + 1);
    this.#reserve(length + 4);
    this.#buffer.write(value, this.#length);
    this.#length += length + 1;
    this.#pad();
    return this;
  }

  nest(type: number, body: () => void): this {
    const start = this.#length;
    this.#attribute(type | NLA_F_NESTED, 0);
    body();
    const length = this.#length - start;
    if (length > MAX_ATTRIBUTE) throw new PlatformError('invalid', `netlink attribute ${type} is too long`);
    this.#buffer.writeUInt16LE(length, start);
    return this;
  }

  finish(): Uint8Array {
    this.#endMessage();
    return this.#buffer.subarray(0, this.#length);
  }

  #endMessage(): void {
    if (this.#sequence > 0) this.#buffer.writeUInt32LE(this.#length - this.#messageStart, this.#messageStart);
  }

  #attribute(type: number, payload: number): void {
    this.#reserve(4);
    this.#buffer.writeUInt16LE(payload + 4, this.#length);
    this.#buffer.writeUInt16LE(type, this.#length + 2);
    this.#length += 4;
  }

  #append(bytes: Uint8Array): void {
    this.#reserve(bytes.length + 4);
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
    this.#pad();
  }

  #pad(): void {
    while (this.#length % 4 !== 0) this.#length++;
  }

  /** New room is zero, so padding and unset header fields are too. */
  #reserve(bytes: number): void {
    if (this.#length + bytes <= this.#buffer.length) return;
    const grown = Buffer.alloc(Math.max(this.#buffer.length * 2, this.#length + bytes));
    this.#buffer.copy(grown, 0, 0, this.#length);
    this.#buffer = grown;
  }
}

export interface NetlinkMessage {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  /** Header included. */
  readonly bytes: Buffer;
}

/** The messages in one received datagram. */
export function splitMessages(datagram: Buffer): NetlinkMessage[] {
  const messages: NetlinkMessage[] = [];
  for (let at = 0; at + HEADER <= datagram.length;) {
    const length = datagram.readUInt32LE(at);
    if (length < HEADER || at + length > datagram.length) {
      throw new PlatformError(
        'internal',
        `netlink: message of ${length} bytes in a datagram of ${datagram.length}`,
      );
    }
    messages.push({
      type: datagram.readUInt16LE(at + 4),
      flags: datagram.readUInt16LE(at + 6),
      sequence: datagram.readUInt32LE(at + 8),
      bytes: datagram.subarray(at, at + length),
    });
    at += (length + 3) & ~3;
  }
  return messages;
}

/** Top-level attributes by type (the last one of each), from `offset` on. */
export function readAttributes(bytes: Uint8Array, offset = 0): Map<number, Buffer> {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const attributes = new Map<number, Buffer>();
  for (let at = offset; at + 4 <= view.length;) {
    const length = view.readUInt16LE(at);
    if (length < 4 || at + length > view.length) break;
    attributes.set(view.readUInt16LE(at + 2) & NLA_TYPE_MASK, view.subarray(at + 4, at + length));
    at += (length + 3) & ~3;
  }
  return attributes;
}

/** Text of a NUL-terminated attribute. */
export function readString(attribute: Buffer | undefined): string {
  if (attribute === undefined) return '';
  const end = attribute.indexOf(0);
  return attribute.toString('utf8', 0, end < 0 ? attribute.length : end);
}

/** `undefined` for an acknowledgement, the error otherwise (with the kernel's explanation where it gives one). */
export function acknowledgementError(message: NetlinkMessage): PlatformError | undefined {
  const errno = -message.bytes.readInt32LE(HEADER);
  if (errno === 0) return undefined;
  let explanation = '';
  if ((message.flags & NLM_F_ACK_TLVS) !== 0) {
    const original = (message.flags & NLM_F_CAPPED) !== 0 ? HEADER : message.bytes.readUInt32LE(HEADER + 4);
    const attributes = readAttributes(message.bytes, HEADER + 4 + ((original + 3) & ~3));
    explanation = readString(attributes.get(NLMSGERR_ATTR_MSG));
  }
  return syscallError('netlink', errno, { detail: explanation, sequence: message.sequence });
}
