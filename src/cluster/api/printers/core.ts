import { numberAt, objectAt, objectsAt, stringAt, type JsonObject } from '../json.ts';
import type { PrinterColumn } from '../resource-declaration.ts';
import { age, ageColumn, nameColumn } from './columns.ts';

export const namespaceColumns: readonly PrinterColumn[] = [
  nameColumn,
  { name: 'Status', type: 'string', cell: (object) => stringAt(object, 'status', 'phase') },
  ageColumn,
];

export const configMapColumns: readonly PrinterColumn[] = [
  nameColumn,
  {
    name: 'Data',
    type: 'string',
    cell: (object) =>
      Object.keys(objectAt(object, 'data')).length + Object.keys(objectAt(object, 'binaryData')).length,
  },
  ageColumn,
];

export const secretColumns: readonly PrinterColumn[] = [
  nameColumn,
  { name: 'Type', type: 'string', cell: (object) => stringAt(object, 'type') },
  { name: 'Data', type: 'string', cell: (object) => Object.keys(objectAt(object, 'data')).length },
  ageColumn,
];

export const serviceAccountColumns: readonly PrinterColumn[] = [nameColumn, ageColumn];

export const leaseColumns: readonly PrinterColumn[] = [
  nameColumn,
  { name: 'Holder', type: 'string', cell: (object) => stringAt(object, 'spec', 'holderIdentity') },
  ageColumn,
];

export const eventColumns: readonly PrinterColumn[] = [
  { name: 'Last Seen', type: 'string', cell: lastSeen },
  { name: 'Type', type: 'string', cell: (event) => stringAt(event, 'type') },
  { name: 'Reason', type: 'string', cell: (event) => stringAt(event, 'reason') },
  { name: 'Object', type: 'string', cell: involved },
  {
    name: 'Subobject',
    type: 'string',
    priority: 1,
    cell: (event) => stringAt(regarding(event), 'fieldPath'),
  },
  { name: 'Source', type: 'string', priority: 1, cell: source },
  {
    name: 'Message',
    type: 'string',
    cell: (event) => (stringAt(event, 'message') || stringAt(event, 'note')).trim(),
  },
  {
    name: 'First Seen',
    type: 'string',
    priority: 1,
    cell: (event, now) => age(firstTimestamp(event), now),
  },
  { name: 'Count', type: 'string', priority: 1, cell: (event) => count(event) },
  {
    name: 'Name',
    type: 'string',
    format: 'name',
    priority: 1,
    cell: (event) => stringAt(event, 'metadata', 'name'),
  },
];

/** core/v1 and events.k8s.io/v1 name the same things differently. */
function regarding(event: JsonObject): JsonObject {
  return 'regarding' in event ? objectAt(event, 'regarding') : objectAt(event, 'involvedObject');
}

function firstTimestamp(event: JsonObject): string {
  return (
    stringAt(event, 'firstTimestamp') ||
    stringAt(event, 'deprecatedFirstTimestamp') ||
    stringAt(event, 'eventTime')
  );
}

function lastSeen(event: JsonObject, now: number): string {
  const last =
    stringAt(event, 'series', 'lastObservedTime') ||
    stringAt(event, 'lastTimestamp') ||
    stringAt(event, 'deprecatedLastTimestamp') ||
    firstTimestamp(event);
  return age(last, now);
}

function involved(event: JsonObject): string {
  const object = regarding(event);
  const kind = stringAt(object, 'kind').toLowerCase();
  const name = stringAt(object, 'name');
  return name === '' ? kind : `${kind}/${name}`;
}

function source(event: JsonObject): string {
  const origin =
    'deprecatedSource' in event ? objectAt(event, 'deprecatedSource') : objectAt(event, 'source');
  const component =
    stringAt(origin, 'component') ||
    stringAt(event, 'reportingComponent') ||
    stringAt(event, 'reportingController');
  const host = stringAt(origin, 'host') || stringAt(event, 'reportingInstance');
  return [component, host].filter((part) => part !== '').join(', ');
}

function count(event: JsonObject): number {
  // A single event of the newer form does not count.
  const own = numberAt(event, 'count') ?? numberAt(event, 'deprecatedCount') ?? 0;
  return numberAt(event, 'series', 'count') ?? (own === 0 ? 1 : own);
}

export const componentStatusColumns: readonly PrinterColumn[] = [
  nameColumn,
  {
    name: 'Status',
    type: 'string',
    cell: (object) => {
      const health = healthOf(object);
      if (health === undefined) return 'Unknown';
      return stringAt(health, 'status') === 'True' ? 'Healthy' : 'Unhealthy';
    },
  },
  { name: 'Message', type: 'string', cell: (object) => stringAt(healthOf(object), 'message') },
  { name: 'Error', type: 'string', cell: (object) => stringAt(healthOf(object), 'error') },
];

function healthOf(object: JsonObject): JsonObject | undefined {
  return objectsAt(object, 'conditions').find((condition) => condition['type'] === 'Healthy');
}
