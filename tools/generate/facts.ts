/** What the interface definitions do not say about their JSON form, by hand from Kubernetes' public API reference. */

/**
 * Fields whose members appear directly in the JSON object of their parent (`Message.field`, in every group).
 */
export const INLINE_FIELDS: ReadonlySet<string> = new Set([
  'Volume.volumeSource',
  'PersistentVolumeSpec.persistentVolumeSource',
  'Probe.handler',
  'EphemeralContainer.ephemeralContainerCommon',
  'ConfigMapKeySelector.localObjectReference',
  'SecretKeySelector.localObjectReference',
  'ConfigMapEnvSource.localObjectReference',
  'SecretEnvSource.localObjectReference',
  'ConfigMapProjection.localObjectReference',
  'SecretProjection.localObjectReference',
  'ConfigMapVolumeSource.localObjectReference',
  'IngressRule.ingressRuleValue',
  'RuleWithOperations.rule',
  'NamedRuleWithOperations.ruleWithOperations',
  'DeviceClaimConfiguration.deviceConfiguration',
  'DeviceAllocationConfiguration.deviceConfiguration',
  'DeviceClassConfiguration.deviceConfiguration',
]);

/** Go constants that defaults refer to, as JSON. */
export const GO_CONSTANTS: Readonly<Record<string, string>> = {
  'ref(AzureDataDiskCachingReadWrite)': '"ReadWrite"',
  'ref(AzureSharedBlobDisk)': '"Shared"',
};

/** Fields whose JSON name differs from their protobuf name (`Message.field`). */
export const JSON_NAMES: Readonly<Record<string, string>> = {
  'BoundObjectReference.uID': 'uid',
  'IngressClassParametersReference.aPIGroup': 'apiGroup',
  'MutatingWebhookConfiguration.Webhooks': 'webhooks',
  'ValidatingWebhookConfiguration.Webhooks': 'webhooks',
  'Validation.Expression': 'expression',
  'Variable.Expression': 'expression',
  'Variable.Name': 'name',
  'JSONSchemaProps.schema': '$schema',
  'JSONSchemaProps.ref': '$ref',
  'JSONSchemaProps.xKubernetesPreserveUnknownFields': 'x-kubernetes-preserve-unknown-fields',
  'JSONSchemaProps.xKubernetesEmbeddedResource': 'x-kubernetes-embedded-resource',
  'JSONSchemaProps.xKubernetesIntOrString': 'x-kubernetes-int-or-string',
  'JSONSchemaProps.xKubernetesListMapKeys': 'x-kubernetes-list-map-keys',
  'JSONSchemaProps.xKubernetesListType': 'x-kubernetes-list-type',
  'JSONSchemaProps.xKubernetesMapType': 'x-kubernetes-map-type',
  'JSONSchemaProps.xKubernetesValidations': 'x-kubernetes-validations',
};

/** Messages that are a scalar in JSON, by full name: TypeScript type and the code of the compact schema. */
export const SCALAR_MESSAGES: Readonly<Record<string, { readonly ts: string; readonly code: string }>> = {
  'k8s.io.apimachinery.pkg.apis.meta.v1.Time': { ts: 'string', code: 't' },
  'k8s.io.apimachinery.pkg.apis.meta.v1.MicroTime': { ts: 'string', code: 'u' },
  'k8s.io.apimachinery.pkg.apis.meta.v1.Duration': { ts: 'string', code: 'D' },
  'k8s.io.apimachinery.pkg.apis.meta.v1.FieldsV1': { ts: 'Record<string, unknown>', code: 'f' },
  'k8s.io.apimachinery.pkg.apis.meta.v1.Verbs': { ts: 'string[]', code: 'S' },
  'k8s.io.api.authentication.v1.ExtraValue': { ts: 'string[]', code: 'S' },
  'k8s.io.api.authentication.v1beta1.ExtraValue': { ts: 'string[]', code: 'S' },
  'k8s.io.api.authorization.v1.ExtraValue': { ts: 'string[]', code: 'S' },
  'k8s.io.api.authorization.v1beta1.ExtraValue': { ts: 'string[]', code: 'S' },
  'k8s.io.api.certificates.v1.ExtraValue': { ts: 'string[]', code: 'S' },
  'k8s.io.api.certificates.v1beta1.ExtraValue': { ts: 'string[]', code: 'S' },
  'k8s.io.apimachinery.pkg.api.resource.Quantity': { ts: 'string', code: 'q' },
  'k8s.io.apimachinery.pkg.api.resource.QuantityValue': { ts: 'string', code: 'q' },
  'k8s.io.apimachinery.pkg.util.intstr.IntOrString': { ts: 'number | string', code: 'x' },
  'k8s.io.apimachinery.pkg.runtime.RawExtension': { ts: 'unknown', code: 'r' },
  'k8s.io.apimachinery.pkg.runtime.Unknown': { ts: 'unknown', code: 'r' },
  'k8s.io.apiextensions_apiserver.pkg.apis.apiextensions.v1.JSON': { ts: 'unknown', code: 'j' },
  'k8s.io.apiextensions_apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrBool': {
    ts: 'JSONSchemaProps | boolean',
    code: 'B',
  },
  'k8s.io.apiextensions_apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrArray': {
    ts: 'JSONSchemaProps | JSONSchemaProps[]',
    code: 'A',
  },
  'k8s.io.apiextensions_apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrStringArray': {
    ts: 'JSONSchemaProps | string[]',
    code: 'P',
  },
};

/** Messages with `metadata` that are parts of other objects, not kinds of their own. */
const PARTS: ReadonlySet<string> = new Set([
  'PodTemplateSpec',
  'JobTemplateSpec',
  'PersistentVolumeClaimTemplate',
  'ResourceClaimTemplateSpec',
]);

/** Messages without `metadata` that carry apiVersion and kind all the same. */
const KINDS_WITHOUT_METADATA: ReadonlySet<string> = new Set([
  'APIGroup',
  'APIGroupList',
  'APIResourceList',
  'APIVersions',
  'AdmissionReview',
  'CreateOptions',
  'DeleteOptions',
  'GetOptions',
  'ImageReview',
  'ListOptions',
  'NodeProxyOptions',
  'PatchOptions',
  'PodAttachOptions',
  'PodExecOptions',
  'PodLogOptions',
  'PodPortForwardOptions',
  'PodProxyOptions',
  'SerializedReference',
  'ServiceProxyOptions',
  'Status',
  'TableOptions',
  'UpdateOptions',
  'ApplyOptions',
  'Event:audit',
  'ConversionReview',
]);

/** True when objects of this message carry apiVersion and kind. */
export function isKind(group: string, name: string, hasMetadata: boolean): boolean {
  if (PARTS.has(name)) return false;
  return hasMetadata || KINDS_WITHOUT_METADATA.has(name) || KINDS_WITHOUT_METADATA.has(`${name}:${group}`);
}

/** The API group of a group folder; what is not here is its own name. */
export const GROUP_NAMES: Readonly<Record<string, string>> = {
  core: '',
  meta: 'meta',
  admission: 'admission.k8s.io',
  admissionregistration: 'admissionregistration.k8s.io',
  apidiscovery: 'apidiscovery.k8s.io',
  apiextensions: 'apiextensions.k8s.io',
  apiregistration: 'apiregistration.k8s.io',
  apiserverinternal: 'internal.apiserver.k8s.io',
  audit: 'audit.k8s.io',
  authentication: 'authentication.k8s.io',
  authorization: 'authorization.k8s.io',
  certificates: 'certificates.k8s.io',
  coordination: 'coordination.k8s.io',
  discovery: 'discovery.k8s.io',
  events: 'events.k8s.io',
  flowcontrol: 'flowcontrol.apiserver.k8s.io',
  imagepolicy: 'imagepolicy.k8s.io',
  metrics: 'metrics.k8s.io',
  networking: 'networking.k8s.io',
  node: 'node.k8s.io',
  rbac: 'rbac.authorization.k8s.io',
  resource: 'resource.k8s.io',
  scheduling: 'scheduling.k8s.io',
  storage: 'storage.k8s.io',
  storagemigration: 'storagemigration.k8s.io',
};
