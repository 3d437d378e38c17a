import { PlatformError, errorMessage, isPlatformError } from '../../base/errors.ts';
import { LARGE_BYTES, yieldToLoop } from '../../base/yield-to-loop.ts';
import { duplicateKeys } from './duplicate-keys.ts';
import { isKeptEmpty, noteEmpties, type Empties } from './empties.ts';
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
import { goUtf8, goUtf8InSlices, withoutHalves } from './go-utf8.ts';
import { getOwn, isJsonObject, setOwn, type JsonObject, type JsonValue } from './json.ts';
import { canonicalQuantity } from './quantity.ts';
import { goSyntaxError, parseInSlices, parseRepeated } from './parse-in-slices.ts';
import type { FieldSchema, KindSchema, MessageSchema } from './schema.ts';
import { parseDuration, parseMicroTime, parseTime } from './time.ts';
import { fillZeros, isLeftOut, zeroOf, zeroValue } from './zero-values.ts';

export interface Decoded {
  readonly object: JsonObject;
  /** What strict decoding refuses, as Kubernetes words it: `unknown field "spec.foo"`, `duplicate field "spec.bar"`. */
  readonly unknown: string[];
}

/** As many as upstream's decoder keeps of what strict decoding refuses. */
export const MAX_COMPLAINTS = 100;

/**
 * Decodes one JSON object by the schema of its kind. Unknown fields and nulls are left out of the result.
 * Throws `invalid` (details: reason BadRequest) for anything that is not JSON, or of a wrong type.
 */
export function decodeJson(bytes: Uint8Array, kind: KindSchema): Decoded {
  const { value, duplicates } = parseJson(bytes, kind.kind);
  return decodeValue(value, kind, { duplicates, inPlace: true });
}

interface Parsed {
  readonly value: JsonValue;
  readonly duplicates: string[];
}

/** Parses JSON with the depth bound; `duplicates` are the paths of keys that occur twice. */
export function parseJson(bytes: Uint8Array, what: string): Parsed {
  const text = withoutHalves(goUtf8(bytes));
  let value: JsonValue;
  try {
    value = JSON.parse(text) as JsonValue;
  } catch (error) {
    // Go names the byte that it has come to.
    const source = Buffer.from(bytes).toString('latin1');
    throw unrecognized(what, bytes, new SyntaxError(goSyntaxError(source) ?? errorMessage(error)));
  }
  const duplicates = duplicateKeys(text, value);
  return { value: duplicates.length === 0 ? value : parseRepeated(text), duplicates };
}

/** As `parseJson`, without holding up the event loop when there is much: what is written every day is shorter. */
export async function parseLargeJson(bytes: Uint8Array, what: string): Promise<Parsed> {
  if (bytes.length <= LARGE_BYTES) return parseJson(bytes, what);
  const text = await goUtf8InSlices(bytes);
  try {
    const parsed = await parseInSlices(text, MAX_COMPLAINTS);
    await yieldToLoop();
    return parsed;
  } catch (error) {
    throw error instanceof SyntaxError ? unrecognized(what, bytes, error) : error;
  }
}

function unrecognized(what: string, body: Uint8Array, error: unknown): PlatformError {
  return unreadBody(what, body, `couldn't get version/kind; json parse error: ${errorMessage(error)}`, error);
}

/** A body that is not what its type says. */
export function unreadBody(what: string, body: Uint8Array, why: string, cause?: unknown): PlatformError {
  const message = `the object provided is unrecognized (must be of type ${what}): ${why} (${summary(body)})`;
  return new PlatformError('invalid', message, { cause, details: { reason: 'BadRequest', why } });
}

/** A body that is of its kind, but for what the reason says. */
export function refusedBody(
  { kind, version }: Pick<KindSchema, 'kind' | 'version'>,
  reason: string,
  field = '',
): PlatformError {
  return new PlatformError(
    'invalid',
    `${kind} in version "${version}" cannot be handled as a ${kind}: ${reason}`,
    { details: { reason: 'BadRequest', field, why: reason } },
  );
}

/** What is wrong with a body, without what it was to be and what it looks like; undefined for other errors. */
export function whyRefused(error: unknown): string | undefined {
  const why = isPlatformError(error, 'invalid') ? error.details['why'] : undefined;
  return typeof why === 'string' ? why : undefined;
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
    throw unreadBody(what, body, `unexpected GroupVersion string: ${head.apiVersion}`);
  return head;
}

/** Decodes a value that something else has parsed (YAML, a patch's result). */
export function decodeValue(value: JsonValue, kind: KindSchema, options: DecodeOptions = {}): Decoded {
  const walk = new Walk(kind, options);
  const object = walk.object(value ?? {});
  const { duplicates = [] } = options;
  if (duplicates.length === 0) return { object, unknown: walk.unknown };
  // Go does not look into what it does not know.
  const skipped = new Set(walk.unknown);
  const twice = duplicates.filter((path) => !partsOf(path).some((part) => skipped.has(unknownField(part))));
  const complaints = [...walk.unknown, ...twice.map((path) => `duplicate field "${path}"`)];
  return { object, unknown: complaints.slice(0, MAX_COMPLAINTS) };
}

function unknownField(path: string): string {
  return `unknown field "${path}"`;
}

/** `a.b[1].c` is in `a`, `a.b`, `a.b[1]` and itself. */
function partsOf(path: string): string[] {
  return [...path.matchAll(/[.[]|$/g)].map(({ index }) => path.slice(0, index));
}

export interface DecodeOptions {
  /** Paths of keys that occur twice. */
  readonly duplicates?: readonly string[];
  /**
   * Only what is there, empty as it may be: an applied configuration. Otherwise the result is what Go would write of it:
   * without zero values, but with those of fields that are always written.
   */
  readonly asSent?: boolean;
  /** Which empty lists and maps stay. */
  readonly empties?: Empties;
  /** What was applied, laid over what was there: in custom resources its nulls stay, which their schema may refuse. */
  readonly merged?: boolean;
  /** Nobody else has the value: it may be changed, and parts of it are parts of the result. */
  readonly inPlace?: boolean;
  /**
   * The object that the value was made of, as the same schema has decoded it: the same kind in the same version, and
   * not `asSent`. What is `===` the prior's at the same path is answered as it is, for it was decoded before. All else
   * is decoded as ever and is the result's own (but for values without a schema, which are never copied). Neither the
   * prior nor the value is changed, whatever `inPlace` says.
   */
  readonly prior?: JsonObject | undefined;
}

class Walk {
  readonly unknown: string[] = [];
  readonly #kind: KindSchema;
  readonly #asSent: boolean;
  readonly #inPlace: boolean;
  readonly #prior: JsonObject | undefined;
  readonly #empties: Empties;
  #hasEmpties = false;
  /** How many atomic lists the walk is in. */
  #atomic = 0;
  /** Names and indexes of where the walk is: only who complains makes a text of them. */
  readonly #way: (string | number)[] = [];

  constructor(kind: KindSchema, { asSent, inPlace, prior, empties }: DecodeOptions) {
    this.#kind = kind;
    this.#asSent = asSent === true;
    this.#inPlace = inPlace === true && prior === undefined;
    this.#prior = prior;
    this.#empties = empties;
  }

  object(value: JsonValue): JsonObject {
    const { kind, message } = this.#kind;
    if (!isJsonObject(value)) throw this.#wrongType(value, { owner: kind, wanted: kind });
    if (value === this.#prior) return value;
    const object = this.#message(value, message, this.#prior);
    if (this.#hasEmpties) noteEmpties(object);
    return object;
  }

  /** `prior`, here and below, is what the prior has in this place. */
  #message(value: JsonObject, schema: MessageSchema, prior: JsonValue | undefined): JsonObject {
    const before = isJsonObject(prior) ? prior : undefined;
    const way = this.#way;
    const depth = way.length;
    // In place, as long as all members stay: objects that members are deleted from are slow ever after.
    let result: JsonObject | undefined = this.#inPlace ? undefined : {};
    // Object.entries takes four times as long for what has a hundred thousand members.
    for (const key in value) {
      const item = value[key];
      const field = schema.fields.get(key);
      way[depth] = key;
      if (field === undefined) this.#complain();
      else if (item !== null && item !== undefined) {
        const decoded = this.#field(item, field, schema, before?.[key]);
        if (this.#asSent || !isLeftOut(decoded, field) || this.#isKept(decoded, field)) {
          if (result !== undefined) result[key] = decoded;
          else if (decoded !== item) value[key] = decoded;
          continue;
        }
      } else if (this.#asSent) {
        // Who applies it says that there is to be nothing.
        if (result !== undefined) result[key] = null;
        continue;
      }
      result ??= membersBefore(key, value);
    }
    way.length = depth;
    result ??= value;
    if (!this.#asSent) fillZeros(result, schema);
    return result;
  }

  /** Of what Go would leave out. */
  #isKept(value: JsonValue, field: FieldSchema): boolean {
    if (typeof value !== 'object') return false;
    const place = { kind: this.#kind.kind, path: this.#path(), inAtomic: this.#atomic > 0 };
    const isKept = isKeptEmpty(field, place, this.#empties);
    this.#hasEmpties ||= isKept;
    return isKept;
  }

  #complain(): void {
    if (this.unknown.length < MAX_COMPLAINTS) this.unknown.push(unknownField(this.#path()));
  }

  #field(
    value: JsonValue,
    field: FieldSchema,
    owner: MessageSchema,
    prior: JsonValue | undefined,
  ): JsonValue {
    if (value === prior) return value;
    if (field.kind === 'single') return this.#single(value, field, owner, prior);
    return field.kind === 'list'
      ? this.#list(value, field, owner, prior)
      : this.#map(value, field, owner, prior);
  }

  #list(value: JsonValue, field: FieldSchema, owner: MessageSchema, prior: JsonValue | undefined): JsonValue {
    if (!Array.isArray(value)) throw this.#wrongType(value, { owner, field, wanted: field.goType });
    const before = Array.isArray(prior) ? prior : undefined;
    const depth = this.#way.length;
    const result: JsonValue[] = this.#inPlace ? value : [];
    const atomic = field.type === 'message' && field.listType !== 'map' ? 1 : 0;
    this.#atomic += atomic;
    for (let index = 0; index < value.length; index++) {
      this.#way[depth] = index;
      result[index] = this.#element(value[index], field, owner, before?.[index]);
    }
    this.#atomic -= atomic;
    this.#way.length = depth;
    return result;
  }

  #map(value: JsonValue, field: FieldSchema, owner: MessageSchema, prior: JsonValue | undefined): JsonValue {
    if (!isJsonObject(value)) throw this.#wrongType(value, { owner, field, wanted: field.goType });
    const before = isJsonObject(prior) ? prior : undefined;
    const depth = this.#way.length;
    const result: JsonObject = this.#inPlace ? value : {};
    for (const key in value) {
      const item = value[key];
      // Go's decoder only names the keys of what has members itself.
      if (field.type === 'message') this.#way[depth] = key;
      const element = this.#element(item, field, owner, before && getOwn(before, key));
      if (result !== value || element !== item) setOwn(result, key, element);
    }
    this.#way.length = depth;
    return result;
  }

  #element(
    value: JsonValue | undefined,
    field: FieldSchema,
    owner: MessageSchema,
    prior: JsonValue | undefined,
  ): JsonValue {
    if (value === null || value === undefined) return this.#asSent ? zeroValue(field) : zeroOf(field);
    return value === prior ? value : this.#single(value, field, owner, prior);
  }

  #single(
    value: JsonValue,
    field: FieldSchema,
    owner: MessageSchema,
    prior: JsonValue | undefined,
  ): JsonValue {
    switch (field.type) {
      case 'string':
        if (typeof value !== 'string') throw this.#wrongType(value, { owner, field });
        return value;
      case 'message':
        if (!isJsonObject(value)) throw this.#wrongType(value, { owner, field });
        return this.#message(value, field.message!, prior);
      case 'boolean':
        if (typeof value !== 'boolean') throw this.#wrongType(value, { owner, field });
        return value;
      case 'int32':
      case 'int64':
        return this.#integer(value, field, owner);
      case 'double':
        if (typeof value !== 'number') throw this.#wrongType(value, { owner, field });
        return value;
      case 'bytes':
        return this.#bytes(value, field, owner);
      case 'time':
      case 'microTime':
      case 'duration':
        return this.#time(value, field, owner);
      case 'quantity':
        return this.#quantity(value);
      case 'intOrString':
        return typeof value === 'string' ? value : this.#integer(value, field, owner);
      case 'strings':
        if (!Array.isArray(value)) throw this.#wrongType(value, { owner, field });
        return value.map((item) => {
          if (item !== null && typeof item !== 'string')
            throw this.#wrongType(item, { owner, field, wanted: 'string' });
          return item ?? '';
        });
      case 'fields':
      case 'json':
      case 'raw':
        return value;
      default:
        return this.#schemaOr(value, field, owner, prior);
    }
  }

  #integer(value: JsonValue, field: FieldSchema, owner: MessageSchema): number {
    if (typeof value !== 'number') throw this.#wrongType(value, { owner, field });
    const limit = field.type === 'int64' ? 2 ** 63 : 2 ** 31;
    if (!Number.isInteger(value) || value >= limit || value < -limit) {
      throw this.#wrongType(value, { owner, field, got: `number ${value}` });
    }
    return value;
  }

  #bytes(value: JsonValue, field: FieldSchema, owner: MessageSchema): string {
    if (typeof value !== 'string') throw this.#wrongType(value, { owner, field });
    const compact = value.replaceAll(/[\r\n]/g, '');
    if (!/^[A-Za-z0-9+/]*={0,2}$/.test(compact) || compact.length % 4 !== 0) {
      throw this.#refuse(base64Error(value) ?? 'illegal base64 data at input byte 0');
    }
    return compact;
  }

  #time(value: JsonValue, field: FieldSchema, owner: MessageSchema): string {
    if (typeof value !== 'string') throw this.#wrongType(value, { owner, field, wanted: 'string' });
    if (field.type === 'duration') {
      const duration = parseDuration(value);
      if (duration === undefined) throw this.#refuse(durationError(value));
      return duration;
    }
    const isMicro = field.type === 'microTime';
    const time = isMicro ? parseMicroTime(value) : parseTime(value);
    if (time === undefined) throw this.#refuse(timeError(value, isMicro ? MICRO_TIME_LAYOUT : TIME_LAYOUT));
    return time;
  }

  #quantity(value: JsonValue): string {
    const text = typeof value === 'string' || typeof value === 'number' ? String(value).trim() : '';
    const canonical = canonicalQuantity(text);
    if (canonical === undefined) throw this.#refuse(quantityError(text));
    return canonical;
  }

  #schemaOr(
    value: JsonValue,
    field: FieldSchema,
    owner: MessageSchema,
    prior: JsonValue | undefined,
  ): JsonValue {
    if (field.type === 'schemaOrBool' && typeof value === 'boolean') return value;
    if (field.type === 'schemaOrStrings' && Array.isArray(value)) return value;
    const message = field.message;
    if (message !== undefined && isJsonObject(value)) return this.#message(value, message, prior);
    if (field.type === 'schemaOrArray' && Array.isArray(value) && message !== undefined) {
      const before = Array.isArray(prior) ? prior : undefined;
      const depth = this.#way.length;
      return value.map((item, index) => {
        if (!isJsonObject(item)) throw this.#wrongType(item, { owner, field });
        if (item === before?.[index]) return item;
        this.#way[depth] = index;
        const schema = this.#message(item, message, before?.[index]);
        this.#way.length = depth;
        return schema;
      });
    }
    throw this.#wrongType(value, { owner, field });
  }

  /** `spec.containers[0].image`. */
  #path(): string {
    let path = '';
    for (const step of this.#way) {
      if (typeof step === 'number') path += `[${step}]`;
      else path += path === '' ? step : `.${step}`;
    }
    return path;
  }

  #wrongType(value: JsonValue, { owner, field, wanted, got }: Mismatch): PlatformError {
    const names = goPath(this.#path(), this.#kind.message);
    const name = typeof owner === 'string' ? owner : owner.name;
    const where = names === '' ? 'Go value' : `Go struct field ${name}.${names}`;
    return this.#refuse(
      `json: cannot unmarshal ${got ?? jsonTypeName(value)} into ${where} of type ${wanted ?? goType(field)}`,
    );
  }

  #refuse(reason: string): PlatformError {
    return refusedBody(this.#kind, reason, this.#path());
  }
}

interface Mismatch {
  /** The message that has the field, or the kind of the object itself. */
  readonly owner: MessageSchema | string;
  /** Absent for the object itself. */
  readonly field?: FieldSchema;
  /** Go's name of the type, where it is not that of the field's values. */
  readonly wanted?: string;
  /** What there is, where its type does not say it. */
  readonly got?: string;
}

/** Those that stand before the member at `key`. */
function membersBefore(key: string, value: JsonObject): JsonObject {
  const members: JsonObject = {};
  for (const name in value) {
    if (name === key) break;
    members[name] = value[name];
  }
  return members;
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
