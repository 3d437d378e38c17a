/**
 * An OpenAPI v2 document as gnostic's protobuf (openapi.v2.Document), which client-go asks for. Field numbers are those of
 * https://github.com/google/gnostic/blob/main/openapiv2/OpenAPIv2.proto.
 */
import { isJsonObject, objectAt, type JsonObject, type JsonValue } from '../api/json.ts';
import { BackwardWriter } from './protobuf-writer.ts';

export const OPENAPI_PROTOBUF = 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf';

type Write = (out: BackwardWriter, number: number, value: JsonValue) => void;

interface Shape {
  /** By name: number, and how it is written. */
  readonly fields: Readonly<Record<string, readonly [number, Write]>>;
  /** Number of the list that `x-` fields go to. */
  readonly extensions?: number;
}

const text: Write = (out, number, value) =>
  out.text(number, typeof value === 'string' ? value : JSON.stringify(value));
const flag: Write = (out, number, value) => value === true && out.integer(number, 1);
const integer: Write = (out, number, value) => typeof value === 'number' && out.integer(number, value);
const double: Write = (out, number, value) => typeof value === 'number' && out.double(number, value);

const each =
  (write: Write): Write =>
  (out, number, value) => {
    if (Array.isArray(value)) for (const item of value.toReversed()) write(out, number, item);
  };

const message =
  (shape: () => Shape): Write =>
  (out, number, value) =>
    inside(out, number, () => isJsonObject(value) && writeShape(out, value, shape()));

/** A message that only holds another in its field `inner`. */
const wrapped =
  (inner: number, write: Write): Write =>
  (out, number, value) =>
    inside(out, number, () => write(out, inner, value));

/** A map as a message with a list (field `list`) of names (1) and values (2). */
const named =
  (list: number, write: Write): Write =>
  (out, number, value) =>
    inside(out, number, () => {
      if (!isJsonObject(value)) return;
      for (const [name, item = null] of Object.entries(value).toReversed())
        namedItem(out, list, { name, item, write });
    });

/** A value of any form is YAML, which JSON is. */
const any: Write = (out, number, value) => inside(out, number, () => out.text(2, JSON.stringify(value)));

function inside(out: BackwardWriter, number: number, write: () => unknown): void {
  const end = out.length;
  write();
  out.endMessage(number, end);
}

function namedItem(
  out: BackwardWriter,
  number: number,
  { name, item, write }: { readonly name: string; readonly item: JsonValue; readonly write: Write },
): void {
  inside(out, number, () => {
    write(out, 2, item);
    out.text(1, name);
  });
}

function writeShape(out: BackwardWriter, value: JsonObject, { fields, extensions }: Shape): void {
  if (extensions !== undefined) {
    for (const [name, item = null] of Object.entries(value).toReversed()) {
      if (name.startsWith('x-')) namedItem(out, extensions, { name, item, write: any });
    }
  }
  const present = Object.entries(fields).filter(([name]) => Object.hasOwn(value, name));
  for (const [name, [number, write]] of present.toSorted((a, b) => b[1][0] - a[1][0])) {
    write(out, number, value[name]!);
  }
}

const types: Write = (out, number, value) =>
  inside(out, number, () => each(text)(out, 1, Array.isArray(value) ? value : [value]));

const schema: Write = message(() => SCHEMA);
const schemaOrFlag: Write = (out, number, value) =>
  inside(out, number, () =>
    isJsonObject(value) ? schema(out, 1, value) : out.integer(2, value === true ? 1 : 0),
  );

const SCHEMA: Shape = {
  fields: {
    $ref: [1, text],
    format: [2, text],
    title: [3, text],
    description: [4, text],
    default: [5, any],
    multipleOf: [6, double],
    maximum: [7, double],
    exclusiveMaximum: [8, flag],
    minimum: [9, double],
    exclusiveMinimum: [10, flag],
    maxLength: [11, integer],
    minLength: [12, integer],
    pattern: [13, text],
    maxItems: [14, integer],
    minItems: [15, integer],
    uniqueItems: [16, flag],
    maxProperties: [17, integer],
    minProperties: [18, integer],
    required: [19, each(text)],
    enum: [20, each(any)],
    additionalProperties: [21, schemaOrFlag],
    type: [22, types],
    items: [23, wrapped(1, schema)],
    properties: [25, named(1, schema)],
    example: [30, any],
  },
  extensions: 31,
};

const BODY: Shape = {
  fields: {
    description: [1, text],
    name: [2, text],
    in: [3, text],
    required: [4, flag],
    schema: [5, schema],
  },
};
const IN_QUERY: Shape = {
  fields: {
    required: [1, flag],
    in: [2, text],
    description: [3, text],
    name: [4, text],
    type: [6, text],
    format: [7, text],
    uniqueItems: [20, flag],
  },
};
const IN_PATH: Shape = {
  fields: {
    required: [1, flag],
    in: [2, text],
    description: [3, text],
    name: [4, text],
    type: [5, text],
    format: [6, text],
    uniqueItems: [19, flag],
  },
};

const parameter: Write = (out, number, value) => {
  if (!isJsonObject(value)) return;
  const where = value['in'];
  const [place, shape] = where === 'path' ? [4, IN_PATH] : [3, IN_QUERY];
  const written =
    where === 'body'
      ? message(() => BODY)
      : wrapped(
          place,
          message(() => shape),
        );
  wrapped(1, (inner, at, item) => inside(inner, at, () => written(inner, where === 'body' ? 1 : 2, item)))(
    out,
    number,
    value,
  );
};

const RESPONSE: Shape = {
  fields: { description: [1, text], schema: [2, wrapped(1, schema)] },
  extensions: 5,
};
const OPERATION: Shape = {
  fields: {
    description: [3, text],
    operationId: [5, text],
    produces: [6, each(text)],
    consumes: [7, each(text)],
    parameters: [8, each(parameter)],
    responses: [
      9,
      named(
        1,
        wrapped(
          1,
          message(() => RESPONSE),
        ),
      ),
    ],
  },
  extensions: 13,
};
const operation = message(() => OPERATION);
const PATH_ITEM: Shape = {
  fields: {
    get: [2, operation],
    put: [3, operation],
    post: [4, operation],
    delete: [5, operation],
    options: [6, operation],
    head: [7, operation],
    patch: [8, operation],
    parameters: [9, each(parameter)],
  },
  extensions: 10,
};
const pathItem = message(() => PATH_ITEM);
function* pathSteps(out: BackwardWriter, number: number, value: JsonValue): Generator<void> {
  pathItem(out, number, value);
  yield;
}

const INFO = message(() => ({ fields: { title: [1, text], version: [2, text] } }));

/** Of a schema, what is written before and after the schemas in it. */
const {
  example,
  properties: _properties,
  items: _items,
  additionalProperties: _more,
  ...PLAIN
} = SCHEMA.fields;
const BEHIND: Shape = { fields: { example: example! }, extensions: 31 };
const BEFORE: Shape = { fields: PLAIN };

/** Long work that can stop at each `yield`. */
type WriteSteps = (out: BackwardWriter, number: number, value: JsonValue) => Generator<void>;

/** As `wrapped`. */
const wrappedSteps = (inner: number, write: WriteSteps): WriteSteps =>
  function* (out, number, value) {
    const end = out.length;
    yield* write(out, inner, value);
    out.endMessage(number, end);
  };

/** As `named`; stops after each item. */
const namedSteps = (list: number, write: WriteSteps): WriteSteps =>
  function* (out, number, value) {
    const end = out.length;
    for (const [name, item = null] of Object.entries(objectAt(value)).toReversed()) {
      const itemEnd = out.length;
      yield* write(out, 2, item);
      out.text(1, name);
      out.endMessage(list, itemEnd);
      yield;
    }
    out.endMessage(number, end);
  };

/** As `schema`: those of users' definitions may have thousands of properties. */
function* schemaSteps(out: BackwardWriter, number: number, value: JsonValue): Generator<void> {
  const end = out.length;
  if (isJsonObject(value)) {
    writeShape(out, value, BEHIND);
    const { properties, items, additionalProperties: more } = value;
    if (properties !== undefined) yield* namedSteps(1, schemaSteps)(out, 25, properties);
    if (items !== undefined) yield* wrappedSteps(1, schemaSteps)(out, 23, items);
    if (isJsonObject(more)) yield* wrappedSteps(1, schemaSteps)(out, 21, more);
    else if (more !== undefined) schemaOrFlag(out, 21, more);
    writeShape(out, value, BEFORE);
  }
  out.endMessage(number, end);
}

/** From the end to the beginning: definitions (9), paths (8), head. Long work that can stop at each `yield`. */
export function* encodeOpenApi(document: JsonObject): Generator<void, Uint8Array> {
  const out = new BackwardWriter(1 << 20);
  const { swagger = '', info = {}, paths = null, definitions = null } = document;
  yield* namedSteps(1, schemaSteps)(out, 9, definitions);
  yield* namedSteps(2, pathSteps)(out, 8, paths);
  INFO(out, 2, info);
  text(out, 1, swagger);
  return out.bytes();
}
