/**
 * What the server serves, kept up to date: the collector of garbage, quotas and the like work on kinds that are not
 * known before they are defined.
 *
 * Discovery is asked at the start, when a definition or an API service changes, and once more a little later, because a
 * definition is served a moment after it is established. While something cannot be asked, it is tried again and again.
 */
import { errorMessage } from '../../base/errors.ts';
import type { ApiObject, Controller, InformerHandler, ResourceType, ServedType } from '../client/contract.ts';
import { apiServices, customResourceDefinitions } from '../client/kinds.ts';
import type { ControllerEnvironment } from './environment.ts';
import { queueController, reads } from './queue-controller.ts';

/** After the last change that was seen. */
const SETTLED_MS = 50;
const AGAIN_MS = 2000;
/** While another program that serves a part of the API does not answer. */
const RETRY_MS = 30_000;

export interface ResourceCatalog {
  /** What is served, as of the last time that it could be asked. */
  readonly types: readonly ServedType[];
  /** Resolves once there is something in it. */
  ready(signal: AbortSignal): Promise<void>;
  /** Calls back when something comes or goes, and at once when something is there. */
  follow(changed: (types: readonly ServedType[]) => void): Disposable;
}

const KEY = 'served';

export function createResourceCatalog(
  environment: ControllerEnvironment,
): ResourceCatalog & { readonly controller: Controller } {
  const { client, informers, log } = environment;
  const definitions = informers.informer({ ...customResourceDefinitions, metadataOnly: true });
  const followers = new Set<(types: readonly ServedType[]) => void>();
  const filled = Promise.withResolvers<void>();
  let types: readonly ServedType[] = [];

  async function refresh(): Promise<boolean> {
    const found = await client.discover();
    const out = new Set(found.unavailable);
    // Of what cannot be asked now, what was there is still there.
    const kept = types.filter(
      (type) => out.has(`${type.group}/${type.version}`) && !found.types.some((other) => isSame(type, other)),
    );
    const next = [...found.types, ...kept];
    const same = next.length === types.length && next.every((type) => types.some((old) => isSame(old, type)));
    types = next;
    filled.resolve();
    followServices();
    if (!same) for (const tell of followers) tell(types);
    return out.size === 0;
  }

  /** Who serves other APIs is itself told by an API that need not be there. */
  function followServices(): void {
    if (wake === undefined || following || !types.some((type) => idOf(type) === idOf(apiServices))) return;
    following = true;
    informers.informer({ ...apiServices, metadataOnly: true }).addHandler(wakening(wake));
  }

  const wakening = (call: () => void): InformerHandler<ApiObject> => ({
    added: call,
    updated: call,
    deleted: call,
  });
  let wake: (() => void) | undefined;
  let following = false;

  const controller = queueController({
    name: 'resource-catalog',
    environment,
    workers: 1,
    sources: [
      {
        ...reads(definitions),
        subscribe(queue) {
          wake = (): void => {
            queue.addAfter(KEY, SETTLED_MS);
            queue.addAfter(`${KEY} again`, AGAIN_MS);
          };
          return definitions.addHandler(wakening(wake));
        },
      },
    ],
    background: (queue) => queue.add(KEY),
    async reconcile(_key, queue) {
      const complete = await refresh();
      if (!complete) queue.addAfter(`${KEY} again`, RETRY_MS);
    },
  });

  return {
    controller,
    get types() {
      return types;
    },
    async ready(signal) {
      const stopped = Promise.withResolvers<never>();
      const stop = (): void => stopped.reject(signal.reason);
      if (signal.aborted) stop();
      signal.addEventListener('abort', stop, { once: true });
      try {
        await Promise.race([filled.promise, stopped.promise]);
      } finally {
        signal.removeEventListener('abort', stop);
      }
    },
    follow(changed) {
      const own = (list: readonly ServedType[]): void => {
        try {
          changed(list);
        } catch (error) {
          log.error('a follower of the catalog threw', { error: errorMessage(error) });
        }
      };
      followers.add(own);
      if (types.length > 0) own(types);
      return { [Symbol.dispose]: () => void followers.delete(own) };
    },
  };
}

function isSame(a: ResourceType, b: ResourceType): boolean {
  return idOf(a) === idOf(b) && a.version === b.version && a.kind === b.kind && a.namespaced === b.namespaced;
}

/** A resource whatever its version: `pods.`, `deployments.apps`. */
export function idOf(type: ResourceType): string {
  return `${type.resource}.${type.group}`;
}
