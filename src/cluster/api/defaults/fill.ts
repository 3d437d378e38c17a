import { isJsonObject, jsonCopy, type JsonObject, type JsonValue } from '../json.ts';

/** Sets each of `values` that `target` does not have; objects in `values` are copied. */
export function fill(target: JsonObject, values: JsonObject): void {
  for (const [key, value] of Object.entries(values)) {
    if (target[key] === undefined && value !== undefined) target[key] = jsonCopy(value);
  }
}

/** The object at `key`, made when absent. */
export function ensureObject(target: JsonObject, key: string): JsonObject {
  const present = target[key];
  if (isJsonObject(present)) return present;
  const created: JsonObject = {};
  target[key] = created;
  return created;
}

/** True for what Go's omitempty calls empty. */
export function isEmpty(value: JsonValue | undefined): boolean {
  return value === undefined || value === null || value === '' || value === 0 || value === false;
}
