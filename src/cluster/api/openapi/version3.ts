/** OpenAPI v3 made of v2, for servers that only know the older one: kubectl explains by v3. */
import { getOwn, isJsonObject, listAt, setOwn, stringAt, type JsonObject, type JsonValue } from '../json.ts';

const METHODS = new Set(['get', 'put', 'post', 'delete', 'options', 'head', 'patch']);
const DEFINITIONS = '#/definitions/';
/** Of a parameter that is none of the body: what describes the parameter, not its value. */
const OF_PARAMETER = new Set(['name', 'in', 'description', 'required', 'allowEmptyValue']);

export function openApiV3Of(document: JsonObject): JsonObject {
  const types = {
    consumes: textsAt(document, 'consumes'),
    produces: textsAt(document, 'produces'),
  };
  return {
    openapi: '3.0.0',
    info: getOwn(document, 'info') ?? { title: 'Kubernetes', version: 'unversioned' },
    paths: mapped(getOwn(document, 'paths'), (item) => pathItem(item, types)),
    components: { schemas: mapped(getOwn(document, 'definitions'), withReferences) },
  };
}

interface MediaTypes {
  readonly consumes: readonly string[];
  readonly produces: readonly string[];
}

function pathItem(item: JsonValue, types: MediaTypes): JsonValue {
  const result: JsonObject = {};
  for (const [name, value] of entries(item)) {
    if (METHODS.has(name) && isJsonObject(value)) setOwn(result, name, operation(value, types));
    else if (name === 'parameters') result[name] = parameters(value);
    else if (name.startsWith('x-')) setOwn(result, name, value);
  }
  return result;
}

function operation(from: JsonObject, types: MediaTypes): JsonObject {
  const { parameters: sent, responses, consumes: _consumes, produces: _produces, schemes: _, ...rest } = from;
  const own = (key: keyof MediaTypes): readonly string[] => {
    const listed = textsAt(from, key);
    return listed.length > 0 ? listed : types[key];
  };
  const body = listAt(sent).find((one) => stringAt(one, 'in') === 'body');
  const content = (schema: JsonValue | undefined, media: readonly string[]): JsonObject =>
    Object.fromEntries(
      media.map((type) => [type, schema === undefined ? {} : { schema: withReferences(schema) }]),
    );
  return {
    ...rest,
    ...(sent !== undefined && { parameters: parameters(sent) }),
    ...(isJsonObject(body) && {
      requestBody: {
        content: content(getOwn(body, 'schema'), own('consumes')),
        ...(body['required'] === true && { required: true }),
      },
    }),
    responses: mapped(responses, (answer) => {
      const schema = isJsonObject(answer) ? getOwn(answer, 'schema') : undefined;
      const description = stringAt(answer, 'description');
      return { description, ...(schema !== undefined && { content: content(schema, own('produces')) }) };
    }),
  };
}

function parameters(list: JsonValue | undefined): JsonValue[] {
  return listAt(list)
    .filter((one) => isJsonObject(one) && !['body', 'formData'].includes(stringAt(one, 'in')))
    .map((one) => {
      const [about, schema]: [JsonObject, JsonObject] = [{}, {}];
      for (const [name, value] of entries(one)) setOwn(OF_PARAMETER.has(name) ? about : schema, name, value);
      return { ...about, schema };
    });
}

function withReferences(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map((item) => withReferences(item));
  if (!isJsonObject(value)) return value;
  const result: JsonObject = {};
  for (const [name, item] of entries(value)) {
    const leads = name === '$ref' && typeof item === 'string' && item.startsWith(DEFINITIONS);
    setOwn(
      result,
      name,
      leads ? `#/components/schemas/${item.slice(DEFINITIONS.length)}` : withReferences(item),
    );
  }
  return result;
}

function mapped(object: JsonValue | undefined, change: (value: JsonValue) => JsonValue): JsonObject {
  const result: JsonObject = {};
  for (const [name, value] of entries(object)) setOwn(result, name, change(value));
  return result;
}

function entries(value: JsonValue | undefined): (readonly [string, JsonValue])[] {
  if (!isJsonObject(value)) return [];
  return Object.keys(value).map((name) => [name, getOwn(value, name) ?? null]);
}

function textsAt(object: JsonObject, key: string): readonly string[] {
  return listAt(object, key).filter((item): item is string => typeof item === 'string');
}
