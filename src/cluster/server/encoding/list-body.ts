/** A list's body in pieces: nobody waits while a long list is encoded, and no list is in memory as a whole. */
import type { Clock } from '../../../base/clock.ts';
import { joinInSlices } from '../../../base/join-in-slices.ts';
import { Slice } from '../../../base/yield-to-loop.ts';
import type { ApiResponse } from '../../api/transport.ts';
import type { CachedObject } from '../cache/cached-object.ts';
import { listFrame, listMetadata, type ListHead, type Written } from './encoding.ts';
import { notAcceptableSo } from '../failure.ts';
import { encodeListMeta, closeEnvelope, openEnvelopeOf } from './protobuf-writer.ts';
import type { WideViews } from '../offload/wide.ts';
import { tableParts, type View } from './view.ts';
import type { Resource } from '../resource.ts';

/** A piece: some 0.1 ms to encrypt. */
const PIECE_BYTES = 128 * 1024;
/** Lists of fewer objects are one piece. */
const WHOLE_OBJECTS = 64;

/** A list in JSON, taken apart: what stands before the first item and after the last, and each item. */
export interface JsonList {
  readonly open: Uint8Array;
  readonly items: () => Iterable<Uint8Array>;
  readonly close: Uint8Array;
}

/** The pieces of one body; `length` when it is known before they are made. */
export class ListBody implements AsyncIterable<Uint8Array> {
  readonly length: number | undefined;
  /** For whoever writes it in another form; undefined where it is not a list in JSON. */
  readonly list: JsonList | undefined;
  readonly #pieces: () => AsyncGenerator<Uint8Array>;

  constructor(
    pieces: () => AsyncGenerator<Uint8Array>,
    more: { readonly length?: number; readonly list?: JsonList } = {},
  ) {
    this.#pieces = pieces;
    this.length = more.length;
    this.list = more.list;
  }

  [Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    return this.#pieces();
  }

  /** The same where its pieces have been made. */
  made(pieces: readonly Uint8Array[]): ListBody {
    const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
    const given = async function* (): AsyncGenerator<Uint8Array> {
      yield* pieces;
    };
    return new ListBody(given, { length, ...(this.list !== undefined && { list: this.list }) });
  }
}

/** All of a body in one buffer. */
export async function wholeBody(body: ApiResponse['body']): Promise<Uint8Array> {
  if (body instanceof Uint8Array) return body;
  const pieces: Uint8Array[] = [];
  for await (const piece of body) pieces.push(piece);
  return await joinInSlices(pieces);
}

export interface ListOptions extends Omit<ListHead, 'kind' | 'apiVersion'> {
  readonly resource: Resource;
  readonly view: View;
  readonly objects: readonly CachedObject[];
  readonly clock: Clock;
  /** Absent: all are shown here. */
  readonly wide?: WideViews | undefined;
}

export async function listResponse(options: ListOptions): Promise<ApiResponse> {
  const { view, objects } = options;
  if (view.unshown !== undefined) throw notAcceptableSo(view.unshown);
  const headers = { 'content-type': view.contentType };
  const body = await bodyOf(options);
  if (objects.length > WHOLE_OBJECTS) return { status: 200, headers, body };
  return { status: 200, headers, body: await wholeBody(body) };
}

function headOf({ resource, view, ...rest }: ListOptions): ListHead {
  return view.shape === 'metadata'
    ? { ...rest, kind: 'PartialObjectMetadataList', apiVersion: view.metaVersion }
    : { ...rest, kind: resource.declaration.listKind, apiVersion: resource.apiVersion };
}

async function bodyOf(options: ListOptions): Promise<ListBody> {
  const { resource, view, objects, clock } = options;
  const head = headOf(options);
  if (view.format === 'protobuf') return new ListBody(() => protobufOf(head, options));
  if (view.shape === 'table') {
    const metadata = listMetadata(head);
    const { open, row } = tableParts({ resource, ...view, now: clock.now(), metadata });
    const { rowOrder } = resource.declaration;
    const ordered =
      rowOrder === undefined ? objects : objects.toSorted((a, b) => rowOrder(a.object, b.object));
    return joinedBody({ ...options, objects: ordered, form: 'row' }, row, {
      open,
      close: Buffer.from(']}\n'),
    });
  }
  const frame = listFrame(head);
  if (!view.verbatim) return joinedBody({ ...options, form: 'item' }, view.item, frame);
  const slice = new Slice(clock);
  let length = frame.open.length + frame.close.length + Math.max(0, objects.length - 1);
  for (const object of objects) {
    length += object.lengthAs(view.itemForm);
    if (slice.over) await slice.next();
  }
  const list = { ...frame, items: () => objects.values().map(view.item) };
  return new ListBody(() => copied(options, frame), { length, list });
}

interface Around {
  readonly open: Buffer;
  readonly close: Buffer;
}

const COMMA = Buffer.from(',');

/** Bytes side by side in pieces: what is encoded for a list does not live until the collector comes. */
class Pieces {
  #piece = Buffer.allocUnsafeSlow(PIECE_BYTES);
  #at = 0;

  /** False: the piece has to be taken first. */
  has(room: number): boolean {
    return this.#at + room <= this.#piece.length;
  }

  add(bytes: Uint8Array): void {
    this.#piece.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  addObject(object: CachedObject, as: Written): void {
    this.#at = object.writeInto(this.#piece, this.#at, as);
  }

  /** What has been written; the next piece has room for so many bytes. */
  take(room = 0): Uint8Array {
    const taken = this.#piece.subarray(0, this.#at);
    this.#piece = Buffer.allocUnsafeSlow(Math.max(PIECE_BYTES, room));
    this.#at = 0;
    return taken;
  }
}

/** Cached bytes, copied side by side. */
async function* copied(
  { objects, clock, view: { itemForm } }: ListOptions,
  { open, close }: Around,
): AsyncGenerator<Uint8Array> {
  const slice = new Slice(clock);
  const pieces = new Pieces();
  pieces.add(open);
  for (const [i, object] of objects.entries()) {
    const room = object.lengthAs(itemForm) + 1;
    if (!pieces.has(room)) {
      // Whoever takes it may write it at once.
      yield pieces.take(room);
      if (slice.over) await slice.next();
    }
    if (i > 0) pieces.add(COMMA);
    pieces.addObject(object, itemForm);
  }
  yield pieces.take();
  yield close;
}

interface JoinedOptions extends ListOptions {
  readonly form: 'item' | 'row';
}

function joinedBody(
  options: JoinedOptions,
  encode: (object: CachedObject) => Uint8Array,
  around: Around,
): ListBody {
  const list = { ...around, items: () => options.objects.values().map(encode) };
  return new ListBody(() => joined(options, encode, around), { list });
}

/** Encoded one by one. */
async function* joined(
  { objects, clock, wide, form }: JoinedOptions,
  encode: (object: CachedObject) => Uint8Array,
  { open, close }: Around,
): AsyncGenerator<Uint8Array> {
  const slice = new Slice(clock);
  const pieces = new Pieces();
  pieces.add(open);
  for (const [i, object] of objects.entries()) {
    if (slice.over) await slice.next();
    const bytes = wide?.takes(object) === true ? await wide.show(object, { form }) : encode(object);
    const room = bytes.length + 1;
    if (!pieces.has(room)) yield pieces.take(room);
    if (i > 0) pieces.add(COMMA);
    pieces.add(bytes);
  }
  yield pieces.take();
  yield close;
}

/** The length of the whole stands before the first item, so every item is encoded first. */
async function* protobufOf(
  head: ListHead,
  { objects, view, clock, wide }: ListOptions,
): AsyncGenerator<Uint8Array> {
  const slice = new Slice(clock);
  const meta = encodeListMeta(listMetadata(head));
  const pieces = new Pieces();
  const encoded: Uint8Array[] = [];
  let length = meta.length;
  for (const object of objects) {
    if (slice.over) await slice.next();
    const isWide = wide?.takes(object) === true;
    const item = isWide ? await wide.show(object, { form: 'item' }) : view.item(object);
    if (!pieces.has(item.length)) encoded.push(pieces.take(item.length));
    pieces.add(item);
    length += item.length;
  }
  encoded.push(pieces.take());
  yield Buffer.concat([openEnvelopeOf(head, length), meta]);
  for (const piece of encoded) {
    if (slice.over) await slice.next();
    yield piece;
  }
  yield closeEnvelope();
}
