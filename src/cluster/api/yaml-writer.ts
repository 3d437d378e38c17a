/**
 * JSON values as YAML, written step by step: the library that reads YAML writes a whole document at once, and takes half a
 * millisecond for a pod. Strings that a YAML 1.1 reader, as Go's is, would take for something else are quoted.
 */
import type { JsonValue } from './json.ts';

/** Is given the text as it grows. */
export type YamlSink = (text: string) => void;

/** Stops now and then, so that others have a turn. */
export function* writeYaml(value: JsonValue, sink: YamlSink): Generator<void, void> {
  if (isScalar(value)) sink(`${scalar(value, '')}\n`);
  else yield* writeLines(value, '', sink);
}

/** One item of a list that begins at the margin. */
export function* writeYamlItem(value: JsonValue, sink: YamlSink): Generator<void, void> {
  yield* writeItem(value, '', sink);
}

type Container = JsonValue[] | { [key: string]: JsonValue | undefined };

/** What is written on one line, or as a block below its key. */
function isScalar(value: JsonValue): value is Exclude<JsonValue, Container> {
  if (typeof value !== 'object' || value === null) return true;
  if (Array.isArray(value)) return value.length === 0;
  for (const _ in value) return false;
  return true;
}

function* writeLines(value: JsonValue, margin: string, sink: YamlSink): Generator<void, void> {
  if (Array.isArray(value)) {
    for (const item of value) yield* writeItem(item, margin, sink);
    return;
  }
  let first = true;
  for (const key in value as object) {
    const item = (value as Record<string, JsonValue | undefined>)[key];
    if (item === undefined) continue;
    // The first stands behind what its line begins with.
    const begin = `${first ? '' : margin}${keyOf(key, margin)}`;
    first = false;
    if (isScalar(item)) {
      sink(`${begin} ${scalar(item, margin)}\n`);
      yield;
      continue;
    }
    if (Array.isArray(item)) {
      sink(`${begin}\n`);
      yield* writeLines(item, margin, sink);
    } else {
      sink(`${begin}\n${margin}  `);
      yield* writeLines(item, `${margin}  `, sink);
    }
  }
}

function* writeItem(item: JsonValue, margin: string, sink: YamlSink): Generator<void, void> {
  if (isScalar(item)) {
    sink(`${margin}- ${scalar(item, margin)}\n`);
    yield;
    return;
  }
  if (Array.isArray(item)) {
    sink(`${margin}-\n`);
    yield* writeLines(item, `${margin}  `, sink);
    return;
  }
  sink(`${margin}- `);
  yield* writeLines(item, `${margin}  `, sink);
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
