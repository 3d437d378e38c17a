/** JSON of wide objects and long documents, written in slices: JSON.stringify takes as long as it takes. */
import { yieldToLoop } from '../../base/yield-to-loop.ts';
import { isJsonObject, type JsonObject, type JsonValue } from './json.ts';
import { knownText } from './known-lists.ts';
import { isCrowded, isLong } from './parse-in-slices.ts';

/**
 * Characters that are written in one go, and become bytes at once: about half a millisecond's worth of the smallest values.
 * Very many small buffers would all have to be looked at by the collector.
 */
const SLICE = 32 * 1024;

const FEW = 8;

/** As JSON.stringify writes it. */
export async function encodeInSlices(value: JsonValue): Promise<Buffer> {
  const steps = encodingSteps(value);
  for (;;) {
    const { done, value: bytes } = steps.next();
    if (done === true) return bytes;
    await yieldToLoop();
  }
}

/** The same for who takes the steps himself. What is `depth` levels down is known to be short, and written at once. */
export function* encodingSteps(value: JsonValue, depth = Infinity): Generator<void, Buffer> {
  const writer = new Writer();
  yield* writer.write(value, depth);
  return yield* writer.bytes();
}

/** An object of a few texts and numbers, of which wide objects have lists of thousands: it is written in one go. */
function isSmall(item: JsonValue): boolean {
  if (!isJsonObject(item) || isCrowded(item)) return false;
  let members = 0;
  for (const key in item) {
    const member = item[key];
    if (++members > FEW || (typeof member === 'object' && member !== null)) return false;
  }
  return true;
}

class Writer {
  #text = '';
  readonly #parts: Buffer[] = [];

  *bytes(): Generator<void, Buffer> {
    this.#cut();
    const whole = Buffer.allocUnsafeSlow(this.#parts.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const part of this.#parts) {
      if (at > 0) yield;
      whole.set(part, at);
      at += part.length;
    }
    return whole;
  }

  #cut(): void {
    this.#parts.push(Buffer.from(this.#text));
    this.#text = '';
  }

  /** Stops whenever a slice is full. */
  *write(value: JsonValue, depth: number): Generator<void> {
    if (depth === 0 || typeof value !== 'object' || value === null) this.#text += JSON.stringify(value);
    else if (Array.isArray(value)) yield* this.#list(value, depth - 1);
    else yield* this.#object(value, depth - 1);
    if (this.#text.length < SLICE) return;
    this.#cut();
    yield;
  }

  *#list(list: readonly JsonValue[], depth: number): Generator<void> {
    const known = isLong(list) ? knownText(list) : undefined;
    if (known !== undefined) {
      this.#text += known;
      return;
    }
    let separator = '[';
    for (const item of list) {
      this.#text += separator;
      separator = ',';
      yield* this.write(item, isSmall(item) ? 0 : depth);
    }
    this.#text += separator === '[' ? '[]' : ']';
  }

  *#object(object: JsonObject, depth: number): Generator<void> {
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
      yield* this.write(item, depth);
    }
    this.#text += separator === '{' ? '{}' : '}';
  }
}
