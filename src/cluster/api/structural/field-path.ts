/** Fields as definitions name them: `.spec.size`, `.labels['example.com/app']`. */
import { getOwn, isJsonObject, objectAt, type JsonObject } from '../json.ts';

export interface FoundField {
  readonly names: readonly string[];
  readonly schema: JsonObject;
}

const TOKEN = /'(?:.*?[^\\])?'|'.*|[.[\]]|[^.[\]]+/gs;

/** The field's schema, or why there is none. */
export function findField(path: string, schema: JsonObject, brackets = true): FoundField | string {
  const tokens = path.match(TOKEN) ?? [];
  const names: string[] = [];
  let current = schema;
  for (let index = 0; index < tokens.length; index++) {
    const sign = tokens[index]!;
    if (sign !== '.' && sign !== '[') return `expected [ or . but got: ${sign}`;
    if (sign === '[' && !brackets) return 'array notation is not allowed';
    const token = tokens[++index];
    if (token === undefined) return 'unexpected end of JSON path';
    if (sign === '[' && !/^'.*'$/s.test(token)) return `expected single quoted string but got ${token}`;
    const name = sign === '[' ? token.slice(1, -1).replaceAll(/\\(.)/gs, '$1') : token;
    const next = stepInto(current, name);
    if (next === undefined) return 'does not refer to a valid field';
    if (sign === '[' && tokens[++index] !== ']') {
      const end = tokens[index];
      return end === undefined ? 'unexpected end of JSON path' : `expected ] but got ${end}`;
    }
    names.push(name);
    current = next;
  }
  return { names, schema: current };
}

/** Where properties are named, there is nothing but them. */
function stepInto(schema: JsonObject, name: string): JsonObject | undefined {
  const properties = objectAt(schema, 'properties');
  const hasNames = Object.keys(properties).length > 0;
  const next = hasNames ? getOwn(properties, name) : getOwn(schema, 'additionalProperties');
  return isJsonObject(next) ? next : undefined;
}
