import type { Condition, Width } from './conditions.ts';
import type { Alternative } from './rules.ts';

/**
 * Alternatives in the order in which they are tried. Where all answer the same the order means nothing and stays; where
 * they do not, it is libseccomp's, whatever the profile's: by the first condition, higher argument before lower; equality
 * before upper bounds before lower bounds; upper bounds from the smallest value, everything else from the largest.
 * What libseccomp refuses as contradictory goes by the profile's order.
 */
export function orderConflicting(alternatives: readonly Alternative[], width: Width): readonly Alternative[] {
  const answer = alternatives[0]?.answer;
  if (alternatives.every((alternative) => alternative.answer === answer)) return alternatives;
  return alternatives.toSorted((a, b) => compareChains(a.conditions, b.conditions, width));
}

function compareChains(a: readonly Condition[], b: readonly Condition[], width: Width): number {
  for (const [i, condition] of a.entries()) {
    const other = b[i];
    if (other === undefined) return 1;
    const order = compareConditions(condition, other, width);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

function compareConditions(a: Condition, b: Condition, width: Width): number {
  if (a.index !== b.index) return b.index - a.index;
  const kind = kindOf(a);
  if (kind !== kindOf(b)) return kindOf(b) - kind;
  const difference = datum(a, width) - datum(b, width);
  if (difference === 0n) return 0;
  return difference > 0n === (kind === UPPER_BOUND) ? 1 : -1;
}

const LOWER_BOUND = 1;
const UPPER_BOUND = 2;
const EQUALITY = 3;

function kindOf({ op }: Condition): number {
  if (op === 'SCMP_CMP_GT' || op === 'SCMP_CMP_GE') return LOWER_BOUND;
  if (op === 'SCMP_CMP_LT' || op === 'SCMP_CMP_LE') return UPPER_BOUND;
  return EQUALITY;
}

function datum(condition: Condition, width: Width): bigint {
  const { op, value, valueTwo } = condition;
  return BigInt.asUintN(width, op === 'SCMP_CMP_MASKED_EQ' ? value & valueTwo : value);
}
