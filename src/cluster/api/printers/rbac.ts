import { objectAt, objectsAt, stringAt, type JsonObject } from '../json.ts';
import type { PrinterColumn } from '../resource-declaration.ts';
import { ageColumn, nameColumn } from './columns.ts';

const subjects =
  (kind: string) =>
  (binding: JsonObject): string =>
    objectsAt(binding, 'subjects')
      .filter((subject) => subject['kind'] === kind)
      .map((subject) => {
        const name = stringAt(subject, 'name');
        return kind === 'ServiceAccount' ? `${stringAt(subject, 'namespace')}/${name}` : name;
      })
      .join(', ');

export const bindingColumns: readonly PrinterColumn[] = [
  nameColumn,
  {
    name: 'Role',
    type: 'string',
    cell: (binding) => {
      const role = objectAt(binding, 'roleRef');
      return `${stringAt(role, 'kind')}/${stringAt(role, 'name')}`;
    },
  },
  ageColumn,
  { name: 'Users', type: 'string', priority: 1, cell: subjects('User') },
  { name: 'Groups', type: 'string', priority: 1, cell: subjects('Group') },
  { name: 'ServiceAccounts', type: 'string', priority: 1, cell: subjects('ServiceAccount') },
];
