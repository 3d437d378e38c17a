import { stringAt, type JsonObject } from '../json.ts';
import { kindSchema, type FieldType } from '../schema.ts';

const TYPES: Readonly<Partial<Record<FieldType, string>>> = {
  string: 'string',
  boolean: 'boolean',
  int32: 'integer',
  int64: 'integer',
};

export function queryParameter(name: string, type = 'string'): JsonObject {
  return { name, in: 'query', schema: { type, uniqueItems: true } };
}

export function pathParameter(name: string): JsonObject {
  return { name, in: 'path', required: true, schema: { type: 'string', uniqueItems: true } };
}

/**
 * Of a kind of options, its fields that a query can hold: no times, no structs. A list shows as one of its elements, which
 * is all that upstream's HTTP library can say.
 */
export function optionParameters(kind: string): JsonObject[] {
  const result: JsonObject[] = [];
  for (const { name, number, type } of kindSchema('', 'v1', kind)?.message.fields.values() ?? []) {
    const shown = TYPES[type];
    if (number > 0 && shown !== undefined) result.push(queryParameter(name, shown));
  }
  return result;
}

/** By name and place, neither of which has a NUL. */
export function keyOf(parameter: JsonObject): string {
  return `${stringAt(parameter, 'name')}\0${stringAt(parameter, 'in')}`;
}

export function inOrder(parameters: readonly JsonObject[]): JsonObject[] {
  return parameters.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
}
