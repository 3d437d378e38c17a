import { objectAt, stringAt, type JsonObject, type JsonValue } from './json.ts';
import { columnDescription } from './printers/descriptions.ts';
import type { ResourceDeclaration } from './resource-declaration.ts';

export interface TableColumnDefinition {
  readonly name: string;
  readonly type: string;
  readonly format: string;
  readonly description: string;
  readonly priority: number;
}

export interface TableRow {
  readonly cells: JsonValue[];
  readonly conditions?: JsonObject[];
  /** The object itself; what of it goes out (`includeObject`) is the server's choice: see `partialMetadata`. */
  readonly object: JsonObject;
}

/** The columns and rows of a meta.k8s.io/v1 Table; ages count up to `now`, milliseconds since the epoch. */
export function tableRows(
  resource: ResourceDeclaration,
  objects: readonly JsonObject[],
  now: number,
): { columnDefinitions: TableColumnDefinition[]; rows: TableRow[] } {
  return {
    columnDefinitions: resource.columns.map((column) => ({
      name: column.name,
      type: column.type,
      format: column.format ?? '',
      description: column.description ?? columnDescription(resource, column.name),
      priority: column.priority ?? 0,
    })),
    rows: objects.map((object) => {
      const cells = resource.columns.map((column) => column.cell(object, now));
      const conditions = resource.rowConditions?.(object);
      return { cells, ...(conditions !== undefined && { conditions }), object };
    }),
  };
}

/** metadata alone, as kubectl wants it for names and namespaces. */
export function partialMetadata(object: JsonObject, apiVersion = 'meta.k8s.io/v1'): JsonObject {
  return {
    kind: 'PartialObjectMetadata',
    apiVersion,
    metadata: objectAt(object, 'metadata'),
  };
}

/** `namespace/name`, or `name`. */
export function objectKey(object: JsonObject): string {
  const namespace = stringAt(object, 'metadata', 'namespace');
  const name = stringAt(object, 'metadata', 'name');
  return namespace === '' ? name : `${namespace}/${name}`;
}
