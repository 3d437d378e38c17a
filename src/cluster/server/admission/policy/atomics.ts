import { isJsonObject, type JsonValue } from '../../../api/json.ts';
import type { ValueSchema } from '../../../api/managed-fields/value-schema.ts';

/**
 * The paths of what would be replaced as a whole. A policy may not configure such: what it did not think of would be gone
 * (KEP-3962).
 */
export function atomicsIn(value: JsonValue | undefined, schema: ValueSchema, path = ''): readonly string[] {
  if (isJsonObject(value) && (schema.type === 'map' || schema.type === 'struct')) {
    const inner = Object.entries(value).flatMap(([name, member]) => {
      const of = schema.type === 'map' ? schema.element() : schema.field(name);
      return of === undefined ? [] : atomicsIn(member, of, `${path}.${name}`);
    });
    return schema.atomic ? [path, ...inner] : inner;
  }
  if (Array.isArray(value) && schema.type === 'list') {
    const inner = value.flatMap((item, index) => atomicsIn(item, schema.element(), `${path}[${index}]`));
    return schema.listType === 'atomic' ? [path, ...inner] : inner;
  }
  return [];
}
