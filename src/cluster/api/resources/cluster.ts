/** Groups of networks, storage and devices. */
import { namedColumns, resourceClaimColumns, resourceSliceColumns } from '../printers/devices.ts';
import { endpointSliceColumns } from '../printers/network.ts';
import {
  ingressClassColumns,
  ingressColumns,
  ipAddressColumns,
  networkPolicyColumns,
  serviceCidrColumns,
} from '../printers/networking.ts';
import { plainColumns } from '../printers/columns.ts';
import { priorityClassColumns, runtimeClassColumns } from '../printers/policy.ts';
import {
  csiDriverColumns,
  csiNodeColumns,
  storageClassColumns,
  volumeAttachmentColumns,
  volumeAttributesClassColumns,
} from '../printers/storage.ts';
import type { ResourceDeclaration } from '../resource-declaration.ts';
import { declare, STATUS } from './declare.ts';

const NETWORKING = 'networking.k8s.io';
const STORAGE = 'storage.k8s.io';
const DEVICES = 'resource.k8s.io';

export const clusterResources: readonly ResourceDeclaration[] = [
  declare({
    group: 'discovery.k8s.io',
    resource: 'endpointslices',
    kind: 'EndpointSlice',
    columns: endpointSliceColumns,
    hasGeneration: true,
  }),
  declare({
    group: NETWORKING,
    resource: 'ingresses',
    singular: 'ingress',
    kind: 'Ingress',
    shortNames: ['ing'],
    subresources: [STATUS],
    columns: ingressColumns,
    hasGeneration: true,
  }),
  declare({
    group: NETWORKING,
    resource: 'ingressclasses',
    kind: 'IngressClass',
    namespaced: false,
    columns: ingressClassColumns,
    hasGeneration: true,
  }),
  declare({
    group: NETWORKING,
    resource: 'networkpolicies',
    kind: 'NetworkPolicy',
    shortNames: ['netpol'],
    columns: networkPolicyColumns,
    hasGeneration: true,
  }),
  declare({
    group: NETWORKING,
    resource: 'ipaddresses',
    kind: 'IPAddress',
    shortNames: ['ip'],
    namespaced: false,
    columns: ipAddressColumns,
  }),
  declare({
    group: NETWORKING,
    resource: 'servicecidrs',
    kind: 'ServiceCIDR',
    namespaced: false,
    subresources: [STATUS],
    columns: serviceCidrColumns,
  }),
  declare({
    group: STORAGE,
    resource: 'storageclasses',
    kind: 'StorageClass',
    returnsDeleted: true,
    shortNames: ['sc'],
    namespaced: false,
    columns: storageClassColumns,
  }),
  declare({
    group: STORAGE,
    resource: 'volumeattachments',
    kind: 'VolumeAttachment',
    returnsDeleted: true,
    namespaced: false,
    subresources: [STATUS],
    columns: volumeAttachmentColumns,
  }),
  declare({
    group: STORAGE,
    resource: 'volumeattributesclasses',
    kind: 'VolumeAttributesClass',
    returnsDeleted: true,
    shortNames: ['vac'],
    namespaced: false,
    columns: volumeAttributesClassColumns,
  }),
  declare({
    group: STORAGE,
    resource: 'csidrivers',
    kind: 'CSIDriver',
    returnsDeleted: true,
    namespaced: false,
    columns: csiDriverColumns,
  }),
  declare({
    group: STORAGE,
    resource: 'csinodes',
    kind: 'CSINode',
    returnsDeleted: true,
    namespaced: false,
    columns: csiNodeColumns,
  }),
  declare({
    group: STORAGE,
    resource: 'csistoragecapacities',
    kind: 'CSIStorageCapacity',
    columns: plainColumns,
  }),
  declare({
    group: DEVICES,
    resource: 'deviceclasses',
    kind: 'DeviceClass',
    returnsDeleted: true,
    namespaced: false,
    columns: namedColumns,
    hasGeneration: true,
  }),
  declare({
    group: DEVICES,
    resource: 'resourceclaims',
    kind: 'ResourceClaim',
    returnsDeleted: true,
    subresources: [STATUS],
    columns: resourceClaimColumns,
  }),
  declare({
    group: DEVICES,
    resource: 'resourceclaimtemplates',
    kind: 'ResourceClaimTemplate',
    returnsDeleted: true,
    columns: namedColumns,
  }),
  declare({
    group: DEVICES,
    resource: 'resourceslices',
    kind: 'ResourceSlice',
    returnsDeleted: true,
    namespaced: false,
    columns: resourceSliceColumns,
    selectableFields: ['spec.nodeName', 'spec.driver'],
    hasGeneration: true,
  }),
  declare({
    group: 'scheduling.k8s.io',
    resource: 'priorityclasses',
    kind: 'PriorityClass',
    shortNames: ['pc'],
    namespaced: false,
    columns: priorityClassColumns,
  }),
  declare({
    group: 'node.k8s.io',
    resource: 'runtimeclasses',
    kind: 'RuntimeClass',
    namespaced: false,
    columns: runtimeClassColumns,
  }),
];
