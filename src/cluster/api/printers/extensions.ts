import { stringAt } from '../json.ts';
import type { PrinterColumn } from '../resource-declaration.ts';
import { nameColumn } from './columns.ts';

export const definitionColumns: readonly PrinterColumn[] = [
  nameColumn,
  { name: 'Created At', type: 'date', cell: (object) => stringAt(object, 'metadata', 'creationTimestamp') },
];
