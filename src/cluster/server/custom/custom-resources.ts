/**
 * Custom resources come and go with their definitions: names are accepted, the resource is served, and before a
 * definition goes all of its objects do.
 */
import { rfc3339 } from '../../../base/clock.ts';
import { errorMessage, isPlatformError } from '../../../base/errors.ts';
import { jsonEqual, listAt, objectAt, objectsAt, stringAt, type JsonObject } from '../../api/json.ts';
import type { ServerParts } from '../context.ts';
import { planDelete } from '../deletion.ts';
import type { KubeObject } from '../object.ts';
import type { Change } from '../registry.ts';
import type { Resource } from '../resource.ts';
import { hasCondition, prefixOf, resourcesOf, storageVersion } from './definition.ts';

export const CRD_GROUP = 'apiextensions.k8s.io';
const FINALIZER = 'customresourcecleanup.apiextensions.k8s.io';
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
    custom.#stack.use(cache.subscribe(({ current }) => custom.#enqueue(current.object.metadata.name ?? '')));
    for (const { object } of cache.list(custom.#definitions.prefix))
      custom.#enqueue(object.metadata.name ?? '');
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
    const { registry, resources, cache } = this.#parts;
    const found = await registry.find(this.#definitions, { namespace: '', name });
    if (found === undefined) return resources.remove(name);
    const definition = found.object;
    await cache.addPrefix(prefixOf(definition));
    if (definition.metadata.deletionTimestamp !== undefined) return await this.#cleanUp(definition);
    const status = this.#statusFor(definition);
    const finalizers = definition.metadata.finalizers ?? [];
    if (!jsonEqual(status, definition.status ?? {}) || !finalizers.includes(FINALIZER)) {
      await this.#change(name, (object) => ({
        type: 'put',
        object: {
          ...object,
          metadata: {
            ...object.metadata,
            finalizers: [...new Set([...(object.metadata.finalizers ?? []), FINALIZER])],
          },
          status,
        },
      }));
      // The change's own event comes back here.
      return;
    }
    resources.set(name, await resourcesOf(definition, this.#parts));
  }

  async #change(name: string, change: (object: KubeObject) => Change): Promise<void> {
    await this.#parts.registry.modify(this.#definitions, { namespace: '', name }, { change });
  }

  #statusFor(definition: KubeObject): JsonObject {
    const now = rfc3339(this.#parts.clock.now());
    const wanted = objectAt(definition, 'spec', 'names');
    const accepted = hasCondition(definition, 'NamesAccepted');
    const conflict = this.#conflict(definition);
    const condition = (type: string, met: boolean, why: { reason: string; message: string }): JsonObject => {
      const status = met ? 'True' : 'False';
      const old = objectsAt(definition, 'status', 'conditions').find((one) => one['type'] === type);
      const same = old?.['status'] === status;
      return { type, status, lastTransitionTime: same ? (old['lastTransitionTime'] ?? now) : now, ...why };
    };
    const established = conflict === undefined || hasCondition(definition, 'Established');
    const stored = new Set(listAt(definition, 'status', 'storedVersions') as string[]);
    stored.add(storageVersion(definition));
    return {
      conditions: [
        condition(
          'NamesAccepted',
          conflict === undefined,
          conflict ?? { reason: 'NoConflicts', message: 'no conflicts found' },
        ),
        condition(
          'Established',
          established,
          established
            ? { reason: 'InitialNamesAccepted', message: 'the initial names have been accepted' }
            : { reason: 'NotAccepted', message: 'not all names are accepted' },
        ),
      ],
      acceptedNames:
        conflict === undefined || !accepted
          ? {
              ...wanted,
              singular: stringAt(wanted, 'singular') || stringAt(wanted, 'kind').toLowerCase(),
              listKind: stringAt(wanted, 'listKind') || `${stringAt(wanted, 'kind')}List`,
            }
          : objectAt(definition, 'status', 'acceptedNames'),
      storedVersions: [...stored],
    };
  }

  /** Which of its names another definition of the group has already. */
  #conflict(definition: KubeObject): { reason: string; message: string } | undefined {
    const group = stringAt(definition, 'spec', 'group');
    const others = this.#parts.cache
      .resource(this.#definitions.prefix)
      .list(this.#definitions.prefix)
      .map(({ object }) => object)
      .filter(({ metadata }) => metadata.name !== definition.metadata.name)
      .filter((other) => stringAt(other, 'spec', 'group') === group && hasCondition(other, 'NamesAccepted'));
    const taken = new Set(others.flatMap((other) => namesOf(objectAt(other, 'status', 'acceptedNames'))));
    const kinds = new Set(others.flatMap((other) => kindsOf(objectAt(other, 'status', 'acceptedNames'))));
    const names = objectAt(definition, 'spec', 'names');
    const checks: readonly [reason: string, values: readonly string[], against: ReadonlySet<string>][] = [
      ['PluralConflict', [stringAt(names, 'plural')], taken],
      ['SingularConflict', [stringAt(names, 'singular')], taken],
      ['ShortNamesConflict', listAt(names, 'shortNames') as string[], taken],
      ['KindConflict', [stringAt(names, 'kind')], kinds],
      ['ListKindConflict', [stringAt(names, 'listKind')], kinds],
    ];
    // Upstream reports the last one.
    for (const [reason, values, against] of checks.toReversed()) {
      const clash = values.find((value) => value !== '' && against.has(value));
      if (clash !== undefined) return { reason, message: `${JSON.stringify(clash)} is already in use` };
    }
    return undefined;
  }

  /** Deletes every object, and lets go of the definition when none is left. */
  async #cleanUp(definition: KubeObject): Promise<void> {
    const { registry, cache, resources, clock } = this.#parts;
    const name = definition.metadata.name ?? '';
    if (!(definition.metadata.finalizers ?? []).includes(FINALIZER)) return resources.remove(name);
    const prefix = prefixOf(definition);
    const resource = resources.source(name).at(0);
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
      this.#stack.use(clock.after(RETRY_MS, () => this.#enqueue(name)));
      return;
    }
    resources.remove(name);
    await this.#change(name, (object) => {
      const finalizers = (object.metadata.finalizers ?? []).filter((one) => one !== FINALIZER);
      const held = { ...object, metadata: { ...object.metadata, finalizers } };
      return finalizers.length === 0 ? { type: 'delete' } : { type: 'put', object: held };
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

function namesOf(names: JsonObject): string[] {
  return [
    stringAt(names, 'plural'),
    stringAt(names, 'singular'),
    ...(listAt(names, 'shortNames') as string[]),
  ];
}

function kindsOf(names: JsonObject): string[] {
  return [stringAt(names, 'kind'), stringAt(names, 'listKind')];
}
