/** Random profiles, random calls: the compiled filter must answer what the profile says. Replay with the seed printed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runBpf, type SeccompData } from '../../../../test/fixtures/bpf-interpreter.ts';
import { type Abi, AUDIT, namesOf, possibleAnswers } from '../../../../test/fixtures/seccomp-oracle.ts';
import { type Random, seededRandom } from '../../../base/random.ts';
import type { SeccompConfig } from '../../spec/runtime-config.ts';
import { compileSeccomp } from './compile-seccomp.ts';
import { allSyscallNames, syscallNumber } from './syscall-numbers.ts';
import { ACTIONS, OPERATORS } from './vocabulary.ts';

type Host = 'x64' | 'arm64';
type Rule = NonNullable<SeccompConfig['syscalls']>[number];

const ABIS: Readonly<Record<Host, readonly Abi[]>> = { x64: ['x64', 'x86', 'x32'], arm64: ['arm64', 'arm'] };
const LISTS = {
  x64: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32', 'SCMP_ARCH_S390X'],
  arm64: ['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM', 'SCMP_ARCH_X86'],
};
const NAMES = [...allSyscallNames(), 'no_such_call'];
/** Called often enough to collide, and with multiplexers among them. */
const CROWD = [
  'socket',
  'socketcall',
  'semop',
  'ipc',
  'msgget',
  'read',
  'clone',
  'futex',
  'accept',
  'personality',
];

function pick<T>(random: Random, list: readonly T[]): T {
  return list[Math.floor(random.next() * list.length)]!;
}

/** Values around the edges of 32 and 64 bits, and small ones that meet. */
function anyValue(random: Random): bigint {
  const edges = [0n, 1n, 0x7fff_ffffn, 0x8000_0000n, 0xffff_ffffn, 0x1_0000_0000n, 2n ** 63n, 2n ** 64n - 1n];
  const kind = random.next();
  if (kind < 0.4) return BigInt(Math.floor(random.next() * 8));
  if (kind < 0.7) return BigInt.asUintN(64, pick(random, edges) + BigInt(Math.floor(random.next() * 3) - 1));
  if (kind < 0.85) return (pick(random, [1n, 2n, 3n]) << 32n) | BigInt(Math.floor(random.next() * 4));
  return Buffer.from(random.bytes(8)).readBigUInt64LE();
}

function anyAction(random: Random, exclude: readonly string[] = []): { action: string; errnoRet?: number } {
  const action = pick(
    random,
    Object.keys(ACTIONS).filter((name) => !exclude.includes(name)),
  );
  const takesErrno = action === 'SCMP_ACT_ERRNO' || action === 'SCMP_ACT_TRACE';
  return takesErrno && random.next() < 0.7
    ? { action, errnoRet: Math.floor(random.next() * 100) }
    : { action };
}

function anyProfile(random: Random, host: Host): SeccompConfig {
  const usual = anyAction(random, ['SCMP_ACT_NOTIFY']);
  // Half of the profiles have one answer beside the default: then there is no contradiction to settle.
  const only = random.next() < 0.5 ? anyAction(random) : undefined;
  const crowd = random.next() < 0.5;
  const size = Math.floor(random.next() ** 2 * 60);
  const syscalls = Array.from({ length: size }, (): Rule => {
    const decision = only ?? anyAction(random);
    const names = Array.from({ length: 1 + Math.floor(random.next() * 4) }, () =>
      pick(random, crowd ? CROWD : NAMES),
    ).filter((name) => name !== 'write' || decision.action !== 'SCMP_ACT_NOTIFY');
    const args = Array.from({ length: Math.max(0, Math.floor(random.next() * 5) - 1) }, () => ({
      index: Math.floor(random.next() * 6),
      value: anyValue(random),
      valueTwo: anyValue(random),
      op: pick(random, OPERATORS),
    }));
    return { names: names.length > 0 ? names : ['read'], ...decision, ...(args.length > 0 && { args }) };
  });
  return {
    defaultAction: usual.action,
    ...(usual.errnoRet !== undefined && { defaultErrnoRet: usual.errnoRet }),
    architectures: LISTS[host].filter(() => random.next() < 0.6),
    listenerPath: '/run/agent.sock',
    syscalls,
  };
}

/** Values that stand in the profile and their neighbours are where a comparison can go wrong. */
function anyArgument(random: Random, profile: SeccompConfig): bigint {
  const values = (profile.syscalls ?? []).flatMap(({ args }) =>
    (args ?? []).flatMap(({ value, valueTwo }) => [BigInt(value), BigInt(valueTwo ?? 0)]),
  );
  if (values.length === 0 || random.next() < 0.2) return anyValue(random);
  const near = pick(random, values) + BigInt(Math.floor(random.next() * 3) - 1);
  return BigInt.asUintN(64, random.next() < 0.1 ? near ^ (1n << 32n) : near);
}

function anyCall(random: Random, profile: SeccompConfig, host: Host): SeccompData {
  const abi = pick(random, ABIS[host]);
  const named = (profile.syscalls ?? []).flatMap(({ names }) => names);
  const name = named.length > 0 && random.next() < 0.7 ? pick(random, named) : pick(random, NAMES);
  const odd = [
    0, 0xffff_ffff, 0x3fff_ffff, 0x4000_0000, 0x7fff_ffff, 0x8000_0000, 0xbfff_ffff, 0xc000_0000, 102, 117,
  ];
  const kind = random.next();
  const known = syscallNumber(abi, name) ?? 999;
  const nr = kind < 0.8 ? known : kind < 0.9 ? known + 1 : pick(random, odd);
  const args = Array.from({ length: 6 }, () => anyArgument(random, profile));
  // The multiplexers of x86 tell their calls by small numbers.
  if (nr === 102 || nr === 117) args[0] = BigInt(Math.floor(random.next() * 26));
  return { nr, arch: random.next() < 0.02 ? 0x28 : AUDIT[abi], args };
}

for (const host of ['x64', 'arm64'] as const) {
  test(`random profiles on ${host} are answered as they say`, () => {
    for (let seed = 1; seed <= 400; seed++) {
      const random = seededRandom(seed);
      const profile = anyProfile(random, host);
      const { filter } = compileSeccomp(profile, { arch: host });
      for (let i = 0; i < 60; i++) {
        const call = anyCall(random, profile, host);
        const allowed = possibleAnswers(profile, host, call);
        const { value } = runBpf(filter, call);
        assert.ok(
          allowed.has(value),
          `seed ${seed}, call ${i}: ${value.toString(16)} is none of ${[...allowed].map((n) => n.toString(16)).join()}`,
        );
      }
    }
  });

  test(`every number of every ABI of ${host} is answered as a random profile says`, () => {
    for (let seed = 1; seed <= 6; seed++) {
      const profile = anyProfile(seededRandom(seed), host);
      const { filter } = compileSeccomp(profile, { arch: host });
      for (const abi of ABIS[host]) {
        const numbers = namesOf(abi).map((name) => syscallNumber(abi, name)!);
        for (const nr of numbers.flatMap((number) => [number, number + 1])) {
          const call = { nr, arch: AUDIT[abi], args: [3n, 0n, 1n, 2n, 5n, 9n] };
          const { value } = runBpf(filter, call);
          assert.ok(possibleAnswers(profile, host, call).has(value), `seed ${seed}, ${abi} ${nr}: ${value}`);
        }
      }
    }
  });
}
