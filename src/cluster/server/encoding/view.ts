/** How a cached object is shown: in the version, shape and encoding that a client asked for. */
import type { Clock } from '../../../base/clock.ts';
import { goQuote } from '../../api/field-error.ts';
import { kindSchema } from '../../api/schema.ts';
import { partialMetadata, tableRows } from '../../api/table.ts';
import { encodeFrame, encodeUnstored, frameAround, type Written } from './encoding.ts';
import { badRequest } from '../failure.ts';
import { negotiate, PROTOBUF, type MetaVersion, type Shape } from './negotiate.ts';
import type { KubeObject } from '../object.ts';
import { encodeEnvelope, encodeMessage, encodePassingItem, encodeProtobufFrame } from './protobuf-writer.ts';
import type { ConvertingProgram, Resource } from '../resource.ts';
import { CachedObject } from '../cache/cached-object.ts';

/** The object in the resource's version: read only. Not kept decoded, as many are walked over. */
function passingObject(resource: Resource, cached: CachedObject): KubeObject {
  const stored = cached.peek();
  return resource.conversion === undefined ? stored : resource.conversion.fromStorage(stored);
}

/** The shared object in the resource's version: read only. */
export function objectOf(resource: Resource, cached: CachedObject): KubeObject {
  return resource.conversion === undefined ? cached.object : resource.conversion.fromStorage(cached.object);
}

/** An object of which views can be made: the object itself, unless another program converts it. */
export function viewable(
  { conversion }: Resource,
  cached: CachedObject,
): CachedObject | Promise<CachedObject> {
  return conversion?.program === undefined ? cached : convertedBy(conversion.program, cached);
}

async function convertedBy(program: ConvertingProgram, cached: CachedObject): Promise<CachedObject> {
  if (cached.revision > 0) return (await program.shown([cached]))[0]!;
  // What was never stored may have a version that was sent.
  const shown = await program.fromStorage(cached.decode());
  return new CachedObject(cached.key, encodeUnstored(shown), 0);
}

/** Whether cached bytes are shown as they are: none are converted, or have been. */
function isVerbatim({ conversion }: Resource): boolean {
  return conversion === undefined || conversion.program !== undefined;
}

export function bytesOf(resource: Resource, cached: CachedObject): Uint8Array {
  if (resource.conversion === undefined || isVerbatim(resource)) return cached.bytes;
  const stored = cached.object;
  const shown = resource.conversion.fromStorage(stored);
  return shown === stored ? cached.bytes : toBytes(shown);
}

function itemOf(resource: Resource, cached: CachedObject): Uint8Array {
  if (resource.conversion === undefined) return cached.item;
  const { kind: _kind, apiVersion: _version, ...item } = passingObject(resource, cached);
  return toBytes(item);
}

export function toBytes(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}

/** What rows of a table carry beside their cells. */
export type IncludeObject = 'Metadata' | 'Object' | 'None';

/** What nobody keeps: it has neither name nor content. */
export interface Unstored {
  readonly kind: string;
  readonly apiVersion: string;
  readonly metadata?: object | undefined;
}

export interface View {
  readonly shape: Shape;
  readonly format: 'json' | 'protobuf';
  /** Of tables and metadata. */
  readonly metaVersion: MetaVersion;
  /** The cached bytes are the answer as they are. */
  readonly verbatim: boolean;
  /** Names the encoding, for sharing encoded events. */
  readonly form: string;
  readonly contentType: string;
  /** The content type of a watch. */
  readonly streamType: string;
  readonly include: IncludeObject;
  /** The object as a whole body. */
  readonly encode: (object: CachedObject) => Uint8Array;
  /** How cached bytes stand in a list: in a custom resource's the items say their kind, in all others the list does. */
  readonly itemForm: Written;
  /** The object as an item of a list; the bytes are good until the next item is made. */
  readonly item: (object: CachedObject) => Uint8Array;
  /** One frame of a watch. */
  readonly frame: (type: string, object: CachedObject) => Uint8Array;
  /** A frame around an object that is not stored: a bookmark, a Status. */
  readonly frameOf: (type: string, object: Unstored) => Uint8Array;
  /** Why nothing can be shown so. */
  readonly unshown?: string | undefined;
  /** For the frames after the first, where that one says what the others need not: the columns of a table. */
  readonly later?: View;
}

/** The view that the Accept header and the query of a request ask for. */
export function viewFor(options: {
  readonly resource: Resource;
  readonly accept: string | undefined;
  readonly query: URLSearchParams;
  readonly clock: Clock;
  /** Objects one by one, each by itself, all in one list, or in the list of what is deleted, which nobody watches. */
  readonly as?: 'object' | 'list' | 'events' | 'deleted' | undefined;
}): View {
  const { resource, accept, query, clock, as = 'object' } = options;
  const { shape, format, metaVersion, unshown } = negotiate(accept, {
    protobuf: resource.type.wire !== undefined,
    table: !resource.declaration.virtual,
    list: as === 'list' || as === 'events',
    stream: as === 'events',
    metadataOf: as === 'events' ? undefined : { type: goType(resource), list: as !== 'object' },
  });
  const include = shape === 'table' ? includeOf(query) : 'Metadata';
  if (format === 'protobuf') return { ...protobufView(resource, { shape, include, metaVersion }), unshown };
  if (shape === 'object') {
    let view = include === 'Metadata' ? objectViews.get(resource) : undefined;
    if (view === undefined) {
      view = objectView(resource, { include, metaVersion });
      if (include === 'Metadata') objectViews.set(resource, view);
    }
    return view;
  }
  const json = { shape, format, include, metaVersion, verbatim: false } as const;
  if (shape === 'metadata') {
    const encode = (object: CachedObject): Uint8Array => object.metadataAs(metaVersion);
    const view = jsonView({ ...json, form: metaVersion }, encode, (bookmark) =>
      toBytes(partialMetadata(bare(bookmark), metaVersion)),
    );
    return { ...view, unshown };
  }
  const tableView = (columns: boolean): View => {
    const table = (shown: KubeObject, metadata: Record<string, unknown>): Uint8Array =>
      tableAround({ resource, include, metaVersion, now: clock.now(), metadata, columns }, [shown]);
    const form = `${metaVersion} table ${resource.apiVersion} ${include}${columns ? '' : ' rows'}`;
    return jsonView(
      { ...json, form },
      (object) => table(passingObject(resource, object), versionOf(object.revision)),
      (bookmark) => {
        const shown = bare(bookmark);
        return table(shown, { resourceVersion: shown.metadata.resourceVersion });
      },
    );
  };
  return { ...tableView(true), later: tableView(false) };
}

/** The view that nearly everybody wants. */
const objectViews = new WeakMap<Resource, View>();

function objectView(resource: Resource, facts: Pick<View, 'include' | 'metaVersion'>): View {
  const { apiVersion, type } = resource;
  const form = {
    shape: 'object',
    format: 'json',
    verbatim: isVerbatim(resource),
    form: apiVersion,
  } as const;
  const view = jsonView({ ...facts, ...form }, (object) => bytesOf(resource, object));
  if (type.wire === undefined) return view;
  return { ...view, itemForm: 'item', item: (object) => itemOf(resource, object) };
}

/** The name of the type in upstream's source, which some messages have. */
function goType({ group, kind }: Resource): string {
  return `${group === '' ? 'core' : group.split('.')[0]!}.${kind}`;
}

/** Of the kind that it stands for, with next to nothing in it. */
function bare({ kind, apiVersion, metadata }: Unstored): KubeObject {
  return { kind, apiVersion, metadata: { ...metadata } };
}

function jsonView(
  facts: Pick<View, 'shape' | 'format' | 'include' | 'form' | 'verbatim' | 'metaVersion'>,
  encode: View['encode'],
  /** A bookmark has the form of the objects around it; a Status is always in its own. */
  bookmark: (object: Unstored) => Uint8Array = toBytes,
): View {
  return {
    ...facts,
    contentType: 'application/json',
    streamType: 'application/json',
    encode,
    itemForm: 'whole',
    item: encode,
    frame: facts.verbatim ? verbatimFrame : (type, object) => encodeFrame(type, encode(object)),
    frameOf: (type, object) => encodeFrame(type, (type === 'BOOKMARK' ? bookmark : toBytes)(object)),
  };
}

function verbatimFrame(type: string, object: CachedObject): Uint8Array {
  const { open, close } = frameAround(type);
  const frame = Buffer.allocUnsafe(open.length + object.lengthAs('whole') + close.length);
  const end = object.writeInto(frame, frame.write(open, 'latin1'), 'whole');
  frame.write(close, end, 'latin1');
  return frame;
}

const METADATA = 'PartialObjectMetadata';

function protobufView(
  resource: Resource,
  { shape, include, metaVersion }: Pick<View, 'shape' | 'include' | 'metaVersion'>,
): View {
  const schema = shape === 'metadata' ? kindSchema('meta.k8s.io', 'v1', METADATA) : resource.type.wire;
  if (schema === undefined) throw badRequest(`${resource.kind} has no protobuf form`);
  const head =
    shape === 'metadata'
      ? { apiVersion: metaVersion, kind: METADATA }
      : { apiVersion: resource.apiVersion, kind: resource.kind };
  const messageOf = (object: CachedObject): Uint8Array =>
    encodeMessage(passingObject(resource, object), schema.message);
  const encode = (object: CachedObject): Uint8Array => encodeEnvelope(head, messageOf(object));
  return {
    shape,
    format: 'protobuf',
    verbatim: false,
    form: `protobuf ${shape} ${head.apiVersion}`,
    metaVersion,
    contentType: PROTOBUF,
    streamType: `${PROTOBUF};stream=watch`,
    include,
    encode,
    itemForm: 'item',
    item: (object) => encodePassingItem(passingObject(resource, object), schema.message),
    frame: (type, object) => encodeProtobufFrame(type, encode(object)),
    frameOf: (type, object) => {
      const kind = object.kind === 'Status' ? kindSchema('', 'v1', 'Status') : schema;
      const message = encodeMessage(
        { ...object, metadata: { ...object.metadata } },
        (kind ?? schema).message,
      );
      return encodeProtobufFrame(type, encodeEnvelope(object.kind === 'Status' ? object : head, message));
    },
  };
}

function includeOf(query: URLSearchParams): IncludeObject {
  const value = query.get('includeObject') ?? '';
  if (value === '') return 'Metadata';
  if (value === 'None' || value === 'Metadata' || value === 'Object') return value;
  const why = `includeObject: Invalid value: ${goQuote(value)}: must be 'Metadata', 'Object', 'None', or empty`;
  throw badRequest(`Unable to convert to Table as requested: ${why}`);
}

export function versionOf(revision: number): Record<string, unknown> {
  return { resourceVersion: String(revision) };
}

export interface TableOptions {
  readonly resource: Resource;
  readonly include: IncludeObject;
  readonly metaVersion: MetaVersion;
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly metadata: Record<string, unknown>;
  /** Whether the columns are told; true when absent. */
  readonly columns?: boolean;
}

export function tableOf(options: TableOptions & { readonly objects: readonly CachedObject[] }): Uint8Array {
  return tableAround(
    options,
    options.objects.map((object) => passingObject(options.resource, object)),
  );
}

function tableAround(options: TableOptions, shown: readonly KubeObject[]): Uint8Array {
  const { resource, now, metadata, metaVersion: apiVersion, columns = true } = options;
  const columnDefinitions = columns ? tableRows(resource.declaration, [], now).columnDefinitions : null;
  const rows = rowsOf(options, shown);
  return toBytes({ kind: 'Table', apiVersion, metadata, columnDefinitions, rows });
}

function rowsOf(
  { resource, include, now, metaVersion }: TableOptions,
  shown: readonly KubeObject[],
): unknown[] {
  return tableRows(resource.declaration, shown, now).rows.map(({ object, ...row }) => {
    if (include === 'None') return row;
    return { ...row, object: include === 'Object' ? object : partialMetadata(object, metaVersion) };
  });
}

/** A table in pieces: what stands before the rows, and a row. */
export function tableParts(options: TableOptions): {
  readonly open: Buffer;
  readonly row: (object: CachedObject) => Uint8Array;
} {
  const { resource, now, metadata, metaVersion: apiVersion } = options;
  const { columnDefinitions } = tableRows(resource.declaration, [], now);
  const head = JSON.stringify({ kind: 'Table', apiVersion, metadata, columnDefinitions });
  return {
    open: Buffer.from(`${head.slice(0, -1)},"rows":[`),
    row: (cached) => toBytes(rowsOf(options, [passingObject(resource, cached)])[0]),
  };
}
