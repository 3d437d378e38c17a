/** Lists whose items are told apart: by themselves (sets), or by their keys (maps). */
import { duplicate, type FieldError } from '../field-error.ts';
import { getOwn, isJsonObject, type JsonObject, type JsonValue } from '../json.ts';
import { isSchema } from './prune.ts';
import type { Structural } from './schema.ts';

/** Complaints about what comes twice: each such item once, where it comes for the second time. */
export function duplicatesIn(value: JsonValue, schema: Structural, path = ''): FieldError[] {
  if (Array.isArray(value)) {
    const { items } = schema;
    const inner =
      items === undefined
        ? []
        : value.flatMap((item, index) => duplicatesIn(item, items, `${path}[${index}]`));
    return [...duplicatesOf(value, schema, path), ...inner];
  }
  if (!isJsonObject(value)) return [];
  return Object.entries(value).flatMap(([name, child]) => {
    if (child === undefined) return [];
    const known = schema.properties.get(name);
    if (known !== undefined) return duplicatesIn(child, known, path === '' ? name : `${path}.${name}`);
    return isSchema(schema.additional) ? duplicatesIn(child, schema.additional, `${path}[${name}]`) : [];
  });
}

function duplicatesOf(value: readonly JsonValue[], schema: Structural, path: string): FieldError[] {
  const { listType, listMapKeys, items } = schema;
  if (listType !== 'set' && listType !== 'map') return [];
  const times = new Map<string, number>();
  return value.flatMap((item, index) => {
    const key = listType === 'set' ? item : keysOf(item, listMapKeys, items);
    const text = JSON.stringify(key);
    const before = times.get(text) ?? 0;
    times.set(text, before + 1);
    return before === 1 ? [duplicate(`${path}[${index}]`, key)] : [];
  });
}

/** What tells an item from others: its keys, or their defaults. */
export function keysOf(item: JsonValue, keys: readonly string[], items: Structural | undefined): JsonObject {
  const found: JsonObject = {};
  for (const key of keys) {
    const value =
      (isJsonObject(item) ? getOwn(item, key) : undefined) ?? items?.properties.get(key)?.defaultValue;
    if (value !== undefined) found[key] = value;
  }
  return found;
}
