/**
 * Regular expressions that somebody else wrote: Go's syntax (https://github.com/google/re2/wiki/Syntax) with Go's messages, matched in
 * time linear in the text. JavaScript's own engine backtracks: `(a+)+$` against thirty letters would hold up the server.
 *
 * Only what is itself loaded when it is needed imports this file; the rest takes `lazy.ts`.
 */
import { RE2JS } from 're2js';
import type { LinearPattern } from './lazy.ts';

/** Like Go's: error parsing regexp: missing argument to repetition operator: `+`. */
export class PatternError extends Error {}

/** Those who use the same pattern share it; a hostile stream of new ones keeps no more than this. */
const MAX_KEPT = 1000;
const kept = new Map<string, LinearPattern>();

/** Throws PatternError. */
export function compilePattern(source: string): LinearPattern {
  const known = kept.get(source);
  if (known !== undefined) return known;
  const made = new CompiledPattern(source, compile(source));
  if (kept.size >= MAX_KEPT) kept.clear();
  kept.set(source, made);
  return made;
}

function compile(source: string): RE2JS {
  try {
    return RE2JS.compile(source);
  } catch (error) {
    throw new PatternError(error instanceof Error ? error.message : String(error));
  }
}

class CompiledPattern implements LinearPattern {
  readonly source: string;
  readonly #compiled: RE2JS;

  constructor(source: string, compiled: RE2JS) {
    this.source = source;
    this.#compiled = compiled;
  }

  test(text: string): boolean {
    return this.#compiled.test(text);
  }

  findAll(text: string, limit: number): readonly string[] {
    const found: string[] = [];
    const matcher = this.#compiled.matcher(text);
    let end = -1;
    while (found.length !== limit && matcher.find()) {
      const [from, to] = [matcher.start(), matcher.end()];
      // Go passes over an empty match right behind another one.
      if (from !== to || from !== end) found.push(text.slice(from, to));
      end = to;
    }
    return found;
  }
}
