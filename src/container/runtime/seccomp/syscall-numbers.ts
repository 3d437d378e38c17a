/** System call numbers of the architectures that a filter can meet on our hosts. Decoded at the first use. */
import { farNumbers, syscallColumns, syscallNames } from './generated/syscall-tables.ts';

export type SyscallArch = 'x64' | 'x86' | 'x32' | 'arm64' | 'arm';

/** Marks a call of the x32 ABI: it shares AUDIT_ARCH_X86_64 with x64 (arch/x86/include/uapi/asm/unistd.h). */
export const X32_BIT = 0x4000_0000;

/** In a table of numbers: the architecture has no such call. */
export const NO_CALL = -1;

let indexes: ReadonlyMap<string, number> | undefined;
const tables = new Map<SyscallArch, Int32Array>();

/** The place of a name in the tables; undefined for what no architecture knows. */
export function syscallIndex(name: string): number | undefined {
  indexes ??= indexNames();
  return indexes.get(name);
}

/** Every name that some architecture knows, in the order of the tables. */
export function allSyscallNames(): readonly string[] {
  return syscallNames.split(' ');
}

/** How many places the tables have. */
export function syscallCount(): number {
  indexes ??= indexNames();
  return indexes.size;
}

/** The numbers of an architecture by place, of x32 with the marker bit. */
export function syscallTable(arch: SyscallArch): Int32Array {
  let table = tables.get(arch);
  if (table === undefined) {
    table = decode(syscallColumns[arch]);
    if (arch === 'x32') for (let i = 0; i < table.length; i++) if (table[i] !== NO_CALL) table[i]! += X32_BIT;
    if (arch === 'arm') addFar(table);
    tables.set(arch, table);
  }
  return table;
}

/** The number of one call, undefined where the architecture has none. */
export function syscallNumber(arch: SyscallArch, name: string): number | undefined {
  const index = syscallIndex(name);
  const number = index === undefined ? NO_CALL : syscallTable(arch)[index]!;
  return number === NO_CALL ? undefined : number;
}

function indexNames(): ReadonlyMap<string, number> {
  const names = syscallNames.split(' ');
  const map = new Map<string, number>();
  for (let i = 0; i < names.length; i++) map.set(names[i]!, i);
  return map;
}

function decode(column: string): Int32Array {
  const bytes = new Uint8Array(Buffer.from(column, 'base64'));
  return Int32Array.from(new Int16Array(bytes.buffer));
}

function addFar(table: Int32Array): void {
  for (const entry of farNumbers.split(' ')) {
    const [name, number] = entry.split('=') as [string, string];
    table[syscallIndex(name)!] = Number(number);
  }
}
