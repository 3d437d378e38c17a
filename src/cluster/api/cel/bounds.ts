/** How large values of a schema can be: by its limits, else by what fits into a request. */
import type { Structural } from '../structural/schema.ts';
import { escapedName } from './schema-types.ts';

export interface Bounds {
  /** Characters, elements or entries; 0 for what has none. */
  readonly most: number;
  /** Of a list or map. */
  readonly element?: Bounds | undefined;
  readonly key?: Bounds | undefined;
  /** By the name that expressions use. */
  readonly field?: (name: string) => Bounds | undefined;
  /** In JSON, at least. */
  readonly bytes: number;
}

/** A request body is not larger. */
const MAX_REQUEST = 3 * 1024 * 1024;
/** Without quotes or brackets. */
const INSIDE = MAX_REQUEST - 2;

/** How often values of at least so many bytes fit into a request. */
export function mostOften({ bytes }: Bounds): number {
  return Math.floor(MAX_REQUEST / (bytes + 1));
}

const TEXT: Bounds = { most: INSIDE, bytes: 2 };
const KEY: Bounds = { most: 0, bytes: 2 };
const SCALARS: Readonly<Record<string, Bounds>> = {
  boolean: { most: 0, bytes: 4 },
  integer: { most: 0, bytes: 1 },
  number: { most: 0, bytes: 1 },
};
const FORMATS: Readonly<Record<string, Bounds>> = {
  duration: { most: 32, bytes: 3 },
  date: { most: 12, bytes: 12 },
  'date-time': { most: 32, bytes: 21 },
};

const made = new WeakMap<Structural, Bounds | undefined>();

/** Undefined for what expressions do not see. Objects with a head, as roots have it, show their names. */
export function boundsOf(schema: Structural, hasHead = schema.embedded): Bounds | undefined {
  if (hasHead !== schema.embedded) return make(schema, hasHead);
  if (!made.has(schema)) made.set(schema, make(schema, hasHead));
  return made.get(schema);
}

function make(schema: Structural, hasHead: boolean): Bounds | undefined {
  const { type, format, intOrString, items, additional, checks } = schema;
  // A character may take four bytes.
  const length = checks.maxLength === undefined ? undefined : Math.max(0, checks.maxLength) * 4;
  if (intOrString) return { most: length ?? INSIDE, bytes: 1 };
  switch (type) {
    case 'string':
      if (format === 'byte') return { most: Math.max(0, checks.maxLength ?? INSIDE), bytes: 2 };
      return FORMATS[format] ?? { most: length ?? longest(checks.enum) ?? INSIDE, bytes: 2 };
    case 'array': {
      const element = items && boundsOf(items);
      return (
        element && { element, most: checks.maxItems ?? Math.floor(INSIDE / (element.bytes + 1)), bytes: 2 }
      );
    }
    case 'object':
      break;
    default:
      return SCALARS[type];
  }
  if (typeof additional !== 'object') return objectBounds(schema, hasHead);
  const element = boundsOf(additional);
  // A key of two bytes with its quotes, a colon and a comma.
  const most = checks.maxProperties ?? (element === undefined ? 0 : Math.floor(INSIDE / (element.bytes + 6)));
  return element && { element, key: KEY, most, bytes: 2 };
}

function longest(values: readonly unknown[] | undefined): number | undefined {
  if (values === undefined || values.length === 0) return undefined;
  return Math.max(...values.map((value) => (typeof value === 'string' ? Buffer.byteLength(value) : 0)));
}

function objectBounds({ properties, checks }: Structural, hasHead: boolean): Bounds {
  const fields = new Map<string, Bounds>();
  let bytes = 2;
  for (const [property, child] of properties) {
    const bounds = boundsOf(child);
    const name = escapedName(property);
    if (bounds === undefined) continue;
    if (name !== undefined) fields.set(name, bounds);
    // What has a default need not be sent.
    if (checks.required.includes(property) && child.defaultValue === undefined)
      bytes += property.length + bounds.bytes + 4;
  }
  if (hasHead) {
    for (const name of ['apiVersion', 'kind']) fields.set(name, TEXT);
    const names = new Map([
      ['name', TEXT],
      ['generateName', TEXT],
    ]);
    fields.set('metadata', { most: 0, bytes: 2, field: (name) => names.get(name) });
  }
  return { most: 0, bytes, field: (name) => fields.get(name) };
}
