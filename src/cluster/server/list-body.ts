/** A list's body in pieces: nobody waits while a long list is encoded, and no list is in memory as a whole. */
import { yieldToLoop } from '../../base/yield-to-loop.ts';
import type { ApiResponse } from '../api/transport.ts';
import type { CachedObject } from './cached-object.ts';
import { listFrame, listMetadata, type ListHead } from './encoding.ts';
import { encodeListMeta, closeEnvelope, openEnvelopeOf } from './protobuf-writer.ts';
import { tableParts, type View } from './view.ts';
import type { Resource } from './resource.ts';

/** A piece: some 0.1 ms to encrypt. */
const PIECE_BYTES = 128 * 1024;
/** Encoded in one go when the bytes are not there already. */
const PIECE_OBJECTS = 16;
/** Lists of fewer objects are one piece. */
const WHOLE_OBJECTS = 64;

/** The pieces of one body; `length` when it is known before they are made. */
export class ListBody implements AsyncIterable<Uint8Array> {
  readonly length: number | undefined;
  readonly #pieces: () => AsyncGenerator<Uint8Array>;

  constructor(pieces: () => AsyncGenerator<Uint8Array>, length?: number) {
    this.#pieces = pieces;
    this.length = length;
  }

  [Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    return this.#pieces();
  }
}

/** All of a body in one buffer. */
export async function wholeBody(body: ApiResponse['body']): Promise<Uint8Array> {
  if (body instanceof Uint8Array) return body;
  const pieces: Uint8Array[] = [];
  for await (const piece of body) pieces.push(piece);
  return Buffer.concat(pieces);
}

export interface ListOptions extends Omit<ListHead, 'kind' | 'apiVersion'> {
  readonly resource: Resource;
  readonly view: View;
  readonly objects: readonly CachedObject[];
  /** Milliseconds since the epoch. */
  readonly now: number;
}

export async function listResponse(options: ListOptions): Promise<ApiResponse> {
  const { view, objects } = options;
  const headers = { 'content-type': view.contentType };
  const body = bodyOf(options);
  if (objects.length > WHOLE_OBJECTS) return { status: 200, headers, body };
  return { status: 200, headers, body: await wholeBody(body) };
}

function headOf({ resource, view, ...rest }: ListOptions): ListHead {
  return view.shape === 'metadata'
    ? { ...rest, kind: 'PartialObjectMetadataList', apiVersion: view.metaVersion }
    : { ...rest, kind: resource.declaration.listKind, apiVersion: resource.apiVersion };
}

function bodyOf(options: ListOptions): ListBody {
  const { resource, view, objects, now } = options;
  const head = headOf(options);
  if (view.format === 'protobuf') return protobufBody(head, view, objects);
  if (view.shape === 'table') {
    const metadata = listMetadata(head);
    const { open, row } = tableParts({ resource, ...view, now, metadata });
    return new ListBody(() => joined(objects, row, { open, close: Buffer.from(']}\n') }));
  }
  const frame = listFrame(head);
  if (!view.verbatim) return new ListBody(() => joined(objects, view.item, frame));
  let length = frame.open.length + frame.close.length + Math.max(0, objects.length - 1);
  for (const object of objects) length += object.bytesLength;
  return new ListBody(() => copied(objects, frame), length);
}

interface Around {
  readonly open: Buffer;
  readonly close: Buffer;
}

const COMMA = 44;

/** Cached bytes, copied side by side. */
async function* copied(
  objects: readonly CachedObject[],
  { open, close }: Around,
): AsyncGenerator<Uint8Array> {
  let piece = Buffer.allocUnsafeSlow(PIECE_BYTES);
  let at = open.copy(piece);
  for (const [i, object] of objects.entries()) {
    const length = object.bytesLength;
    if (at + length + 1 > piece.length) {
      yield piece.subarray(0, at);
      piece = Buffer.allocUnsafeSlow(Math.max(PIECE_BYTES, length + 1));
      at = 0;
    }
    if (i > 0) piece[at++] = COMMA;
    at = object.writeInto(piece, at);
  }
  yield piece.subarray(0, at);
  yield close;
}

/** Encoded a few at a time. */
async function* joined(
  objects: readonly CachedObject[],
  encode: (object: CachedObject) => Uint8Array,
  { open, close }: Around,
): AsyncGenerator<Uint8Array> {
  let parts: Uint8Array[] = [open];
  for (const [i, object] of objects.entries()) {
    if (i > 0) parts.push(Buffer.from(','));
    parts.push(encode(object));
    if (i % PIECE_OBJECTS !== PIECE_OBJECTS - 1) continue;
    yield Buffer.concat(parts);
    parts = [];
    await yieldToLoop();
  }
  parts.push(close);
  yield Buffer.concat(parts);
}

/** The length of the whole stands before the first item, so every item is encoded first. */
function protobufBody(head: ListHead, view: View, objects: readonly CachedObject[]): ListBody {
  return new ListBody(async function* () {
    const meta = encodeListMeta(listMetadata(head));
    const items: Uint8Array[] = [];
    let length = meta.length;
    for (const [i, object] of objects.entries()) {
      if (i % PIECE_OBJECTS === PIECE_OBJECTS - 1) await yieldToLoop();
      const item = view.item(object);
      items.push(item);
      length += item.length;
    }
    let parts: Uint8Array[] = [openEnvelopeOf(head, length), meta];
    let size = 0;
    for (const item of items) {
      parts.push(item);
      size += item.length;
      if (size < PIECE_BYTES) continue;
      yield Buffer.concat(parts);
      parts = [];
      size = 0;
    }
    parts.push(closeEnvelope());
    yield Buffer.concat(parts);
  });
}
