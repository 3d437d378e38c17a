import { isCrowded, isLong } from '../api/parse-in-slices.ts';
import { jsonText } from '../api/common-parts.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../api/json.ts';

/** V8 keeps one copy of strings up to this length by itself. */
const SHORT = 10;
/** What is longer is looked into, but not remembered as a whole. */
const MAX_TEXT = 4096;
/** Characters of one generation of what is remembered. */
const GENERATION = 512 * 1024;
/** Levels below the top at which parts are looked for: `spec.containers[].env[]`. */
const MAX_DEPTH = 4;

/** A longer list is hardly met again, and would be written and looked through for nothing. */
const MAX_ITEMS = 1000;

/** Of an object's metadata: no other object has the same, and to remember them costs more than all that it shares. */
const OWN = new Set(['name', 'uid', 'resourceVersion']);

/**
 * Holds equal parts of objects once. Objects of a cluster mostly repeat each other: replicas differ in a name, a uid and
 * some times. Whatever is shared must not be changed, which is a cache's rule anyway.
 *
 * Two generations, so that it forgets: a part that is met again moves into the new one, and the old one goes whole.
 */
export class SharedParts {
  #young = new Map<string, JsonValue>();
  #old = new Map<string, JsonValue>();
  #size = 0;

  /**
   * The object with parts that are shared with others. What it is given may be somebody else's: where a part is another's,
   * whatever holds it is a copy. Only what is long is changed itself: it is known to be, and its reader's own.
   */
  share<T extends object>(object: T): T {
    return this.#sharing(object as JsonObject, (key, value) =>
      key === 'metadata' && isJsonObject(value)
        ? this.#sharing(value, (name, item) => (OWN.has(name) ? item : this.#part(item, 1)))
        : this.#part(value, 1),
    ) as T;
  }

  #sharing(object: JsonObject, share: (key: string, value: JsonValue) => JsonValue): JsonObject {
    let made = object;
    for (const key of Object.keys(object)) {
      const value = object[key];
      // An assignment to `__proto__` would change the prototype.
      if (value === undefined || key === '__proto__') continue;
      const shared = share(key, value);
      if (shared === value) continue;
      if (made === object && !isLong(object)) made = { ...object };
      made[key] = shared;
    }
    return made;
  }

  #sharingItems(list: JsonValue[], depth: number): JsonValue[] {
    let made = list;
    for (let i = 0; i < list.length; i++) {
      const shared = this.#part(list[i]!, depth);
      if (shared === list[i]) continue;
      if (made === list && !isLong(list)) made = [...list];
      made[i] = shared;
    }
    return made;
  }

  #part(value: JsonValue, depth: number): JsonValue {
    const isPart =
      typeof value === 'object' ? value !== null : typeof value === 'string' && value.length > SHORT;
    return isPart ? this.#shared(value, depth) : value;
  }

  #shared(value: JsonValue, depth: number): JsonValue {
    if (isWide(value)) return value;
    const text = textOf(value);
    const fits = text !== undefined && text.length <= MAX_TEXT;
    const known = fits ? this.#find(text) : undefined;
    // The text of a string may be that of an object.
    if (known !== undefined && typeof known === typeof value) return known;
    const own =
      typeof value === 'object' && value !== null && depth < MAX_DEPTH
        ? this.#within(value, depth + 1)
        : value;
    if (fits && known === undefined) this.#remember(text, own);
    return own;
  }

  #within(value: JsonObject | JsonValue[], depth: number): JsonValue {
    return Array.isArray(value)
      ? this.#sharingItems(value, depth)
      : this.#sharing(value, (_key, item) => this.#part(item, depth));
  }

  #find(text: string): JsonValue | undefined {
    const young = this.#young.get(text);
    if (young !== undefined) return young;
    const old = this.#old.get(text);
    if (old !== undefined) this.#remember(text, old);
    return old;
  }

  #remember(text: string, value: JsonValue): void {
    this.#young.set(text, value);
    this.#size += text.length;
    if (this.#size < GENERATION) return;
    this.#old = this.#young;
    this.#young = new Map();
    this.#size = 0;
  }
}

/** Not of what would take long to write. */
function textOf(value: JsonValue): string | undefined {
  if (typeof value === 'string') return value;
  return typeof value === 'object' && value !== null && isLong(value) ? undefined : jsonText(value);
}

function isWide(value: JsonValue): boolean {
  return Array.isArray(value) ? value.length > MAX_ITEMS : isJsonObject(value) && isCrowded(value);
}
