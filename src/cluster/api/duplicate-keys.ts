/**
 * Finds keys that occur twice in one JSON object, which JSON.parse does not tell. Works on text that JSON.parse has
 * accepted, so it only needs to find its way, not to judge. Also bounds the depth, which JSON.parse does not either.
 */
import { PlatformError } from '../../base/errors.ts';
import { isJsonObject, type JsonValue } from './json.ts';

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
const COMMA = 44;
const COLON = 58;
const OPEN_LIST = 91;
const BACKSLASH = 92;
const CLOSE_LIST = 93;
const OPEN_OBJECT = 123;
const CLOSE_OBJECT = 125;

/**
 * Paths like `spec.containers[0].image`, each once, in order of appearance; `value` is what JSON.parse has made of the
 * text. Throws `invalid` beyond MAX_JSON_DEPTH.
 */
export function duplicateKeys(text: string, value: JsonValue): string[] {
  return keysIn(text) === membersOf(value) ? [] : repeatedKeys(text);
}

/** How many keys are written in a text. */
function keysIn(text: string): number {
  let keys = 0;
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = endOfString(text, at);
    else if (code === COLON) keys++;
    else if (code === OPEN_OBJECT || code === OPEN_LIST) {
      if (++depth > MAX_JSON_DEPTH) throw tooDeep();
    } else if (code === CLOSE_OBJECT || code === CLOSE_LIST) depth--;
  }
  return keys;
}

/** How many members the objects in a value have. */
function membersOf(value: JsonValue): number {
  let members = 0;
  if (Array.isArray(value)) {
    for (const item of value) if (typeof item === 'object' && item !== null) members += membersOf(item);
  } else if (isJsonObject(value)) {
    for (const key in value) {
      const member = value[key];
      members++;
      if (typeof member === 'object' && member !== null) members += membersOf(member);
    }
  }
  return members;
}

function repeatedKeys(text: string): string[] {
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
    } else if (code === OPEN_OBJECT || code === OPEN_LIST) {
      const path: string = frame === undefined ? '' : childPath(frame);
      frame = { path, keys: code === OPEN_OBJECT ? new Set() : undefined, key: '', index: 0 };
      stack.push(frame);
      expectKey = code === OPEN_OBJECT;
    } else if (code === CLOSE_OBJECT || code === CLOSE_LIST) {
      stack.pop();
      frame = stack.at(-1);
      expectKey = false;
    } else if (code === COMMA && frame !== undefined) {
      if (frame.keys === undefined) frame.index++;
      else expectKey = true;
    }
  }
  return [...found];
}

export function tooDeep(): PlatformError {
  return new PlatformError('invalid', `the JSON document is nested deeper than ${MAX_JSON_DEPTH} levels`);
}

/** Characters and levels of what is short. */
const SHORT = 512;
const SHALLOW = 4;

/** Where the object that begins at `start` has ended; `start` if it is not short, or has a list in it and may not. */
export function endOfShort(text: string, start: number, mayHaveLists: boolean): number {
  const most = Math.min(text.length, start + SHORT);
  let depth = 0;
  for (let at = start; at < most; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      at = endOfString(text, at);
      if (at < 0) break;
    } else if (code === OPEN_OBJECT || code === OPEN_LIST) {
      if (++depth > SHALLOW || (code === OPEN_LIST && !mayHaveLists)) break;
    } else if ((code === CLOSE_OBJECT || code === CLOSE_LIST) && --depth === 0) return at + 1;
  }
  return start;
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
