import { getPath, numberAt, objectsAt, stringAt, type JsonObject } from '../json.ts';
import type { PrinterColumn } from '../resource-declaration.ts';
import {
  ageColumn,
  containerColumns,
  countColumn,
  labelSelectorText,
  labelsText,
  nameColumn,
} from './columns.ts';

const containers = containerColumns((object) => objectsAt(object, 'spec', 'template', 'spec', 'containers'));

const selector: PrinterColumn = {
  name: 'Selector',
  type: 'string',
  priority: 1,
  cell: (object) => labelSelectorText(getPath(object, 'spec', 'selector')),
};

const readyOfWanted: PrinterColumn = {
  name: 'Ready',
  type: 'string',
  cell: (object) =>
    `${numberAt(object, 'status', 'readyReplicas') ?? 0}/${numberAt(object, 'spec', 'replicas') ?? 0}`,
};

const replicaCounts: readonly PrinterColumn[] = [
  countColumn('Desired', ['spec', 'replicas']),
  countColumn('Current', ['status', 'replicas']),
  countColumn('Ready', ['status', 'readyReplicas']),
];

export const deploymentColumns: readonly PrinterColumn[] = [
  nameColumn,
  readyOfWanted,
  { ...countColumn('Up-to-date', ['status', 'updatedReplicas']), type: 'string' },
  { ...countColumn('Available', ['status', 'availableReplicas']), type: 'string' },
  ageColumn,
  ...containers,
  selector,
];

export const replicaSetColumns: readonly PrinterColumn[] = [
  nameColumn,
  ...replicaCounts,
  ageColumn,
  ...containers,
  selector,
];

export const replicationControllerColumns: readonly PrinterColumn[] = [
  nameColumn,
  ...replicaCounts,
  ageColumn,
  ...containers,
  { ...selector, cell: (object) => labelsText(getPath(object, 'spec', 'selector')) },
];

export const statefulSetColumns: readonly PrinterColumn[] = [
  nameColumn,
  readyOfWanted,
  ageColumn,
  ...containers,
];

export const daemonSetColumns: readonly PrinterColumn[] = [
  nameColumn,
  countColumn('Desired', ['status', 'desiredNumberScheduled']),
  countColumn('Current', ['status', 'currentNumberScheduled']),
  countColumn('Ready', ['status', 'numberReady']),
  countColumn('Up-to-date', ['status', 'updatedNumberScheduled']),
  countColumn('Available', ['status', 'numberAvailable']),
  {
    name: 'Node Selector',
    type: 'string',
    cell: (object) => labelsText(getPath(object, 'spec', 'template', 'spec', 'nodeSelector')),
  },
  ageColumn,
  ...containers,
  selector,
];

export const controllerRevisionColumns: readonly PrinterColumn[] = [
  nameColumn,
  { name: 'Controller', type: 'string', cell: controller },
  { ...countColumn('Revision', ['revision']), type: 'string' },
  ageColumn,
];

/** `statefulset.apps/web` */
function controller(object: JsonObject): string {
  const owner = objectsAt(object, 'metadata', 'ownerReferences').find((item) => item['controller'] === true);
  if (owner === undefined) return '<none>';
  const [group = ''] = stringAt(owner, 'apiVersion').split('/').slice(0, -1);
  const kind = stringAt(owner, 'kind').toLowerCase();
  return `${group === '' ? kind : `${kind}.${group}`}/${stringAt(owner, 'name')}`;
}

export const podTemplateColumns: readonly PrinterColumn[] = [
  nameColumn,
  ...containerColumns((object) => objectsAt(object, 'template', 'spec', 'containers')).map(
    (column): PrinterColumn => ({ ...column, priority: 0 }),
  ),
  {
    name: 'Pod Labels',
    type: 'string',
    cell: (object) => labelsText(getPath(object, 'template', 'metadata', 'labels')),
  },
];
