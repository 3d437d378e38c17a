/** How a cached object is shown: in the version and shape that a client asked for. */
import type { Clock } from '../../base/clock.ts';
import { partialMetadata, tableRows } from '../api/table.ts';
import { badRequest } from './failure.ts';
import { negotiateShape, type Shape } from './negotiate.ts';
import type { KubeObject } from './object.ts';
import type { Resource } from './resource.ts';
import type { CachedObject } from './watch-cache.ts';

/** The shared object in the resource's version: read only. */
export function objectOf(resource: Resource, cached: CachedObject): KubeObject {
  return resource.conversion === undefined ? cached.object : resource.conversion.fromStorage(cached.object);
}

export function bytesOf(resource: Resource, cached: CachedObject): Uint8Array {
  return resource.conversion === undefined ? cached.bytes : toBytes(objectOf(resource, cached));
}

export function toBytes(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}

/** What rows of a table carry beside their cells. */
export type IncludeObject = 'Metadata' | 'Object' | 'None';

export interface View {
  readonly shape: Shape;
  /** Names the encoding, for sharing encoded events. */
  readonly form: string;
  readonly encode: (object: CachedObject) => Uint8Array;
  readonly include: IncludeObject;
}

/** The view that the Accept header and the query of a request ask for. */
export function viewFor(options: {
  readonly resource: Resource;
  readonly accept: string | undefined;
  readonly query: URLSearchParams;
  readonly clock: Clock;
}): View {
  const { resource, accept, query, clock } = options;
  const shape = negotiateShape(accept);
  const include = includeOf(query);
  if (shape === 'object') {
    return { shape, form: resource.apiVersion, include, encode: (object) => bytesOf(resource, object) };
  }
  if (shape === 'metadata') {
    const encode = (object: CachedObject): Uint8Array => toBytes(partialMetadata(object.object));
    return { shape, form: 'metadata', include, encode };
  }
  const encode = (object: CachedObject): Uint8Array => {
    const now = clock.now();
    return tableOf({ resource, objects: [object], include, now, metadata: versionOf(object.revision) });
  };
  return { shape, form: `table ${resource.apiVersion} ${include}`, include, encode };
}

function includeOf(query: URLSearchParams): IncludeObject {
  const value = query.get('includeObject') ?? '';
  if (value === '') return 'Metadata';
  if (value === 'None' || value === 'Metadata' || value === 'Object') return value;
  throw badRequest(`invalid value for includeObject: ${JSON.stringify(value)}`);
}

export function versionOf(revision: number): Record<string, unknown> {
  return { resourceVersion: String(revision) };
}

export function tableOf(options: {
  readonly resource: Resource;
  readonly objects: readonly CachedObject[];
  readonly include: IncludeObject;
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly metadata: Record<string, unknown>;
}): Uint8Array {
  const { resource, objects, include, now, metadata } = options;
  const shown = objects.map((object) => objectOf(resource, object));
  const table = tableRows(resource.declaration, shown, now);
  const rows = table.rows.map(({ cells, object }) => {
    if (include === 'None') return { cells };
    return { cells, object: include === 'Object' ? object : partialMetadata(object) };
  });
  return toBytes({ kind: 'Table', apiVersion: 'meta.k8s.io/v1', metadata, ...table, rows });
}
