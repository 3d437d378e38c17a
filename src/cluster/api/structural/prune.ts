import { getOwn, isJsonObject, setOwn, type JsonObject, type JsonValue } from '../json.ts';
import type { Structural } from './schema.ts';

/** Fields that every object has, and every embedded one. */
const HEAD = ['apiVersion', 'kind', 'metadata'];

/** A copy without what the schema does not know; `unknown` gets the paths of what was left out. */
export function prune(value: JsonValue, schema: Structural, unknown: string[], path = ''): JsonValue {
  if (Array.isArray(value)) {
    const { items } = schema;
    if (items === undefined) return value;
    return value.map((item, index) => prune(item, items, unknown, `${path}[${index}]`));
  }
  if (!isJsonObject(value)) return value;
  const result: JsonObject = {};
  for (const name of Object.keys(value)) {
    const child = getOwn(value, name)!;
    const at = path === '' ? name : `${path}.${name}`;
    const known = schema.properties.get(name);
    const head = (path === '' || schema.embedded) && HEAD.includes(name);
    if (known !== undefined && !(path === '' && head)) setOwn(result, name, prune(child, known, unknown, at));
    else if (isSchema(schema.additional)) setOwn(result, name, prune(child, schema.additional, unknown, at));
    else if (head || schema.preserveUnknown || schema.additional === true) setOwn(result, name, child);
    else unknown.push(`unknown field "${at}"`);
  }
  return result;
}

export function isSchema(additional: Structural['additional']): additional is Structural {
  return typeof additional === 'object';
}

/**
 * Fills in defaults in place, where something else is there to hold them. What is `===` the prior's at the same path has
 * its defaults and is left alone.
 */
export function fillDefaults(value: JsonValue, schema: Structural, prior?: JsonValue): void {
  if (value === prior) return;
  if (Array.isArray(value)) {
    if (schema.items === undefined) return;
    const before = Array.isArray(prior) ? prior : undefined;
    value.forEach((item, index) => {
      const { items } = schema;
      if (item === null && !items!.nullable && items!.defaultValue !== undefined) {
        value[index] = structuredClone(items!.defaultValue);
      }
      fillDefaults(value[index]!, items!, before?.[index]);
    });
    return;
  }
  if (!isJsonObject(value)) return;
  const before = isJsonObject(prior) ? prior : {};
  for (const [name, child] of schema.properties) {
    const present = getOwn(value, name);
    const absent = present === undefined || (present === null && !child.nullable);
    if (absent && child.defaultValue !== undefined) setOwn(value, name, structuredClone(child.defaultValue));
    // A null that nothing replaces is as good as not there.
    else if (present === null && !child.nullable) delete value[name];
    const filled = getOwn(value, name);
    if (filled !== undefined && filled !== null) fillDefaults(filled, child, getOwn(before, name));
  }
  if (!isSchema(schema.additional)) return;
  for (const name of Object.keys(value)) {
    const child = getOwn(value, name);
    if (child !== undefined && child !== null && !schema.properties.has(name))
      fillDefaults(child, schema.additional, getOwn(before, name));
  }
}
