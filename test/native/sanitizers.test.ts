import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execFileSync } from 'node:child_process';
import { before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { encodeProgram } from '../../src/container/runtime/program/program-text.ts';
import { RuntimeFixture, SANITIZED_SHIM } from '../fixtures/runtime-fixture.ts';

const NATIVE = fileURLToPath(new URL('../../native', import.meta.url));
const sanitized = {
  shimPath: SANITIZED_SHIM,
  // Leaks cannot be looked for in a container: the checker needs ptrace, and the shim's memory ends with it anyway.
  shimEnvironment: { ASAN_OPTIONS: 'detect_leaks=0:exitcode=99', UBSAN_OPTIONS: 'print_stacktrace=1' },
};

before(() => {
  execFileSync('make', ['-s', '-C', NATIVE, 'shim-asan']);
});

test('a container’s whole life under the address and undefined-behaviour sanitizers', async () => {
  await using box = new RuntimeFixture(sanitized);
  const script =
    'id -u; head -c 50000 /dev/zero | tr "\\0" y; echo; for i in 1 2 3 4 5 6 7 8 9; do seq 100; done; (sleep 0.01 &) ; echo e >&2';
  await box.runtime.create(
    box.spec(['sh', '-c', script], { id: 'a', user: { user: 'app' }, readonlyRoot: true }),
  );
  await box.runtime.start('a');
  assert.equal((await box.runtime.wait('a')).exitCode, 0);
  assert.equal(readFileSync(join(box.instance.runDir, 'c/a/shim.err'), 'utf8'), '');
  await box.runtime.create(box.spec(['sh', '-c', 'kill -9 $$'], { id: 'b' }));
  await box.runtime.start('b');
  assert.equal((await box.runtime.wait('b')).exitCode, 137);
  await box.runtime.create(box.spec(['sleep', '9'], { id: 'c', privileged: true }));
  await box.runtime.kill('c', 9);
  assert.equal((await box.runtime.wait('c')).exitCode, 137);
  for (const id of ['b', 'c'])
    assert.equal(readFileSync(join(box.instance.runDir, 'c', id, 'shim.err'), 'utf8'), '');
  await assert.rejects(box.run(box.spec(['no-such'])), /executable file not found/);
  await assert.rejects(box.run(box.spec(['true'], { user: { user: 'nope' } })), /unable to find user/);
});

test('programs that are no programs are refused, in words', async () => {
  await using box = new RuntimeFixture(sanitized);
  const folder = join(box.dir, 'bad');
  execFileSync('mkdir', [folder]);
  const programs: readonly (readonly [string | Buffer, RegExp])[] = [
    ['', /0 bytes is not a program/],
    ['no end', /cut off/],
    ['x\0', /is not an opcode and a count/],
    ['x 3\0a\0', /3 arguments announced, 1 there/],
    ['x 99999\0', /is not an opcode and a count/],
    ['fly 0\0', /unknown instruction fly/],
    [encodeProgram([{ opcode: 'shim', args: ['foreground'] }]), /has no enter/],
    [encodeProgram([{ opcode: 'clone', args: ['moon'] }]), /unknown namespace moon/],
  ];
  for (const [program, message] of programs) {
    writeFileSync(join(folder, 'program'), program);
    execFileSync('rm', ['-f', join(folder, 'shim.sock')]);
    const { ASAN_OPTIONS } = sanitized.shimEnvironment;
    const script = `exec 3>&1; ${SANITIZED_SHIM} ${folder} 2>&1; test $? = 1`;
    const said = execFileSync('sh', ['-c', script], {
      encoding: 'utf8',
      env: { ...process.env, ASAN_OPTIONS },
    });
    assert.match(said, message);
    assert.doesNotMatch(said, /Sanitizer|runtime error/);
  }
});
