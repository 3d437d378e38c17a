import {
  admissionPolicyDefaults,
  flowSchemaDefaults,
  mutatingWebhookDefaults,
  policyBindingDefaults,
  priorityLevelDefaults,
  validatingWebhookDefaults,
} from './defaults/admission.ts';
import { apiServiceDefaults } from './defaults/aggregation.ts';
import { autoscalerDefaults, metricAutoscalerDefaults } from './defaults/autoscaling.ts';
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
import type { JsonObject } from './json.ts';
import type { KindSchema } from './schema.ts';

/** By group and kind; by group, version and kind where versions differ. */
const DEFAULTS: Readonly<Record<string, (object: JsonObject) => void>> = {
  '/Endpoints': endpointsDefaults,
  '/LimitRange': limitRangeDefaults,
  '/Namespace': namespaceDefaults,
  '/Node': nodeDefaults,
  '/PersistentVolume': persistentVolumeDefaults,
  '/PersistentVolumeClaim': claimDefaults,
  '/Pod': podDefaults,
  '/PodTemplate': podTemplateDefaults,
  '/ReplicationController': replicationControllerDefaults,
  '/ResourceQuota': resourceQuotaDefaults,
  '/Secret': secretDefaults,
  '/Service': serviceDefaults,
  'admissionregistration.k8s.io/MutatingAdmissionPolicy': admissionPolicyDefaults,
  'admissionregistration.k8s.io/MutatingAdmissionPolicyBinding': policyBindingDefaults,
  'admissionregistration.k8s.io/MutatingWebhookConfiguration': mutatingWebhookDefaults,
  'admissionregistration.k8s.io/ValidatingAdmissionPolicy': admissionPolicyDefaults,
  'admissionregistration.k8s.io/ValidatingAdmissionPolicyBinding': policyBindingDefaults,
  'admissionregistration.k8s.io/ValidatingWebhookConfiguration': validatingWebhookDefaults,
  'apiextensions.k8s.io/CustomResourceDefinition': customResourceDefinitionDefaults,
  'apiregistration.k8s.io/APIService': apiServiceDefaults,
  'apps/DaemonSet': daemonSetDefaults,
  'apps/Deployment': deploymentDefaults,
  'apps/ReplicaSet': replicaSetDefaults,
  'apps/StatefulSet': statefulSetDefaults,
  'autoscaling/v1/HorizontalPodAutoscaler': autoscalerDefaults,
  'autoscaling/v2/HorizontalPodAutoscaler': metricAutoscalerDefaults,
  'batch/CronJob': cronJobDefaults,
  'batch/Job': jobDefaults,
  'discovery.k8s.io/EndpointSlice': endpointSliceDefaults,
  'flowcontrol.apiserver.k8s.io/FlowSchema': flowSchemaDefaults,
  'flowcontrol.apiserver.k8s.io/PriorityLevelConfiguration': priorityLevelDefaults,
  'networking.k8s.io/IngressClass': ingressClassDefaults,
  'networking.k8s.io/NetworkPolicy': networkPolicyDefaults,
  'rbac.authorization.k8s.io/ClusterRoleBinding': roleBindingDefaults,
  'rbac.authorization.k8s.io/RoleBinding': roleBindingDefaults,
  'resource.k8s.io/ResourceClaim': resourceClaimDefaults,
  'resource.k8s.io/ResourceClaimTemplate': resourceClaimTemplateDefaults,
  'scheduling.k8s.io/PriorityClass': priorityClassDefaults,
  'storage.k8s.io/CSIDriver': csiDriverDefaults,
  'storage.k8s.io/StorageClass': storageClassDefaults,
  'storage.k8s.io/VolumeAttachment': volumeAttachmentDefaults,
};

/** Fills in, in place, what Kubernetes fills in for fields that are absent. Idempotent. Returns the object. */
export function applyDefaults({ group, version, kind }: KindSchema, object: JsonObject): JsonObject {
  const defaults = DEFAULTS[`${group}/${kind}`] ?? DEFAULTS[`${group}/${version}/${kind}`];
  defaults?.(object);
  return object;
}
