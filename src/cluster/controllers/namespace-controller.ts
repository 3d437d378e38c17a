import { errorMessage, isPlatformError } from '../../base/errors.ts';
import type { Namespace } from '../api/generated/core-v1.ts';
import type { ApiObject, Controller, ResourceType, WorkQueue } from '../client/contract.ts';
import { events, namespaces, pods } from '../client/kinds.ts';
import { pagesOf } from '../client/pages.ts';
import { refOf } from './claiming.ts';
import type { CatalogEnvironment } from './environment.ts';
import { followKinds } from './followed-kinds.ts';
import { planNamespaceStatus, type Remaining } from './namespace-planner.ts';
import { isNamespaceActive } from './namespace-state.ts';
import { enqueues, queueController } from './queue-controller.ts';
import { idOf } from './resource-catalog.ts';
import { canonical } from './template-hash.ts';

/** What the server put into spec.finalizers until the namespace is empty; others belong to others. */
const FINALIZER = 'kubernetes';
/** Requests of one namespace at once. */
const PARALLEL = 20;
/** Deletions announce themselves; this is for those whose announcement came before our list. */
const LOOK_AGAIN_MS = 5000;

interface Emptied {
  readonly remaining: readonly Remaining[];
  /** Messages of what could not be listed or deleted. */
  readonly failures: readonly string[];
  /** Group versions that could not be asked what they serve. */
  readonly unavailable: readonly string[];
}

/** Empties namespaces that are being deleted, then lets them go. */
export function createNamespaceController(environment: CatalogEnvironment): Controller {
  const { client, informers, clock, catalog } = environment;
  const spaces = informers.informer(namespaces);
  // The last object to go is what a terminating namespace waits for. Events are never the last: nothing holds them.
  const content = followKinds({
    environment,
    catalog,
    wants: ({ namespaced, resource }) => namespaced && resource !== events.resource,
    handler: (_kind, queue) => ({
      deleted: ({ metadata }) => {
        const name = metadata?.namespace ?? '';
        const namespace = spaces.get(name);
        if (namespace !== undefined && !isNamespaceActive(namespace)) queue.add(name);
      },
    }),
  });

  async function reconcile(name: string, queue: WorkQueue): Promise<void> {
    const cached = spaces.get(name);
    if (cached === undefined || isNamespaceActive(cached)) return;
    // The cache may show a namesake of a namespace that has since been made anew: nothing of that is ours to delete.
    const namespace = await client.get(namespaces, { name });
    if (namespace.metadata?.uid !== cached.metadata?.uid || isNamespaceActive(namespace)) return;
    if (!(namespace.spec?.finalizers ?? []).includes(FINALIZER)) return;
    const emptied = await empty(name);
    const written = await writeStatus(namespace, emptied);
    const { failures, unavailable } = emptied;
    if (failures.length + unavailable.length > 0) throw new Error([...failures, ...unavailable].join('; '));
    if (emptied.remaining.some(({ objects }) => objects.length > 0)) {
      queue.addAfter(name, LOOK_AGAIN_MS);
      return;
    }
    const finalizers = (written.spec?.finalizers ?? []).filter((finalizer) => finalizer !== FINALIZER);
    await client.update(namespaces, { ...written, spec: { ...written.spec, finalizers } }, 'finalize');
  }

  /** Deletes what is there and says what was left after that: what terminates slowly or is held by finalizers. */
  async function empty(namespace: string): Promise<Emptied> {
    // Asked anew: a kind that came a moment ago may have objects here.
    const { types, unavailable } = await client.discover();
    const failures: string[] = [];
    const emptyOne = async (type: ResourceType): Promise<Remaining> => {
      const resource = idOf(type);
      try {
        const found = await listAll(type, namespace);
        if (found.length === 0) return { resource, objects: [] };
        await deleteAll(
          type,
          found.filter((object) => object.metadata?.deletionTimestamp === undefined),
        );
        return { resource, objects: await listAll(type, namespace) };
      } catch (error) {
        // Served no more.
        if (!isPlatformError(error, 'not-found')) failures.push(`${resource}: ${errorMessage(error)}`);
        return { resource, objects: [] };
      }
    };
    // Pods go first: what guards them (network policies, secrets) must not go before them (KEP-5080).
    const running = await emptyOne(pods);
    if (running.objects.length > 0 || failures.length > 0) {
      return { remaining: [running], failures, unavailable };
    }
    const remaining: Remaining[] = [];
    for (const type of types) {
      if (!type.namespaced || idOf(type) === idOf(pods)) continue;
      if (!type.verbs.includes('list') || !type.verbs.includes('delete')) continue;
      remaining.push(await emptyOne(type));
    }
    return { remaining, failures, unavailable };
  }

  /** From the API: an empty cache is no proof of an empty namespace. */
  async function listAll(type: ResourceType, namespace: string): Promise<readonly ApiObject[]> {
    const objects: ApiObject[] = [];
    for await (const { items } of pagesOf(client, { ...type, metadataOnly: true }, { namespace }))
      objects.push(...items);
    return objects;
  }

  async function deleteAll(type: ResourceType, objects: readonly ApiObject[]): Promise<void> {
    const waiting = [...objects];
    const work = async (): Promise<void> => {
      for (let object = waiting.pop(); object !== undefined; object = waiting.pop()) {
        const { uid } = object.metadata ?? {};
        try {
          await client.delete(type, refOf(object), {
            ...(uid !== undefined && { uid }),
            propagationPolicy: 'Background',
          });
        } catch (error) {
          if (!isPlatformError(error, 'not-found', 'conflict')) throw error;
        }
      }
    };
    await Promise.all(Array.from({ length: Math.min(PARALLEL, waiting.length) }, work));
  }

  async function writeStatus(namespace: Namespace, emptied: Emptied): Promise<Namespace> {
    const status = planNamespaceStatus({ status: namespace.status, ...emptied, now: clock.now() });
    if (canonical(status) === canonical(namespace.status)) return namespace;
    return client.update(namespaces, { ...namespace, status }, 'status');
  }

  return queueController({
    name: 'namespace',
    environment,
    sources: [
      enqueues(spaces, (namespace) => (isNamespaceActive(namespace) ? [] : [namespace.metadata?.name ?? ''])),
      content.source,
    ],
    reconcile,
  });
}
