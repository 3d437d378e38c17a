/** The core group. */
import {
  componentStatusColumns,
  configMapColumns,
  eventColumns,
  namespaceColumns,
  secretColumns,
  serviceAccountColumns,
} from '../printers/core.ts';
import { plainColumns } from '../printers/columns.ts';
import { endpointsColumns, serviceColumns } from '../printers/network.ts';
import { nodeColumns } from '../printers/node.ts';
import { podColumns, podRowConditions } from '../printers/pod.ts';
import { resourceQuotaColumns } from '../printers/policy.ts';
import { persistentVolumeClaimColumns, persistentVolumeColumns } from '../printers/storage.ts';
import { podTemplateColumns, replicationControllerColumns } from '../printers/workloads.ts';
import type { ResourceDeclaration, SubresourceDeclaration } from '../resource-declaration.ts';
import { ALL_VERBS, declare, SCALE, SCALE_PATHS, STATUS } from './declare.ts';

/** What is passed on is asked for as an object of a kind of its own, for admission. */
const core = (kind: string): NonNullable<SubresourceDeclaration['kind']> => ({
  group: '',
  version: 'v1',
  kind,
});
const PROXIED = ['create', 'delete', 'get', 'patch', 'update'] as const;

export const coreResources: readonly ResourceDeclaration[] = [
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
    subresources: [STATUS, { name: 'proxy', kind: core('NodeProxyOptions'), verbs: PROXIED }],
    columns: nodeColumns,
    selectableFields: ['spec.unschedulable'],
  }),
  declare({
    resource: 'pods',
    kind: 'Pod',
    returnsDeleted: true,
    shortNames: ['po'],
    categories: ['all'],
    subresources: [
      STATUS,
      { name: 'ephemeralcontainers', verbs: ['get', 'patch', 'update'] },
      { name: 'resize', verbs: ['get', 'patch', 'update'] },
      { name: 'log', verbs: ['get'] },
      { name: 'attach', kind: core('PodAttachOptions'), verbs: ['create', 'get'] },
      { name: 'exec', kind: core('PodExecOptions'), verbs: ['create', 'get'] },
      { name: 'portforward', kind: core('PodPortForwardOptions'), verbs: ['create', 'get'] },
      { name: 'proxy', kind: core('PodProxyOptions'), verbs: PROXIED },
      { name: 'binding', kind: { group: '', version: 'v1', kind: 'Binding' }, verbs: ['create'] },
      { name: 'eviction', kind: { group: 'policy', version: 'v1', kind: 'Eviction' }, verbs: ['create'] },
    ],
    columns: podColumns,
    rowConditions: podRowConditions,
    selectableFields: [
      'spec.nodeName',
      'spec.host',
      'spec.restartPolicy',
      'spec.schedulerName',
      'spec.serviceAccountName',
      'spec.hostNetwork',
      'status.phase',
      'status.podIP',
      'status.podIPs',
      'status.nominatedNodeName',
    ],
    hasGeneration: true,
  }),
  declare({ resource: 'bindings', kind: 'Binding', verbs: ['create'], columns: [], virtual: true }),
  declare({
    resource: 'services',
    kind: 'Service',
    returnsDeleted: true,
    shortNames: ['svc'],
    categories: ['all'],
    subresources: [STATUS, { name: 'proxy', kind: core('ServiceProxyOptions'), verbs: PROXIED }],
    columns: serviceColumns,
    selectableFields: ['spec.clusterIP', 'spec.type'],
  }),
  declare({
    resource: 'endpoints',
    kind: 'Endpoints',
    shortNames: ['ep'],
    columns: endpointsColumns,
    deprecation: 'v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice',
  }),
  declare({ resource: 'configmaps', kind: 'ConfigMap', shortNames: ['cm'], columns: configMapColumns }),
  declare({ resource: 'secrets', kind: 'Secret', columns: secretColumns, selectableFields: ['type'] }),
  declare({
    resource: 'serviceaccounts',
    kind: 'ServiceAccount',
    returnsDeleted: true,
    shortNames: ['sa'],
    subresources: [
      {
        name: 'token',
        kind: { group: 'authentication.k8s.io', version: 'v1', kind: 'TokenRequest' },
        verbs: ['create'],
      },
    ],
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
    resource: 'persistentvolumes',
    kind: 'PersistentVolume',
    returnsDeleted: true,
    shortNames: ['pv'],
    namespaced: false,
    subresources: [STATUS],
    columns: persistentVolumeColumns,
  }),
  declare({
    resource: 'persistentvolumeclaims',
    kind: 'PersistentVolumeClaim',
    returnsDeleted: true,
    shortNames: ['pvc'],
    subresources: [STATUS],
    columns: persistentVolumeClaimColumns,
  }),
  declare({
    resource: 'replicationcontrollers',
    kind: 'ReplicationController',
    shortNames: ['rc'],
    categories: ['all'],
    subresources: [STATUS, SCALE],
    scale: SCALE_PATHS,
    columns: replicationControllerColumns,
    selectableFields: ['status.replicas'],
    hasGeneration: true,
  }),
  declare({ resource: 'limitranges', kind: 'LimitRange', shortNames: ['limits'], columns: plainColumns }),
  declare({
    resource: 'resourcequotas',
    kind: 'ResourceQuota',
    returnsDeleted: true,
    shortNames: ['quota'],
    subresources: [STATUS],
    columns: resourceQuotaColumns,
  }),
  declare({
    resource: 'podtemplates',
    kind: 'PodTemplate',
    returnsDeleted: true,
    columns: podTemplateColumns,
    hasGeneration: true,
  }),
  declare({
    resource: 'componentstatuses',
    kind: 'ComponentStatus',
    shortNames: ['cs'],
    namespaced: false,
    verbs: ['get', 'list'],
    columns: componentStatusColumns,
    deprecation: 'v1 ComponentStatus is deprecated in v1.19+',
  }),
];
