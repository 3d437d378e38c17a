import { assert } from '../../../base/errors.ts';

/** Where an instruction stands, counted from the end of the program: the last one is 0. */
export type Label = number;

/** Opcodes of include/uapi/linux/bpf_common.h, as far as seccomp_check_filter lets them through and we need them. */
export const BPF = {
  /** A = 32-bit word of struct seccomp_data at k. */
  load: 0x20,
  /** Go k further. */
  jump: 0x05,
  equal: 0x15,
  greater: 0x25,
  greaterOrEqual: 0x35,
  /** A & k is not 0. */
  anyBit: 0x45,
  /** A &= k. */
  and: 0x54,
  /** Answer k. */
  return: 0x06,
} as const;

export type Comparison =
  | typeof BPF.equal
  | typeof BPF.greater
  | typeof BPF.greaterOrEqual
  | typeof BPF.anyBit;

/** BPF_MAXINSNS: what the kernel takes at most. */
export const MAX_INSTRUCTIONS = 4096;

/** The longest distance from the next free place: jt and jf are 8 bits wide, and one trampoline may come in between. */
const SHORT_JUMP = 255;

/**
 * Writes a classic BPF program from its end to its beginning. Jumps only go forward, so whatever is jumped to has been
 * written, its distance is known, and one that is too far for 8 bits gets a trampoline right behind its comparison.
 */
export class Assembler {
  /** Counts on beyond what the kernel takes; what is too much is not kept. */
  length = 0;
  /** `struct sock_filter` is u16 code, u8 jt, u8 jf, u32 k: two words, on both our architectures little-endian. */
  readonly #words = new Uint32Array(2 * MAX_INSTRUCTIONS);
  readonly #returns = new Map<number, Label>();

  /** Answers `value`. Near ones are shared; one that is far costs no more anew than a trampoline to it. */
  return(value: number): Label {
    const known = this.#returns.get(value);
    if (known !== undefined && this.length - known < SHORT_JUMP) return known;
    const label = this.#push(BPF.return, 0, value);
    this.#returns.set(value, label);
    return label;
  }

  /** Loads the word at `offset` of struct seccomp_data and goes on at `next`. */
  load(offset: number, next: Label): Label {
    return this.#straight(BPF.load, offset, next);
  }

  /** Keeps the bits of `mask` and goes on at `next`. */
  and(mask: number, next: Label): Label {
    return this.#straight(BPF.and, mask, next);
  }

  /** Compares what is loaded with `k`. */
  test(comparison: Comparison, k: number, branches: { yes: Label; no: Label }): Label {
    let { yes, no } = branches;
    if (this.length - yes > SHORT_JUMP) yes = this.#jump(yes);
    if (this.length - no > SHORT_JUMP) no = this.#jump(no);
    const jt = this.length - yes - 1;
    const jf = this.length - no - 1;
    if (jt > 255 || jf > 255) throw new Error(`a branch over ${jt} and ${jf} instructions`);
    return this.#push(comparison, jt | (jf << 8), k);
  }

  /** The program, from the instruction written last: an array of struct sock_filter. */
  assemble(): Buffer {
    assert(this.length <= MAX_INSTRUCTIONS, `a program of ${this.length} instructions`);
    const words = this.#words.slice(this.#words.length - 2 * this.length);
    return Buffer.from(words.buffer);
  }

  #straight(code: number, k: number, next: Label): Label {
    if (next !== this.length - 1) this.#jump(next);
    return this.#push(code, 0, k);
  }

  #jump(label: Label): Label {
    return this.#push(BPF.jump, 0, this.length - label - 1);
  }

  #push(code: number, branches: number, k: number): Label {
    const at = this.#words.length - 2 * (this.length + 1);
    if (at >= 0) {
      this.#words[at] = code | (branches << 16);
      this.#words[at + 1] = k;
    }
    return this.length++;
  }
}
