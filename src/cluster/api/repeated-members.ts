/**
 * Members of JSON that come several times, as Go reads them into its types: each is read into what the one before it has left.
 * Structs and maps are joined, lists item by item; of all else the last one counts.
 */
import { getOwn, isJsonObject, setOwn, type JsonObject, type JsonValue } from './json.ts';
import { earlierValues } from './parse-in-slices.ts';
import type { FieldSchema, FieldType, MessageSchema } from './schema.ts';

const SCALARS: Readonly<Partial<Record<FieldType, string>>> = {
  string: 'string',
  boolean: 'boolean',
  int32: 'number',
  int64: 'number',
  double: 'number',
};

/** In place, of what was read in slices. */
export function joinRepeated(object: JsonObject, message: MessageSchema): JsonObject {
  const repeated = earlierValues(object);
  for (const name of Object.keys(object)) {
    const field = message.fields.get(name);
    if (field === undefined) continue;
    const all = [...(repeated?.get(name) ?? []), object[name] ?? null].map((value) => within(value, field));
    setOwn(
      object,
      name,
      all.reduce((before, value) => readInto(before, value, field)),
    );
  }
  return object;
}

function within(value: JsonValue, { kind, message }: FieldSchema): JsonValue {
  if (message === undefined) return value;
  const each = (item: JsonValue): JsonValue => (isJsonObject(item) ? joinRepeated(item, message) : item);
  if (kind === 'single') return each(value);
  if (Array.isArray(value)) return kind === 'list' ? value.map(each) : value;
  if (kind === 'map' && isJsonObject(value))
    for (const name of Object.keys(value)) setOwn(value, name, each(getOwn(value, name) ?? null));
  return value;
}

function readInto(before: JsonValue, value: JsonValue, field: FieldSchema): JsonValue {
  // What is of a wrong type stays, for the decoder to refuse.
  if (before === null || isWrong(before, field)) return before ?? value;
  const { kind, type, message } = field;
  if (kind === 'single') return readOne(before, value, field);
  if (value === null || isWrong(value, field)) return value;
  if (kind === 'map') return { ...(before as JsonObject), ...(value as JsonObject) };
  const items = before as JsonValue[];
  return (value as JsonValue[]).map((item, index) => {
    const old = items[index];
    if (old === undefined) return item;
    return message === undefined && item !== null
      ? item
      : readOne(old, item, { type, message, pointer: false });
  });
}

function readOne(
  before: JsonValue,
  value: JsonValue,
  { type, pointer, message }: Pick<FieldSchema, 'type' | 'pointer' | 'message'>,
): JsonValue {
  const keepsItself = type === 'message' || SCALARS[type] !== undefined;
  if (value === null) return keepsItself && !pointer ? before : null;
  if (message === undefined || type !== 'message' || !isJsonObject(before) || !isJsonObject(value))
    return value;
  const joined = { ...before };
  for (const [name, item] of Object.entries(value)) {
    const field = message.fields.get(name);
    const old = getOwn(joined, name);
    setOwn(joined, name, field === undefined || old === undefined ? item! : readInto(old, item!, field));
  }
  return joined;
}

function isWrong(value: JsonValue, { kind, type }: FieldSchema): boolean {
  if (kind === 'list') return !Array.isArray(value);
  if (kind === 'map' || type === 'message') return !isJsonObject(value);
  const wanted = SCALARS[type];
  return wanted !== undefined && typeof value !== wanted;
}
