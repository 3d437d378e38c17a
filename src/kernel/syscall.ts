/**
 * Raw system calls through native/seam.c (see docs/adr/0001-kernel-seam.md). Numbers differ by architecture, and
 * so do a few calls: only those that x86-64 and arm64 both have are listed.
 */
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { PlatformError, type ErrorCode } from '../base/errors.ts';
import { nativeFile } from './native-files.ts';

/** Passed as it is, or as the address of the first byte. Absent: 0. */
export type SyscallArgument = number | bigint | Uint8Array | undefined;

interface Seam {
  syscall(nr: number, ...args: readonly SyscallArgument[]): number;
  address(bytes: Uint8Array): bigint;
}

const X64 = {
  close: 3,
  socket: 41,
  connect: 42,
  sendto: 44,
  recvfrom: 45,
  bind: 49,
  setsockopt: 54,
  flock: 73,
  statfs: 137,
  umount2: 166,
  openat: 257,
  ppoll: 271,
  setns: 308,
  bpf: 321,
  capget: 125,
  pidfd_send_signal: 424,
  pidfd_open: 434,
} as const;

export type SyscallName = keyof typeof X64;

const ARM64: Readonly<Record<SyscallName, number>> = {
  close: 57,
  socket: 198,
  connect: 203,
  sendto: 206,
  recvfrom: 207,
  bind: 200,
  setsockopt: 208,
  flock: 32,
  statfs: 43,
  umount2: 39,
  openat: 56,
  ppoll: 73,
  setns: 268,
  bpf: 280,
  capget: 90,
  pidfd_send_signal: 424,
  pidfd_open: 434,
};

const TABLES: Readonly<Record<string, Readonly<Record<SyscallName, number>>>> = { x64: X64, arm64: ARM64 };

let seam: Seam | undefined;
let numbers: Readonly<Record<SyscallName, number>> = X64;

/** Loaded on the first call: most commands never make one. */
function loadSeam(): Seam {
  const table = TABLES[process.arch];
  if (table === undefined) {
    throw new PlatformError('unsupported', `system calls of ${process.arch} are not known`, {
      hint: 'use a linux-x64 or linux-arm64 machine',
    });
  }
  numbers = table;
  seam = createRequire(import.meta.url)(nativeFile('seam.node')) as Seam;
  return seam;
}

/** The kernel's own result: negative errno on failure. */
export function trySyscall(name: SyscallName, ...args: readonly SyscallArgument[]): number {
  const loaded = seam ?? loadSeam();
  return loaded.syscall(numbers[name], ...args);
}

/** As trySyscall, but a failure is thrown as a PlatformError with `errno` and `syscall` in its details. */
export function syscall(name: SyscallName, ...args: readonly SyscallArgument[]): number {
  for (;;) {
    const result = trySyscall(name, ...args);
    if (result >= 0) return result;
    // close(2) has closed the descriptor even so.
    if (result !== -constants.errno.EINTR) throw syscallError(name, -result);
    if (name === 'close') return 0;
  }
}

/** Where the bytes are in memory; valid while the array is reachable. */
export function address(bytes: Uint8Array): bigint {
  return (seam ?? loadSeam()).address(bytes);
}

const NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(constants.errno).map(([name, number]) => [number, name]),
);

/** `EBUSY` for 16; `errno 4095` for a number that has no name. */
export function errnoName(errno: number): string {
  return NAMES.get(errno) ?? `errno ${errno}`;
}

const CODES: Readonly<Record<string, ErrorCode>> = {
  ENOENT: 'not-found',
  ESRCH: 'not-found',
  ENODEV: 'not-found',
  EEXIST: 'already-exists',
  EPERM: 'forbidden',
  EACCES: 'forbidden',
  EBUSY: 'conflict',
  EINVAL: 'invalid',
  ERANGE: 'invalid',
  ENOSPC: 'exhausted',
  ENOMEM: 'exhausted',
  EMFILE: 'exhausted',
  ENFILE: 'exhausted',
  EAGAIN: 'unavailable',
  ENOSYS: 'unsupported',
  EOPNOTSUPP: 'unsupported',
  EAFNOSUPPORT: 'unsupported',
};

/** What kind of failure an errno is, when nothing more is known. */
export function codeOfErrno(name: string): ErrorCode {
  return CODES[name] ?? 'internal';
}

export function syscallError(
  syscall: string,
  errno: number,
  { detail = '', ...details }: { detail?: string; [name: string]: unknown } = {},
): PlatformError {
  const name = errnoName(errno);
  const what = detail === '' ? '' : ` (${detail})`;
  return new PlatformError(codeOfErrno(name), `${syscall}: ${name}${what}`, {
    details: { syscall, errno: name, ...details },
  });
}
