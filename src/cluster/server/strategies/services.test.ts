import assert from 'node:assert/strict';
import { test } from 'node:test';

import { objectsAt, type JsonObject } from '../../api/json.ts';
import { TestServer } from '../testing/test-server.ts';
import { threads } from '../testing/threads.ts';

const SERVICES = '/api/v1/namespaces/default/services';
const MERGE = { 'content-type': 'application/merge-patch+json' };

function service(name: string, spec: Record<string, unknown> = {}): unknown {
  return { apiVersion: 'v1', kind: 'Service', metadata: { name }, spec: { ports: [{ port: 80 }], ...spec } };
}

function nodePort(spec: JsonObject | undefined): unknown {
  return (spec?.['ports'] as JsonObject[] | undefined)?.[0]?.['nodePort'];
}

test('the API has the first address of the range', async () => {
  await using api = await TestServer.open();
  const { body } = await api.call('GET', `${SERVICES}/kubernetes`);
  assert.equal(body.spec?.['clusterIP'], '10.96.0.1');
  await api.call('DELETE', `${SERVICES}/kubernetes`);
  await api.clock.advance(10_000);
  assert.equal((await api.call('GET', `${SERVICES}/kubernetes`)).status, 200);
});

test('addresses are unique, kept on update and free again after a delete', async () => {
  await using api = await TestServer.open({ serviceCidr: '10.0.0.0/29' });
  const seen = new Set<unknown>();
  for (const name of ['a', 'b', 'c', 'd', 'e'])
    seen.add((await api.create(SERVICES, service(name))).spec?.['clusterIP']);
  assert.equal(seen.size, 5);
  const full = await api.call('POST', SERVICES, service('f'));
  assert.equal(full.status, 422);
  assert.match(full.body.message ?? '', /range is full/);
  await api.call('DELETE', `${SERVICES}/c`);
  const again = await api.create(SERVICES, service('f'));
  assert.ok(seen.has(again.spec?.['clusterIP']));
  const kept = await api.call('PUT', `${SERVICES}/f`, service('f', { ports: [{ port: 81 }] }));
  assert.equal(kept.body.spec?.['clusterIP'], again.spec?.['clusterIP']);
});

test('twenty services at once get twenty addresses', async () => {
  await using api = await TestServer.open({ serviceCidr: '10.0.0.0/27' });
  const made = await Promise.all(
    Array.from({ length: 20 }, (_, i) => api.create(SERVICES, service(`s${i}`))),
  );
  assert.equal(new Set(made.map(({ spec }) => spec?.['clusterIP'])).size, 20);
});

test('an address can be asked for, once and within the range', async () => {
  await using api = await TestServer.open();
  await api.create(SERVICES, service('a', { clusterIP: '10.96.3.4' }));
  const taken = await api.call('POST', SERVICES, service('b', { clusterIP: '10.96.3.4' }));
  assert.match(
    taken.body.message ?? '',
    /spec.clusterIPs: Invalid value: \["10.96.3.4"\]: failed to allocate IP 10.96.3.4: provided IP is already allocated/,
  );
  const outside = await api.call('POST', SERVICES, service('b', { clusterIP: '10.0.0.1' }));
  assert.match(outside.body.message ?? '', /not in the valid range. The range of valid IPs is 10.96.0.0\/16/);
  const headless = await api.create(SERVICES, service('h', { clusterIP: 'None' }));
  assert.deepEqual(headless.spec?.['clusterIPs'], ['None']);
});

test('node ports are unique, asked for or chosen, and given back', async () => {
  await using api = await TestServer.open();
  await api.create(SERVICES, service('a', { type: 'NodePort', ports: [{ port: 80, nodePort: 30080 }] }));
  const taken = await api.call(
    'POST',
    SERVICES,
    service('b', { type: 'NodePort', ports: [{ port: 80, nodePort: 30080 }] }),
  );
  assert.equal(taken.status, 422);
  assert.equal(
    taken.body.message,
    'Service "b" is invalid: spec.ports[0].nodePort: Invalid value: 30080: provided port is already allocated',
  );
  const low = await api.call(
    'POST',
    SERVICES,
    service('b', { type: 'NodePort', ports: [{ port: 80, nodePort: 80 }] }),
  );
  assert.match(
    low.body.message ?? '',
    /provided port is not in the valid range. The range of valid ports is 30000-32767/,
  );
  const chosen = await api.create(SERVICES, service('b', { type: 'NodePort' }));
  const port = Number(nodePort(chosen.spec));
  assert.ok(port >= 30000 && port <= 32767);
  const kept = await api.call('PUT', `${SERVICES}/b`, service('b', { type: 'NodePort' }));
  assert.equal(nodePort(kept.body.spec), port);
  const back = await api.call(
    'PATCH',
    `${SERVICES}/a`,
    { spec: { type: 'ClusterIP', ports: [{ port: 80 }] } },
    MERGE,
  );
  assert.equal(nodePort(back.body.spec), undefined);
  await api.create(SERVICES, service('c', { type: 'NodePort', ports: [{ port: 80, nodePort: 30080 }] }));
});

test('a service takes all ports but one, wherever its values are worked on', async () => {
  using seen = threads();
  for (const wideValues of [Infinity, 1000]) {
    await using api = await TestServer.open({ nodePortRange: [30000, 30599], limits: { wideValues } });
    await api.create(SERVICES, service('fixed', { type: 'NodePort', ports: [{ port: 1, nodePort: 30300 }] }));
    const names = Array.from({ length: 598 }, (_, i) => ({ name: `p${i}`, port: i + 1 }));
    const many = (ports: readonly object[]): unknown => service('many', { type: 'NodePort', ports });
    const taken = await api.call(
      'POST',
      SERVICES,
      many([{ name: 'x', port: 999, nodePort: 30300 }, ...names]),
    );
    assert.equal(taken.status, 422);
    assert.match(taken.body.message ?? '', /nodePort: Invalid value: 30300: provided port is already alloc/);
    const dry = await api.call('POST', `${SERVICES}?dryRun=All`, many(names));
    assert.equal(nodePort(dry.body.spec), 32769);
    const made = await api.create(SERVICES, many(names));
    const ports = objectsAt(made.spec ?? {}, 'ports').map((port) => port['nodePort'] as number);
    assert.equal(new Set(ports).size, 598);
    assert.ok(ports.every((port) => port >= 30000 && port <= 30599 && port !== 30300));
    const last = await api.create(SERVICES, service('last', { type: 'NodePort' }));
    assert.ok(!ports.includes(nodePort(last.spec) as number));
    const full = await api.call('POST', SERVICES, service('none', { type: 'NodePort' }));
    assert.equal(full.body.message, 'Internal error occurred: failed to allocate a nodePort: range is full');
    const fewer = await api.call(
      'PATCH',
      `${SERVICES}/many`,
      { spec: { ports: names.slice(0, 500) } },
      MERGE,
    );
    assert.equal(fewer.status, 200);
    assert.equal(nodePort(fewer.body.spec), ports[0]);
    assert.equal((await api.call('DELETE', `${SERVICES}/many`)).status, 200);
    await api.create(
      SERVICES,
      service('again', { type: 'NodePort', ports: [{ port: 1, nodePort: ports[7] }] }),
    );
  }
  assert.equal(seen.started.length, 1);
});

test('one port of a service has one node port, whatever its protocols', async () => {
  await using api = await TestServer.open();
  const ports = ['TCP', 'UDP'].map((protocol) => ({ name: protocol.toLowerCase(), port: 53, protocol }));
  const made = await api.create(SERVICES, service('dns', { type: 'NodePort', ports }));
  const [tcp, udp] = objectsAt(made, 'spec', 'ports').map((port) => port['nodePort']);
  assert.equal(tcp, udp);
  const twice = [80, 81].map((port) => ({ name: `p${port}`, port, nodePort: 30080 }));
  const refused = await api.call('POST', SERVICES, service('a', { type: 'NodePort', ports: twice }));
  assert.match(refused.body.message ?? '', /ports\[1\].nodePort: .*: provided port is already allocated$/);
});

test('a balanced service that is local has a port for checks of its health, and gives it back', async () => {
  await using api = await TestServer.open();
  const spec = { type: 'LoadBalancer', externalTrafficPolicy: 'Local', healthCheckNodePort: 30100 };
  const made = await api.create(SERVICES, service('a', spec));
  assert.equal(made.spec?.['healthCheckNodePort'], 30_100);
  const taken = await api.call('POST', SERVICES, service('b', spec));
  assert.equal(taken.status, 500);
  assert.match(taken.body.message ?? '', /failed to allocate requested HealthCheck NodePort 30100: /);
  const change = { spec: { externalTrafficPolicy: 'Cluster', healthCheckNodePort: null } };
  const changed = await api.call('PATCH', `${SERVICES}/a`, change, MERGE);
  assert.equal(changed.body.spec?.['healthCheckNodePort'], undefined);
  await api.create(SERVICES, service('b', spec));
});

const FAMILIES: readonly (readonly [JsonObject, number, string])[] = [
  [{ ipFamilyPolicy: 'RequireDualStack' }, 422, 'this cluster is not configured for dual-stack services'],
  [{ clusterIP: 'fd00::1' }, 422, 'IPv6 is not configured on this cluster'],
  [
    { ipFamilies: ['IPv6'] },
    422,
    'spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster',
  ],
  [{ clusterIP: 'None' }, 201, '"ipFamilies":["IPv4","IPv6"]'],
  [{ clusterIP: 'None', selector: { a: 'b' } }, 201, '"ipFamilies":["IPv4"]'],
  [{ ipFamilyPolicy: 'PreferDualStack' }, 201, '"ipFamilies":["IPv4"]'],
];

for (const [spec, status, expected] of FAMILIES) {
  test(`families of ${JSON.stringify(spec)}`, async () => {
    await using api = await TestServer.open();
    const answer = await api.call('POST', `${SERVICES}?dryRun=All`, service('a', spec));
    assert.equal(answer.status, status);
    const said = status === 201 ? JSON.stringify(answer.body.spec) : (answer.body.message ?? '');
    assert.ok(said.includes(expected), said);
  });
}

test('what a service has stays, and is told in the order in which upstream looks', async () => {
  await using api = await TestServer.open();
  await api.create(SERVICES, service('a'));
  await api.create(SERVICES, service('headless', { clusterIP: 'None', selector: { a: 'b' } }));
  await api.create(SERVICES, service('bare', { clusterIP: 'None' }));
  const change = (name: string, spec: object) => api.call('PATCH', `${SERVICES}/${name}`, { spec }, MERGE);
  const refusals: readonly [string, object, number, RegExp][] = [
    ['a', { clusterIP: '10.0.0.5' }, 422, /spec.clusterIPs\[0\]: .* may not change once set$/],
    ['headless', { clusterIP: '10.0.0.5' }, 422, /spec.clusterIPs\[0\]: .* may not change once set$/],
    ['bare', { ipFamilies: ['IPv6'] }, 422, /must be 'SingleStack' to release the secondary IP family$/],
    [
      'a',
      {
        type: 'NodePort',
        ports: [80, 81].map((port) => ({ name: `p${port}`, port, nodePort: 30_080 })),
      },
      500,
      /^duplicate nodePort: {TCP 30080}$/,
    ],
  ];
  for (const [name, spec, status, message] of refusals) {
    const { body, ...answer } = await change(name, spec);
    assert.equal(answer.status, status);
    assert.match(body.message ?? '', message);
  }
  const elsewhere = { type: 'ExternalName', externalName: 'a.example.com', clusterIPs: null };
  const { body } = await change('headless', elsewhere);
  assert.deepEqual([body.spec?.['clusterIP'], body.spec?.['clusterIPs']], [undefined, undefined]);
});

test('what is allocated survives a restart on the same store', async () => {
  await using first = await TestServer.open();
  await first.create(SERVICES, service('a', { type: 'NodePort', ports: [{ port: 80, nodePort: 30080 }] }));
  await first.server[Symbol.asyncDispose]();
  await using second = await TestServer.open({ store: first.store });
  const taken = await second.call(
    'POST',
    SERVICES,
    service('b', { type: 'NodePort', ports: [{ port: 80, nodePort: 30080 }] }),
  );
  assert.equal(taken.status, 422);
});
