/** What the fake API keeps: objects by resource, one revision counter, and the history that watches replay. */
import { rfc3339, type Clock } from '../../../base/clock.ts';
import { PlatformError } from '../../../base/errors.ts';
import { isJsonObject, type Json, type JsonObject } from './fake-patch.ts';

export interface FakeChange {
  readonly revision: number;
  /** `<group>/<resource>`. */
  readonly resource: string;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: JsonObject;
  readonly previous: JsonObject | undefined;
}

export interface FakeAddress {
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
}

export interface FakePreconditions {
  readonly uid?: string | undefined;
  readonly resourceVersion?: string | undefined;
  readonly gracePeriodSeconds?: number | undefined;
}

export function metadataOf(object: JsonObject): JsonObject {
  const metadata = object['metadata'];
  return isJsonObject(metadata) ? metadata : {};
}

export class FakeObjects {
  readonly history: FakeChange[] = [];
  readonly #clock: Clock;
  readonly #objects = new Map<string, Map<string, JsonObject>>();
  readonly #listeners = new Set<(change: FakeChange) => void>();
  #revision = 1;
  /** Watches from before this revision get 410. */
  #oldest = 0;
  #uids = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get revision(): number {
    return this.#revision;
  }

  get oldest(): number {
    return this.#oldest;
  }

  /** Forgets the history, as compaction does. */
  forget(): void {
    this.#oldest = this.#revision;
    this.history.length = 0;
  }

  onChange(listener: (change: FakeChange) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  list(at: FakeAddress): JsonObject[] {
    const all = [...(this.#objects.get(tableOf(at)) ?? new Map<string, JsonObject>()).entries()];
    return all
      .filter(([key]) => at.namespace === undefined || key.startsWith(`${at.namespace}/`))
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([, object]) => object);
  }

  find(at: FakeAddress): JsonObject | undefined {
    return this.#objects.get(tableOf(at))?.get(keyOf(at));
  }

  get(at: FakeAddress): JsonObject {
    const object = this.find(at);
    if (object === undefined) {
      throw new PlatformError('not-found', `${at.resource} "${at.name ?? ''}" not found`);
    }
    return object;
  }

  create(at: FakeAddress, body: JsonObject): JsonObject {
    const metadata = { ...metadataOf(body) };
    const name = metadata['name'] ?? generated(metadata['generateName'], ++this.#uids);
    if (typeof name !== 'string' || name === '') {
      throw new PlatformError('invalid', `${at.resource}: metadata.name: Required value`);
    }
    const where = { ...at, name };
    if (this.find(where) !== undefined) {
      throw new PlatformError('already-exists', `${at.resource} "${name}" already exists`);
    }
    const object: JsonObject = {
      ...body,
      metadata: {
        ...metadata,
        name,
        ...(at.namespace === undefined ? {} : { namespace: at.namespace }),
        uid: metadata['uid'] ?? `00000000-0000-4000-8000-${String(++this.#uids).padStart(12, '0')}`,
        creationTimestamp: metadata['creationTimestamp'] ?? rfc3339(this.#clock.now()),
        ...('spec' in body ? { generation: 1 } : {}),
      },
    };
    return this.#write(where, 'ADDED', object);
  }

  /**
   * Replaces an object; with subresource `status` only its status, without one everything but its status.
   * `conflict` when the body names another resourceVersion or uid than the present one.
   */
  update(at: FakeAddress, body: JsonObject, subresource?: string): JsonObject {
    const old = this.get(at);
    const before = metadataOf(old);
    const wanted = metadataOf(body);
    this.#expect(at, before, {
      resourceVersion: textOf(wanted['resourceVersion']),
      uid: textOf(wanted['uid']),
    });
    const kept = {
      name: before['name']!,
      ...('namespace' in before ? { namespace: before['namespace']! } : {}),
      uid: before['uid']!,
      creationTimestamp: before['creationTimestamp']!,
      resourceVersion: before['resourceVersion']!,
      ...('generation' in before ? { generation: before['generation']! } : {}),
      ...('deletionTimestamp' in before ? { deletionTimestamp: before['deletionTimestamp']! } : {}),
    };
    let object: JsonObject;
    if (subresource === 'status') {
      object = { ...old, ...('status' in body ? { status: body['status']! } : {}) };
    } else {
      const statusKept = typeof old['status'] === 'object' && 'spec' in old;
      object = {
        ...body,
        metadata: { ...wanted, ...kept },
        ...(statusKept ? { status: old['status']! } : {}),
      };
      if (JSON.stringify(object['spec']) !== JSON.stringify(old['spec'])) {
        object['metadata'] = { ...metadataOf(object), generation: Number(before['generation'] ?? 0) + 1 };
      }
    }
    if (JSON.stringify(object) === JSON.stringify(old)) return old;
    const finalizers = metadataOf(object)['finalizers'];
    const free = !Array.isArray(finalizers) || finalizers.length === 0;
    const hadFinalizers = Array.isArray(before['finalizers']) && before['finalizers'].length > 0;
    if (free && hadFinalizers && 'deletionTimestamp' in before) return this.#remove(at, object);
    return this.#write(at, 'MODIFIED', object);
  }

  /** Deletes, or only marks: objects with finalizers, and pods on a node that have a grace period. */
  delete(at: FakeAddress, options: FakePreconditions): JsonObject {
    const old = this.get(at);
    const metadata = metadataOf(old);
    this.#expect(at, metadata, options);
    const finalizers = metadata['finalizers'];
    const spec = isJsonObject(old['spec']) ? old['spec'] : {};
    const grace = options.gracePeriodSeconds ?? Number(spec['terminationGracePeriodSeconds'] ?? 30);
    const graceful = at.resource === 'pods' && grace > 0 && typeof spec['nodeName'] === 'string';
    const held = Array.isArray(finalizers) && finalizers.length > 0;
    if (!graceful && !held) return this.#remove(at, old);
    if ('deletionTimestamp' in metadata) return old;
    const seconds = graceful ? grace : 0;
    return this.#write(at, 'MODIFIED', {
      ...old,
      metadata: {
        ...metadata,
        deletionTimestamp: rfc3339(this.#clock.now() + seconds * 1000),
        deletionGracePeriodSeconds: seconds,
      },
    });
  }

  #expect(at: FakeAddress, present: JsonObject, wanted: FakePreconditions): void {
    for (const field of ['uid', 'resourceVersion'] as const) {
      const value = wanted[field];
      if (value !== undefined && value !== '' && value !== present[field]) {
        throw new PlatformError('conflict', `${at.resource} "${at.name ?? ''}": ${field} is not ${value}`);
      }
    }
  }

  #write(at: FakeAddress, type: 'ADDED' | 'MODIFIED', body: JsonObject): JsonObject {
    const revision = ++this.#revision;
    const metadata = { ...metadataOf(body), resourceVersion: `${revision}` };
    const object = deepFreeze(structuredClone({ ...body, metadata }));
    const table = this.#objects.get(tableOf(at)) ?? new Map<string, JsonObject>();
    this.#objects.set(tableOf(at), table);
    const previous = table.get(keyOf(at));
    table.set(keyOf(at), object);
    this.#publish({ revision, resource: tableOf(at), type, object, previous });
    return object;
  }

  #remove(at: FakeAddress, last: JsonObject): JsonObject {
    const revision = ++this.#revision;
    const table = this.#objects.get(tableOf(at));
    const previous = table?.get(keyOf(at));
    table?.delete(keyOf(at));
    const object = deepFreeze({
      ...structuredClone(last),
      metadata: { ...metadataOf(last), resourceVersion: `${revision}` },
    });
    this.#publish({ revision, resource: tableOf(at), type: 'DELETED', object, previous });
    return object;
  }

  #publish(change: FakeChange): void {
    this.history.push(change);
    for (const listener of this.#listeners) listener(change);
  }
}

export function tableOf(at: Pick<FakeAddress, 'group' | 'resource'>): string {
  return `${at.group}/${at.resource}`;
}

function keyOf(at: FakeAddress): string {
  return at.namespace === undefined ? (at.name ?? '') : `${at.namespace}/${at.name ?? ''}`;
}

function textOf(value: Json | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function generated(prefix: Json | undefined, n: number): Json | undefined {
  return typeof prefix === 'string' && prefix !== '' ? `${prefix}${String(n).padStart(5, '0')}` : undefined;
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    Object.values(value).forEach(deepFreeze);
    Object.freeze(value);
  }
  return value;
}
