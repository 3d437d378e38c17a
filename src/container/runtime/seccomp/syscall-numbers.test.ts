import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  allSyscallNames,
  type SyscallArch,
  syscallNumber,
  syscallTable,
  X32_BIT,
} from './syscall-numbers.ts';

test('numbers are those of the kernel', () => {
  const known: readonly (readonly [SyscallArch, string, number | undefined])[] = [
    ['x64', 'read', 0],
    ['x64', 'futex', 202],
    ['x64', 'uretprobe', 335],
    ['x64', 'socketcall', undefined],
    ['x86', 'read', 3],
    ['x86', 'socketcall', 102],
    ['x86', 'clock_gettime64', 403],
    ['x86', 'semop', undefined],
    ['x32', 'read', X32_BIT],
    ['x32', 'execve', X32_BIT + 520],
    ['x32', 'uselib', undefined],
    ['arm64', 'read', 63],
    ['arm64', 'newfstatat', 79],
    ['arm64', 'renameat', 38],
    ['arm64', 'open', undefined],
    ['arm', 'read', 3],
    ['arm', 'arm_sync_file_range', 341],
    ['arm', 'set_tls', 983045],
    ['x64', 'no_such_call', undefined],
  ];
  for (const [arch, name, number] of known)
    assert.equal(syscallNumber(arch, name), number, `${arch} ${name}`);
  for (const arch of ['x64', 'x86', 'x32', 'arm64', 'arm'] as const) {
    const base = arch === 'x32' ? X32_BIT : 0;
    assert.equal(syscallNumber(arch, 'pidfd_open'), base + 434);
    assert.equal(syscallNumber(arch, 'file_setattr'), base + 469);
  }
});

test('a number has one name', () => {
  const names = allSyscallNames();
  assert.equal(new Set(names).size, names.length);
  for (const arch of ['x64', 'x86', 'x32', 'arm64', 'arm'] as const) {
    const numbers = [...syscallTable(arch)].filter((number) => number >= 0);
    assert.equal(syscallTable(arch).length, names.length);
    assert.equal(new Set(numbers).size, numbers.length, arch);
  }
});
