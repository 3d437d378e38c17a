/** What can be done with the objects of one kind, wherever its definition comes from: a published one or a user's. */
import { decodeValue, type Decoded, type DecodeOptions } from './decode.ts';
import { defaultsOf } from './defaults.ts';
import type { FieldError } from './field-error.ts';
import type { JsonObject, JsonValue } from './json.ts';
import { structSchema, type ValueSchema } from './managed-fields/value-schema.ts';
import { strategicMergePatch } from './patch.ts';
import type { KindSchema } from './schema.ts';
import { validateCreate, validateUpdate } from './validate.ts';
import { warningsOf } from './warnings.ts';

export interface ObjectType {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  /** Pruned to what the definition knows; throws `invalid` for wrong types. */
  decode(value: JsonValue, options?: DecodeOptions): Decoded;
  /**
   * In place; idempotent. With `prior`, the object of the same version that this one was made of and that has its defaults:
   * what is `===` the prior's at the same path is not written to, but replaced by a copy where something has to be.
   * Elsewhere nothing of the prior may be in the object, as `decode` leaves it.
   */
  applyDefaults(object: JsonObject, prior?: JsonObject): void;
  validateCreate(object: JsonObject): readonly FieldError[];
  /** `endpoint`: `status` and the like; the object's own where it is left out. */
  validateUpdate(object: JsonObject, old: JsonObject, endpoint?: string): readonly FieldError[];
  /** What the answer to a write warns of. */
  warnings(object: JsonObject, old?: JsonObject): readonly string[];
  readonly ownership: ValueSchema;
  /** Names of the outermost fields, as far as they are known. */
  readonly fieldNames: readonly string[];
  /** Absent: the kind has no merge keys, and strategic merge patches are not taken. */
  readonly strategicMerge?: (document: JsonObject, patch: JsonObject) => JsonObject;
  /** Absent: bodies in protobuf are not taken. */
  readonly wire?: KindSchema;
}

const known = new WeakMap<KindSchema['message'], ObjectType>();

/** The type of a published kind. */
export function builtinType(schema: KindSchema): ObjectType {
  const made = known.get(schema.message);
  if (made !== undefined && made.group === schema.group && made.version === schema.version) return made;
  const { group, version, kind } = schema;
  const applyDefaults = defaultsOf(schema);
  const type: ObjectType = {
    group,
    version,
    kind,
    decode: (value, options = {}) => decodeValue(value, schema, options),
    applyDefaults,
    validateCreate: (object) => validateCreate(schema, object),
    validateUpdate: (object, old, endpoint = 'main') => validateUpdate(schema, object, { old, endpoint }),
    warnings: (object, old) => warningsOf(`${group}/${kind}`, object, old),
    ownership: structSchema(schema.message),
    get fieldNames() {
      return [...schema.message.fields.keys()];
    },
    strategicMerge: (document, patch) => strategicMergePatch(document, patch, schema),
    wire: schema,
  };
  known.set(schema.message, type);
  return type;
}
