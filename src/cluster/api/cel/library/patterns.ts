/** Regular expressions as Go writes them (RE2). */
import { CelError } from '../cel-error.ts';
import { compilePattern, PatternError } from '../../pattern/engine.ts';
import type { LinearPattern } from '../../pattern/lazy.ts';

/** Throws CelError. */
export function goPattern(text: string): LinearPattern {
  try {
    return compilePattern(text);
  } catch (error) {
    throw error instanceof PatternError ? new CelError(error.message) : error;
  }
}

export function matchesPattern(text: string, pattern: string): boolean {
  return goPattern(pattern).test(text);
}

export function findAll(text: string, pattern: string, limit: number): readonly string[] {
  return goPattern(pattern).findAll(text, limit);
}
