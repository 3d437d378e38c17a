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
    'endpoints[0].addresses[0]: Invalid value: "10.0.0.1": must be an IPv6 address',
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
];

for (const [kind, patch, ...expected] of CREATES) {
  test(`a ${kind} with ${JSON.stringify(patch)}`, () => {
    assert.deepEqual(created(kind, patch), expected);
  });
}

test('the status of an ingress names hosts, not addresses', () => {
  const patch = { status: { loadBalancer: { ingress: [{ ip: 'x', hostname: '10.0.0.1' }] } } };
  assert.deepEqual(updated('networking.k8s.io/Ingress', patch, {}, 'status'), [
    'status.loadBalancer.ingress[0].ip: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
    'status.loadBalancer.ingress[0].hostname: Invalid value: "10.0.0.1": must be a DNS name, not an IP address',
  ]);
});
