import { numberAt, objectsAt, stringAt, type JsonObject } from '../json.ts';
import type { PrinterColumn } from '../resource-declaration.ts';
import { humanDuration } from '../time.ts';
import { ageColumn, nameColumn, textColumn } from './columns.ts';

export const signingRequestColumns: readonly PrinterColumn[] = [
  nameColumn,
  ageColumn,
  textColumn('SignerName', ['spec', 'signerName'], '<none>'),
  textColumn('Requestor', ['spec', 'username']),
  {
    name: 'RequestedDuration',
    type: 'string',
    cell: (object) => {
      const seconds = numberAt(object, 'spec', 'expirationSeconds');
      return seconds === undefined ? '<none>' : humanDuration(seconds * 1000);
    },
  },
  { name: 'Condition', type: 'string', cell: condition },
];

function condition(request: JsonObject): string {
  const types = objectsAt(request, 'status', 'conditions').map((item) => stringAt(item, 'type'));
  const answer = types.includes('Denied') ? 'Denied' : types.includes('Approved') ? 'Approved' : 'Pending';
  return [
    answer,
    ...(types.includes('Failed') ? ['Failed'] : []),
    ...(stringAt(request, 'status', 'certificate') === '' ? [] : ['Issued']),
  ].join(',');
}
