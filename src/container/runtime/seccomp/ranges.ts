/** The whole space of system call numbers of one AUDIT_ARCH, cut into ranges with one verdict each. */
import type { AbiRules, Block, Verdict } from './rules.ts';
import { X32_BIT } from './syscall-numbers.ts';

export interface Range {
  /** The first number; the range ends before the next one, the last at 2^32 - 1. */
  readonly from: number;
  readonly verdict: Verdict;
}

export interface Answers {
  readonly default: number;
  /** For calls newer than the profile; undefined where the default answer holds for them too. */
  readonly tooNew: number | undefined;
  /** For calls of an ABI that the profile does not list. */
  readonly badArch: number;
}

/** What a tracer sets to skip a call: it must not be taken for a call of x32 (seccomp(2)). */
const SKIPPED = 0xffff_ffff;

/** Ranges where an architecture has one ABI. Calls above the largest that is named are newer than the profile. */
export function rangesOfAbi({ blocks, largest }: AbiRules, answers: Answers): Range[] {
  const unnamed = (number: number): number =>
    answers.tooNew !== undefined && largest !== undefined && number > largest
      ? answers.tooNew
      : answers.default;
  return cut(blocks, [largest ?? 0], unnamed);
}

/**
 * Ranges of AUDIT_ARCH_X86_64, which x64 shares with x32. A number is too new by the ABI that its marker bit says; it is
 * of an ABI not listed from the marker upwards. The one is runc's way and the other libseccomp's, and they
 * differ from 2^31 on.
 */
export function rangesOfX64(x64: AbiRules, x32: AbiRules | undefined, answers: Answers): Range[] {
  const unnamed = (number: number): number => {
    const largest = (number & X32_BIT) === 0 ? x64.largest : x32?.largest;
    if (answers.tooNew !== undefined && largest !== undefined && number > largest) return answers.tooNew;
    if (x32 === undefined && number >= X32_BIT && number !== SKIPPED) return answers.badArch;
    return answers.default;
  };
  const ends = [
    x64.largest ?? 0,
    X32_BIT - 1,
    x32?.largest ?? X32_BIT,
    2 * X32_BIT - 1,
    3 * X32_BIT - 1,
    SKIPPED - 1,
  ];
  return cut([...x64.blocks, ...(x32?.blocks ?? [])], ends, unnamed);
}

/**
 * The verdict of every number: its own in one of the blocks (rising), or that of `unnamed`, which changes only after one of
 * `ends` (rising). Neighbours that are alike are one range.
 */
function cut(
  blocks: readonly Block[],
  ends: readonly number[],
  unnamed: (number: number) => number,
): Range[] {
  const ranges: Range[] = [];
  let last: Verdict | undefined;
  const push = (from: number, verdict: Verdict): void => {
    if (last === undefined || !same(last, verdict)) ranges.push({ from, verdict });
    last = verdict;
  };
  const pushUnnamed = (from: number, to: number): void => {
    for (let at = from; at < to;) {
      push(at, unnamed(at));
      at = Math.min(to, (ends.find((end) => end >= at) ?? SKIPPED) + 1);
    }
  };
  let at = 0;
  for (const { base, verdicts } of blocks) {
    for (let i = 0; i < verdicts.length; i++) {
      const verdict = verdicts[i];
      if (verdict === undefined) continue;
      const number = base + i;
      if (at < number) pushUnnamed(at, number);
      // Most calls are answered like the one before.
      if (verdict !== last) push(number, verdict);
      at = number + 1;
    }
  }
  pushUnnamed(at, SKIPPED + 1);
  return ranges;
}

function same(a: Verdict, b: Verdict): boolean {
  return typeof a === 'number' || typeof b === 'number' ? a === b : a.key === b.key;
}
