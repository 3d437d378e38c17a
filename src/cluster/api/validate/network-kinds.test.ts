/** What is refused of ingresses, policies and slices, by the facts of upstream's own rules. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '../json.ts';
import { created, updated } from '../testing/complaints.ts';

const backend = (service: JsonObject): JsonObject => ({ spec: { defaultBackend: { service } } });
const slice = (addressType: string, endpoint: JsonObject): JsonObject => ({
  addressType,
  endpoints: [{ addresses: ['10.0.0.1'], ...endpoint }],
});

const CREATES: readonly (readonly [string, JsonObject, ...string[]])[] = [
  [
    'networking.k8s.io/Ingress',
    {
      metadata: { annotations: { 'kubernetes.io/ingress.class': 'a' } },
      spec: { ingressClassName: 'b' },
    },
    'annotations.kubernetes.io/ingress.class: Invalid value: "a": must match `ingressClassName` when both are specified',
  ],
  [
    'networking.k8s.io/Ingress',
    {
      metadata: { annotations: { 'kubernetes.io/ingress.class': 'a' } },
      spec: { ingressClassName: 'a' },
    },
  ],
  [
    'networking.k8s.io/Ingress',
    backend({ name: 'web', port: { name: 'http', number: 80 } }),
    'spec.defaultBackend: Invalid value: "": cannot set both port name & port number',
  ],
  [
    'networking.k8s.io/Ingress',
    { spec: { rules: [{ host: 'fd00::1', http: { paths: [] } }] } },
    'spec.rules[0].host: Invalid value: "fd00::1": must be a DNS name, not an IP address',
    "spec.rules[0].host: Invalid value: \"fd00::1\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
    'spec.rules[0].http.paths: Required value',
  ],
  [
    'networking.k8s.io/Ingress',
    { spec: { rules: [{ http: { paths: [{ path: '/a//b' }] } }] } },
    'spec.rules[0].http.paths[0].pathType: Required value: pathType must be specified',
  ],
  [
    'networking.k8s.io/IngressClass',
    { spec: { parameters: { scope: 'Near' } } },
    'spec.parameters.kind: Required value',
    'spec.parameters.name: Required value',
    'spec.parameters.scope: Unsupported value: "Near": supported values: "Cluster", "Namespace"',
  ],
  [
    'networking.k8s.io/NetworkPolicy',
    { spec: { policyTypes: ['Up'], egress: [{ ports: [{ protocol: 'ICMP', port: 'a', endPort: 9 }] }] } },
    'spec.egress[0].ports[0].protocol: Unsupported value: "ICMP": supported values: "TCP", "UDP", "SCTP"',
    'spec.egress[0].ports[0].endPort: Invalid value: 9: may not be specified when `port` is non-numeric',
    'spec.policyTypes[0]: Unsupported value: "Up": supported values: "Ingress", "Egress"',
  ],
  [
    'discovery.k8s.io/EndpointSlice',
    slice('IPv6', {}),
    'endpoints[0].addresses: Invalid value: "10.0.0.1": must be an IPv6 address',
  ],
  [
    'discovery.k8s.io/EndpointSlice',
    slice('IPv4', { addresses: ['127.0.0.1'] }),
    'endpoints[0].addresses[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
  ],
  [
    'discovery.k8s.io/EndpointSlice',
    slice('FQDN', { addresses: ['web'] }),
    'endpoints[0].addresses[0]: Invalid value: "web": should be a domain with at least two segments separated by dots',
  ],
  [
    'discovery.k8s.io/EndpointSlice',
    slice('IPv4', { hints: { forZones: [{ name: 'a' }, { name: 'a' }] } }),
    'endpoints[0].hints.forZones[1].name: Duplicate value: "a"',
  ],
  [
    'discovery.k8s.io/EndpointSlice',
    slice('IPv4', { hints: { forNodes: [{ name: 'a' }, { name: 'a' }] } }),
    'endpoints[0].hints.forNodes[1].name: Duplicate value: "a"',
  ],
  [
    'discovery.k8s.io/EndpointSlice',
    { ports: [{ name: '', protocol: '' }] },
    'ports[0].protocol: Unsupported value: "": supported values: "SCTP", "TCP", "UDP"',
  ],
  ['networking.k8s.io/Ingress', backend({ name: '1-web', port: { number: 80 } })],
  [
    'networking.k8s.io/NetworkPolicy',
    { spec: { egress: [{ ports: [{ protocol: 'TCP', port: 80, endPort: 79 }] }] } },
    'spec.egress[0].ports[0].endPort: Invalid value: 80: must be greater than or equal to `port`',
  ],
  [
    'networking.k8s.io/ServiceCIDR',
    { spec: { cidrs: ['10.0.0.0/16', 'fd00::/64', '10.1.0.0/16'] } },
    'spec.cidrs: Invalid value: {"CIDRs":["10.0.0.0/16","fd00::/64","10.1.0.0/16"]}: may only hold up to 2 values',
  ],
];

for (const [kind, patch, ...expected] of CREATES) {
  test(`a ${kind} with ${JSON.stringify(patch)}`, () => {
    assert.deepEqual(created(kind, patch), expected);
  });
}

const UPDATES: readonly (readonly [string, JsonObject, JsonObject, ...string[]])[] = [
  [
    'networking.k8s.io/IngressClass',
    { spec: { controller: 'web' } },
    { spec: { controller: 'example.com/web' } },
    'spec.controller: Invalid value: "web": field is immutable',
    'spec.controller: Invalid value: "web": must be a domain-prefixed path (such as "acme.io/foo")',
  ],
  [
    'networking.k8s.io/IPAddress',
    { spec: { parentRef: { resource: 'services', name: 'b' } } },
    { spec: { parentRef: { resource: 'services', name: 'a' } } },
    'spec.parentRef: Invalid value: {"Group":"","Resource":"services","Namespace":"default","Name":"b"}: field is immutable',
  ],
  [
    'networking.k8s.io/ServiceCIDR',
    { spec: { cidrs: ['none'] } },
    { spec: { cidrs: ['10.0.0.0/16'] } },
    'spec.cidrs[0]: Invalid value: "none": field is immutable',
  ],
  [
    'networking.k8s.io/ServiceCIDR',
    { spec: { cidrs: ['10.0.0.0/16', '10.1.0.0/16'] } },
    { spec: { cidrs: ['10.0.0.0/16'] } },
    'spec.cidrs: Invalid value: ["10.0.0.0/16","10.1.0.0/16"]: may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64',
  ],
  // Endpoints that were taken once are not looked at again.
  ['discovery.k8s.io/EndpointSlice', slice('IPv6', {}), slice('IPv6', {})],
  [
    'discovery.k8s.io/EndpointSlice',
    { addressType: null },
    {},
    'addressType: Required value',
    'addressType: Invalid value: "": field is immutable',
  ],
];

for (const [kind, patch, before, ...expected] of UPDATES) {
  test(`a ${kind} that becomes ${JSON.stringify(patch)}`, () => {
    assert.deepEqual(updated(kind, patch, before), expected);
  });
}

test('the status of an ingress names hosts, not addresses', () => {
  const patch = { status: { loadBalancer: { ingress: [{ ip: 'x', hostname: '10.0.0.1' }] } } };
  assert.deepEqual(updated('networking.k8s.io/Ingress', patch, {}, 'status'), [
    'status.loadBalancer.ingress[0].ip: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
    'status.loadBalancer.ingress[0].hostname: Invalid value: "10.0.0.1": must be a DNS name, not an IP address',
  ]);
});
