/** The resources that the rooms below `client` use, with the types of their objects. */
import type { Deployment, ReplicaSet, StatefulSet } from '../api/generated/apps-v1.ts';
import type { CronJob, Job } from '../api/generated/batch-v1.ts';
import type { Lease } from '../api/generated/coordination-v1.ts';
import type {
  Binding,
  ConfigMap,
  Endpoints,
  Event,
  Namespace,
  Node,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  ReplicationController,
  ResourceQuota,
  Secret,
  Service,
  ServiceAccount,
} from '../api/generated/core-v1.ts';
import type { EndpointSlice } from '../api/generated/discovery-v1.ts';
import type { PodDisruptionBudget } from '../api/generated/policy-v1.ts';
import type { ClusterRole } from '../api/generated/rbac-v1.ts';
import type { VolumeAttributesClass } from '../api/generated/storage-v1.ts';
import type { ResourceType } from './contract.ts';

/** The body of a POST to `pods/<name>/binding`. */
export type { Binding };

const core = { group: '', version: 'v1', namespaced: true } as const;
const apps = { group: 'apps', version: 'v1', namespaced: true } as const;

export const pods: ResourceType<Pod> = { ...core, resource: 'pods', kind: 'Pod' };
export const nodes: ResourceType<Node> = { ...core, resource: 'nodes', kind: 'Node', namespaced: false };
export const services: ResourceType<Service> = { ...core, resource: 'services', kind: 'Service' };
export const endpoints: ResourceType<Endpoints> = { ...core, resource: 'endpoints', kind: 'Endpoints' };
export const configMaps: ResourceType<ConfigMap> = { ...core, resource: 'configmaps', kind: 'ConfigMap' };
export const secrets: ResourceType<Secret> = { ...core, resource: 'secrets', kind: 'Secret' };
export const serviceAccounts: ResourceType<ServiceAccount> = {
  ...core,
  resource: 'serviceaccounts',
  kind: 'ServiceAccount',
};
export const namespaces: ResourceType<Namespace> = {
  ...core,
  resource: 'namespaces',
  kind: 'Namespace',
  namespaced: false,
};
export const persistentVolumes: ResourceType<PersistentVolume> = {
  ...core,
  resource: 'persistentvolumes',
  kind: 'PersistentVolume',
  namespaced: false,
};
export const persistentVolumeClaims: ResourceType<PersistentVolumeClaim> = {
  ...core,
  resource: 'persistentvolumeclaims',
  kind: 'PersistentVolumeClaim',
};
export const resourceQuotas: ResourceType<ResourceQuota> = {
  ...core,
  resource: 'resourcequotas',
  kind: 'ResourceQuota',
};
export const events: ResourceType<Event> = { ...core, resource: 'events', kind: 'Event' };
export const endpointSlices: ResourceType<EndpointSlice> = {
  group: 'discovery.k8s.io',
  version: 'v1',
  resource: 'endpointslices',
  kind: 'EndpointSlice',
  namespaced: true,
};
export const leases: ResourceType<Lease> = {
  group: 'coordination.k8s.io',
  version: 'v1',
  resource: 'leases',
  kind: 'Lease',
  namespaced: true,
};
export const replicaSets: ResourceType<ReplicaSet> = { ...apps, resource: 'replicasets', kind: 'ReplicaSet' };
export const deployments: ResourceType<Deployment> = { ...apps, resource: 'deployments', kind: 'Deployment' };

/** Only read by what counts the pods that an owner wants. */
export const statefulSets: ResourceType<StatefulSet> = {
  ...apps,
  resource: 'statefulsets',
  kind: 'StatefulSet',
};
const batch = { group: 'batch', version: 'v1', namespaced: true } as const;
export const jobs: ResourceType<Job> = { ...batch, resource: 'jobs', kind: 'Job' };
export const cronJobs: ResourceType<CronJob> = { ...batch, resource: 'cronjobs', kind: 'CronJob' };

export const volumeAttributesClasses: ResourceType<VolumeAttributesClass> = {
  group: 'storage.k8s.io',
  version: 'v1',
  resource: 'volumeattributesclasses',
  kind: 'VolumeAttributesClass',
  namespaced: false,
};
export const replicationControllers: ResourceType<ReplicationController> = {
  ...core,
  resource: 'replicationcontrollers',
  kind: 'ReplicationController',
};
export const podDisruptionBudgets: ResourceType<PodDisruptionBudget> = {
  group: 'policy',
  version: 'v1',
  resource: 'poddisruptionbudgets',
  kind: 'PodDisruptionBudget',
  namespaced: true,
};

export const clusterRoles: ResourceType<ClusterRole> = {
  group: 'rbac.authorization.k8s.io',
  version: 'v1',
  resource: 'clusterroles',
  kind: 'ClusterRole',
  namespaced: false,
};

/** Definitions and services of further APIs: their users here read nothing but metadata. */
export const customResourceDefinitions: ResourceType = {
  group: 'apiextensions.k8s.io',
  version: 'v1',
  resource: 'customresourcedefinitions',
  kind: 'CustomResourceDefinition',
  namespaced: false,
};
export const apiServices: ResourceType = {
  group: 'apiregistration.k8s.io',
  version: 'v1',
  resource: 'apiservices',
  kind: 'APIService',
  namespaced: false,
};

/** Every type of this file, for code that treats them alike (garbage collection, test doubles). */
export const allTypes: readonly ResourceType[] = [
  pods,
  nodes,
  services,
  endpoints,
  configMaps,
  secrets,
  serviceAccounts,
  namespaces,
  events,
  endpointSlices,
  leases,
  replicaSets,
  deployments,
  clusterRoles,
  podDisruptionBudgets,
  persistentVolumes,
  persistentVolumeClaims,
  volumeAttributesClasses,
  jobs,
  cronJobs,
  replicationControllers,
  resourceQuotas,
  customResourceDefinitions,
  apiServices,
];
