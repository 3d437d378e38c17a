import { PlatformError } from '../../base/errors.ts';
import type { Status } from '../api/generated/meta-v1.ts';
import { LARGE_BYTES } from '../../base/yield-to-loop.ts';
import { encodeInSlices } from '../api/encode-in-slices.ts';
import type { JsonObject } from '../api/json.ts';
import { hasKnownLists } from '../api/known-lists.ts';
import { parseShared, type SharedReading } from '../api/parse-in-slices.ts';
import { toldBy } from '../api/told-events.ts';
import type { ApiRequest, ApiResponse, Transport } from '../api/transport.ts';
import type {
  ApiObject,
  Client,
  DeleteOptions,
  Discovered,
  ListOptions,
  ListResult,
  ObjectRef,
  PatchType,
  ResourceType,
  WatchEvent,
} from './contract.ts';
import { DISCOVERY_ACCEPT, discoveredOf, type GroupDiscoveryList } from './discovery.ts';
import { LineReader } from './frames.ts';
import { apiVersionOf, collectionPath, objectPath } from './resource-path.ts';
import { statusError } from './status-error.ts';

export interface ClientOptions {
  readonly transport: Transport;
  /** What the server's audit and managedFields call this client. */
  readonly userAgent?: string;
}

const PATCH_CONTENT: Readonly<Record<PatchType, string>> = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
};

const OWNERS = ['metadata', 'managedFields'];
// The same name comes only once in an object that is long: it takes longer than a list as long.
const OBJECT = { without: OWNERS, inOneGo: LARGE_BYTES };
const FRAME = { without: ['object', ...OWNERS], inOneGo: LARGE_BYTES };
const LIST = { without: ['items', ...OWNERS] };
const METADATA_CONTENT = 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1';
const METADATA_LIST_CONTENT = 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1';

/** A client for the API behind `transport`, as whoever that transport authenticates. */
export function createClient({ transport, userAgent = 'sampan' }: ClientOptions): Client {
  return new TransportClient(transport, userAgent);
}

class TransportClient implements Client {
  readonly #transport: Transport;
  readonly #headers: Readonly<Record<string, string>>;

  constructor(transport: Transport, userAgent: string) {
    this.#transport = transport;
    this.#headers = { accept: 'application/json', 'user-agent': userAgent };
  }

  async get<T extends ApiObject>(type: ResourceType<T>, ref: ObjectRef): Promise<T> {
    const accept = type.metadataOnly === true ? METADATA_CONTENT : undefined;
    return named(type, await this.#call<T>('GET', objectPath(type, ref), { accept }));
  }

  async list<T extends ApiObject>(type: ResourceType<T>, options: ListOptions = {}): Promise<ListResult<T>> {
    const url = collectionPath(type, options.namespace) + queryOf(options);
    const accept = type.metadataOnly === true ? METADATA_LIST_CONTENT : undefined;
    const body = await this.#call<ListBody<T>>('GET', url, { accept, reading: LIST });
    const items = body.items ?? [];
    // On the wire the items of a typed list do not say what they are; whoever holds one alone needs to know.
    for (const item of items) named(type, item);
    const next = body.metadata?.continue ?? '';
    const resourceVersion = body.metadata?.resourceVersion ?? '';
    return next === '' ? { items, resourceVersion } : { items, resourceVersion, continue: next };
  }

  async create<T extends ApiObject>(type: ResourceType<T>, object: T): Promise<T> {
    return this.#call<T>('POST', collectionPath(type, namespaceOf(type, object)), {
      body: withKind(type, object),
    });
  }

  async update<T extends ApiObject>(type: ResourceType<T>, object: T, subresource?: string): Promise<T> {
    const { name = '', namespace } = object.metadata ?? {};
    const path = objectPath(type, namespace === undefined ? { name } : { name, namespace }, subresource);
    // A subresource may have a body of another kind (autoscaling/v1 Scale), which then says so itself.
    return this.#call<T>('PUT', path, { body: withKind(type, object) });
  }

  async patch<T extends ApiObject>(
    type: ResourceType<T>,
    ref: ObjectRef,
    patch: { readonly type: PatchType; readonly body: unknown; readonly subresource?: string },
  ): Promise<T> {
    return this.#call<T>('PATCH', objectPath(type, ref, patch.subresource), {
      body: patch.body,
      contentType: PATCH_CONTENT[patch.type],
    });
  }

  async delete<T extends ApiObject>(
    type: ResourceType<T>,
    ref: ObjectRef,
    options: DeleteOptions = {},
  ): Promise<void> {
    const { uid, resourceVersion, gracePeriodSeconds, propagationPolicy } = options;
    const preconditions = { ...(uid && { uid }), ...(resourceVersion && { resourceVersion }) };
    await this.#call('DELETE', objectPath(type, ref), {
      body: {
        apiVersion: 'v1',
        kind: 'DeleteOptions',
        ...(Object.keys(preconditions).length > 0 && { preconditions }),
        ...(gracePeriodSeconds !== undefined && { gracePeriodSeconds }),
        ...(propagationPolicy && { propagationPolicy }),
      },
    });
  }

  async post<T extends ApiObject>(
    type: ResourceType<T>,
    ref: ObjectRef,
    subresource: string,
    body: ApiObject,
  ): Promise<ApiObject> {
    return await this.#call('POST', objectPath(type, ref, subresource), { body });
  }

  async discover(): Promise<Discovered> {
    const [core, groups] = await Promise.all(
      ['/api', '/apis'].map((path) =>
        this.#call<GroupDiscoveryList>('GET', path, { accept: DISCOVERY_ACCEPT }),
      ),
    );
    return discoveredOf([...(core?.items ?? []), ...(groups?.items ?? [])]);
  }

  async *watch<T extends ApiObject>(
    type: ResourceType<T>,
    options: ListOptions & { readonly signal: AbortSignal },
  ): AsyncGenerator<WatchEvent<T>, void, undefined> {
    const { signal } = options;
    const query = queryOf(options, { watch: 'true', allowWatchBookmarks: 'true' });
    const url = collectionPath(type, options.namespace) + query;
    let response: ApiResponse;
    try {
      const headers =
        type.metadataOnly === true ? { ...this.#headers, accept: METADATA_CONTENT } : this.#headers;
      response = await this.#transport.request({ method: 'GET', url, headers, signal });
      if (response.status !== 200) throw await failure(response, `watch of ${type.resource}`);
      for await (const frame of framesOf(response.body)) {
        if (signal.aborted) return;
        yield watchEvent<T>(frame as Frame<T>, type);
      }
    } catch (error) {
      if (signal.aborted) return;
      throw error;
    }
  }

  async #call<R>(
    method: ApiRequest['method'],
    url: string,
    { body, contentType = 'application/json', accept, reading = OBJECT }: CallOptions = {},
  ): Promise<R> {
    const headers = accept === undefined ? this.#headers : { ...this.#headers, accept };
    const response = await this.#transport.request({
      method,
      url,
      headers: body === undefined ? headers : { ...headers, 'content-type': contentType },
      ...(body === undefined ? {} : { body: await bytesOf(body as JsonObject) }),
    });
    if (response.status < 200 || response.status > 299) throw await failure(response, `${method} ${url}`);
    return (await parseShared(await textOf(response.body), reading)) as R;
  }
}

interface CallOptions {
  readonly body?: unknown;
  readonly contentType?: string;
  readonly accept?: string | undefined;
  readonly reading?: SharedReading;
}

/** What has a list that is known is put together quickly; all else is short. */
function bytesOf(body: JsonObject): Promise<Buffer> | Buffer {
  return hasKnownLists() ? encodeInSlices(body) : Buffer.from(JSON.stringify(body));
}

/** Says what the object is, where the answer does not, or says that it is metadata. */
function named<T extends ApiObject>(type: ResourceType<T>, object: T): T {
  if (type.metadataOnly === true || object.kind === undefined) {
    object.apiVersion = apiVersionOf(type);
    object.kind = type.kind;
  }
  return object;
}

interface ListBody<T> {
  readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string };
  readonly items?: T[] | null;
}

interface Frame<T> {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  readonly object: T;
}

function watchEvent<T extends ApiObject>(frame: Frame<T>, type: ResourceType<T>): WatchEvent<T> {
  switch (frame.type) {
    case 'BOOKMARK':
      return { type: 'BOOKMARK', resourceVersion: frame.object.metadata?.resourceVersion ?? '' };
    case 'ERROR': {
      const status = frame.object as Status;
      throw statusError(status.code ?? 500, status, `watch of ${type.resource}`);
    }
    default:
      return { type: frame.type, object: named(type, frame.object) };
  }
}

function queryOf(options: ListOptions, more: Readonly<Record<string, string>> = {}): string {
  const query = new URLSearchParams(more);
  for (const name of ['labelSelector', 'fieldSelector', 'resourceVersion', 'limit', 'continue'] as const) {
    const value = options[name];
    if (value !== undefined && value !== '') query.set(name, `${value}`);
  }
  const text = query.toString();
  return text === '' ? '' : `?${text}`;
}

function namespaceOf(type: ResourceType, object: ApiObject): string | undefined {
  if (!type.namespaced) return undefined;
  const namespace = object.metadata?.namespace;
  if (namespace === undefined || namespace === '') {
    throw new PlatformError('invalid', `${type.resource}: metadata.namespace: must not be empty`);
  }
  return namespace;
}

function withKind<T extends ApiObject>(type: ResourceType<T>, object: T): T {
  return { apiVersion: apiVersionOf(type), kind: type.kind, ...object };
}

async function failure(response: ApiResponse, what: string): Promise<PlatformError> {
  const text = await textOf(response.body);
  let status: Status | undefined;
  try {
    const body = JSON.parse(text) as Status | null;
    if (body?.kind === 'Status') status = body;
  } catch {
    // Something between us and the server has answered: the code is all we know.
  }
  return statusError(response.status, status, what);
}

async function textOf(body: ApiResponse['body']): Promise<string> {
  if (body instanceof Uint8Array)
    return Buffer.from(body.buffer, body.byteOffset, body.length).toString('utf8');
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

/** What a watch says, frame by frame. */
async function* framesOf(body: ApiResponse['body']): AsyncGenerator<unknown, void, undefined> {
  const reader = new LineReader();
  for await (const chunk of body instanceof Uint8Array ? [body] : body) {
    const told = toldBy(chunk);
    if (told !== undefined) yield* told;
    else for (const line of reader.take(chunk)) yield await parseShared(line, FRAME);
  }
  for (const line of reader.rest()) yield await parseShared(line, FRAME);
}
