import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { ManualClock } from '../../base/clock.ts';
import { silentLogger } from '../../base/log.ts';
import type { ServiceRule, ServiceRules } from '../../kernel/service-rules-contract.ts';
import type { Service } from '../api/generated/core-v1.ts';
import type { EndpointSlice } from '../api/generated/discovery-v1.ts';
import type { ApiObject, Client, Informer, InformerFactory, InformerHandler } from '../client/contract.ts';
import { createProxy } from './proxy.ts';

/** An informer that a test fills. */
class Shelf {
  readonly objects = new Map<string, ApiObject>();
  readonly #handlers = new Set<InformerHandler<ApiObject>>();

  put(object: ApiObject): void {
    this.objects.set(object.metadata?.name ?? '', object);
    for (const handler of this.#handlers) handler.updated?.(object, object);
  }

  informer(): Informer<ApiObject> {
    return {
      get: (key) => this.objects.get(key),
      list: () => [...this.objects.values()],
      byIndex: () => [],
      addHandler: (handler) => {
        this.#handlers.add(handler);
        return { [Symbol.dispose]: () => void this.#handlers.delete(handler) };
      },
      synced: async () => {},
    };
  }
}

function setUp() {
  const clock = new ManualClock();
  const shelves = new Map([
    ['services', new Shelf()],
    ['endpointslices', new Shelf()],
  ]);
  const applied: (readonly ServiceRule[])[] = [];
  const events: string[] = [];
  const state: { failure: Error | undefined } = { failure: undefined };
  const rules: ServiceRules = {
    apply(desired) {
      if (state.failure !== undefined) throw state.failure;
      applied.push(desired);
    },
    tearDown() {},
  };
  const informers = {
    informer: (type: { resource: string }) => shelves.get(type.resource)!.informer(),
    start() {},
    async [Symbol.asyncDispose]() {},
  } as unknown as InformerFactory;
  const abort = new AbortController();
  const proxy = createProxy({
    client: {} as Client,
    informers,
    rules,
    clock,
    log: silentLogger,
    nodeName: 'n1',
    events: { event: (_object, type, reason) => events.push(`${type} ${reason}`) },
  });
  const running = proxy.run(abort.signal);
  const stop = async (): Promise<void> => {
    abort.abort();
    await running;
  };
  const put = (kind: string, object: ApiObject): void => shelves.get(kind)!.put(object);
  return { clock, applied, events, state, put, stop };
}

const service = (name: string, nodePort?: number): Service => ({
  metadata: { name, namespace: 'default' },
  spec: {
    type: nodePort === undefined ? 'ClusterIP' : 'NodePort',
    clusterIP: '10.96.0.1',
    ports: [{ port: 80, nodePort }],
  },
});

const slice = (name: string, ip: string, port: number): EndpointSlice => ({
  addressType: 'IPv4',
  metadata: { name: `${name}-1`, namespace: 'default', labels: { 'kubernetes.io/service-name': name } },
  ports: [{ port }],
  endpoints: [{ addresses: [ip], conditions: { ready: true } }],
});

test('a burst of changes is one apply of the whole state', async () => {
  const { clock, applied, put, stop } = setUp();
  await clock.advance(0);
  assert.deepEqual(applied, [[]]);
  put('services', service('web'));
  for (let i = 0; i < 50; i++) put('endpointslices', slice('web', `10.0.0.${i}`, 8080));
  await clock.advance(100);
  assert.equal(applied.length, 2);
  assert.deepEqual(applied[1], [
    {
      id: 'default/web:80/tcp',
      protocol: 'tcp',
      clusterIP: '10.96.0.1',
      port: 80,
      endpoints: [{ ip: '10.0.0.49', port: 8080 }],
    },
  ]);
  await stop();
});

test('rules that could not be written are tried again, later each time', async () => {
  const { clock, applied, state, put, stop } = setUp();
  await clock.advance(0);
  state.failure = new Error('netlink says no');
  put('services', service('web'));
  await clock.advance(2000);
  assert.equal(applied.length, 1);
  state.failure = undefined;
  await clock.advance(2000);
  assert.equal(applied.length, 2);
  await stop();
});

test(
  'a node port answers on 127.0.0.1; one in use is told, and served once it is free',
  { timeout: 10_000 },
  async () => {
    const backend = createServer((socket) => socket.end('hello')).listen(0, '127.0.0.1');
    const blocker = createServer().listen(0, '127.0.0.1');
    await Promise.all([once(backend, 'listening'), once(blocker, 'listening')]);
    const nodePort = (blocker.address() as AddressInfo).port;
    const { clock, events, put, stop } = setUp();
    await clock.advance(0);
    put('endpointslices', slice('web', '127.0.0.1', (backend.address() as AddressInfo).port));
    put('services', service('web', nodePort));
    await clock.advance(100);
    while (events.length === 0) await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(events, ['Warning NodePortUnavailable']);
    await new Promise((resolve) => blocker.close(resolve));
    await clock.advance(5000);
    const ask = (): Promise<string> => text(connect(nodePort, '127.0.0.1')).catch(() => '');
    while ((await ask()) !== 'hello');
    await stop();
    await assert.rejects(text(connect(nodePort, '127.0.0.1')), /ECONNREFUSED/);
    backend.close();
  },
);
