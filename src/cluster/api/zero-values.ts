/** Zero values: what Go leaves out when it writes an object, and what it writes where nothing was set. */
import { isJsonObject, type JsonObject, type JsonValue } from './json.ts';
import type { FieldSchema, MessageSchema } from './schema.ts';

/** Go leaves a field out that has its zero value, unless it is a pointer or says that it does not want to be. */
export function isLeftOut(value: JsonValue, { pointer, always, kind }: FieldSchema): boolean {
  if (typeof value !== 'object')
    return !always && !pointer && (value === '' || value === 0 || value === false);
  // Upstream's storage cannot tell an empty list from none; an empty list that is a value of any JSON is one.
  if (Array.isArray(value)) return kind === 'list' && value.length === 0;
  return !always && kind === 'map' && isJsonObject(value) && isEmptyObject(value);
}

function isEmptyObject(value: JsonObject): boolean {
  for (const key in value) if (Object.hasOwn(value, key)) return false;
  return true;
}

/** What Go writes of a field that nobody has set, or of an element of it. */
export function zeroOf(field: FieldSchema): JsonValue {
  if (field.type === 'duration') return '0s';
  if (field.type === 'intOrString') return 0;
  const zero = zeroValue(field);
  if (field.message !== undefined && isJsonObject(zero)) fillZeros(zero, field.message);
  return zero;
}

/** Adds what Go would write though nothing is in it. */
export function fillZeros(object: JsonObject, { filled }: MessageSchema): void {
  for (const field of filled) if (object[field.name] === undefined) object[field.name] = zeroOf(field);
}

/** What Go makes of a null inside a list or a map. */
export function zeroValue(field: FieldSchema): JsonValue {
  switch (field.type) {
    case 'boolean':
      return false;
    case 'int32':
    case 'int64':
    case 'double':
      return 0;
    case 'message':
    case 'fields':
      return {};
    case 'quantity':
      return '0';
    case 'strings':
      return [];
    case 'json':
    case 'raw':
      return null;
    default:
      return '';
  }
}
