/** Formats that a definition's schemas name and nobody knows: they say nothing. */
import { goQuote } from '../field-error.ts';
import {
  isJsonObject,
  jsonEqual,
  objectAt,
  objectsAt,
  stringAt,
  type JsonObject,
  type JsonValue,
} from '../json.ts';
import { isKnownFormat } from '../structural/formats.ts';

export function definitionWarnings(definition: JsonObject, old: JsonObject | undefined): string[] {
  const before = new Set(unknownFormats(old));
  return unknownFormats(definition)
    .filter((format) => !before.has(format))
    .map((format) => `unrecognized format ${goQuote(format)}`);
}

function unknownFormats(definition: JsonObject | undefined): string[] {
  const schemas = objectsAt(definition, 'spec', 'versions').map((version) =>
    objectAt(version, 'schema', 'openAPIV3Schema'),
  );
  const [first] = schemas;
  // What all versions have alike is looked at once.
  const isShared = first !== undefined && schemas.every((schema) => jsonEqual(schema, first));
  const found: string[] = [];
  for (const schema of isShared ? [first] : schemas) visit(schema, found);
  return found;
}

const LISTS = ['allOf', 'anyOf', 'oneOf'];
const MAPS = ['properties', 'patternProperties', 'definitions'];

function visit(schema: JsonValue | undefined, found: string[]): void {
  if (!isJsonObject(schema)) return;
  const format = stringAt(schema, 'format');
  if (format !== '' && !isKnownFormat(stringAt(schema, 'type'), format)) found.push(format);
  for (const key of LISTS) for (const inner of objectsAt(schema, key)) visit(inner, found);
  for (const key of ['items', 'additionalProperties', 'not']) visit(schema[key], found);
  for (const key of MAPS) for (const inner of Object.values(objectAt(schema, key))) visit(inner, found);
}
