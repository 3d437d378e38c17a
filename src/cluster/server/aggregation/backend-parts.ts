/** What backends say in OpenAPI v2: of each what concerns its service, and all of it in one document with this server's own. */
import {
  getOwn,
  isJsonObject,
  objectAt,
  setOwn,
  stringAt,
  type JsonObject,
  type JsonValue,
} from '../../api/json.ts';

const DEFINITION = '#/definitions/';
const PARAMETER = '#/parameters/';

/** The service's paths, and the definitions that they lead to. */
export function partOf(
  document: JsonObject,
  { group, version }: { readonly group: string; readonly version: string },
): JsonObject {
  const root = `/apis/${group}/${version}/`;
  const paths: JsonObject = {};
  for (const [path, item] of entries(objectAt(document, 'paths'))) {
    if (`${path}/`.startsWith(root))
      setOwn(paths, path, withParameters(item, objectAt(document, 'parameters')));
  }
  const definitions: JsonObject = {};
  const open = [...references(paths)];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    const definition = getOwn(objectAt(document, 'definitions'), name);
    if (definition === undefined || getOwn(definitions, name) !== undefined) continue;
    setOwn(definitions, name, definition);
    open.push(...references(definition));
  }
  const { info, consumes, produces } = document;
  return {
    paths,
    definitions,
    ...(info !== undefined && { info }),
    ...(consumes !== undefined && { consumes }),
    ...(produces !== undefined && { produces }),
  };
}

/** A path, or one of its methods, with the parameters that it shares with others in full. */
function withParameters(value: JsonValue, shared: JsonObject): JsonValue {
  if (!isJsonObject(value)) return value;
  const result: JsonObject = {};
  for (const [key, item] of entries(value)) {
    const own = key === 'parameters' && Array.isArray(item);
    setOwn(result, key, own ? item.map((one) => parameterOf(one, shared)) : withParameters(item, shared));
  }
  return result;
}

function parameterOf(one: JsonValue, shared: JsonObject): JsonValue {
  const target = stringAt(one, '$ref');
  return (target.startsWith(PARAMETER) ? getOwn(shared, target.slice(PARAMETER.length)) : undefined) ?? one;
}

function* references(value: JsonValue): Generator<string> {
  if (Array.isArray(value)) for (const item of value) yield* references(item);
  if (!isJsonObject(value)) return;
  const target = value['$ref'];
  if (typeof target === 'string' && target.startsWith(DEFINITION)) yield target.slice(DEFINITION.length);
  for (const [, item] of entries(value)) yield* references(item);
}

/** This server's document with those of backends. */
export function merged(own: JsonObject, parts: readonly JsonObject[]): JsonObject {
  if (parts.length === 0) return own;
  const paths = { ...objectAt(own, 'paths') };
  const definitions = { ...objectAt(own, 'definitions') };
  for (const part of parts) {
    const renamed = new Map<string, string>();
    for (const name of Object.keys(objectAt(part, 'definitions'))) {
      // The machinery's own are the same everywhere; of others, two may have the same name.
      if (getOwn(definitions, name) !== undefined && !name.startsWith('io.k8s.apimachinery.')) {
        renamed.set(name, freeName(name, definitions));
      }
    }
    for (const [name, definition] of entries(objectAt(part, 'definitions'))) {
      if (getOwn(definitions, name) !== undefined && !renamed.has(name)) continue;
      setOwn(definitions, renamed.get(name) ?? name, withNames(definition, renamed));
    }
    for (const [path, item] of entries(objectAt(part, 'paths'))) {
      if (getOwn(paths, path) === undefined) setOwn(paths, path, withNames(item, renamed));
    }
  }
  return { ...own, paths, definitions };
}

function freeName(name: string, taken: JsonObject): string {
  let free = `${name}_v2`;
  for (let at = 3; getOwn(taken, free) !== undefined; at++) free = `${name}_v${at}`;
  return free;
}

function withNames(value: JsonValue, renamed: ReadonlyMap<string, string>): JsonValue {
  if (renamed.size === 0) return value;
  if (Array.isArray(value)) return value.map((item) => withNames(item, renamed));
  if (!isJsonObject(value)) return value;
  const result: JsonObject = {};
  for (const [key, item] of entries(value)) {
    const target = key === '$ref' && typeof item === 'string' ? item : undefined;
    const name = target === undefined ? undefined : renamed.get(target.slice(DEFINITION.length));
    setOwn(result, key, name === undefined ? withNames(item, renamed) : `${DEFINITION}${name}`);
  }
  return result;
}

function entries(object: JsonObject): (readonly [string, JsonValue])[] {
  return Object.keys(object).map((name) => [name, getOwn(object, name) ?? null]);
}
