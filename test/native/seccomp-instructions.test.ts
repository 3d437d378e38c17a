import assert from 'node:assert/strict';
import { createServer, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { type Instruction, step } from '../../src/container/runtime/program/instructions.ts';
import { buildSanitized, SanitizedRunner } from '../fixtures/sanitized-runner.ts';

before(buildSanitized);

/** Classic BPF by hand: what is tested is how it is loaded. */
function bpf(code: number, yes: number, no: number, value: number): string {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt16LE(code, 0);
  bytes.writeUInt8(yes, 2);
  bytes.writeUInt8(no, 3);
  bytes.writeUInt32LE(value >>> 0, 4);
  return bytes.toString('hex');
}

const LOAD_NUMBER = bpf(0x20, 0, 0, 0);
const ALLOW = 0x7fff0000;
const ERRNO = 0x00050000;
const NOTIFY = 0x7fc00000;
const NEW_LISTENER = '8';
const numbers = process.arch === 'arm64' ? { getcwd: 17, sendmsg: 211 } : { getcwd: 79, sendmsg: 46 };

/** This for the system calls, and everything else is allowed. */
function filter(action: number, ...calls: number[]): string {
  const tests = calls.map((call, index) =>
    bpf(0x15, calls.length - index - 1, index === calls.length - 1 ? 1 : 0, call),
  );
  return [LOAD_NUMBER, ...tests, bpf(6, 0, 0, action), bpf(6, 0, 0, ALLOW)].join('');
}

const ids = step('ids', '0', '0', 'set-groups');
const seccomp = (...args: [string, string] | [string, string, string, string]): Instruction => ({
  opcode: 'seccomp',
  args,
});

test('a filter is in force for the user’s process', async () => {
  await using box = new SanitizedRunner();
  const { stdout, stderr } = await box.run('pwd -P; busybox pwd; grep Seccomp: /proc/self/status', {
    late: [seccomp('0', filter(ERRNO | 13, numbers.getcwd))],
  });
  assert.match(stdout, /Seccomp:\t2/);
  assert.match(stderr, /getcwd: Permission denied/);
});

test('what is no filter is refused', async () => {
  await using box = new SanitizedRunner();
  const whole = filter(ERRNO, 1);
  const refused: readonly (readonly [Instruction, RegExp])[] = [
    [seccomp('0', ''), /not a filter of 1 to 4096 instructions in hex/],
    [seccomp('0', whole.slice(1)), /not a filter/],
    [seccomp('0', whole.replace('0', 'g')), /not a filter/],
    [seccomp('0', bpf(6, 0, 0, ALLOW).repeat(4097)), /not a filter/],
    [seccomp('0', LOAD_NUMBER), /load the seccomp filter of 1 instructions, flags 0: Invalid argument/],
    [seccomp('1048576', whole), /flags 1048576: Invalid argument/],
    [seccomp(NEW_LISTENER, whole, '', ''), /no agent to be notified/],
  ];
  for (const [instruction, message] of refused)
    assert.match((await box.refusal({ identity: [instruction, ids] })).message, message);
  const parent = [step('seccomp-listener', join(box.dir, 'nobody'))];
  assert.match((await box.refusal({ parent })).message, /nobody: No such file or directory/);
});

/** The text that an agent is sent; Node takes no descriptors from a socket, and the kernel lets go of this one. */
async function received(server: Server): Promise<string> {
  const [socket] = (await once(server, 'connection')) as [Socket];
  let text = '';
  for await (const chunk of socket.setEncoding('utf8')) text += chunk as string;
  return text;
}

test('the agent gets the listener, also of a filter that asks about the call that it is sent by', async () => {
  await using box = new SanitizedRunner();
  const path = join(box.dir, 'agent');
  await using server = createServer().listen(path);
  const text = received(server);
  // With nobody to answer, the kernel says ENOSYS: the listener's last descriptor was the one in the message.
  const suffix = `,"padding":"${'x'.repeat(100_000)}"}`;
  const { stdout, stderr, code } = await box.run(
    'busybox pwd; grep Seccomp: /proc/self/status; ls /proc/self/task | wc -l',
    {
      parent: [step('seccomp-listener', path)],
      late: [seccomp(NEW_LISTENER, filter(NOTIFY, numbers.getcwd, numbers.sendmsg), '{"pid":', suffix)],
    },
  );
  assert.equal(code, 0, stderr);
  assert.match(stdout, /Seccomp:\t2\n1\n$/);
  assert.match(stderr, /getcwd: Function not implemented/);
  const state = JSON.parse(await text) as { pid: number; padding: string };
  assert.ok(state.pid > 1 && state.padding.length === 100_000);
});
