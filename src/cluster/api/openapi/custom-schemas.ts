/** Schemas of what users define, as upstream shows them (apiextensions-apiserver/pkg/controller/openapi/builder). */
import { isJsonObject, listAt, setOwn, type JsonObject } from '../json.ts';
import type { ResourceDeclaration } from '../resource-declaration.ts';
import { descriptionInKind } from './descriptions.ts';
import { described, KINDS, reference, type SchemaCollector, type Steps } from './schemas.ts';

/** Makes a definition's kind and list known. */
export function defineCustom(resource: ResourceDeclaration, schemas: SchemaCollector): void {
  const { group, version, kind, listKind } = resource;
  schemas.define({ group, version, kind }, nameOf(resource, kind), () => customSchema(resource, schemas));
  schemas.define({ group, version, kind: listKind }, nameOf(resource, listKind), () =>
    customList(resource, schemas),
  );
}

/** `com.example.v1.Widget` for Widget of example.com/v1. */
function nameOf({ group, version }: ResourceDeclaration, kind: string): string {
  return `${group.split('.').toReversed().join('.')}.${version}.${kind}`;
}

function* customSchema(resource: ResourceDeclaration, schemas: SchemaCollector): Steps {
  const metadata = inKind('metadata', { allOf: [schemas.metadata('PartialObjectMetadata')] });
  const schema = yield* unfolded(resource.openApi?.() ?? {}, metadata);
  const properties = isJsonObject(schema['properties']) ? schema['properties'] : {};
  return {
    ...schema,
    properties: { ...properties, ...HEAD, metadata },
    ...extensionsOf(resource, resource.kind),
  };
}

function* customList(resource: ResourceDeclaration, schemas: SchemaCollector): Steps {
  yield;
  return {
    type: 'object',
    properties: {
      ...HEAD,
      metadata: inKind('metadata', { allOf: [schemas.metadata('PartialObjectMetadataList')] }),
      items: inKind('items', { type: 'array', items: reference(nameOf(resource, resource.kind)) }),
    },
    required: ['items'],
    ...extensionsOf(resource, resource.listKind),
  };
}

function inKind(field: string, schema: JsonObject): JsonObject {
  return { ...described(descriptionInKind('', field)), ...schema };
}

const HEAD: JsonObject = {
  apiVersion: inKind('apiVersion', { type: 'string' }),
  kind: inKind('kind', { type: 'string' }),
};

function extensionsOf({ group, version, selectableFields }: ResourceDeclaration, kind: string): JsonObject {
  return {
    [KINDS]: [{ group, version, kind }],
    ...(selectableFields.length > 0 && {
      'x-kubernetes-selectable-fields': selectableFields.map((fieldPath) => ({ fieldPath })),
    }),
  };
}

const EITHER = [{ type: 'integer' }, { type: 'string' }];

/** A schema with what its extensions mean: what may be either of two types, and what a whole object in it has. */
function* unfolded(schema: JsonObject, metadata: JsonObject): Steps {
  yield;
  const result = { ...schema };
  const { properties } = schema;
  if (isJsonObject(properties)) {
    const own: JsonObject = {};
    for (const [name, each] of Object.entries(properties))
      if (isJsonObject(each)) setOwn(own, name, yield* unfolded(each, metadata));
    result['properties'] = own;
  }
  for (const name of ['items', 'additionalProperties']) {
    const each = schema[name];
    if (isJsonObject(each)) result[name] = yield* unfolded(each, metadata);
  }
  if (schema['x-kubernetes-int-or-string'] === true) result['anyOf'] ??= EITHER;
  if (schema['x-kubernetes-embedded-resource'] === true) {
    const own = isJsonObject(result['properties']) ? result['properties'] : {};
    result['properties'] = { ...own, ...HEAD, metadata };
    result['required'] = [...new Set([...listAt(schema, 'required'), 'kind', 'apiVersion'])];
  }
  return result;
}
