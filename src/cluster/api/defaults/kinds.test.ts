/** The least that can be said of a kind, and what Kubernetes makes of it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { applyDefaults } from '../defaults.ts';
import type { JsonObject } from '../json.ts';
import { kindSchema } from '../schema.ts';
import { minimalObject } from '../testing/minimal-objects.ts';

const POD: JsonObject = {
  containers: [
    {
      name: 'web',
      image: 'web:1',
      resources: {},
      terminationMessagePath: '/dev/termination-log',
      terminationMessagePolicy: 'File',
      imagePullPolicy: 'IfNotPresent',
    },
  ],
  restartPolicy: 'Always',
  terminationGracePeriodSeconds: 30,
  dnsPolicy: 'ClusterFirst',
  securityContext: {},
  schedulerName: 'default-scheduler',
};
const TEMPLATE: JsonObject = { metadata: { labels: { app: 'web' } }, spec: POD };
const ONCE: JsonObject = { metadata: {}, spec: { ...POD, restartPolicy: 'Never' } };
const CLAIM: JsonObject = {
  accessModes: ['ReadWriteOnce'],
  resources: { requests: { storage: '1Gi' } },
  volumeMode: 'Filesystem',
};
const SELECTOR: JsonObject = { matchLabels: { app: 'web' } };
const MATCHING: JsonObject = {
  matchPolicy: 'Equivalent',
  namespaceSelector: {},
  objectSelector: { matchLabels: { 'example.com/hooked': 'yes' } },
};
const RULES = [
  { apiGroups: [''], apiVersions: ['v1'], resources: ['configmaps'], operations: ['CREATE'], scope: '*' },
];
const HOOK: JsonObject = {
  name: 'hook.example.com',
  admissionReviewVersions: ['v1'],
  sideEffects: 'None',
  clientConfig: { service: { namespace: 'default', name: 'hook', port: 443 } },
  failurePolicy: 'Fail',
  timeoutSeconds: 10,
  ...MATCHING,
};
const REQUEST = { deviceClassName: 'web', allocationMode: 'ExactCount', count: 1 };

/** `group/version/Kind`, then its members beside apiVersion, kind and metadata; and the labels that it gets. */
const CASES: readonly (readonly [string, JsonObject, JsonObject?])[] = [
  [
    '/v1/LimitRange',
    {
      spec: {
        limits: [
          { type: 'Container', max: { cpu: '1' }, default: { cpu: '1' }, defaultRequest: { cpu: '1' } },
        ],
      },
    },
  ],
  ['/v1/PersistentVolumeClaim', { spec: CLAIM, status: { phase: 'Pending' } }],
  [
    '/v1/PersistentVolume',
    {
      spec: {
        accessModes: ['ReadWriteOnce'],
        capacity: { storage: '1Gi' },
        hostPath: { path: '/data', type: '' },
        persistentVolumeReclaimPolicy: 'Retain',
        volumeMode: 'Filesystem',
      },
      status: { phase: 'Pending' },
    },
  ],
  ['/v1/PodTemplate', { template: TEMPLATE }],
  [
    '/v1/ReplicationController',
    { spec: { replicas: 1, selector: { app: 'web' }, template: TEMPLATE } },
    { app: 'web' },
  ],
  ['/v1/ResourceQuota', { spec: { hard: { pods: '10' } } }],
  [
    'apps/v1/DaemonSet',
    {
      spec: {
        revisionHistoryLimit: 10,
        selector: SELECTOR,
        template: TEMPLATE,
        updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 1, maxSurge: 0 } },
      },
    },
  ],
  [
    'apps/v1/StatefulSet',
    {
      spec: {
        persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Retain', whenScaled: 'Retain' },
        podManagementPolicy: 'OrderedReady',
        replicas: 1,
        revisionHistoryLimit: 10,
        selector: SELECTOR,
        serviceName: 'web',
        template: TEMPLATE,
        updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 0 } },
        volumeClaimTemplates: [
          {
            apiVersion: 'v1',
            kind: 'PersistentVolumeClaim',
            metadata: { name: 'data' },
            spec: CLAIM,
            status: { phase: 'Pending' },
          },
        ],
      },
    },
  ],
  [
    'batch/v1/Job',
    {
      spec: {
        backoffLimit: 6,
        completionMode: 'NonIndexed',
        completions: 1,
        manualSelector: false,
        parallelism: 1,
        podReplacementPolicy: 'TerminatingOrFailed',
        suspend: false,
        template: ONCE,
      },
    },
  ],
  [
    'batch/v1/CronJob',
    {
      spec: {
        concurrencyPolicy: 'Allow',
        failedJobsHistoryLimit: 1,
        jobTemplate: { metadata: {}, spec: { template: ONCE } },
        schedule: '*/5 * * * *',
        successfulJobsHistoryLimit: 3,
        suspend: false,
      },
    },
  ],
  [
    'autoscaling/v2/HorizontalPodAutoscaler',
    {
      spec: {
        maxReplicas: 3,
        metrics: [
          {
            type: 'Resource',
            resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } },
          },
        ],
        minReplicas: 1,
        scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' },
      },
    },
  ],
  [
    'autoscaling/v1/HorizontalPodAutoscaler',
    {
      spec: {
        maxReplicas: 3,
        minReplicas: 1,
        scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' },
        targetCPUUtilizationPercentage: 80,
      },
    },
  ],
  ['networking.k8s.io/v1/NetworkPolicy', { spec: { podSelector: {}, policyTypes: ['Ingress'] } }],
  [
    'storage.k8s.io/v1/StorageClass',
    {
      provisioner: 'example.com/provisioner',
      reclaimPolicy: 'Delete',
      volumeBindingMode: 'Immediate',
    },
  ],
  [
    'storage.k8s.io/v1/VolumeAttachment',
    {
      spec: { attacher: 'example.com', nodeName: 'web', source: { persistentVolumeName: 'web' } },
      status: { attached: false },
    },
  ],
  [
    'storage.k8s.io/v1/CSIDriver',
    {
      spec: {
        attachRequired: true,
        fsGroupPolicy: 'ReadWriteOnceWithFSType',
        podInfoOnMount: false,
        requiresRepublish: false,
        seLinuxMount: false,
        storageCapacity: false,
        volumeLifecycleModes: ['Persistent'],
      },
    },
  ],
  [
    'resource.k8s.io/v1/ResourceClaim',
    { spec: { devices: { requests: [{ name: 'one', exactly: REQUEST }] } } },
  ],
  [
    'resource.k8s.io/v1/ResourceClaimTemplate',
    { spec: { spec: { devices: { requests: [{ name: 'one', exactly: REQUEST }] } } } },
  ],
  ['scheduling.k8s.io/v1/PriorityClass', { preemptionPolicy: 'PreemptLowerPriority', value: 100 }],
  ['admissionregistration.k8s.io/v1/ValidatingWebhookConfiguration', { webhooks: [HOOK] }],
  [
    'admissionregistration.k8s.io/v1/MutatingWebhookConfiguration',
    { webhooks: [{ ...HOOK, reinvocationPolicy: 'Never' }] },
  ],
  [
    'admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy',
    {
      spec: {
        failurePolicy: 'Fail',
        matchConstraints: { ...MATCHING, resourceRules: RULES },
        validations: [{ expression: 'true' }],
      },
    },
  ],
  [
    'flowcontrol.apiserver.k8s.io/v1/FlowSchema',
    { spec: { matchingPrecedence: 1000, priorityLevelConfiguration: { name: 'workload-low' } } },
  ],
  [
    'flowcontrol.apiserver.k8s.io/v1/PriorityLevelConfiguration',
    {
      spec: {
        type: 'Limited',
        limited: { lendablePercent: 0, limitResponse: { type: 'Reject' }, nominalConcurrencyShares: 30 },
      },
    },
  ],
];

for (const [name, content, labels] of CASES) {
  test(`defaults of ${name}`, () => {
    const [group = '', version = '', kind = ''] = name.split('/');
    const schema = kindSchema(group, version, kind);
    assert.ok(schema);
    const object = applyDefaults(schema, minimalObject({ group, version, kind }) ?? {});
    const { apiVersion: _a, kind: _k, metadata, ...members } = object;
    assert.deepEqual(members, content);
    assert.deepEqual((metadata as JsonObject)['labels'], labels);
    const again = structuredClone(object);
    applyDefaults(schema, again);
    assert.deepEqual(again, object, 'defaults are idempotent');
  });
}

function defaulted(name: string, spec: JsonObject): JsonObject {
  const [group = '', version = '', kind = ''] = name.split('/');
  const schema = kindSchema(group, version, kind);
  assert.ok(schema);
  return applyDefaults(schema, { metadata: { name: 'web' }, spec })['spec'] as JsonObject;
}

test('a job that is a work queue has no completions', () => {
  const spec = defaulted('batch/v1/Job', { parallelism: 3, template: {} });
  assert.deepEqual([spec['completions'], spec['parallelism']], [undefined, 3]);
});

test('a job that gives up by index, or by a policy of its own', () => {
  const spec = defaulted('batch/v1/Job', {
    backoffLimitPerIndex: 1,
    podFailurePolicy: { rules: [{ action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget' }] }] },
    template: {},
  });
  assert.deepEqual([spec['backoffLimit'], spec['podReplacementPolicy']], [2_147_483_647, 'Failed']);
  assert.deepEqual(spec['podFailurePolicy'], {
    rules: [{ action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] }],
  });
});

test('an autoscaler that says how fast it goes down goes up as usual', () => {
  const spec = defaulted('autoscaling/v2/HorizontalPodAutoscaler', {
    maxReplicas: 2,
    behavior: { scaleDown: { stabilizationWindowSeconds: 60 } },
  });
  assert.deepEqual(spec['behavior'], {
    scaleDown: {
      policies: [{ periodSeconds: 15, type: 'Percent', value: 100 }],
      selectPolicy: 'Max',
      stabilizationWindowSeconds: 60,
    },
    scaleUp: {
      policies: [
        { periodSeconds: 15, type: 'Pods', value: 4 },
        { periodSeconds: 15, type: 'Percent', value: 100 },
      ],
      selectPolicy: 'Max',
      stabilizationWindowSeconds: 0,
    },
  });
});

test('a network policy with egress rules is about both directions', () => {
  const spec = defaulted('networking.k8s.io/v1/NetworkPolicy', {
    podSelector: {},
    egress: [{ ports: [{ port: 53 }] }],
  });
  assert.deepEqual(spec, {
    podSelector: {},
    egress: [{ ports: [{ port: 53, protocol: 'TCP' }] }],
    policyTypes: ['Ingress', 'Egress'],
  });
});
