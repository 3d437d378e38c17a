import { MAX_SCORE } from '../framework.ts';

/** Stretches scores so that the highest becomes MAX_SCORE; `reverse` when less is better. */
export function normalizeScores(scores: number[], options: { readonly reverse: boolean }): void {
  const max = scores.reduce((highest, score) => Math.max(highest, score), 0);
  for (const [i, score] of scores.entries()) {
    const stretched = max === 0 ? 0 : Math.floor((score * MAX_SCORE) / max);
    scores[i] = options.reverse ? MAX_SCORE - stretched : stretched;
  }
}
