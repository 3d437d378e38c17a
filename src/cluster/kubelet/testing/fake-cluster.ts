import { PlatformError } from '../../../base/errors.ts';
import type {
  ApiObject,
  Client,
  Informer,
  InformerFactory,
  InformerHandler,
  ObjectRef,
  ResourceType,
} from '../../client/contract.ts';

/**
 * An API as the kubelet sees it, without a server: objects in maps, informers that are always current. Statuses merge
 * field by field; a delete with a grace period sets the deletion timestamp, one without removes.
 */
export class FakeCluster {
  readonly #objects = new Map<string, Map<string, ApiObject>>();
  readonly #handlers = new Map<string, Set<InformerHandler<ApiObject>>>();
  /** Every write: `patch pods default/web`. */
  readonly writes: string[] = [];
  /** What a posted subresource is answered with. */
  answer: (body: ApiObject) => ApiObject = (body) => body;
  readonly client: Client;
  readonly informers: InformerFactory;
  #uids = 1;

  constructor() {
    this.client = this.#makeClient();
    this.informers = {
      informer: <T extends ApiObject>(
        type: ResourceType<T>,
        options?: { readonly indexes?: Readonly<Record<string, (object: T) => readonly string[]>> },
      ) => this.#informer(type, options?.indexes ?? {}),
      metadata: (type, options) => this.#informer(type, options?.indexes ?? {}),
      drop: () => {},
      start: () => {},
      [Symbol.asyncDispose]: async () => {},
    };
  }

  get<T extends ApiObject>(type: ResourceType<T>, key: string): T | undefined {
    return this.#table(type).get(key) as T | undefined;
  }

  put<T extends ApiObject>(type: ResourceType<T>, object: T): T {
    const key = keyOf(object);
    const previous = this.#table(type).get(key);
    const uid = object.metadata?.uid ?? `uid-${this.#uids++}`;
    const stored = { ...object, metadata: { ...object.metadata, uid } };
    this.#table(type).set(key, stored);
    for (const handler of this.#handlersOf(type)) {
      if (previous === undefined) handler.added?.(stored);
      else handler.updated?.(stored, previous);
    }
    return stored;
  }

  remove(type: ResourceType, key: string): void {
    const previous = this.#table(type).get(key);
    if (previous === undefined) return;
    this.#table(type).delete(key);
    for (const handler of this.#handlersOf(type)) handler.deleted?.(previous);
  }

  #table(type: ResourceType): Map<string, ApiObject> {
    const table = this.#objects.get(type.resource) ?? new Map<string, ApiObject>();
    this.#objects.set(type.resource, table);
    return table;
  }

  #handlersOf(type: ResourceType): Set<InformerHandler<ApiObject>> {
    const handlers = this.#handlers.get(type.resource) ?? new Set();
    this.#handlers.set(type.resource, handlers);
    return handlers;
  }

  #informer<T extends ApiObject>(
    type: ResourceType<T>,
    indexes: Readonly<Record<string, (object: T) => readonly string[]>>,
  ): Informer<T> {
    const list = (): T[] => [...this.#table(type).values()] as T[];
    return {
      get: (key) => this.get(type, key),
      list,
      byIndex: (index, value) => list().filter((object) => indexes[index]?.(object).includes(value) === true),
      addHandler: (handler) => {
        const set = this.#handlersOf(type);
        const general = handler as InformerHandler<ApiObject>;
        set.add(general);
        for (const object of list()) handler.added?.(object);
        return { [Symbol.dispose]: () => void set.delete(general) };
      },
      synced: async () => {},
    };
  }

  #makeClient(): Client {
    const find = (type: ResourceType, ref: ObjectRef): ApiObject => {
      const object = this.#table(type).get(refKey(ref));
      if (object === undefined) throw new PlatformError('not-found', `${type.resource} ${refKey(ref)}`);
      return object;
    };
    const note = (verb: string, type: ResourceType, key: string): void =>
      void this.writes.push(`${verb} ${type.resource} ${key}`);
    return {
      get: async (type, ref) => find(type, ref) as never,
      list: async (type) => ({ items: [...this.#table(type).values()] as never[], resourceVersion: '1' }),
      create: async (type, object) => {
        note('create', type, keyOf(object));
        return this.put(type, object);
      },
      update: async (type, object) => {
        note('update', type, keyOf(object));
        return this.put(type, object);
      },
      patch: async (type, ref, patch) => {
        note('patch', type, refKey(ref));
        const before = find(type, ref) as ApiObject & { status?: object };
        const body = patch.body as { metadata?: { uid?: string }; status?: object };
        const uid = body.metadata?.uid;
        if (uid !== undefined && uid !== before.metadata?.uid)
          throw new PlatformError('conflict', 'uid differs');
        const after = { ...before, status: withoutDeleted({ ...before.status, ...body.status }) };
        return this.put(type, after as never);
      },
      delete: async (type, ref, options = {}) => {
        note('delete', type, refKey(ref));
        const before = find(type, ref);
        if (options.uid !== undefined && options.uid !== before.metadata?.uid) {
          throw new PlatformError('conflict', 'uid differs');
        }
        this.remove(type, refKey(ref));
      },
      post: async (type, ref, subresource, body) => {
        note(`post ${subresource}`, type, refKey(ref));
        return this.answer(body);
      },
      discover: async () => ({ types: [], unavailable: [] }),
      watch: async function* () {},
    };
  }
}

/** Conditions are replaced as a whole; those that are sent away by name do not stay as entries. */
function withoutDeleted(status: { conditions?: readonly { $patch?: string }[] }): object {
  const { conditions } = status;
  return conditions === undefined
    ? status
    : { ...status, conditions: conditions.filter(({ $patch }) => $patch !== 'delete') };
}

function refKey(ref: ObjectRef): string {
  return ref.namespace === undefined ? ref.name : `${ref.namespace}/${ref.name}`;
}

function keyOf(object: ApiObject): string {
  const { name = '', namespace } = object.metadata ?? {};
  return refKey({ name, ...(namespace === undefined ? {} : { namespace }) });
}
