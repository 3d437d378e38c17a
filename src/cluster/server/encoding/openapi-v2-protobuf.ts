/** Version 2: openapi.v2.Document. Field numbers are those of https://github.com/google/gnostic/blob/main/openapiv2/OpenAPIv2.proto. */
import { isJsonObject, type JsonObject } from '../../api/json.ts';
import {
  any,
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

const types: Write = (out, number, value) => {
  const list = Array.isArray(value) ? value : [value];
  return wrapped(1, each(text))(out, number, list);
};

const schema: Write = message(() => SCHEMA);

const EXTERNAL_DOCS = shape({ description: [1, text], url: [2, text] }, 3);

const SCHEMA = shape(
  {
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
    additionalProperties: [21, orFlag(schema)],
    type: [22, types],
    items: [23, wrapped(1, schema)],
    properties: [25, named(1, schema)],
    externalDocs: [29, message(() => EXTERNAL_DOCS)],
    example: [30, any],
  },
  31,
);

const BODY = shape({
  description: [1, text],
  name: [2, text],
  in: [3, text],
  required: [4, flag],
  schema: [5, schema],
});
const IN_QUERY = shape({
  required: [1, flag],
  in: [2, text],
  description: [3, text],
  name: [4, text],
  type: [6, text],
  format: [7, text],
  uniqueItems: [20, flag],
});
const IN_PATH = shape({
  required: [1, flag],
  in: [2, text],
  description: [3, text],
  name: [4, text],
  type: [5, text],
  format: [6, text],
  uniqueItems: [19, flag],
});

const ofBody = wrapped(
  1,
  message(() => BODY),
);
const ofQuery = wrapped(
  2,
  wrapped(
    3,
    message(() => IN_QUERY),
  ),
);
const ofPath = wrapped(
  2,
  wrapped(
    4,
    message(() => IN_PATH),
  ),
);
const parameter: Write = (out, number, value) => {
  const where = isJsonObject(value) ? value['in'] : undefined;
  return (where === 'body' ? ofBody : where === 'path' ? ofPath : ofQuery)(out, number, value);
};
const REFERENCE = shape({ $ref: [1, text], description: [2, text] });
const itself = wrapped(1, parameter);
const reference = wrapped(
  2,
  message(() => REFERENCE),
);
const parameters = each((out, number, value) =>
  (isJsonObject(value) && Object.hasOwn(value, '$ref') ? reference : itself)(out, number, value),
);

const RESPONSE = shape({ description: [1, text], schema: [2, wrapped(1, schema)] }, 5);
const response = wrapped(
  1,
  message(() => RESPONSE),
);
const OPERATION = shape(
  {
    tags: [1, each(text)],
    description: [3, text],
    operationId: [5, text],
    produces: [6, each(text)],
    consumes: [7, each(text)],
    parameters: [8, parameters],
    responses: [9, named(1, response)],
    schemes: [10, each(text)],
  },
  13,
);
const operation = message(() => OPERATION);
const PATH_ITEM = shape(
  {
    get: [2, operation],
    put: [3, operation],
    post: [4, operation],
    delete: [5, operation],
    options: [6, operation],
    head: [7, operation],
    patch: [8, operation],
    parameters: [9, parameters],
  },
  10,
);

const INFO = shape({ title: [1, text], version: [2, text] });

const API_KEY = shape({ type: [1, text], name: [2, text], in: [3, text], description: [4, text] });

const DOCUMENT = shape({
  swagger: [1, text],
  info: [2, message(() => INFO)],
  paths: [
    8,
    named(
      2,
      message(() => PATH_ITEM),
    ),
  ],
  definitions: [9, named(1, schema)],
  parameters: [10, named(1, parameter)],
  security: [12, each(named(1, wrapped(1, each(text))))],
  securityDefinitions: [
    13,
    named(
      1,
      wrapped(
        2,
        message(() => API_KEY),
      ),
    ),
  ],
});

export function encodeOpenApiV2(document: JsonObject): Generator<void, Uint8Array> {
  return encodeDocument(document, DOCUMENT);
}
