/**
 * Writes `src/container/runtime/seccomp/generated/syscall-tables.ts` from the kernel's uapi headers:
 * `node tools/generate/syscalls.ts ARM`. The headers of the machine (x86-64) give x64, x86, x32 and, by way of
 * `asm-generic`, arm64. ARM is the include folder of 32-bit arm, as Debian's package `linux-libc-dev-armhf-cross` has it
 * under `usr/arm-linux-gnueabihf/include`. Needs gcc, for its preprocessor.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { addNewer } from './syscalls-newer.ts';
import { emitTables, type SyscallTables } from './syscalls-emit.ts';

const armHeaders = process.argv[2];
if (armHeaders === undefined) {
  process.stderr.write('usage: node tools/generate/syscalls.ts ARM\n');
  process.exit(2);
}

/** What arch/arm64/include/asm/unistd.h asks of the generic table. */
const ARM64_WANTS = [
  'RENAMEAT',
  'NEW_STAT',
  'SET_GET_RLIMIT',
  'TIME32_SYSCALLS',
  'SYS_CLONE3',
  'MEMFD_SECRET',
];

/** Bookkeeping of the headers, and the marker of x32, which are no calls. */
const NOT_CALLS = new Set([
  'syscalls',
  'SYSCALL_BASE',
  'OABI_SYSCALL_BASE',
  'arch_specific_syscall',
  'SYSCALL_MASK',
]);

const X32_BIT = 0x4000_0000;

/** Every `__NR_name` of a header with its value, as the preprocessor sees them. */
function numbersOf(header: string, flags: readonly string[]): Map<string, number> {
  const run = (input: string, extra: readonly string[]): string =>
    execFileSync('gcc', ['-E', ...extra, ...flags, '-x', 'c', '-'], { input, encoding: 'utf8' });
  const macros = run(`#include <${header}>\n`, ['-dM'])
    .matchAll(/^#define (__(?:ARM_)?NR_(\w+)) ./gm)
    .filter(([, , name]) => !NOT_CALLS.has(name!) && name !== 'BASE' && !name!.startsWith('compat_'))
    .toArray();
  const text = macros.map(([, macro, name]) => `"${name}" ${macro}\n`).join('');
  const numbers = new Map<string, number>();
  for (const [, name, value] of run(`#include <${header}>\n${text}`, ['-P']).matchAll(/^"(\w+)" (.+)$/gm)) {
    // Sums of literals, in brackets: `((0 +0x0f0000)+1)`.
    const terms = value!
      .replaceAll(/[()\s]/g, '')
      .split('+')
      .map(Number);
    if (terms.some(Number.isNaN)) throw new Error(`${header}: __NR_${name} is ${value}`);
    numbers.set(
      name!,
      terms.reduce((sum, term) => sum + term, 0),
    );
  }
  // An alias of arm's own arm_sync_file_range: a number has one name here.
  if (numbers.has('arm_sync_file_range')) numbers.delete('sync_file_range2');
  if (new Set(numbers.values()).size < numbers.size) throw new Error(`${header}: a number with two names`);
  if (numbers.size < 200) throw new Error(`${header}: only ${numbers.size} system calls`);
  return numbers;
}

const x32 = new Map(
  [...numbersOf('asm/unistd_x32.h', ['-D__X32_SYSCALL_BIT=0x40000000'])].map(
    ([name, number]): [string, number] => [name, number & ~X32_BIT],
  ),
);
const tables: SyscallTables = {
  x64: numbersOf('asm/unistd_64.h', []),
  x86: numbersOf('asm/unistd_32.h', []),
  x32,
  arm64: numbersOf(
    'asm-generic/unistd.h',
    ARM64_WANTS.map((want) => `-D__ARCH_WANT_${want}`),
  ),
  arm: numbersOf('asm/unistd.h', ['-D__ARM_EABI__', '-nostdinc', `-I${armHeaders}`]),
};
addNewer(tables);

const folder = join(import.meta.dirname, '../../src/container/runtime/seccomp/generated');
mkdirSync(folder, { recursive: true });
writeFileSync(join(folder, 'syscall-tables.ts'), emitTables(tables));
process.stdout.write(
  `${Object.entries(tables)
    .map(([arch, numbers]) => `${arch} ${numbers.size}`)
    .join(', ')}\n`,
);
