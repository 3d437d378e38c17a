/** JSON as values of declared types: converted when it is looked at, and only then. */
import type { JsonObject, JsonValue } from '../json.ts';
import { CelError } from './cel-error.ts';
import { parseDuration, parseTimestamp } from './library/time.ts';
import { DYN, type CelType, type ObjectType } from './types.ts';
import { escapedName } from './schema-types.ts';
import {
  describe,
  Duration,
  entriesOf,
  isList,
  isOpaque,
  keyedList,
  QuantityValue,
  Timestamp,
  Uint,
  type MapValue,
  type ObjectValue,
  type Value,
} from './values.ts';
import { formatQuantity } from '../quantity.ts';
import { durationText, timestampText } from './library/texts.ts';

export function fromJson(json: JsonValue, type: CelType = DYN): Value {
  if (json === null) return null;
  switch (typeof json) {
    case 'boolean':
      return json;
    case 'number':
      if (type.kind === 'double') return json;
      return Number.isInteger(json) ? BigInt(json) : json;
    case 'string':
      return fromText(json, type);
    default:
  }
  if (Array.isArray(json)) {
    const element = type.kind === 'list' ? type.element : DYN;
    const items = json.map((item) => fromJson(item, element));
    const keys = type.kind === 'list' ? type.keys : undefined;
    return keys === undefined ? items : keyedList(items, keys.length === 0 ? (item) => item : keyOf(keys));
  }
  if (type.kind === 'object') return new JsonFields(json, type);
  return new JsonMap(json, type.kind === 'map' ? type.value : DYN);
}

/** Of an element, the values of its key fields. */
const keyOf =
  (keys: readonly string[]) =>
  (item: Value): Value =>
    keys.map((key) => entriesOf(item)?.get(escapedName(key) ?? key) ?? null);

function fromText(text: string, type: CelType): Value {
  switch (type.kind) {
    case 'timestamp':
      // A date is the first moment of its day.
      return parseTimestamp(/^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T00:00:00Z` : text);
    case 'duration':
      return parseDuration(text);
    case 'bytes':
      return Buffer.from(text, 'base64');
    default:
      return text;
  }
}

class JsonMap implements MapValue {
  readonly isMap = true;
  readonly #json: JsonObject;
  readonly #type: CelType;
  readonly #made = new Map<string, Value>();
  #keys: readonly string[] | undefined;

  constructor(json: JsonObject, type: CelType) {
    this.#json = json;
    this.#type = type;
  }

  get size(): number {
    return this.keys().length;
  }

  get(key: Value): Value | undefined {
    if (typeof key !== 'string' || !Object.hasOwn(this.#json, key)) return undefined;
    const json = this.#json[key];
    if (json === undefined) return undefined;
    let value = this.#made.get(key);
    if (value === undefined) this.#made.set(key, (value = fromJson(json, this.#type)));
    return value;
  }

  keys(): readonly Value[] {
    return (this.#keys ??= Object.keys(this.#json).filter((key) => this.#json[key] !== undefined));
  }
}

class JsonFields implements ObjectValue {
  readonly isObject = true;
  readonly typeName = 'map';
  readonly #json: JsonObject;
  readonly #type: ObjectType;
  readonly #made = new Map<string, Value>();

  constructor(json: JsonObject, type: ObjectType) {
    this.#json = json;
    this.#type = type;
  }

  field(name: string): Value | undefined {
    const made = this.#made.get(name);
    if (made !== undefined) return made;
    const field = this.#type.fields.get(name);
    if (field === undefined || !Object.hasOwn(this.#json, field.property)) return undefined;
    const json = this.#json[field.property];
    // A field that is null is as good as not there.
    if (json === undefined || json === null) return undefined;
    const value = fromJson(json, field.type);
    this.#made.set(name, value);
    return value;
  }

  names(): readonly string[] {
    return [...this.#type.fields.keys()].filter((name) => this.field(name) !== undefined);
  }
}

/** Back to JSON: what patches and configurations that expressions make consist of. */
export function toJson(value: Value): JsonValue {
  if (value === null || typeof value === 'boolean' || typeof value === 'string' || typeof value === 'number')
    return value;
  if (typeof value === 'bigint') return Number(value);
  if (value instanceof Uint) return Number(value.value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (value instanceof Timestamp) return timestampText({ nanos: value.nanos });
  if (value instanceof Duration) return durationText(value);
  if (value instanceof QuantityValue) return formatQuantity(value.quantity);
  if (isList(value)) return value.map(toJson);
  const entries = isOpaque(value) ? undefined : entriesOf(value);
  if (entries === undefined) throw new CelError('the value has no form in JSON');
  const object: JsonObject = {};
  for (const key of entries.keys) {
    const name = typeof key === 'string' ? key : describe(key);
    Object.defineProperty(object, name, {
      value: toJson(entries.get(key)!),
      writable: true,
      enumerable: true,
      configurable: true,
    });
  }
  return object;
}
