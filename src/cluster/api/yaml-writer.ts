/**
 * JSON values as YAML, written step by step: the library that reads YAML writes a whole document at once, and takes half a
 * millisecond for a pod. Strings that a YAML 1.1 reader, as Go's is, would take for something else are quoted.
 */
import type { JsonObject, JsonValue } from './json.ts';

/** Is given the text as it grows. */
export type YamlSink = (text: string) => void;

/** What is being written of one list or object. */
interface Open {
  readonly list: JsonValue[] | undefined;
  readonly object: JsonObject;
  readonly keys: readonly string[];
  readonly margin: string;
  at: number;
}

type Container = JsonValue[] | JsonObject;

/** What is written on one line, or as a block below its key. */
function isScalar(value: JsonValue): value is Exclude<JsonValue, Container> {
  if (typeof value !== 'object' || value === null) return true;
  if (Array.isArray(value)) return value.length === 0;
  for (const _ in value) return false;
  return true;
}

/**
 * Writes one value, as `JSON.parse` makes them: no member is undefined. What is open is kept in a list of its own, so that it
 * can stop anywhere and goes on at no cost.
 */
export class YamlWriter {
  readonly #sink: YamlSink;
  readonly #open: Open[] = [];

  private constructor(sink: YamlSink) {
    this.#sink = sink;
  }

  static document(value: JsonValue, sink: YamlSink): YamlWriter {
    const writer = new YamlWriter(sink);
    if (isScalar(value)) sink(`${scalar(value, '')}\n`);
    else writer.#enter(value, '');
    return writer;
  }

  /** One item of a list that begins at the margin. */
  static item(value: JsonValue, sink: YamlSink): YamlWriter {
    const writer = new YamlWriter(sink);
    writer.#item(value, '');
    return writer;
  }

  /** Writes some lines more; false when that was all. */
  write(lines: number): boolean {
    for (let left = lines; left > 0; left--) {
      const open = this.#open.at(-1);
      if (open === undefined) return false;
      if (open.list !== undefined) this.#nextItem(open, open.list);
      else this.#nextMember(open);
    }
    return this.#open.length > 0;
  }

  #enter(value: Container, margin: string): void {
    const list = Array.isArray(value) ? value : undefined;
    const object = value as JsonObject;
    this.#open.push({ list, object, keys: list === undefined ? Object.keys(object) : [], margin, at: 0 });
  }

  #nextItem(open: Open, list: JsonValue[]): void {
    const item = list[open.at++]!;
    if (open.at === list.length) this.#open.pop();
    this.#item(item, open.margin);
  }

  #item(item: JsonValue, margin: string): void {
    if (isScalar(item)) {
      this.#sink(`${margin}- ${scalar(item, margin)}\n`);
      return;
    }
    this.#sink(Array.isArray(item) ? `${margin}-\n` : `${margin}- `);
    this.#enter(item, `${margin}  `);
  }

  #nextMember(open: Open): void {
    const { object, keys, margin } = open;
    // The first stands behind what its line begins with.
    const begin = open.at === 0 ? '' : margin;
    const key = keys[open.at++]!;
    if (open.at === keys.length) this.#open.pop();
    const value = object[key]!;
    if (isScalar(value)) {
      this.#sink(`${begin}${keyOf(key, margin)} ${scalar(value, margin)}\n`);
    } else if (Array.isArray(value)) {
      this.#sink(`${begin}${keyOf(key, margin)}\n`);
      this.#enter(value, margin);
    } else {
      this.#sink(`${begin}${keyOf(key, margin)}\n${margin}  `);
      this.#enter(value, `${margin}  `);
    }
  }
}

/** Longer keys are keys only when they are marked as such. */
const MAX_PLAIN_KEY = 1000;

function keyOf(key: string, margin: string): string {
  const text = isPlain(key) ? key : quoted(key);
  return text.length <= MAX_PLAIN_KEY ? `${text}:` : `? ${text}\n${margin}:`;
}

function scalar(value: Exclude<JsonValue, Container> | Container, margin: string): string {
  if (typeof value === 'string') return stringOf(value, margin);
  if (Array.isArray(value)) return '[]';
  return typeof value === 'object' && value !== null ? '{}' : String(value);
}

const PLAIN = /^[A-Za-z/](?:[\w/.@+=-]|:(?=[\w/.])| (?=[\w/(]))*$/;
/** What YAML 1.1 reads as a boolean or as nothing. */
const WORDS = /^(?:y|n|yes|no|on|off|true|false|null)$/i;
/** What a block can show as it is. */
const PRINTABLE = /^[\n\t\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe]*$/;

function isPlain(text: string): boolean {
  return PLAIN.test(text) && !WORDS.test(text);
}

function stringOf(text: string, margin: string): string {
  if (isPlain(text)) return text;
  // A block whose first line begins with space would need to say how far it is indented.
  if (!text.includes('\n') || /^\s/.test(text) || !PRINTABLE.test(text)) return quoted(text);
  const body = text.replace(/\n+$/, '');
  const ends = text.length - body.length;
  const chomping = ends === 0 ? '-' : ends === 1 ? '' : '+';
  const lines = body.replaceAll(/\n(?=[^\n])/g, `\n${margin}  `);
  return `|${chomping}\n${margin}  ${lines}${'\n'.repeat(Math.max(0, ends - 1))}`;
}

/** A JSON string is one of YAML, but for what YAML takes for the end of a line or does not show. */
function quoted(text: string): string {
  return JSON.stringify(text).replaceAll(
    /[\x7f-\x9f\u2028\u2029\ufeff]/g,
    (mark) => `\\u${mark.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
