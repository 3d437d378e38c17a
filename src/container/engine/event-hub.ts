import { errorMessage } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type * as v1 from '../cri/generated/types.ts';

type Listener = (event: v1.ContainerEventResponse) => void;

/** Tells every listener of every change, from the moment it listens. A listener that throws harms nobody else. */
export class EventHub {
  readonly #listeners = new Set<Listener>();
  readonly #log: Logger;

  constructor(log: Logger) {
    this.#log = log;
  }

  get isHeard(): boolean {
    return this.#listeners.size > 0;
  }

  emit(event: v1.ContainerEventResponse): void {
    for (const listener of this.#listeners) {
      try {
        listener(event);
      } catch (error) {
        this.#log.error('event listener failed', { error: errorMessage(error) });
      }
    }
  }

  /** Resolves when the signal aborts. */
  listen(listener: Listener, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal.aborted) return resolve();
      this.#listeners.add(listener);
      signal.addEventListener(
        'abort',
        () => {
          this.#listeners.delete(listener);
          resolve();
        },
        { once: true },
      );
    });
  }
}
