import { getOwn, isJsonObject, jsonCopy, setOwn, type JsonObject, type JsonValue } from '../json.ts';

/** JSON Merge Patch (RFC 7396). */
export function mergePatch(document: JsonValue, patch: JsonValue): JsonValue {
  if (!isJsonObject(patch)) return jsonCopy(patch);
  const result: JsonObject = isJsonObject(document) ? { ...document } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null || value === undefined) delete result[key];
    else setOwn(result, key, mergePatch(getOwn(result, key) ?? null, value));
  }
  return result;
}
