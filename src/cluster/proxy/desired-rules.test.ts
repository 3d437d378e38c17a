import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Service, ServiceSpec } from '../api/generated/core-v1.ts';
import type { Endpoint, EndpointSlice } from '../api/generated/discovery-v1.ts';
import { desiredRules } from './desired-rules.ts';

function service(name: string, spec: ServiceSpec, created = '2026-01-01T00:00:00Z'): Service {
  return {
    metadata: { name, namespace: 'default', creationTimestamp: created },
    spec: { clusterIP: '10.96.0.10', ports: [{ name: 'http', port: 80, protocol: 'TCP' }], ...spec },
  };
}

function slice(name: string, endpoints: Endpoint[], extra: Partial<EndpointSlice> = {}): EndpointSlice {
  return {
    addressType: 'IPv4',
    metadata: { name: `${name}-x`, namespace: 'default', labels: { 'kubernetes.io/service-name': name } },
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
    endpoints,
    ...extra,
  };
}

const at = (ip: string, conditions: Endpoint['conditions'] = { ready: true }, nodeName = 'n1'): Endpoint => ({
  addresses: [ip],
  conditions,
  nodeName,
});

const rulesOf = (services: Service[], slices: EndpointSlice[]) =>
  desiredRules({ services, slices, nodeName: 'n1' }).rules.map(({ service: owner, ...rule }) => ({
    ...rule,
    owner: owner.metadata?.name,
  }));

test('a cluster IP service leads to its ready endpoints', () => {
  const slices = [slice('web', [at('10.0.0.2'), at('10.0.0.1'), at('10.0.0.3', { ready: false })])];
  assert.deepEqual(rulesOf([service('web', {})], slices), [
    {
      id: 'default/web:http/tcp',
      owner: 'web',
      protocol: 'tcp',
      clusterIP: '10.96.0.10',
      port: 80,
      endpoints: [
        { ip: '10.0.0.1', port: 8080 },
        { ip: '10.0.0.2', port: 8080 },
      ],
    },
  ]);
});

test('without ready endpoints, those that serve while they terminate are used', () => {
  const slices = [
    slice('web', [
      at('10.0.0.1', { ready: false, serving: true, terminating: true }),
      at('10.0.0.2', { ready: false, serving: false, terminating: true }),
      at('10.0.0.3', { ready: false, serving: false, terminating: false }),
    ]),
  ];
  assert.deepEqual(rulesOf([service('web', {})], slices)[0]?.endpoints, [{ ip: '10.0.0.1', port: 8080 }]);
});

test('headless and ExternalName services have no rules', () => {
  assert.deepEqual(
    rulesOf([service('a', { clusterIP: 'None' }), service('b', { type: 'ExternalName' })], []),
    [],
  );
});

test('a service without endpoints has a rule, so that connections are refused rather than lost', () => {
  assert.deepEqual(rulesOf([service('web', {})], [])[0]?.endpoints, []);
});

test('a node port is part of the rule when both ways have the same endpoints', () => {
  const web = service('web', { type: 'NodePort', ports: [{ port: 80, nodePort: 30080 }] });
  const slices = [slice('web', [at('10.0.0.1')], { ports: [{ port: 8080 }] })];
  assert.deepEqual(rulesOf([web], slices), [
    {
      id: 'default/web:80/tcp',
      owner: 'web',
      protocol: 'tcp',
      clusterIP: '10.96.0.10',
      port: 80,
      nodePort: 30_080,
      endpoints: [{ ip: '10.0.0.1', port: 8080 }],
    },
  ]);
});

test('a local external policy splits the rule in two', () => {
  const web = service('web', {
    type: 'NodePort',
    externalTrafficPolicy: 'Local',
    ports: [{ name: 'http', port: 80, nodePort: 30_080 }],
  });
  const slices = [slice('web', [at('10.0.0.1'), at('10.0.1.1', { ready: true }, 'n2')])];
  const rules = rulesOf([web], slices);
  assert.deepEqual(
    rules.map(({ id, clusterIP, nodePort, endpoints }) => ({
      id,
      clusterIP,
      nodePort,
      count: endpoints.length,
    })),
    [
      { id: 'default/web:http/tcp', clusterIP: '10.96.0.10', nodePort: undefined, count: 2 },
      { id: 'default/web:http/tcp@node', clusterIP: undefined, nodePort: 30_080, count: 1 },
    ],
  );
});

test('a local internal policy uses the endpoints of this node alone', () => {
  const slices = [slice('web', [at('10.0.0.1'), at('10.0.1.1', { ready: true }, 'n2')])];
  const rules = rulesOf([service('web', { internalTrafficPolicy: 'Local' })], slices);
  assert.deepEqual(rules[0]?.endpoints, [{ ip: '10.0.0.1', port: 8080 }]);
});

test('ports are matched by name and protocol, over several slices, duplicates once', () => {
  const web = service('web', {
    ports: [
      { name: 'http', port: 80 },
      { name: 'dns', port: 53, protocol: 'UDP' },
    ],
  });
  const slices = [
    slice('web', [at('10.0.0.1')], {
      ports: [
        { name: 'http', port: 8080 },
        { name: 'dns', port: 5353, protocol: 'UDP' },
      ],
    }),
    slice('web', [at('10.0.0.1'), at('10.0.0.2')]),
    slice('web', [at('fd00::1')], { addressType: 'IPv6' }),
    slice('other', [at('10.0.0.9')]),
  ];
  const [http, dns] = rulesOf([web], slices);
  assert.deepEqual(http?.endpoints, [
    { ip: '10.0.0.1', port: 8080 },
    { ip: '10.0.0.2', port: 8080 },
  ]);
  assert.deepEqual([dns?.protocol, dns?.endpoints], ['udp', [{ ip: '10.0.0.1', port: 5353 }]]);
});

test('client IP affinity brings its time, three hours by default', () => {
  const stick = (spec: ServiceSpec) => rulesOf([service('web', spec)], [])[0]?.sessionAffinitySeconds;
  assert.equal(stick({}), undefined);
  assert.equal(stick({ sessionAffinity: 'ClientIP' }), 10_800);
  const config = { clientIP: { timeoutSeconds: 60 } };
  assert.equal(stick({ sessionAffinity: 'ClientIP', sessionAffinityConfig: config }), 60);
});

test('of two services that claim one node port, the older keeps it', () => {
  const port = { type: 'NodePort', ports: [{ port: 80, nodePort: 30_080 }] };
  const late = service('a', { ...port, clusterIP: '10.96.0.1' }, '2026-01-02T00:00:00Z');
  const early = service('b', { ...port, clusterIP: '10.96.0.2' });
  const { rules, conflicts } = desiredRules({ services: [late, early], slices: [], nodeName: 'n1' });
  assert.deepEqual(
    rules.map(({ id }) => id),
    ['default/b:80/tcp'],
  );
  assert.deepEqual(
    conflicts.map(({ message }) => message),
    ['tcp node port 30080 belongs to service default/b'],
  );
});
