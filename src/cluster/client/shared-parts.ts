import { isCrowded, isLong } from '../api/parse-in-slices.ts';
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

  /** The same object, with parts that are shared with others. Its own top level and metadata stay its own. */
  share<T extends object>(object: T): T {
    const parts = object as JsonObject;
    for (const key of Object.keys(parts)) {
      const value = parts[key];
      if (key === 'metadata' && isJsonObject(value)) this.#shareMetadata(value);
      else this.#put(parts, key, value, 1);
    }
    return object;
  }

  #shareMetadata(metadata: JsonObject): void {
    for (const key of Object.keys(metadata)) if (!OWN.has(key)) this.#put(metadata, key, metadata[key], 1);
  }

  #shareChildren(parent: JsonObject | JsonValue[], depth: number): void {
    if (Array.isArray(parent)) {
      for (let i = 0; i < parent.length; i++) this.#put(parent, i, parent[i], depth);
      return;
    }
    for (const key of Object.keys(parent)) this.#put(parent, key, parent[key], depth);
  }

  #put(
    parent: JsonObject | JsonValue[],
    key: string | number,
    value: JsonValue | undefined,
    depth: number,
  ): void {
    const isPart =
      typeof value === 'object' ? value !== null : typeof value === 'string' && value.length > SHORT;
    // An assignment to `__proto__` would change the prototype.
    if (!isPart || key === '__proto__') return;
    const shared = this.#shared(value!, depth);
    if (shared !== value) (parent as JsonObject)[key] = shared;
  }

  #shared(value: JsonValue, depth: number): JsonValue {
    if (isWide(value)) return value;
    const text = textOf(value);
    const fits = text !== undefined && text.length <= MAX_TEXT;
    const known = fits ? this.#find(text) : undefined;
    // The text of a string may be that of an object.
    if (known !== undefined && typeof known === typeof value) return known;
    if (typeof value === 'object' && value !== null && depth < MAX_DEPTH)
      this.#shareChildren(value, depth + 1);
    if (fits && known === undefined) this.#remember(text, value);
    return value;
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
  return typeof value === 'object' && value !== null && isLong(value) ? undefined : JSON.stringify(value);
}

function isWide(value: JsonValue): boolean {
  return Array.isArray(value) ? value.length > MAX_ITEMS : isJsonObject(value) && isCrowded(value);
}
