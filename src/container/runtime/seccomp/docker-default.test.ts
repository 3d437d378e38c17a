import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runBpf } from '../../../../test/fixtures/bpf-interpreter.ts';
import { type Abi, AUDIT, possibleAnswers } from '../../../../test/fixtures/seccomp-oracle.ts';
import { compileSeccomp } from './compile-seccomp.ts';
import { dockerDefaultSeccomp } from './docker-default.ts';
import { syscallNumber, X32_BIT } from './syscall-numbers.ts';

const DOCKERS_CAPABILITIES = ['CAP_CHOWN', 'CAP_KILL', 'CAP_SYS_CHROOT', 'CAP_AUDIT_WRITE'];
const CAPABILITIES = [
  [],
  DOCKERS_CAPABILITIES,
  ['CAP_SYS_ADMIN'],
  ['CAP_BPF', 'CAP_SYS_PTRACE', 'CAP_SYS_TIME'],
];
const ABIS: Readonly<Record<'x64' | 'arm64', readonly Abi[]>> = {
  x64: ['x64', 'x86', 'x32'],
  arm64: ['arm64', 'arm'],
};
const ALLOW = 0x7fff_0000;
const errno = (number: number): number => 0x0005_0000 + number;

for (const arch of ['x64', 'arm64'] as const) {
  test(`every number on ${arch} is answered as the profile says`, () => {
    for (const capabilities of CAPABILITIES) {
      const profile = dockerDefaultSeccomp({ capabilities, arch });
      const { filter } = compileSeccomp(profile, { arch });
      for (const abi of ABIS[arch]) {
        for (let nr = 0; nr < 600; nr++) {
          for (const args of [
            [0n, 0n, 0n, 0n, 0n, 0n],
            [40n, 1n, 0n, 0n, 0n, 0n],
            [0x1000_0008n, 0n, 0n, 0n, 0n, 0n],
          ]) {
            const call = { nr: abi === 'x32' ? nr + X32_BIT : nr, arch: AUDIT[abi], args };
            const { value } = runBpf(filter, call);
            assert.deepEqual([value], [...possibleAnswers(profile, arch, call)], `${abi} ${nr} ${args[0]}`);
          }
        }
      }
    }
  });
}

function answer(
  options: Parameters<typeof dockerDefaultSeccomp>[0] & {
    readonly name: string;
    readonly args?: readonly number[];
  },
): number {
  const { filter } = compileSeccomp(dockerDefaultSeccomp(options), options);
  const args = [...(options.args ?? []), 0, 0, 0, 0, 0, 0].slice(0, 6).map(BigInt);
  return runBpf(filter, { nr: syscallNumber(options.arch, options.name)!, arch: AUDIT[options.arch], args })
    .value;
}

test('what a container may do, and what it may with a capability', () => {
  for (const arch of ['x64', 'arm64'] as const) {
    const plain = { arch, capabilities: DOCKERS_CAPABILITIES };
    const admin = { arch, capabilities: ['CAP_SYS_ADMIN'] };
    assert.equal(answer({ ...plain, name: 'read' }), ALLOW);
    assert.equal(answer({ ...plain, name: 'mount' }), errno(1));
    assert.equal(answer({ ...admin, name: 'mount' }), ALLOW);
    assert.equal(answer({ ...plain, name: 'chroot' }), ALLOW);
    assert.equal(answer({ ...admin, name: 'chroot' }), errno(1));
    assert.equal(answer({ ...plain, name: 'clone3' }), errno(38));
    assert.equal(answer({ ...admin, name: 'clone3' }), ALLOW);
    assert.equal(answer({ ...plain, name: 'clone', args: [0x11] }), ALLOW);
    assert.equal(answer({ ...plain, name: 'clone', args: [0x1000_0011] }), errno(1));
    assert.equal(answer({ ...admin, name: 'clone', args: [0x1000_0011] }), ALLOW);
    assert.deepEqual(
      [2, 38, 39, 40, 41].map((family) => answer({ ...plain, name: 'socket', args: [family] })),
      [ALLOW, errno(1), ALLOW, errno(1), ALLOW],
    );
    assert.equal(answer({ ...plain, name: 'personality', args: [0xffff_ffff] }), ALLOW);
    assert.equal(answer({ ...plain, name: 'personality', args: [0x40_0000] }), errno(1));
    assert.equal(answer({ ...plain, name: 'io_uring_setup' }), errno(1));
    assert.equal(answer({ ...plain, name: 'open_tree_attr' }), errno(38));
  }
  assert.equal(answer({ arch: 'x64', capabilities: [], name: 'arch_prctl' }), ALLOW);
});

test('ptrace needs a capability where a tracer could get around the filter', () => {
  const with4 = (kernelVersion: string, ...capabilities: readonly string[]): number =>
    answer({ arch: 'x64', capabilities, kernelVersion, name: 'ptrace' });
  assert.equal(with4('4.7.10-generic'), errno(1));
  assert.equal(with4('4.7', 'CAP_SYS_PTRACE'), ALLOW);
  assert.equal(with4('4.8.0'), ALLOW);
  assert.equal(with4('6.18.44'), ALLOW);
  assert.throws(() => with4('linux'), { code: 'invalid', message: /^kernelVersion: / });
});

test('the common calls are answered within a few instructions, from the number alone', () => {
  const { filter } = compileSeccomp(dockerDefaultSeccomp({ capabilities: [], arch: 'x64' }), { arch: 'x64' });
  for (const name of ['read', 'write', 'futex', 'close', 'epoll_wait', 'recvfrom', 'sendto', 'openat']) {
    const call = { nr: syscallNumber('x64', name)!, arch: AUDIT.x64, args: [0n, 0n, 0n, 0n, 0n, 0n] };
    const { value, steps, readArguments } = runBpf(filter, call);
    assert.equal(value, ALLOW);
    assert.ok(steps <= 12, `${name} takes ${steps} instructions`);
    assert.equal(readArguments, false);
  }
  assert.ok(filter.length / 8 < 400, `${filter.length / 8} instructions`);
});
