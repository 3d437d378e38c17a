import assert from 'node:assert/strict';
import { suite, test } from 'node:test';

import { ManualClock } from '../../../base/clock.ts';
import { openMemoryStore } from '../../store/memory.ts';
import { prefixEnd } from '../../store/store.ts';
import { TestServer } from '../testing/test-server.ts';
import { leaseName } from './identity-lease.ts';

const ENDPOINTS = '/api/v1/namespaces/default/endpoints/kubernetes';
const SLICES = '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices';
const LEASES = '/apis/coordination.k8s.io/v1/namespaces/kube-system/leases';
const KEYS = '/registry/masterleases/';

interface Machines extends AsyncDisposable {
  readonly clock: ManualClock;
  open(hostname: string): Promise<TestServer>;
  keys(): Promise<string[]>;
}

/** Servers that share a store and its time. */
async function machines(): Promise<Machines> {
  await using stack = new AsyncDisposableStack();
  const clock = new ManualClock();
  const store = stack.use(await openMemoryStore({ clock }));
  const owned = stack.move();
  return {
    clock,
    open: async (hostname) =>
      owned.use(await TestServer.open({ store, clock, sharedStore: true, identity: { hostname } })),
    async keys() {
      const { kvs } = await store.range(KEYS, prefixEnd(KEYS));
      return kvs.map(({ key }) => key.slice(KEYS.length));
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** `address:port` of each subset's addresses. */
async function addresses(server: TestServer): Promise<string[]> {
  const { body } = await server.call('GET', ENDPOINTS);
  const subsets = body['subsets'] as { addresses: { ip: string }[]; ports: { port: number }[] }[];
  return subsets.flatMap((subset) => subset.addresses.map(({ ip }) => `${ip}:${subset.ports[0]?.port}`));
}

async function slices(server: TestServer): Promise<unknown[]> {
  const { body } = await server.call('GET', SLICES);
  return (body.items ?? []).map(({ metadata, ports, endpoints }) => [
    metadata.name,
    (ports as { port: number }[])[0]?.port,
    (endpoints as { addresses: string[] }[]).flatMap((endpoint) => endpoint.addresses),
  ]);
}

suite('servers on one store', () => {
  test('all addresses are listed, and the leases are where upstream has them', async () => {
    await using of = await machines();
    const one = await of.open('one');
    await one.server.advertise({ address: '10.0.0.2', port: 6443 });
    const two = await of.open('two');
    await two.server.advertise({ address: '10.0.0.1', port: 6443 });
    await one.server.advertise({ address: '10.0.0.2', port: 6443 });
    assert.deepEqual(await addresses(one), ['10.0.0.1:6443', '10.0.0.2:6443']);
    assert.deepEqual(await slices(two), [['kubernetes', 6443, ['10.0.0.1', '10.0.0.2']]]);
    assert.deepEqual(await of.keys(), ['10.0.0.1', '10.0.0.2']);
    const { body } = await one.call('GET', ENDPOINTS);
    assert.deepEqual(body.metadata.labels, { 'endpointslice.kubernetes.io/skip-mirror': 'true' });
  });

  test('ports that differ have subsets and slices of their own, as long as somebody listens there', async () => {
    await using of = await machines();
    const one = await of.open('one');
    const two = await of.open('two');
    await one.server.advertise({ address: '10.0.0.1', port: 6443 });
    await two.server.advertise({ address: '10.0.0.2', port: 7443 });
    assert.deepEqual(await addresses(one), ['10.0.0.1:6443', '10.0.0.2:7443']);
    assert.deepEqual(await slices(one), [
      ['kubernetes', 6443, ['10.0.0.1']],
      ['kubernetes-ipv4-7443', 7443, ['10.0.0.2']],
    ]);
    await two.server.advertise({ address: '10.0.0.2', port: 6443 });
    assert.deepEqual(await addresses(one), ['10.0.0.1:6443', '10.0.0.2:6443']);
    assert.deepEqual(await slices(one), [['kubernetes', 6443, ['10.0.0.1', '10.0.0.2']]]);
  });

  test('a server that ends takes its address along, the last one leaves its own', async () => {
    await using of = await machines();
    const one = await of.open('one');
    const two = await of.open('two');
    await one.server.advertise({ address: '10.0.0.1', port: 6443 });
    await two.server.advertise({ address: '10.0.0.2', port: 6443 });
    await two.server[Symbol.asyncDispose]();
    assert.deepEqual(await addresses(one), ['10.0.0.1:6443']);
    assert.deepEqual(await of.keys(), ['10.0.0.1']);
    await one.server[Symbol.asyncDispose]();
    assert.deepEqual(await of.keys(), []);
    assert.deepEqual(await addresses(await of.open('three')), ['10.0.0.1:6443']);
  });

  test('the address of a server that says nothing any more goes when its lease has run out', async () => {
    await using of = await machines();
    const store = await of.open('one');
    // As upstream's servers leave it: protobuf, without a port.
    const lease = await store.store.grantLease(15);
    const value = Buffer.from('k8s\0\n\x0f\n\x02v1\x12\tEndpoints', 'latin1');
    await store.store.txn([], [{ type: 'put', key: `${KEYS}10.0.0.9`, value, lease }]);
    await store.server.advertise({ address: '10.0.0.1', port: 6443 });
    assert.deepEqual(await addresses(store), ['10.0.0.1:6443', '10.0.0.9:6443']);
    await of.clock.advance(16_000);
    await store.server.advertise({ address: '10.0.0.1', port: 6443 });
    assert.deepEqual(await addresses(store), ['10.0.0.1:6443']);
  });

  test('a lease that ran out while the machine slept is taken anew', async () => {
    await using of = await machines();
    const one = await of.open('one');
    await one.server.advertise({ address: '10.0.0.1', port: 6443 });
    const { kvs } = await one.store.range(KEYS, prefixEnd(KEYS));
    await one.store.revokeLease(kvs[0]?.lease ?? 0);
    assert.deepEqual(await of.keys(), []);
    await one.server.advertise({ address: '10.0.0.1', port: 6443 });
    assert.deepEqual(await of.keys(), ['10.0.0.1']);
  });

  test('alone on its store a server writes its one address and no lease', async () => {
    await using server = await TestServer.open();
    await server.server.advertise({ address: '10.0.0.1', port: 6443 });
    await server.server.advertise({ address: '10.0.0.2', port: 6443 });
    assert.deepEqual(await addresses(server), ['10.0.0.2:6443']);
    assert.equal((await server.store.range(KEYS, prefixEnd(KEYS))).count, 0);
  });
});

suite('identity', () => {
  const selector = `${LEASES}?labelSelector=apiserver.kubernetes.io%2Fidentity%3Dkube-apiserver`;

  test("each server has a Lease, named by its host's name, held by its run", async () => {
    await using of = await machines();
    const one = await of.open('one');
    await of.open('two');
    const { body } = await one.call('GET', selector);
    assert.deepEqual(body.items?.map(({ metadata }) => metadata.labels?.['kubernetes.io/hostname']).sort(), [
      'one',
      'two',
    ]);
    const [lease] = (body.items ?? []).filter(
      ({ metadata }) => metadata.name === leaseName({ hostname: 'one' }),
    );
    assert.match(lease?.metadata.name ?? '', /^apiserver-[a-z2-7]{26}$/);
    const { holderIdentity, leaseDurationSeconds, renewTime } = lease?.spec ?? {};
    assert.equal(JSON.stringify(holderIdentity).slice(1, 38), `${lease?.metadata.name}_`);
    assert.equal(leaseDurationSeconds, 3600);
    assert.equal(renewTime, '2026-01-01T00:00:00.000000Z');
  });

  test('is renewed, and cleared away an hour after its server has gone', async () => {
    await using of = await machines();
    const one = await of.open('one');
    const stale = leaseName({ hostname: 'gone' });
    await one.create(LEASES, {
      metadata: { name: stale, labels: { 'apiserver.kubernetes.io/identity': 'kube-apiserver' } },
      spec: { holderIdentity: 'x', leaseDurationSeconds: 3600, renewTime: '2025-12-31T00:00:00.000000Z' },
    });
    await one.create(LEASES, {
      metadata: { name: 'somebody-else' },
      spec: { holderIdentity: 'x', leaseDurationSeconds: 3600, renewTime: '2025-12-31T00:00:00.000000Z' },
    });
    await of.clock.advance(3_600_000);
    await one.server.advertise({ address: '10.0.0.1', port: 6443 });
    assert.equal((await one.call('GET', `${LEASES}/${stale}`)).status, 404);
    assert.equal((await one.call('GET', `${LEASES}/somebody-else`)).status, 200);
    const { body } = await one.call('GET', `${LEASES}/${leaseName({ hostname: 'one' })}`);
    assert.equal(body.spec?.['renewTime'], '2026-01-01T01:00:00.000000Z');
  });

  test("the name is upstream's for the same host", () => {
    // sha256 of both names, each after its length in two bytes.
    assert.equal(leaseName({ hostname: 'control-plane' }), 'apiserver-6vzvajxlkf7lcarzgdc4jnyaru');
    assert.notEqual(
      leaseName({ hostname: 'control-plane', instance: 'a' }),
      leaseName({ hostname: 'control-plane' }),
    );
  });
});
