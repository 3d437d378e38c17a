import { type Assembler, BPF, type Label } from './assembler.ts';
import type { Range } from './ranges.ts';
import type { Verdict } from './rules.ts';

/**
 * Writes a search over the ranges: the call's number is loaded, `leaf` writes what follows once its range is known. A
 * range is the nearer to the root the more it weighs; `weights` says so for numbers, a range has 1 of its own.
 */
export function emitSearch(
  assembler: Assembler,
  ranges: readonly Range[],
  options: {
    readonly weights: ReadonlyMap<number, number>;
    readonly leaf: (verdict: Verdict) => Label;
  },
): Label {
  const before = [0];
  for (let i = 0; i < ranges.length; i++) before.push(before[i]! + 1);
  for (const [number, weight] of options.weights) {
    const range = rangeOf(ranges, number);
    for (let i = range + 1; i < before.length; i++) before[i]! += weight;
  }
  const { leaf } = options;

  function search(low: number, high: number): Label {
    const { verdict } = ranges[low]!;
    if (high - low === 1) return leaf(verdict);
    const middle = ranges[low + 1]!;
    // A single number in the midst of others that are all alike.
    if (
      high - low === 3 &&
      ranges[low + 2]!.from === middle.from + 1 &&
      ranges[low + 2]!.verdict === verdict
    ) {
      const yes = leaf(middle.verdict);
      return assembler.test(BPF.equal, middle.from, { yes, no: leaf(verdict) });
    }
    let cut = low + 1;
    while (cut + 1 < high && before[cut]! + before[cut + 1]! <= before[low]! + before[high]!) cut++;
    const yes = search(cut, high);
    const no = search(low, cut);
    return assembler.test(BPF.greaterOrEqual, ranges[cut]!.from, { yes, no });
  }
  return search(0, ranges.length);
}

function rangeOf(ranges: readonly Range[], number: number): number {
  let low = 0;
  let high = ranges.length;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (ranges[middle]!.from <= number) low = middle;
    else high = middle;
  }
  return low;
}
