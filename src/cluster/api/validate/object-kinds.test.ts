/** What a kube-apiserver says of the core group's smaller kinds and of storage: object in, complaints out. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '../json.ts';
import { created, updated } from '../testing/complaints.ts';

const QUALIFIED =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const SUBDOMAIN =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const TIME = '2026-01-01T00:00:00.000000Z';
/** What the server knows of an event before it looks. */
const given = (kind: string): JsonObject =>
  kind.endsWith('/Event') ? { type: 'Normal', metadata: { namespace: 'default' } } : {};

const CREATES: readonly (readonly [string, JsonObject, ...string[]])[] = [
  // Events with a time are new ones, and held to more.
  [
    '/Event',
    { eventTime: TIME, involvedObject: { namespace: 'other' }, action: 'x'.repeat(129), reason: null },
    'reportingComponent: Required value',
    'reportingComponent: Invalid value: "": name part must be non-empty',
    `reportingComponent: Invalid value: "": ${QUALIFIED}`,
    'reportingInstance: Required value',
    'action: Invalid value: "": can have at most 128 characters',
    'reason: Required value',
  ],
  [
    '/Event',
    { involvedObject: { namespace: 'other' }, metadata: { namespace: 'default', labels: { 'a b': '' } } },
    'involvedObject.namespace: Invalid value: "other": does not match event.namespace',
  ],
  // Nobody asks its finalizers for a domain.
  [
    '/Event',
    { metadata: { namespace: 'default', name: 'a', generateName: 'a/%', finalizers: ['mine'] } },
    'metadata.generateName: Invalid value: "a/%": may not contain \'/\'',
    'metadata.generateName: Invalid value: "a/%": may not contain \'%\'',
  ],
  [
    'events.k8s.io/Event',
    { type: 'Odd', deprecatedCount: 1, deprecatedSource: { host: 'a' }, series: { count: 1 } },
    'series.count: Invalid value: "": should be at least 2',
    'series.lastObservedTime: Required value',
    'type: Invalid value: "": has invalid value: Odd',
    'count: Invalid value: "": needs to be unset',
    'source: Invalid value: "": needs to be unset',
  ],
  [
    '/Node',
    {
      spec: {
        taints: [
          { key: 'a', effect: 'NoExecute' },
          { key: 'a', effect: 'NoExecute' },
        ],
      },
    },
    'metadata.taints[1]: Duplicate value: {"Key":"a","Value":"","Effect":"NoExecute","TimeAdded":null}: taints must be unique by key and effect pair',
  ],
  [
    '/Node',
    { spec: { podCIDRs: ['10.0.0.0/24', 'odd'] }, status: { capacity: { pods: '100u' } } },
    'status.capacity.pods: Invalid value: "1m": must be an integer',
    'status.allocatable.pods: Invalid value: "1m": must be an integer',
    'spec.podCIDRs[1]: Invalid value: "odd": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)',
    'spec.podCIDRs: Internal error: invalid PodCIDRs. failed to check with dual stack with error:invalid CIDR[1]: <nil> (invalid CIDR address: odd)',
    'spec.podCIDRs: Invalid value: ["10.0.0.0/24","odd"]: may specify no more than one CIDR for each IP family',
  ],
  [
    '/Node',
    { status: { declaredFeatures: ['Two', 'One', 'One', 'low'] } },
    'status.declaredFeatures[1]: Invalid value: "One": list must be sorted alphabetically',
    'status.declaredFeatures[2]: Duplicate value: "One"',
    'status.declaredFeatures[3]: Invalid value: "low": invalid feature name "low": must start with an UpperCamelCase segment, with subsequent segments separated by \'/\' (e.g., MyFeature or MyFeature/mySubFeature), and contain only alphanumeric characters and slashes',
  ],
  [
    '/LimitRange',
    { spec: { limits: [{ type: '' }] } },
    'spec.limits[0].type: Invalid value: "": name part must be non-empty',
    `spec.limits[0].type: Invalid value: "": ${QUALIFIED}`,
  ],
  [
    '/ResourceQuota',
    {
      spec: {
        hard: { cpu: '1' },
        scopeSelector: { matchExpressions: [{ scopeName: 'BestEffort', operator: 'Exists' }] },
      },
    },
    'spec.scopeSelector.matchExpressions: Invalid value: {"MatchExpressions":[{"ScopeName":"BestEffort","Operator":"Exists","Values":null}]}: unsupported scope applied to resource',
  ],
  [
    '/Secret',
    { type: 'kubernetes.io/dockercfg', data: { '.dockercfg': '' } },
    'data[.dockercfg]: Invalid value: "<secret contents redacted>": unexpected end of JSON input',
  ],
  [
    '/PersistentVolume',
    { spec: { flexVolume: { driver: 'a/b' }, cephfs: { monitors: ['a'] }, volumeMode: '' } },
    'spec.cephFS: Forbidden: may not specify more than 1 volume type',
    'spec.volumeMode: Unsupported value: "": supported values: "Block", "Filesystem"',
  ],
  [
    '/PersistentVolume',
    { metadata: { annotations: { 'volume.beta.kubernetes.io/mount-options': 'ro' } } },
    'metadata.annotations.volume.beta.kubernetes.io/mount-options: Forbidden: may not specify mount options for this volume type',
  ],
  [
    'storage.k8s.io/StorageClass',
    { allowedTopologies: [{}, { matchLabelExpressions: [{ key: 'a', values: ['B!'] }] }] },
    'allowedTopologies[0].matchLabelExpressions: Duplicate value: ""',
    'allowedTopologies[0].matchLabelExpressions: Duplicate value: ""',
  ],
  ['storage.k8s.io/CSIDriver', { metadata: { name: 'a'.repeat(64) } }],
  [
    'storage.k8s.io/CSIDriver',
    { metadata: { name: 'CSI' } },
    `metadata.name: Invalid value: "CSI": ${SUBDOMAIN}`,
  ],
  [
    'storage.k8s.io/CSIDriver',
    { spec: { serviceAccountTokenInSecrets: true, fsGroupPolicy: '' } },
    'spec.fsGroupPolicy: Unsupported value: "": supported values: "File", "None", "ReadWriteOnceWithFSType"',
    'spec.serviceAccountTokenInSecrets: Invalid value: true: serviceAccountTokenInSecrets is set but no tokenRequests are specified',
  ],
  ['/Endpoints', { subsets: [{ addresses: [{ ip: '10.0.0.1' }], ports: [{ port: 1, protocol: '' }] }] }],
];

for (const [kind, patch, ...expected] of CREATES) {
  test(`a ${kind} with ${JSON.stringify(patch).slice(0, 150)}`, () => {
    assert.deepEqual(created(kind, { ...given(kind), ...patch }), expected);
  });
}

const UPDATES: readonly (readonly [string, JsonObject, JsonObject, string, ...string[]])[] = [
  // What a name is made from does not matter any more, unless it could be no name at all.
  ['storage.k8s.io/CSIDriver', {}, { metadata: { generateName: 'CSI-' } }, 'main'],
  ['/Service', {}, { metadata: { generateName: 'A.B-' } }, 'main'],
  [
    '/ResourceQuota',
    {},
    { metadata: { generateName: 'A/' } },
    'main',
    'metadata.generateName: Invalid value: "A/": may not contain \'/\'',
  ],
  [
    'events.k8s.io/Event',
    {},
    { reason: 'Other', reportingController: 'other' },
    'main',
    'reason: Invalid value: "Other": field is immutable',
    'reason: Invalid value: "Other": field is immutable',
    'reportingController: Invalid value: "other": field is immutable',
  ],
  [
    '/PersistentVolumeClaim',
    {},
    {
      status: {
        capacity: { storage: '-2' },
        allocatedResources: { cpu: '1' },
        allocatedResourceStatuses: { storage: 'Odd' },
      },
    },
    'status',
    'status.capacity[storage]: Invalid value: -2: must be a valid resource quantity',
    'status.allocatedResourceStatuses: Unsupported value: "storage": supported values: "ControllerResizeInProgress", "ControllerResizeInfeasible", "NodeResizeInProgress", "NodeResizeInfeasible", "NodeResizePending"',
    'status.allocatedResources: Unsupported value: "cpu": supported values: "storage"',
  ],
];

for (const [kind, before, patch, endpoint, ...expected] of UPDATES) {
  test(`a ${kind} with ${JSON.stringify(before)} changed at ${endpoint} by ${JSON.stringify(patch)}`, () => {
    assert.deepEqual(updated(kind, patch, { ...given(kind), ...before }, endpoint), expected);
  });
}
