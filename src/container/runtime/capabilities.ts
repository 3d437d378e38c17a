import { PlatformError } from '../../base/errors.ts';

/** Linux' capabilities in the order of their numbers (include/uapi/linux/capability.h), without the CAP_. */
const NAMES = (
  'CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE ' +
  'NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT ' +
  'SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP ' +
  'MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE'
).split(' ');

/** What Docker gives a container that asks for nothing. */
const DEFAULTS = (
  'CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL ' +
  'AUDIT_WRITE'
).split(' ');

/** With CAP_, as configurations have them. */
export const CAPABILITY_NAMES: readonly string[] = NAMES.map((name) => `CAP_${name}`);

const EVERY = (1n << BigInt(NAMES.length)) - 1n;

function maskOf(names: readonly string[]): bigint {
  return names.reduce((mask, given) => {
    const name = given.toUpperCase().replace(/^CAP_/, '');
    if (name === 'ALL') return EVERY;
    const number = NAMES.indexOf(name);
    if (number < 0) throw new PlatformError('invalid', `unknown capability "${given}"`);
    return mask | (1n << BigInt(number));
  }, 0n);
}

/** One set of a configuration as 16 hex digits. A name that this code is too old to know is passed over, as by runc. */
export function capabilitySetMask(names: readonly string[] = []): string {
  const mask = names.reduce((bits, name) => {
    const number = NAMES.indexOf(name.replace(/^CAP_/, ''));
    return number < 0 ? bits : bits | (1n << BigInt(number));
  }, 0n);
  return hex(mask);
}

export interface CapabilityChoice {
  readonly privileged?: boolean;
  /** With or without CAP_, any case; `ALL` is all of them. */
  readonly add?: readonly string[];
  readonly drop?: readonly string[];
}

/**
 * The bounding, permitted and effective set by name. As Docker and CRI define it: what is added by name stays when ALL
 * is dropped, what is dropped by name stays away when ALL is added.
 */
export function chooseCapabilities({ privileged = false, add = [], drop = [] }: CapabilityChoice): string[] {
  const isAll = (name: string): boolean => /^(cap_)?all$/i.test(name);
  const named = (names: readonly string[]): bigint => maskOf(names.filter((name) => !isAll(name)));
  let mask = privileged || add.some(isAll) ? EVERY : maskOf(DEFAULTS);
  if (drop.some(isAll)) mask = 0n;
  mask = (mask & ~named(drop)) | named(add);
  return CAPABILITY_NAMES.filter((_, number) => (mask & (1n << BigInt(number))) !== 0n);
}

function hex(mask: bigint): string {
  return mask.toString(16).padStart(16, '0');
}
