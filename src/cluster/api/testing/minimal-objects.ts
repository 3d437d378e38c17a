/** The least that can be said of each kind that is served, for tests that walk over all of them. */
import type { JsonObject } from '../json.ts';

const TEMPLATE: JsonObject = {
  metadata: { labels: { app: 'web' } },
  spec: { containers: [{ name: 'web', image: 'web:1' }] },
};
const ONCE: JsonObject = { spec: { restartPolicy: 'Never', containers: [{ name: 'web', image: 'web:1' }] } };
const SELECTOR: JsonObject = { matchLabels: { app: 'web' } };
const CLAIM: JsonObject = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } };
const CONFIG_MAPS: JsonObject = { apiGroups: [''], apiVersions: ['v1'], resources: ['configmaps'] };
const HOOK: JsonObject = {
  name: 'hook.example.com',
  admissionReviewVersions: ['v1'],
  sideEffects: 'None',
  clientConfig: { service: { namespace: 'default', name: 'hook' } },
  // Nothing has this label, so that the hook is never called.
  objectSelector: { matchLabels: { 'example.com/hooked': 'yes' } },
};
const CONSTRAINTS: JsonObject = {
  resourceRules: [{ ...CONFIG_MAPS, operations: ['CREATE'] }],
  objectSelector: { matchLabels: { 'example.com/hooked': 'yes' } },
};

/** Ed25519, made for CN=jane. */
const REQUEST = [
  'LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlHT01FSUNBUUF3RHpFTk1Bc0dBMVVFQXd3RWFtRnVaVEFx',
  'TUFVR0F5dGxjQU1oQUkyZUxEbFhFZ05aOUxDWQozS1JNRVZMdHN5R3VBbHM4VnJxVXgzL1dTUXZvb0FBd0JRWURLMlZ3QTBF',
  'QW9UaTg5ZTE3R2hEWHpBdFk1dUorCnBZcERrQnZ2cWYxMkJ5K1M2YmM0MkdoTExFU2Y4N1ViMDlldUo1cVpmTXI5bGdvMi92',
  'Smg2aWpJNmdFZmFXZWwKQ1E9PQotLS0tLUVORCBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0K',
].join('');

/** Made for CN=jane, in base64 as an object has it: the PEM of a certificate that says nothing else. */
export const CERTIFICATE = [
  'LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUJORENCNTZBREFnRUNBaFFyNHhhMTV3QXJLMFFXYWFaengwZnFU',
  'UlU5SnpBRkJnTXJaWEF3RHpFTk1Bc0cKQTFVRUF3d0VhbUZ1WlRBZ0Z3MHlOakV4TWpFeE1UUXpNVEZhR0E4eU1USTJN',
  'VEF5T0RFeE5ETXhNVm93RHpFTgpNQXNHQTFVRUF3d0VhbUZ1WlRBcU1BVUdBeXRsY0FNaEFHMElTa1hubVZaejV3bE02',
  'MmxOem5kNW9nczVtL1RpCjl5M1VoQysxV083Nm8xTXdVVEFkQmdOVkhRNEVGZ1FVTjh4eHZoSDk1eW9ZSEZxS0hpQ0hy',
  'ZnIxN1Bnd0h3WUQKVlIwakJCZ3dGb0FVTjh4eHZoSDk1eW9ZSEZxS0hpQ0hyZnIxN1Bnd0R3WURWUjBUQVFIL0JBVXdB',
  'd0VCL3pBRgpCZ01yWlhBRFFRQ0tXUGlPam1ob080Sjg3YldlRUNvOUcvNVRVRE8rSEdBL3NwWnIrVmlIOEI0dldaSjBO',
  'N2hmCnR1Q2ZWcWxVNFpPamRZVWJzMjU4bHVzeHlNT1hZU1lOCi0tLS0tRU5EIENFUlRJRklDQVRFLS0tLS0K',
].join('');

/** By `group/Kind`; without apiVersion and kind. The name is `web` where nothing else is said. */
const CONTENTS: Readonly<Record<string, JsonObject>> = {
  '/ConfigMap': { data: { key: 'value' } },
  '/Endpoints': { subsets: [{ addresses: [{ ip: '10.0.0.1' }], ports: [{ port: 80 }] }] },
  '/Event': { involvedObject: { kind: 'Pod', name: 'web', namespace: 'default' }, reason: 'Testing' },
  '/LimitRange': { spec: { limits: [{ type: 'Container', max: { cpu: '1' } }] } },
  '/Namespace': {},
  '/Node': {},
  '/PersistentVolume': {
    spec: { accessModes: ['ReadWriteOnce'], capacity: { storage: '1Gi' }, hostPath: { path: '/data' } },
  },
  '/PersistentVolumeClaim': { spec: CLAIM },
  '/Pod': { spec: { containers: [{ name: 'web', image: 'web:1' }] } },
  '/PodTemplate': { template: TEMPLATE },
  '/ReplicationController': { spec: { template: TEMPLATE } },
  '/ResourceQuota': { spec: { hard: { pods: '10' } } },
  '/Secret': {},
  '/Service': { spec: { ports: [{ port: 80 }] } },
  '/ServiceAccount': {},
  'admissionregistration.k8s.io/MutatingAdmissionPolicy': {
    spec: {
      matchConstraints: CONSTRAINTS,
      reinvocationPolicy: 'Never',
      mutations: [{ patchType: 'ApplyConfiguration', applyConfiguration: { expression: 'Object{}' } }],
    },
  },
  'admissionregistration.k8s.io/MutatingAdmissionPolicyBinding': { spec: { policyName: 'absent' } },
  'admissionregistration.k8s.io/MutatingWebhookConfiguration': { webhooks: [HOOK] },
  'admissionregistration.k8s.io/ValidatingAdmissionPolicy': {
    spec: { matchConstraints: CONSTRAINTS, validations: [{ expression: 'true' }] },
  },
  'admissionregistration.k8s.io/ValidatingAdmissionPolicyBinding': {
    spec: { policyName: 'absent', validationActions: ['Deny'] },
  },
  'admissionregistration.k8s.io/ValidatingWebhookConfiguration': { webhooks: [HOOK] },
  'apiextensions.k8s.io/CustomResourceDefinition': {
    metadata: { name: 'shirts.example.com' },
    spec: {
      group: 'example.com',
      scope: 'Namespaced',
      names: { plural: 'shirts', kind: 'Shirt' },
      versions: [
        { name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } },
      ],
    },
  },
  'apiregistration.k8s.io/APIService': {
    metadata: { name: 'v1.shirts.example.com' },
    spec: {
      group: 'shirts.example.com',
      version: 'v1',
      service: { namespace: 'default', name: 'shirts' },
      groupPriorityMinimum: 2000,
      versionPriority: 20,
    },
  },
  'apps/ControllerRevision': { data: { spec: {} }, revision: 1 },
  'apps/DaemonSet': { spec: { selector: SELECTOR, template: TEMPLATE } },
  'apps/Deployment': { spec: { selector: SELECTOR, template: TEMPLATE } },
  'apps/ReplicaSet': { spec: { selector: SELECTOR, template: TEMPLATE } },
  'apps/StatefulSet': {
    spec: {
      selector: SELECTOR,
      serviceName: 'web',
      template: TEMPLATE,
      volumeClaimTemplates: [{ metadata: { name: 'data' }, spec: CLAIM }],
    },
  },
  'autoscaling/HorizontalPodAutoscaler': {
    spec: {
      maxReplicas: 3,
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' },
    },
  },
  'batch/CronJob': { spec: { schedule: '*/5 * * * *', jobTemplate: { spec: { template: ONCE } } } },
  'batch/Job': { spec: { template: ONCE } },
  'certificates.k8s.io/CertificateSigningRequest': {
    spec: { request: REQUEST, signerName: 'example.com/signer', usages: ['client auth'] },
  },
  'coordination.k8s.io/Lease': { spec: { holderIdentity: 'web' } },
  'discovery.k8s.io/EndpointSlice': { addressType: 'IPv4', endpoints: [{ addresses: ['10.0.0.1'] }] },
  'events.k8s.io/Event': {
    regarding: { kind: 'Pod', name: 'web', namespace: 'default' },
    eventTime: '2026-01-01T00:00:00.000000Z',
    reportingController: 'example.com/tester',
    reportingInstance: 'tester-1',
    action: 'Test',
    reason: 'Testing',
    type: 'Normal',
  },
  'flowcontrol.apiserver.k8s.io/FlowSchema': {
    spec: { priorityLevelConfiguration: { name: 'workload-low' } },
  },
  'flowcontrol.apiserver.k8s.io/PriorityLevelConfiguration': {
    spec: { type: 'Limited', limited: { limitResponse: { type: 'Reject' } } },
  },
  'networking.k8s.io/IPAddress': {
    metadata: { name: '10.96.200.200' },
    spec: { parentRef: { resource: 'services', namespace: 'default', name: 'web' } },
  },
  'networking.k8s.io/Ingress': {
    spec: { defaultBackend: { service: { name: 'web', port: { number: 80 } } } },
  },
  'networking.k8s.io/IngressClass': { spec: { controller: 'example.com/controller' } },
  'networking.k8s.io/NetworkPolicy': { spec: { podSelector: {} } },
  'networking.k8s.io/ServiceCIDR': { spec: { cidrs: ['10.97.0.0/16'] } },
  'node.k8s.io/RuntimeClass': { handler: 'runc' },
  'policy/PodDisruptionBudget': { spec: { minAvailable: 1, selector: SELECTOR } },
  'rbac.authorization.k8s.io/ClusterRole': {},
  'rbac.authorization.k8s.io/ClusterRoleBinding': {
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'view' },
  },
  'rbac.authorization.k8s.io/Role': {},
  'rbac.authorization.k8s.io/RoleBinding': {
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'view' },
  },
  'resource.k8s.io/DeviceClass': {},
  'resource.k8s.io/ResourceClaim': {
    spec: { devices: { requests: [{ name: 'one', exactly: { deviceClassName: 'web' } }] } },
  },
  'resource.k8s.io/ResourceClaimTemplate': {
    spec: { spec: { devices: { requests: [{ name: 'one', exactly: { deviceClassName: 'web' } }] } } },
  },
  'resource.k8s.io/ResourceSlice': {
    spec: { driver: 'example.com', allNodes: true, pool: { name: 'web', resourceSliceCount: 1 } },
  },
  'scheduling.k8s.io/PriorityClass': { value: 100 },
  'storage.k8s.io/CSIDriver': {},
  'storage.k8s.io/CSINode': {},
  'storage.k8s.io/CSIStorageCapacity': { storageClassName: 'web' },
  'storage.k8s.io/StorageClass': { provisioner: 'example.com/provisioner' },
  'storage.k8s.io/VolumeAttachment': {
    spec: { attacher: 'example.com', nodeName: 'web', source: { persistentVolumeName: 'web' } },
  },
  'storage.k8s.io/VolumeAttributesClass': { driverName: 'example.com', parameters: { speed: 'high' } },
};

/** A minimal object that the server accepts, undefined for a kind that has none here. */
export function minimalObject(
  { group, version, kind }: { readonly group: string; readonly version: string; readonly kind: string },
  name = 'web',
): JsonObject | undefined {
  const content = CONTENTS[`${group}/${kind}`];
  if (content === undefined) return undefined;
  const { metadata, ...rest } = structuredClone(content);
  return {
    apiVersion: group === '' ? version : `${group}/${version}`,
    kind,
    metadata: { name, ...(metadata as JsonObject | undefined) },
    ...rest,
  };
}
