/**
 * The only values that fields of text take, sorted: `enum` of their schemas, ENUM of `kubectl explain`. Protocol buffers
 * know nothing of them, so they stand here by hand; a field that is not here takes more, or may come to.
 */
import { KEY_USAGES } from '../validate/certificates.ts';
import { QUOTA_SCOPES } from '../validate/policy.ts';
import { HOST_PATH_TYPES } from '../validate/volume-sources.ts';

const PULL = ['Always', 'IfNotPresent', 'Never'];
const PROTOCOL = ['SCTP', 'TCP', 'UDP'];
const ACCESS = ['ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOnce', 'ReadWriteOncePod'];
const VOLUME_MODE = ['Block', 'Filesystem'];
const TAINT = ['NoExecute', 'NoSchedule', 'PreferNoSchedule'];
const PREEMPTION = ['Never', 'PreemptLowerPriority'];
const TRAFFIC = ['Cluster', 'Local'];
const PROFILE = ['Localhost', 'RuntimeDefault', 'Unconfined'];
const INCLUSION = ['Honor', 'Ignore'];
const FAILURE = ['Fail', 'Ignore'];
const MATCH = ['Equivalent', 'Exact'];
const SIDE_EFFECTS = ['None', 'NoneOnDryRun', 'Some', 'Unknown'];
const ON_DELETE = ['OnDelete', 'RollingUpdate'];
/** Linux has more real-time signals than these; which are there is up to the C library. */
const SIGNALS = [
  ...'ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT SEGV STKFLT STOP SYS'.split(
    ' ',
  ),
  ...'TERM TRAP TSTP TTIN TTOU URG USR1 USR2 VTALRM WINCH XCPU XFSZ RTMIN RTMAX'.split(' '),
  ...Array.from({ length: 15 }, (_, index) => `RTMIN+${index + 1}`),
  ...Array.from({ length: 14 }, (_, index) => `RTMAX-${index + 1}`),
]
  .map((name) => `SIG${name}`)
  .toSorted();
const ALLOCATION = ['All', 'ExactCount'];
const DEVICE_TAINT = ['NoExecute', 'NoSchedule', 'None'];
const ADMISSION_RULE = {
  operations: ['*', 'CONNECT', 'CREATE', 'DELETE', 'UPDATE'],
  scope: ['*', 'Cluster', 'Namespaced'],
};

/** Fields by message, messages by what stands before their names in OpenAPI. */
type Values = Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;

const CORE: Values = {
  AppArmorProfile: { type: PROFILE },
  AzureDiskVolumeSource: {
    cachingMode: ['None', 'ReadOnly', 'ReadWrite'],
    kind: ['Dedicated', 'Managed', 'Shared'],
  },
  Container: { imagePullPolicy: PULL, terminationMessagePolicy: ['FallbackToLogsOnError', 'File'] },
  ContainerPort: { protocol: PROTOCOL },
  ContainerStatus: { stopSignal: SIGNALS },
  EndpointPort: { protocol: PROTOCOL },
  EphemeralContainer: { imagePullPolicy: PULL, terminationMessagePolicy: ['FallbackToLogsOnError', 'File'] },
  HTTPGetAction: { scheme: ['HTTP', 'HTTPS'] },
  HostPathVolumeSource: { type: HOST_PATH_TYPES },
  ImageVolumeSource: { pullPolicy: PULL },
  Lifecycle: { stopSignal: SIGNALS },
  ModifyVolumeStatus: { status: ['InProgress', 'Infeasible', 'Pending'] },
  NamespaceStatus: { phase: ['Active', 'Terminating'] },
  NodeSelectorRequirement: { operator: ['DoesNotExist', 'Exists', 'Gt', 'In', 'Lt', 'NotIn'] },
  NodeStatus: { phase: ['Pending', 'Running', 'Terminated'] },
  PersistentVolumeClaimSpec: { accessModes: ACCESS, volumeMode: VOLUME_MODE },
  PersistentVolumeClaimStatus: {
    accessModes: ACCESS,
    allocatedResourceStatuses: [
      'ControllerResizeInProgress',
      'ControllerResizeInfeasible',
      'NodeResizeInProgress',
      'NodeResizeInfeasible',
      'NodeResizePending',
    ],
    phase: ['Bound', 'Lost', 'Pending'],
  },
  PersistentVolumeSpec: {
    accessModes: ACCESS,
    persistentVolumeReclaimPolicy: ['Delete', 'Recycle', 'Retain'],
    volumeMode: VOLUME_MODE,
  },
  PersistentVolumeStatus: { phase: ['Available', 'Bound', 'Failed', 'Pending', 'Released'] },
  PodSecurityContext: {
    fsGroupChangePolicy: ['Always', 'OnRootMismatch'],
    supplementalGroupsPolicy: ['Merge', 'Strict'],
  },
  PodSpec: {
    dnsPolicy: ['ClusterFirst', 'ClusterFirstWithHostNet', 'Default', 'None'],
    preemptionPolicy: PREEMPTION,
    restartPolicy: ['Always', 'Never', 'OnFailure'],
  },
  PodStatus: {
    phase: ['Failed', 'Pending', 'Running', 'Succeeded', 'Unknown'],
    qosClass: ['BestEffort', 'Burstable', 'Guaranteed'],
  },
  PortStatus: { protocol: PROTOCOL },
  ResourceQuotaSpec: { scopes: QUOTA_SCOPES },
  ScopedResourceSelectorRequirement: {
    operator: ['DoesNotExist', 'Exists', 'In', 'NotIn'],
    scopeName: QUOTA_SCOPES,
  },
  SeccompProfile: { type: PROFILE },
  SecurityContext: { procMount: ['Default', 'Unmasked'] },
  ServicePort: { protocol: PROTOCOL },
  ServiceSpec: {
    externalTrafficPolicy: TRAFFIC,
    internalTrafficPolicy: TRAFFIC,
    ipFamilies: ['', 'IPv4', 'IPv6'],
    ipFamilyPolicy: ['PreferDualStack', 'RequireDualStack', 'SingleStack'],
    sessionAffinity: ['ClientIP', 'None'],
    type: ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'],
  },
  Taint: { effect: TAINT },
  Toleration: { effect: TAINT, operator: ['Equal', 'Exists', 'Gt', 'Lt'] },
  TopologySpreadConstraint: {
    nodeAffinityPolicy: INCLUSION,
    nodeTaintsPolicy: INCLUSION,
    whenUnsatisfiable: ['DoNotSchedule', 'ScheduleAnyway'],
  },
  VolumeMount: { mountPropagation: ['Bidirectional', 'HostToContainer', 'None'] },
};

const ADMISSION: Values = {
  MatchResources: { matchPolicy: MATCH },
  MutatingAdmissionPolicySpec: { failurePolicy: FAILURE, reinvocationPolicy: ['IfNeeded', 'Never'] },
  MutatingWebhook: {
    failurePolicy: FAILURE,
    matchPolicy: MATCH,
    reinvocationPolicy: ['IfNeeded', 'Never'],
    sideEffects: SIDE_EFFECTS,
  },
  Mutation: { patchType: ['ApplyConfiguration', 'JSONPatch'] },
  NamedRuleWithOperations: ADMISSION_RULE,
  RuleWithOperations: ADMISSION_RULE,
  ValidatingAdmissionPolicyBindingSpec: { validationActions: ['Audit', 'Deny', 'Warn'] },
  ValidatingAdmissionPolicySpec: { failurePolicy: FAILURE },
  ValidatingWebhook: { failurePolicy: FAILURE, matchPolicy: MATCH, sideEffects: SIDE_EFFECTS },
};

const GROUPS: Readonly<Record<string, Values>> = {
  'io.k8s.api.core.v1': CORE,
  'io.k8s.api.admissionregistration.v1': ADMISSION,
  'io.k8s.api.apps.v1': {
    DaemonSetUpdateStrategy: { type: ON_DELETE },
    DeploymentStrategy: { type: ['Recreate', 'RollingUpdate'] },
    StatefulSetSpec: { podManagementPolicy: ['OrderedReady', 'Parallel'] },
    StatefulSetUpdateStrategy: { type: ON_DELETE },
  },
  'io.k8s.api.batch.v1': {
    CronJobSpec: { concurrencyPolicy: ['Allow', 'Forbid', 'Replace'] },
    JobSpec: {
      completionMode: ['Indexed', 'NonIndexed'],
      podReplacementPolicy: ['Failed', 'TerminatingOrFailed'],
    },
    PodFailurePolicyOnExitCodesRequirement: { operator: ['In', 'NotIn'] },
    PodFailurePolicyRule: { action: ['Count', 'FailIndex', 'FailJob', 'Ignore'] },
  },
  'io.k8s.api.certificates.v1': {
    CertificateSigningRequestSpec: {
      usages: KEY_USAGES,
    },
  },
  'io.k8s.api.discovery.v1': {
    EndpointPort: { protocol: PROTOCOL },
    EndpointSlice: { addressType: ['FQDN', 'IPv4', 'IPv6'] },
  },
  'io.k8s.api.networking.v1': {
    HTTPIngressPath: { pathType: ['Exact', 'ImplementationSpecific', 'Prefix'] },
    IngressPortStatus: { protocol: PROTOCOL },
    NetworkPolicyPort: { protocol: PROTOCOL },
    NetworkPolicySpec: { policyTypes: ['Egress', 'Ingress'] },
  },
  'io.k8s.api.policy.v1': {
    PodDisruptionBudgetSpec: { unhealthyPodEvictionPolicy: ['AlwaysAllow', 'IfHealthyBudget'] },
  },
  'io.k8s.api.resource.v1': {
    DeviceAllocationConfiguration: { source: ['FromClaim', 'FromClass'] },
    DeviceSubRequest: { allocationMode: ALLOCATION },
    DeviceTaint: { effect: DEVICE_TAINT },
    DeviceToleration: { effect: DEVICE_TAINT, operator: ['Equal', 'Exists'] },
    ExactDeviceRequest: { allocationMode: ALLOCATION },
  },
  'io.k8s.api.scheduling.v1': { PriorityClass: { preemptionPolicy: PREEMPTION } },
  'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1': {
    ValidationRule: {
      reason: ['FieldValueDuplicate', 'FieldValueForbidden', 'FieldValueInvalid', 'FieldValueRequired'],
    },
  },
  'io.k8s.api.storage.v1': {
    StorageClass: {
      reclaimPolicy: ['Delete', 'Recycle', 'Retain'],
      volumeBindingMode: ['Immediate', 'WaitForFirstConsumer'],
    },
  },
};

/** Of a field of a message, by the name that OpenAPI has for the message. */
export function enumOf(message: string, field: string): readonly string[] | undefined {
  const dot = message.lastIndexOf('.');
  return GROUPS[message.slice(0, dot)]?.[message.slice(dot + 1)]?.[field];
}

/** All that have values, as `message field`. */
export function enumFields(): string[] {
  return Object.entries(GROUPS).flatMap(([group, values]) =>
    Object.entries(values).flatMap(([message, fields]) =>
      Object.keys(fields).map((field) => `${group}.${message} ${field}`),
    ),
  );
}
