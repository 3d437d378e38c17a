import type { JsonObject, JsonValue } from '../json.ts';
import type { ResourceDeclaration, SubresourceDeclaration } from '../resource-declaration.ts';
import type { GroupVersionKind, SchemaCollector } from './schemas.ts';

const MEDIA_TYPES = ['application/json', 'application/yaml'];
const PATCH_TYPES = [
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
  'application/apply-patch+yaml',
];

/** A definition names no merge keys, so there is nothing strategic; clients decide by this list. */
const CUSTOM_PATCH_TYPES = PATCH_TYPES.filter((type) => !type.includes('strategic'));

type ParameterType = 'string' | 'boolean' | 'integer';

function query(name: string, type: ParameterType = 'string'): JsonObject {
  return { name, in: 'query', schema: { type, uniqueItems: true } };
}

function inPath(name: string): JsonObject {
  return { name, in: 'path', required: true, schema: { type: 'string', uniqueItems: true } };
}

const LIST_PARAMETERS = [
  query('allowWatchBookmarks', 'boolean'),
  query('continue'),
  query('fieldSelector'),
  query('labelSelector'),
  query('limit', 'integer'),
  query('resourceVersion'),
  query('resourceVersionMatch'),
  query('sendInitialEvents', 'boolean'),
  query('timeoutSeconds', 'integer'),
  query('watch', 'boolean'),
];
const WRITE_PARAMETERS = [query('dryRun'), query('fieldManager'), query('fieldValidation')];
const DELETE_PARAMETERS = [
  query('dryRun'),
  query('gracePeriodSeconds', 'integer'),
  query('orphanDependents', 'boolean'),
  query('propagationPolicy'),
];
const LOG_PARAMETERS = [
  query('container'),
  query('follow', 'boolean'),
  query('limitBytes', 'integer'),
  query('previous', 'boolean'),
  query('sinceSeconds', 'integer'),
  query('sinceTime'),
  query('tailLines', 'integer'),
  query('timestamps', 'boolean'),
];

interface Operation {
  readonly action: string;
  readonly gvk: GroupVersionKind;
  readonly parameters?: readonly JsonObject[];
  readonly body?: { readonly types: readonly string[]; readonly schema: JsonObject };
  readonly response: JsonObject;
}

function content(types: readonly string[], schema: JsonObject): JsonObject {
  return Object.fromEntries(types.map((type) => [type, { schema }]));
}

function operation({ action, gvk, parameters = [], body, response }: Operation): JsonObject {
  return {
    ...(parameters.length > 0 && { parameters: parameters as JsonValue[] }),
    ...(body === undefined
      ? {}
      : { requestBody: { content: content(body.types, body.schema), required: true } }),
    responses: { '200': { description: 'OK', content: content(MEDIA_TYPES, response) } },
    'x-kubernetes-action': action,
    'x-kubernetes-group-version-kind': { ...gvk },
  };
}

/** Every path of one resource. */
export function resourcePaths(resource: ResourceDeclaration, schemas: SchemaCollector): JsonObject {
  const { group, version, kind } = resource;
  const gvk = { group, version, kind };
  const root = group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
  const collection = `${root}${resource.namespaced ? '/namespaces/{namespace}' : ''}/${resource.resource}`;
  const scope = resource.namespaced ? [inPath('namespace')] : [];
  const list = schemas.kind({ group, version, kind: resource.listKind });
  const item = `${collection}/{name}`;
  const paths: JsonObject = {
    [collection]: {
      ...collectionOperations(resource, { gvk, list, schemas }),
      parameters: [...scope, query('pretty')],
    },
    [item]: {
      ...itemOperations(
        resource.verbs.filter((verb) => verb !== 'create'),
        gvk,
        schemas,
      ),
      parameters: [inPath('name'), ...scope, query('pretty')],
    },
  };
  if (resource.namespaced) {
    paths[`${root}/${resource.resource}`] = {
      get: operation({ action: 'list', gvk, response: list }),
      parameters: [...LIST_PARAMETERS, query('pretty')],
    };
  }
  for (const subresource of resource.subresources) {
    paths[`${item}/${subresource.name}`] = {
      ...subresourceOperations(subresource, gvk, schemas),
      parameters: [inPath('name'), ...scope, query('pretty')],
    };
  }
  return paths;
}

function collectionOperations(
  resource: ResourceDeclaration,
  {
    gvk,
    list,
    schemas,
  }: { readonly gvk: GroupVersionKind; readonly list: JsonObject; readonly schemas: SchemaCollector },
): JsonObject {
  const own = schemas.kind(gvk);
  const result: JsonObject = {
    get: operation({ action: 'list', gvk, parameters: LIST_PARAMETERS, response: list }),
    post: operation({
      action: 'post',
      gvk,
      parameters: WRITE_PARAMETERS,
      body: { types: MEDIA_TYPES, schema: own },
      response: own,
    }),
  };
  if (resource.verbs.includes('deletecollection')) {
    result['delete'] = operation({
      action: 'deletecollection',
      gvk,
      parameters: [...LIST_PARAMETERS.slice(1, 7), ...DELETE_PARAMETERS],
      response: schemas.kind({ group: '', version: 'v1', kind: 'Status' }),
    });
  }
  return result;
}

function itemOperations(
  verbs: readonly string[],
  gvk: GroupVersionKind,
  schemas: SchemaCollector,
): JsonObject {
  const own = schemas.kind(gvk);
  const result: JsonObject = {};
  if (verbs.includes('get')) result['get'] = operation({ action: 'get', gvk, response: own });
  if (verbs.includes('update')) {
    result['put'] = operation({
      action: 'put',
      gvk,
      parameters: WRITE_PARAMETERS,
      body: { types: MEDIA_TYPES, schema: own },
      response: own,
    });
  }
  if (verbs.includes('patch')) {
    result['patch'] = operation({
      action: 'patch',
      gvk,
      parameters: [...WRITE_PARAMETERS, query('force', 'boolean')],
      body: { types: schemas.isCustom(gvk) ? CUSTOM_PATCH_TYPES : PATCH_TYPES, schema: { type: 'object' } },
      response: own,
    });
  }
  if (verbs.includes('delete')) {
    result['delete'] = operation({
      action: 'delete',
      gvk,
      parameters: DELETE_PARAMETERS,
      body: {
        types: MEDIA_TYPES,
        schema: schemas.kind({ group: gvk.group, version: gvk.version, kind: 'DeleteOptions' }),
      },
      response: schemas.kind({ group: '', version: 'v1', kind: 'Status' }),
    });
  }
  if (verbs.includes('create')) {
    // Only subresources are posted to by name; a resource's own items are created in its collection.
    result['post'] = operation({
      action: 'post',
      gvk,
      parameters: WRITE_PARAMETERS,
      body: { types: MEDIA_TYPES, schema: own },
      response: own,
    });
  }
  return result;
}

function subresourceOperations(
  subresource: SubresourceDeclaration,
  parent: GroupVersionKind,
  schemas: SchemaCollector,
): JsonObject {
  if (subresource.name === 'log') {
    return {
      get: operation({
        action: 'get',
        gvk: parent,
        parameters: LOG_PARAMETERS,
        response: { type: 'string' },
      }),
    };
  }
  return itemOperations(subresource.verbs, subresource.kind ?? parent, schemas);
}
