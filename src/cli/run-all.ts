import { errorMessage } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Controller } from '../cluster/client/contract.ts';

/** Runs controllers until disposed. One that ends by itself is a bug of ours: it is logged, the others go on. */
export function runAll(controllers: readonly Controller[], log: Logger): AsyncDisposable {
  const stop = new AbortController();
  const running = controllers.map((controller) =>
    controller.run(stop.signal).catch((error: unknown) => {
      if (!stop.signal.aborted) log.error(`${controller.name} ended`, { error: errorMessage(error) });
    }),
  );
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await Promise.all(running);
    },
  };
}
