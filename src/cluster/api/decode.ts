import { PlatformError, errorMessage } from '../../base/errors.ts';
import { duplicateKeys } from './duplicate-keys.ts';
import { isJsonObject, setOwn, type JsonObject, type JsonValue } from './json.ts';
import { canonicalQuantity } from './quantity.ts';
import { parseInSlices } from './parse-in-slices.ts';
import type { FieldSchema, KindSchema, MessageSchema } from './schema.ts';
import { parseDuration, parseMicroTime, parseTime } from './time.ts';

export interface Decoded {
  readonly object: JsonObject;
  /** What strict decoding refuses, as Kubernetes words it: `unknown field "spec.foo"`, `duplicate field "spec.bar"`. */
  readonly unknown: string[];
}

/** As many as upstream's decoder keeps of what strict decoding refuses. */
const MAX_COMPLAINTS = 100;

const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * Decodes one JSON object by the schema of its kind. Unknown fields and nulls are left out of the result.
 * Throws `invalid` (details: reason BadRequest) for anything that is not UTF-8, not JSON, or of a wrong type.
 */
export function decodeJson(bytes: Uint8Array, kind: KindSchema): Decoded {
  const { value, duplicates } = parseJson(bytes, kind.kind);
  return decodeValue(value, kind, duplicates);
}

interface Parsed {
  readonly value: JsonValue;
  readonly duplicates: string[];
}

/** Parses JSON with the depth bound; `duplicates` are the paths of keys that occur twice. */
export function parseJson(bytes: Uint8Array, what: string): Parsed {
  const text = textOf(bytes, what);
  let value: JsonValue;
  try {
    value = JSON.parse(text) as JsonValue;
  } catch (error) {
    throw unrecognized(what, error);
  }
  return { value, duplicates: duplicateKeys(text) };
}

/** Longer text is parsed in slices; what is written every day is shorter. */
const LARGE = 32 * 1024;

/** As `parseJson`, without holding up the event loop when there is much. */
export async function parseLargeJson(bytes: Uint8Array, what: string): Promise<Parsed> {
  if (bytes.length <= LARGE) return parseJson(bytes, what);
  const text = textOf(bytes, what);
  try {
    return await parseInSlices(text, MAX_COMPLAINTS);
  } catch (error) {
    throw error instanceof SyntaxError ? unrecognized(what, error) : error;
  }
}

function textOf(bytes: Uint8Array, what: string): string {
  try {
    return utf8.decode(bytes);
  } catch (error) {
    throw badRequest(`${what}: the body is not valid UTF-8`, error);
  }
}

function unrecognized(what: string, error: unknown): PlatformError {
  return badRequest(
    `the object provided is unrecognized (must be of type ${what}): couldn't get version/kind; json parse error: ${errorMessage(error)}`,
    error,
  );
}

/** Decodes a value that something else has parsed (YAML, a patch's result). */
export function decodeValue(value: JsonValue, kind: KindSchema, duplicates: readonly string[] = []): Decoded {
  const walk = new Walk(kind);
  if (!isJsonObject(value)) throw walk.wrongType(value, { path: '', owner: kind.kind, type: kind.kind });
  const object = walk.message(value, kind.message, '');
  const twice = duplicates.map((path) => `duplicate field "${path}"`);
  return { object, unknown: [...walk.unknown, ...twice].slice(0, MAX_COMPLAINTS) };
}

function badRequest(message: string, cause?: unknown): PlatformError {
  return new PlatformError('invalid', message, { cause, details: { reason: 'BadRequest' } });
}

interface Place {
  /** `spec.containers[0].image`. */
  readonly path: string;
  /** The message that has the field. */
  readonly owner: string;
  /** Go's name of the wanted type. */
  readonly type: string;
}

/**
 * Lists and maps that need not be there are not kept when empty, as Go's omitempty writes them. Managed fields are told
 * from none at all: an applied configuration may not even have an empty list of them.
 */
function isEmptyCollection(value: JsonValue, { kind, name }: FieldSchema): boolean {
  if (name === 'managedFields') return false;
  if (kind === 'list') return Array.isArray(value) && value.length === 0;
  if (kind !== 'map' || !isJsonObject(value)) return false;
  return Object.keys(value).length === 0;
}

class Walk {
  readonly unknown: string[] = [];
  readonly #kind: KindSchema;

  constructor(kind: KindSchema) {
    this.#kind = kind;
  }

  message(value: JsonObject, schema: MessageSchema, path: string): JsonObject {
    const result: JsonObject = {};
    // Object.entries takes four times as long for what has a hundred thousand members.
    for (const key in value) {
      const item = value[key];
      const field = schema.fields.get(key);
      const at = path === '' ? key : `${path}.${key}`;
      if (field === undefined) {
        if (this.unknown.length < MAX_COMPLAINTS) this.unknown.push(`unknown field "${at}"`);
      } else if (item !== null && item !== undefined) {
        const decoded = this.#field(item, field, schema, at);
        if (field.required || !isEmptyCollection(decoded, field)) result[key] = decoded;
      }
    }
    return result;
  }

  #field(value: JsonValue, field: FieldSchema, owner: MessageSchema, path: string): JsonValue {
    const place = { path, owner: owner.name, type: goType(field) };
    if (field.kind === 'list') {
      if (!Array.isArray(value)) throw this.wrongType(value, { ...place, type: `[]${place.type}` });
      return value.map((item, index) =>
        item === null ? zeroValue(field) : this.#single(item, field, { ...place, path: `${path}[${index}]` }),
      );
    }
    if (field.kind === 'map') {
      if (!isJsonObject(value)) throw this.wrongType(value, { ...place, type: `map[string]${place.type}` });
      const result: JsonObject = {};
      for (const key in value) {
        const item = value[key];
        const element =
          item === null || item === undefined
            ? zeroValue(field)
            : this.#single(item, field, {
                ...place,
                path: field.type === 'message' ? `${path}.${key}` : path,
              });
        setOwn(result, key, element);
      }
      return result;
    }
    return this.#single(value, field, place);
  }

  #single(value: JsonValue, field: FieldSchema, place: Place): JsonValue {
    switch (field.type) {
      case 'message': {
        if (!isJsonObject(value) || field.message === undefined) throw this.wrongType(value, place);
        return this.message(value, field.message, place.path);
      }
      case 'string':
        if (typeof value !== 'string') throw this.wrongType(value, place);
        return value;
      case 'boolean':
        if (typeof value !== 'boolean') throw this.wrongType(value, place);
        return value;
      case 'int32':
      case 'int64':
        return this.#integer(value, place);
      case 'double':
        if (typeof value !== 'number') throw this.wrongType(value, place);
        return value;
      case 'bytes':
        return this.#bytes(value, place);
      case 'time':
      case 'microTime':
      case 'duration':
        return this.#time(value, field.type, place);
      case 'quantity':
        return this.#quantity(value, place);
      case 'intOrString':
        return typeof value === 'string' ? value : this.#integer(value, place);
      case 'strings':
        if (!Array.isArray(value) || !value.every((item) => typeof item === 'string')) {
          throw this.wrongType(value, place);
        }
        return value;
      case 'fields':
      case 'raw':
        if (!isJsonObject(value)) throw this.wrongType(value, place);
        return value;
      case 'json':
        return value;
      default:
        return this.#schemaOr(value, field, place);
    }
  }

  #integer(value: JsonValue, place: Place): number {
    if (typeof value !== 'number') throw this.wrongType(value, place);
    const limit = place.type === 'int32' ? 2 ** 31 : 2 ** 63;
    if (!Number.isInteger(value) || value >= limit || value < -limit) {
      throw this.wrongType(value, place, `number ${value}`);
    }
    return value;
  }

  #bytes(value: JsonValue, place: Place): string {
    if (typeof value !== 'string') throw this.wrongType(value, place);
    const compact = value.replaceAll(/[\r\n]/g, '');
    if (!/^[A-Za-z0-9+/]*={0,2}$/.test(compact) || compact.length % 4 !== 0) {
      throw this.#refuse(`illegal base64 data in field "${place.path}"`);
    }
    return compact;
  }

  #time(value: JsonValue, type: 'time' | 'microTime' | 'duration', place: Place): string {
    if (typeof value !== 'string') throw this.wrongType(value, place);
    const parse = { time: parseTime, microTime: parseMicroTime, duration: parseDuration }[type];
    const canonical = parse(value);
    if (canonical === undefined) {
      const form =
        type === 'duration'
          ? 'invalid duration'
          : 'parsing time as "2006-01-02T15:04:05Z07:00": cannot parse';
      throw this.#refuse(`${form} ${JSON.stringify(value)} in field "${place.path}"`);
    }
    return canonical;
  }

  #quantity(value: JsonValue, place: Place): string {
    if (typeof value !== 'string' && typeof value !== 'number') throw this.wrongType(value, place);
    const canonical = canonicalQuantity(String(value));
    if (canonical === undefined) {
      throw this.#refuse(
        `quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$' in field "${place.path}"`,
      );
    }
    return canonical;
  }

  #schemaOr(value: JsonValue, field: FieldSchema, place: Place): JsonValue {
    if (field.type === 'schemaOrBool' && typeof value === 'boolean') return value;
    if (field.type === 'schemaOrStrings' && Array.isArray(value)) return value;
    const message = field.message;
    if (message !== undefined && isJsonObject(value)) return this.message(value, message, place.path);
    if (field.type === 'schemaOrArray' && Array.isArray(value) && message !== undefined) {
      return value.map((item, index) => {
        if (!isJsonObject(item)) throw this.wrongType(item, place);
        return this.message(item, message, `${place.path}[${index}]`);
      });
    }
    throw this.wrongType(value, place);
  }

  wrongType(value: JsonValue, place: Place, got = jsonTypeName(value)): PlatformError {
    const field = place.path.replaceAll(/\[\d+\]/g, '');
    const where = field === '' ? 'Go value' : `Go struct field ${place.owner}.${field}`;
    return this.#refuse(`json: cannot unmarshal ${got} into ${where} of type ${place.type}`, place.path);
  }

  #refuse(reason: string, path?: string): PlatformError {
    const { kind, version } = this.#kind;
    return new PlatformError(
      'invalid',
      `${kind} in version "${version}" cannot be handled as a ${kind}: ${reason}`,
      { details: { reason: 'BadRequest', field: path } },
    );
  }
}

function jsonTypeName(value: JsonValue): string {
  if (Array.isArray(value)) return 'array';
  if (value === null) return 'null';
  return typeof value === 'boolean' ? 'bool' : typeof value;
}

const GO_TYPES: Readonly<Record<string, string>> = {
  boolean: 'bool',
  double: 'float64',
  bytes: '[]uint8',
  time: 'v1.Time',
  microTime: 'v1.MicroTime',
  duration: 'v1.Duration',
  fields: 'v1.FieldsV1',
  strings: '[]string',
  quantity: 'resource.Quantity',
  intOrString: 'int32',
  raw: 'runtime.RawExtension',
};

function goType(field: FieldSchema): string {
  const message = field.message;
  if (field.type !== 'message' || message === undefined) return GO_TYPES[field.type] ?? field.type;
  return `${message.groupVersionId.split('-')[1] ?? ''}.${message.name}`;
}

/** What Go makes of a null inside a list or a map. */
function zeroValue(field: FieldSchema): JsonValue {
  switch (field.type) {
    case 'boolean':
      return false;
    case 'int32':
    case 'int64':
    case 'double':
      return 0;
    case 'message':
    case 'fields':
    case 'raw':
      return {};
    case 'quantity':
      return '0';
    case 'strings':
      return [];
    default:
      return '';
  }
}
