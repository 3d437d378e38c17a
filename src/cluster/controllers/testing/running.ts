import { ManualClock } from '../../../base/clock.ts';
import { silentLogger } from '../../../base/log.ts';
import { seededRandom } from '../../../base/random.ts';
import { yieldToLoop } from '../../../base/yield-to-loop.ts';
import { createClient } from '../../client/client.ts';
import type { Client, Controller } from '../../client/contract.ts';
import { createInformerFactory } from '../../client/informer.ts';
import { createFakeApi, type FakeApi } from '../../client/testing/fake-api.ts';
import type { CatalogEnvironment, ControllerEnvironment } from '../environment.ts';
import { createResourceCatalog } from '../resource-catalog.ts';

export interface Running extends AsyncDisposable {
  readonly api: FakeApi;
  readonly clock: ManualClock;
  readonly client: Client;
  /** Reasons of the events that controllers wrote. */
  readonly reasons: readonly string[];
  /** Lets the controllers work until the condition holds; fails when it does not within many rounds of promises. */
  until(what: string, condition: () => boolean): Promise<void>;
  /** Lets the controllers work until they have had nothing to ask of the API for a while. */
  quiet(): Promise<void>;
}

export interface RunningOptions {
  /** Fills the API before any controller sees it. */
  readonly before?: (api: FakeApi) => void;
  readonly create: (environment: ControllerEnvironment) => readonly Controller[];
}

/** Controllers at work on a fake API, on a clock that stands still but for retries. */
export function running({ before, create }: RunningOptions): Running {
  const clock = new ManualClock();
  const api = createFakeApi({ clock });
  before?.(api);
  const client = createClient({ transport: api });
  const random = seededRandom(1);
  const log = silentLogger;
  const informers = createInformerFactory({ client, clock, random, log });
  const reasons: string[] = [];
  const events: ControllerEnvironment['events'] = {
    event: (_object, _type, reason) => void reasons.push(reason),
  };
  const controllers = create({ client, informers, clock, random, log, events });
  informers.start();
  const stop = new AbortController();
  const runs = controllers.map((controller) => controller.run(stop.signal));
  // Fake API and informers wait for nothing but promises; who has much to do gives way to the loop.
  const turn = async (): Promise<void> => {
    for (let i = 0; i < 50; i++) await Promise.resolve();
    await yieldToLoop();
  };
  return {
    api,
    clock,
    client,
    reasons,
    async until(what, condition) {
      for (let turns = 0; turns < 3000; turns++) {
        if (condition()) return;
        await turn();
        // Enough for the delays of retries, too little to age anything.
        if (turns % 100 === 99) await clock.advance(10);
      }
      throw new Error(`${what}: did not come to pass; requests:\n${api.requests.join('\n')}`);
    },
    async quiet() {
      for (let idle = 0, seen = -1; idle < 50; idle++) {
        if (seen !== api.requests.length) idle = 0;
        seen = api.requests.length;
        await turn();
      }
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await Promise.all(runs);
      await informers[Symbol.asyncDispose]();
    },
  };
}

/** A controller together with the catalog that it works on. */
export function withCatalog(
  create: (environment: CatalogEnvironment) => Controller,
): (environment: ControllerEnvironment) => readonly Controller[] {
  return (environment) => {
    const catalog = createResourceCatalog(environment);
    return [catalog.controller, create({ ...environment, catalog })];
  };
}
