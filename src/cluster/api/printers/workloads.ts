import { getPath, numberAt, objectsAt, type JsonObject } from '../json.ts';
import type { PrinterColumn } from '../resource-declaration.ts';
import { ageColumn, containerColumns, labelSelectorText, nameColumn } from './columns.ts';

const templateColumns: readonly PrinterColumn[] = [
  ...containerColumns((object) => objectsAt(object, 'spec', 'template', 'spec', 'containers')),
  {
    name: 'Selector',
    type: 'string',
    priority: 1,
    cell: (object) => labelSelectorText(getPath(object, 'spec', 'selector')),
  },
];

function count(...path: readonly string[]): (object: JsonObject) => number {
  return (object) => numberAt(object, ...path) ?? 0;
}

export const deploymentColumns: readonly PrinterColumn[] = [
  nameColumn,
  {
    name: 'Ready',
    type: 'string',
    cell: (object) => `${count('status', 'readyReplicas')(object)}/${count('spec', 'replicas')(object)}`,
  },
  { name: 'Up-to-date', type: 'integer', cell: count('status', 'updatedReplicas') },
  { name: 'Available', type: 'integer', cell: count('status', 'availableReplicas') },
  ageColumn,
  ...templateColumns,
];

export const replicaSetColumns: readonly PrinterColumn[] = [
  nameColumn,
  { name: 'Desired', type: 'integer', cell: count('spec', 'replicas') },
  { name: 'Current', type: 'integer', cell: count('status', 'replicas') },
  { name: 'Ready', type: 'integer', cell: count('status', 'readyReplicas') },
  ageColumn,
  ...templateColumns,
];
