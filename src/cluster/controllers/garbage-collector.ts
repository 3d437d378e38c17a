/**
 * Deletes what nobody owns any more (https://kubernetes.io/docs/concepts/architecture/garbage-collection/).
 *
 *   owner deleted, Background:  owner gone ──▶ each dependent without another owner is deleted
 *   Foreground:  owner marked, held by `foregroundDeletion` ──▶ dependents deleted ──▶ none blocks: finalizer removed
 *   Orphan:      owner marked, held by `orphan` ──▶ references to it removed from dependents ──▶ finalizer removed
 *
 * Keys are objects. An object is looked at when it comes with owners, when its owners or its deletion change, when an
 * owner of it goes or begins to wait, and, if it waits for dependents itself, when one of those changes.
 */
import { isPlatformError } from '../../base/errors.ts';
import type { OwnerReference } from '../api/generated/meta-v1.ts';
import type { ApiObject, Controller, InformerHandler, WorkQueue } from '../client/contract.ts';
import { events } from '../client/kinds.ts';
import { AbsentOwners } from './absent-owners.ts';
import { refOf } from './claiming.ts';
import type { CatalogEnvironment } from './environment.ts';
import { followKinds, type Kind } from './followed-kinds.ts';
import {
  blocks,
  FOREGROUND,
  hasFinalizer,
  isLeaving,
  isRelevantChange,
  kindOfReference,
  ORPHAN,
  ownerUids,
  planDependent,
  waitsForDependents,
  type OwnerState,
} from './garbage-graph.ts';
import { keyOf, queueController, splitKey } from './queue-controller.ts';

/** An owner that the API has and its cache has not: the cache catches up within this time, or we look again. */
const CACHE_LAG_MS = 1000;

interface Node {
  readonly kind: Kind;
  readonly object: ApiObject;
}

/** Where an owner would be: its kind and its key there. */
interface Place {
  readonly kind: Kind;
  readonly key: string;
}

export function createGarbageCollector(environment: CatalogEnvironment): Controller {
  const { client, catalog, log } = environment;
  const { kinds, source } = followKinds({
    environment,
    catalog,
    // Events own nothing and nothing owns them; a cache of them would cost more than all others.
    wants: ({ resource, verbs }) => verbs.includes('delete') && resource !== events.resource,
    indexes: { owner: ownerUids },
    handler: handlerOf,
    changed(queue) {
      // An owner of theirs may be of a kind that has just come.
      for (const key of strangers) queue.add(key);
      strangers.clear();
    },
  });
  const absent = new AbsentOwners();
  /** Objects with an owner of a kind that is not known. */
  const strangers = new Set<string>();

  const keyOfNode = ({ kind, object }: Node): string => `${kind.id}:${keyOf(object)}`;

  function dependentsOf(uid: string): readonly Node[] {
    const found: Node[] = [];
    for (const kind of kinds.values()) {
      const objects = kind.cache.byIndex('owner', uid);
      // Of most kinds there are none, and an iterator for each would be garbage of every deletion.
      if (objects.length > 0) for (const object of objects) found.push({ kind, object });
    }
    return found;
  }

  /** Where `reference` of `object` leads; undefined when that is nowhere we can see. */
  function placeOf(object: ApiObject, reference: OwnerReference): Place | undefined {
    const kind = kindOfReference(kinds.values(), reference);
    if (kind === undefined) return undefined;
    if (!kind.type.namespaced) return { kind, key: reference.name ?? '' };
    const namespace = object.metadata?.namespace ?? '';
    // An object without a namespace cannot say in which one its owner is.
    return namespace === '' ? undefined : { kind, key: `${namespace}/${reference.name ?? ''}` };
  }

  function cachedOwner(object: ApiObject, reference: OwnerReference): Node | undefined {
    const place = placeOf(object, reference);
    const owner = place?.kind.cache.get(place.key);
    if (place === undefined || owner?.metadata?.uid !== reference.uid) return undefined;
    return { kind: place.kind, object: owner! };
  }

  function enqueueWaitingOwners(object: ApiObject, queue: WorkQueue): void {
    for (const reference of object.metadata?.ownerReferences ?? []) {
      const owner = cachedOwner(object, reference);
      if (owner !== undefined && waitsForDependents(owner.object)) queue.add(keyOfNode(owner));
    }
  }

  function enqueueDependents(uid: string, queue: WorkQueue): boolean {
    const dependents = dependentsOf(uid);
    for (const node of dependents) queue.add(keyOfNode(node));
    return dependents.length > 0;
  }

  function handlerOf(kind: Kind, queue: WorkQueue): InformerHandler<ApiObject> {
    const changed = (object: ApiObject): void => {
      const concerned = (object.metadata?.ownerReferences ?? []).length > 0 || isLeaving(object);
      if (concerned) queue.add(keyOfNode({ kind, object }));
    };
    return {
      added: changed,
      updated: (object, previous) => {
        if (!isRelevantChange(object, previous)) return;
        changed(object);
        enqueueWaitingOwners(previous, queue);
        if (waitsForDependents(object)) enqueueDependents(object.metadata?.uid ?? '', queue);
      },
      deleted: (object) => {
        const uid = object.metadata?.uid ?? '';
        strangers.delete(keyOfNode({ kind, object }));
        // A deletion is final for its uid: no dependent of it needs to ask the API.
        if (enqueueDependents(uid, queue)) absent.add(`${kind.id}:${keyOf(object)}`, uid);
        enqueueWaitingOwners(object, queue);
      },
    };
  }

  async function reconcile(key: string, queue: WorkQueue): Promise<void> {
    const colon = key.indexOf(':');
    const kind = kinds.get(key.slice(0, colon));
    const object = kind?.cache.get(key.slice(colon + 1));
    if (kind === undefined || object === undefined) return;
    const node = { kind, object };
    try {
      if (!isLeaving(object)) await settleDependent(node, key, queue);
      else if (hasFinalizer(object, ORPHAN)) await orphanDependents(node);
      else if (hasFinalizer(object, FOREGROUND)) await advanceForeground(node, queue);
    } catch (error) {
      // Gone meanwhile, which is all we wanted.
      if (!isPlatformError(error, 'not-found')) throw error;
    }
  }

  async function settleDependent(node: Node, key: string, queue: WorkQueue): Promise<void> {
    const { kind, object } = node;
    const references = object.metadata?.ownerReferences ?? [];
    const owners = await Promise.all(
      references.map((reference) => ownerState(object, reference, () => queue.addAfter(key, CACHE_LAG_MS))),
    );
    const dependents = dependentsOf(object.metadata?.uid ?? '');
    if (owners.includes('unknown')) strangers.add(key);
    const plan = planDependent({ object, owners, hasDependents: dependents.length > 0 });
    if (plan.action === 'keep') return;
    if (plan.action === 'release') return rewrite(node, { ownerReferences: plan.ownerReferences });
    if (plan.propagation === 'Foreground') await breakCircles(object, dependents);
    const { uid, resourceVersion } = object.metadata ?? {};
    log.debug('deleting what nobody owns', { object: key, propagation: plan.propagation });
    // With its resourceVersion too: whoever adopts it at this moment keeps it.
    await client.delete(kind.type, refOf(object), {
      ...(uid !== undefined && { uid }),
      ...(resourceVersion !== undefined && { resourceVersion }),
      propagationPolicy: plan.propagation,
    });
  }

  async function ownerState(
    object: ApiObject,
    reference: OwnerReference,
    lookAgain: () => void,
  ): Promise<OwnerState> {
    const place = placeOf(object, reference);
    if (place === undefined) return 'unknown';
    const { uid = '' } = reference;
    const cached = place.kind.cache.get(place.key);
    if (cached?.metadata?.uid === uid) return waitsForDependents(cached) ? 'waiting' : 'solid';
    const id = `${place.kind.id}:${place.key}`;
    if (absent.has(id, uid)) return 'absent';
    const { namespace, name } = splitKey(place.key);
    try {
      const owner = await client.get(place.kind.type, namespace === '' ? { name } : { name, namespace });
      if (owner.metadata?.uid === uid) {
        // Should it go before its cache has ever seen it, no event will tell us.
        lookAgain();
        return waitsForDependents(owner) ? 'waiting' : 'solid';
      }
    } catch (error) {
      if (!isPlatformError(error, 'not-found')) throw error;
    }
    absent.add(id, uid);
    return 'absent';
  }

  /**
   * In a circle of owners each would wait for the next for ever: those that wait already and depend on this object stop
   * blocking it.
   */
  async function breakCircles(object: ApiObject, dependents: readonly Node[]): Promise<void> {
    const { uid = '' } = object.metadata ?? {};
    for (const dependent of dependents) {
      if (!waitsForDependents(dependent.object) || !blocks(dependent.object, uid)) continue;
      const references = dependent.object.metadata?.ownerReferences ?? [];
      const ownerReferences = references.map((reference) =>
        reference.uid === uid ? { ...reference, blockOwnerDeletion: false } : reference,
      );
      await rewrite(dependent, { ownerReferences });
    }
  }

  async function advanceForeground(node: Node, queue: WorkQueue): Promise<void> {
    const uid = node.object.metadata?.uid ?? '';
    // What owns itself does not wait for itself.
    const dependents = dependentsOf(uid).filter(({ object }) => object.metadata?.uid !== uid);
    if (!dependents.some(({ object }) => blocks(object, uid))) return removeFinalizer(node, FOREGROUND);
    for (const dependent of dependents) if (!isLeaving(dependent.object)) queue.add(keyOfNode(dependent));
  }

  async function orphanDependents(node: Node): Promise<void> {
    const { uid } = node.object.metadata ?? {};
    await Promise.all(
      dependentsOf(uid ?? '').map(async (dependent) => {
        const references = dependent.object.metadata?.ownerReferences ?? [];
        try {
          await rewrite(dependent, {
            ownerReferences: references.filter((reference) => reference.uid !== uid),
          });
        } catch (error) {
          if (!isPlatformError(error, 'not-found')) throw error;
        }
      }),
    );
    await removeFinalizer(node, ORPHAN);
  }

  async function removeFinalizer(node: Node, finalizer: string): Promise<void> {
    const finalizers = (node.object.metadata?.finalizers ?? []).filter((other) => other !== finalizer);
    await rewrite(node, { finalizers });
  }

  /** Lists are replaced whole, so it must still be the object that we saw; an empty one is none. */
  async function rewrite(
    { kind, object }: Node,
    lists: Readonly<Partial<Record<'ownerReferences' | 'finalizers', readonly unknown[]>>>,
  ): Promise<void> {
    const { uid, resourceVersion } = object.metadata ?? {};
    const wanted = Object.entries(lists).map(([field, list]) => [field, list.length === 0 ? null : list]);
    const body = { metadata: { uid, resourceVersion, ...Object.fromEntries(wanted) } };
    await client.patch(kind.type, refOf(object), { type: 'merge', body });
  }

  return queueController({
    name: 'garbage-collector',
    environment,
    workers: 8,
    sources: [source],
    reconcile,
  });
}
