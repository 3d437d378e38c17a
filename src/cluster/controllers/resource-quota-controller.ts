/**
 * Keeps the status of quotas: what is limited, and what is used of it.
 *
 * Admission (server/admission/plugins/resource-quota.ts) adds what a write takes; this controller counts what is there
 * when a quota comes or changes, and gives back what objects leave when they go, end or shrink. Both measure by
 * api/quota and write by compare-and-swap.
 */
import { yieldToLoop } from '../../base/yield-to-loop.ts';
import type { ResourceQuota } from '../api/generated/core-v1.ts';
import { getPath, type JsonObject } from '../api/json.ts';
import { quantities, type Amounts } from '../api/quota/pod-amounts.ts';
import type { GroupResource } from '../api/quota/usage.ts';
import type {
  ApiObject,
  Controller,
  Informer,
  InformerHandler,
  ResourceType,
  WorkQueue,
} from '../client/contract.ts';
import { events, persistentVolumeClaims, pods, resourceQuotas, services } from '../client/kinds.ts';
import type { CatalogEnvironment } from './environment.ts';
import { followKinds, type Kind } from './followed-kinds.ts';
import { keyOf, queueController, splitKey, subscribes } from './queue-controller.ts';
import { plannedUsage, QuotaLedger, quantityTexts, sameAmounts } from './quota-ledger.ts';
import { idOf } from './resource-catalog.ts';
import { canonical } from './template-hash.ts';

/** Everything is counted anew this often, for what no event announces. */
const RESYNC_MS = 5 * 60_000;
/** A write that admission has accounted for is seen, or has failed, within this time. */
const QUIET_MS = 500;
/** Objects that are counted before others have a turn. */
const SLICE = 500;

interface Book {
  ledger: QuotaLedger;
  /** `undefined` until everything that is there has been counted. */
  countedAt: number | undefined;
  /** When the status was last seen to change, on the monotonic clock. */
  changedAt: number;
}

interface Cache {
  readonly type: ResourceType;
  readonly cache: Informer<ApiObject>;
}

export function createResourceQuotaController(environment: CatalogEnvironment): Controller {
  const { client, informers, clock, catalog } = environment;
  const quotas = informers.informer(resourceQuotas);
  const measured = [pods, services, persistentVolumeClaims].map((type) => ({
    type,
    cache: informers.informer<ApiObject>(type),
  }));
  const measuredIds = new Set(measured.map(({ type }) => idOf(type)));
  const books = new Map<string, Book>();
  const keysOfNamespace = new Map<string, Set<string>>();
  /** Kinds whose caches are filled; of others nothing can be said. */
  const filled = new Set<string>(measuredIds);

  const counted = followKinds({
    environment,
    catalog,
    wants: (type) => type.namespaced && type.resource !== events.resource && !measuredIds.has(idOf(type)),
    handler: (kind, queue) => {
      void markFilled(kind, queue);
      return objectHandler(kind.type, queue);
    },
  });

  async function markFilled(kind: Kind, queue: WorkQueue): Promise<void> {
    filled.delete(kind.id);
    await kind.cache.synced();
    if (counted.kinds.get(kind.id) !== kind) return;
    filled.add(kind.id);
    const name = countName(kind.type);
    for (const [key, { ledger }] of books) if (ledger.names.has(name)) queue.add(key);
  }

  function objectHandler(type: ResourceType, queue: WorkQueue): InformerHandler<ApiObject> {
    const changed = (object: ApiObject, present: boolean): void => {
      const keys = keysOfNamespace.get(object.metadata?.namespace ?? '');
      if (keys === undefined) return;
      const id = entryOf(type, object);
      for (const key of keys) {
        const entry = { type, object: present ? asJson(object) : undefined, now: clock.now() };
        if (books.get(key)!.ledger.put(id, entry)) queue.add(key);
      }
    };
    return {
      added: (object) => changed(object, true),
      updated: (object) => changed(object, true),
      deleted: (object) => changed(object, false),
    };
  }

  /** A quota that limits something else has a ledger of its own, to be filled by `reconcile`. */
  function open(quota: ResourceQuota): void {
    const key = keyOf(quota);
    const { namespace } = splitKey(key);
    books.set(key, {
      ledger: new QuotaLedger(asJson(quota)),
      countedAt: undefined,
      changedAt: clock.monotonic(),
    });
    const keys = keysOfNamespace.get(namespace);
    if (keys === undefined) keysOfNamespace.set(namespace, new Set([key]));
    else keys.add(key);
  }

  function close(quota: ResourceQuota): void {
    const key = keyOf(quota);
    const { namespace } = splitKey(key);
    books.delete(key);
    const keys = keysOfNamespace.get(namespace);
    keys?.delete(key);
    if (keys?.size === 0) keysOfNamespace.delete(namespace);
  }

  async function count(book: Book, namespace: string): Promise<void> {
    const caches: readonly Cache[] = [...measured, ...counted.kinds.values()];
    for (const { type, cache } of caches) {
      if (!book.ledger.concerns(type)) continue;
      let seen = 0;
      for (const { metadata } of cache.list()) {
        if (metadata?.namespace !== namespace) continue;
        if (++seen % SLICE === 0) await yieldToLoop();
        // It may have gone, or changed, while others had their turn.
        const object = cache.get(`${namespace}/${metadata.name ?? ''}`);
        if (object === undefined) continue;
        book.ledger.put(entryOf(type, object), { type, object: asJson(object), now: clock.now() });
      }
    }
  }

  async function reconcile(key: string, queue: WorkQueue): Promise<void> {
    const quota = quotas.get(key);
    const book = books.get(key);
    if (quota === undefined || book === undefined) return;
    const now = clock.monotonic();
    if (book.countedAt === undefined || now - book.countedAt >= RESYNC_MS) {
      await count(book, splitKey(key).namespace);
      book.countedAt = now;
      queue.addAfter(key, RESYNC_MS);
    }
    const { ledger, changedAt } = book;
    const wait = changedAt + QUIET_MS - clock.monotonic();
    const said = quantities(getPath(asJson(quota), 'status', 'used'));
    const planned = plannedUsage({ said, ledger, unknown: isUnknown, quiet: wait <= 0 });
    if (wait > 0 && [...planned].some(([name, { nano }]) => nano > ledger.total(name).nano)) {
      queue.addAfter(key, wait);
    }
    const released = ledger.released();
    if (!saysSo(quota, said, planned)) {
      const status = { hard: quota.spec?.hard, used: quantityTexts(planned) };
      await client.update(resourceQuotas, { ...quota, status }, 'status');
    }
    ledger.settled(released);
  }

  function isUnknown(name: string): boolean {
    if (!name.startsWith('count/')) return PLAINLY_COUNTED.has(name) && !filled.has(`${name}.`);
    const id = name.slice('count/'.length);
    return !filled.has(id.includes('.') ? id : `${id}.`);
  }

  return queueController({
    name: 'resource-quota',
    environment,
    sources: [
      subscribes(quotas, (queue) => ({
        added(quota) {
          open(quota);
          queue.add(keyOf(quota));
        },
        updated(quota, previous) {
          const key = keyOf(quota);
          if (canonical(quota.spec) !== canonical(previous.spec)) open(quota);
          else if (canonical(quota.status) !== canonical(previous.status)) {
            books.get(key)!.changedAt = clock.monotonic();
          } else return;
          queue.add(key);
        },
        deleted: close,
      })),
      ...measured.map(({ type, cache }) => subscribes(cache, (queue) => objectHandler(type, queue))),
      counted.source,
    ],
    reconcile,
  });
}

/** Kinds that are counted under their own names too. */
const PLAINLY_COUNTED = new Set(['configmaps', 'replicationcontrollers', 'resourcequotas', 'secrets']);

function countName({ group, resource }: GroupResource): string {
  return group === '' ? `count/${resource}` : `count/${resource}.${group}`;
}

function entryOf(type: ResourceType, object: ApiObject): string {
  return `${idOf(type)}/${object.metadata?.name ?? ''}`;
}

function saysSo(quota: ResourceQuota, said: Amounts, planned: Amounts): boolean {
  const json = asJson(quota);
  const hard = (part: 'spec' | 'status'): Amounts => quantities(getPath(json, part, 'hard'));
  return (
    sameAmounts(said, planned) &&
    sameAmounts(hard('spec'), hard('status')) &&
    quota.status?.used !== undefined
  );
}

/** The API's objects are JSON; their interfaces only do not say so. */
function asJson(object: ApiObject): JsonObject {
  return object as unknown as JsonObject;
}
