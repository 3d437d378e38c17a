import type { Worker } from 'node:worker_threads';

/** Worker threads that are started from now on, by anybody in this process. */
export function threads(): Disposable & { readonly started: Worker[] } {
  const started: Worker[] = [];
  const listener = (worker: Worker): void => void started.push(worker);
  process.on('worker', listener);
  return { started, [Symbol.dispose]: () => void process.off('worker', listener) };
}
