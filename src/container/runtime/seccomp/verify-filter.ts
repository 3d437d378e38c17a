import { assert } from '../../../base/errors.ts';
import { BPF, MAX_INSTRUCTIONS } from './assembler.ts';

const SECCOMP_DATA_BYTES = 64;

/**
 * What the kernel's checkers (bpf_check_classic, seccomp_check_filter) ask of a program, and that it has no instruction
 * which they would take but we never write. A failure is a bug of the compiler.
 */
export function verifyFilter(filter: Buffer): void {
  assert(filter.length % 8 === 0, `a filter of ${filter.length} bytes`);
  const length = filter.length / 8;
  assert(length > 0 && length <= MAX_INSTRUCTIONS, `a filter of ${length} instructions`);
  const words = new Uint32Array(filter.buffer, filter.byteOffset, 2 * length);
  for (let at = 0; at < length; at++) {
    const code = words[2 * at]! & 0xffff;
    const jt = (words[2 * at]! >>> 16) & 0xff;
    const jf = words[2 * at]! >>> 24;
    const k = words[2 * at + 1]!;
    const left = length - at - 1;
    const branch = jt < left && jf < left;
    const valid =
      code === BPF.return ||
      (code === BPF.load && left > 0 && k < SECCOMP_DATA_BYTES && k % 4 === 0) ||
      (code === BPF.and && left > 0) ||
      (code === BPF.jump && k < left) ||
      ((code === BPF.equal || code === BPF.greater) && branch) ||
      ((code === BPF.greaterOrEqual || code === BPF.anyBit) && branch);
    if (!valid) {
      throw new Error(`assertion failed: instruction ${at} of ${length}: ${code} ${jt} ${jf} ${k}`);
    }
  }
}
