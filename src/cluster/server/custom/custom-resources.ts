/**
 * Custom resources come and go with their definitions: names are accepted, the resource is served, and before a
 * definition goes all of its objects do.
 */
import { errorMessage, isPlatformError } from '../../../base/errors.ts';
import { jsonEqual, stringAt, type JsonObject } from '../../api/json.ts';
import { recordUpdate } from '../../api/managed-fields/managed-fields.ts';
import { authored } from '../writes/authorship.ts';
import type { CachedObject } from '../cache/cached-object.ts';
import type { ServerParts } from '../context.ts';
import { mayVanish, planDelete } from '../writes/deletion.ts';
import type { KubeObject } from '../object.ts';
import type { Resource } from '../resource.ts';
import { DEFINITION_FINALIZER } from '../strategies/definitions.ts';
import { hasCondition, prefixOf, resourcesOf } from './definition.ts';
import { definitionHead } from './definition-head.ts';
import { definitionStatus, withCondition, type Condition } from './definition-status.ts';

export const CRD_GROUP = 'apiextensions.k8s.io';
const RETRY_MS = 1000;

export class CustomResources implements AsyncDisposable {
  readonly #parts: ServerParts;
  readonly #definitions: Resource;
  readonly #stack = new DisposableStack();
  readonly #pending = new Set<string>();
  #working: Promise<void> = Promise.resolve();
  #stopped = false;

  private constructor(parts: ServerParts) {
    this.#parts = parts;
    this.#definitions = parts.resources.get(CRD_GROUP, 'v1', 'customresourcedefinitions');
  }

  /** Serves what is defined when it resolves, and follows from then on. */
  static async start(parts: ServerParts): Promise<CustomResources> {
    const custom = new CustomResources(parts);
    const cache = parts.cache.resource(custom.#definitions.prefix);
    const { prefix } = custom.#definitions;
    custom.#stack.use(cache.subscribe(({ current }) => custom.#enqueue(current.key.slice(prefix.length))));
    for (const { key } of cache.list(prefix)) custom.#enqueue(key.slice(prefix.length));
    await custom.#working;
    return custom;
  }

  /** Resolves when everything announced so far has been looked at. */
  settled(): Promise<void> {
    return this.#working;
  }

  #enqueue(name: string): void {
    if (this.#stopped || this.#pending.has(name)) return;
    this.#pending.add(name);
    // One after the other: two definitions may want the same names.
    this.#working = this.#afterwards(name, this.#working);
  }

  async #afterwards(name: string, previous: Promise<void>): Promise<void> {
    await previous;
    this.#pending.delete(name);
    if (this.#stopped) return;
    try {
      await this.#reconcile(name);
    } catch (error) {
      if (isPlatformError(error, 'not-found')) return;
      this.#parts.log.warn('cannot serve a custom resource yet', { name, error: errorMessage(error) });
      this.#stack.use(this.#parts.clock.after(RETRY_MS, () => this.#enqueue(name)));
    }
  }

  async #reconcile(name: string): Promise<void> {
    const { registry, resources, cache, clock } = this.#parts;
    const found = await registry.find(this.#definitions, { namespace: '', name });
    if (found === undefined) {
      resources.remove(name);
      return this.#reconsider(name.slice(name.indexOf('.') + 1));
    }
    const definition = definitionHead(found);
    await cache.addPrefix(prefixOf(definition));
    if (definition.metadata.deletionTimestamp !== undefined) return await this.#cleanUp(found);
    const others = (): readonly KubeObject[] =>
      this.#ofGroup(stringAt(definition, 'spec', 'group')).filter(({ metadata }) => metadata.name !== name);
    const status = definitionStatus(definition, { others, now: clock.now() });
    if (!jsonEqual(status, definition.status ?? {})) {
      // The change's own event comes back here.
      await this.#change(name, (object) => (object.status = status));
      return this.#reconsider(stringAt(definition, 'spec', 'group'));
    }
    resources.set(name, await resourcesOf(found, this.#parts));
  }

  /** Writes what the server says of a definition. */
  async #change(name: string, change: (object: KubeObject) => void): Promise<void> {
    const { registry, clock } = this.#parts;
    const definitions = this.#definitions;
    const author = authored(definitions, { manager: 'kube-apiserver', subresource: 'status', clock });
    await registry.modify(
      definitions,
      { namespace: '', name },
      {
        change: (old) => {
          const object = { ...old, metadata: { ...old.metadata } };
          change(object);
          recordUpdate(old, object, author);
          return mayVanish(definitions, object) ? { type: 'delete' } : { type: 'put', object };
        },
      },
    );
  }

  /** Names may have become free for those that wait for them. */
  #reconsider(group: string): void {
    for (const definition of this.#ofGroup(group))
      if (!hasCondition(definition, 'NamesAccepted')) this.#enqueue(definition.metadata.name ?? '');
  }

  /** Definitions are called by their resource and group. */
  #ofGroup(group: string): readonly KubeObject[] {
    const { prefix } = this.#definitions;
    return this.#parts.cache
      .resource(prefix)
      .list(prefix)
      .filter(({ key }) => key.slice(key.indexOf('.', prefix.length) + 1) === group)
      .map((definition) => definitionHead(definition));
  }

  /** Deletes every object, and lets go of the definition when none is left. */
  async #cleanUp(found: CachedObject): Promise<void> {
    const definition = definitionHead(found);
    const { registry, cache, resources, clock } = this.#parts;
    const name = definition.metadata.name ?? '';
    if (!(definition.metadata.finalizers ?? []).includes(DEFINITION_FINALIZER)) return resources.remove(name);
    const prefix = prefixOf(definition);
    const resource = resources.source(name).at(0) ?? (await resourcesOf(found, this.#parts)).at(0);
    const left = cache.resource(prefix).list(prefix);
    if (resource !== undefined) {
      for (const { object } of left) {
        if (object.metadata.deletionTimestamp !== undefined) continue;
        const ref = { namespace: object.metadata.namespace ?? '', name: object.metadata.name ?? '' };
        try {
          await registry.modify(resource, ref, {
            change: (one) => planDelete(resource, one, { request: NOW, now: clock.now() }),
          });
        } catch (error) {
          if (!isPlatformError(error, 'not-found')) throw error;
        }
      }
      await registry.fresh();
    }
    const remaining = cache.resource(prefix).list(prefix).length;
    if (remaining > 0) {
      const why = { reason: 'InstanceDeletionInProgress', message: 'CustomResource deletion is in progress' };
      const status = terminating(definition, { status: 'True', ...why }, clock.now());
      if (!jsonEqual(status, definition.status ?? {}))
        await this.#change(name, (object) => (object.status = status));
      this.#stack.use(clock.after(RETRY_MS, () => this.#enqueue(name)));
      return;
    }
    resources.remove(name);
    await this.#change(name, (object) => {
      const why = { reason: 'InstanceDeletionCompleted', message: 'removed all instances' };
      object.status = terminating(object, { status: 'False', ...why }, clock.now());
      const { finalizers = [] } = object.metadata;
      object.metadata.finalizers = finalizers.filter((one) => one !== DEFINITION_FINALIZER);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    this.#stack.dispose();
    await this.#working;
  }
}

const NOW = {
  gracePeriodSeconds: 0,
  uid: undefined,
  resourceVersion: undefined,
  propagationPolicy: undefined,
};

function terminating(
  { status = {} }: KubeObject,
  condition: Omit<Condition, 'type'>,
  now: number,
): JsonObject {
  return withCondition(status, { type: 'Terminating', ...condition }, now);
}
