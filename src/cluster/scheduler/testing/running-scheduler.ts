/** A scheduler at work on a fake API, with everything around it in the test's hands. */
import { ManualClock } from '../../../base/clock.ts';
import { silentLogger } from '../../../base/log.ts';
import { seededRandom } from '../../../base/random.ts';
import { yieldToLoop } from '../../../base/yield-to-loop.ts';
import type { Pod } from '../../api/generated/core-v1.ts';
import { createClient } from '../../client/client.ts';
import { createInformerFactory } from '../../client/informer.ts';
import { pods } from '../../client/kinds.ts';
import { createFakeApi, type FakeApi } from '../../client/testing/fake-api.ts';
import type { Profile } from '../framework.ts';
import { createScheduler } from '../scheduler.ts';

export interface RunningScheduler extends AsyncDisposable {
  readonly api: FakeApi;
  readonly clock: ManualClock;
  /** `reason pod: message`, oldest first. */
  readonly events: readonly string[];
  pod(name: string): Pod | undefined;
  /** The node that the API has for the pod, once it has one. */
  nodeOf(name: string): Promise<string>;
  /** The message of PodScheduled=False, once it has one that `matches`. */
  refusal(name: string, matches?: RegExp): Promise<string>;
  /** Lets everything happen that needs no time. */
  quiet(): Promise<void>;
}

export function runScheduler(
  options: { profile?: (api: FakeApi) => Profile; prepare?: (api: FakeApi) => void } = {},
): RunningScheduler {
  const clock = new ManualClock();
  const api = createFakeApi({ clock });
  options.prepare?.(api);
  const events: string[] = [];
  const client = createClient({ transport: api });
  const log = silentLogger;
  const random = seededRandom(7);
  const informers = createInformerFactory({ client, clock, random, log });
  const scheduler = createScheduler({
    client,
    informers,
    clock,
    random,
    log,
    events: {
      event: (object, _type, reason, message) =>
        void events.push(`${reason} ${object.metadata?.name}: ${message}`),
    },
    ...(options.profile && { profile: options.profile(api) }),
  });
  const stop = new AbortController();
  const done = scheduler.run(stop.signal);
  informers.start();
  const read = (name: string): Pod | undefined => api.read(pods, { namespace: 'default', name });
  return {
    api,
    clock,
    events,
    pod: read,
    nodeOf: (name) => until(clock, `${name} has a node`, () => read(name)?.spec?.nodeName),
    refusal: (name, matches = /./) =>
      until(clock, `${name} is refused`, () => {
        const condition = read(name)?.status?.conditions?.find(({ type }) => type === 'PodScheduled');
        const message = condition?.status === 'False' ? condition.message : undefined;
        return message !== undefined && matches.test(message) ? message : undefined;
      }),
    quiet: () => turns(clock, 50),
    async [Symbol.asyncDispose]() {
      stop.abort();
      await done;
      await informers[Symbol.asyncDispose]();
    },
  };
}

/** Turns of the loop in which the clock stands still, but what is due happens. The fake API needs no more. */
async function turns(clock: ManualClock, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    await clock.advance(0);
    await yieldToLoop();
  }
}

/** Waits for a value, in turns of the loop: nothing here takes more than a few. */
async function until<T>(clock: ManualClock, what: string, probe: () => T | undefined): Promise<T> {
  for (let i = 0; i < 2000; i++) {
    const value = probe();
    if (value !== undefined && value !== '') return value;
    await turns(clock, 1);
  }
  throw new Error(`${what}: not within 2000 turns`);
}
