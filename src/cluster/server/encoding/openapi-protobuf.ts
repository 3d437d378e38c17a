/**
 * Documents of OpenAPI as gnostic's protobuf, which client-go asks for: how their parts are written. Which parts there
 * are is said by tables, one for each version of OpenAPI.
 */
import { isJsonObject, type JsonObject, type JsonValue } from '../../api/json.ts';
import { BackwardWriter } from './protobuf-writer.ts';

/** Long work that can stop at each `yield`, as schemas of users' definitions may have thousands of properties; undefined when it is done. */
export type Steps = Generator<void> | undefined;
export type Write = (out: BackwardWriter, number: number, value: JsonValue) => Steps;

/** A message. */
export interface Shape {
  /** Highest numbers first, as messages are written from their end to their beginning. */
  readonly fields: readonly (readonly [name: string, number: number, write: Write])[];
  /** Number of the list that `x-` fields go to. */
  readonly extensions?: number | undefined;
}

/** By name: number, and how it is written. */
export function shape(
  fields: Readonly<Record<string, readonly [number: number, write: Write]>>,
  extensions?: number,
): Shape {
  const rows = Object.entries(fields).map(([name, [number, write]]) => [name, number, write] as const);
  return { fields: rows.toSorted(([, a], [, b]) => b - a), extensions };
}

const short =
  (write: (out: BackwardWriter, number: number, value: JsonValue) => unknown): Write =>
  (out, number, value) => {
    write(out, number, value);
    return undefined;
  };

export const text: Write = short((out, number, value) =>
  out.text(number, typeof value === 'string' ? value : JSON.stringify(value)),
);
export const flag: Write = short((out, number, value) => value === true && out.integer(number, 1));
/** One of several things that a field may be: false is written too. */
export const choice: Write = short((out, number, value) => out.integer(number, value === true ? 1 : 0));
export const integer: Write = short(
  (out, number, value) => typeof value === 'number' && out.integer(number, value),
);
export const double: Write = short(
  (out, number, value) => typeof value === 'number' && out.double(number, value),
);

/** A value of any form is YAML, which JSON is. */
export const any: Write = short((out, number, value) => {
  const end = out.length;
  out.text(2, JSON.stringify(value));
  out.endMessage(number, end);
});

/** A message (1), or a flag (2). */
export function orFlag(write: Write): Write {
  const itself = wrapped(1, write);
  const instead = wrapped(2, choice);
  return (out, number, value) => (isJsonObject(value) ? itself : instead)(out, number, value);
}

const DONE: readonly never[] = [];

export function each(write: Write): Write {
  return function* (out, number, value) {
    if (!Array.isArray(value)) return;
    for (const item of value.toReversed()) yield* write(out, number, item) ?? DONE;
  };
}

export function message(of: () => Shape): Write {
  return function* (out, number, value) {
    const end = out.length;
    if (isJsonObject(value)) yield* writeShape(out, value, of());
    out.endMessage(number, end);
  };
}

/** A message that only holds another in its field `inner`. */
export function wrapped(inner: number, write: Write): Write {
  return function* (out, number, value) {
    const end = out.length;
    yield* write(out, inner, value) ?? DONE;
    out.endMessage(number, end);
  };
}

/** A map as a message with a list (field `list`) of names (1) and values (2). */
export function named(list: number, write: Write): Write {
  return function* (out, number, value) {
    const end = out.length;
    for (const [name, item = null] of isJsonObject(value) ? Object.entries(value).toReversed() : []) {
      yield* namedItem(out, list, { name, item, write });
      yield;
    }
    out.endMessage(number, end);
  };
}

function* namedItem(
  out: BackwardWriter,
  number: number,
  { name, item, write }: { readonly name: string; readonly item: JsonValue; readonly write: Write },
): Generator<void> {
  const end = out.length;
  yield* write(out, 2, item) ?? DONE;
  out.text(1, name);
  out.endMessage(number, end);
}

function* writeShape(out: BackwardWriter, value: JsonObject, { fields, extensions }: Shape): Generator<void> {
  if (extensions !== undefined) {
    for (const [name, item = null] of Object.entries(value).toReversed())
      if (name.startsWith('x-')) yield* namedItem(out, extensions, { name, item, write: any });
  }
  for (const [name, number, write] of fields) {
    const item = Object.hasOwn(value, name) ? value[name] : undefined;
    if (item !== undefined) yield* write(out, number, item) ?? DONE;
  }
}

/** A whole document. */
export function* encodeDocument(document: JsonObject, of: Shape): Generator<void, Uint8Array> {
  const out = new BackwardWriter(1 << 20);
  yield* writeShape(out, document, of);
  return out.bytes();
}
