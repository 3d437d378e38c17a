/**
 * Finds keys that occur twice in one JSON object, which JSON.parse does not tell. Works on text that JSON.parse has
 * accepted, so it only needs to find its way, not to judge. Also bounds the depth, which JSON.parse does not either.
 */
import { PlatformError } from '../../base/errors.ts';

/** Deeper than any published type; a bound for the recursive walks that follow. */
export const MAX_JSON_DEPTH = 1000;

interface Frame {
  readonly path: string;
  /** Undefined for a list. */
  readonly keys: Set<string> | undefined;
  key: string;
  index: number;
}

const QUOTE = 34;
const BACKSLASH = 92;

/** Paths like `spec.containers[0].image`, each once, in order of appearance. Throws `invalid` beyond MAX_JSON_DEPTH. */
export function duplicateKeys(text: string): string[] {
  const found = new Set<string>();
  const stack: Frame[] = [];
  let frame: Frame | undefined;
  let expectKey = false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      const start = at;
      at = endOfString(text, at);
      if (!expectKey || frame?.keys === undefined) continue;
      const raw = text.slice(start + 1, at);
      const key = raw.includes('\\') ? (JSON.parse(text.slice(start, at + 1)) as string) : raw;
      frame.key = key;
      if (frame.keys.has(key)) found.add(childPath(frame));
      frame.keys.add(key);
      expectKey = false;
    } else if (code === 123 || code === 91) {
      const path: string = frame === undefined ? '' : childPath(frame);
      frame = { path, keys: code === 123 ? new Set() : undefined, key: '', index: 0 };
      stack.push(frame);
      if (stack.length > MAX_JSON_DEPTH) throw tooDeep();
      expectKey = code === 123;
    } else if (code === 125 || code === 93) {
      stack.pop();
      frame = stack.at(-1);
      expectKey = false;
    } else if (code === 44 && frame !== undefined) {
      if (frame.keys === undefined) frame.index++;
      else expectKey = true;
    }
  }
  return [...found];
}

export function tooDeep(): PlatformError {
  return new PlatformError('invalid', `the JSON document is nested deeper than ${MAX_JSON_DEPTH} levels`);
}

/** Where the string that begins at `start` ends; -1 when it does not. */
export function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); ; end = text.indexOf('"', end + 1)) {
    if (end < 0) return -1;
    let escapes = 0;
    while (text.charCodeAt(end - 1 - escapes) === BACKSLASH) escapes++;
    if (escapes % 2 === 0) return end;
  }
}

function childPath(frame: Frame): string {
  if (frame.keys === undefined) return `${frame.path}[${frame.index}]`;
  return frame.path === '' ? frame.key : `${frame.path}.${frame.key}`;
}
