/** What may not become of an object, kind by kind. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '../json.ts';
import { updated } from '../testing/complaints.ts';

const IMMUTABLE = 'field is immutable';
const on = (key: string): JsonObject => ({
  required: { nodeSelectorTerms: [{ matchExpressions: [{ key, operator: 'In', values: ['a'] }] }] },
});
const SUSPENDED = { type: 'Suspended', status: 'True' };

/** Kind, change, complaints, and what the old object was beside minimal. */
const UPDATES: readonly (readonly [string, JsonObject, readonly string[], JsonObject?])[] = [
  [
    'apps/StatefulSet',
    { spec: { serviceName: 'other' } },
    [
      "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
    ],
  ],
  ['apps/StatefulSet', { spec: { replicas: 3, minReadySeconds: 1, revisionHistoryLimit: 2 } }, []],
  [
    'apps/DaemonSet',
    { spec: { selector: { matchLabels: { x: 'y' } }, template: { metadata: { labels: { x: 'y' } } } } },
    [`spec.selector: Invalid value: {"matchLabels":{"app":"web","x":"y"}}: ${IMMUTABLE}`],
  ],
  [
    'apps/DaemonSet',
    { spec: { selector: { matchLabels: { x: 'y' } }, minReadySeconds: -1 } },
    [
      `spec.selector: Invalid value: {"matchLabels":{"app":"web","x":"y"}}: ${IMMUTABLE}`,
      'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`',
      'spec.minReadySeconds: Invalid value: -1: must be greater than or equal to 0',
    ],
  ],
  [
    'apps/ControllerRevision',
    { data: { spec: { a: 1 } } },
    [`data: Invalid value: {"spec":{"a":1}}: ${IMMUTABLE}`],
  ],
  ['batch/Job', { spec: { completions: 2 } }, [`spec.completions: Invalid value: 2: ${IMMUTABLE}`]],
  [
    'batch/Job',
    { spec: { completions: 2, parallelism: 2 } },
    [],
    { spec: { completionMode: 'Indexed', completions: 3, parallelism: 3 } },
  ],
  [
    'batch/Job',
    { spec: { completions: 2 } },
    ['spec.completions: Invalid value: 2: can only be modified in tandem with spec.parallelism'],
    { spec: { completionMode: 'Indexed', completions: 3, parallelism: 3 } },
  ],
  [
    'batch/Job',
    { spec: { suspend: false, template: { spec: { nodeSelector: { zone: 'a' } } } } },
    [],
    { spec: { suspend: true } },
  ],
  [
    'batch/Job',
    { spec: { template: { metadata: { labels: { x: 'y' } }, spec: { hostname: 'a' } } } },
    [
      'spec.template.spec: Invalid value: {"restartPolicy":"Never","containers":[{"name":"web","image":"web:1","resources":{},"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File","imagePullPolicy":"IfNotPresent"}],"terminationGracePeriodSeconds":30,"dnsPolicy":"ClusterFirst","securityContext":{},"schedulerName":"default-scheduler","hostname":"a"}: field is immutable',
    ],
    { spec: { suspend: true }, status: { startTime: '2026-01-01T00:00:00Z', conditions: [SUSPENDED] } },
  ],
  [
    'batch/Job',
    { spec: { template: { metadata: { labels: { x: 'y' } } } } },
    [],
    { spec: { suspend: true }, status: { startTime: '2026-01-01T00:00:00Z', conditions: [SUSPENDED] } },
  ],
  [
    '/PersistentVolumeClaim',
    { spec: { resources: { requests: { storage: '2Gi' } } } },
    [
      'spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims',
    ],
  ],
  [
    '/PersistentVolumeClaim',
    { spec: { resources: { requests: { storage: '2Gi' } } } },
    [],
    { spec: { volumeName: 'v' }, status: { phase: 'Bound' } },
  ],
  [
    '/PersistentVolumeClaim',
    { spec: { resources: { requests: { storage: '512Mi' } } } },
    ['spec.resources.requests.storage: Forbidden: field can not be less than status.capacity'],
    { spec: { volumeName: 'v' }, status: { phase: 'Bound', capacity: { storage: '1Gi' } } },
  ],
  ['/PersistentVolumeClaim', { spec: { volumeName: 'v' } }, []],
  [
    '/PersistentVolume',
    { spec: { hostPath: { path: '/other' } } },
    ['spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation'],
  ],
  ['/PersistentVolume', { spec: { claimRef: { namespace: 'default', name: 'web' } } }, []],
  // A label that has become stable may be called so.
  [
    '/PersistentVolume',
    { spec: { nodeAffinity: on('topology.kubernetes.io/zone') } },
    [],
    { spec: { nodeAffinity: on('failure-domain.beta.kubernetes.io/zone') } },
  ],
  [
    '/PersistentVolume',
    { spec: { nodeAffinity: on('topology.kubernetes.io/region') } },
    [
      `nodeAffinity: Invalid value: ${JSON.stringify(on('topology.kubernetes.io/region'))}: ${IMMUTABLE}, except for updating from beta label to GA`,
    ],
    { spec: { nodeAffinity: on('failure-domain.beta.kubernetes.io/zone') } },
  ],
  [
    '/ResourceQuota',
    { spec: { scopes: ['NotTerminating'] } },
    [`spec.scopes: Invalid value: ["NotTerminating"]: ${IMMUTABLE}`],
  ],
  [
    'storage.k8s.io/StorageClass',
    { parameters: { a: 'b' }, provisioner: 'other' },
    [
      'parameters: Invalid value: {"a":"b"}: field is immutable',
      'provisioner: Invalid value: "other": field is immutable',
    ],
  ],
  [
    'storage.k8s.io/VolumeAttributesClass',
    { driverName: 'other.example.com' },
    ['driverName: Forbidden: updates to driverName are forbidden.'],
  ],
  [
    'storage.k8s.io/VolumeAttachment',
    { spec: { nodeName: 'other' } },
    [
      `spec: Invalid value: {"Attacher":"example.com","Source":{"PersistentVolumeName":"web","InlineVolumeSpec":null},"NodeName":"other"}: ${IMMUTABLE}`,
    ],
  ],
  [
    'storage.k8s.io/CSIDriver',
    { spec: { attachRequired: false } },
    [`spec.attachedRequired: Invalid value: false: ${IMMUTABLE}`],
  ],
  ['scheduling.k8s.io/PriorityClass', { value: 5 }, ['value: Forbidden: may not be changed in an update.']],
  [
    'scheduling.k8s.io/PriorityClass',
    { preemptionPolicy: 'Never' },
    [`preemptionPolicy: Invalid value: "Never": ${IMMUTABLE}`],
  ],
  ['node.k8s.io/RuntimeClass', { handler: 'kata' }, [`handler: Invalid value: "kata": ${IMMUTABLE}`]],
  [
    'networking.k8s.io/IngressClass',
    { spec: { controller: 'a.io/b' } },
    [`spec.controller: Invalid value: "a.io/b": ${IMMUTABLE}`],
  ],
  [
    'networking.k8s.io/ServiceCIDR',
    { spec: { cidrs: ['10.98.0.0/16'] } },
    [`spec.cidrs[0]: Invalid value: "10.98.0.0/16": ${IMMUTABLE}`],
  ],
  ['networking.k8s.io/ServiceCIDR', { spec: { cidrs: ['10.97.0.0/16', 'fd00::/112'] } }, []],
  [
    'resource.k8s.io/ResourceSlice',
    { spec: { driver: 'other.com' } },
    [`spec.driver: Invalid value: "other.com": ${IMMUTABLE}`],
  ],
  ['resource.k8s.io/ResourceClaim', { spec: { devices: null } }, [`spec: Invalid value: {}: ${IMMUTABLE}`]],
  // It has its name: whatever else it might have been called by is not looked at.
  ...[
    '/PodTemplate',
    '/ReplicationController',
    'apps/DaemonSet',
    'apps/Deployment',
    'apps/ReplicaSet',
    'apps/StatefulSet',
    'autoscaling/HorizontalPodAutoscaler',
    'batch/CronJob',
    'coordination.k8s.io/Lease',
    'networking.k8s.io/NetworkPolicy',
    'networking.k8s.io/ServiceCIDR',
    'resource.k8s.io/DeviceClass',
    'resource.k8s.io/ResourceSlice',
    'scheduling.k8s.io/PriorityClass',
  ].map((name) => [name, { metadata: { generateName: 'Not_Valid!' } }, []] as const),
  [
    'certificates.k8s.io/CertificateSigningRequest',
    { status: { conditions: [] } },
    ['status.conditions: Forbidden: updates may not remove a condition of type "Approved"'],
    { status: { conditions: [{ type: 'Approved', status: 'True' }] } },
  ],
];

for (const [name, patch, complaints, before = {}] of UPDATES) {
  test(`a ${name} that becomes ${JSON.stringify(patch).slice(0, 120)}`, () => {
    assert.deepEqual(updated(name, patch, before), complaints);
  });
}
