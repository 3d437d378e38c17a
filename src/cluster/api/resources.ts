/** Everything that is served, as data: the API server makes its routes, discovery and tables from this. */
import {
  configMapColumns,
  eventColumns,
  leaseColumns,
  namespaceColumns,
  secretColumns,
  serviceAccountColumns,
} from './printers/core.ts';
import { definitionColumns } from './printers/extensions.ts';
import { endpointsColumns, endpointSliceColumns, serviceColumns } from './printers/network.ts';
import { nodeColumns } from './printers/node.ts';
import { podColumns } from './printers/pod.ts';
import { bindingColumns, roleColumns } from './printers/rbac.ts';
import { deploymentColumns, replicaSetColumns } from './printers/workloads.ts';
import type {
  PrinterColumn,
  ResourceDeclaration,
  ScalePaths,
  SubresourceDeclaration,
  Verb,
} from './resource-declaration.ts';

export type * from './resource-declaration.ts';
export { tableRows } from './table.ts';

const ALL_VERBS: readonly Verb[] = [
  'create',
  'delete',
  'deletecollection',
  'get',
  'list',
  'patch',
  'update',
  'watch',
];

const STATUS: SubresourceDeclaration = { name: 'status', verbs: ['get', 'patch', 'update'] };
const SCALE: SubresourceDeclaration = {
  name: 'scale',
  kind: { group: 'autoscaling', version: 'v1', kind: 'Scale' },
  verbs: ['get', 'patch', 'update'],
};
const SCALE_PATHS: ScalePaths = {
  specReplicas: ['spec', 'replicas'],
  statusReplicas: ['status', 'replicas'],
  labelSelector: ['spec', 'selector'],
};

interface Facts {
  readonly group?: string;
  readonly version?: string;
  readonly resource: string;
  readonly singular?: string;
  readonly kind: string;
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
  readonly namespaced?: boolean;
  readonly verbs?: readonly Verb[];
  readonly subresources?: readonly SubresourceDeclaration[];
  readonly scale?: ScalePaths;
  readonly columns: readonly PrinterColumn[];
  readonly selectableFields?: readonly string[];
  readonly storage?: ResourceDeclaration['storage'];
  readonly hasGeneration?: boolean;
  readonly virtual?: boolean;
}

function declare(facts: Facts): ResourceDeclaration {
  const { group = '', version = 'v1', resource, kind, subresources = [] } = facts;
  return {
    group,
    version,
    resource,
    singular: facts.singular ?? kind.toLowerCase(),
    kind,
    listKind: `${kind}List`,
    shortNames: facts.shortNames ?? [],
    categories: facts.categories ?? [],
    namespaced: facts.namespaced ?? true,
    verbs: facts.verbs ?? ALL_VERBS,
    subresources,
    ...(facts.scale === undefined ? {} : { scale: facts.scale }),
    columns: facts.columns,
    selectableFields: facts.selectableFields ?? [],
    storage: facts.storage ?? { group, version, resource },
    hasStatus: subresources.includes(STATUS),
    hasGeneration: facts.hasGeneration ?? false,
    virtual: facts.virtual ?? false,
  };
}

const RBAC = 'rbac.authorization.k8s.io';
const EVENT_STORAGE = { group: '', version: 'v1', resource: 'events' };

export const resources: readonly ResourceDeclaration[] = [
  declare({
    resource: 'namespaces',
    kind: 'Namespace',
    shortNames: ['ns'],
    namespaced: false,
    // Namespaces are never deleted all at once.
    verbs: ALL_VERBS.filter((verb) => verb !== 'deletecollection'),
    subresources: [STATUS, { name: 'finalize', verbs: ['update'] }],
    columns: namespaceColumns,
    selectableFields: ['status.phase'],
  }),
  declare({
    resource: 'nodes',
    kind: 'Node',
    shortNames: ['no'],
    namespaced: false,
    subresources: [STATUS],
    columns: nodeColumns,
    selectableFields: ['spec.unschedulable'],
  }),
  declare({
    resource: 'pods',
    kind: 'Pod',
    shortNames: ['po'],
    categories: ['all'],
    subresources: [
      STATUS,
      { name: 'log', verbs: ['get'] },
      { name: 'binding', kind: { group: '', version: 'v1', kind: 'Binding' }, verbs: ['create'] },
      { name: 'eviction', kind: { group: 'policy', version: 'v1', kind: 'Eviction' }, verbs: ['create'] },
    ],
    columns: podColumns,
    selectableFields: [
      'spec.nodeName',
      'spec.restartPolicy',
      'spec.schedulerName',
      'spec.serviceAccountName',
      'spec.hostNetwork',
      'status.phase',
      'status.podIP',
      'status.nominatedNodeName',
    ],
    hasGeneration: true,
  }),
  declare({
    resource: 'services',
    kind: 'Service',
    shortNames: ['svc'],
    categories: ['all'],
    subresources: [STATUS],
    columns: serviceColumns,
    selectableFields: ['spec.clusterIP', 'spec.type'],
  }),
  declare({ resource: 'endpoints', kind: 'Endpoints', shortNames: ['ep'], columns: endpointsColumns }),
  declare({ resource: 'configmaps', kind: 'ConfigMap', shortNames: ['cm'], columns: configMapColumns }),
  declare({ resource: 'secrets', kind: 'Secret', columns: secretColumns, selectableFields: ['type'] }),
  declare({
    resource: 'serviceaccounts',
    kind: 'ServiceAccount',
    shortNames: ['sa'],
    columns: serviceAccountColumns,
  }),
  declare({
    resource: 'events',
    kind: 'Event',
    shortNames: ['ev'],
    columns: eventColumns,
    selectableFields: [
      'involvedObject.kind',
      'involvedObject.namespace',
      'involvedObject.name',
      'involvedObject.uid',
      'involvedObject.apiVersion',
      'involvedObject.resourceVersion',
      'involvedObject.fieldPath',
      'reason',
      'reportingComponent',
      'source',
      'type',
    ],
  }),
  declare({
    group: 'events.k8s.io',
    resource: 'events',
    kind: 'Event',
    shortNames: ['ev'],
    columns: eventColumns,
    selectableFields: [
      'regarding.kind',
      'regarding.namespace',
      'regarding.name',
      'regarding.uid',
      'reason',
      'type',
    ],
    storage: EVENT_STORAGE,
  }),
  declare({
    group: 'apps',
    resource: 'deployments',
    kind: 'Deployment',
    shortNames: ['deploy'],
    categories: ['all'],
    subresources: [STATUS, SCALE],
    scale: SCALE_PATHS,
    columns: deploymentColumns,
    hasGeneration: true,
  }),
  declare({
    group: 'apps',
    resource: 'replicasets',
    kind: 'ReplicaSet',
    shortNames: ['rs'],
    categories: ['all'],
    subresources: [STATUS, SCALE],
    scale: SCALE_PATHS,
    columns: replicaSetColumns,
    selectableFields: ['status.replicas'],
    hasGeneration: true,
  }),
  declare({ group: 'coordination.k8s.io', resource: 'leases', kind: 'Lease', columns: leaseColumns }),
  declare({
    group: 'discovery.k8s.io',
    resource: 'endpointslices',
    kind: 'EndpointSlice',
    columns: endpointSliceColumns,
    hasGeneration: true,
  }),
  declare({ group: RBAC, resource: 'roles', kind: 'Role', columns: roleColumns }),
  declare({
    group: RBAC,
    resource: 'clusterroles',
    kind: 'ClusterRole',
    namespaced: false,
    columns: roleColumns,
  }),
  declare({ group: RBAC, resource: 'rolebindings', kind: 'RoleBinding', columns: bindingColumns }),
  declare({
    group: RBAC,
    resource: 'clusterrolebindings',
    kind: 'ClusterRoleBinding',
    namespaced: false,
    columns: bindingColumns,
  }),
  declare({
    group: 'apiextensions.k8s.io',
    resource: 'customresourcedefinitions',
    kind: 'CustomResourceDefinition',
    shortNames: ['crd', 'crds'],
    categories: ['api-extensions'],
    namespaced: false,
    subresources: [STATUS],
    columns: definitionColumns,
    hasGeneration: true,
  }),
  ...[
    { group: 'authentication.k8s.io', kind: 'SelfSubjectReview' },
    { group: 'authorization.k8s.io', kind: 'LocalSubjectAccessReview', namespaced: true },
    { group: 'authorization.k8s.io', kind: 'SelfSubjectAccessReview' },
    { group: 'authorization.k8s.io', kind: 'SelfSubjectRulesReview' },
    { group: 'authorization.k8s.io', kind: 'SubjectAccessReview' },
  ].map(({ group, kind, namespaced = false }) =>
    declare({
      group,
      resource: `${kind.toLowerCase()}s`,
      kind,
      namespaced,
      verbs: ['create'],
      columns: [],
      virtual: true,
    }),
  ),
];

/** The declaration of a resource by its plural, undefined when it is not served. */
export function findResource(
  group: string,
  version: string,
  resource: string,
): ResourceDeclaration | undefined {
  return resources.find(
    (item) => item.group === group && item.version === version && item.resource === resource,
  );
}
