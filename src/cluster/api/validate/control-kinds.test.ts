/** Autoscalers, budgets, roles, flows, certificates and storage: what is refused, in upstream's words and order. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '../json.ts';
import { created, updated } from '../testing/complaints.ts';
import { CERTIFICATE } from '../testing/minimal-objects.ts';

const AUTOSCALER = 'autoscaling/HorizontalPodAutoscaler';
const BUDGET = 'policy/PodDisruptionBudget';
const FLOWS = 'flowcontrol.apiserver.k8s.io';
const RBAC = 'rbac.authorization.k8s.io';
const REQUEST = 'certificates.k8s.io/CertificateSigningRequest';
const STORAGE = 'storage.k8s.io';
const IMMUTABLE = 'field is immutable';

const AVERAGE: JsonObject = { type: 'AverageValue', averageValue: '1' };
const ANYONE = [{ kind: 'Group', group: { name: 'all' } }];
const NOT_A_SOURCE =
  'spec.metrics[0].type: Unsupported value: "": supported values: "ContainerResource", "External", "Object", "Pods", "Resource"';

const CREATES: readonly (readonly [string, JsonObject, ...string[]])[] = [
  [
    AUTOSCALER,
    { spec: { scaleTargetRef: { apiVersion: 'v1' }, maxReplicas: -1 } },
    'spec.maxReplicas: Invalid value: -1: must be greater than or equal to 1',
    'spec.maxReplicas: Invalid value: -1: must be greater than or equal to `minReplicas`',
    'spec.scaleTargetRef.apiVersion: Invalid value: "v1": apiVersion must specify API group',
  ],
  [AUTOSCALER, { spec: { scaleTargetRef: { apiVersion: 'v1', kind: 'ReplicationController' } } }],
  [
    AUTOSCALER,
    {
      spec: {
        behavior: { scaleUp: { selectPolicy: '', policies: [{ type: 'Pods', value: 1, periodSeconds: 1 }] } },
      },
    },
    'spec.behavior.scaleUp.selectPolicy: Unsupported value: "": supported values: "Disabled", "Max", "Min"',
  ],
  [
    BUDGET,
    { spec: { unhealthyPodEvictionPolicy: '' } },
    'spec.unhealthyPodEvictionPolicy: Unsupported value: "": supported values: "AlwaysAllow", "IfHealthyBudget"',
  ],
  [
    'scheduling.k8s.io/PriorityClass',
    { preemptionPolicy: 'Sometimes' },
    'preemptionPolicy: Unsupported value: "Sometimes": supported values: "PreemptLowerPriority", "Never"',
  ],
  ['node.k8s.io/RuntimeClass', { handler: null }, 'handler: Required value'],
  // Upstream holds only most kinds to it.
  ['node.k8s.io/RuntimeClass', { metadata: { finalizers: ['mine'] } }],
  [BUDGET, { metadata: { finalizers: ['mine'] } }],
  [
    BUDGET,
    { metadata: { generateName: '../%' } },
    'metadata.generateName: Invalid value: "../%": may not contain \'/\'',
    'metadata.generateName: Invalid value: "../%": may not contain \'%\'',
  ],
  [
    'node.k8s.io/RuntimeClass',
    { scheduling: { tolerations: [{ key: 'a', operator: 'Gt', value: '1' }] } },
    'scheduling.tolerations[0].operator: Unsupported value: "Gt": supported values: "Equal", "Exists", "Lt", "Gt"',
  ],
  [
    `${FLOWS}/PriorityLevelConfiguration`,
    { metadata: { annotations: { 'flowcontrol.k8s.io/v1beta3-preserve-zero-concurrency-shares': '' } } },
    "metadata.annotations: Forbidden: annotation 'flowcontrol.k8s.io/v1beta3-preserve-zero-concurrency-shares' is forbidden",
  ],
  [
    'apiregistration.k8s.io/APIService',
    { metadata: { generateName: 'v1.' } },
    `metadata.generateName: Invalid value: "v1.": must be \`spec.version+"."+spec.group\`: "v1.shirts.example.com"`,
  ],
  [
    'apiregistration.k8s.io/APIService',
    { spec: { service: { namespace: 'a', name: 'b', port: 65_536 } } },
    'spec.service.port: Invalid value: 65536: port is not valid: must be between 1 and 65535, inclusive',
  ],
  [
    AUTOSCALER,
    { spec: { scaleTargetRef: { apiVersion: 'a/b/c' } } },
    'spec.scaleTargetRef.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c',
  ],
  [
    AUTOSCALER,
    { spec: { metrics: [{ pods: { metric: { name: '' }, target: { type: 'Often', averageValue: '0' } } }] } },
    'spec.metrics[0].type: Required value: must specify a metric source type',
    NOT_A_SOURCE,
    'spec.metrics[0].pods.metric.name: Required value: must specify a metric name',
    'spec.metrics[0].pods.target.type: Invalid value: "Often": must be either Utilization, Value, or AverageValue',
    'spec.metrics[0].pods.target.averageValue: Invalid value: "0": must be positive',
    NOT_A_SOURCE,
  ],
  [
    AUTOSCALER,
    {
      spec: {
        metrics: [
          {
            type: 'ContainerResource',
            object: {
              metric: { name: 'a' },
              describedObject: { kind: 'Service', name: 'b' },
              target: { type: 'Value' },
            },
            containerResource: { name: 'tea', target: AVERAGE },
          },
        ],
      },
    },
    'spec.metrics[0].object.target.averageValue: Required value: must set either a target value or averageValue',
    'spec.metrics[0].object: Forbidden: must populate the given metric source only',
  ],
  [
    AUTOSCALER,
    {
      spec: {
        metrics: [
          { type: 'ContainerResource', containerResource: { name: 'tea', container: 'A', target: AVERAGE } },
        ],
      },
    },
    'spec.metrics[0].containerResource.name: Invalid value: "tea": must be a standard resource type or fully qualified',
    'spec.metrics[0].containerResource.name: Invalid value: "tea": must be a standard resource for containers',
    "spec.metrics[0].containerResource.container: Invalid value: \"A\": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
  ],
  [
    AUTOSCALER,
    { spec: { behavior: { scaleUp: { tolerance: '-1', policies: [] } } } },
    'spec.behavior.scaleUp.policies: Required value: must specify at least one Policy',
    'spec.behavior.scaleUp.tolerance: Invalid value: "-1": must be greater than or equal to 0',
  ],
  [
    `${RBAC}/RoleBinding`,
    { subjects: [{ kind: 'User', name: 'jane', apiGroup: RBAC, namespace: 'default' }] },
  ],
  [
    `${RBAC}/ClusterRole`,
    { aggregationRule: { clusterRoleSelectors: [{ matchExpressions: [{ key: 'a', operator: 'Near' }] }] } },
    'aggregationRule.clusterRoleSelectors[0].matchExpressions[0].operator: Invalid value: "Near": not a valid selector operator',
    'aggregationRule.clusterRoleSelectors[0]: Invalid value: null: invalid label selector.',
  ],
  [
    `${FLOWS}/FlowSchema`,
    {
      spec: {
        distinguisherMethod: { type: 'ByMood' },
        rules: [
          {
            subjects: [{ kind: 'User', user: {}, group: { name: 'a' }, serviceAccount: { name: 'b' } }],
            resourceRules: [
              { verbs: ['pray', 'get'], apiGroups: ['*', 'a'], resources: ['*', 'b'], namespaces: ['C'] },
              { verbs: ['*', 'get'], apiGroups: [''], resources: ['a'], namespaces: ['*', 'd'] },
            ],
            nonResourceRules: [
              { verbs: ['get'], nonResourceURLs: ['*', '/a'] },
              { verbs: ['get'], nonResourceURLs: ['a', '/a b', '//', '/a*', '/', '/b/*'] },
            ],
          },
        ],
      },
    },
    'spec.distinguisherMethod.type: Unsupported value: {"Type":"ByMood"}: supported values: "ByNamespace", "ByUser"',
    'spec.rules[0].subjects[0].user.name: Required value',
    "spec.rules[0].subjects[0].serviceAccount: Forbidden: serviceAccount is forbidden when subject kind is not 'ServiceAccount'",
    "spec.rules[0].subjects[0].group: Forbidden: group is forbidden when subject kind is not 'Group'",
    'spec.rules[0].resourceRules[0].verbs: Unsupported value: ["pray","get"]: supported values: "create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch"',
    'spec.rules[0].resourceRules[0].apiGroups: Invalid value: ["*","a"]: if \'*\' is present, must not specify other api groups',
    'spec.rules[0].resourceRules[0].resources: Invalid value: ["*","b"]: if \'*\' is present, must not specify other resources',
    "spec.rules[0].resourceRules[0].namespaces[0]: Invalid value: \"C\": each member of this list must be '*' or a DNS-1123 label; a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
    'spec.rules[0].resourceRules[1].verbs: Invalid value: ["*","get"]: if \'*\' is present, must not specify other verbs',
    'spec.rules[0].resourceRules[1].namespaces: Invalid value: ["*","d"]: if \'*\' is present, must not specify other namespaces',
    'spec.rules[0].nonResourceRules[0].nonResourceURLs: Invalid value: ["*","/a"]: if \'*\' is present, must not specify other non-resource URLs',
    'spec.rules[0].nonResourceRules[1].nonResourceURLs[0]: Invalid value: "a": must start with slash',
    'spec.rules[0].nonResourceRules[1].nonResourceURLs[1]: Invalid value: "/a b": must not contain white-space',
    'spec.rules[0].nonResourceRules[1].nonResourceURLs[2]: Invalid value: "//": must not contain double slash',
    'spec.rules[0].nonResourceRules[1].nonResourceURLs[3]: Invalid value: "/a*": wildcard can only do suffix matching',
  ],
  [
    `${FLOWS}/FlowSchema`,
    { metadata: { name: 'catch-all' }, spec: { matchingPrecedence: 9999 } },
    'spec: Invalid value: {"priorityLevelConfiguration":{"name":"workload-low"},"matchingPrecedence":9999}: spec of \'catch-all\' must equal the fixed value',
  ],
  [
    `${FLOWS}/FlowSchema`,
    { spec: { rules: [{ subjects: ANYONE, nonResourceRules: [{ verbs: [], nonResourceURLs: [''] }] }] } },
    'spec.rules[0].nonResourceRules[0].verbs: Required value: verbs must contain at least one value',
    'spec.rules[0].nonResourceRules[0].nonResourceURLs[0]: Invalid value: "": must not be empty',
  ],
  [
    `${FLOWS}/PriorityLevelConfiguration`,
    {
      metadata: { name: 'exempt' },
      spec: { type: 'Exempt', limited: null, exempt: { lendablePercent: 30 } },
    },
  ],
  [
    REQUEST,
    { spec: { usages: ['any', 'tea', 'any'], signerName: 'kubernetes.io/legacy-unknown' } },
    'spec.usages[1]: Unsupported value: "tea": supported values: "any", "cert sign", "client auth", "code signing", "content commitment", "crl sign", "data encipherment", "decipher only", "digital signature", "email protection", "encipher only", "ipsec end system", "ipsec tunnel", "ipsec user", "key agreement", "key encipherment", "microsoft sgc", "netscape sgc", "ocsp signing", "s/mime", "server auth", "signing", "timestamping"',
    'spec.usages[2]: Duplicate value: "any"',
    'spec.signerName: Invalid value: "kubernetes.io/legacy-unknown": the legacy signerName is not allowed via this API version',
  ],
  [REQUEST, { status: { certificate: CERTIFICATE } }],
  [
    'node.k8s.io/RuntimeClass',
    {
      overhead: { podFixed: { cpu: '-1', tea: '1' } },
      scheduling: {
        tolerations: [
          { key: 'a', operator: 'Exists' },
          { key: 'a', operator: 'Exists' },
        ],
      },
    },
    'overhead.limits[cpu]: Invalid value: "-1": must be greater than or equal to 0',
    'overhead.limits[tea]: Invalid value: "tea": must be a standard resource type or fully qualified',
    'overhead.limits[tea]: Invalid value: "tea": must be a standard resource for containers',
    'scheduling.tolerations[1]: Duplicate value: {"Key":"a","Operator":"Exists","Value":"","Effect":"","TolerationSeconds":null}',
  ],
  [
    `${STORAGE}/CSIDriver`,
    { spec: { volumeLifecycleModes: ['Persistent', 'Sometimes'] } },
    'spec.volumeLifecycleModes: Unsupported value: "Sometimes": supported values: "Persistent", "Ephemeral"',
  ],
  [
    `${STORAGE}/CSINode`,
    {
      spec: {
        drivers: [{ name: 'a.io', nodeID: 'n'.repeat(257), topologyKeys: ['zone', 'zone'] }],
      },
    },
    `spec.drivers[0].nodeID: Invalid value: "${'n'.repeat(257)}": must be 256 characters or less`,
    'spec.drivers[0]: Duplicate value: "zone"',
  ],
  [
    `${STORAGE}/VolumeAttachment`,
    {
      spec: { source: { persistentVolumeName: 'A' } },
      status: { attached: false, detachError: { errorCode: -1 } },
    },
    'status.detachError.errorCode: Invalid value: -1: must be between 0 and 2147483647, inclusive',
    "spec.source.persistentVolumeName: Invalid value: \"A\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
  ],
];

for (const [name, patch, ...complaints] of CREATES) {
  test(`a ${name} with ${JSON.stringify(patch).slice(0, 120)}`, () => {
    assert.deepEqual(created(name, patch), complaints);
  });
}

const APPROVED = { type: 'Approved', status: 'True' };

/** Kind, change, endpoint, what the old object was beside minimal, complaints. */
const UPDATES: readonly (readonly [string, JsonObject, string, JsonObject, ...string[]])[] = [
  [AUTOSCALER, { spec: { maxReplicas: 5 } }, 'main', { spec: { scaleTargetRef: { apiVersion: 'v1' } } }],
  [
    AUTOSCALER,
    { status: { currentReplicas: -1, desiredReplicas: 0 } },
    'status',
    {},
    'status.currentReplicas: Invalid value: -1: must be greater than or equal to 0',
  ],
  [
    BUDGET,
    {
      status: {
        disruptionsAllowed: -1,
        conditions: [
          { type: 'A', status: 'Maybe', reason: '1', lastTransitionTime: '2026-01-01T00:00:00Z' },
          { type: 'A', status: 'True', observedGeneration: -1 },
        ],
      },
    },
    'status',
    {},
    'status.conditions[0].status: Unsupported value: "Maybe": supported values: "False", "True", "Unknown"',
    "status.conditions[0].reason: Invalid value: \"1\": a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric characters or '_,:', and must end with an alphanumeric character or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName',  or 'ReasonA,ReasonB',  or 'ReasonA:ReasonB', regex used for validation is '[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?')",
    'status.conditions[1].type: Duplicate value: "A"',
    'status.conditions[1].observedGeneration: Invalid value: -1: must be greater than or equal to zero',
    'status.conditions[1].lastTransitionTime: Required value',
    'status.conditions[1].reason: Required value',
    'status.disruptionsAllowed: Invalid value: -1: must be greater than or equal to 0',
  ],
  [
    `${FLOWS}/FlowSchema`,
    { status: { conditions: [{ type: '' }, { type: 'A' }, { type: 'A' }] } },
    'status',
    {},
    'status.conditions[0].type: Required value',
    'status.conditions[2].type: Duplicate value: "A"',
  ],
  [
    REQUEST,
    { status: { conditions: [APPROVED], certificate: 'YQ==' } },
    'status',
    {},
    'status.certificate: Invalid value: "<certificate data>": must contain at least one CERTIFICATE PEM block',
    'status.conditions: Forbidden: updates may not add a condition of type "Approved"',
  ],
  [REQUEST, { status: { conditions: [APPROVED] } }, 'approval', {}],
  [
    REQUEST,
    { status: { certificate: CERTIFICATE } },
    'approval',
    {},
    'status.certificate: Forbidden: updates may not set certificate content',
  ],
  [
    REQUEST,
    { status: { conditions: [{ type: 'Denied', status: 'True' }] } },
    'approval',
    { status: { conditions: [APPROVED, { type: 'Failed', status: 'True' }] } },
    'status.conditions: Forbidden: updates may not remove a condition of type "Approved"',
    'status.conditions: Forbidden: updates may not remove a condition of type "Failed"',
  ],
  [
    REQUEST,
    { status: { certificate: null } },
    'status',
    { status: { certificate: CERTIFICATE } },
    'status.certificate: Forbidden: updates may not modify existing certificate content',
  ],
  [
    AUTOSCALER,
    { spec: { scaleTargetRef: { apiVersion: 'v1', kind: 'Thing' } } },
    'main',
    { spec: { scaleTargetRef: { apiVersion: 'v1', kind: 'ReplicationController' } } },
    'spec.scaleTargetRef.apiVersion: Invalid value: "v1": apiVersion must specify API group',
  ],
  [
    'scheduling.k8s.io/PriorityClass',
    { value: 2_000_000_000 },
    'main',
    {},
    'value: Forbidden: may not be changed in an update.',
  ],
  [
    `${FLOWS}/PriorityLevelConfiguration`,
    { status: { conditions: [{ status: 'True' }] } },
    'status',
    {},
    'status.conditions[0].type: Required value',
  ],
  [REQUEST, { metadata: { labels: { a: 'b' } } }, 'main', { spec: { usages: ['tea', 'tea'] } }],
  [
    `${STORAGE}/CSINode`,
    { spec: { drivers: [{ name: 'a.io', nodeID: 'two', allocatable: { count: 2 } }] } },
    'main',
    { spec: { drivers: [{ name: 'a.io', nodeID: 'one' }] } },
    `spec.drivers: Invalid value: {"Name":"a.io","NodeID":"two","TopologyKeys":null,"Allocatable":null}: ${IMMUTABLE}`,
  ],
];

for (const [name, patch, endpoint, before, ...complaints] of UPDATES) {
  test(`a ${name} that becomes ${JSON.stringify(patch).slice(0, 100)} through ${endpoint}`, () => {
    assert.deepEqual(updated(name, patch, before, endpoint), complaints);
  });
}
