/** Types of what schemas describe: structural schemas of custom resources, and published messages. */
import type { FieldSchema, MessageSchema } from '../schema.ts';
import type { Structural } from '../structural/schema.ts';
import {
  BOOL,
  BYTES,
  DOUBLE,
  DURATION,
  DYN,
  INT,
  list,
  map,
  STRING,
  TIMESTAMP,
  type CelType,
  type Field,
} from './types.ts';
import { RESERVED } from './parser.ts';

/** Names that a field cannot have in an expression as they are. */
const ESCAPED: ReadonlySet<string> = new Set(['true', 'false', 'null', 'in', ...RESERVED]);

const ESCAPES: readonly (readonly [string, string])[] = [
  ['__', '__underscores__'],
  ['.', '__dot__'],
  ['-', '__dash__'],
  ['/', '__slash__'],
];

/**
 * A property's name as expressions write it; undefined when they cannot
 * (https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation-rules).
 */
export function escapedName(name: string): string | undefined {
  if (ESCAPED.has(name)) return `__${name}__`;
  if (!/^[A-Za-z_./-][A-Za-z0-9_./-]*$/.test(name)) return undefined;
  return name.replaceAll(/__|[./-]/g, (found) => ESCAPES.find(([from]) => from === found)?.[1] ?? found);
}

const made = new WeakMap<Structural, CelType>();

/** `root` and embedded objects have a head, of which expressions see the names. */
export function typeOfSchema(schema: Structural, root = false): CelType {
  if (root) return make(schema, true);
  let type = made.get(schema);
  if (type === undefined) made.set(schema, (type = make(schema, schema.embedded)));
  return type;
}

let count = 0;

function make(schema: Structural, hasHead: boolean): CelType {
  const { type, format, items, additional, properties } = schema;
  if (schema.intOrString) return DYN;
  switch (type) {
    case 'integer':
      return INT;
    case 'number':
      return DOUBLE;
    case 'boolean':
      return BOOL;
    case 'string':
      return format === 'byte'
        ? BYTES
        : format === 'duration'
          ? DURATION
          : format === 'date' || format === 'date-time'
            ? TIMESTAMP
            : STRING;
    case 'array':
      return items === undefined ? DYN : { kind: 'list', element: typeOfSchema(items), keys: keysOf(schema) };
    case 'object':
      break;
    default:
      return DYN;
  }
  if (typeof additional === 'object') return map(STRING, typeOfSchema(additional));
  if (additional === true) return map(STRING, DYN);
  const fields = new Map<string, Field>();
  for (const [property, child] of properties) {
    const name = escapedName(property);
    if (name !== undefined) fields.set(name, new SchemaField(property, child));
  }
  if (hasHead) {
    for (const property of ['apiVersion', 'kind']) fields.set(property, { property, type: STRING });
    fields.set('metadata', { property: 'metadata', type: METADATA });
  }
  return { kind: 'object', name: `selfType.${count++}`, fields };
}

/** What the field is of is looked at when the field is. */
class SchemaField implements Field {
  readonly property: string;
  readonly #schema: Structural;

  constructor(property: string, schema: Structural) {
    this.property = property;
    this.#schema = schema;
  }

  get type(): CelType {
    return typeOfSchema(this.#schema);
  }
}

function keysOf({ listType, listMapKeys }: Structural): readonly string[] | undefined {
  if (listType === 'map') return listMapKeys;
  return listType === 'set' ? [] : undefined;
}

const METADATA: CelType = {
  kind: 'object',
  name: 'metadata',
  fields: new Map(['name', 'generateName'].map((property) => [property, { property, type: STRING }])),
};

const messages = new WeakMap<MessageSchema, CelType>();

/** Built lazily: messages may hold themselves. */
export function typeOfMessage(message: MessageSchema): CelType {
  let type = messages.get(message);
  if (type === undefined) {
    const fields = new LazyFields(message);
    messages.set(message, (type = { kind: 'object', name: message.fullName, fields }));
  }
  return type;
}

class LazyFields extends Map<string, Field> {
  readonly #message: MessageSchema;

  constructor(message: MessageSchema) {
    super();
    this.#message = message;
  }

  override get(name: string): Field | undefined {
    const found = super.get(name);
    if (found !== undefined) return found;
    for (const [property, schema] of this.#message.fields) {
      if (escapedName(property) !== name) continue;
      const field = { property, type: typeOfField(schema) };
      this.set(name, field);
      return field;
    }
    return undefined;
  }

  override keys(): MapIterator<string> {
    const names = [...this.#message.fields.keys()].flatMap((name) => escapedName(name) ?? []);
    return new Map(names.map((name) => [name, name])).keys();
  }
}

function typeOfField(schema: FieldSchema): CelType {
  const one = typeOfValue(schema);
  if (schema.kind === 'list') return list(one);
  return schema.kind === 'map' ? map(STRING, one) : one;
}

function typeOfValue({ type, message }: FieldSchema): CelType {
  switch (type) {
    case 'string':
      return STRING;
    case 'boolean':
      return BOOL;
    case 'int32':
    case 'int64':
      return INT;
    case 'double':
      return DOUBLE;
    case 'bytes':
      return BYTES;
    case 'time':
    case 'microTime':
      return TIMESTAMP;
    case 'message':
      return message === undefined ? DYN : typeOfMessage(message);
    default:
      return DYN;
  }
}
