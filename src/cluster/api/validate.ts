/** What Kubernetes' own validation refuses, one file a kind. Objects come decoded and with their defaults. */
import type { FieldError } from './field-error.ts';
import { objectAt, type JsonObject } from './json.ts';
import type { KindSchema } from './schema.ts';
import {
  validateMutatingBinding,
  validateMutatingPolicy,
  validateMutatingWebhooks,
  validateValidatingBinding,
  validateValidatingPolicy,
  validateValidatingWebhooks,
} from './validate/admission.ts';
import { validateApiService, validateApiServiceUpdate } from './validate/aggregation.ts';
import { validateAutoscaler } from './validate/autoscaling.ts';
import { validateCronJob, validateJob, validateJobUpdate } from './validate/batch.ts';
import { validateSigningRequest, validateSigningRequestUpdate } from './validate/certificates.ts';
import {
  validateClaimImmutable,
  validateDeviceClass,
  validateResourceClaim,
  validateResourceClaimTemplate,
  validateResourceSlice,
  validateResourceSliceUpdate,
} from './validate/devices.ts';
import {
  validateEndpoints,
  validateEndpointSlice,
  validateEndpointSliceUpdate,
} from './validate/endpoints.ts';
import { validateDefinition, validateDefinitionUpdate } from './validate/extensions.ts';
import { validateFlowSchema, validatePriorityLevel } from './validate/flow-control.ts';
import { validateMetadata, validateMetadataUpdate, type NameRule } from './validate/metadata.ts';
import {
  validateIngress,
  validateIngressClass,
  validateIngressClassUpdate,
  validateIngressCreate,
  validateIpAddress,
  validateIpAddressUpdate,
  validateNetworkPolicy,
  validateServiceCidr,
  validateServiceCidrUpdate,
} from './validate/networking.ts';
import {
  validateConfigMap,
  validateConfigMapUpdate,
  validateEvent,
  validateLease,
  validateNode,
  validateNodeUpdate,
  validateSecret,
  validateSecretUpdate,
} from './validate/objects.ts';
import {
  validateClaim,
  validateClaimUpdate,
  validatePersistentVolume,
  validatePersistentVolumeUpdate,
} from './validate/persistent-volume.ts';
import { validatePodTemplate } from './validate/pod-template.ts';
import { validatePod, validatePodCreate, validatePodUpdate } from './validate/pod.ts';
import {
  validateDisruptionBudget,
  validateLimitRange,
  validatePriorityClass,
  validatePriorityClassUpdate,
  validateResourceQuota,
  validateResourceQuotaUpdate,
  validateRuntimeClass,
  validateRuntimeClassUpdate,
} from './validate/policy.ts';
import {
  validateClusterRole,
  validateClusterRoleBinding,
  validateRole,
  validateRoleBinding,
  validateRoleBindingUpdate,
} from './validate/rbac.ts';
import { validateService, validateServiceUpdate } from './validate/service.ts';
import {
  validateAttributesClass,
  validateAttributesClassUpdate,
  validateCsiDriver,
  validateCsiDriverUpdate,
  validateCsiNode,
  validateCsiNodeUpdate,
  validateCsiStorageCapacity,
  validateCsiStorageCapacityUpdate,
  validateStorageClass,
  validateStorageClassUpdate,
  validateVolumeAttachment,
  validateVolumeAttachmentUpdate,
} from './validate/storage.ts';
import {
  validateControllerRevision,
  validateControllerRevisionUpdate,
  validateDaemonSet,
  validateDeployment,
  validateReplicaSet,
  validateReplicationController,
  validateScale,
  validateStatefulSet,
  validateStatefulSetUpdate,
  validateWorkloadUpdate,
} from './validate/workloads.ts';

interface Rules {
  readonly name: NameRule;
  readonly clusterScoped?: boolean;
  readonly object?: (object: JsonObject) => FieldError[];
  /** Only of new objects. */
  readonly create?: (object: JsonObject) => FieldError[];
  readonly update?: (object: JsonObject, old: JsonObject) => FieldError[];
}

const ADMISSION = 'admissionregistration.k8s.io';
const DEVICES = 'resource.k8s.io';
const NETWORKING = 'networking.k8s.io';
const STORAGE = 'storage.k8s.io';

const RULES: Readonly<Record<string, Rules>> = {
  '/Namespace': { name: 'label', clusterScoped: true },
  '/Node': { name: 'subdomain', clusterScoped: true, object: validateNode, update: validateNodeUpdate },
  '/Pod': {
    name: 'subdomain',
    create: validatePodCreate,
    object: validatePod,
    update: validatePodUpdate,
  },
  '/Service': { name: 'rfc1035-label', object: validateService, update: validateServiceUpdate },
  '/Endpoints': { name: 'subdomain', object: validateEndpoints },
  '/ConfigMap': { name: 'subdomain', object: validateConfigMap, update: validateConfigMapUpdate },
  '/Secret': { name: 'subdomain', object: validateSecret, update: validateSecretUpdate },
  '/ServiceAccount': { name: 'subdomain' },
  '/Event': { name: 'subdomain', object: validateEvent },
  'events.k8s.io/Event': { name: 'subdomain', object: validateEvent },
  'apiextensions.k8s.io/CustomResourceDefinition': {
    name: 'subdomain',
    clusterScoped: true,
    object: validateDefinition,
    update: validateDefinitionUpdate,
  },
  'apiregistration.k8s.io/APIService': {
    name: 'path-segment',
    clusterScoped: true,
    object: validateApiService,
    update: validateApiServiceUpdate,
  },
  'apps/Deployment': { name: 'subdomain', object: validateDeployment, update: validateWorkloadUpdate },
  'apps/ReplicaSet': { name: 'subdomain', object: validateReplicaSet, update: validateWorkloadUpdate },
  'coordination.k8s.io/Lease': { name: 'subdomain', object: validateLease },
  'discovery.k8s.io/EndpointSlice': {
    name: 'subdomain',
    object: validateEndpointSlice,
    update: validateEndpointSliceUpdate,
  },
  'rbac.authorization.k8s.io/Role': { name: 'path-segment', object: validateRole },
  'rbac.authorization.k8s.io/ClusterRole': {
    name: 'path-segment',
    clusterScoped: true,
    object: validateClusterRole,
  },
  'rbac.authorization.k8s.io/RoleBinding': {
    name: 'path-segment',
    object: validateRoleBinding,
    update: validateRoleBindingUpdate,
  },
  'rbac.authorization.k8s.io/ClusterRoleBinding': {
    name: 'path-segment',
    clusterScoped: true,
    object: validateClusterRoleBinding,
    update: validateRoleBindingUpdate,
  },
  '/LimitRange': { name: 'subdomain', object: validateLimitRange },
  '/PersistentVolume': {
    name: 'subdomain',
    clusterScoped: true,
    object: validatePersistentVolume,
    update: validatePersistentVolumeUpdate,
  },
  '/PersistentVolumeClaim': { name: 'subdomain', object: validateClaim, update: validateClaimUpdate },
  '/PodTemplate': {
    name: 'subdomain',
    object: (object) => validatePodTemplate(objectAt(object, 'template'), { field: 'template' }),
  },
  '/ReplicationController': { name: 'subdomain', object: validateReplicationController },
  '/ResourceQuota': {
    name: 'subdomain',
    object: validateResourceQuota,
    update: validateResourceQuotaUpdate,
  },
  [`${ADMISSION}/MutatingAdmissionPolicy`]: {
    name: 'subdomain',
    clusterScoped: true,
    object: validateMutatingPolicy,
  },
  [`${ADMISSION}/MutatingAdmissionPolicyBinding`]: {
    name: 'subdomain',
    clusterScoped: true,
    object: validateMutatingBinding,
  },
  [`${ADMISSION}/MutatingWebhookConfiguration`]: {
    name: 'subdomain',
    clusterScoped: true,
    object: validateMutatingWebhooks,
  },
  [`${ADMISSION}/ValidatingAdmissionPolicy`]: {
    name: 'subdomain',
    clusterScoped: true,
    object: validateValidatingPolicy,
  },
  [`${ADMISSION}/ValidatingAdmissionPolicyBinding`]: {
    name: 'subdomain',
    clusterScoped: true,
    object: validateValidatingBinding,
  },
  [`${ADMISSION}/ValidatingWebhookConfiguration`]: {
    name: 'subdomain',
    clusterScoped: true,
    object: validateValidatingWebhooks,
  },
  'apps/ControllerRevision': {
    name: 'subdomain',
    object: validateControllerRevision,
    update: validateControllerRevisionUpdate,
  },
  'apps/DaemonSet': { name: 'subdomain', object: validateDaemonSet, update: validateWorkloadUpdate },
  'apps/StatefulSet': {
    name: 'label',
    object: validateStatefulSet,
    update: validateStatefulSetUpdate,
  },
  'autoscaling/HorizontalPodAutoscaler': { name: 'subdomain', object: validateAutoscaler },
  'batch/CronJob': { name: 'subdomain', object: validateCronJob },
  'batch/Job': { name: 'subdomain', object: validateJob, update: validateJobUpdate },
  'certificates.k8s.io/CertificateSigningRequest': {
    name: 'path-segment',
    clusterScoped: true,
    object: validateSigningRequest,
    update: validateSigningRequestUpdate,
  },
  'flowcontrol.apiserver.k8s.io/FlowSchema': {
    name: 'subdomain',
    clusterScoped: true,
    object: validateFlowSchema,
  },
  'flowcontrol.apiserver.k8s.io/PriorityLevelConfiguration': {
    name: 'subdomain',
    clusterScoped: true,
    object: validatePriorityLevel,
  },
  [`${NETWORKING}/IPAddress`]: {
    name: 'ip-address',
    clusterScoped: true,
    object: validateIpAddress,
    update: validateIpAddressUpdate,
  },
  [`${NETWORKING}/Ingress`]: {
    name: 'subdomain',
    create: validateIngressCreate,
    object: validateIngress,
  },
  [`${NETWORKING}/IngressClass`]: {
    name: 'subdomain',
    clusterScoped: true,
    object: validateIngressClass,
    update: validateIngressClassUpdate,
  },
  [`${NETWORKING}/NetworkPolicy`]: { name: 'subdomain', object: validateNetworkPolicy },
  [`${NETWORKING}/ServiceCIDR`]: {
    name: 'subdomain',
    clusterScoped: true,
    object: validateServiceCidr,
    update: validateServiceCidrUpdate,
  },
  'node.k8s.io/RuntimeClass': {
    name: 'subdomain',
    clusterScoped: true,
    object: validateRuntimeClass,
    update: validateRuntimeClassUpdate,
  },
  'policy/PodDisruptionBudget': { name: 'path-segment', object: validateDisruptionBudget },
  [`${DEVICES}/DeviceClass`]: { name: 'subdomain', clusterScoped: true, object: validateDeviceClass },
  [`${DEVICES}/ResourceClaim`]: {
    name: 'subdomain',
    object: validateResourceClaim,
    update: validateClaimImmutable,
  },
  [`${DEVICES}/ResourceClaimTemplate`]: {
    name: 'subdomain',
    object: validateResourceClaimTemplate,
    update: validateClaimImmutable,
  },
  [`${DEVICES}/ResourceSlice`]: {
    name: 'subdomain',
    clusterScoped: true,
    object: validateResourceSlice,
    update: validateResourceSliceUpdate,
  },
  'scheduling.k8s.io/PriorityClass': {
    name: 'subdomain',
    clusterScoped: true,
    object: validatePriorityClass,
    update: validatePriorityClassUpdate,
  },
  [`${STORAGE}/CSIDriver`]: {
    name: 'csi-driver',
    clusterScoped: true,
    object: validateCsiDriver,
    update: validateCsiDriverUpdate,
  },
  [`${STORAGE}/CSINode`]: {
    name: 'subdomain',
    clusterScoped: true,
    object: validateCsiNode,
    update: validateCsiNodeUpdate,
  },
  [`${STORAGE}/CSIStorageCapacity`]: {
    name: 'subdomain',
    object: validateCsiStorageCapacity,
    update: validateCsiStorageCapacityUpdate,
  },
  [`${STORAGE}/StorageClass`]: {
    name: 'subdomain',
    clusterScoped: true,
    object: validateStorageClass,
    update: validateStorageClassUpdate,
  },
  [`${STORAGE}/VolumeAttachment`]: {
    name: 'subdomain',
    clusterScoped: true,
    object: validateVolumeAttachment,
    update: validateVolumeAttachmentUpdate,
  },
  [`${STORAGE}/VolumeAttributesClass`]: {
    name: 'subdomain',
    clusterScoped: true,
    object: validateAttributesClass,
    update: validateAttributesClassUpdate,
  },
  'autoscaling/Scale': { name: 'subdomain', object: validateScale },
};

const ANY: Rules = { name: 'path-segment' };

function rulesOf(kind: KindSchema): Rules {
  return RULES[`${kind.group}/${kind.kind}`] ?? ANY;
}

/** Complaints about a new object; none means that it may be stored. */
export function validateCreate(kind: KindSchema, object: JsonObject): FieldError[] {
  const rules = rulesOf(kind);
  return [
    ...validateMetadata(object, rules),
    ...(rules.object?.(object) ?? []),
    ...(rules.create?.(object) ?? []),
  ];
}

/** Complaints about a changed object: what a new one would get, and fields that must not change. */
export function validateUpdate(kind: KindSchema, object: JsonObject, old: JsonObject): FieldError[] {
  const rules = rulesOf(kind);
  return [
    ...validateMetadata(object, rules),
    ...validateMetadataUpdate(object, old),
    ...(rules.object?.(object) ?? []),
    ...(rules.update?.(object, old) ?? []),
  ];
}
