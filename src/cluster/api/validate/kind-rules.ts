/** Which of this room's rules each kind is held to. */
import type { FieldError } from '../field-error.ts';
import { objectAt, type JsonObject } from '../json.ts';
import { qosClass } from '../quota/pod-class.ts';
import {
  validateMutatingBinding,
  validateMutatingPolicy,
  validateValidatingBinding,
  validateValidatingPolicy,
  validateValidatingPolicyStatus,
} from './admission.ts';
import { validateApiService, validateApiServiceUpdate } from './aggregation.ts';
import { validateAutoscaler, validateAutoscalerStatus, validateAutoscalerUpdate } from './autoscaling.ts';
import { validateCronJob, validateCronJobUpdate, validateJob, validateJobUpdate } from './batch.ts';
import { validateSigningRequest, validateSigningRequestUpdate } from './certificates.ts';
import { validateResourceSlice, validateResourceSliceUpdate } from './device-slices.ts';
import { validateClaimStatus } from './device-status.ts';
import {
  validateClaimImmutable,
  validateDeviceClass,
  validateResourceClaim,
  validateResourceClaimTemplate,
} from './devices.ts';
import { validateEndpoints, validateEndpointSlice, validateEndpointSliceUpdate } from './endpoints.ts';
import {
  validateEvent,
  validateEventUpdate,
  validateStrictEvent,
  validateStrictEventUpdate,
} from './events.ts';
import { validateDefinition, validateDefinitionStatus, validateDefinitionUpdate } from './extensions.ts';
import {
  validateFlowSchema,
  validateFlowSchemaStatus,
  validatePriorityLevel,
  validatePriorityLevelStatus,
} from './flow-control.ts';
import { validateJobStatus } from './job-status.ts';
import type { NameRule } from './metadata.ts';
import {
  validateIngress,
  validateIngressClass,
  validateIngressClassUpdate,
  validateIngressCreate,
  validateIngressStatus,
  validateIpAddress,
  validateIpAddressUpdate,
  validateNetworkPolicy,
  validateServiceCidr,
  validateServiceCidrUpdate,
} from './networking.ts';
import {
  validateConfigMap,
  validateConfigMapUpdate,
  validateLease,
  validateNamespace,
  validateNamespaceStatus,
  validateNode,
  validateNodeUpdate,
  validateSecret,
  validateSecretUpdate,
} from './objects.ts';
import {
  validateClaim,
  validateClaimUpdate,
  validateVolumeClaimStatus,
  validatePersistentVolume,
  validatePersistentVolumeUpdate,
} from './persistent-volume.ts';
import { validatePodTemplate } from './pod-template.ts';
import { validateEphemeralUpdate, validateResize } from './pod-subresources.ts';
import {
  validatePod,
  validatePodCreate,
  validatePodProfiles,
  validatePodStatus,
  validatePodUpdate,
} from './pod.ts';
import {
  validateDisruptionBudget,
  validateDisruptionBudgetStatus,
  validateLimitRange,
  validatePriorityClass,
  validatePriorityClassUpdate,
  validateResourceQuota,
  validateResourceQuotaStatus,
  validateResourceQuotaUpdate,
  validateRuntimeClass,
  validateRuntimeClassUpdate,
} from './policy.ts';
import {
  validateClusterRole,
  validateClusterRoleBinding,
  validateRole,
  validateRoleBinding,
  validateRoleBindingUpdate,
} from './rbac.ts';
import { validateService, validateServiceStatus, validateServiceUpdate } from './service.ts';
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
} from './storage.ts';
import { validateWebhooks, validateWebhooksUpdate } from './webhooks.ts';
import { workloadStatus } from './workload-status.ts';
import {
  validateControllerRevision,
  validateControllerRevisionCreate,
  validateControllerRevisionUpdate,
  validateDaemonSet,
  validateDaemonSetUpdate,
  validateDeployment,
  validateReplicaSet,
  validateReplicationController,
  validateScale,
  validateStatefulSet,
  validateStatefulSetUpdate,
  validateWorkloadUpdate,
} from './workloads.ts';

export interface Rules {
  readonly name: NameRule;
  readonly clusterScoped?: boolean;
  /** Finalizers may be any qualified name: upstream's machinery checks the metadata, and not its core. */
  readonly custom?: boolean;
  /** A changed object's generateName is held to no more than what every kind wants of it. */
  readonly namedOnce?: boolean;
  /** `create` and `update` look at the metadata themselves. */
  readonly whole?: boolean;
  readonly object?: (object: JsonObject) => FieldError[];
  /**
   * After `object`: what judges the spec and nothing that can change beside it. It is not asked again about the very spec
   * that is stored.
   */
  readonly spec?: (object: JsonObject) => FieldError[];
  /** Only of new objects. */
  readonly create?: (object: JsonObject) => FieldError[];
  readonly update?: (object: JsonObject, old: JsonObject) => FieldError[];
  /** Instead of `object` and `update` at an endpoint that writes the status and nothing else. */
  readonly status?: (object: JsonObject, old: JsonObject) => FieldError[];
  /** Instead of `update` at other endpoints of their own. */
  readonly endpoints?: Readonly<Record<string, (object: JsonObject, old: JsonObject) => FieldError[]>>;
}

const ADMISSION = 'admissionregistration.k8s.io';
const DEVICES = 'resource.k8s.io';
const NETWORKING = 'networking.k8s.io';
const STORAGE = 'storage.k8s.io';

/** Of kinds without a namespace whose metadata upstream's machinery checks. */
const BY_MACHINERY = { custom: true, name: 'subdomain', clusterScoped: true } as const;

/** By `group/Kind`. */
export const RULES: Readonly<Record<string, Rules>> = {
  '/Namespace': {
    name: 'label',
    clusterScoped: true,
    object: validateNamespace,
    status: validateNamespaceStatus,
  },
  '/Node': {
    name: 'subdomain',
    clusterScoped: true,
    object: validateNode,
    update: validateNodeUpdate,
    status: validateNodeUpdate,
  },
  '/Pod': {
    name: 'subdomain',
    create: validatePodCreate,
    object: validatePodProfiles,
    spec: validatePod,
    update: validatePodUpdate,
    status: validatePodStatus,
    endpoints: {
      ephemeralcontainers: validateEphemeralUpdate,
      resize: (pod, old) => validateResize(pod, old, qosClass),
    },
  },
  '/Service': {
    // RelaxedServiceNameValidation, on since 1.36.
    name: 'label',
    namedOnce: true,
    create: validateService,
    update: validateServiceUpdate,
    status: validateServiceStatus,
  },
  '/Endpoints': { name: 'subdomain', object: validateEndpoints },
  '/ConfigMap': { name: 'subdomain', create: validateConfigMap, update: validateConfigMapUpdate },
  '/Secret': { name: 'subdomain', create: validateSecret, update: validateSecretUpdate },
  '/ServiceAccount': { name: 'subdomain' },
  // Only the newer version is strict about names; clients put dots at the end of generateName in this one.
  '/Event': { whole: true, name: 'path-segment', create: validateEvent, update: validateEventUpdate },
  'events.k8s.io/Event': {
    whole: true,
    name: 'subdomain',
    create: validateStrictEvent,
    update: validateStrictEventUpdate,
  },
  'apiextensions.k8s.io/CustomResourceDefinition': {
    ...BY_MACHINERY,
    namedOnce: true,
    create: validateDefinition,
    status: validateDefinitionStatus,
    update: validateDefinitionUpdate,
  },
  'apiregistration.k8s.io/APIService': {
    custom: true,
    name: 'path-segment',
    clusterScoped: true,
    object: validateApiService,
    update: validateApiServiceUpdate,
  },
  'apps/Deployment': {
    name: 'subdomain',
    namedOnce: true,
    spec: validateDeployment,
    update: validateWorkloadUpdate,
    status: workloadStatus('deployment'),
  },
  'apps/ReplicaSet': {
    name: 'subdomain',
    namedOnce: true,
    spec: validateReplicaSet,
    update: validateWorkloadUpdate,
    status: workloadStatus('replicated'),
  },
  'coordination.k8s.io/Lease': {
    name: 'subdomain',
    custom: true,
    namedOnce: true,
    object: validateLease,
  },
  'discovery.k8s.io/EndpointSlice': {
    name: 'subdomain',
    create: validateEndpointSlice,
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
    status: () => [],
  },
  '/PersistentVolumeClaim': {
    name: 'subdomain',
    create: validateClaim,
    update: validateClaimUpdate,
    status: validateVolumeClaimStatus,
  },
  '/PodTemplate': {
    name: 'subdomain',
    namedOnce: true,
    object: (object) => validatePodTemplate(objectAt(object, 'template'), 'template'),
  },
  '/ReplicationController': {
    name: 'subdomain',
    namedOnce: true,
    spec: validateReplicationController,
    status: workloadStatus('replicated'),
  },
  '/ResourceQuota': {
    name: 'subdomain',
    namedOnce: true,
    object: validateResourceQuota,
    update: validateResourceQuotaUpdate,
    status: validateResourceQuotaStatus,
  },
  [`${ADMISSION}/MutatingAdmissionPolicy`]: {
    ...BY_MACHINERY,
    object: validateMutatingPolicy,
  },
  [`${ADMISSION}/MutatingAdmissionPolicyBinding`]: {
    ...BY_MACHINERY,
    object: validateMutatingBinding,
  },
  [`${ADMISSION}/MutatingWebhookConfiguration`]: {
    ...BY_MACHINERY,
    create: validateWebhooks(true),
    update: validateWebhooksUpdate(true),
  },
  [`${ADMISSION}/ValidatingAdmissionPolicy`]: {
    ...BY_MACHINERY,
    object: validateValidatingPolicy,
    status: validateValidatingPolicyStatus,
  },
  [`${ADMISSION}/ValidatingAdmissionPolicyBinding`]: {
    ...BY_MACHINERY,
    object: validateValidatingBinding,
  },
  [`${ADMISSION}/ValidatingWebhookConfiguration`]: {
    ...BY_MACHINERY,
    create: validateWebhooks(false),
    update: validateWebhooksUpdate(false),
  },
  'apps/ControllerRevision': {
    name: 'subdomain',
    create: validateControllerRevisionCreate,
    object: validateControllerRevision,
    update: validateControllerRevisionUpdate,
  },
  'apps/DaemonSet': {
    name: 'subdomain',
    namedOnce: true,
    create: validateDaemonSet,
    update: validateDaemonSetUpdate,
    status: workloadStatus('daemonSet'),
  },
  'apps/StatefulSet': {
    name: 'label',
    namedOnce: true,
    create: validateStatefulSet,
    update: validateStatefulSetUpdate,
    status: workloadStatus('statefulSet'),
  },
  'autoscaling/HorizontalPodAutoscaler': {
    name: 'subdomain',
    namedOnce: true,
    create: validateAutoscaler,
    update: validateAutoscalerUpdate,
    status: validateAutoscalerStatus,
  },
  'batch/CronJob': {
    name: 'subdomain',
    namedOnce: true,
    create: validateCronJob,
    update: validateCronJobUpdate,
    status: () => [],
  },
  'batch/Job': {
    name: 'subdomain',
    object: validateJob,
    update: validateJobUpdate,
    status: validateJobStatus,
  },
  'certificates.k8s.io/CertificateSigningRequest': {
    name: 'path-segment',
    clusterScoped: true,
    create: validateSigningRequest,
    update: validateSigningRequestUpdate('main'),
    endpoints: {
      approval: validateSigningRequestUpdate('approval'),
      status: validateSigningRequestUpdate('status'),
    },
  },
  'flowcontrol.apiserver.k8s.io/FlowSchema': {
    name: 'subdomain',
    clusterScoped: true,
    object: validateFlowSchema,
    status: validateFlowSchemaStatus,
  },
  'flowcontrol.apiserver.k8s.io/PriorityLevelConfiguration': {
    name: 'subdomain',
    clusterScoped: true,
    object: validatePriorityLevel,
    status: validatePriorityLevelStatus,
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
    status: validateIngressStatus,
  },
  [`${NETWORKING}/IngressClass`]: {
    name: 'subdomain',
    clusterScoped: true,
    create: validateIngressClass,
    update: validateIngressClassUpdate,
  },
  [`${NETWORKING}/NetworkPolicy`]: { name: 'subdomain', namedOnce: true, object: validateNetworkPolicy },
  [`${NETWORKING}/ServiceCIDR`]: {
    name: 'subdomain',
    namedOnce: true,
    clusterScoped: true,
    create: validateServiceCidr,
    // Upstream looks at the metadata only.
    status: () => [],
    update: validateServiceCidrUpdate,
  },
  'node.k8s.io/RuntimeClass': {
    ...BY_MACHINERY,
    object: validateRuntimeClass,
    update: validateRuntimeClassUpdate,
  },
  'policy/PodDisruptionBudget': {
    custom: true,
    name: 'path-segment',
    object: validateDisruptionBudget,
    status: validateDisruptionBudgetStatus,
  },
  [`${DEVICES}/DeviceClass`]: {
    name: 'subdomain',
    clusterScoped: true,
    namedOnce: true,
    object: validateDeviceClass,
  },
  [`${DEVICES}/ResourceClaim`]: {
    name: 'subdomain',
    create: validateResourceClaim,
    update: validateClaimImmutable,
    status: validateClaimStatus,
  },
  [`${DEVICES}/ResourceClaimTemplate`]: {
    name: 'subdomain',
    object: validateResourceClaimTemplate,
    update: validateClaimImmutable,
  },
  [`${DEVICES}/ResourceSlice`]: {
    name: 'subdomain',
    namedOnce: true,
    clusterScoped: true,
    create: validateResourceSlice,
    update: validateResourceSliceUpdate,
  },
  'scheduling.k8s.io/PriorityClass': {
    name: 'subdomain',
    namedOnce: true,
    clusterScoped: true,
    create: validatePriorityClass,
    update: validatePriorityClassUpdate,
  },
  [`${STORAGE}/CSIDriver`]: {
    name: 'subdomain',
    namedOnce: true,
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
    create: validateAttributesClass,
    update: validateAttributesClassUpdate,
  },
  'autoscaling/Scale': { name: 'subdomain', object: validateScale },
};
