/** System call numbers by name, of the architectures that a filter can meet on our hosts. */
import { syscallTables } from './generated/syscall-tables.ts';

export type SyscallArch = keyof typeof syscallTables;

/** Marks a call of the x32 ABI: it shares AUDIT_ARCH_X86_64 with x64 (arch/x86/include/uapi/asm/unistd.h). */
export const X32_BIT = 0x4000_0000;

const decoded = new Map<SyscallArch, ReadonlyMap<string, number>>();

/** Numbers by name, of x32 with its marker bit. Decoded at the first use: a start-up needs two or three tables. */
export function syscallNumbers(arch: SyscallArch): ReadonlyMap<string, number> {
  let numbers = decoded.get(arch);
  if (numbers === undefined) {
    numbers = arch === 'x32' ? decodeX32() : decode(new Map(), syscallTables[arch], 0);
    decoded.set(arch, numbers);
  }
  return numbers;
}

function decodeX32(): ReadonlyMap<string, number> {
  const numbers = new Map<string, number>();
  for (const [name, number] of syscallNumbers('x64')) numbers.set(name, number + X32_BIT);
  return decode(numbers, syscallTables.x32, X32_BIT);
}

/** The form of the tables is described where they are generated. */
function decode(numbers: Map<string, number>, packed: string, base: number): ReadonlyMap<string, number> {
  let next = base;
  for (const word of packed.split(/\s/)) {
    const first = word.charCodeAt(0);
    if (first === EQUALS) next = base + Number(word.slice(1));
    else if (first === MINUS) numbers.delete(word.slice(1));
    else numbers.set(word, next++);
  }
  return numbers;
}

const EQUALS = 61;
const MINUS = 45;
