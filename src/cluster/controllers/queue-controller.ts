import { errorMessage, isPlatformError } from '../../base/errors.ts';
import type { ApiObject, Controller, Informer, InformerHandler, WorkQueue } from '../client/contract.ts';
import { objectKey as keyOf } from '../client/object-key.ts';
import { createWorkQueue } from '../client/work-queue.ts';
import type { ControllerEnvironment } from './environment.ts';
import { isNamespaceTerminating } from './namespace-refusal.ts';

export { keyOf };

export interface QueueControllerOptions {
  readonly name: string;
  readonly environment: ControllerEnvironment;
  /** Keys handled at once; 2 when absent. */
  readonly workers?: number;
  /** The caches that `reconcile` reads; none is read before all are filled. */
  readonly sources: readonly Source[];
  /** Brings the world nearer to what the object with this key asks for. A throw means again later. */
  reconcile(key: string, queue: WorkQueue): Promise<void>;
  /** Runs beside the workers once the caches are filled; for what no event announces. */
  background?(queue: WorkQueue, signal: AbortSignal): void;
}

/** A cache, and what to do with its events once the queue is there. */
export interface Source {
  readonly synced: (signal: AbortSignal) => Promise<void>;
  readonly subscribe: (queue: WorkQueue) => Disposable;
}

/** A cache that is only read. */
export function reads<T extends ApiObject>(informer: Informer<T>): Source {
  return {
    synced: (signal) => informer.synced(signal),
    subscribe: () => ({ [Symbol.dispose]: () => {} }),
  };
}

/** A cache whose events name keys of the queue. Both states of a changed object are asked. */
export function enqueues<T extends ApiObject>(
  informer: Informer<T>,
  keys: (object: T) => readonly string[],
): Source {
  return subscribes(informer, (queue) => {
    const add = (object: T): void => {
      for (const key of keys(object)) queue.add(key);
    };
    return {
      added: add,
      updated: (object, previous) => {
        add(object);
        add(previous);
      },
      deleted: add,
    };
  });
}

/** A cache with a handler of its own. */
export function subscribes<T extends ApiObject>(
  informer: Informer<T>,
  handler: (queue: WorkQueue) => InformerHandler<T>,
): Source {
  return {
    synced: (signal) => informer.synced(signal),
    subscribe: (queue) => informer.addHandler(handler(queue)),
  };
}

/** A controller that reconciles one key at a time from its caches. */
export function queueController(options: QueueControllerOptions): Controller {
  const { name, environment, sources } = options;
  const log = environment.log.child(name);
  return {
    name,
    async run(signal) {
      using stack = new DisposableStack();
      const queue = createWorkQueue({ clock: environment.clock });
      for (const source of sources) stack.use(source.subscribe(queue));
      try {
        await Promise.all(sources.map((source) => source.synced(signal)));
      } catch (error) {
        if (signal.aborted) return;
        throw error;
      }
      options.background?.(queue, signal);
      await queue.run(
        options.workers ?? 2,
        async (key) => {
          try {
            await options.reconcile(key, queue);
            queue.forget(key);
          } catch (error) {
            if (signal.aborted) return;
            // Losing a race against another writer is the normal way to learn of a newer state.
            const expected =
              isPlatformError(error, 'conflict', 'not-found', 'already-exists') ||
              isNamespaceTerminating(error);
            log[expected ? 'debug' : 'warn']('reconcile failed, will try again', {
              key,
              error: errorMessage(error),
            });
            throw error;
          }
        },
        signal,
      );
    },
  };
}

/** The two halves of a key; the namespace is empty for cluster-scoped objects. */
export function splitKey(key: string): { readonly namespace: string; readonly name: string } {
  const slash = key.indexOf('/');
  return slash < 0
    ? { namespace: '', name: key }
    : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}
