import type { JsonObject } from '../json.ts';
import { operationId, tagOf } from './operation-names.ts';
import { inOrder, keyOf } from './parameters.ts';
import type { Route } from './routes.ts';
import type { SchemaCollector, Steps } from './schemas.ts';

const CODES = { 200: 'OK', 201: 'Created', 202: 'Accepted' } as const;

/** Routes by path: parameters that all methods of a path have stand beside these. Stops after each path. */
export function* pathsOf(routes: readonly Route[], schemas: SchemaCollector): Steps {
  const paths: JsonObject = {};
  for (const [path, own] of Map.groupBy(routes, (route) => route.path)) {
    const keys = own.map(({ parameters }) => new Set(parameters.map((one) => keyOf(one))));
    const isShared = (one: JsonObject): boolean => keys.every((set) => set.has(keyOf(one)));
    const item: JsonObject = {};
    for (const route of own) {
      item[route.method] = operation(
        route,
        route.parameters.filter((one) => !isShared(one)),
        schemas,
      );
    }
    const shared = inOrder(own[0]!.parameters.filter((one) => isShared(one)));
    paths[path] = { ...item, ...(shared.length > 0 && { parameters: shared }) };
    yield;
  }
  return paths;
}

function operation(route: Route, parameters: readonly JsonObject[], schemas: SchemaCollector): JsonObject {
  const { path, verb, noun, action, gvk, body, answer, consumes, produces } = route;
  const schema = answer === undefined ? { type: 'string' } : schemas.kind(answer);
  const responses: JsonObject = {};
  for (const code of route.codes)
    responses[code] = { description: CODES[code], content: content(produces, schema) };
  return {
    tags: [tagOf(path)],
    operationId: operationId(path, verb, noun),
    ...(parameters.length > 0 && { parameters: inOrder(parameters) }),
    ...(body !== undefined && {
      requestBody: {
        content: content(consumes, schemas.kind(body.kind)),
        ...(body.required && { required: true }),
      },
    }),
    responses: { ...responses, '401': { description: 'Unauthorized' } },
    ...(action !== undefined && { 'x-kubernetes-action': action }),
    ...(gvk !== undefined && { 'x-kubernetes-group-version-kind': { ...gvk } }),
  };
}

function content(types: readonly string[], schema: JsonObject): JsonObject {
  return Object.fromEntries(types.map((type) => [type, { schema }]));
}
