/** JSON as TypeScript sees it. Objects of the API are JsonObjects until someone needs their generated interface. */
export type JsonValue = null | boolean | number | string | JsonValue[] | JsonObject;

export interface JsonObject {
  [key: string]: JsonValue | undefined;
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Sets an own property whatever its name: a plain assignment to `__proto__` would change the prototype instead. */
export function setOwn(target: JsonObject, key: string, value: JsonValue): void {
  if (key === '__proto__') {
    Object.defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true });
  } else target[key] = value;
}

/** An own property, or undefined: never one of Object.prototype. */
export function getOwn(target: JsonObject, key: string): JsonValue | undefined {
  return Object.hasOwn(target, key) ? target[key] : undefined;
}

/** Descends by own properties; undefined as soon as something on the way is not an object. */
export function getPath(value: JsonValue | undefined, ...path: readonly string[]): JsonValue | undefined {
  return follow(value, path);
}

/** Of all reads: the path is handed on as it is, and not spread and gathered again. */
function follow(value: JsonValue | undefined, path: readonly string[]): JsonValue | undefined {
  let current = value;
  for (let i = 0; i < path.length; i++) {
    if (!isJsonObject(current)) return undefined;
    current = getOwn(current, path[i]!);
  }
  return current;
}

/** The object at a path, an empty one where there is none. */
export function objectAt(value: JsonValue | undefined, ...path: readonly string[]): JsonObject {
  const found = follow(value, path);
  return isJsonObject(found) ? found : {};
}

/** The string at a path, '' where there is none. */
export function stringAt(value: JsonValue | undefined, ...path: readonly string[]): string {
  const found = follow(value, path);
  return typeof found === 'string' ? found : '';
}

/** The number at a path, undefined where there is none. */
export function numberAt(value: JsonValue | undefined, ...path: readonly string[]): number | undefined {
  const found = follow(value, path);
  return typeof found === 'number' ? found : undefined;
}

/** The objects of the list at a path, none where there is no list. */
export function objectsAt(value: JsonValue | undefined, ...path: readonly string[]): readonly JsonObject[] {
  return objectsIn(follow(value, path));
}

/** The objects of a list: the list itself, where nothing else is in it. */
export function objectsIn(list: JsonValue | undefined): readonly JsonObject[] {
  if (!Array.isArray(list)) return NOTHING;
  return list.every(isJsonObject) ? list : list.filter(isJsonObject);
}

// Not frozen: loops over what may be a frozen list make an object for every step.
const NOTHING: readonly never[] = [];

/** The values of the list at a path, none where there is no list. */
export function listAt(value: JsonValue | undefined, ...path: readonly string[]): JsonValue[] {
  const found = follow(value, path);
  return Array.isArray(found) ? found : [];
}

/** Equality of JSON values; the order of an object's properties does not count. */
export function jsonEqual(
  a: JsonValue | readonly JsonValue[] | undefined,
  b: JsonValue | readonly JsonValue[] | undefined,
): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a)) return Array.isArray(b) && sameItems(a, b);
  return isJsonObject(a) && isJsonObject(b) && sameMembers(a, b);
}

function sameItems(a: readonly JsonValue[], b: readonly JsonValue[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (!jsonEqual(a[i], b[i])) return false;
  return true;
}

/** Of all writes: loops over names, unlike lists of them, make nothing. JSON's objects inherit nothing that is listed. */
function sameMembers(a: JsonObject, b: JsonObject): boolean {
  let more = 0;
  for (const key in a) {
    const item = a[key];
    if (item === undefined) continue;
    more++;
    const other = b[key];
    // What an object inherits is no JSON value, so it is never the same as one.
    if (item !== other && !(Object.hasOwn(b, key) && jsonEqual(item, other))) return false;
  }
  for (const key in b) if (b[key] !== undefined) more--;
  return more === 0;
}

/** A deep copy; several times faster than structuredClone, which has to expect more than JSON. */
export function jsonCopy<T extends JsonValue>(value: T): T {
  return copyOf(value) as T;
}

function copyOf(value: JsonValue): JsonValue {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(copyOf);
  const copy = { ...value };
  for (const key in value) {
    const item = value[key];
    if (typeof item === 'object' && item !== null) setOwn(copy, key, copyOf(item));
  }
  return copy;
}

/** The value itself, with all that is in it: who writes to it gets a TypeError. */
export function frozen<T>(value: T): T {
  if (typeof value === 'object' && value !== null) Object.values(Object.freeze(value)).forEach(frozen);
  return value;
}

/**
 * A copy of `value` in which parts that equal `prior`'s at the same place are `prior`'s own: whoever compares the two
 * later sees at once that these have not changed. Nobody may change such parts.
 */
export function sharing<T extends JsonValue>(value: T, prior: JsonValue | undefined): T {
  return sharedPart(value, prior) as T;
}

function sharedPart(value: JsonValue, prior: JsonValue | undefined): JsonValue {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) {
    const before = Array.isArray(prior) ? prior : [];
    const copy = value.map((item, index) => sharedPart(item, before[index]));
    return copy.length === before.length && copy.every((item, index) => item === before[index])
      ? before
      : copy;
  }
  const before = isJsonObject(prior) ? prior : {};
  const copy = { ...value };
  const keys = Object.keys(copy);
  let isSame = before === prior;
  for (const key of keys) {
    const [part, item] = [getOwn(before, key), copy[key]];
    const shared = item === undefined ? item : sharedPart(item, part);
    if (shared !== item) setOwn(copy, key, shared!);
    isSame &&= shared === part;
  }
  return isSame && Object.keys(before).length === keys.length ? before : copy;
}

/** A scalar as text; what is not a scalar as JSON. */
export function textOf(value: JsonValue | undefined): string {
  if (value === undefined) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}
