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

const METHODS = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch'] as const;
const SCHEMAS = '#/components/schemas/';

/** Long work that can stop at each `yield`. Each document is made, the same way, when the one before it is no longer needed. */
export function* openApiV2(
  documents: Iterable<Generator<void, JsonObject>>,
  version: string,
): Generator<void, JsonObject> {
  const paths: JsonObject = {};
  const definitions: JsonObject = {};
  const waiting: (() => void)[] = [];
  for (const making of documents) {
    const document = yield* making;
    for (const [path, item] of Object.entries(objectAt(document, 'paths'))) {
      if (isJsonObject(item)) paths[path] = pathItem(item);
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
  return {
    swagger: '2.0',
    info: { title: 'Kubernetes', version },
    paths: yield* sorted(paths),
    definitions: yield* sorted(definitions),
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

const KINDS = 'x-kubernetes-group-version-kind';

/** A message that several group versions share has all of their kinds. */
function withKinds(schema: JsonObject, other: JsonValue | undefined): JsonObject {
  const kinds = new Map(
    [...listAt(other, KINDS), ...listAt(schema, KINDS)].map((kind) => [JSON.stringify(kind), kind]),
  );
  return kinds.size === 0 ? schema : { ...schema, [KINDS]: [...kinds.values()] };
}

function pathItem(item: JsonObject): JsonObject {
  const result: JsonObject = {};
  for (const method of METHODS) {
    const operation = getOwn(item, method);
    if (isJsonObject(operation)) result[method] = operationOf(operation);
  }
  result['parameters'] = listAt(item, 'parameters').map((each) => parameter(each));
  return result;
}

function operationOf(operation: JsonObject): JsonObject {
  const content = objectAt(operation, 'requestBody', 'content');
  const types = Object.keys(content);
  const body = types[0] === undefined ? undefined : objectAt(content, types[0], 'schema');
  const answers: JsonObject = {};
  let produces: string[] = [];
  for (const [code, answer] of Object.entries(objectAt(operation, 'responses'))) {
    const offered = objectAt(answer, 'content');
    const [type] = Object.keys(offered);
    produces = Object.keys(offered);
    answers[code] = {
      description: stringAt(answer, 'description'),
      ...(type !== undefined && { schema: schemaOf(objectAt(offered, type, 'schema')) }),
    };
  }
  return {
    ...(types.length > 0 && { consumes: types }),
    ...(produces.length > 0 && { produces }),
    parameters: [
      ...(body === undefined ? [] : [{ name: 'body', in: 'body', required: true, schema: schemaOf(body) }]),
      ...listAt(operation, 'parameters').map((each) => parameter(each)),
    ],
    responses: answers,
    ...Object.fromEntries(Object.entries(operation).filter(([name]) => name.startsWith('x-'))),
  };
}

function parameter(from: JsonValue): JsonObject {
  const { schema, ...rest } = from as JsonObject;
  return { ...rest, ...objectAt(schema) };
}

const PRESERVE = 'x-kubernetes-preserve-unknown-fields';

/**
 * Version 2 knows no `oneOf`, and nothing may stand beside a reference. Where anything may be, nothing is said of what is
 * there: kubectl would take it for all there can be. Properties may be filled in later.
 */
function schemaOf(schema: JsonObject, later: (work: () => void) => void = (work) => work()): JsonObject {
  const { allOf, oneOf, anyOf: _anyOf, nullable, not: _not, ...rest } = schema;
  const reference = stringAt(schema, '$ref');
  if (reference !== '') return { $ref: reference.replace(SCHEMAS, '#/definitions/') };
  if (rest[PRESERVE] === true && rest[KINDS] !== undefined) return { type: 'object', [KINDS]: rest[KINDS] };
  if (nullable === true || rest[PRESERVE] === true) {
    delete rest['items'];
    delete rest['properties'];
    if (nullable === true || rest['type'] !== 'string') delete rest['type'];
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
