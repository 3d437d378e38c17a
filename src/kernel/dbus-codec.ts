/**
 * D-Bus messages as bytes (D-Bus specification 0.42, "Message Protocol"): everything but file descriptors.
 *
 * Values: numbers for y n q i u d, bigints for x and t (numbers are taken too), strings for s o g, `Variant` for v, arrays
 * for arrays and structs, `[key, value]` pairs for dictionaries; `ay` is bytes.
 */
import { PlatformError } from '../base/errors.ts';

export type DbusValue = number | bigint | boolean | string | Variant | Uint8Array | readonly DbusValue[];

export interface Variant {
  readonly signature: string;
  readonly value: DbusValue;
}

export function variant(signature: string, value: DbusValue): Variant {
  return { signature, value };
}

export const METHOD_CALL = 1;
export const METHOD_RETURN = 2;
export const ERROR = 3;
export const SIGNAL = 4;

export interface DbusMessage {
  readonly type: number;
  readonly serial: number;
  readonly path?: string;
  readonly interface?: string;
  readonly member?: string;
  readonly errorName?: string;
  readonly replySerial?: number;
  readonly destination?: string;
  readonly sender?: string;
  readonly signature?: string;
  readonly body?: readonly DbusValue[];
}

/** Header fields by number: their name here and their type. */
const FIELDS = [
  undefined,
  ['path', 'o'],
  ['interface', 's'],
  ['member', 's'],
  ['errorName', 's'],
  ['replySerial', 'u'],
  ['destination', 's'],
  ['sender', 's'],
  ['signature', 'g'],
] as const;

const FIXED_HEADER = 16;
/** The specification's limits. */
const MAX_MESSAGE = 128 * 1024 * 1024;
const MAX_ARRAY = 64 * 1024 * 1024;
const MAX_DEPTH = 64;

function malformed(why: string): PlatformError {
  return new PlatformError('invalid', `dbus: ${why}`);
}

/** The first complete type of a signature: `a(sv)` of `a(sv)u`. */
export function firstType(signature: string, depth = 0): string {
  const letter = signature[0] ?? '';
  if (depth > MAX_DEPTH) throw malformed('signature is nested too deeply');
  if (letter !== '' && 'ybnqiuxtdsogvh'.includes(letter)) return letter;
  if (letter === 'a') return `a${firstType(signature.slice(1), depth + 1)}`;
  const close = letter === '(' ? ')' : letter === '{' ? '}' : undefined;
  if (close === undefined) throw malformed(`signature "${signature}" has no type here`);
  let type = letter;
  while (signature[type.length] !== close) type += firstType(signature.slice(type.length), depth + 1);
  return type + close;
}

export function typesOf(signature: string): string[] {
  const types: string[] = [];
  for (let rest = signature; rest !== ''; rest = rest.slice(types.at(-1)!.length))
    types.push(firstType(rest));
  return types;
}

function alignmentOf(type: string): number {
  return { y: 1, g: 1, v: 1, n: 2, q: 2, x: 8, t: 8, d: 8, '(': 8, '{': 8 }[type[0]!] ?? 4;
}

/** Little-endian; grows as it is written. */
class Writer {
  #bytes = Buffer.alloc(256);
  length = 0;

  align(to: number): void {
    this.#reserve(-this.length & (to - 1));
  }

  /** Room for so many bytes, zeroed; where they begin. */
  #reserve(count: number): number {
    const at = this.length;
    if (at + count > this.#bytes.length) {
      const larger = Buffer.alloc(Math.max(this.#bytes.length * 2, at + count));
      this.#bytes.copy(larger);
      this.#bytes = larger;
    }
    this.length += count;
    return at;
  }

  result(): Buffer {
    return this.#bytes.subarray(0, this.length);
  }

  setUint32(at: number, value: number): void {
    this.#bytes.writeUInt32LE(value, at);
  }

  bytes(value: Uint8Array): void {
    const at = this.#reserve(value.length);
    this.#bytes.set(value, at);
  }

  value(type: string, value: DbusValue): void {
    this.align(alignmentOf(type));
    switch (type[0]) {
      case 'y':
        return this.#put(1, (bytes, at) => bytes.writeUInt8(number(value), at));
      case 'b':
        return this.#put(4, (bytes, at) => bytes.writeUInt32LE(value === true ? 1 : 0, at));
      case 'n':
        return this.#put(2, (bytes, at) => bytes.writeInt16LE(number(value), at));
      case 'q':
        return this.#put(2, (bytes, at) => bytes.writeUInt16LE(number(value), at));
      case 'i':
        return this.#put(4, (bytes, at) => bytes.writeInt32LE(number(value), at));
      case 'u':
        return this.#put(4, (bytes, at) => bytes.writeUInt32LE(number(value), at));
      case 'x':
        return this.#put(8, (bytes, at) => bytes.writeBigInt64LE(BigInt(number64(value)), at));
      case 't':
        return this.#put(8, (bytes, at) => bytes.writeBigUInt64LE(BigInt(number64(value)), at));
      case 'd':
        return this.#put(8, (bytes, at) => bytes.writeDoubleLE(number(value), at));
      case 's':
      case 'o':
        return this.#text(value, true);
      case 'g':
        return this.#text(value, false);
      case 'v': {
        const { signature, value: inner } = value as Variant;
        if (firstType(signature) !== signature) throw malformed(`variant of "${signature}", not of one type`);
        this.#text(signature, false);
        return this.value(signature, inner);
      }
      case 'a':
        return this.#array(type.slice(1), value);
      case '(':
      case '{':
        return this.values(type.slice(1, -1), value as readonly DbusValue[]);
      default:
        throw malformed(`type "${type}" cannot be sent`);
    }
  }

  values(signature: string, values: readonly DbusValue[]): void {
    const types = typesOf(signature);
    if (types.length !== values.length) throw malformed(`${values.length} values for "${signature}"`);
    for (const [index, type] of types.entries()) this.value(type, values[index]!);
  }

  /** The buffer may be another one once there is room. */
  #put(count: number, write: (bytes: Buffer, at: number) => void): void {
    const at = this.#reserve(count);
    write(this.#bytes, at);
  }

  #text(value: DbusValue, long: boolean): void {
    if (typeof value !== 'string' || value.includes('\0')) throw malformed('want a string without NUL bytes');
    const text = Buffer.from(value);
    if (long) this.value('u', text.length);
    else this.value('y', text.length);
    this.bytes(text);
    this.bytes(Buffer.alloc(1));
  }

  #array(element: string, value: DbusValue): void {
    const at = this.#reserve(4);
    this.align(alignmentOf(element));
    const start = this.length;
    if (element === 'y') this.bytes(Uint8Array.from(value as Uint8Array));
    else for (const each of value as readonly DbusValue[]) this.value(element, each);
    this.setUint32(at, this.length - start);
  }
}

function number(value: DbusValue): number {
  if (typeof value !== 'number') throw malformed(`want a number, have ${typeof value}`);
  return value;
}

function number64(value: DbusValue): number | bigint {
  if (typeof value !== 'number' && typeof value !== 'bigint')
    throw malformed(`want an integer, have ${typeof value}`);
  return value;
}

export function encodeMessage(message: DbusMessage): Buffer {
  const body = new Writer();
  body.values(message.signature ?? '', message.body ?? []);
  const header = new Writer();
  header.bytes(Buffer.from(['l'.charCodeAt(0), message.type, 0, 1]));
  header.value('u', body.length);
  header.value('u', message.serial);
  const fields = FIELDS.flatMap((field, code): DbusValue[] => {
    const value = field === undefined ? undefined : message[field[0]];
    return field === undefined || value === undefined || value === ''
      ? []
      : [[code, variant(field[1], value)]];
  });
  header.value('a(yv)', fields);
  header.align(8);
  return Buffer.concat([header.result(), body.result()]);
}

class Reader {
  readonly #bytes: Buffer;
  readonly #little: boolean;
  at = 0;

  constructor(bytes: Buffer, little: boolean) {
    this.#bytes = bytes;
    this.#little = little;
  }

  align(to: number): void {
    this.at += -this.at & (to - 1);
  }

  value(type: string, depth = 0): DbusValue {
    if (depth > MAX_DEPTH) throw malformed('message is nested too deeply');
    this.align(alignmentOf(type));
    const bytes = this.#bytes;
    const little = this.#little;
    switch (type[0]) {
      case 'y':
        return bytes.readUInt8(this.#take(1));
      case 'b':
        return this.#uint32() === 1;
      case 'n':
        return little ? bytes.readInt16LE(this.#take(2)) : bytes.readInt16BE(this.#take(2));
      case 'q':
        return little ? bytes.readUInt16LE(this.#take(2)) : bytes.readUInt16BE(this.#take(2));
      case 'i':
        return little ? bytes.readInt32LE(this.#take(4)) : bytes.readInt32BE(this.#take(4));
      case 'u':
      case 'h':
        return this.#uint32();
      case 'x':
        return little ? bytes.readBigInt64LE(this.#take(8)) : bytes.readBigInt64BE(this.#take(8));
      case 't':
        return little ? bytes.readBigUInt64LE(this.#take(8)) : bytes.readBigUInt64BE(this.#take(8));
      case 'd':
        return little ? bytes.readDoubleLE(this.#take(8)) : bytes.readDoubleBE(this.#take(8));
      case 's':
      case 'o':
        return this.#text(this.#uint32());
      case 'g':
        return this.#text(bytes.readUInt8(this.#take(1)));
      case 'v': {
        const signature = this.#text(bytes.readUInt8(this.#take(1)));
        if (firstType(signature) !== signature) throw malformed(`variant of "${signature}", not of one type`);
        return variant(signature, this.value(signature, depth + 1));
      }
      case 'a':
        return this.#array(type.slice(1), depth);
      default:
        return this.values(type.slice(1, -1), depth + 1);
    }
  }

  values(signature: string, depth = 0): DbusValue[] {
    return typesOf(signature).map((type) => this.value(type, depth));
  }

  #array(element: string, depth: number): DbusValue {
    const length = this.#uint32();
    if (length > MAX_ARRAY) throw malformed(`array of ${length} bytes`);
    this.align(alignmentOf(element));
    const end = this.at + length;
    if (element === 'y') return this.#bytes.subarray(this.#take(length), end);
    const values: DbusValue[] = [];
    while (this.at < end) values.push(this.value(element, depth + 1));
    if (this.at !== end) throw malformed('array does not end where it says');
    return values;
  }

  #uint32(): number {
    const at = this.#take(4);
    return this.#little ? this.#bytes.readUInt32LE(at) : this.#bytes.readUInt32BE(at);
  }

  #text(length: number): string {
    const at = this.#take(length + 1);
    if (this.#bytes[at + length] !== 0) throw malformed('string does not end with NUL');
    return this.#bytes.toString('utf8', at, at + length);
  }

  #take(count: number): number {
    const { at } = this;
    if (at + count > this.#bytes.length) throw malformed('message is cut short');
    this.at += count;
    return at;
  }
}

/** Bytes of the message that begins here; `undefined` while its fixed part is not complete. */
function messageLength(bytes: Buffer): number | undefined {
  if (bytes.length < FIXED_HEADER) return undefined;
  const little = isLittle(bytes);
  const uint32 = (at: number): number => (little ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at));
  const fields = FIXED_HEADER + uint32(12);
  const length = fields + (-fields & 7) + uint32(4);
  if (length > MAX_MESSAGE) throw malformed(`message of ${length} bytes`);
  return length;
}

function isLittle(bytes: Buffer): boolean {
  if (bytes[0] !== 0x6c && bytes[0] !== 0x42) throw malformed(`message begins with byte ${bytes[0]}`);
  return bytes[0] === 0x6c;
}

export function decodeMessage(bytes: Buffer): DbusMessage {
  const reader = new Reader(bytes, isLittle(bytes));
  const [, type, , version, , serial] = reader.values('yyyyuu') as number[];
  if (version !== 1) throw malformed(`protocol version ${version}`);
  const message: Record<string, unknown> = { type, serial };
  for (const [code, { value }] of reader.value('a(yv)') as unknown as [number, Variant][]) {
    const field = FIELDS[code];
    if (field !== undefined) message[field[0]] = value;
  }
  reader.align(8);
  message['body'] = reader.values((message['signature'] as string | undefined) ?? '');
  return message as unknown as DbusMessage;
}

/** Takes the complete messages off a stream's bytes; what is left waits for more. */
export function splitMessages(bytes: Buffer): { messages: DbusMessage[]; rest: Buffer } {
  const messages: DbusMessage[] = [];
  let rest = bytes;
  for (;;) {
    const length = messageLength(rest);
    if (length === undefined || rest.length < length) return { messages, rest };
    messages.push(decodeMessage(rest.subarray(0, length)));
    rest = rest.subarray(length);
  }
}
