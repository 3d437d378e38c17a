/** What is taken with a warning: a minimal object, a change, and exactly the warnings. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from './json.ts';
import { mergePatch } from './patch.ts';
import { minimalObject } from './testing/minimal-objects.ts';
import { finalizerWarnings, warningsOf } from './warnings.ts';

const CASES: readonly (readonly [string, JsonObject, ...string[]])[] = [
  ['/Pod', {}],
  [
    'apiextensions.k8s.io/CustomResourceDefinition',
    {
      spec: {
        versions: [
          {
            name: 'v1',
            schema: {
              openAPIV3Schema: {
                properties: {
                  a: { type: 'string', format: 'colour' },
                  b: { type: 'integer', format: 'int32', not: { format: 'double' } },
                  c: { type: 'array', items: { type: 'number', format: 'int64' } },
                },
              },
            },
          },
        ],
      },
    },
    'unrecognized format "colour"',
    'unrecognized format "double"',
    'unrecognized format "int64"',
  ],
  [
    'apps/StatefulSet',
    {
      spec: {
        volumeClaimTemplates: [
          { spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1500m' } } } },
        ],
      },
    },
    'spec.volumeClaimTemplates[0].resources.requests[storage]: fractional byte value "1500m" is invalid, must be an integer',
  ],
  [
    '/Pod',
    { metadata: { name: 'a.b' } },
    "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended: [must not contain dots]",
  ],
  [
    'apps/Deployment',
    { metadata: { name: 'a.b' } },
    'metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is recommended: [must not contain dots]',
  ],
  ['apps/DaemonSet', { metadata: { name: 'a.b' } }],
  [
    '/Pod',
    {
      spec: {
        containers: [
          {
            name: 'a',
            env: [
              { name: 'X', value: '1' },
              { name: 'X', value: '$(X)2' },
              { name: 'X', value: '3' },
            ],
            ports: [{ containerPort: 80, protocol: 'TCP', name: 'x' }],
          },
          { name: 'b', ports: [{ containerPort: 80, protocol: 'TCP' }] },
        ],
      },
    },
    'spec.containers[0].env[2]: hides previous definition of "X", which may be dropped when using apply',
    'spec.containers[1].ports[0]: duplicate port definition with spec.containers[0].ports[0]',
  ],
  [
    '/Pod',
    {
      spec: {
        nodeSelector: { 'beta.kubernetes.io/os': 'linux' },
        volumes: [{ name: 'v', gitRepo: { repository: 'x' } }],
        imagePullSecrets: [{ name: 'a' }, { name: 'a' }, {}],
        containers: [{ name: 'a', resources: { limits: { memory: '100m' } } }],
        topologySpreadConstraints: [{ maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'DoNotSchedule' }],
      },
    },
    'spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead',
    'spec.topologySpreadConstraints[0].labelSelector: a null labelSelector results in matching no pod',
    'spec.volumes[0].gitRepo: deprecated in v1.11, and disabled by default in v1.33+',
    'spec.imagePullSecrets[1].name: duplicate name "a"',
    'spec.imagePullSecrets[2].name: invalid empty name ""',
    'spec.containers[0].resources.limits[memory]: fractional byte value "100m" is invalid, must be an integer',
  ],
  [
    '/Service',
    { spec: { type: 'ClusterIP', sessionAffinity: 'None', externalIPs: ['1.2.3.4'], externalName: 'x' } },
    'spec.externalIPs is deprecated and may no longer be implemented in some clusters',
    'spec.externalName is ignored when spec.type is not "ExternalName"',
  ],
  [
    '/PersistentVolume',
    { spec: { persistentVolumeReclaimPolicy: 'Recycle' } },
    'spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning.',
  ],
  [
    'discovery.k8s.io/EndpointSlice',
    { addressType: 'FQDN', endpoints: [{ addresses: ['a.example.com'] }] },
    'spec.addressType: FQDN endpoints are deprecated',
  ],
  [
    'discovery.k8s.io/EndpointSlice',
    { addressType: 'IPv6', endpoints: [{ addresses: ['fd00:0::1'] }] },
    'endpoints[0].addresses[0]: IPv6 address "fd00:0::1" should be in RFC 5952 canonical format ("fd00::1")',
  ],
  [
    'networking.k8s.io/NetworkPolicy',
    { spec: { ingress: [{ from: [{ ipBlock: { cidr: '10.1.2.3/8', except: ['fd00:0::/64'] } }] }] } },
    'spec.ingress[0].from[0].ipBlock.cidr: CIDR value "10.1.2.3/8" is ambiguous in this context (should be "10.0.0.0/8" or "10.1.2.3/32"?)',
    'spec.ingress[0].from[0].ipBlock.except[0]: IPv6 CIDR value "fd00:0::/64" should be in RFC 5952 canonical format ("fd00::/64")',
  ],
];

function parts(kind: string): { group: string; version: string; kind: string } {
  const slash = kind.lastIndexOf('/');
  return { group: kind.slice(0, slash), version: 'v1', kind: kind.slice(slash + 1) };
}

for (const [kind, patch, ...expected] of CASES) {
  test(`${kind} with ${JSON.stringify(patch)}`, () => {
    const object = mergePatch(minimalObject(parts(kind)) ?? {}, patch) as JsonObject;
    assert.deepEqual(warningsOf(kind, object), expected);
  });
}

test('a template that did not change is not warned of again', () => {
  const metadata = { name: 'web' };
  const spec = { template: { spec: { imagePullSecrets: [{}] } } };
  const object = { metadata, spec };
  assert.equal(warningsOf('apps/Deployment', object).length, 1);
  assert.deepEqual(warningsOf('apps/Deployment', object, structuredClone(object)), []);
});

test("finalizers of definitions' own objects", () => {
  const object = (...finalizers: string[]): JsonObject => ({ metadata: { finalizers } });
  assert.deepEqual(finalizerWarnings(object('example.com/x', 'orphan', 'mine', 'my.own'), object('my.own')), [
    'metadata.finalizers: "mine": prefer a domain-qualified finalizer name to avoid accidental conflicts with other finalizer writers',
  ]);
});
