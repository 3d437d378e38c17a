import { objectAt, stringAt, type JsonObject, type JsonValue } from './json.ts';
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
  /** What the request's `includeObject` asks for: PartialObjectMetadata (the default), the object, or nothing. */
  readonly object?: JsonObject;
}

export type IncludeObject = 'Metadata' | 'Object' | 'None';

export interface TableOptions {
  /** Milliseconds since the epoch; ages count up to it. */
  readonly now: number;
  readonly includeObject?: IncludeObject;
}

/** The columns and rows of a meta.k8s.io/v1 Table. */
export function tableRows(
  resource: ResourceDeclaration,
  objects: readonly JsonObject[],
  options: TableOptions,
): { columnDefinitions: TableColumnDefinition[]; rows: TableRow[] } {
  const { now, includeObject = 'Metadata' } = options;
  return {
    columnDefinitions: resource.columns.map((column) => ({
      name: column.name,
      type: column.type,
      format: column.format ?? '',
      description: '',
      priority: column.priority ?? 0,
    })),
    rows: objects.map((object) => {
      const cells = resource.columns.map((column) => column.cell(object, now));
      if (includeObject === 'None') return { cells };
      return { cells, object: includeObject === 'Object' ? object : partialMetadata(object) };
    }),
  };
}

/** metadata alone, as kubectl wants it for names and namespaces. */
export function partialMetadata(object: JsonObject): JsonObject {
  return {
    kind: 'PartialObjectMetadata',
    apiVersion: 'meta.k8s.io/v1',
    metadata: objectAt(object, 'metadata'),
  };
}

/** `namespace/name`, or `name`. */
export function objectKey(object: JsonObject): string {
  const namespace = stringAt(object, 'metadata', 'namespace');
  const name = stringAt(object, 'metadata', 'name');
  return namespace === '' ? name : `${namespace}/${name}`;
}
