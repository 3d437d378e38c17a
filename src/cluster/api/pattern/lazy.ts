/** Patterns of schemas: named when a schema is read, compiled when a value first meets them. */
import { assert } from '../../../base/errors.ts';
import type * as Engine from './engine.ts';

export interface LinearPattern {
  readonly source: string;
  /** Whether it matches anywhere in the text. */
  test(text: string): boolean;
  /** The matches from left to right, at most `limit` of them; all of them when it is negative. */
  findAll(text: string, limit: number): readonly string[];
}

let engine: typeof Engine | undefined;

/** Patterns can be used once this has resolved. */
export async function loadPatterns(): Promise<void> {
  engine ??= await import('./engine.ts');
}

function compiled(source: string): LinearPattern {
  assert(engine !== undefined, 'patterns are loaded before one is used');
  return engine.compilePattern(source);
}

export function lazyPattern(source: string): LinearPattern {
  return {
    source,
    test: (text) => compiled(source).test(text),
    findAll: (text, limit) => compiled(source).findAll(text, limit),
  };
}

/** Go's complaint about what is not a pattern. */
export function patternProblem(source: string): string | undefined {
  assert(engine !== undefined, 'patterns are loaded before one is checked');
  try {
    engine.compilePattern(source);
    return undefined;
  } catch (error) {
    if (error instanceof engine.PatternError) return error.message;
    throw error;
  }
}
