/** What is refused, kind by kind: a minimal object, a change that spoils it, and exactly the complaints. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '../json.ts';
import { created } from '../testing/complaints.ts';

const RULE: JsonObject = {
  apiGroups: [''],
  apiVersions: ['v1'],
  operations: ['CREATE'],
  resources: ['pods'],
};

const CREATES: readonly (readonly [string, JsonObject, ...string[]])[] = [
  [
    'apps/StatefulSet',
    {
      spec: {
        volumeClaimTemplates: [{ metadata: { name: 'data' }, spec: { accessModes: ['ReadWriteOnce'] } }],
        template: {
          spec: {
            hostname: 'Bad!',
            containers: [
              {
                name: 'web',
                image: 'web:1',
                volumeMounts: [
                  { name: 'data', mountPath: '/data' },
                  { name: 'other', mountPath: '/other' },
                ],
              },
            ],
          },
        },
      },
    },
    'spec.volumeClaimTemplates[0].spec.resources[storage]: Required value',
    'spec.template.spec.containers[0].volumeMounts[1].name: Not found: "other"',
  ],
  [
    'apps/StatefulSet',
    { spec: { updateStrategy: { type: 'OnDelete', rollingUpdate: { partition: 1 } } } },
    `spec.updateStrategy.rollingUpdate: Invalid value: {"Partition":1,"MaxUnavailable":null}: only allowed for updateStrategy 'RollingUpdate'`,
  ],
  [
    'apps/DaemonSet',
    { spec: { updateStrategy: { type: 'Never' } } },
    'spec.updateStrategy: Unsupported value: {"Type":"Never","RollingUpdate":null}: supported values: "RollingUpdate", "OnDelete"',
  ],
  [
    'batch/Job',
    { spec: { successPolicy: { rules: [{ succeededCount: 1 }] }, podReplacementPolicy: '' } },
    'spec.successPolicy: Invalid value: {"Rules":[{"SucceededIndexes":null,"SucceededCount":1}]}: requires indexed completion mode',
    'spec.podReplacementPolicy: Unsupported value: "": supported values: "Failed", "TerminatingOrFailed"',
  ],
  [
    '/LimitRange',
    {
      spec: { limits: [{ type: 'Container', min: { cpu: '2' }, max: { cpu: '1' }, default: { cpu: '1' } }] },
    },
    'spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than max value 1',
    'spec.limits[0].defaultRequest[cpu]: Invalid value: "1": min value 2 is greater than default request value 1',
    'spec.limits[0].default[cpu]: Invalid value: "2": min value 2 is greater than default value 1',
  ],
  [
    '/LimitRange',
    { spec: { limits: [{ type: 'Pod', default: { cpu: '1' } }] } },
    "spec.limits[0].default: Forbidden: may not be specified when `type` is 'Pod'",
  ],
  [
    '/LimitRange',
    { spec: { limits: [{ type: 'PersistentVolumeClaim' }] } },
    'spec.limits[0].limits: Required value: either minimum or maximum storage value is required, but neither was provided',
  ],
  ['/PersistentVolume', { spec: { hostPath: null } }, 'spec: Required value: must specify a volume type'],
  [
    '/PersistentVolume',
    { spec: { nfs: { server: 's', path: '/p' } } },
    'spec.nfs: Forbidden: may not specify more than 1 volume type',
  ],
  [
    '/PersistentVolume',
    { spec: { capacity: null, accessModes: null } },
    'spec.accessModes: Required value',
    'spec.capacity: Required value',
    'spec.capacity: Unsupported value: null: supported values: "storage"',
  ],
  [
    '/PersistentVolume',
    { spec: { hostPath: null, local: { path: '/mnt' } } },
    'spec.nodeAffinity: Required value: Local volume requires node affinity',
  ],
  [
    '/PersistentVolumeClaim',
    { spec: { accessModes: ['Often'], resources: null } },
    'spec.accessModes: Unsupported value: "Often": supported values: "ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"',
    'spec.resources[storage]: Required value',
  ],
  [
    '/PersistentVolumeClaim',
    { spec: { accessModes: ['ReadWriteOncePod', 'ReadOnlyMany'] } },
    'spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes',
  ],
  [
    '/ReplicationController',
    { spec: { selector: { app: 'other' } } },
    'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`',
  ],
  [
    '/ReplicationController',
    { spec: { template: null } },
    'spec.selector: Required value',
    'spec.template: Required value',
  ],
  [
    '/ResourceQuota',
    { spec: { hard: { chairs: '1', pods: '0.5', cpu: '-1' } } },
    'spec.hard[pods]: Invalid value: "0.5": must be an integer',
    'spec.hard[chairs]: Invalid value: "chairs": must be a standard resource type or fully qualified',
    'spec.hard[chairs]: Invalid value: "chairs": must be a standard resource for quota',
    'spec.hard[cpu]: Invalid value: "-1": must be greater than or equal to 0',
  ],
  [
    '/ResourceQuota',
    { spec: { scopes: ['BestEffort', 'NotBestEffort'] } },
    'spec.scopes: Invalid value: ["BestEffort","NotBestEffort"]: conflicting scopes',
  ],
  [
    'apps/DaemonSet',
    { spec: { updateStrategy: { rollingUpdate: { maxSurge: 1, maxUnavailable: 1 } } } },
    'spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: 1: may not be set when maxUnavailable is non-zero',
  ],
  [
    'apps/DaemonSet',
    { spec: { selector: null } },
    'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`',
  ],
  [
    'apps/StatefulSet',
    { spec: { podManagementPolicy: 'Chaotic' } },
    "spec.podManagementPolicy: Invalid value: \"Chaotic\": must be 'OrderedReady' or 'Parallel'",
  ],
  [
    'apps/StatefulSet',
    { spec: { selector: { matchLabels: null } } },
    'spec.selector: Invalid value: {}: empty selector is invalid for statefulset',
  ],
  [
    'apps/StatefulSet',
    { spec: { persistentVolumeClaimRetentionPolicy: { whenScaled: 'Keep' } } },
    'spec.persistentVolumeClaimRetentionPolicy.whenScaled: Unsupported value: "Keep": supported values: "Retain", "Delete"',
  ],
  [
    'apps/StatefulSet',
    { spec: { replicas: -1, ordinals: { start: -1 } } },
    'spec.replicas: Invalid value: -1: must be greater than or equal to 0',
    'spec.ordinals.start: Invalid value: -1: must be greater than or equal to 0',
  ],
  ['apps/ControllerRevision', { data: null }, 'data: Required value: data is mandatory'],
  ['apps/ControllerRevision', { data: [1] }, 'data: Required value: data must be a valid JSON object'],
  [
    'batch/Job',
    { spec: { template: { spec: { restartPolicy: 'Always' } } } },
    'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"',
  ],
  [
    'batch/Job',
    { spec: { completionMode: 'Indexed', completions: null, parallelism: 2 } },
    'spec.completions: Required value: when completion mode is Indexed',
  ],
  [
    'batch/Job',
    { spec: { backoffLimitPerIndex: 1 } },
    'spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode',
  ],
  [
    'batch/Job',
    { spec: { template: { metadata: { labels: { 'controller-uid': 'other' } } } } },
    'spec.template.metadata.labels[controller-uid]: Invalid value: {"batch.kubernetes.io/controller-uid":"u1","batch.kubernetes.io/job-name":"web","controller-uid":"other","job-name":"web"}: must be \'u1\'',
  ],
  [
    'batch/Job',
    {
      spec: {
        podFailurePolicy: {
          rules: [{ action: 'FailJob', onExitCodes: { operator: 'In', values: [0] } }, { action: 'Count' }],
        },
      },
    },
    'spec.podFailurePolicy.rules[0].onExitCodes.values[0]: Invalid value: 0: must not be 0 for the In operator',
    'spec.podFailurePolicy.rules[1]: Invalid value: specifying one of OnExitCodes and OnPodConditions is required',
  ],
  [
    'batch/Job',
    { spec: { managedBy: 'me' } },
    'spec.managedBy: Invalid value: "me": must be a domain-prefixed path (such as "acme.io/foo")',
  ],
  ['batch/CronJob', { spec: { schedule: '' } }, 'spec.schedule: Required value'],
  [
    'batch/CronJob',
    { spec: { schedule: '* * * *' } },
    'spec.schedule: Invalid value: "* * * *": expected exactly 5 fields, found 4: [* * * *]',
  ],
  [
    'batch/CronJob',
    { spec: { schedule: 'TZ=UTC 0 0 * * *' } },
    'spec.schedule: Invalid value: "TZ=UTC 0 0 * * *": cannot use TZ or CRON_TZ in schedule, use timeZone field instead',
  ],
  [
    'batch/CronJob',
    { spec: { timeZone: 'Mars/Olympus' } },
    'spec.timeZone: Invalid value: "Mars/Olympus": unknown time zone Mars/Olympus',
  ],
  [
    'batch/CronJob',
    { spec: { concurrencyPolicy: 'Sometimes' } },
    'spec.concurrencyPolicy: Unsupported value: "Sometimes": supported values: "Allow", "Forbid", "Replace"',
  ],
  [
    'batch/CronJob',
    { metadata: { name: 'a'.repeat(53) } },
    `metadata.name: Invalid value: "${'a'.repeat(53)}": must be no more than 52 characters`,
  ],
  [
    'batch/CronJob',
    { spec: { jobTemplate: { spec: { selector: { matchLabels: { a: 'b' } } } } } },
    'spec.jobTemplate.spec.selector: Invalid value: {"matchLabels":{"a":"b"}}: `selector` will be auto-generated',
  ],
  [
    'autoscaling/HorizontalPodAutoscaler',
    { spec: { minReplicas: 5 } },
    'spec.maxReplicas: Invalid value: 3: must be greater than or equal to `minReplicas`',
  ],
  [
    'autoscaling/HorizontalPodAutoscaler',
    { spec: { maxReplicas: 0, minReplicas: 0, scaleTargetRef: { name: null } } },
    'spec.minReplicas: Invalid value: 0: must be greater than or equal to 1',
    'spec.maxReplicas: Required value: must be set and greater than 0',
    'spec.scaleTargetRef.name: Required value',
    'spec.metrics: Forbidden: must specify at least one Object or External metric to support scaling to zero replicas',
  ],
  [
    'autoscaling/HorizontalPodAutoscaler',
    { spec: { metrics: [{ type: 'Pods', resource: { name: 'cpu', target: {} } }] } },
    'spec.metrics[0].resource.target.type: Required value: must specify a metric target type',
    'spec.metrics[0].resource.target.type: Invalid value: "": must be either Utilization, Value, or AverageValue',
    'spec.metrics[0].resource.target.averageUtilization: Required value: must set either a target raw value or a target utilization',
    'spec.metrics[0].pods: Required value: must populate information for the given metric source',
  ],
  [
    'policy/PodDisruptionBudget',
    { spec: { maxUnavailable: '101%', minAvailable: null } },
    'spec.maxUnavailable: Invalid value: "101%": must not be greater than 100%',
  ],
  [
    'policy/PodDisruptionBudget',
    { spec: { maxUnavailable: 1 } },
    'spec: Invalid value: {"MinAvailable":1,"Selector":{"matchLabels":{"app":"web"}},"MaxUnavailable":1,"UnhealthyPodEvictionPolicy":null}: minAvailable and maxUnavailable cannot be both set',
  ],
  [
    'networking.k8s.io/Ingress',
    { spec: { defaultBackend: null } },
    'spec: Invalid value: null: either `defaultBackend` or `rules` must be specified',
  ],
  [
    'networking.k8s.io/Ingress',
    {
      spec: {
        rules: [
          {
            host: '10.0.0.1',
            http: { paths: [{ path: 'x', pathType: 'Prefix', backend: { service: { name: 'web' } } }] },
          },
        ],
      },
    },
    'spec.rules[0].host: Invalid value: "10.0.0.1": must be a DNS name, not an IP address',
    'spec.rules[0].http.paths[0].path: Invalid value: "x": must be an absolute path',
    'spec.rules[0].http.paths[0].backend: Required value: port name or number is required',
  ],
  [
    'networking.k8s.io/Ingress',
    {
      spec: {
        rules: [
          {
            http: { paths: [{ path: '/a//b', backend: { service: { name: 'web', port: { number: 80 } } } }] },
          },
        ],
      },
    },
    'spec.rules[0].http.paths[0].pathType: Required value: pathType must be specified',
  ],
  [
    'networking.k8s.io/IngressClass',
    { spec: { controller: 'nginx' } },
    'spec.controller: Invalid value: "nginx": must be a domain-prefixed path (such as "acme.io/foo")',
  ],
  [
    'networking.k8s.io/IngressClass',
    { spec: { parameters: { kind: 'K', name: 'n', scope: 'Namespace' } } },
    "spec.parameters.namespace: Required value: `parameters.scope` is set to 'Namespace'",
  ],
  [
    'networking.k8s.io/NetworkPolicy',
    { spec: { ingress: [{ from: [{}], ports: [{ endPort: 5 }] }] } },
    'spec.ingress[0].ports[0].endPort: Invalid value: 5: may not be specified when `port` is not specified',
    'spec.ingress[0].from[0]: Required value: must specify a peer',
  ],
  [
    'networking.k8s.io/NetworkPolicy',
    { spec: { egress: [{ to: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['11.0.0.0/16'] } }] }] } },
    'spec.egress[0].to[0].ipBlock.except[0]: Invalid value: "11.0.0.0/16": must be a strict subset of `cidr`',
  ],
  [
    'networking.k8s.io/IPAddress',
    { metadata: { name: '2001:DB8::1' }, spec: { parentRef: { name: null } } },
    'metadata.name: Invalid value: "2001:DB8::1": must be in canonical form ("2001:db8::1")',
    'spec.parentRef.name: Required value',
  ],
  [
    'networking.k8s.io/ServiceCIDR',
    { spec: { cidrs: ['10.0.0.0/8', '10.1.0.0/16'] } },
    'spec.cidrs: Invalid value: ["10.0.0.0/8","10.1.0.0/16"]: may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64',
  ],
  [
    'scheduling.k8s.io/PriorityClass',
    { value: 1_000_000_001 },
    'value: Forbidden: maximum allowed value of a user defined priority is 1000000000',
  ],
  [
    'scheduling.k8s.io/PriorityClass',
    { metadata: { name: 'system-mine' } },
    "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. error: system-mine is not a known system priority class",
  ],
  [
    'node.k8s.io/RuntimeClass',
    { handler: 'Kata' },
    "handler: Invalid value: \"Kata\": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
  ],
  [
    'storage.k8s.io/StorageClass',
    { provisioner: null, reclaimPolicy: 'Recycle' },
    'provisioner: Required value',
    'reclaimPolicy: Unsupported value: "Recycle": supported values: "Delete", "Retain"',
  ],
  [
    'storage.k8s.io/VolumeAttributesClass',
    { parameters: null },
    'parameters: Required value: must contain at least one key/value pair',
  ],
  [
    'storage.k8s.io/VolumeAttachment',
    { spec: { source: null } },
    'spec.source: Required value: must specify exactly one of inlineVolumeSpec and persistentVolumeName',
  ],
  [
    'storage.k8s.io/CSIDriver',
    { spec: { tokenRequests: [{ audience: 'a', expirationSeconds: 1 }, { audience: 'a' }] } },
    'spec.tokenRequests[0].expirationSeconds: Invalid value: 1: may not specify a duration less than 10 minutes',
    'spec.tokenRequests[1].audience: Duplicate value: "a"',
  ],
  [
    'storage.k8s.io/CSINode',
    { spec: { drivers: [{ name: 'a.example.com', nodeID: '' }] } },
    'spec.drivers[0].nodeID: Required value',
  ],
  [
    'storage.k8s.io/CSIStorageCapacity',
    { capacity: '-1' },
    'capacity: Invalid value: "-1": must be greater than or equal to 0',
  ],
  [
    'certificates.k8s.io/CertificateSigningRequest',
    { spec: { request: 'YQ==', usages: null, signerName: 'mine' } },
    'spec.request: Invalid value: "YQ==": PEM block type must be CERTIFICATE REQUEST',
    'spec.usages: Required value',
    'spec.signerName: Invalid value: "mine": must be a fully qualified domain and path of the form \'example.com/signer-name\'',
  ],
  [
    'certificates.k8s.io/CertificateSigningRequest',
    { spec: { expirationSeconds: 599 } },
    'spec.expirationSeconds: Invalid value: 599: may not specify a duration less than 600 seconds (10 minutes)',
  ],
  [
    'certificates.k8s.io/CertificateSigningRequest',
    {
      status: {
        conditions: [
          { type: 'Approved', status: 'True' },
          { type: 'Denied', status: 'True' },
        ],
      },
    },
    'status.conditions[1].type: Invalid value: "Denied": Approved and Denied conditions are mutually exclusive',
  ],
  [
    'flowcontrol.apiserver.k8s.io/FlowSchema',
    { spec: { matchingPrecedence: 1, rules: [{}] } },
    "spec.matchingPrecedence: Invalid value: 1: only the schema named 'exempt' may have matchingPrecedence 1",
    'spec.rules[0].subjects: Required value: subjects must contain at least one value',
    'spec.rules[0]: Required value: at least one of resourceRules and nonResourceRules has to be non-empty',
  ],
  [
    'flowcontrol.apiserver.k8s.io/PriorityLevelConfiguration',
    { spec: { limited: { limitResponse: { type: 'Queue', queuing: { queues: 4, handSize: 8 } } } } },
    'spec.limited.limitResponse.queuing.handSize: Invalid value: 8: should not be greater than queues (4)',
  ],
  [
    'admissionregistration.k8s.io/ValidatingWebhookConfiguration',
    { webhooks: [{ name: 'short', clientConfig: {}, rules: [{}], timeoutSeconds: 31 }] },
    'webhooks[0].name: Invalid value: "short": should be a domain with at least three segments separated by dots',
    'webhooks[0].rules[0].operations: Required value',
    'webhooks[0].rules[0].apiGroups: Required value',
    'webhooks[0].rules[0].apiVersions: Required value',
    'webhooks[0].rules[0].resources: Required value',
    'webhooks[0].sideEffects: Required value: must specify one of None, NoneOnDryRun',
    'webhooks[0].timeoutSeconds: Invalid value: 31: the timeout value must be between 1 and 30 seconds',
    'webhooks[0].clientConfig: Required value: exactly one of url or service is required',
    'webhooks[0].admissionReviewVersions: Required value: must specify one of v1, v1beta1',
  ],
  [
    'admissionregistration.k8s.io/MutatingWebhookConfiguration',
    {
      webhooks: [
        {
          name: 'a.example.com',
          admissionReviewVersions: ['v1'],
          sideEffects: 'None',
          clientConfig: { url: 'http://u@x/?q#f' },
          reinvocationPolicy: 'Twice',
        },
      ],
    },
    'webhooks[0].reinvocationPolicy: Unsupported value: "Twice": supported values: "IfNeeded", "Never"',
    'webhooks[0].clientConfig.url: Invalid value: "http": \'https\' is the only allowed URL scheme; desired format: https://host[/path]',
    'webhooks[0].clientConfig.url: Invalid value: "u": user information is not permitted in the URL',
    'webhooks[0].clientConfig.url: Invalid value: "f": fragments are not permitted in the URL',
    'webhooks[0].clientConfig.url: Invalid value: "q": query parameters are not permitted in the URL',
  ],
  [
    'admissionregistration.k8s.io/ValidatingAdmissionPolicy',
    { spec: { matchConstraints: { resourceRules: [] }, validations: null } },
    'spec.matchConstraints.resourceRules: Required value',
    'spec.validations: Required value: validations or auditAnnotations must contain at least one item',
    'spec.auditAnnotations: Required value: validations or auditAnnotations must contain at least one item',
  ],
  [
    'admissionregistration.k8s.io/ValidatingAdmissionPolicy',
    { spec: { matchConstraints: { resourceRules: [{ ...RULE, resources: ['*/*', 'pods'] }] } } },
    'spec.matchConstraints.resourceRules[0].resources: Invalid value: ["*/*","pods"]: if \'*/*\' is present, must not specify other resources',
  ],
  [
    'admissionregistration.k8s.io/ValidatingAdmissionPolicyBinding',
    { spec: { validationActions: ['Deny', 'Warn'], paramRef: { parameterNotFoundAction: 'Deny' } } },
    'spec.paramRef: Required value: one of name or selector must be specified',
    'spec.validationActions: Invalid value: ["Deny","Warn"]: must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)',
  ],
  [
    'admissionregistration.k8s.io/MutatingAdmissionPolicy',
    { spec: { mutations: [{ patchType: 'JSONPatch' }], reinvocationPolicy: null } },
    'spec.mutations[0].jsonPatch: Required value: must be specified when patchType is JSONPatch',
    'spec.reinvocationPolicy: Required value',
  ],
  [
    'admissionregistration.k8s.io/MutatingAdmissionPolicyBinding',
    { spec: { policyName: null } },
    'spec.policyName: Required value',
  ],
  ['resource.k8s.io/DeviceClass', { spec: { selectors: [{}] } }, 'spec.selectors[0].cel: Required value'],
  [
    'resource.k8s.io/ResourceClaim',
    { spec: { devices: { requests: [{ name: 'a' }] } } },
    'spec.devices.requests[0]: Required value: exactly one of `exactly` or `firstAvailable` is required',
  ],
  [
    'resource.k8s.io/ResourceClaimTemplate',
    {
      spec: {
        spec: { devices: { requests: [{ name: 'a', exactly: { allocationMode: 'All', count: 1 } }] } },
      },
    },
    'spec.spec.devices.requests[0].exactly.deviceClassName: Required value',
    "spec.spec.devices.requests[0].exactly.count: Invalid value: 1: must not be specified when allocationMode is 'All'",
  ],
  [
    'resource.k8s.io/ResourceSlice',
    { spec: { allNodes: null, pool: { resourceSliceCount: 0 } } },
    'spec.pool.resourceSliceCount: Invalid value: 0: must be greater than zero',
    'spec: Required value: exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required',
  ],
];

for (const [name, patch, ...complaints] of CREATES) {
  test(`a ${name} with ${JSON.stringify(patch).slice(0, 120)}`, () => {
    assert.deepEqual(created(name, {}), [], 'the minimal object is good');
    assert.deepEqual(created(name, patch), complaints);
  });
}
