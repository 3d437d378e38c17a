import { getPath, listAt, stringAt, type JsonObject } from '../json.ts';
import type { PrinterColumn } from '../resource-declaration.ts';
import { ageColumn, nameColumn, textColumn } from './columns.ts';

/** Device classes and templates of claims. */
export const namedColumns: readonly PrinterColumn[] = [nameColumn, ageColumn];

export const resourceClaimColumns: readonly PrinterColumn[] = [
  nameColumn,
  { name: 'State', type: 'string', cell: state },
  ageColumn,
];

function state(claim: JsonObject): string {
  const deleted = stringAt(claim, 'metadata', 'deletionTimestamp') !== '';
  const states = deleted ? ['deleted'] : [];
  if (getPath(claim, 'status', 'allocation') === undefined) {
    if (!deleted) states.push('pending');
  } else {
    states.push('allocated');
    if (listAt(claim, 'status', 'reservedFor').length > 0) states.push('reserved');
  }
  return states.join(',');
}

export const resourceSliceColumns: readonly PrinterColumn[] = [
  nameColumn,
  textColumn('Node', ['spec', 'nodeName']),
  textColumn('Driver', ['spec', 'driver']),
  textColumn('Pool', ['spec', 'pool', 'name']),
  ageColumn,
];
