/** Types as the checker knows them. */
export type CelType =
  | { readonly kind: Scalar }
  /** Elements are told apart by these fields, or, without any, by what they are; absent: by their place. */
  | { readonly kind: 'list'; readonly element: CelType; readonly keys?: readonly string[] | undefined }
  | { readonly kind: 'map'; readonly key: CelType; readonly value: CelType }
  | ObjectType
  | { readonly kind: 'optional'; readonly of: CelType }
  | { readonly kind: 'opaque'; readonly name: string }
  /** Whatever it stands for elsewhere in the same signature. */
  | { readonly kind: 'param'; readonly name: string };

export type Scalar =
  | 'dyn'
  | 'null'
  | 'bool'
  | 'int'
  | 'uint'
  | 'double'
  | 'string'
  | 'bytes'
  | 'timestamp'
  | 'duration'
  | 'type';

export interface ObjectType {
  readonly kind: 'object';
  readonly name: string;
  /** By the name that expressions use. */
  readonly fields: ReadonlyMap<string, Field>;
}

export interface Field {
  readonly type: CelType;
  /** The name in JSON, when another one. */
  readonly property: string;
}

export const DYN: CelType = { kind: 'dyn' };
export const NULL: CelType = { kind: 'null' };
export const BOOL: CelType = { kind: 'bool' };
export const INT: CelType = { kind: 'int' };
export const UINT: CelType = { kind: 'uint' };
export const DOUBLE: CelType = { kind: 'double' };
export const STRING: CelType = { kind: 'string' };
export const BYTES: CelType = { kind: 'bytes' };
export const TIMESTAMP: CelType = { kind: 'timestamp' };
export const DURATION: CelType = { kind: 'duration' };
export const TYPE: CelType = { kind: 'type' };
export const list = (element: CelType): CelType => ({ kind: 'list', element });
export const map = (key: CelType, value: CelType): CelType => ({ kind: 'map', key, value });
export const optional = (of: CelType): CelType => ({ kind: 'optional', of });
export const opaque = (name: string): CelType => ({ kind: 'opaque', name });
export const param = (name: string): CelType => ({ kind: 'param', name });

export function typeText(type: CelType): string {
  switch (type.kind) {
    case 'list':
      return `list(${typeText(type.element)})`;
    case 'map':
      return `map(${typeText(type.key)}, ${typeText(type.value)})`;
    case 'object':
    case 'opaque':
      return type.name;
    case 'optional':
      return `optional_type(${typeText(type.of)})`;
    case 'param':
      return type.name;
    default:
      return type.kind;
  }
}

export type Bindings = Map<string, CelType>;

/** Whether a value of `actual` may be given where `wanted` is asked for; binds parameters on the way. */
export function assignable(wanted: CelType, actual: CelType, bindings: Bindings): boolean {
  if (wanted.kind === 'param') {
    const bound = bindings.get(wanted.name);
    if (bound === undefined || bound.kind === 'dyn') {
      bindings.set(wanted.name, actual);
      return true;
    }
    return assignable(bound, actual, bindings);
  }
  if (wanted.kind === 'dyn' || actual.kind === 'dyn' || actual.kind === 'param') return true;
  // Anything but a number, a bool or a text may be absent: null.
  if (actual.kind === 'null') return !PLAIN.has(wanted.kind);
  if (wanted.kind === 'null') return !PLAIN.has(actual.kind);
  if (wanted.kind === 'list')
    return actual.kind === 'list' && assignable(wanted.element, actual.element, bindings);
  if (wanted.kind === 'map') {
    if (actual.kind !== 'map') return false;
    return assignable(wanted.key, actual.key, bindings) && assignable(wanted.value, actual.value, bindings);
  }
  if (wanted.kind === 'optional')
    return actual.kind === 'optional' && assignable(wanted.of, actual.of, bindings);
  if (wanted.kind === 'object' || wanted.kind === 'opaque') {
    return actual.kind === wanted.kind && actual.name === wanted.name;
  }
  return wanted.kind === actual.kind;
}

const PLAIN: ReadonlySet<string> = new Set([
  'bool',
  'int',
  'uint',
  'double',
  'string',
  'bytes',
  'list',
  'map',
  'type',
]);

export function substitute(type: CelType, bindings: Bindings): CelType {
  switch (type.kind) {
    case 'param':
      return bindings.get(type.name) ?? DYN;
    case 'list':
      return list(substitute(type.element, bindings));
    case 'map':
      return map(substitute(type.key, bindings), substitute(type.value, bindings));
    case 'optional':
      return optional(substitute(type.of, bindings));
    default:
      return type;
  }
}

/** The type of something that may be of either; dyn when they have nothing in common. */
export function join(a: CelType, b: CelType): CelType | undefined {
  if (a.kind === 'dyn' || b.kind === 'dyn') return DYN;
  if (assignable(a, b, new Map())) return a.kind === 'null' ? b : narrower(a, b);
  return assignable(b, a, new Map()) ? b : undefined;
}

/** An empty list is of any type: the other one's. */
function narrower(a: CelType, b: CelType): CelType {
  if (a.kind === 'list' && b.kind === 'list') {
    return a.element.kind === 'param' ? b : a;
  }
  return a;
}
