/** Compiled filters on the real kernel: what a call returns under a filter is what the profile says. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type Random, seededRandom } from '../../src/base/random.ts';
import { compileSeccomp, type SeccompHost } from '../../src/container/runtime/seccomp/compile-seccomp.ts';
import { dockerDefaultSeccomp } from '../../src/container/runtime/seccomp/docker-default.ts';
import { syscallNumber, X32_BIT } from '../../src/container/runtime/seccomp/syscall-numbers.ts';
import { OPERATORS } from '../../src/container/runtime/seccomp/vocabulary.ts';
import type { SeccompConfig } from '../../src/container/spec/runtime-config.ts';
import { type Abi, AUDIT, possibleAnswers } from '../fixtures/seccomp-oracle.ts';

const host: SeccompHost = process.arch === 'arm64' ? 'arm64' : 'x64';
const EPERM = 1;
const ENOSYS = 38;
const SIGSYS = 31;
/** Calls that take no argument and change nothing: their arguments are ours to try. */
const HARMLESS = ['getpid', 'getppid', 'getuid', 'geteuid', 'getgid', 'getegid', 'gettid', 'sched_yield'];
const LAST_ERRNO = 4095;

let folder: string;
let probe: string;
let abis: readonly Abi[] = [host];

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'sampan-seccomp-'));
  probe = join(folder, 'probe');
  const source = join(import.meta.dirname, '../fixtures/seccomp-probe.c');
  const machine = host === 'x64' ? ['-mno-red-zone'] : [];
  execFileSync('musl-gcc', ['-static', '-O1', ...machine, '-o', probe, source]);
  if (host === 'x64') {
    // A kernel without 32-bit emulation kills a program that tries; x32 reaches the filter on every kernel.
    const [tried] = run({ defaultAction: 'SCMP_ACT_ALLOW', architectures: ['SCMP_ARCH_X86'] }, [
      call('x86', 'getpid'),
    ]);
    abis = tried!.startsWith('returned') ? ['x64', 'x86', 'x32'] : ['x64', 'x32'];
  }
});

after(() => {
  rmSync(folder, { recursive: true });
});

interface Call {
  readonly abi: Abi;
  readonly nr: number;
  readonly args: readonly bigint[];
}

function call(abi: Abi, name: string, ...args: readonly (number | bigint)[]): Call {
  const values = [...args, 0, 0, 0, 0, 0, 0].slice(0, 6);
  return { abi, nr: syscallNumber(abi, name)!, args: values.map(BigInt) };
}

/** What the probe says of each call. */
function run(profile: SeccompConfig, calls: readonly Call[]): readonly string[] {
  const { filter, flags } = compileSeccomp(profile, { arch: host });
  const file = join(folder, 'filter');
  writeFileSync(file, filter);
  const input = calls.map(
    ({ abi, nr, args }) => `${abi === 'x86' ? 'x86' : 'native'} ${nr} ${args.join(' ')}\n`,
  );
  const { status, stdout, stderr } = spawnSync(probe, [file, `${flags}`], {
    input: input.join(''),
    encoding: 'utf8',
    timeout: 60_000,
  });
  assert.equal(status, 0, `probe: ${status} ${stderr}`);
  return stdout.trimEnd().split('\n');
}

/** Whether the kernel's word agrees with a filter's answer; a harmless call that is let through does not fail. */
function agrees(said: string, answer: number, { abi }: Call): boolean {
  const action = answer & 0xffff_0000;
  const returned = said.startsWith('returned ') ? Number(said.slice('returned '.length)) : undefined;
  switch (action) {
    case 0x7fff_0000:
      // Most kernels have no x32 behind the filter.
      return returned !== undefined && (returned >= 0 || (abi === 'x32' && returned === -ENOSYS));
    case 0x0005_0000:
      return returned === -(answer & 0xffff);
    case 0x7ff0_0000:
      // Nobody traces.
      return returned === -ENOSYS;
    default:
      return said === `died ${SIGSYS}`;
  }
}

function randomProfile(random: Random): SeccompConfig {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random.next() * list.length)]!;
  const decision = (): { action: string; errnoRet?: number } => {
    const action = pick([
      'SCMP_ACT_ERRNO',
      'SCMP_ACT_ERRNO',
      'SCMP_ACT_ALLOW',
      'SCMP_ACT_KILL',
      'SCMP_ACT_TRAP',
      'SCMP_ACT_TRACE',
      'SCMP_ACT_KILL_PROCESS',
    ]);
    return action === 'SCMP_ACT_ERRNO'
      ? { action, errnoRet: 3000 + Math.floor(random.next() * 1000) }
      : { action };
  };
  const value = (): bigint =>
    pick([
      BigInt(Math.floor(random.next() * 6)),
      0xffff_ffffn,
      0x1_0000_0000n,
      1n << 63n,
      Buffer.from(random.bytes(8)).readBigUInt64LE(),
    ]);
  const usual = decision();
  const only = decision();
  return {
    defaultAction: usual.action,
    ...(usual.errnoRet !== undefined && { defaultErrnoRet: usual.errnoRet }),
    architectures: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32', 'SCMP_ARCH_AARCH64'].filter(
      () => random.next() < 0.7,
    ),
    syscalls: Array.from({ length: 12 }, () => ({
      names: [pick(HARMLESS), pick(HARMLESS)],
      ...only,
      args: Array.from({ length: Math.floor(random.next() * 4) }, () => ({
        index: Math.floor(random.next() * 6),
        value: value(),
        valueTwo: value(),
        op: pick(OPERATORS),
      })),
    })),
  };
}

test('random profiles: the kernel answers random arguments as the profile says', () => {
  for (let seed = 1; seed <= 25; seed++) {
    const random = seededRandom(seed);
    const profile = randomProfile(random);
    const values = (profile.syscalls ?? []).flatMap(({ args }) =>
      (args ?? []).map(({ value }) => BigInt(value)),
    );
    const calls = Array.from({ length: 40 }, (): Call => {
      const abi = abis[Math.floor(random.next() * abis.length)]!;
      const name = HARMLESS[Math.floor(random.next() * HARMLESS.length)]!;
      const mask = abi === 'x86' ? 0xffff_ffffn : (1n << 64n) - 1n;
      const args = Array.from({ length: 6 }, () => {
        const near =
          (values[Math.floor(random.next() * values.length)] ?? 0n) + BigInt(Math.floor(random.next() * 3));
        return near & mask;
      });
      return { abi, nr: syscallNumber(abi, name)!, args };
    });
    for (const [i, said] of run(profile, calls).entries()) {
      const made = calls[i]!;
      const answers = possibleAnswers(profile, host, { nr: made.nr, arch: AUDIT[made.abi], args: made.args });
      const right = [...answers].some((answer) => agrees(said, answer, made));
      assert.ok(
        right,
        `seed ${seed}, call ${i} (${made.abi} ${made.nr}): ${said}, not ${[...answers].join()}`,
      );
    }
  }
});

test("Docker's profile refuses, allows and answers ENOSYS on the kernel", () => {
  const profile = dockerDefaultSeccomp({ capabilities: [], arch: host });
  const NEWER = 600;
  const calls = [
    call(host, 'getpid'),
    call(host, 'unshare', 0),
    call(host, 'clone3'),
    call(host, 'socket', 38, 1),
    call(host, 'socket', 40, 1),
    call(host, 'socket', 1, 1),
    call(host, 'personality', 0xffff_ffff),
    call(host, 'personality', 0x40_0000),
    call(host, 'clone', 0x1000_0000),
    { abi: host, nr: NEWER, args: [0n, 0n, 0n, 0n, 0n, 0n] },
  ];
  const [getpid, unshare, clone3, alg, vsock, unix, persona, noRandom, clone, newer] = run(profile, calls);
  assert.match(getpid!, /^returned [1-9]/);
  assert.equal(unshare, `returned -${EPERM}`);
  assert.equal(clone3, `returned -${ENOSYS}`);
  assert.equal(alg, `returned -${EPERM}`);
  assert.equal(vsock, `returned -${EPERM}`);
  assert.match(unix!, /^returned \d+$/);
  assert.match(persona!, /^returned \d+$/);
  assert.equal(noRandom, `returned -${EPERM}`);
  assert.equal(clone, `returned -${EPERM}`);
  assert.equal(newer, `returned -${ENOSYS}`);
});

test('an errno goes up to 4095, and every flag is one that the kernel knows', () => {
  const profile: SeccompConfig = {
    defaultAction: 'SCMP_ACT_ALLOW',
    flags: ['SECCOMP_FILTER_FLAG_LOG', 'SECCOMP_FILTER_FLAG_SPEC_ALLOW', 'SECCOMP_FILTER_FLAG_TSYNC'],
    syscalls: [{ names: ['getpid'], action: 'SCMP_ACT_ERRNO', errnoRet: LAST_ERRNO }],
  };
  assert.deepEqual(run(profile, [call(host, 'getpid')]), [`returned -${LAST_ERRNO}`]);
  const notified: SeccompConfig = {
    ...profile,
    flags: [...profile.flags!, 'SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV'],
    listenerPath: '/run/agent.sock',
    syscalls: [{ names: ['mknod'], action: 'SCMP_ACT_NOTIFY' }],
  };
  assert.match(run(notified, [call(host, 'getpid')])[0]!, /^returned [1-9]/);
});

test('the longest program that fits is loaded', () => {
  // Each value is a comparison of its own, so this comes close to 4096 instructions and needs long jumps.
  const args = Array.from({ length: 800 }, (_, i) => ({
    index: 0,
    value: (BigInt(i) << 32n) | BigInt(i),
    op: 'SCMP_CMP_EQ',
  }));
  const profile: SeccompConfig = {
    defaultAction: 'SCMP_ACT_ALLOW',
    syscalls: [
      ...args.map((argument) => ({
        names: ['getppid'],
        action: 'SCMP_ACT_ERRNO',
        errnoRet: 3000,
        args: [argument],
      })),
      { names: ['gettid'], action: 'SCMP_ACT_ERRNO', errnoRet: 3001 },
    ],
  };
  assert.ok(compileSeccomp(profile, { arch: host }).filter.length > 3200 * 8);
  const hit = (BigInt(799) << 32n) | 799n;
  const said = run(profile, [
    call(host, 'getppid', hit),
    call(host, 'getppid', hit + 1n),
    call(host, 'gettid'),
  ]);
  assert.equal(said[0], 'returned -3000');
  assert.match(said[1]!, /^returned \d/);
  assert.equal(said[2], 'returned -3001');
});

// arm64 shares no AUDIT_ARCH with another ABI, and its hosts seldom run 32-bit programs.
if (host === 'x64') {
  test('a call of an ABI that is not listed ends the thread', () => {
    const profile: SeccompConfig = { defaultAction: 'SCMP_ACT_ALLOW', architectures: [] };
    const x32: Call = { abi: 'x32', nr: X32_BIT + 39, args: [0n, 0n, 0n, 0n, 0n, 0n] };
    assert.deepEqual(run(profile, [x32]), [`died ${SIGSYS}`]);
    if (abis.includes('x86')) assert.deepEqual(run(profile, [call('x86', 'getpid')]), [`died ${SIGSYS}`]);
  });
}
