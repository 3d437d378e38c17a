import assert from 'node:assert/strict';
import test from 'node:test';
import { ManualClock } from '../../base/clock.ts';
import { PlatformError } from '../../base/errors.ts';
import { silentLogger } from '../../base/log.ts';
import { seededRandom } from '../../base/random.ts';
import { createClient } from './client.ts';
import { leases } from './kinds.ts';
import { leadWhenElected, type LeaderElectionOptions } from './leader-election.ts';
import { createFakeApi, statusResponse, type FakeApi } from './testing/fake-api.ts';

const lease = { namespace: 'kube-system', name: 'scheduler' };

interface Running {
  leading: boolean;
  readonly stop: AbortController;
  readonly outcome: Promise<'done' | 'lost'>;
}

function candidate(api: FakeApi, clock: ManualClock, identity: string): Running {
  const options: LeaderElectionOptions = {
    client: createClient({ transport: api, userAgent: identity }),
    clock,
    random: seededRandom(identity.length),
    log: silentLogger,
    lease,
    identity,
  };
  const stop = new AbortController();
  const lead = async (signal: AbortSignal): Promise<void> => {
    running.leading = true;
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    running.leading = false;
  };
  const running: Running = { leading: false, stop, outcome: Promise.resolve('done') };
  return Object.assign(running, { outcome: leadWhenElected(options, lead, stop.signal) });
}

test('one leads, the other takes over at once when the first gives up', async () => {
  const clock = new ManualClock();
  const api = createFakeApi({ clock });
  const a = candidate(api, clock, 'a');
  await clock.advance(0);
  const b = candidate(api, clock, 'bb');
  await clock.advance(60_000);
  assert.deepEqual([a.leading, b.leading], [true, false]);
  assert.equal(api.read(leases, lease)?.spec?.holderIdentity, 'a');
  a.stop.abort();
  for (let i = 0; i < 50 && !b.leading; i++) await clock.advance(100);
  assert.equal(await a.outcome, 'done');
  assert.deepEqual([a.leading, b.leading], [false, true]);
  const spec = api.read(leases, lease)?.spec;
  assert.deepEqual([spec?.holderIdentity, spec?.leaseTransitions], ['bb', 1]);
  b.stop.abort();
  await clock.advance(0);
  await b.outcome;
});

test('a leader cut off stops before another starts', async () => {
  const clock = new ManualClock();
  const api = createFakeApi({ clock });
  const a = candidate(api, clock, 'a');
  await clock.advance(0);
  const b = candidate(api, clock, 'bb');
  await clock.advance(10_000);
  api.intercept = (request) =>
    request.headers['user-agent'] === 'a'
      ? statusResponse(new PlatformError('unavailable', 'cut off'))
      : undefined;
  for (let i = 0; i < 200 && !b.leading; i++) {
    await clock.advance(100);
    assert.ok(!(a.leading && b.leading), 'two leaders');
  }
  assert.equal(await a.outcome, 'lost');
  assert.ok(b.leading);
  b.stop.abort();
  await clock.advance(0);
  await b.outcome;
});

test('a hanging request does not keep a leader beyond its deadline', async () => {
  const clock = new ManualClock();
  const api = createFakeApi({ clock });
  const a = candidate(api, clock, 'a');
  await clock.advance(0);
  api.intercept = () => new Promise(() => {});
  await clock.advance(9000);
  assert.ok(a.leading);
  await clock.advance(1000);
  assert.equal(a.leading, false);
  assert.equal(await a.outcome, 'lost');
});
