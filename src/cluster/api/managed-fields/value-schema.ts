/** What ownership of fields needs to know of a type: which parts have owners of their own. */
import type { JsonValue } from '../json.ts';
import type { FieldSchema, MessageSchema } from '../schema.ts';
import { zeroOf } from '../zero-values.ts';

/** `any`: whatever is no list and no map. */
export type ScalarType = 'string' | 'numeric' | 'boolean' | 'any';

export type ValueSchema =
  | { readonly type: 'scalar'; readonly of: ScalarType }
  /** Lists and objects without a schema: objects by key, lists as a whole. */
  | { readonly type: 'untyped' }
  | {
      readonly type: 'struct';
      readonly atomic: boolean;
      /** It may have members that are no fields of it, which have no schema. */
      readonly open?: boolean;
      field(name: string): ValueSchema | undefined;
      /** What there is of fields that are always there, when nobody has set them. */
      readonly zeros: ReadonlyMap<string, JsonValue>;
    }
  | { readonly type: 'map'; readonly atomic: boolean; readonly element: () => ValueSchema }
  | { readonly type: 'list'; readonly listType: 'atomic' | 'set'; readonly element: () => ValueSchema }
  | {
      readonly type: 'list';
      readonly listType: 'map';
      readonly keys: readonly string[];
      /** What a missing key counts as. */
      keyDefault(key: string): JsonValue | undefined;
      readonly element: () => ValueSchema;
    };

export const UNTYPED: ValueSchema = { type: 'untyped' };
const TEXT: ValueSchema = { type: 'scalar', of: 'string' };
const NUMBER: ValueSchema = { type: 'scalar', of: 'numeric' };
const BOOLEAN: ValueSchema = { type: 'scalar', of: 'boolean' };
const ANY: ValueSchema = { type: 'scalar', of: 'any' };

const WHOLE: ValueSchema = { type: 'map', atomic: true, element: () => UNTYPED };

const ofMessages = new WeakMap<MessageSchema, ValueSchema>();
const ofFields = new WeakMap<FieldSchema, ValueSchema>();

export function structSchema(message: MessageSchema): ValueSchema {
  const known = ofMessages.get(message);
  if (known !== undefined) return known;
  let zeros: ReadonlyMap<string, JsonValue> | undefined;
  const schema: ValueSchema = {
    type: 'struct',
    atomic: message.atomic,
    get zeros() {
      return (zeros ??= zerosOf(message));
    },
    field: (name) => {
      const field = message.fields.get(name);
      return field === undefined ? undefined : fieldSchema(field);
    },
  };
  ofMessages.set(message, schema);
  return schema;
}

function zerosOf({ always, filled }: MessageSchema): ReadonlyMap<string, JsonValue> {
  return new Map(always.map((field) => [field.name, filled.includes(field) ? zeroOf(field) : null]));
}

function fieldSchema(field: FieldSchema): ValueSchema {
  const known = ofFields.get(field);
  if (known !== undefined) return known;
  const schema = makeFieldSchema(field);
  ofFields.set(field, schema);
  return schema;
}

function makeFieldSchema(field: FieldSchema): ValueSchema {
  const element = (): ValueSchema => elementSchema(field);
  if (field.kind === 'map') return { type: 'map', atomic: field.atomic, element };
  if (field.kind === 'list') {
    if (field.listType === 'map') {
      const keyDefault = (key: string): JsonValue | undefined => defaultOf(field.message?.fields.get(key));
      return { type: 'list', listType: 'map', keys: field.listMapKeys, keyDefault, element };
    }
    return { type: 'list', listType: field.listType ?? 'atomic', element };
  }
  const single = elementSchema(field);
  if (single.type !== 'struct' || (!field.atomic && !field.granular)) return single;
  const zeros: ReadonlyMap<string, JsonValue> = field.atomic ? new Map() : single.zeros;
  return { type: 'struct', atomic: field.atomic, field: (name) => single.field(name), zeros };
}

/** What is always written has its zero value when nobody sets it. */
function defaultOf(field: FieldSchema | undefined): JsonValue | undefined {
  return field?.defaultValue ?? (field?.always === true ? zeroOf(field) : undefined);
}

function elementSchema(field: FieldSchema): ValueSchema {
  switch (field.type) {
    case 'message':
      return structSchema(field.message!);
    case 'raw':
      return WHOLE;
    case 'json':
    case 'fields':
    case 'schemaOrBool':
    case 'schemaOrArray':
    case 'schemaOrStrings':
      return UNTYPED;
    case 'strings':
      return { type: 'list', listType: 'atomic', element: () => TEXT };
    case 'int32':
    case 'int64':
    case 'double':
      return NUMBER;
    case 'boolean':
      return BOOLEAN;
    case 'quantity':
    case 'intOrString':
      return ANY;
    default:
      return TEXT;
  }
}
