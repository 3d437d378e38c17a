/** JSON of wide objects and long documents, written in slices: JSON.stringify takes as long as it takes. */
import { yieldToLoop } from '../../base/yield-to-loop.ts';
import type { JsonObject, JsonValue } from './json.ts';
import { knownText } from './known-lists.ts';
import { hasValues, isCrowded, isLong } from './parse-in-slices.ts';

/**
 * Characters that are written in one go, and become bytes at once: about half a millisecond's worth of the smallest values.
 * Very many small buffers would all have to be looked at by the collector.
 */
const SLICE = 32 * 1024;

/** A value with fewer others in it is written in one go: wide objects have thousands of them. */
const MANY = 32;

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
  const writer = new Writer(value, depth);
  while (!writer.write()) yield;
  return yield* writer.bytes();
}

interface Level {
  readonly value: JsonObject | readonly JsonValue[];
  /** Of an object, once they are found. */
  names: readonly string[] | undefined;
  /** Which of the names or items comes next. */
  next: number;
  isEmpty: boolean;
  /** How far down everything is written at once. */
  readonly depth: number;
}

/** Its levels are a list, not calls of each other: to write a value costs nothing but its text. */
class Writer {
  #text = '';
  readonly #parts: Buffer[] = [];
  readonly #levels: Level[] = [];

  constructor(value: JsonValue, depth: number) {
    this.#value(value, depth);
  }

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

  /** Goes on until a slice is full; true when that was all. */
  write(): boolean {
    for (let level = this.#levels.at(-1); level !== undefined; level = this.#levels.at(-1)) {
      const { value } = level;
      if (Array.isArray(value)) this.#item(level, value as readonly JsonValue[]);
      else if (level.names !== undefined) this.#member(level, level.names, value as JsonObject);
      else {
        level.names = Object.keys(value);
        // The names of many members are found in a turn of their own.
        if (isCrowded(value as JsonObject)) return false;
      }
      if (this.#text.length < SLICE) continue;
      this.#cut();
      return false;
    }
    return true;
  }

  #item(level: Level, list: readonly JsonValue[]): void {
    if (level.next === list.length) return this.#close(level, '[', ']');
    const item = list[level.next++]!;
    this.#text += level.isEmpty ? '[' : ',';
    level.isEmpty = false;
    this.#value(item, level.depth);
  }

  #member(level: Level, names: readonly string[], object: JsonObject): void {
    if (level.next === names.length) return this.#close(level, '{', '}');
    const name = names[level.next++]!;
    const member = object[name];
    if (member === undefined) return;
    this.#text += `${level.isEmpty ? '{' : ','}${JSON.stringify(name)}:`;
    level.isEmpty = false;
    this.#value(member, level.depth);
  }

  #close(level: Level, begin: string, end: string): void {
    this.#levels.pop();
    this.#text += level.isEmpty ? begin + end : end;
  }

  #value(value: JsonValue, depth: number): void {
    const known = Array.isArray(value) && isLong(value) ? knownText(value) : undefined;
    if (known !== undefined) this.#text += known;
    else if (depth === 0 || !hasValues(value, MANY)) this.#text += JSON.stringify(value);
    else
      this.#levels.push({
        value: value as Level['value'],
        names: undefined,
        next: 0,
        isEmpty: true,
        depth: depth - 1,
      });
  }
}
