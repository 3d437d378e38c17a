/**
 * What controllers, scheduler, kubelet and proxy see of the API. Objects are the interfaces of
 * `../api/generated/*.ts`; whatever a cache hands out is shared and must not be changed.
 */
import type { ObjectMeta } from '../api/generated/meta-v1.ts';

export interface ApiObject {
  apiVersion?: string | undefined;
  kind?: string | undefined;
  metadata?: ObjectMeta | undefined;
}

/** A resource as it is addressed: `{ group: 'apps', version: 'v1', resource: 'deployments', kind: 'Deployment', namespaced: true }`. */
export interface ResourceType<T extends ApiObject = ApiObject> {
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly kind: string;
  readonly namespaced: boolean;
  /** Only metadata is asked for (PartialObjectMetadata): all other fields are absent. */
  readonly metadataOnly?: boolean;
  /** Only carries T. */
  readonly example?: T;
}

export interface ListOptions {
  /** All namespaces when absent. */
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  readonly resourceVersion?: string;
  readonly limit?: number;
  readonly continue?: string;
}

export interface ListResult<T> {
  readonly items: readonly T[];
  readonly resourceVersion: string;
  readonly continue?: string;
}

export type WatchEvent<T> =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: T }
  | { readonly type: 'BOOKMARK'; readonly resourceVersion: string };

export type PatchType = 'json' | 'merge' | 'strategic';

export interface ObjectRef {
  readonly name: string;
  readonly namespace?: string;
}

export interface DeleteOptions {
  readonly gracePeriodSeconds?: number;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly propagationPolicy?: 'Background' | 'Foreground' | 'Orphan';
}

/** A resource that a server says it serves, in the version that it prefers. */
export interface ServedType extends ResourceType {
  /** `get`, `list`, `watch`, `delete`, … */
  readonly verbs: readonly string[];
}

export interface Discovered {
  readonly types: readonly ServedType[];
  /** Group versions that are served by another program which cannot be asked now: `metrics.k8s.io/v1beta1`. */
  readonly unavailable: readonly string[];
}

/**
 * One user's view of an API server. Errors are PlatformErrors: 404 `not-found`, 409 `conflict` or `already-exists` (by
 * the Status' reason), 410 `expired`, 422 and 400 `invalid`, 401 `unauthenticated`, 403 `forbidden`, 429 and 5xx `unavailable`;
 * details carry the Status.
 *
 * Who owns which field may be left out of objects, and is where that saves work: of wide objects it is the larger part. Long lists
 * in them may be shared with others: whoever wants them to be different makes a copy.
 */
export interface Client {
  get<T extends ApiObject>(type: ResourceType<T>, ref: ObjectRef): Promise<T>;
  list<T extends ApiObject>(type: ResourceType<T>, options?: ListOptions): Promise<ListResult<T>>;
  create<T extends ApiObject>(type: ResourceType<T>, object: T): Promise<T>;
  /** PUT; `subresource` is `status` or `scale`. */
  update<T extends ApiObject>(type: ResourceType<T>, object: T, subresource?: string): Promise<T>;
  patch<T extends ApiObject>(
    type: ResourceType<T>,
    ref: ObjectRef,
    patch: { readonly type: PatchType; readonly body: unknown; readonly subresource?: string },
  ): Promise<T>;
  delete<T extends ApiObject>(type: ResourceType<T>, ref: ObjectRef, options?: DeleteOptions): Promise<void>;
  /**
   * Creates a subresource: `bind` posts a Binding to `pods/<name>/binding`. The answer is the body completed
   * (`serviceaccounts/<name>/token`), or a Status.
   */
  post<T extends ApiObject>(
    type: ResourceType<T>,
    ref: ObjectRef,
    subresource: string,
    body: ApiObject,
  ): Promise<ApiObject>;
  /** Everything that is served, each resource once, in the version that is preferred. */
  discover(): Promise<Discovered>;
  /** Ends when the server ends it or the signal aborts; throws `expired` on 410. */
  watch<T extends ApiObject>(
    type: ResourceType<T>,
    options: ListOptions & { readonly signal: AbortSignal },
  ): AsyncIterable<WatchEvent<T>>;
}

/** Called in order, one event at a time; must not throw and must not wait. */
export interface InformerHandler<T> {
  added?(object: T): void;
  updated?(object: T, previous: T): void;
  deleted?(object: T): void;
}

export interface Informer<T extends ApiObject> {
  /** `namespace/name`, or `name` for cluster-scoped objects. */
  get(key: string): T | undefined;
  list(): readonly T[];
  /** Objects for which the index function named `index` (given at creation) returned `value`. */
  byIndex(index: string, value: string): readonly T[];
  /** Replays what is known as `added`. */
  addHandler(handler: InformerHandler<T>): Disposable;
  /** Resolves once the first list is in the cache and handed to the handlers. */
  synced(signal?: AbortSignal): Promise<void>;
}

export type IndexFunctions<T> = Readonly<Record<string, (object: T) => readonly string[]>>;

/** Informers are shared: one list and watch per type and selector, however many ask. */
export interface InformerFactory extends AsyncDisposable {
  informer<T extends ApiObject>(
    type: ResourceType<T>,
    options?: {
      readonly fieldSelector?: string;
      readonly labelSelector?: string;
      readonly indexes?: IndexFunctions<T>;
    },
  ): Informer<T>;
  /**
   * An informer of what all kinds have: their metadata. Where there is one of whole objects already, it is that one, so
   * that nothing is kept twice.
   */
  metadata(
    type: ResourceType,
    options?: { readonly indexes?: IndexFunctions<ApiObject> },
  ): Informer<ApiObject>;
  /** Ends what `metadata` has started for a type that is served no more. */
  drop(type: ResourceType): void;
  /** Starts every informer asked for so far (and later ones at once). */
  start(): void;
}

/**
 * A work queue with client-go's guarantees: a key is never handled twice at once, a key added while handled is handled
 * again after, additions of a waiting key are merged.
 */
export interface WorkQueue {
  add(key: string): void;
  addAfter(key: string, ms: number): void;
  /** Adds after the key's exponential delay (5 ms doubling to 1000 s). */
  addRateLimited(key: string): void;
  forget(key: string): void;
  /** Runs `handle` for each key with up to `workers` at once until the signal aborts; a throw means addRateLimited. */
  run(workers: number, handle: (key: string) => Promise<void>, signal: AbortSignal): Promise<void>;
}

/** One long-running part of the control plane. `run` returns when the signal aborts. */
export interface Controller {
  readonly name: string;
  run(signal: AbortSignal): Promise<void>;
}
