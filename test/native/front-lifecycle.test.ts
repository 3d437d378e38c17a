import assert from 'node:assert/strict';
import {
  chmodSync,
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { step } from '../../src/container/runtime/program/instructions.ts';
import { eventually } from '../fixtures/eventually.ts';
import { FrontFixture, isAlive, startTimeOf } from './front-fixture.ts';

test('create, start and wait: output, exit code, no descriptor but stdio, and what the host sees', async () => {
  await using box = new FrontFixture();
  await using front = box.start();
  const folder = box.folder('state');
  const script = 'echo out; echo err >&2; ls /proc/self/fd; read line; echo "$line"; exit 3';
  const pid = await front.make(box.container(folder, ['sh', '-c', script]));
  assert.equal(statSync(join(folder, 'start.sock')).mode & 0o777, 0o600);
  const status = await eventually('init to be in place', () => isAlive(pid));
  assert.equal(status, true);
  assert.equal(front.stdout, '');
  assert.equal(await box.begin(folder), '');
  front.child.stdin!.write('typed\n');
  assert.equal(await front.wait(), 3);
  await front.exit(7);
  await front.closed;
  // The fourth is the folder that ls reads.
  assert.equal(front.stdout, 'out\n0\n1\n2\n3\ntyped\n');
  assert.equal(front.stderr, 'err\n');
});

test('init outlives the front once it is created, and becomes the child of another', async () => {
  await using box = new FrontFixture();
  const folder = box.folder('state');
  let pid: number;
  {
    await using front = box.start();
    pid = await front.make(box.container(folder, ['sleep', '100']));
    await front.exit(0);
  }
  assert.ok(isAlive(pid));
  assert.equal(await box.begin(folder), '');
  await eventually('the program to run', () => readlinkSync(`/proc/${pid}/exe`) === '/bin/busybox');
  process.kill(pid, 'SIGKILL');
});

test('a kill -9 of the front before init is created takes init along, and afterwards not', async () => {
  await using box = new FrontFixture();
  const folder = box.folder('state');
  {
    await using front = box.start();
    const asked = await front.execute(box.container(folder, ['true'], { made: [step('ask', 'cgroup')] }));
    assert.ok(asked?.verb === 'ask' && asked.topic === 'cgroup');
    assert.ok(isAlive(asked.pid));
    front.child.kill('SIGKILL');
    await front.ended;
    await eventually('init to end', () => !isAlive(asked.pid));
  }
  await using front = box.start();
  const pid = await front.make(box.container(box.folder('other'), ['true']));
  // Until it is told that it is known, it is the front's.
  await eventually('init to wait for its start', () => waitsForStart(pid));
  front.child.kill('SIGKILL');
  await front.ended;
  assert.ok(isAlive(pid));
  process.kill(pid, 'SIGTERM');
});

/** One socket beside stdio: the listening one. The other, to the front, is gone once the front has said that it knows. */
function waitsForStart(pid: number): boolean {
  const sockets = readdirSync(`/proc/${pid}/fd`)
    .filter((fd) => Number(fd) > 2)
    .filter((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith('socket:'));
  return sockets.length === 1;
}

test('ask: the process is there, and nothing of the container has run, until the brain goes on', async () => {
  await using box = new FrontFixture();
  await using front = box.start();
  const asked = await front.execute(
    box.container(box.folder('state'), ['true'], { made: [step('ask', 'scope')] }),
  );
  assert.ok(asked?.verb === 'ask' && asked.topic === 'scope');
  assert.equal(readlinkSync(`/proc/${asked.pid}/ns/pid`) === readlinkSync('/proc/self/ns/pid'), false);
  assert.equal(readlinkSync(`/proc/${asked.pid}/cwd`), process.cwd());
  front.send({ verb: 'continue' });
  assert.deepEqual(await front.receive(), { verb: 'done', pid: asked.pid });
  process.kill(asked.pid, 'SIGKILL');
  await front.exit(0);
});

test('the brain hangs up in mid-creation, also while init is busy: init ends, the front says so', async () => {
  await using box = new FrontFixture();
  const hook = step('hook', 'createContainer', '/bin/busybox', '0', '2', 'sleep', '100');
  for (const options of [{ made: [step('ask', 'x')] }, { inside: [step('hook-state', '{', '}'), hook] }]) {
    await using front = box.start();
    const program = box.container(box.folder(`s${Object.keys(options).join()}`), ['true'], options);
    const answer = front.execute(program);
    if ('made' in options) await answer;
    else await eventually('the hook to run', () => front.pid > 0 && box.processes().length >= 2);
    front.hangUp();
    assert.deepEqual(await front.ended, { code: 1, signal: null });
    await front.closed;
    assert.match(front.stderr, /^sampan-oci: /);
    await eventually('all of it to end', () => box.processes().length === 0);
  }
});

test('what fails names the instruction, and init is gone when it is told', async () => {
  await using box = new FrontFixture();
  await using front = box.start();
  const program = box.container(box.folder('state'), ['no-such-program']);
  const failed = await front.execute(program);
  assert.ok(failed?.verb === 'error');
  assert.equal(failed.opcode, 'find-program');
  assert.equal(failed.number, program.findIndex(({ opcode }) => opcode === 'find-program') + 1);
  assert.equal(failed.errno, 'ENOENT');
  assert.equal(failed.exitCode, 127);
  assert.match(failed.message, /no-such-program.*not found in \$PATH/);
  assert.deepEqual(box.processes(), [front.pid]);
  const bad = await front.execute([step('clone'), step('enter'), step('pivot'), step('pivot')]);
  assert.ok(bad?.verb === 'error' && bad.number === 3, JSON.stringify(bad));
  await front.exit(1);
});

test('nobody who connects to start.sock and says nothing, or something else, is in the way of the start', async () => {
  await using box = new FrontFixture();
  await using front = box.start();
  const folder = box.folder('state');
  const path = join(folder, 'start.sock');
  const pid = await front.make(box.container(folder, ['sleep', '100']));
  const silent = Array.from({ length: 12 }, () => connect(path));
  connect(path).end();
  const wrong = connect(path);
  wrong.write('stare\n');
  const half = connect(path);
  half.write('sta');
  for (const socket of [...silent, wrong, half]) socket.on('error', () => {});
  await new Promise((resolve) => wrong.resume().once('close', resolve));
  assert.equal(readlinkSync(`/proc/${pid}/exe`).includes('busybox'), false);
  assert.equal(await box.begin(folder), '');
  await eventually('the program to run', () => readlinkSync(`/proc/${pid}/exe`) === '/bin/busybox');
  for (const socket of [...silent, half]) socket.destroy();
  process.kill(pid, 'SIGKILL');
  assert.equal(await front.wait(), 137);
  await front.exit(0);
});

test('a word in two parts starts too; a program that cannot be executed is told to who starts it', async () => {
  await using box = new FrontFixture();
  await using front = box.start();
  const folder = box.folder('state');
  writeFileSync(join(box.root, 'bin/odd'), 'no program\n');
  chmodSync(join(box.root, 'bin/odd'), 0o755);
  const program = box.container(folder, ['odd']);
  await front.make(program);
  const socket = connect(join(folder, 'start.sock'));
  const said: Buffer[] = [];
  socket.on('data', (data: Buffer) => said.push(data));
  socket.write('sta');
  socket.write('rt\n');
  await new Promise((resolve) => socket.once('close', resolve));
  const line = Buffer.concat(said).toString();
  assert.match(line, new RegExp(`^error ${program.length} exec ENOEXEC 126 exec: "odd": .*\\n$`));
  assert.equal(await front.wait(), 126);
  await front.exit(0);
});

test('a container that waits for its start is ended by SIGTERM', async () => {
  await using box = new FrontFixture();
  await using front = box.start();
  const pid = await front.make(box.container(box.folder('state'), ['true']));
  process.kill(pid, 'SIGTERM');
  assert.equal(await front.wait(), 143);
  await front.exit(0);
});

test('exec: in the namespaces of the process, after it was made sure that it is the one', async () => {
  await using box = new FrontFixture();
  await using front = box.start();
  const folder = box.folder('state');
  const pid = await front.make(box.container(folder, ['sleep', '100']));
  await box.begin(folder);
  await using other = box.start();
  const script = 'for n in pid net mnt uts ipc user; do readlink /proc/self/ns/$n; done; echo $PPID; exit 9';
  const outcome = await other.execute([...box.exec(pid, ['sh', '-c', script]), step('wait')]);
  assert.deepEqual(outcome, { verb: 'exited', code: 9 });
  await other.exit(9);
  await other.closed;
  const expected = ['pid', 'net', 'mnt', 'uts', 'ipc', 'user'].map((kind) =>
    readlinkSync(`/proc/${pid}/ns/${kind}`),
  );
  // Its parent is outside.
  assert.equal(other.stdout, `${[...expected, '0'].join('\n')}\n`, other.stderr);

  await using third = box.start();
  const stale = await third.execute([
    step('join-process', String(pid), String(Number(startTimeOf(pid)) + 1)),
  ]);
  assert.ok(stale?.verb === 'error' && stale.errno === 'ESRCH', JSON.stringify(stale));
  const detached = await third.make(box.exec(pid, ['sleep', '100']));
  assert.equal(readlinkSync(`/proc/${detached}/ns/pid`), expected[0]);
  await third.exit(0);
  assert.ok(isAlive(detached));
  process.kill(pid, 'SIGKILL');
  assert.equal(await front.wait(), 137);
});

test('exec: kill -9 of the front before the exec leaves nothing, a front that ends afterwards all', async () => {
  await using box = new FrontFixture();
  await using front = box.start();
  const folder = box.folder('state');
  const pid = await front.make(box.container(folder, ['sleep', '100']));
  await box.begin(folder);
  await using other = box.start();
  const asked = await other.execute(box.exec(pid, ['sleep', '100'], { made: [step('ask', 'x')] }));
  assert.ok(asked?.verb === 'ask');
  other.child.kill('SIGKILL');
  await eventually('the process to end', () => !isAlive(asked.pid));
  process.kill(pid, 'SIGKILL');
});

test('signals to the front go to the process that it waits for; stop and continue stop the front too', async () => {
  await using box = new FrontFixture();
  await using front = box.start();
  const folder = box.folder('state');
  const script =
    'for s in TERM HUP INT USR1 CONT; do trap "echo $s" $s; done; trap "exit 4" USR2; sleep 100 & echo ready; while :; do wait; done';
  const pid = await front.make(box.container(folder, ['sh', '-c', script]));
  await box.begin(folder);
  const code = front.wait();
  await eventually('the script to be ready', () => front.stdout.includes('ready'));
  for (const signal of ['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGUSR1'] as const) {
    front.child.kill(signal);
    await eventually(signal, () => front.stdout.endsWith(`${signal.slice(3)}\n`));
  }
  front.child.kill('SIGTSTP');
  await eventually('the front to stop', () => stateOf(front.pid) === 'T');
  front.child.kill('SIGCONT');
  await eventually('the front to go on', () => stateOf(front.pid) !== 'T');
  await eventually('SIGCONT', () => front.stdout.endsWith('CONT\n'));
  front.child.kill('SIGUSR2');
  assert.equal(await code, 4);
  await front.exit(0);
  assert.ok(!isAlive(pid));
});

function stateOf(pid: number): string {
  return statusOf(pid, 'State').slice(0, 1);
}

function statusOf(pid: number, name: string): string {
  return new RegExp(`^${name}:\\s+(.*)$`, 'm').exec(readStatus(pid))?.[1] ?? '';
}

function readStatus(pid: number): string {
  return readFileSync(`/proc/${pid}/status`, 'utf8');
}

test('descriptors that are preserved keep their places; one that is not there is an error', async () => {
  await using box = new FrontFixture();
  const path = join(box.dir, 'file');
  writeFileSync(path, 'kept');
  const files = [openSync(path, 'r'), openSync(path, 'r')];
  const script = 'cat <&3; cat <&4; ls /proc/self/fd';
  {
    await using front = box.start({ descriptors: files });
    const folder = box.folder('state');
    await front.make(box.container(folder, ['sh', '-c', script], { parent: [step('preserve-fds', '2')] }));
    await box.begin(folder);
    assert.equal(await front.wait(), 0);
    await front.exit(0);
    await front.closed;
    assert.equal(front.stdout, 'keptkept0\n1\n2\n3\n4\n5\n', front.stderr);
  }
  await using front = box.start({ descriptors: files });
  // The sixth would be the front's own connection.
  const failed = await front.execute([step('preserve-fds', '3')]);
  assert.ok(failed?.verb === 'error' && failed.errno === 'EBADF');
  assert.match(failed.message, /descriptor 5/);
  for (const fd of files) closeSync(fd);
});
