import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkSeccomp, seccompWanted } from './check-seccomp.ts';
import { exactIntegers, parseExact } from './exact-integers.ts';

const rule = { names: ['read'], action: 'SCMP_ACT_ERRNO' };
const argument = { index: 0, value: 1, op: 'SCMP_CMP_EQ' };
const profile = { defaultAction: 'SCMP_ACT_ALLOW', syscalls: [rule] };
const withRule = (change: object): object => ({ ...profile, syscalls: [rule, { ...rule, ...change }] });
const withArgument = (change: object): object => withRule({ args: [argument, { ...argument, ...change }] });

const REFUSED: readonly (readonly [string, unknown, RegExp])[] = [
  ['', [], /must be an object/],
  ['', null, /must be an object/],
  ['.defaultAction', { syscalls: [] }, /must be one of SCMP_ACT_KILL, .*SCMP_ACT_NOTIFY, not absent/],
  ['.defaultAction', { defaultAction: 'allow' }, /not "allow"/],
  ['.defaultAction', { defaultAction: 'SCMP_ACT_NOTIFY', listenerPath: '/s' }, /must not be SCMP_ACT_NOTIFY/],
  ['.defaultErrnoRet', { ...profile, defaultErrnoRet: 1 }, /only for SCMP_ACT_ERRNO and SCMP_ACT_TRACE/],
  ['.defaultErrnoRet', { defaultAction: 'SCMP_ACT_ERRNO', defaultErrnoRet: 4096 }, /from 0 to 4095/],
  ['.defaultErrnoRet', { defaultAction: 'SCMP_ACT_TRACE', defaultErrnoRet: 65536 }, /from 0 to 65535/],
  ['.architectures', { ...profile, architectures: 'SCMP_ARCH_X86' }, /must be a list/],
  [
    '.architectures[1]',
    { ...profile, architectures: ['SCMP_ARCH_X86', 'x86'] },
    /SCMP_ARCH_AARCH64.*not "x86"/,
  ],
  ['.flags[0]', { ...profile, flags: ['LOG'] }, /SECCOMP_FILTER_FLAG_LOG/],
  [
    '.flags[0]',
    { ...profile, flags: ['SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV'] },
    /only for rules with SCMP_ACT_NOTIFY/,
  ],
  ['.listenerPath', { ...profile, listenerPath: 1 }, /must be a string/],
  ['.listenerPath', withRule({ action: 'SCMP_ACT_NOTIFY' }), /is needed where a rule has SCMP_ACT_NOTIFY/],
  ['.listenerMetadata', { ...profile, listenerMetadata: 'x' }, /without listenerPath/],
  ['.syscalls', { ...profile, syscalls: {} }, /must be a list/],
  ['.syscalls[1]', { ...profile, syscalls: [rule, 'read'] }, /must be an object/],
  ['.syscalls[1].names', withRule({ names: [] }), /at least one/],
  ['.syscalls[1].names', withRule({ names: undefined }), /at least one/],
  ['.syscalls[1].names[1]', withRule({ names: ['read', ''] }), /name of a system call/],
  [
    '.syscalls[1].names[0]',
    { ...withRule({ names: ['write'], action: 'SCMP_ACT_NOTIFY' }), listenerPath: '/s' },
    /SCMP_ACT_NOTIFY/,
  ],
  ['.syscalls[1].action', withRule({ action: 'SCMP_ACT_NONE' }), /must be one of/],
  ['.syscalls[1].errnoRet', withRule({ action: 'SCMP_ACT_KILL', errnoRet: 1 }), /not for SCMP_ACT_KILL/],
  ['.syscalls[1].errnoRet', withRule({ errnoRet: -1 }), /from 0 to 4095 with SCMP_ACT_ERRNO, not -1/],
  ['.syscalls[1].args[1].index', withArgument({ index: 6 }), /from 0 to 5, not 6/],
  ['.syscalls[1].args[1].op', withArgument({ op: 'EQ' }), /SCMP_CMP_NE, .*SCMP_CMP_MASKED_EQ, not "EQ"/],
  ['.syscalls[1].args[1].value', withArgument({ value: -1 }), /from 0 to 18446744073709551615, not -1/],
  ['.syscalls[1].args[1].value', withArgument({ value: 1.5 }), /whole number/],
  ['.syscalls[1].args[1].value', withArgument({ value: undefined }), /not absent/],
  ['.syscalls[1].args[1].value', withArgument({ value: 2 ** 60 }), /has to be a bigint/],
  ['.syscalls[1].args[1].value', withArgument({ value: 1n << 64n }), /not 18446744073709551616/],
  ['.syscalls[1].args[1].valueTwo', withArgument({ valueTwo: '1' }), /not "1"/],
];

test('what is wrong is named by its JSON path, with the rule', () => {
  for (const [path, config, rest] of REFUSED) {
    assert.throws(
      () => checkSeccomp(config),
      (error: Error & { code?: string; details?: { path?: string } }) => {
        assert.equal(error.code, 'invalid');
        assert.ok(
          error.message.startsWith(`linux.seccomp${path}: `),
          `${error.message} is not about ${path}`,
        );
        assert.match(error.message, rest);
        assert.equal(error.details?.path, `linux.seccomp${path}`);
        return true;
      },
    );
  }
});

test('what is right passes, and null is absent', () => {
  const right = {
    defaultAction: 'SCMP_ACT_ERRNO',
    defaultErrnoRet: 38,
    architectures: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_RISCV64'],
    flags: null,
    listenerPath: '/run/agent.sock',
    listenerMetadata: 'about',
    syscalls: [
      { names: ['write'], action: 'SCMP_ACT_ALLOW', args: null },
      { names: ['mknod'], action: 'SCMP_ACT_NOTIFY', errnoRet: null },
      {
        names: ['read'],
        action: 'SCMP_ACT_TRACE',
        errnoRet: 65535,
        args: [{ ...argument, value: (1n << 64n) - 1n }],
      },
    ],
  };
  assert.equal(checkSeccomp(right), right);
});

test('a profile without default action and rules is none', () => {
  assert.equal(seccompWanted(undefined), false);
  assert.equal(seccompWanted({ defaultAction: '', syscalls: [] }), false);
  assert.equal(seccompWanted({ defaultAction: 'SCMP_ACT_ALLOW' }), true);
  assert.equal(seccompWanted({ defaultAction: '', syscalls: [rule] }), true);
});

test('numbers beyond 2^53 are read exactly, all others as ever', () => {
  const text =
    '{"a":18446744073709551615,"b":[-9223372036854775808,9007199254740991,1.5,1e300],"c":"12345678901234567890"}';
  const exact = {
    a: 18446744073709551615n,
    b: [-9223372036854775808n, 9007199254740991, 1.5, 1e300],
    c: '12345678901234567890',
  };
  assert.deepEqual(parseExact(text), exact);
  assert.deepEqual(JSON.parse(text, exactIntegers), exact);
  assert.deepEqual(parseExact('{"a":1}'), { a: 1 });
  assert.throws(() => parseExact('{"a":'), SyntaxError);
});
