/** Objects in the order in which Go writes them, for texts that show them. */
import { isJsonObject, setOwn, type JsonObject, type JsonValue } from './json.ts';
import type { FieldSchema, MessageSchema } from './schema.ts';

/** Members in the order of the type, keys of maps by name, and null where Go writes a list or the like that nobody has set. */
export function inGoOrder(object: JsonObject, message: MessageSchema): JsonObject {
  const result: JsonObject = {};
  // What every object says of itself stands first, and the kind before the version.
  if (message.isKind)
    for (const name of ['kind', 'apiVersion']) if (object[name] !== undefined) result[name] = object[name];
  for (const [name, field] of message.fields) {
    const value = object[name];
    if (Object.hasOwn(result, name)) continue;
    if (value !== undefined) result[name] = fieldInOrder(value, field);
    else if (field.always && !message.filled.includes(field)) result[name] = null;
  }
  return result;
}

function fieldInOrder(value: JsonValue, { kind, message }: FieldSchema): JsonValue {
  const each = (item: JsonValue): JsonValue =>
    message !== undefined && isJsonObject(item) ? inGoOrder(item, message) : item;
  if (kind === 'list') return Array.isArray(value) ? value.map(each) : value;
  if (kind === 'single' || !isJsonObject(value)) return each(value);
  return byName(value, each);
}

/** All members by name, however deep. */
export function sortedMembers(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map((item) => sortedMembers(item));
  return isJsonObject(value) ? byName(value, sortedMembers) : value;
}

/** Members by name, each made another. */
export function byName(object: JsonObject, each: (item: JsonValue, name: string) => JsonValue): JsonObject {
  const result: JsonObject = {};
  for (const name of Object.keys(object).toSorted((one, other) => (one < other ? -1 : 1)))
    setOwn(result, name, each(object[name] ?? null, name));
  return result;
}

const IN_TEXT: Readonly<Record<string, string>> = {
  '<': '\\u003c',
  '>': '\\u003e',
  '&': '\\u0026',
  '\u2028': '\\u2028',
  '\u2029': '\\u2029',
};

/** JSON as Go writes it, fit for HTML. */
export function goJson(value: JsonValue): string {
  return JSON.stringify(value).replaceAll(
    /[<>&\u2028\u2029]/g,
    (character) => IN_TEXT[character] ?? character,
  );
}
