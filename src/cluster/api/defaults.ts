import { customResourceDefinitionDefaults } from './defaults/extensions.ts';
import {
  deploymentDefaults,
  endpointSliceDefaults,
  endpointsDefaults,
  namespaceDefaults,
  nodeDefaults,
  replicaSetDefaults,
  secretDefaults,
} from './defaults/objects.ts';
import { podDefaults, podTemplateDefaults } from './defaults/pod.ts';
import { roleBindingDefaults } from './defaults/rbac.ts';
import { serviceDefaults } from './defaults/service.ts';
import type { JsonObject } from './json.ts';
import type { KindSchema } from './schema.ts';

const DEFAULTS: Readonly<Record<string, (object: JsonObject) => void>> = {
  '/Endpoints': endpointsDefaults,
  '/Namespace': namespaceDefaults,
  '/Node': nodeDefaults,
  '/Pod': podDefaults,
  '/PodTemplate': podTemplateDefaults,
  '/Secret': secretDefaults,
  '/Service': serviceDefaults,
  'apiextensions.k8s.io/CustomResourceDefinition': customResourceDefinitionDefaults,
  'apps/Deployment': deploymentDefaults,
  'apps/ReplicaSet': replicaSetDefaults,
  'discovery.k8s.io/EndpointSlice': endpointSliceDefaults,
  'rbac.authorization.k8s.io/ClusterRoleBinding': roleBindingDefaults,
  'rbac.authorization.k8s.io/RoleBinding': roleBindingDefaults,
};

/** Fills in, in place, what Kubernetes fills in for fields that are absent. Idempotent. Returns the object. */
export function applyDefaults(kind: KindSchema, object: JsonObject): JsonObject {
  DEFAULTS[`${kind.group}/${kind.kind}`]?.(object);
  return object;
}
