import { getOwn, isJsonObject, setOwn, type JsonObject, type JsonValue } from '../json.ts';
import type { Structural } from './schema.ts';

/** Fields that every object has, and every embedded one. */
const HEAD = ['apiVersion', 'kind', 'metadata'];

export interface PruneOptions {
  /** Gets the paths of what was left out because nobody knows it: `unknown field "spec.a"`. */
  readonly unknown?: string[];
  /** Nulls stay where validation refuses them. */
  readonly keepsNulls?: boolean;
  readonly path?: string;
}

/** A copy without what the schema does not know, and without members that are null and may not be. */
export function prune(value: JsonValue, schema: Structural, options: PruneOptions = {}): JsonValue {
  const { path = '' } = options;
  if (Array.isArray(value)) {
    const { items } = schema;
    if (items === undefined) return value;
    return value.map((item, index) => prune(item, items, { ...options, path: `${path}[${index}]` }));
  }
  if (!isJsonObject(value)) return value;
  const result: JsonObject = {};
  for (const name of Object.keys(value)) {
    const child = getOwn(value, name)!;
    const at = path === '' ? name : `${path}.${name}`;
    const head = (path === '' || schema.embedded) && HEAD.includes(name);
    const known = path === '' && head ? undefined : memberOf(schema, name);
    if (known !== undefined) {
      if (child !== null || !isDropped(known, options))
        setOwn(result, name, prune(child, known, { ...options, path: at }));
    } else if (head || schema.preserveUnknown || schema.additional === true) setOwn(result, name, child);
    else options.unknown?.push(`unknown field "${at}"`);
  }
  return result;
}

function memberOf({ properties, additional }: Structural, name: string): Structural | undefined {
  return properties.get(name) ?? (isSchema(additional) ? additional : undefined);
}

/** A null that nothing replaces is as good as not there. */
function isDropped(
  { nullable, defaultValue, type, intOrString }: Structural,
  { keepsNulls = false }: PruneOptions,
): boolean {
  const isRefused = type !== '' || intOrString;
  return !nullable && defaultValue === undefined && !(keepsNulls && isRefused);
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
    const filled = getOwn(value, name);
    if (filled !== undefined && filled !== null) fillDefaults(filled, child, getOwn(before, name));
  }
  const { additional } = schema;
  if (!isSchema(additional)) return;
  for (const name of Object.keys(value)) {
    if (schema.properties.has(name)) continue;
    if (value[name] === null && !additional.nullable && additional.defaultValue !== undefined)
      setOwn(value, name, structuredClone(additional.defaultValue));
    const child = getOwn(value, name);
    if (child !== undefined && child !== null) fillDefaults(child, additional, getOwn(before, name));
  }
}
