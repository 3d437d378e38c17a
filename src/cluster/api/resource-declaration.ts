import type { JsonObject, JsonValue } from './json.ts';

export type Verb = 'create' | 'delete' | 'deletecollection' | 'get' | 'list' | 'patch' | 'update' | 'watch';

/** A column of kubectl's table; priority 1 shows only with `-o wide`. */
export interface PrinterColumn {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'number' | 'boolean' | 'date';
  /** `name`, or what a definition says. */
  readonly format?: string;
  readonly priority?: number;
  /** What a definition says of its column; the others have theirs in printers/descriptions.ts. */
  readonly description?: string;
  /** `now` in milliseconds since the epoch. */
  readonly cell: (object: JsonObject, now: number) => JsonValue;
}

export interface SubresourceDeclaration {
  /** `status`, `scale`, `log`, `binding`, `eviction`, … */
  readonly name: string;
  /** The kind that it reads and writes, when it is not the resource's own. */
  readonly kind?: { readonly group: string; readonly version: string; readonly kind: string };
  readonly verbs: readonly ('create' | 'get' | 'patch' | 'update' | 'delete')[];
}

/** Where a scale subresource finds its numbers: paths of property names. */
export interface ScalePaths {
  readonly specReplicas: readonly string[];
  readonly statusReplicas: readonly string[];
  readonly labelSelector: readonly string[];
}

/** One served resource in one version. */
export interface ResourceDeclaration {
  /** '' for core. */
  readonly group: string;
  readonly version: string;
  /** Plural, as in paths. */
  readonly resource: string;
  readonly singular: string;
  readonly kind: string;
  readonly listKind: string;
  readonly shortNames: readonly string[];
  /** `all` is what `kubectl get all` asks for. */
  readonly categories: readonly string[];
  readonly namespaced: boolean;
  readonly verbs: readonly Verb[];
  readonly subresources: readonly SubresourceDeclaration[];
  readonly scale?: ScalePaths;
  readonly columns: readonly PrinterColumn[];
  /** What a row of the table says beside its cells: meta/v1 TableRowCondition. */
  readonly rowConditions?: (object: JsonObject) => JsonObject[] | undefined;
  /** Compares the rows of a list's table; they are by key when absent. */
  readonly rowOrder?: (a: JsonObject, b: JsonObject) => number;
  /** `spec.nodeName`: field selectors beside metadata.name and metadata.namespace. */
  readonly selectableFields: readonly string[];
  /** The group and resource under which objects are stored, and the version they are stored in. */
  readonly storage: { readonly group: string; readonly version: string; readonly resource: string };
  /** `status` may only be written through the status subresource, `spec` only outside it. */
  readonly hasStatus: boolean;
  /** Reads the schema of a user's definition, which may be large; absent for a published kind. */
  readonly openApi?: () => JsonObject;
  /** Goes to whoever uses this version, as a warning. */
  readonly deprecation?: string;
  /** A delete is answered with the object, not with a status. */
  readonly returnsDeleted?: boolean;
  /** Questions that are answered and not kept: reviews. */
  readonly virtual: boolean;
  /** metadata.generation counts changes of `spec`. */
  readonly hasGeneration: boolean;
}
