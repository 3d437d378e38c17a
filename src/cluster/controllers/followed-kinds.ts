/** Caches of the metadata of many kinds, which come and go with what is served. */
import { sleep } from '../../base/clock.ts';
import type {
  ApiObject,
  IndexFunctions,
  Informer,
  InformerHandler,
  ServedType,
  WorkQueue,
} from '../client/contract.ts';
import type { ControllerEnvironment } from './environment.ts';
import type { Source } from './queue-controller.ts';
import { idOf, type ResourceCatalog } from './resource-catalog.ts';

/** Kinds that are not in their caches by then (a program that serves them hangs) do not hold up the others. */
const PATIENCE_MS = 30_000;

export interface Kind {
  readonly type: ServedType;
  /** `deployments.apps`. */
  readonly id: string;
  readonly cache: Informer<ApiObject>;
}

export interface FollowOptions {
  readonly environment: Pick<ControllerEnvironment, 'informers' | 'clock'>;
  readonly catalog: ResourceCatalog;
  /** Which kinds are of interest; those that cannot be listed and watched never are. */
  readonly wants: (type: ServedType) => boolean;
  readonly indexes?: IndexFunctions<ApiObject>;
  readonly handler: (kind: Kind, queue: WorkQueue) => InformerHandler<ApiObject>;
  /** After kinds have come or gone, but for the first time. */
  readonly changed?: (queue: WorkQueue) => void;
}

export interface FollowedKinds {
  /** By id. */
  readonly kinds: ReadonlyMap<string, Kind>;
  readonly source: Source;
}

export function followKinds(options: FollowOptions): FollowedKinds {
  const { environment, catalog, wants, handler, indexes = {} } = options;
  const { informers, clock } = environment;
  const kinds = new Map<string, Kind>();
  const handlers = new Map<string, Disposable>();

  function update(types: readonly ServedType[], queue: WorkQueue): void {
    const wanted = new Map(
      types.filter((type) => isWatchable(type) && wants(type)).map((type) => [idOf(type), type]),
    );
    for (const [id, kind] of kinds) {
      const type = wanted.get(id);
      if (type !== undefined && type.version === kind.type.version && type.kind === kind.type.kind) continue;
      handlers.get(id)?.[Symbol.dispose]();
      handlers.delete(id);
      kinds.delete(id);
      informers.drop(kind.type);
    }
    for (const [id, type] of wanted) {
      if (kinds.has(id)) continue;
      const kind: Kind = { type, id, cache: informers.metadata(type, { indexes }) };
      kinds.set(id, kind);
      handlers.set(id, kind.cache.addHandler(handler(kind, queue)));
    }
  }

  return {
    kinds,
    source: {
      async synced(signal) {
        await catalog.ready(signal);
        const late = new AbortController();
        const filled = Promise.all([...kinds.values()].map(({ cache }) => cache.synced(signal)));
        const patience = sleep(clock, PATIENCE_MS, late.signal).catch(() => {});
        try {
          await Promise.race([filled, patience]);
        } finally {
          late.abort();
          filled.catch(() => {});
        }
        signal.throwIfAborted();
      },
      subscribe(queue) {
        let first = true;
        const following = catalog.follow((types) => {
          update(types, queue);
          if (!first) options.changed?.(queue);
          first = false;
        });
        return {
          [Symbol.dispose]() {
            following[Symbol.dispose]();
            for (const one of handlers.values()) one[Symbol.dispose]();
            handlers.clear();
          },
        };
      },
    },
  };
}

function isWatchable({ verbs }: ServedType): boolean {
  return verbs.includes('list') && verbs.includes('watch');
}
