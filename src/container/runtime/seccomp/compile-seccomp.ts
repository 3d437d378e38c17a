import { PlatformError } from '../../../base/errors.ts';
import type { SeccompConfig } from '../../spec/runtime-config.ts';
import { Assembler, BPF, type Label, MAX_INSTRUCTIONS } from './assembler.ts';
import { checkSeccomp } from './check-seccomp.ts';
import { emitCondition, type Width } from './conditions.ts';
import { type Answers, type Range, rangesOfAbi, rangesOfX64 } from './ranges.ts';
import { type Conditional, readRules, rulesOfAbi } from './rules.ts';
import { emitSearch } from './search-tree.ts';
import { type SyscallArch, syscallNumber } from './syscall-numbers.ts';
import { verifyFilter } from './verify-filter.ts';
import {
  ACTIONS,
  type Action,
  ENOSYS,
  type Flag,
  FLAGS,
  NEW_LISTENER,
  returnValue,
  TSYNC_ESRCH,
} from './vocabulary.ts';

export type SeccompHost = 'x64' | 'arm64';

export interface SeccompProgram {
  /** An array of `struct sock_filter` in the host's byte order, at most 4096 of 8 bytes: what PR_SET_SECCOMP takes. */
  readonly filter: Buffer;
  /** SECCOMP_FILTER_FLAG_* for seccomp(2). */
  readonly flags: number;
  /** Present when a rule has SCMP_ACT_NOTIFY: where the descriptor that seccomp(2) returns is to be sent. */
  readonly listener?: { readonly path: string; readonly metadata: string };
}

/**
 * Compiles a profile for a host. Throws `PlatformError('invalid')` whose message begins with the JSON path for a profile
 * that is not valid, or that would make more instructions than the kernel takes. The same profile is compiled once.
 */
export function compileSeccomp(
  config: SeccompConfig,
  options: { readonly arch: SeccompHost },
): SeccompProgram {
  const key = options.arch + contentOf(config);
  let program = cache.get(key);
  if (program === undefined) {
    program = compile(checkSeccomp(config), options.arch);
    if (cache.size >= CACHED_PROFILES) cache.delete(cache.keys().next().value!);
  } else {
    cache.delete(key);
  }
  cache.set(key, program);
  return { ...program, filter: Buffer.from(program.filter) };
}

/** Programs by profile, the one used last at the end. A host has few profiles: Docker's with a capability more or less. */
const cache = new Map<string, SeccompProgram>();
const CACHED_PROFILES = 8;

function contentOf(config: SeccompConfig): string {
  try {
    return JSON.stringify(config);
  } catch {
    // A value beyond 2^53: JSON has no bigint, and a replacer takes its time.
    return JSON.stringify(config, (_key, value: unknown) =>
      typeof value === 'bigint' ? `#${value}` : value,
    );
  }
}

/** AUDIT_ARCH_* of include/uapi/linux/audit.h. */
const AUDIT_X86_64 = 0xc000_003e;
const AUDIT_I386 = 0x4000_0003;
const AUDIT_AARCH64 = 0xc000_00b7;
const AUDIT_ARM = 0x4000_0028;

/** Offsets in struct seccomp_data. */
const NUMBER = 0;
const ARCHITECTURE = 4;

/** What programs call most: near the root of the search, for kernels that do not remember plain answers (before 5.11). */
const OFTEN: readonly (readonly [string, number])[] = [
  ['read', 60],
  ['write', 60],
  ['futex', 60],
  ['recvfrom', 20],
  ['sendto', 20],
  ['epoll_wait', 20],
  ['epoll_pwait', 20],
  ['close', 10],
  ['openat', 10],
  ['newfstatat', 10],
  ['fstat', 10],
  ['poll', 10],
  ['ppoll', 10],
  ['mmap', 10],
  ['mprotect', 10],
  ['munmap', 10],
  ['writev', 10],
  ['recvmsg', 10],
  ['sendmsg', 10],
  ['lseek', 5],
  ['fcntl', 5],
  ['ioctl', 5],
  ['rt_sigprocmask', 5],
  ['madvise', 5],
];

/** What a filter does with the calls of one AUDIT_ARCH. */
interface Section {
  readonly token: number;
  readonly ranges: readonly Range[];
  /** Of the numbers called often. */
  readonly weights: ReadonlyMap<number, number>;
}

function compile(config: SeccompConfig, host: SeccompHost): SeccompProgram {
  const answers = answersOf(config);
  const assembler = new Assembler();
  // Written from the end: the last resort first, the native architecture last, so that it stands at the top.
  let next = assembler.return(answers.badArch);
  for (const section of sectionsOf(config, host, answers).toReversed()) {
    const body = emitSection(assembler, section, answers.default);
    next = assembler.test(BPF.equal, section.token, { yes: body, no: next });
  }
  assembler.load(ARCHITECTURE, next);
  if (assembler.length > MAX_INSTRUCTIONS) {
    throw new PlatformError(
      'invalid',
      `linux.seccomp.syscalls: make ${assembler.length} instructions, the kernel takes ${MAX_INSTRUCTIONS}`,
      { details: { path: 'linux.seccomp.syscalls', instructions: assembler.length } },
    );
  }
  const filter = assembler.assemble();
  verifyFilter(filter);
  const notifies = (config.syscalls ?? []).some(({ action }) => action === 'SCMP_ACT_NOTIFY');
  const listener = { path: config.listenerPath ?? '', metadata: config.listenerMetadata ?? '' };
  return { filter, flags: flagsOf(config, notifies), ...(notifies && { listener }) };
}

function answersOf(config: SeccompConfig): Answers {
  const action = config.defaultAction as Action;
  // A program that asks for a call which the profile's author could not know takes ENOSYS for an older kernel and falls
  // back; any other refusal breaks it. What is allowed, logged or traced by default needs no such help.
  const permissive = action === 'SCMP_ACT_ALLOW' || action === 'SCMP_ACT_LOG' || action === 'SCMP_ACT_TRACE';
  return {
    default: returnValue(action, config.defaultErrnoRet),
    tooNew: permissive ? undefined : returnValue('SCMP_ACT_ERRNO', ENOSYS),
    badArch: ACTIONS.SCMP_ACT_KILL_THREAD,
  };
}

/** The host's own architecture, listed or not, then those listed that its kernel can also run. */
function sectionsOf(config: SeccompConfig, host: SeccompHost, answers: Answers): Section[] {
  const listed = new Set(config.architectures);
  const rules = readRules(config, answers.default);
  const section = (token: number, arch: SyscallArch, ranges: readonly Range[]): Section => ({
    token,
    ranges,
    weights: weightsOf(arch),
  });
  const abi = (token: number, arch: SyscallArch, width: Width): Section =>
    section(token, arch, rangesOfAbi(rulesOfAbi(rules, arch, width), answers));
  if (host === 'arm64') {
    const sections = [abi(AUDIT_AARCH64, 'arm64', 64)];
    if (listed.has('SCMP_ARCH_ARM')) sections.push(abi(AUDIT_ARM, 'arm', 32));
    return sections;
  }
  const x32 = listed.has('SCMP_ARCH_X32') ? rulesOfAbi(rules, 'x32', 32) : undefined;
  const ranges = rangesOfX64(rulesOfAbi(rules, 'x64', 64), x32, answers);
  const sections = [section(AUDIT_X86_64, 'x64', ranges)];
  if (listed.has('SCMP_ARCH_X86')) sections.push(abi(AUDIT_I386, 'x86', 32));
  return sections;
}

function emitSection(assembler: Assembler, { ranges, weights }: Section, otherwise: number): Label {
  const written = new Map<string, Label>();
  const conditional = (verdict: Conditional): Label => {
    let label = written.get(verdict.key);
    if (label === undefined) {
      label = emitAlternatives(assembler, verdict, otherwise);
      written.set(verdict.key, label);
    }
    return label;
  };
  const search = emitSearch(assembler, ranges, {
    weights,
    leaf: (verdict) => (typeof verdict === 'number' ? assembler.return(verdict) : conditional(verdict)),
  });
  return assembler.load(NUMBER, search);
}

/** The first alternative comes first, each goes on to the next where a condition fails, the last to the default. */
function emitAlternatives(
  assembler: Assembler,
  { alternatives, width }: Conditional,
  otherwise: number,
): Label {
  let next = assembler.return(otherwise);
  for (const { answer, conditions } of alternatives.toReversed()) {
    let matched = assembler.return(answer);
    for (const condition of conditions.toReversed()) {
      matched = emitCondition(assembler, condition, { width, yes: matched, no: next });
    }
    next = matched;
  }
  return next;
}

function weightsOf(arch: SyscallArch): ReadonlyMap<number, number> {
  const weights = new Map<number, number>();
  for (const [name, weight] of OFTEN) {
    const number = syscallNumber(arch, name);
    if (number !== undefined) weights.set(number, weight);
  }
  return weights;
}

function flagsOf(config: SeccompConfig, notifies: boolean): number {
  // Without a list runc takes SPEC_ALLOW: the speculation barrier costs more than it is worth to a container.
  const named = (config.flags ?? ['SECCOMP_FILTER_FLAG_SPEC_ALLOW']) as readonly Flag[];
  let flags = notifies ? NEW_LISTENER : 0;
  for (const flag of named) flags |= FLAGS[flag];
  // With a listener the call's result is a descriptor, so a thread that cannot follow has to be an error instead.
  if (notifies && (flags & FLAGS.SECCOMP_FILTER_FLAG_TSYNC) !== 0) flags |= TSYNC_ESRCH;
  return flags;
}
