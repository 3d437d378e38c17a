import { PlatformError, errorMessage } from '../../base/errors.ts';
import { LARGE_BYTES, yieldToLoop } from '../../base/yield-to-loop.ts';
import { duplicateKeys } from './duplicate-keys.ts';
import {
  base64Error,
  durationError,
  MICRO_TIME_LAYOUT,
  quantityError,
  summary,
  TIME_LAYOUT,
  timeError,
  jsonTypeName,
} from './go-errors.ts';
import { getOwn, isJsonObject, setOwn, type JsonObject, type JsonValue } from './json.ts';
import { canonicalQuantity } from './quantity.ts';
import { goSyntaxError, parseInSlices } from './parse-in-slices.ts';
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
  return decodeValue(value, kind, { duplicates });
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
    throw unrecognized(what, bytes, new SyntaxError(goSyntaxError(text) ?? errorMessage(error)));
  }
  return { value, duplicates: duplicateKeys(text) };
}

/** As `parseJson`, without holding up the event loop when there is much: what is written every day is shorter. */
export async function parseLargeJson(bytes: Uint8Array, what: string): Promise<Parsed> {
  if (bytes.length <= LARGE_BYTES) return parseJson(bytes, what);
  const text = textOf(bytes, what);
  try {
    const parsed = await parseInSlices(text, MAX_COMPLAINTS);
    await yieldToLoop();
    return parsed;
  } catch (error) {
    throw error instanceof SyntaxError ? unrecognized(what, bytes, error) : error;
  }
}

function textOf(bytes: Uint8Array, what: string): string {
  try {
    return utf8.decode(bytes);
  } catch (error) {
    throw badRequest(`${what}: the body is not valid UTF-8`, error);
  }
}

function unrecognized(what: string, body: Uint8Array, error: unknown): PlatformError {
  return badRequest(
    `the object provided is unrecognized (must be of type ${what}): couldn't get version/kind; json parse error: ${errorMessage(error)} (${summary(body)})`,
    error,
  );
}

const HEAD_TYPE =
  'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }';

/** The apiVersion and the kind of what may be anything; '' where it does not say them. Throws `invalid`. */
export function headOf(
  value: JsonValue,
  what: string,
  body: Uint8Array,
): { readonly apiVersion: string; readonly kind: string } {
  const wrong = (from: JsonValue, where: string): PlatformError => {
    const why = `json: cannot unmarshal ${jsonTypeName(from)} into ${where}`;
    return unrecognized(what, body, new TypeError(why));
  };
  if (value === null) return { apiVersion: '', kind: '' };
  if (!isJsonObject(value)) throw wrong(value, `Go value of type ${HEAD_TYPE}`);
  const textAt = (field: string): string => {
    const text = getOwn(value, field) ?? '';
    if (typeof text !== 'string') throw wrong(text, `Go struct field .${field} of type string`);
    return text;
  };
  const head = { apiVersion: textAt('apiVersion'), kind: textAt('kind') };
  if (/\/.*\//.test(head.apiVersion))
    throw badRequest(
      `the object provided is unrecognized (must be of type ${what}): unexpected GroupVersion string: ${head.apiVersion} (${summary(body)})`,
    );
  return head;
}

/** Decodes a value that something else has parsed (YAML, a patch's result). */
export function decodeValue(value: JsonValue, kind: KindSchema, options: DecodeOptions = {}): Decoded {
  const walk = new Walk(kind, options.asSent === true);
  const body = value ?? {};
  if (!isJsonObject(body)) throw walk.wrongType(body, { path: '', owner: kind.kind }, kind.kind);
  const object = walk.message(body, kind.message, '');
  const twice = (options.duplicates ?? []).map((path) => `duplicate field "${path}"`);
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
  /** Absent for the object itself. */
  readonly field?: FieldSchema;
}

/**
 * Lists that say something when they are empty: an applied configuration may not have managed fields, not even none, and
 * an autoscaler without a policy is not one that leaves them to the server.
 */
const TOLD_EMPTY: ReadonlySet<string> = new Set(['managedFields', 'policies']);

/** Go leaves a field out that has its zero value, unless it is a pointer or says that it does not want to be. */
function isLeftOut(value: JsonValue, { pointer, always, kind, name }: FieldSchema): boolean {
  // Upstream's storage cannot tell an empty list from none.
  if (always) return kind === 'list' && Array.isArray(value) && value.length === 0;
  if (Array.isArray(value)) return value.length === 0 && !TOLD_EMPTY.has(name);
  if (kind === 'map' && isJsonObject(value)) return Object.keys(value).length === 0;
  return !pointer && (value === '' || value === 0 || value === false);
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
function fillZeros(object: JsonObject, { filled }: MessageSchema): void {
  for (const field of filled) if (object[field.name] === undefined) object[field.name] = zeroOf(field);
}

export interface DecodeOptions {
  /** Paths of keys that occur twice. */
  readonly duplicates?: readonly string[];
  /**
   * Only what is there, empty as it may be: an applied configuration. Otherwise the result is what Go would write of it:
   * without zero values, but with those of fields that are always written.
   */
  readonly asSent?: boolean;
}

class Walk {
  readonly unknown: string[] = [];
  readonly #kind: KindSchema;
  readonly #asSent: boolean;

  constructor(kind: KindSchema, asSent: boolean) {
    this.#kind = kind;
    this.#asSent = asSent;
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
        if (this.#asSent || !isLeftOut(decoded, field)) result[key] = decoded;
      }
    }
    if (!this.#asSent) fillZeros(result, schema);
    return result;
  }

  #field(value: JsonValue, field: FieldSchema, owner: MessageSchema, path: string): JsonValue {
    if (field.kind === 'single') return this.#single(value, field, { path, owner: owner.name, field });
    const place = { path, owner: owner.name, field };
    if (field.kind === 'list') {
      if (!Array.isArray(value)) throw this.wrongType(value, place, field.goType);
      return value.map((item, index) =>
        item === null
          ? this.#zero(field)
          : this.#single(item, field, { ...place, path: `${path}[${index}]` }),
      );
    }
    if (field.kind === 'map') {
      if (!isJsonObject(value)) throw this.wrongType(value, place, field.goType);
      const result: JsonObject = {};
      for (const key in value) {
        const item = value[key];
        const element =
          item === null || item === undefined
            ? this.#zero(field)
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

  #zero(field: FieldSchema): JsonValue {
    return this.#asSent ? zeroValue(field) : zeroOf(field);
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
        if (!Array.isArray(value)) throw this.wrongType(value, place);
        return value.map((item) => {
          if (item !== null && typeof item !== 'string') throw this.wrongType(item, place, 'string');
          return item ?? '';
        });
      case 'fields':
        return value;
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
    const limit = place.field?.type === 'int64' ? 2 ** 63 : 2 ** 31;
    if (!Number.isInteger(value) || value >= limit || value < -limit) {
      throw this.wrongType(value, place, undefined, `number ${value}`);
    }
    return value;
  }

  #bytes(value: JsonValue, place: Place): string {
    if (typeof value !== 'string') throw this.wrongType(value, place);
    const compact = value.replaceAll(/[\r\n]/g, '');
    if (!/^[A-Za-z0-9+/]*={0,2}$/.test(compact) || compact.length % 4 !== 0) {
      throw this.#refuse(base64Error(value) ?? 'illegal base64 data at input byte 0', place.path);
    }
    return compact;
  }

  #time(value: JsonValue, type: 'time' | 'microTime' | 'duration', place: Place): string {
    if (typeof value !== 'string') throw this.wrongType(value, place, 'string');
    const parse = { time: parseTime, microTime: parseMicroTime, duration: parseDuration }[type];
    const canonical = parse(value);
    if (canonical !== undefined) return canonical;
    if (type === 'duration') throw this.#refuse(durationError(value), place.path);
    throw this.#refuse(timeError(value, type === 'time' ? TIME_LAYOUT : MICRO_TIME_LAYOUT), place.path);
  }

  #quantity(value: JsonValue, place: Place): string {
    const text = typeof value === 'string' || typeof value === 'number' ? String(value).trim() : '';
    const canonical = canonicalQuantity(text);
    if (canonical === undefined) throw this.#refuse(quantityError(text), place.path);
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

  /** `wanted` is Go's name of the type, where it is not that of the field's values. */
  wrongType(
    value: JsonValue,
    { path, owner, field }: Place,
    wanted = goType(field),
    got = jsonTypeName(value),
  ): PlatformError {
    const names = goPath(path, this.#kind.message);
    const where = names === '' ? 'Go value' : `Go struct field ${owner}.${names}`;
    return this.#refuse(`json: cannot unmarshal ${got} into ${where} of type ${wanted}`, path);
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

/** As Go tells it: without indexes, and with the structs that are embedded on the way. */
function goPath(path: string, kind: MessageSchema): string {
  let message: MessageSchema | undefined = kind;
  let isKey = false;
  return path
    .replaceAll(/\[\d+\]/g, '')
    .split('.')
    .flatMap((name) => {
      if (isKey) {
        isKey = false;
        return [];
      }
      const embedded: readonly string[] = message?.embeddedIn(name) ?? [];
      const field = message?.fields.get(name);
      message = field?.message;
      isKey = field?.kind === 'map' && message !== undefined;
      return [...embedded, name];
    })
    .join('.');
}

function goType(field: FieldSchema | undefined): string {
  // It decodes itself, a number when it is no string.
  return field?.type === 'intOrString' ? 'int32' : (field?.elementGoType ?? '');
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
    case 'json':
      return null;
    default:
      return '';
  }
}
