import type { JsonValue } from '../json.ts';
import { UNTYPED, type ValueSchema } from '../managed-fields/value-schema.ts';
import { isSchema } from './prune.ts';
import type { Structural } from './schema.ts';

const made = new WeakMap<Structural, ValueSchema>();

/** Who may own which parts of a custom resource. */
export function ownershipOf(schema: Structural): ValueSchema {
  let result = made.get(schema);
  if (result === undefined) made.set(schema, (result = make(schema)));
  return result;
}

function make(schema: Structural): ValueSchema {
  const { items, additional, listMapKeys, listType, properties } = schema;
  if (schema.type === 'array' && items !== undefined) {
    const element = (): ValueSchema => ownershipOf(items);
    if (listType !== 'map') return { type: 'list', listType: listType ?? 'atomic', element };
    const keyDefault = (key: string): JsonValue | undefined => items.properties.get(key)?.defaultValue;
    return { type: 'list', listType: 'map', keys: listMapKeys, keyDefault, element };
  }
  if (schema.type !== 'object') {
    return schema.type === '' && !schema.intOrString ? UNTYPED : { type: 'scalar', of: 'any' };
  }
  const atomic = schema.mapType === 'atomic';
  if (isSchema(additional)) return { type: 'map', atomic, element: () => ownershipOf(additional) };
  if (properties.size === 0) return atomic ? { type: 'map', atomic, element: () => UNTYPED } : UNTYPED;
  return {
    type: 'struct',
    atomic,
    zeros: new Map(),
    field: (name) => {
      const property = properties.get(name);
      return property === undefined ? undefined : ownershipOf(property);
    },
  };
}
