import {
  getPath,
  isJsonObject,
  listAt,
  numberAt,
  stringAt,
  textOf,
  type JsonObject,
  type JsonValue,
} from '../json.ts';
import type { PrinterColumn } from '../resource-declaration.ts';
import { humanDuration, timeToMs } from '../time.ts';

export const nameColumn: PrinterColumn = {
  name: 'Name',
  type: 'string',
  format: 'name',
  cell: (object) => stringAt(object, 'metadata', 'name'),
};

export const ageColumn: PrinterColumn = {
  name: 'Age',
  type: 'string',
  cell: (object, now) => age(stringAt(object, 'metadata', 'creationTimestamp'), now),
};

/** Time since an RFC 3339 timestamp, `<unknown>` when there is none. */
export function age(timestamp: string, now: number): string {
  const since = timeToMs(timestamp);
  return since === undefined ? '<unknown>' : humanDuration(now - since);
}

/** `a=b,c=d` sorted, `<none>` when empty. */
export function labelsText(labels: JsonValue | undefined): string {
  const entries = isJsonObject(labels) ? Object.entries(labels) : [];
  if (entries.length === 0) return '<none>';
  return entries
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${textOf(value)}`)
    .join(',');
}

/** A LabelSelector as kubectl prints it. */
export function labelSelectorText(selector: JsonValue | undefined): string {
  if (!isJsonObject(selector)) return '<none>';
  const labels = isJsonObject(selector['matchLabels']) ? Object.entries(selector['matchLabels']) : [];
  const parts = [
    ...labels.map(([key, value]) => ({ key, text: `${key}=${textOf(value)}` })),
    ...listAt(selector, 'matchExpressions').map((item) => ({
      key: stringAt(item, 'key'),
      text: expressionText(item),
    })),
  ].toSorted((a, b) => (a.key === b.key ? 0 : a.key < b.key ? -1 : 1));
  return orNone(parts.map(({ text }) => text).join(','));
}

function expressionText(item: JsonValue): string {
  const key = stringAt(item, 'key');
  const values = listAt(item, 'values')
    .map((item) => textOf(item))
    .toSorted()
    .join(',');
  switch (stringAt(item, 'operator')) {
    case 'In':
      return `${key} in (${values})`;
    case 'NotIn':
      return `${key} notin (${values})`;
    case 'DoesNotExist':
      return `!${key}`;
    default:
      return key;
  }
}

/** The containers' names and images of a pod template, as `-o wide` shows them. */
export function containerColumns(containers: (object: JsonObject) => readonly JsonObject[]): PrinterColumn[] {
  const joined = (key: string) => (object: JsonObject) =>
    containers(object)
      .map((container) => stringAt(container, key))
      .join(',');
  return [
    { name: 'Containers', type: 'string', priority: 1, cell: joined('name') },
    { name: 'Images', type: 'string', priority: 1, cell: joined('image') },
  ];
}

/** An empty string shown as `<none>`. */
export function orNone(text: string): string {
  return text === '' ? '<none>' : text;
}

/** The string at a path, `missing` where there is none. */
export function textColumn(name: string, path: readonly string[], missing = ''): PrinterColumn {
  return { name, type: 'string', cell: (object) => stringAt(object, ...path) || missing };
}

/** The number at a path, 0 where there is none. */
export function countColumn(name: string, path: readonly string[]): PrinterColumn {
  return { name, type: 'integer', cell: (object) => numberAt(object, ...path) ?? 0 };
}

/** How many elements the list at a path has. */
export function lengthColumn(name: string, path: readonly string[]): PrinterColumn {
  return { name, type: 'integer', cell: (object) => listAt(object, ...path).length };
}

export function flagColumn(name: string, path: readonly string[], missing = false): PrinterColumn {
  return {
    name,
    type: 'boolean',
    cell: (object) => {
      const value = getPath(object, ...path);
      return typeof value === 'boolean' ? value : missing;
    },
  };
}

/** What is shown of a kind that has no columns of its own: when it was made, not how long ago. */
export const plainColumns: readonly PrinterColumn[] = [
  nameColumn,
  { name: 'Created At', type: 'date', cell: (object) => stringAt(object, 'metadata', 'creationTimestamp') },
];

/** The scalars of the list at a path: `a,b`. */
export function listText(object: JsonObject, ...path: readonly string[]): string {
  return listAt(object, ...path)
    .map((item) => textOf(item))
    .join(',');
}
