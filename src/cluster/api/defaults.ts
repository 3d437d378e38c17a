import {
  admissionPolicyDefaults,
  flowSchemaDefaults,
  mutatingWebhookDefaults,
  policyBindingDefaults,
  priorityLevelDefaults,
  validatingWebhookDefaults,
} from './defaults/admission.ts';
import { apiServiceDefaults } from './defaults/aggregation.ts';
import { cpuAutoscalerDefaults, metricAutoscalerDefaults } from './defaults/autoscaling.ts';
import { resourceClaimDefaults, resourceClaimTemplateDefaults } from './defaults/devices.ts';
import { customResourceDefinitionDefaults } from './defaults/extensions.ts';
import {
  endpointSliceDefaults,
  endpointsDefaults,
  ingressClassDefaults,
  limitRangeDefaults,
  namespaceDefaults,
  networkPolicyDefaults,
  nodeDefaults,
  priorityClassDefaults,
  resourceQuotaDefaults,
  secretDefaults,
} from './defaults/objects.ts';
import { podDefaults, podTemplateDefaults } from './defaults/pod.ts';
import { roleBindingDefaults } from './defaults/rbac.ts';
import { serviceDefaults } from './defaults/service.ts';
import {
  claimDefaults,
  csiDriverDefaults,
  persistentVolumeDefaults,
  storageClassDefaults,
  volumeAttachmentDefaults,
} from './defaults/storage.ts';
import {
  cronJobDefaults,
  daemonSetDefaults,
  deploymentDefaults,
  jobDefaults,
  replicaSetDefaults,
  replicationControllerDefaults,
  statefulSetDefaults,
} from './defaults/workloads.ts';
import { getOwn, getPath, isJsonObject, setOwn, type JsonObject, type JsonValue } from './json.ts';
import type { KindSchema } from './schema.ts';

interface KindDefaults {
  /** In place. `done` is the pod template if it has its defaults already: it is not to be written to. */
  readonly fill: (object: JsonObject, done?: JsonObject) => void;
  /** The outermost fields that this looks at and writes to. */
  readonly fields: readonly string[];
  /** Where the pod template is. */
  readonly template?: readonly string[];
}

const TEMPLATE = ['spec', 'template'];

/** By group and kind; by group, version and kind where versions differ. */
const DEFAULTS: Readonly<Record<string, KindDefaults>> = {
  '/Endpoints': { fill: endpointsDefaults, fields: ['subsets'] },
  '/LimitRange': { fill: limitRangeDefaults, fields: ['spec'] },
  '/Namespace': { fill: namespaceDefaults, fields: ['metadata', 'status'] },
  '/Node': { fill: nodeDefaults, fields: ['spec', 'status'] },
  '/PersistentVolume': { fill: persistentVolumeDefaults, fields: ['spec', 'status'] },
  '/PersistentVolumeClaim': { fill: claimDefaults, fields: ['spec', 'status'] },
  '/Pod': { fill: podDefaults, fields: ['spec'] },
  '/PodTemplate': { fill: podTemplateDefaults, fields: ['template'] },
  '/ReplicationController': {
    fill: replicationControllerDefaults,
    fields: ['spec', 'metadata'],
    template: TEMPLATE,
  },
  '/ResourceQuota': { fill: resourceQuotaDefaults, fields: ['spec', 'status'] },
  '/Secret': { fill: secretDefaults, fields: ['type', 'data', 'stringData'] },
  '/Service': { fill: serviceDefaults, fields: ['spec', 'status'] },
  'admissionregistration.k8s.io/MutatingAdmissionPolicy': { fill: admissionPolicyDefaults, fields: ['spec'] },
  'admissionregistration.k8s.io/MutatingAdmissionPolicyBinding': {
    fill: policyBindingDefaults,
    fields: ['spec'],
  },
  'admissionregistration.k8s.io/MutatingWebhookConfiguration': {
    fill: mutatingWebhookDefaults,
    fields: ['webhooks'],
  },
  'admissionregistration.k8s.io/ValidatingAdmissionPolicy': {
    fill: admissionPolicyDefaults,
    fields: ['spec'],
  },
  'admissionregistration.k8s.io/ValidatingAdmissionPolicyBinding': {
    fill: policyBindingDefaults,
    fields: ['spec'],
  },
  'admissionregistration.k8s.io/ValidatingWebhookConfiguration': {
    fill: validatingWebhookDefaults,
    fields: ['webhooks'],
  },
  'apiextensions.k8s.io/CustomResourceDefinition': {
    fill: customResourceDefinitionDefaults,
    fields: ['spec'],
  },
  'apiregistration.k8s.io/APIService': { fill: apiServiceDefaults, fields: ['spec'] },
  'apps/DaemonSet': { fill: daemonSetDefaults, fields: ['spec', 'metadata'], template: TEMPLATE },
  'apps/Deployment': { fill: deploymentDefaults, fields: ['spec'], template: TEMPLATE },
  'apps/ReplicaSet': { fill: replicaSetDefaults, fields: ['spec'], template: TEMPLATE },
  'apps/StatefulSet': { fill: statefulSetDefaults, fields: ['spec'], template: TEMPLATE },
  'autoscaling/v1/HorizontalPodAutoscaler': { fill: cpuAutoscalerDefaults, fields: ['spec'] },
  'autoscaling/v2/HorizontalPodAutoscaler': {
    fill: metricAutoscalerDefaults,
    fields: ['spec', 'metadata'],
  },
  'batch/CronJob': {
    fill: cronJobDefaults,
    fields: ['spec'],
    template: ['spec', 'jobTemplate', 'spec', 'template'],
  },
  'batch/Job': { fill: jobDefaults, fields: ['spec', 'metadata'], template: TEMPLATE },
  'discovery.k8s.io/EndpointSlice': { fill: endpointSliceDefaults, fields: ['ports'] },
  'flowcontrol.apiserver.k8s.io/FlowSchema': { fill: flowSchemaDefaults, fields: ['spec'] },
  'flowcontrol.apiserver.k8s.io/PriorityLevelConfiguration': {
    fill: priorityLevelDefaults,
    fields: ['spec'],
  },
  'networking.k8s.io/IngressClass': { fill: ingressClassDefaults, fields: ['spec'] },
  'networking.k8s.io/NetworkPolicy': { fill: networkPolicyDefaults, fields: ['spec'] },
  'rbac.authorization.k8s.io/ClusterRoleBinding': {
    fill: roleBindingDefaults,
    fields: ['roleRef', 'subjects'],
  },
  'rbac.authorization.k8s.io/RoleBinding': { fill: roleBindingDefaults, fields: ['roleRef', 'subjects'] },
  'resource.k8s.io/ResourceClaim': { fill: resourceClaimDefaults, fields: ['spec', 'status'] },
  'resource.k8s.io/ResourceClaimTemplate': { fill: resourceClaimTemplateDefaults, fields: ['spec'] },
  'scheduling.k8s.io/PriorityClass': { fill: priorityClassDefaults, fields: ['preemptionPolicy'] },
  'storage.k8s.io/CSIDriver': { fill: csiDriverDefaults, fields: ['spec'] },
  'storage.k8s.io/StorageClass': {
    fill: storageClassDefaults,
    fields: ['reclaimPolicy', 'volumeBindingMode'],
  },
  'storage.k8s.io/VolumeAttachment': { fill: volumeAttachmentDefaults, fields: ['spec', 'status'] },
};

/** Returns the object. */
export type ApplyDefaults = (object: JsonObject, prior?: JsonObject) => JsonObject;

/**
 * What fills in the defaults of a kind. `prior` is the object of this kind that the object was made of, and which has its
 * defaults: where the object has something that is `===` the prior's at the same path, that is not written to. Fields
 * and pod templates that are the prior's as a whole are left as they are, what else is the prior's inside of what has
 * changed becomes a copy. Elsewhere nothing of the prior may be in the object: `decodeValue` with `prior` sees to it.
 */
export function defaultsOf({ group, version, kind }: KindSchema): ApplyDefaults {
  const defaults = DEFAULTS[`${group}/${kind}`] ?? DEFAULTS[`${group}/${version}/${kind}`];
  if (defaults === undefined) return (object) => object;
  return (object, prior) => {
    if (prior === undefined) defaults.fill(object);
    else fillChanged(object, prior, defaults);
    return object;
  };
}

/** Fills in, in place, what Kubernetes fills in for fields that are absent. Idempotent. Returns the object. */
export function applyDefaults(kind: KindSchema, object: JsonObject, prior?: JsonObject): JsonObject {
  return defaultsOf(kind)(object, prior);
}

function fillChanged(object: JsonObject, prior: JsonObject, { fill, fields, template }: KindDefaults): void {
  if (fields.every((name) => object[name] === prior[name])) return;
  const own = template && getPath(object, ...template);
  const done = isJsonObject(own) && own === getPath(prior, ...template!) ? own : undefined;
  for (const name of fields) {
    const value = object[name];
    if (name === 'metadata' && isJsonObject(value)) object[name] = unsharedMetadata(value, prior[name]);
    else if (value !== undefined) object[name] = unshared(value, prior[name], done);
  }
  fill(object, done);
}

/** Defaults are written to labels and annotations alone; what is said of owners may be the prior's, at another place. */
function unsharedMetadata(metadata: JsonObject, prior: JsonValue | undefined): JsonObject {
  const own = metadata === prior ? { ...metadata } : metadata;
  for (const name of ['labels', 'annotations']) {
    const texts = own[name];
    if (isJsonObject(texts)) own[name] = { ...texts };
  }
  return own;
}

/** The value with copies of what is the prior's at the same path, but for `kept`. */
function unshared(value: JsonValue, prior: JsonValue | undefined, kept: JsonObject | undefined): JsonValue {
  if (typeof value !== 'object' || value === null || value === kept) return value;
  if (Array.isArray(value)) {
    const before = Array.isArray(prior) ? prior : [];
    return value.map((item, index) => unshared(item, before[index], kept));
  }
  const before = isJsonObject(prior) ? prior : {};
  const own = value === prior ? { ...value } : value;
  for (const key in own) {
    const item = own[key];
    if (typeof item === 'object' && item !== null)
      setOwn(own, key, unshared(item, getOwn(before, key), kept));
  }
  return own;
}
