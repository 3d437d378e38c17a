/** Version 3: openapi.v3.Document. Field numbers are those of https://github.com/google/gnostic/blob/main/openapiv3/OpenAPIv3.proto. */
import { isJsonObject, type JsonObject } from '../../api/json.ts';
import {
  any,
  choice,
  double,
  each,
  encodeDocument,
  flag,
  integer,
  message,
  named,
  orFlag,
  shape,
  text,
  wrapped,
  type Write,
} from './openapi-protobuf.ts';

const REFERENCE = shape({ $ref: [1, text], summary: [2, text], description: [3, text] });
const reference = wrapped(
  2,
  message(() => REFERENCE),
);

/** The thing itself (1), or where it is (2). */
function orReference(write: Write): Write {
  const itself = wrapped(1, write);
  return (out, number, value) =>
    (isJsonObject(value) && Object.hasOwn(value, '$ref') ? reference : itself)(out, number, value);
}

const schema: Write = orReference(message(() => SCHEMA));

const NOTHING = shape({});
const nothing = message(() => NOTHING);

/** A number, a flag or a text; there is no form for others. */
const defaultValue: Write = (out, number, value) => {
  if (typeof value === 'number') return wrapped(1, double)(out, number, value);
  if (typeof value === 'boolean') return wrapped(2, choice)(out, number, value);
  return (typeof value === 'string' ? wrapped(3, text) : nothing)(out, number, value);
};

const EXTERNAL_DOCS = shape({ description: [1, text], url: [2, text] }, 3);

const SCHEMA = shape(
  {
    nullable: [1, flag],
    readOnly: [3, flag],
    writeOnly: [4, flag],
    externalDocs: [6, message(() => EXTERNAL_DOCS)],
    example: [7, any],
    deprecated: [8, flag],
    title: [9, text],
    multipleOf: [10, double],
    maximum: [11, double],
    exclusiveMaximum: [12, flag],
    minimum: [13, double],
    exclusiveMinimum: [14, flag],
    maxLength: [15, integer],
    minLength: [16, integer],
    pattern: [17, text],
    maxItems: [18, integer],
    minItems: [19, integer],
    uniqueItems: [20, flag],
    maxProperties: [21, integer],
    minProperties: [22, integer],
    required: [23, each(text)],
    enum: [24, each(any)],
    type: [25, text],
    allOf: [26, each(schema)],
    oneOf: [27, each(schema)],
    anyOf: [28, each(schema)],
    not: [29, message(() => SCHEMA)],
    items: [30, wrapped(1, schema)],
    properties: [31, named(1, schema)],
    additionalProperties: [32, orFlag(schema)],
    default: [33, defaultValue],
    description: [34, text],
    format: [35, text],
  },
  36,
);

const MEDIA_TYPE = shape({ schema: [1, schema] }, 5);
const content = named(
  1,
  message(() => MEDIA_TYPE),
);
const PARAMETER = shape(
  {
    name: [1, text],
    in: [2, text],
    description: [3, text],
    required: [4, flag],
    schema: [10, schema],
  },
  14,
);
const parameters = each(orReference(message(() => PARAMETER)));
const REQUEST_BODY = shape({ description: [1, text], content: [2, content], required: [3, flag] }, 4);
const RESPONSE = shape({ description: [1, text], content: [3, content] }, 5);
const response = orReference(message(() => RESPONSE));
const OPERATION = shape(
  {
    tags: [1, each(text)],
    summary: [2, text],
    description: [3, text],
    operationId: [5, text],
    parameters: [6, parameters],
    requestBody: [7, orReference(message(() => REQUEST_BODY))],
    responses: [8, named(2, response)],
    deprecated: [10, flag],
  },
  13,
);
const operation = message(() => OPERATION);
const PATH_ITEM = shape(
  {
    summary: [2, text],
    description: [3, text],
    get: [4, operation],
    put: [5, operation],
    post: [6, operation],
    delete: [7, operation],
    options: [8, operation],
    head: [9, operation],
    patch: [10, operation],
    parameters: [13, parameters],
  },
  14,
);

const SECURITY_SCHEME = shape(
  { type: [1, text], description: [2, text], name: [3, text], in: [4, text], scheme: [5, text] },
  9,
);
const COMPONENTS = shape(
  {
    schemas: [1, named(1, schema)],
    securitySchemes: [7, named(1, orReference(message(() => SECURITY_SCHEME)))],
  },
  10,
);
const INFO = shape({ title: [1, text], description: [2, text], version: [6, text] }, 7);
const pathItems = named(
  1,
  message(() => PATH_ITEM),
);

const DOCUMENT = shape(
  {
    openapi: [1, text],
    info: [2, message(() => INFO)],
    paths: [4, pathItems],
    components: [5, message(() => COMPONENTS)],
  },
  9,
);

export function encodeOpenApiV3(document: JsonObject): Generator<void, Uint8Array> {
  return encodeDocument(document, DOCUMENT);
}
