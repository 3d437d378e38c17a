import { getPath, listAt, stringAt, type JsonObject, type JsonValue } from '../json.ts';
import type { PrinterColumn } from '../resource-declaration.ts';
import { ageColumn, flagColumn, lengthColumn, listText, nameColumn, textColumn } from './columns.ts';

const MODES = [
  ['ReadWriteOnce', 'RWO'],
  ['ReadOnlyMany', 'ROX'],
  ['ReadWriteMany', 'RWX'],
  ['ReadWriteOncePod', 'RWOP'],
] as const;

/** `RWO,ROX`, always in this order. */
function accessModes(modes: readonly JsonValue[]): string {
  return MODES.filter(([mode]) => modes.includes(mode))
    .map(([, short]) => short)
    .join(',');
}

/** Before there was a field for it, the class stood in an annotation. */
function storageClass(object: JsonObject): string {
  const annotation = getPath(object, 'metadata', 'annotations', 'volume.beta.kubernetes.io/storage-class');
  return typeof annotation === 'string' ? annotation : stringAt(object, 'spec', 'storageClassName');
}

function phase(object: JsonObject): string {
  return stringAt(object, 'metadata', 'deletionTimestamp') === ''
    ? stringAt(object, 'status', 'phase')
    : 'Terminating';
}

const statusColumn: PrinterColumn = { name: 'Status', type: 'string', cell: phase };
const classColumn: PrinterColumn = { name: 'StorageClass', type: 'string', cell: storageClass };
const attributesColumn = textColumn(
  'VolumeAttributesClass',
  ['spec', 'volumeAttributesClassName'],
  '<unset>',
);
const volumeModeColumn: PrinterColumn = {
  ...textColumn('VolumeMode', ['spec', 'volumeMode'], '<unset>'),
  priority: 1,
};

export const persistentVolumeColumns: readonly PrinterColumn[] = [
  nameColumn,
  textColumn('Capacity', ['spec', 'capacity', 'storage'], '0'),
  {
    name: 'Access Modes',
    type: 'string',
    cell: (object) => accessModes(listAt(object, 'spec', 'accessModes')),
  },
  textColumn('Reclaim Policy', ['spec', 'persistentVolumeReclaimPolicy']),
  statusColumn,
  { name: 'Claim', type: 'string', cell: claim },
  classColumn,
  attributesColumn,
  textColumn('Reason', ['status', 'reason']),
  ageColumn,
  volumeModeColumn,
];

function claim(volume: JsonObject): string {
  if (getPath(volume, 'spec', 'claimRef') === undefined) return '';
  return `${stringAt(volume, 'spec', 'claimRef', 'namespace')}/${stringAt(volume, 'spec', 'claimRef', 'name')}`;
}

export const persistentVolumeClaimColumns: readonly PrinterColumn[] = [
  nameColumn,
  statusColumn,
  textColumn('Volume', ['spec', 'volumeName']),
  { name: 'Capacity', type: 'string', cell: (object) => ofBound(object, claimCapacity) },
  { name: 'Access Modes', type: 'string', cell: (object) => ofBound(object, claimModes) },
  classColumn,
  attributesColumn,
  ageColumn,
  volumeModeColumn,
];

/** What a claim has got shows only once it has a volume. */
function ofBound(object: JsonObject, show: (object: JsonObject) => string): string {
  return stringAt(object, 'spec', 'volumeName') === '' ? '' : show(object);
}

function claimCapacity(object: JsonObject): string {
  return stringAt(object, 'status', 'capacity', 'storage') || '0';
}

function claimModes(object: JsonObject): string {
  return accessModes(listAt(object, 'status', 'accessModes'));
}

/** The name, marked when an annotation says that new claims get this class. */
function markedName(annotations: readonly string[]): PrinterColumn {
  return {
    ...nameColumn,
    cell: (object) => {
      const isDefault = annotations.some(
        (annotation) => stringAt(object, 'metadata', 'annotations', annotation) === 'true',
      );
      return `${stringAt(object, 'metadata', 'name')}${isDefault ? ' (default)' : ''}`;
    },
  };
}

export const storageClassColumns: readonly PrinterColumn[] = [
  markedName([
    'storageclass.kubernetes.io/is-default-class',
    'storageclass.beta.kubernetes.io/is-default-class',
  ]),
  textColumn('Provisioner', ['provisioner']),
  textColumn('ReclaimPolicy', ['reclaimPolicy'], 'Delete'),
  textColumn('VolumeBindingMode', ['volumeBindingMode'], 'Immediate'),
  { ...flagColumn('AllowVolumeExpansion', ['allowVolumeExpansion']), type: 'string' },
  ageColumn,
];

export const volumeAttributesClassColumns: readonly PrinterColumn[] = [
  markedName(['volumeattributesclass.alpha.kubernetes.io/is-default-class']),
  textColumn('DriverName', ['driverName']),
  ageColumn,
];

export const volumeAttachmentColumns: readonly PrinterColumn[] = [
  nameColumn,
  { ...textColumn('Attacher', ['spec', 'attacher']), format: 'name' },
  textColumn('PV', ['spec', 'source', 'persistentVolumeName']),
  textColumn('Node', ['spec', 'nodeName']),
  flagColumn('Attached', ['status', 'attached']),
  ageColumn,
];

export const csiDriverColumns: readonly PrinterColumn[] = [
  nameColumn,
  flagColumn('AttachRequired', ['spec', 'attachRequired'], true),
  flagColumn('PodInfoOnMount', ['spec', 'podInfoOnMount']),
  flagColumn('StorageCapacity', ['spec', 'storageCapacity']),
  {
    name: 'TokenRequests',
    type: 'string',
    cell: (object) =>
      getPath(object, 'spec', 'tokenRequests') === undefined
        ? '<unset>'
        : listAt(object, 'spec', 'tokenRequests')
            .map((item) => stringAt(item, 'audience'))
            .join(','),
  },
  flagColumn('RequiresRepublish', ['spec', 'requiresRepublish']),
  {
    name: 'Modes',
    type: 'string',
    cell: (object) => listText(object, 'spec', 'volumeLifecycleModes') || '<none>',
  },
  ageColumn,
];

export const csiNodeColumns: readonly PrinterColumn[] = [
  nameColumn,
  lengthColumn('Drivers', ['spec', 'drivers']),
  ageColumn,
];
