/** JSON of wide objects, written in slices: JSON.stringify takes as long as it takes. */
import { yieldToLoop } from '../../base/yield-to-loop.ts';
import { isCrowded } from './parse-in-slices.ts';
import type { JsonObject, JsonValue } from './json.ts';

/** Characters that are written in one go: about a millisecond's worth of the smallest values. */
const SLICE = 32 * 1024;

/** As JSON.stringify writes it. */
export async function encodeInSlices(value: JsonValue): Promise<Buffer> {
  const writer = new Writer();
  const parts: Buffer[] = [];
  for (const _ of writer.write(value)) {
    parts.push(writer.take());
    await yieldToLoop();
  }
  parts.push(writer.take());
  return Buffer.concat(parts);
}

class Writer {
  #text = '';

  take(): Buffer {
    const bytes = Buffer.from(this.#text);
    this.#text = '';
    return bytes;
  }

  /** Stops whenever a slice is full. */
  *write(value: JsonValue): Generator<void> {
    if (typeof value !== 'object' || value === null) this.#text += JSON.stringify(value);
    else if (Array.isArray(value)) yield* this.#list(value);
    else yield* this.#object(value);
  }

  *#list(list: readonly JsonValue[]): Generator<void> {
    let separator = '[';
    for (const item of list) {
      this.#text += separator;
      separator = ',';
      yield* this.#item(item);
    }
    this.#text += separator === '[' ? '[]' : ']';
  }

  *#object(object: JsonObject): Generator<void> {
    let separator = '{';
    // The names of many members are found in a turn of their own.
    if (isCrowded(object)) yield;
    const keys = Object.keys(object);
    if (isCrowded(object)) yield;
    for (const key of keys) {
      const item = object[key];
      if (item === undefined) continue;
      this.#text += `${separator}${JSON.stringify(key)}:`;
      separator = ',';
      yield* this.#item(item);
    }
    this.#text += separator === '{' ? '{}' : '}';
  }

  *#item(item: JsonValue): Generator<void> {
    yield* this.write(item);
    if (this.#text.length >= SLICE) yield;
  }
}
