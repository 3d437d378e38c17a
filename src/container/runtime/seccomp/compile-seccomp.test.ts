import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runBpf, type SeccompData } from '../../../../test/fixtures/bpf-interpreter.ts';
import { AUDIT } from '../../../../test/fixtures/seccomp-oracle.ts';
import type { SeccompConfig } from '../../spec/runtime-config.ts';
import { compileSeccomp } from './compile-seccomp.ts';
import { syscallNumber } from './syscall-numbers.ts';
import { verifyFilter } from './verify-filter.ts';

const ALLOW = 0x7fff_0000;
const KILL = 0;
const errno = (number: number): number => 0x0005_0000 + number;

function answer(
  profile: SeccompConfig,
  call: { name: string; args?: readonly number[]; abi?: keyof typeof AUDIT },
): number {
  const { name, args = [], abi = 'x64' } = call;
  const values = [...args, 0, 0, 0, 0, 0, 0].slice(0, 6).map(BigInt);
  const data: SeccompData = { nr: syscallNumber(abi, name)!, arch: AUDIT[abi], args: values };
  const host = abi === 'arm64' || abi === 'arm' ? 'arm64' : 'x64';
  return runBpf(compileSeccomp(profile, { arch: host }).filter, data).value;
}

function number(profile: SeccompConfig, nr: number): number {
  const { filter } = compileSeccomp(profile, { arch: 'x64' });
  return runBpf(filter, { nr, arch: AUDIT.x64, args: [0n, 0n, 0n, 0n, 0n, 0n] }).value;
}

const on = (index: number, op: string, value: number): { index: number; value: number; op: string } => ({
  index,
  value,
  op: `SCMP_CMP_${op}`,
});

test('a call newer than the profile is answered ENOSYS unless the default lets calls through', () => {
  const names = ['read', 'close', 'getpid'];
  const largest = syscallNumber('x64', 'getpid')!;
  const profile: SeccompConfig = {
    defaultAction: 'SCMP_ACT_KILL_PROCESS',
    syscalls: [{ names, action: 'SCMP_ACT_ALLOW' }],
  };
  assert.equal(number(profile, largest), ALLOW);
  assert.equal(number(profile, largest - 1), 0x8000_0000);
  assert.equal(number(profile, largest + 1), errno(38));
  // A rule that says what the default says makes no rule, but its call is known.
  const redundant = [{ names, action: 'SCMP_ACT_ERRNO' }];
  const refusing: SeccompConfig = { defaultAction: 'SCMP_ACT_ERRNO', syscalls: redundant };
  assert.equal(number(refusing, largest), errno(1));
  assert.equal(number(refusing, largest + 1), errno(38));
  // That holds right behind a call with a rule, too: setitimer and lseek stand before getpid, on x64 and x86.
  const allowed = [...redundant, { names: ['setitimer', 'lseek'], action: 'SCMP_ACT_ALLOW' }];
  const mixed: SeccompConfig = { ...refusing, architectures: ['SCMP_ARCH_X86'], syscalls: allowed };
  assert.equal(number(mixed, largest), errno(1));
  const small = {
    ...mixed,
    syscalls: [
      { names: ['getpid'], action: 'SCMP_ACT_ERRNO' },
      { names: ['lseek'], action: 'SCMP_ACT_ALLOW' },
    ],
  };
  assert.equal(answer(small, { name: 'getpid', abi: 'x86' }), errno(1));
  for (const defaultAction of ['SCMP_ACT_ALLOW', 'SCMP_ACT_LOG', 'SCMP_ACT_TRACE']) {
    assert.notEqual(number({ ...refusing, defaultAction }, largest + 1), errno(38));
  }
  // Names that nobody knows say nothing about how new the profile is.
  assert.equal(
    number({ ...refusing, syscalls: [{ names: ['no_such_call'], action: 'SCMP_ACT_ALLOW' }] }, 500),
    errno(1),
  );
});

test('rules of one call: the first unconditional one wins, wherever it stands', () => {
  const rules = [
    { names: ['dup2'], action: 'SCMP_ACT_TRAP', args: [on(0, 'EQ', 3)] },
    { names: ['dup2'], action: 'SCMP_ACT_ERRNO', errnoRet: 7 },
    { names: ['dup2'], action: 'SCMP_ACT_KILL' },
  ];
  const profile: SeccompConfig = { defaultAction: 'SCMP_ACT_ALLOW', syscalls: rules };
  assert.equal(answer(profile, { name: 'dup2', args: [3] }), errno(7));
  assert.equal(answer(profile, { name: 'dup2', args: [4] }), errno(7));
});

test('rules that contradict each other are tried in the order of libseccomp, whatever the order of the profile', () => {
  // For each pair: which rule answers a call that both match. Found by running libseccomp 2.5.4.
  const pairs = [
    { first: on(1, 'GE', 1), second: on(0, 'EQ', 5) },
    { first: on(0, 'EQ', 5), second: on(0, 'LE', 7) },
    { first: on(0, 'LT', 6), second: on(0, 'GE', 1) },
    { first: on(0, 'EQ', 5), second: on(0, 'GT', 1) },
    { first: on(0, 'GE', 4), second: on(0, 'GE', 2) },
    { first: on(0, 'LE', 6), second: on(0, 'LE', 9) },
    { first: on(0, 'NE', 9), second: on(0, 'EQ', 5) },
  ];
  for (const { first, second } of pairs) {
    const rules = [
      { names: ['dup2'], action: 'SCMP_ACT_ERRNO', errnoRet: 11, args: [first] },
      { names: ['dup2'], action: 'SCMP_ACT_ERRNO', errnoRet: 22, args: [second] },
    ];
    for (const syscalls of [rules, rules.toReversed()]) {
      const profile: SeccompConfig = { defaultAction: 'SCMP_ACT_ALLOW', syscalls };
      const said = answer(profile, { name: 'dup2', args: [5, 5] });
      assert.equal(said, errno(11), `${first.index} ${first.op} against ${second.index} ${second.op}`);
    }
  }
});

test('two conditions on one argument are two rules, as runc has it', () => {
  const args = [on(0, 'GE', 5), on(0, 'LE', 2)];
  const profile: SeccompConfig = {
    defaultAction: 'SCMP_ACT_ERRNO',
    syscalls: [{ names: ['dup2'], action: 'SCMP_ACT_ALLOW', args }],
  };
  assert.deepEqual(
    [1, 3, 6].map((value) => answer(profile, { name: 'dup2', args: [value] })),
    [ALLOW, errno(1), ALLOW],
  );
});

test('the multiplexers of x86 follow the rules of their calls', () => {
  const profile: SeccompConfig = {
    defaultAction: 'SCMP_ACT_ALLOW',
    architectures: ['SCMP_ARCH_X86'],
    syscalls: [
      { names: ['bind', 'shmget'], action: 'SCMP_ACT_ERRNO', errnoRet: 5 },
      { names: ['socket'], action: 'SCMP_ACT_ERRNO', errnoRet: 6, args: [on(0, 'EQ', 40)] },
    ],
  };
  const x86 = (name: string, ...args: readonly number[]): number =>
    answer(profile, { name, args, abi: 'x86' });
  assert.equal(x86('socketcall', 2), errno(5));
  assert.equal(x86('socketcall', 3), ALLOW);
  assert.equal(x86('ipc', 23), errno(5));
  assert.equal(x86('bind'), errno(5));
  // The family is behind a pointer: through the multiplexer the condition on it is void.
  assert.equal(x86('socketcall', 1), errno(6));
  assert.equal(x86('socket', 40), errno(6));
  assert.equal(x86('socket', 2), ALLOW);
});

test('an architecture that is not listed ends the thread, one that the host cannot run changes nothing', () => {
  const profile: SeccompConfig = { defaultAction: 'SCMP_ACT_ALLOW', architectures: [] };
  assert.equal(answer(profile, { name: 'read', abi: 'x64' }), ALLOW);
  assert.equal(answer(profile, { name: 'read', abi: 'x86' }), KILL);
  assert.equal(answer(profile, { name: 'read', abi: 'x32' }), KILL);
  assert.equal(answer(profile, { name: 'read', abi: 'arm64' }), ALLOW);
  assert.equal(answer(profile, { name: 'read', abi: 'arm' }), KILL);
  // A tracer's way to skip a call.
  assert.equal(number(profile, 0xffff_ffff), ALLOW);
  const foreign = { ...profile, architectures: ['SCMP_ARCH_S390X', 'SCMP_ARCH_AARCH64'] };
  const options = { arch: 'x64' } as const;
  assert.deepEqual(compileSeccomp(foreign, options).filter, compileSeccomp(profile, options).filter);
});

test('flags: SPEC_ALLOW when the profile has no list, a listener when a rule notifies', () => {
  const profile: SeccompConfig = { defaultAction: 'SCMP_ACT_ALLOW' };
  const compile = (change: Partial<SeccompConfig>): ReturnType<typeof compileSeccomp> =>
    compileSeccomp({ ...profile, ...change }, { arch: 'x64' });
  assert.equal(compile({}).flags, 4);
  assert.equal(compile({ flags: [] }).flags, 0);
  assert.equal(compile({ flags: ['SECCOMP_FILTER_FLAG_LOG', 'SECCOMP_FILTER_FLAG_TSYNC'] }).flags, 3);
  assert.equal(compile({ listenerPath: '/s' }).listener, undefined);
  const notified = compile({
    flags: ['SECCOMP_FILTER_FLAG_TSYNC', 'SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV'],
    listenerPath: '/s',
    listenerMetadata: 'm',
    syscalls: [{ names: ['mknod'], action: 'SCMP_ACT_NOTIFY' }],
  });
  assert.equal(notified.flags, 1 + 8 + 16 + 32);
  assert.deepEqual(notified.listener, { path: '/s', metadata: 'm' });
  // As with runc the descriptor is there even if the call is not known.
  const unknown = { listenerPath: '/s', syscalls: [{ names: ['no_such_call'], action: 'SCMP_ACT_NOTIFY' }] };
  assert.equal(compile({ ...unknown, flags: [] }).flags, 8);
});

test('the same profile is compiled once, and what is handed out is the caller’s own', () => {
  const profile: SeccompConfig = {
    defaultAction: 'SCMP_ACT_ALLOW',
    syscalls: [
      { names: ['dup2'], action: 'SCMP_ACT_KILL', args: [{ index: 0, value: 1n << 60n, op: 'SCMP_CMP_EQ' }] },
    ],
  };
  const first = compileSeccomp(profile, { arch: 'x64' }).filter;
  const copy = Buffer.from(first);
  first.fill(0);
  assert.deepEqual(compileSeccomp(structuredClone(profile), { arch: 'x64' }).filter, copy);
  assert.notDeepEqual(compileSeccomp(profile, { arch: 'arm64' }).filter, copy);
});

test('a profile that makes more than 4096 instructions is refused by its path', () => {
  const syscalls = Array.from({ length: 1100 }, (_, value) => ({
    names: ['dup2'],
    action: 'SCMP_ACT_KILL',
    args: [on(0, 'EQ', value)],
  }));
  assert.throws(() => compileSeccomp({ defaultAction: 'SCMP_ACT_ALLOW', syscalls }, { arch: 'x64' }), {
    code: 'invalid',
    message: /^linux\.seccomp\.syscalls: make \d+ instructions, the kernel takes 4096$/,
  });
});

test('programs that the kernel would not take are seen before', () => {
  const program = (
    ...words: readonly (readonly [code: number, jt: number, jf: number, k: number])[]
  ): Buffer =>
    Buffer.concat(
      words.map(([code, jt, jf, k]) => {
        const one = Buffer.from([code, 0, jt, jf, 0, 0, 0, 0]);
        one.writeUInt32LE(k, 4);
        return one;
      }),
    );
  const done = [0x06, 0, 0, 0] as const;
  verifyFilter(program([0x20, 0, 0, 60], [0x15, 0, 0, 1], done));
  for (const bad of [
    program(),
    program([0x20, 0, 0, 0]),
    program([0x20, 0, 0, 64], done),
    program([0x20, 0, 0, 2], done),
    program([0x15, 1, 0, 0], done),
    program([0x15, 0, 1, 0], done),
    program([0x05, 0, 0, 1], done),
    program([0x28, 0, 0, 0], done),
    program(...Array.from({ length: 4097 }, () => done)),
  ]) {
    assert.throws(() => verifyFilter(bad), /assertion failed/);
  }
});
