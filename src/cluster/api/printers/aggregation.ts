import { isJsonObject, objectAt, objectsAt, stringAt, type JsonObject } from '../json.ts';
import type { PrinterColumn } from '../resource-declaration.ts';
import { ageColumn, nameColumn } from './columns.ts';

export const apiServiceColumns: readonly PrinterColumn[] = [
  nameColumn,
  {
    name: 'Service',
    type: 'string',
    cell: (object) => {
      const service = objectAt(object, 'spec')['service'];
      return isJsonObject(service)
        ? `${stringAt(service, 'namespace')}/${stringAt(service, 'name')}`
        : 'Local';
    },
  },
  { name: 'Available', type: 'string', cell: availability },
  ageColumn,
];

function availability(object: JsonObject): string {
  const conditions = objectsAt(object, 'status', 'conditions');
  const condition = conditions.find((one) => one['type'] === 'Available');
  if (condition === undefined) return 'Unknown';
  const [status, reason] = [stringAt(condition, 'status'), stringAt(condition, 'reason')];
  return status === 'True' || reason === '' ? status : `${status} (${reason})`;
}
