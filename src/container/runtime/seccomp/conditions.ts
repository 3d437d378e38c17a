import { type Assembler, BPF, type Label } from './assembler.ts';
import type { Operator } from './vocabulary.ts';

/** One comparison of a system call's argument. `value` is the mask of SCMP_CMP_MASKED_EQ, `valueTwo` what must remain. */
export interface Condition {
  readonly index: number;
  readonly op: Operator;
  readonly value: bigint;
  readonly valueTwo: bigint;
}

/** Bits of an argument that a comparison sees: libseccomp looks at the lower 32 only where the ABI has 32-bit words. */
export type Width = 32 | 64;

/** Offset of args[] in struct seccomp_data. */
const ARGUMENTS = 16;

const LOW = 0xffff_ffffn;

/** True when every value satisfies it: a mask without a bit in the width. */
export function alwaysTrue(condition: Condition, width: Width): boolean {
  return (
    condition.op === 'SCMP_CMP_MASKED_EQ' && (width === 64 ? condition.value : condition.value & LOW) === 0n
  );
}

/**
 * Goes on at `yes` when the condition holds, else at `no`. BPF knows words of 32 bits; 64 are compared in halves:
 * a > b is high(a) > high(b), or the highs are equal and low(a) > low(b).
 */
export function emitCondition(
  assembler: Assembler,
  condition: Condition,
  on: { readonly width: Width; readonly yes: Label; readonly no: Label },
): Label {
  const { yes, no } = on;
  const low = {
    offset: ARGUMENTS + condition.index * 8,
    value: Number(condition.value & LOW),
    valueTwo: Number(condition.valueTwo & LOW),
  };
  const high = {
    offset: low.offset + 4,
    value: on.width === 64 ? Number(condition.value >> 32n) : 0,
    valueTwo: on.width === 64 ? Number(condition.valueTwo >> 32n) : 0,
  };
  const compare = (comparison: typeof BPF.greater | typeof BPF.greaterOrEqual, branches: Branches): Label => {
    const lower = assembler.test(comparison, low.value, branches);
    const lowLoaded = assembler.load(low.offset, lower);
    if (on.width === 32) return lowLoaded;
    const equal = assembler.test(BPF.equal, high.value, { yes: lowLoaded, no: branches.no });
    const greater = assembler.test(BPF.greater, high.value, { yes: branches.yes, no: equal });
    return assembler.load(high.offset, greater);
  };
  const equal = (branches: Branches): Label => {
    let next = branches.yes;
    if (on.width === 64) {
      next = assembler.test(BPF.equal, high.value, branches);
      next = assembler.load(high.offset, next);
    }
    return assembler.load(low.offset, assembler.test(BPF.equal, low.value, { yes: next, no: branches.no }));
  };
  switch (condition.op) {
    case 'SCMP_CMP_GT':
      return compare(BPF.greater, { yes, no });
    case 'SCMP_CMP_GE':
      return compare(BPF.greaterOrEqual, { yes, no });
    case 'SCMP_CMP_LE':
      return compare(BPF.greater, { yes: no, no: yes });
    case 'SCMP_CMP_LT':
      return compare(BPF.greaterOrEqual, { yes: no, no: yes });
    case 'SCMP_CMP_EQ':
      return equal({ yes, no });
    case 'SCMP_CMP_NE':
      return equal({ yes: no, no: yes });
    default:
      return emitMasked(assembler, [low, high], { yes, no });
  }
}

interface Branches {
  readonly yes: Label;
  readonly no: Label;
}

/** `(argument & value) == (valueTwo & value)`, half by half; a half without a bit in the mask needs no look. */
function emitMasked(
  assembler: Assembler,
  halves: readonly { offset: number; value: number; valueTwo: number }[],
  { yes, no }: Branches,
): Label {
  let next = yes;
  for (const { offset, value: mask, valueTwo } of halves.toReversed()) {
    if (mask === 0) continue;
    const wanted = (valueTwo & mask) >>> 0;
    if (wanted === 0) {
      next = assembler.test(BPF.anyBit, mask, { yes: no, no: next });
    } else {
      next = assembler.test(BPF.equal, wanted, { yes: next, no });
      if (mask !== 0xffff_ffff) next = assembler.and(mask, next);
    }
    next = assembler.load(offset, next);
  }
  return next;
}
