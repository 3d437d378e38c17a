/**
 * Every object that is one change away from a valid one: a field taken out, emptied, out of its range, doubled, of a
 * name that nobody knows; and, by the schema, every field that the valid one leaves out. Two servers that answer all
 * of them alike validate alike.
 */
export type Json = null | boolean | number | string | Json[] | { [field: string]: Json };

/** The parts of an OpenAPI v3 schema that say what may stand at a path. */
export interface Schema {
  readonly type?: string;
  readonly format?: string;
  readonly enum?: readonly Json[];
  readonly $ref?: string;
  readonly allOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: { readonly [field: string]: Schema };
  readonly additionalProperties?: Schema;
}
export type Schemas = { readonly [name: string]: Schema };

export interface Mutation {
  /** Like `spec.containers[0].image`. */
  readonly path: string;
  /** What was done there, for the report. */
  readonly change: string;
  readonly object: Json;
}

const REMOVED: unique symbol = Symbol('removed');
type Change = Json | typeof REMOVED;
type Step = string | number;

const LONG = 'x'.repeat(300);
const STRINGS = [
  '',
  'Not_Valid!',
  'valid-name',
  'a.example.com/path',
  '10.0.0.1',
  'fe80::1',
  '../up',
  '/root',
  LONG,
];
const NUMBERS = [-1, 0, 1, 65_536, 2_147_483_647];
const QUANTITIES = ['0', '-1', '1', '1500m', '0.0001', '2Gi', 'abc'];
const INT_OR_STRINGS = [0, -1, 1, 70_000, '50%', '150%', 'abc', ''];
const TIMES = ['2020-01-01T00:00:00Z', 'yesterday'];
/** Told by the server itself, or taken care of before any validation; the seeds name these once, by hand. */
const SKIPPED = new Set(['apiVersion', 'kind', 'metadata.managedFields']);

/** `schema` is that of the whole object; `schemas` what its references name. */
export function* mutations(seed: Json, schema: Schema, schemas: Schemas): Generator<Mutation> {
  for (const [steps, changes] of places(seed, schema, { schemas, steps: [] }))
    for (const change of changes) {
      const object = changed(seed, steps, change);
      yield { path: written(steps), change: change === REMOVED ? 'removed' : brief(change), object };
    }
}

interface Where {
  readonly schemas: Schemas;
  readonly steps: readonly Step[];
}

function* places(
  value: Json,
  given: Schema,
  { schemas, steps }: Where,
): Generator<[readonly Step[], Change[]]> {
  if (SKIPPED.has(written(steps))) return;
  const schema = resolved(given, schemas);
  if (steps.length > 0) yield [steps, [REMOVED, ...replacements(value, schema)]];
  if (Array.isArray(value)) {
    const items = schema.items ?? {};
    for (const [index, item] of value.entries())
      yield* places(item, items, { schemas, steps: [...steps, index] });
    return;
  }
  if (value === null || typeof value !== 'object') return;
  for (const [field, inner] of Object.entries(value)) {
    const innerSchema = schema.properties?.[field] ?? schema.additionalProperties ?? {};
    yield* places(inner, innerSchema, { schemas, steps: [...steps, field] });
  }
  for (const [field, absent] of Object.entries(schema.properties ?? {})) {
    const at = [...steps, field];
    if (field in value || SKIPPED.has(written(at))) continue;
    yield [at, additions(resolved(absent, schemas), schemas)];
  }
}

function replacements(value: Json, schema: Schema): Change[] {
  const others = (candidates: readonly Json[]): Json[] =>
    candidates.filter((candidate) => candidate !== value);
  if (schema.format === 'quantity' || isQuantity(schema)) return others(QUANTITIES);
  if (schema.format === 'int-or-string') return others(INT_OR_STRINGS);
  if (schema.format === 'date-time') return others(TIMES);
  if (typeof value === 'string') return others([...(schema.enum ?? []), ...STRINGS, 7]);
  if (typeof value === 'number') return others([...NUMBERS, 1.5, 'text']);
  if (typeof value === 'boolean') return [!value];
  if (Array.isArray(value)) return [[], [...value, ...value.slice(0, 1)], [...value, null]];
  if (value === null) return [];
  const keys = schema.additionalProperties === undefined ? [] : ['Bad key!', 'example.com/good', LONG];
  const [sample] = Object.values(value);
  const widened = keys.map((key): Json => ({ ...value, [key]: sample ?? 'value' }));
  return [{}, ...(schema.properties === undefined ? [] : [{ ...value, unknownField: 1 }]), ...widened];
}

/** For a field that is not there. */
function additions(schema: Schema, schemas: Schemas): Change[] {
  if (isQuantity(schema)) return QUANTITIES;
  if (schema.format === 'int-or-string') return INT_OR_STRINGS;
  if (schema.format === 'date-time') return TIMES;
  if (schema.enum !== undefined) return [...schema.enum, 'Other'];
  if (schema.type === 'string') return STRINGS;
  if (schema.type === 'integer' || schema.type === 'number') return NUMBERS;
  if (schema.type === 'boolean') return [true, false];
  if (schema.type === 'array') {
    const items = resolved(schema.items ?? {}, schemas);
    if (items.type === 'string') return [[''], ['Not_Valid!'], ['valid-name', 'valid-name']];
    return items.type === 'object' ? [[{}], [{}, {}]] : [[0]];
  }
  if (schema.additionalProperties !== undefined) {
    const inner = resolved(schema.additionalProperties, schemas);
    const sample: Json =
      inner.type === 'object' ? {} : inner.type === 'string' || isQuantity(inner) ? '1' : [];
    return [{ 'Bad key!': sample }, { good: sample }];
  }
  const each = Object.entries(schema.properties ?? {}).map(([field, inner]): Json => ({
    [field]: sampleOf(resolved(inner, schemas)),
  }));
  return [{}, ...each];
}

function sampleOf(schema: Schema): Json {
  if (schema.enum !== undefined) return schema.enum[0] ?? '';
  if (isQuantity(schema) || schema.format === 'int-or-string') return '1';
  if (schema.format === 'date-time') return '2020-01-01T00:00:00Z';
  const samples: { readonly [type: string]: Json } = {
    string: 'sample',
    integer: 1,
    number: 1,
    boolean: true,
    array: [],
  };
  return samples[schema.type ?? ''] ?? {};
}

/** In Kubernetes' OpenAPI a quantity is a string or a number. */
function isQuantity(schema: Schema): boolean {
  return schema.oneOf?.length === 2 && schema.format !== 'int-or-string';
}

function resolved(schema: Schema, schemas: Schemas): Schema {
  const [only] = schema.allOf ?? [];
  const reference = schema.$ref ?? only?.$ref;
  if (reference === undefined) return schema;
  return resolved(schemas[reference.slice('#/components/schemas/'.length)] ?? {}, schemas);
}

function changed(value: Json, [step, ...rest]: readonly Step[], change: Change): Json {
  if (step === undefined) return change === REMOVED ? null : change;
  const removes = rest.length === 0 && change === REMOVED;
  if (Array.isArray(value)) {
    if (removes) return value.filter((_, index) => index !== step);
    return value.map((item, index) => (index === step ? changed(item, rest, change) : item));
  }
  const { [step]: inner = null, ...others } = value as { [field: string]: Json };
  return removes ? others : { ...(value as object), [step]: changed(inner, rest, change) };
}

function written(steps: readonly Step[]): string {
  return steps
    .map((step) => (typeof step === 'number' ? `[${step}]` : `.${step}`))
    .join('')
    .slice(1);
}

function brief(value: Json): string {
  const text = JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 60)}… (${text.length} characters)` : text;
}
