/** What Kubernetes' own validation refuses, one file a kind. Objects come decoded and with their defaults. */
import type { FieldError } from './field-error.ts';
import type { JsonObject } from './json.ts';
import type { KindSchema } from './schema.ts';
import {
  validateEndpoints,
  validateEndpointSlice,
  validateEndpointSliceUpdate,
} from './validate/endpoints.ts';
import { validateDefinition, validateDefinitionUpdate } from './validate/extensions.ts';
import { validateMetadata, validateMetadataUpdate, type NameRule } from './validate/metadata.ts';
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
import { validatePod, validatePodUpdate } from './validate/pod.ts';
import {
  validateClusterRole,
  validateClusterRoleBinding,
  validateRole,
  validateRoleBinding,
  validateRoleBindingUpdate,
} from './validate/rbac.ts';
import { validateService, validateServiceUpdate } from './validate/service.ts';
import {
  validateDeployment,
  validateReplicaSet,
  validateScale,
  validateWorkloadUpdate,
} from './validate/workloads.ts';

interface Rules {
  readonly name: NameRule;
  readonly clusterScoped?: boolean;
  readonly object?: (object: JsonObject) => FieldError[];
  readonly update?: (object: JsonObject, old: JsonObject) => FieldError[];
}

const RULES: Readonly<Record<string, Rules>> = {
  '/Namespace': { name: 'label', clusterScoped: true },
  '/Node': { name: 'subdomain', clusterScoped: true, object: validateNode, update: validateNodeUpdate },
  '/Pod': { name: 'subdomain', object: validatePod, update: validatePodUpdate },
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
  'autoscaling/Scale': { name: 'subdomain', object: validateScale },
};

const ANY: Rules = { name: 'path-segment' };

function rulesOf(kind: KindSchema): Rules {
  return RULES[`${kind.group}/${kind.kind}`] ?? ANY;
}

/** Complaints about a new object; none means that it may be stored. */
export function validateCreate(kind: KindSchema, object: JsonObject): FieldError[] {
  const rules = rulesOf(kind);
  return [...validateMetadata(object, rules), ...(rules.object?.(object) ?? [])];
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
