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
  for (let at = 0; at < length; at++) {
    const code = filter.readUInt16LE(at * 8);
    const jt = filter[at * 8 + 2]!;
    const jf = filter[at * 8 + 3]!;
    const k = filter.readUInt32LE(at * 8 + 4);
    const left = length - at - 1;
    switch (code) {
      case BPF.load:
        assert(k < SECCOMP_DATA_BYTES && k % 4 === 0, `instruction ${at} loads ${k}`);
        assert(left > 0, `instruction ${at} is the last and no return`);
        break;
      case BPF.and:
        assert(left > 0, `instruction ${at} is the last and no return`);
        break;
      case BPF.jump:
        assert(k < left, `instruction ${at} jumps ${k} beyond the end`);
        break;
      case BPF.equal:
      case BPF.greater:
      case BPF.greaterOrEqual:
      case BPF.anyBit:
        assert(jt < left && jf < left, `instruction ${at} jumps ${jt} or ${jf} beyond the end`);
        break;
      default:
        assert(code === BPF.return, `instruction ${at} is ${code}`);
    }
  }
}
