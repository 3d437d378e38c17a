/**
 * Objects as Kubernetes' protobuf, by the schema: what `protobuf.ts` reads. Written from the end to the beginning, so that
 * the length of a message is known when it is written before it.
 */
import { isJsonObject, type JsonObject, type JsonValue } from '../../api/json.ts';
import type { FieldSchema, MessageSchema } from '../../api/schema.ts';
import { durationToNanoseconds, timeToMs } from '../../api/time.ts';

const MAGIC = Buffer.from('k8s\0');
const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;

/** The message of an object, without an envelope: an item of a list. */
export function encodeMessage(object: JsonObject, schema: MessageSchema): Uint8Array {
  const out = new BackwardWriter();
  writeMessage(out, object, schema);
  return out.bytes();
}

/** One item of a list, field 2 of every list type: good until the next is encoded. */
export function encodePassingItem(object: JsonObject, schema: MessageSchema): Uint8Array {
  reused.clear();
  writeMessage(reused, object, schema);
  reused.endMessage(2, 0);
  return reused.bytes();
}

/** A whole body: the magic number and a runtime.Unknown with type and message. */
export function encodeEnvelope(head: { apiVersion: string; kind: string }, raw: Uint8Array): Uint8Array {
  const out = new BackwardWriter(raw.length + 128);
  // contentEncoding and contentType, which Go writes even when they are empty.
  out.text(4, '');
  out.text(3, '');
  out.field(2, raw);
  const end = out.length;
  out.text(2, head.kind);
  out.text(1, head.apiVersion);
  out.endMessage(1, end);
  out.raw(MAGIC);
  return out.bytes();
}

/** meta/v1 ListMeta as field 1 of a list. */
export function encodeListMeta(metadata: Readonly<Record<string, unknown>>): Uint8Array {
  const out = new BackwardWriter();
  const { resourceVersion, continue: next, remainingItemCount } = metadata;
  if (typeof remainingItemCount === 'number') out.integer(4, remainingItemCount);
  out.text(3, typeof next === 'string' ? next : '');
  out.text(2, typeof resourceVersion === 'string' ? resourceVersion : '');
  out.text(1, '');
  out.endMessage(1, 0);
  return out.bytes();
}

/** The head of an envelope whose message is `length` bytes long and follows. */
export function openEnvelopeOf(head: { apiVersion: string; kind: string }, length: number): Uint8Array {
  const out = new BackwardWriter();
  out.varint(length);
  out.tag(2, BYTES);
  const end = out.length;
  out.text(2, head.kind);
  out.text(1, head.apiVersion);
  out.endMessage(1, end);
  out.raw(MAGIC);
  return out.bytes();
}

/** What follows the message. */
export function closeEnvelope(): Uint8Array {
  const out = new BackwardWriter();
  out.text(4, '');
  out.text(3, '');
  return out.bytes();
}

/** A frame of a watch: four bytes of length, then a meta/v1 WatchEvent around the object's whole body. */
export function encodeProtobufFrame(type: string, body: Uint8Array): Uint8Array {
  const out = new BackwardWriter(body.length + 64);
  out.field(1, body);
  out.endMessage(2, 0);
  out.text(1, type);
  const head = Buffer.allocUnsafe(4);
  head.writeUInt32BE(out.length);
  out.raw(head);
  return out.bytes();
}

/** Writes a message from its end to its beginning. */
export class BackwardWriter {
  #buffer: Buffer;
  #start: number;

  constructor(size = 1024) {
    this.#buffer = Buffer.allocUnsafeSlow(size);
    this.#start = size;
  }

  /** Bytes written. */
  get length(): number {
    return this.#buffer.length - this.#start;
  }

  bytes(): Uint8Array {
    return this.#buffer.subarray(this.#start);
  }

  /** Starts anew, over what has been written; a buffer that has grown large is given back. */
  clear(): void {
    if (this.#buffer.length > MAX_REUSED) this.#buffer = Buffer.allocUnsafeSlow(1024);
    this.#start = this.#buffer.length;
  }

  #room(size: number): void {
    if (this.#start >= size) return;
    const grown = Buffer.allocUnsafeSlow(this.#buffer.length * 2 + size);
    this.#buffer.copy(grown, grown.length - this.length, this.#start);
    this.#start += grown.length - this.#buffer.length;
    this.#buffer = grown;
  }

  raw(bytes: Uint8Array): void {
    this.#room(bytes.length);
    this.#start -= bytes.length;
    this.#buffer.set(bytes, this.#start);
  }

  /** A whole number of 64 bits; negative ones in two's complement, ten bytes long. */
  varint(value: number): void {
    if (value < 0) return this.#long(BigInt.asUintN(64, BigInt(Math.trunc(value))));
    let size = 1;
    for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) size++;
    this.#room(size);
    this.#start -= size;
    let rest = value;
    for (let at = this.#start; ; at++) {
      if (rest < 0x80) {
        this.#buffer[at] = rest;
        return;
      }
      this.#buffer[at] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
  }

  #long(value: bigint): void {
    const bytes: number[] = [];
    let rest = value;
    while (rest >= 0x80n) {
      bytes.push(Number(rest & 0x7fn) | 0x80);
      rest >>= 7n;
    }
    bytes.push(Number(rest));
    this.raw(Uint8Array.from(bytes));
  }

  tag(number: number, type: number): void {
    this.varint(number * 8 + type);
  }

  field(number: number, bytes: Uint8Array): void {
    this.raw(bytes);
    this.varint(bytes.length);
    this.tag(number, BYTES);
  }

  text(number: number, text: string): void {
    const size = Buffer.byteLength(text);
    this.#room(size);
    this.#start -= size;
    this.#buffer.write(text, this.#start);
    this.varint(size);
    this.tag(number, BYTES);
  }

  integer(number: number, value: number): void {
    this.varint(value);
    this.tag(number, VARINT);
  }

  double(number: number, value: number): void {
    const bytes = Buffer.allocUnsafe(8);
    bytes.writeDoubleLE(value);
    this.raw(bytes);
    this.tag(number, FIXED64);
  }

  /** Everything written since the length was `end` is the message that field `number` holds. */
  endMessage(number: number, end: number): void {
    this.varint(this.length - end);
    this.tag(number, BYTES);
  }
}

const MAX_REUSED = 256 * 1024;

/** For items of lists, of which there are many: a buffer each would bring the collector of garbage. */
const reused = new BackwardWriter();

const orders = new WeakMap<MessageSchema, readonly FieldSchema[]>();

/** Fields as they stand on the wire, the last first. */
function lastFirst(schema: MessageSchema): readonly FieldSchema[] {
  let order = orders.get(schema);
  if (order === undefined) {
    order = [...schema.wire.values()].toSorted((a, b) => b.number - a.number);
    orders.set(schema, order);
  }
  return order;
}

function writeMessage(out: BackwardWriter, object: JsonObject, schema: MessageSchema): void {
  for (const field of lastFirst(schema)) {
    if (field.number === 0) continue;
    if (field.inline) {
      const end = out.length;
      if (field.message === undefined) continue;
      writeMessage(out, object, field.message);
      if (out.length > end) out.endMessage(field.number, end);
      continue;
    }
    if (!Object.hasOwn(object, field.name)) continue;
    const value = object[field.name];
    if (value === undefined || value === null) continue;
    if (field.kind === 'list') {
      if (Array.isArray(value))
        for (const item of value.toReversed()) writeValue(out, item, field, field.number);
    } else if (field.kind === 'map') {
      if (isJsonObject(value)) writeMap(out, value, field);
    } else writeValue(out, value, field, field.number);
  }
}

function writeMap(out: BackwardWriter, map: JsonObject, field: FieldSchema): void {
  for (const key of Object.keys(map).toSorted().toReversed()) {
    const end = out.length;
    writeValue(out, map[key]!, field, 2);
    out.text(1, key);
    out.endMessage(field.number, end);
  }
}

/** Values that are not of their type cannot be stored: they are left out. */
function writeValue(out: BackwardWriter, value: JsonValue, field: FieldSchema, number: number): void {
  const end = out.length;
  switch (field.type) {
    case 'string':
      if (typeof value === 'string') out.text(number, value);
      return;
    case 'boolean':
      return out.integer(number, value === true ? 1 : 0);
    case 'int32':
    case 'int64':
      if (typeof value === 'number') out.integer(number, value);
      return;
    case 'double':
      if (typeof value === 'number') out.double(number, value);
      return;
    case 'bytes':
      if (typeof value === 'string') out.field(number, Buffer.from(value, 'base64'));
      return;
    case 'time':
    case 'microTime':
      writeTime(out, textOf(value));
      break;
    case 'duration':
      out.integer(1, durationToNanoseconds(textOf(value)) ?? 0);
      break;
    case 'quantity':
      out.text(1, textOf(value));
      break;
    case 'intOrString':
      out.text(3, typeof value === 'string' ? value : '');
      out.integer(2, typeof value === 'number' ? value : 0);
      out.integer(1, typeof value === 'string' ? 1 : 0);
      break;
    case 'strings':
      if (Array.isArray(value)) for (const item of value.toReversed()) out.text(1, textOf(item));
      break;
    case 'message':
      if (!isJsonObject(value) || field.message === undefined) return;
      writeMessage(out, value, field.message);
      break;
    case 'schemaOrBool':
      if (isJsonObject(value)) writeNested(out, value, field, 2);
      out.integer(1, value === false ? 0 : 1);
      break;
    case 'schemaOrArray':
      if (Array.isArray(value)) {
        for (const item of value.toReversed()) if (isJsonObject(item)) writeNested(out, item, field, 2);
      } else if (isJsonObject(value)) writeNested(out, value, field, 1);
      break;
    case 'schemaOrStrings':
      if (Array.isArray(value)) for (const item of value.toReversed()) out.text(2, textOf(item));
      else if (isJsonObject(value)) writeNested(out, value, field, 1);
      break;
    default:
      // JSON in a wrapper: raw extensions, field sets, values of schemas.
      out.field(1, Buffer.from(JSON.stringify(value)));
  }
  out.endMessage(number, end);
}

function writeNested(out: BackwardWriter, value: JsonObject, field: FieldSchema, number: number): void {
  const end = out.length;
  if (field.message !== undefined) writeMessage(out, value, field.message);
  out.endMessage(number, end);
}

function writeTime(out: BackwardWriter, text: string): void {
  const ms = timeToMs(text) ?? 0;
  const seconds = Math.floor(ms / 1000);
  const nanoseconds = Math.round((ms - seconds * 1000) * 1000) * 1000;
  out.integer(2, nanoseconds);
  out.integer(1, seconds);
}

function textOf(value: JsonValue): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
