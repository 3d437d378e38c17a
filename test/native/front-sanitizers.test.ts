/** The front under the address and undefined-behaviour sanitizers. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Instruction, step } from '../../src/container/runtime/program/instructions.ts';
import { encodeFrame } from '../../src/container/runtime/oci/front-frames.ts';
import { ConsoleSocket } from './console-socket.ts';
import { FrontFixture, SANITIZED_FRONT, SANITIZER_ENVIRONMENT } from './front-fixture.ts';

const NATIVE = fileURLToPath(new URL('../../native', import.meta.url));
const DEVPTS = step('mount', 'devpts', 'devpts', '/dev/pts', '0', 'newinstance,ptmxmode=0666');

before(() => {
  execFileSync('make', ['-s', '-C', NATIVE, 'front-asan']);
});

test('a whole life: terminal, hooks, user and time namespaces, exec, relay, wait', async () => {
  await using box = new FrontFixture(SANITIZED_FRONT, SANITIZER_ENVIRONMENT);
  await using front = box.start();
  const folder = box.folder('state');
  using socket = new ConsoleSocket(join(box.dir, 'c'));
  const hook = [
    step('leave'),
    step('hook-state', '{"pid":', '}'),
    step('hook', 'createRuntime', '/bin/sh', '0', '3', 'sh', '-c', 'cat >/dev/null'),
    step('enter'),
  ];
  const pid = await front.make(
    box.container(folder, ['sh', '-c', 'read x; exit 4'], {
      parent: [
        step('console-to', 'socket', join(box.dir, 'c')),
        step('time-offset', 'boottime', '1000', '0'),
        step('id-map', 'uid', 'file', '0', '0', '1000'),
        step('id-map', 'gid', 'file', '0', '0', '1000'),
      ],
      kinds: ['user', 'time', 'pid', 'mnt', 'uts', 'ipc', 'net'],
      inside: [...hook, DEVPTS, step('console', '20', '30', 'bind'), step('session')],
    }),
  );
  const { terminal } = await socket.receive();
  using master = terminal;
  assert.equal(await box.begin(folder), '');
  await using other = box.start();
  const relayed = await other.execute([
    ...box.exec(pid, ['sh', '-c', 'echo said; exit 8'], {
      parent: [step('console-to', 'relay')],
      inside: [step('console', '0', '0', ''), step('session')],
    }),
    step('wait'),
  ]);
  assert.deepEqual(relayed, { verb: 'exited', code: 8 }, other.stderr);
  await other.exit(8);
  await other.closed;
  assert.equal(other.stdout, 'said\r\n');
  assert.equal(other.stderr, '');
  master.type('go\n');
  assert.equal(await front.wait(), 4);
  await front.exit(0);
  await front.closed;
  assert.equal(front.stderr, '');
});

test('programs and frames that are none are refused, in words', async () => {
  await using box = new FrontFixture(SANITIZED_FRONT, SANITIZER_ENVIRONMENT);
  const programs: readonly (readonly [Buffer | readonly Instruction[], RegExp])[] = [
    [Buffer.alloc(0), /cut off/],
    [Buffer.from('no end'), /cut off/],
    [Buffer.from('x\0'), /not an opcode and a count/],
    [Buffer.from(' 1\0a\0'), /not an opcode and a count/],
    [Buffer.from('clone 3\0user\0'), /3 arguments announced, 1 there/],
    [Buffer.from('clone 5000\0'), /not an opcode and a count/],
    [Buffer.from(`${'long'.repeat(20)} 0\0`), /not an opcode and a count/],
    [[step('enter')], /enter before clone/],
    [[step('clone'), step('clone')], /second time/],
    [[step('pivot')], /before clone/],
    [
      [step('clone'), step('enter'), step('tree', '0', '/', 'one', '0', '0', '0', '0', '0')],
      /unknown instruction tree/,
    ],
    [[step('clone'), step('enter')], /ends without exec/],
    [[step('wait')], /wait without a process/],
    [[step('id-map', 'uid', 'file', '1', '2')], /id-map takes|list of threes/],
  ];
  for (const [program, message] of programs) {
    await using front = box.start();
    const failed = Buffer.isBuffer(program) ? await front.executeRaw(program) : await front.execute(program);
    if (failed === undefined) {
      await front.closed;
      assert.match(front.stderr, message);
    } else {
      assert.ok(failed.verb === 'error', JSON.stringify(failed));
      assert.match(failed.message, message);
    }
  }
  const frames: readonly (readonly [Buffer, RegExp])[] = [
    [encodeFrame(['dance']), /the brain sent "dance"/],
    [encodeFrame([], Buffer.from('no end')), /the brain sent "no end"/],
    [encodeFrame(['print'], Buffer.from('1')), /nothing to print/],
    [Buffer.alloc(4), /a frame of 0 bytes/],
    [Buffer.from([0xff, 0xff, 0xff, 0xff]), /a frame of 4294967295 bytes/],
    [Buffer.from([9, 0, 0, 0, 65]), /ended without an answer/],
  ];
  for (const [frame, message] of frames) {
    await using front = box.start();
    front.sendRaw(frame);
    front.finish();
    assert.deepEqual(await front.ended, { code: 1, signal: null });
    await front.closed;
    assert.match(front.stderr, message);
    assert.doesNotMatch(front.stderr, /Sanitizer|runtime error/);
  }
});
