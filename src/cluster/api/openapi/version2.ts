/** OpenAPI v2 (Swagger) of everything, made of the v3 documents: older clients and helm's charts still ask for it. */
import {
  getOwn,
  isJsonObject,
  listAt,
  objectAt,
  setOwn,
  stringAt,
  type JsonObject,
  type JsonValue,
} from '../json.ts';
import { OPENAPI_INFO, SECURITY_SCHEMES } from './about.ts';
import { serverOptionVersions } from './option-versions.ts';
import { inOrder } from './parameters.ts';
import { TEXTUAL } from './routes.ts';
import { KINDS, META, OPTION_KINDS } from './schemas.ts';
import { SharedParameters } from './shared-parameters.ts';

const METHODS = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch'] as const;
const SCHEMAS = '#/components/schemas/';

/** Long work that can stop at each `yield`. Each document is made, the same way, when the one before it is no longer needed. */
export function* openApiV2(documents: Iterable<Generator<void, JsonObject>>): Generator<void, JsonObject> {
  const paths: JsonObject = {};
  const parameters = new SharedParameters();
  const definitions: JsonObject = {};
  const waiting: (() => void)[] = [];
  for (const making of documents) {
    const document = yield* making;
    for (const [path, item] of Object.entries(objectAt(document, 'paths'))) {
      if (isJsonObject(item)) paths[path] = pathItem(item, parameters);
      yield;
    }
    for (const [name, schema] of Object.entries(objectAt(document, 'components', 'schemas'))) {
      if (!isJsonObject(schema)) continue;
      definitions[name] = withKinds(
        schemaOf(schema, (work) => void waiting.push(work)),
        definitions[name],
      );
      yield;
      for (let work = waiting.pop(); work !== undefined; work = waiting.pop()) {
        work();
        yield;
      }
    }
  }
  for (const name of OPTION_KINDS) {
    const options = definitions[`${META}.${name}`];
    if (isJsonObject(options)) options[KINDS] = serverOptionVersions().map((of) => ({ ...of, kind: name }));
  }
  return {
    swagger: '2.0',
    info: OPENAPI_INFO,
    paths: yield* sorted(paths),
    definitions: yield* sorted(definitions),
    parameters: yield* sorted(parameters.shared),
    securityDefinitions: SECURITY_SCHEMES,
    security: [{ BearerToken: [] }],
  };
}

function* sorted(object: JsonObject): Generator<void, JsonObject> {
  const result: JsonObject = {};
  for (const key of Object.keys(object).toSorted()) {
    result[key] = object[key]!;
    yield;
  }
  return result;
}

/** A message that several group versions share has all of their kinds. */
function withKinds(schema: JsonObject, other: JsonValue | undefined): JsonObject {
  const kinds = new Map(
    [...listAt(other, KINDS), ...listAt(schema, KINDS)].map((kind) => [JSON.stringify(kind), kind]),
  );
  return kinds.size === 0 ? schema : { ...schema, [KINDS]: [...kinds.values()] };
}

function pathItem(item: JsonObject, shared: SharedParameters): JsonObject {
  const result: JsonObject = {};
  for (const method of METHODS) {
    const operation = getOwn(item, method);
    if (isJsonObject(operation)) result[method] = operationOf(operation, shared);
  }
  const own = listAt(item, 'parameters').map((each) => shared.get(parameter(each)));
  return own.length > 0 ? { ...result, parameters: own } : result;
}

function operationOf(operation: JsonObject, shared: SharedParameters): JsonObject {
  const { parameters, requestBody, responses, ...rest } = operation;
  const content = objectAt(requestBody, 'content');
  const [type] = Object.keys(content);
  const own = listAt(parameters).map((each) => parameter(each));
  if (type !== undefined) {
    const required = getOwn(requestBody as JsonObject, 'required') === true;
    const schema = schemaOf(objectAt(content, type, 'schema'));
    own.push({ name: 'body', in: 'body', ...(required && { required }), schema });
  }
  const answers: JsonObject = {};
  for (const [code, answer] of Object.entries(objectAt(responses))) {
    const [offered] = Object.values(objectAt(answer, 'content'));
    const schema = isJsonObject(offered) ? { schema: schemaOf(objectAt(offered, 'schema')) } : {};
    answers[code] = { description: stringAt(answer, 'description'), ...schema };
  }
  const produces = Object.keys(objectAt(responses, '200', 'content'));
  const consumes = type === undefined ? consumedOf(operation, produces) : Object.keys(content);
  return {
    ...rest,
    ...(consumes.length > 0 && { consumes }),
    produces,
    schemes: ['https'],
    ...(own.length > 0 && { parameters: inOrder(own).map((each) => shared.get(each)) }),
    responses: answers,
  };
}

/** Said of what has no body as well: of resources anything, where it is no user's definition; else what is answered. */
function consumedOf(operation: JsonObject, produces: string[]): string[] {
  if (operation['x-kubernetes-action'] !== undefined) {
    const custom = produces.length === TEXTUAL.length && produces.every((type) => TEXTUAL.includes(type));
    return custom ? produces : ['*/*'];
  }
  const answer = objectAt(operation, 'responses', '200', 'content', produces[0] ?? '', 'schema');
  return stringAt(answer, 'type') === 'string' ? [] : produces;
}

function parameter(from: JsonValue): JsonObject {
  const { schema, ...rest } = from as JsonObject;
  return { ...rest, ...objectAt(schema) };
}

const PRESERVE = 'x-kubernetes-preserve-unknown-fields';
const EMBEDDED = 'x-kubernetes-embedded-resource';

/**
 * Version 2 knows no `oneOf`, and nothing may stand beside a reference. Where anything may be, nothing is said of what is
 * there: kubectl would take it for all there can be. Properties may be filled in later.
 */
function schemaOf(schema: JsonObject, later: (work: () => void) => void = (work) => work()): JsonObject {
  const { allOf, oneOf, anyOf: _anyOf, nullable, not: _not, default: _default, ...rest } = schema;
  const reference = stringAt(schema, '$ref');
  if (reference !== '') return { $ref: reference.replace(SCHEMAS, '#/definitions/') };
  if (rest[PRESERVE] === true && rest[KINDS] !== undefined) return { type: 'object', [KINDS]: rest[KINDS] };
  if (nullable === true || rest[PRESERVE] === true) {
    delete rest['items'];
    delete rest['properties'];
    if (nullable === true || rest['type'] !== 'string') delete rest['type'];
    if (rest[EMBEDDED] === true) delete rest['required'];
  }
  const [only, ...more] = Array.isArray(allOf) ? allOf : [];
  const inner = only !== undefined && more.length === 0 && isJsonObject(only) ? schemaOf(only, later) : {};
  const result: JsonObject = { ...rest, ...inner };
  if (oneOf !== undefined && result['type'] === undefined) result['type'] = 'string';
  const { properties } = rest;
  if (isJsonObject(properties)) {
    const own: JsonObject = {};
    result['properties'] = own;
    later(() => {
      for (const [name, each] of Object.entries(properties))
        setOwn(own, name, isJsonObject(each) ? schemaOf(each, later) : {});
    });
  }
  for (const name of ['items', 'additionalProperties']) {
    const nested = rest[name];
    if (isJsonObject(nested)) result[name] = schemaOf(nested, later);
  }
  return result;
}
