/** System calls newer than the headers that are at hand, by hand. Since 424 a number is the same everywhere. */
import type { SyscallTables } from './syscalls-emit.ts';

/** Name, number, and the Linux version that brought it. */
const EVERYWHERE: readonly (readonly [string, number, string])[] = [
  ['cachestat', 451, '6.5'],
  ['fchmodat2', 452, '6.6'],
  ['map_shadow_stack', 453, '6.6'],
  ['futex_wake', 454, '6.7'],
  ['futex_wait', 455, '6.7'],
  ['futex_requeue', 456, '6.7'],
  ['statmount', 457, '6.8'],
  ['listmount', 458, '6.8'],
  ['lsm_get_self_attr', 459, '6.8'],
  ['lsm_set_self_attr', 460, '6.8'],
  ['lsm_list_modules', 461, '6.8'],
  ['mseal', 462, '6.10'],
  ['setxattrat', 463, '6.13'],
  ['getxattrat', 464, '6.13'],
  ['listxattrat', 465, '6.13'],
  ['removexattrat', 466, '6.13'],
  ['open_tree_attr', 467, '6.15'],
  ['file_getattr', 468, '6.17'],
  ['file_setattr', 469, '6.17'],
  ['listns', 470, '6.19'],
  ['rseq_slice_yield', 471, '7.0'],
];

/** Entered by the kernel's own trampolines, on x86-64 only. */
const X64_ONLY: readonly (readonly [string, number, string])[] = [
  ['uretprobe', 335, '6.11'],
  ['uprobe', 336, '6.18'],
];

/** Adds what the headers do not have yet; what they have must agree. */
export function addNewer(tables: SyscallTables): void {
  const add = (arch: keyof SyscallTables, [name, number]: readonly [string, number, string]): void => {
    const known = tables[arch].get(name);
    if (known !== undefined && known !== number)
      throw new Error(`${arch}: ${name} is ${known}, not ${number}`);
    tables[arch].set(name, number);
  };
  for (const arch of ['x64', 'x86', 'x32', 'arm64', 'arm'] as const) {
    for (const call of EVERYWHERE) add(arch, call);
  }
  for (const arch of ['x64', 'x32'] as const) for (const call of X64_ONLY) add(arch, call);
}
