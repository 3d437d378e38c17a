import assert from 'node:assert/strict';
import test from 'node:test';
import { ManualClock } from '../../base/clock.ts';
import { PlatformError } from '../../base/errors.ts';
import { silentLogger } from '../../base/log.ts';
import { seededRandom } from '../../base/random.ts';
import { createClient } from './client.ts';
import type { ApiObject, Client, Informer, InformerFactory, InformerHandler } from './contract.ts';
import { createInformerFactory } from './informer.ts';
import { namespaces, nodes, pods } from './kinds.ts';
import { createFakeApi, statusResponse, type FakeApi } from './testing/fake-api.ts';

type Pod = NonNullable<typeof pods.example>;

interface World {
  readonly api: FakeApi;
  readonly clock: ManualClock;
  readonly factory: InformerFactory;
  readonly heard: string[];
  readonly handler: InformerHandler<Pod>;
  put(name: string, labels?: Record<string, string>): void;
  listRequests(): number;
}

function world(): World {
  const clock = new ManualClock();
  const api = createFakeApi({ clock });
  const client = createClient({ transport: api });
  const factory = createInformerFactory({ client, clock, random: seededRandom(1), log: silentLogger });
  const heard: string[] = [];
  return {
    api,
    clock,
    factory,
    heard,
    handler: {
      added: (pod) => void heard.push(`+${pod.metadata?.name}`),
      updated: (pod, previous) =>
        void heard.push(
          `~${pod.metadata?.name} ${previous.metadata?.labels?.['v']}>${pod.metadata?.labels?.['v']}`,
        ),
      deleted: (pod) => void heard.push(`-${pod.metadata?.name}`),
    },
    put: (name, labels = {}) => void api.put(pods, { metadata: { name, labels }, spec: { containers: [] } }),
    listRequests: () => api.requests.filter((line) => !line.includes('watch=')).length,
  };
}

async function heardIs(w: World, wanted: readonly string[]): Promise<void> {
  for (let i = 0; i < 200 && w.heard.length < wanted.length; i++) await w.clock.advance(0);
  await w.clock.advance(0);
  assert.deepEqual(w.heard, wanted);
}

test('lists, watches, and hands each change on once', async () => {
  const w = world();
  await using factory = w.factory;
  w.put('a', { v: '1' });
  const informer = factory.informer(pods);
  informer.addHandler(w.handler);
  factory.start();
  await informer.synced();
  assert.deepEqual(w.heard, ['+a']);
  w.put('b', { v: '1' });
  w.put('a', { v: '2' });
  w.api.remove(pods, { name: 'b' });
  await heardIs(w, ['+a', '+b', '~a 1>2', '-b']);
  assert.equal(informer.get('default/a')?.metadata?.labels?.['v'], '2');
  assert.deepEqual(informer.list().length, 1);
});

test('a late handler hears what is known, a disposed one nothing more', async () => {
  const w = world();
  await using factory = w.factory;
  w.put('a');
  const informer = factory.informer(pods);
  factory.start();
  await informer.synced();
  const subscription = informer.addHandler(w.handler);
  assert.deepEqual(w.heard, ['+a']);
  subscription[Symbol.dispose]();
  w.put('b');
  for (let i = 0; i < 200 && informer.list().length < 2; i++) await w.clock.advance(0);
  assert.deepEqual(w.heard, ['+a']);
});

test('informers of one type share a list and a watch, and keep their own indexes', async () => {
  const w = world();
  await using factory = w.factory;
  w.put('a', { app: 'x', tier: 'front' });
  w.put('b', { app: 'x', tier: 'back' });
  const by = (label: string): Informer<Pod> =>
    factory.informer(pods, { indexes: { label: (pod) => [pod.metadata?.labels?.[label] ?? ''] } });
  const [app, tier] = [by('app'), by('tier')];
  factory.start();
  await Promise.all([app.synced(), tier.synced()]);
  assert.equal(w.listRequests(), 1);
  assert.equal(app.byIndex('label', 'x').length, 2);
  assert.equal(tier.byIndex('label', 'back')[0]?.metadata?.name, 'b');
  w.put('b', { app: 'y', tier: 'back' });
  for (let i = 0; i < 200 && app.byIndex('label', 'y').length === 0; i++) await w.clock.advance(0);
  assert.deepEqual(
    app.byIndex('label', 'x').map((pod) => pod.metadata?.name),
    ['a'],
  );
  assert.throws(() => app.byIndex('other', ''), /no index "other"/);
});

test('resumes after the server ends the watch, without a new list', async () => {
  const w = world();
  await using factory = w.factory;
  const informer = factory.informer(pods);
  informer.addHandler(w.handler);
  factory.start();
  await informer.synced();
  await w.clock.advance(5000);
  w.api.dropWatches();
  w.put('missed');
  await heardIs(w, ['+missed']);
  assert.equal(w.listRequests(), 1);
});

test('a bookmark moves the point from which it resumes', async () => {
  const w = world();
  await using factory = w.factory;
  const informer = factory.informer(pods);
  factory.start();
  await informer.synced();
  for (let i = 0; i < 200 && w.api.openWatches === 0; i++) await w.clock.advance(0);
  w.api.put(nodes, { metadata: { name: 'other' } });
  w.api.bookmark();
  await w.clock.advance(5000);
  w.api.compact();
  w.api.dropWatches();
  w.put('later');
  for (let i = 0; i < 200 && informer.list().length === 0; i++) await w.clock.advance(0);
  assert.equal(w.listRequests(), 1);
});

test('lists again after 410 and tells of deletions it has missed', async () => {
  const w = world();
  await using factory = w.factory;
  for (const name of ['kept', 'gone', 'changed']) w.put(name, { v: '1' });
  const informer = factory.informer(pods);
  informer.addHandler(w.handler);
  factory.start();
  await informer.synced();
  await w.clock.advance(5000);
  w.heard.length = 0;
  w.api.intercept = (request) =>
    request.url.includes('watch=') ? statusResponse(new PlatformError('unavailable', 'down')) : undefined;
  w.api.dropWatches();
  await w.clock.advance(0);
  w.api.remove(pods, { name: 'gone' });
  w.put('changed', { v: '2' });
  w.put('new', { v: '1' });
  w.api.compact();
  w.api.intercept = undefined;
  await w.clock.advance(120_000);
  assert.deepEqual(w.heard.toSorted(), ['+new', '-gone', '~changed 1>2']);
  assert.equal(w.listRequests(), 2);
});

test('an object that was replaced under its name is deleted and added', async () => {
  const w = world();
  await using factory = w.factory;
  w.put('a', { v: '1' });
  const informer = factory.informer(pods);
  informer.addHandler(w.handler);
  factory.start();
  await informer.synced();
  await w.clock.advance(5000);
  w.api.intercept = () => statusResponse(new PlatformError('unavailable', 'down'));
  w.api.dropWatches();
  await w.clock.advance(0);
  w.api.remove(pods, { name: 'a' });
  w.put('a', { v: '1' });
  w.api.compact();
  w.api.intercept = undefined;
  await w.clock.advance(120_000);
  assert.deepEqual(w.heard, ['+a', '-a', '+a']);
});

test('waits longer after each failure, with jitter, and not after success', async () => {
  const w = world();
  await using factory = w.factory;
  const tries: number[] = [];
  w.api.intercept = () => {
    tries.push(w.clock.now());
    return statusResponse(new PlatformError('unavailable', 'down'));
  };
  const informer = factory.informer(pods);
  factory.start();
  await w.clock.advance(0);
  await w.clock.advance(300_000);
  const gaps = tries.slice(1).map((at, i) => at - tries[i]!);
  [800, 1600, 3200, 6400, 12_800, 25_600, 30_000].forEach((delay, i) => {
    assert.ok(gaps[i]! >= delay && gaps[i]! <= 2 * delay, `gap ${i} of ${gaps[i]} ms`);
  });
  w.api.intercept = undefined;
  await w.clock.advance(60_000);
  await informer.synced();
});

test('synced gives up with its signal; disposing ends the watches', async () => {
  const w = world();
  const informer = w.factory.informer(pods);
  const stop = new AbortController();
  const waiting = informer.synced(stop.signal);
  stop.abort();
  await assert.rejects(waiting, { code: 'cancelled' });
  w.factory.start();
  await informer.synced();
  for (let i = 0; i < 200 && w.api.openWatches === 0; i++) await w.clock.advance(0);
  await w.factory[Symbol.asyncDispose]();
  assert.equal(w.api.openWatches, 0);
});

test('many informers and the pages of their lists have a turn each', async () => {
  const { api, clock } = world();
  const real = createClient({ transport: api });
  const counted = { requests: 0 };
  // Three pages of each kind, answered at once, as by a server in this process.
  const list: Client['list'] = (_type, { continue: page = '0' } = {}) => {
    counted.requests++;
    const next = Number(page) + 1;
    return Promise.resolve({ items: [], resourceVersion: '1', ...(next < 3 && { continue: String(next) }) });
  };
  const client: Client = Object.assign(Object.create(real) as Client, { list });
  await using factory = createInformerFactory({
    client,
    clock,
    random: seededRandom(1),
    log: silentLogger,
  });
  const informers = [pods, nodes, namespaces].map((type) => factory.informer<ApiObject>(type));
  const eachTurn: number[] = [];
  factory.start();
  for (let before = 0; counted.requests < 9; before = counted.requests) {
    await new Promise(setImmediate);
    eachTurn.push(counted.requests - before);
  }
  await Promise.all(informers.map((informer) => informer.synced()));
  assert.equal(counted.requests, 9);
  assert.equal(Math.max(...eachTurn), 1, `requests of each turn: ${eachTurn.join(' ')}`);
});
