import { assert } from '../../../base/errors.ts';
import type { JsonValue } from '../json.ts';
import { lazily } from '../lazily.ts';
import { structSchema, UNTYPED, type ScalarType, type ValueSchema } from '../managed-fields/value-schema.ts';
import { kindSchema } from '../schema.ts';
import { isSchema } from './prune.ts';
import type { SchemaType, Structural } from './schema.ts';

const SCALARS: Readonly<Partial<Record<SchemaType, ScalarType>>> = {
  string: 'string',
  integer: 'numeric',
  number: 'numeric',
  boolean: 'boolean',
};

const made = new WeakMap<Structural, ValueSchema>();
const head = lazily(() => {
  const schema = kindSchema('meta.k8s.io', 'v1', 'PartialObjectMetadata');
  assert(schema !== undefined, 'meta/v1 PartialObjectMetadata has a schema');
  return structSchema(schema.message);
});

/** What every object has, and every one that is embedded in another: `apiVersion`, `kind` and `metadata`. */
export function headOwnership(name: string): ValueSchema | undefined {
  const schema = head();
  return schema.type === 'struct' ? schema.field(name) : undefined;
}

/** Who may own which parts of a custom resource. */
export function ownershipOf(schema: Structural): ValueSchema {
  let result = made.get(schema);
  if (result === undefined) made.set(schema, (result = make(schema)));
  return result;
}

function make(schema: Structural): ValueSchema {
  const { items, additional, listMapKeys, listType, properties, embedded } = schema;
  if (schema.type === 'array' && items !== undefined) {
    const element = (): ValueSchema => ownershipOf(items);
    if (listType !== 'map') return { type: 'list', listType: listType ?? 'atomic', element };
    const keyDefault = (key: string): JsonValue | undefined => items.properties.get(key)?.defaultValue;
    return { type: 'list', listType: 'map', keys: listMapKeys, keyDefault, element };
  }
  if (schema.type !== 'object') {
    const of = SCALARS[schema.type];
    return of === undefined ? UNTYPED : { type: 'scalar', of };
  }
  const atomic = schema.mapType === 'atomic';
  if (isSchema(additional)) return { type: 'map', atomic, element: () => ownershipOf(additional) };
  if (properties.size === 0 && !embedded)
    return atomic ? { type: 'map', atomic, element: () => UNTYPED } : UNTYPED;
  return {
    type: 'struct',
    atomic,
    open: schema.preserveUnknown,
    zeros: new Map(),
    field: (name) => {
      const property = properties.get(name);
      const own = embedded ? headOwnership(name) : undefined;
      return own ?? (property === undefined ? undefined : ownershipOf(property));
    },
  };
}
