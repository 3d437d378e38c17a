import assert from 'node:assert/strict';
import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Instruction, step } from '../../src/container/runtime/program/instructions.ts';
import { ConsoleSocket } from './console-socket.ts';
import { FrontFixture } from './front-fixture.ts';

const DEVPTS = step(
  'mount',
  'devpts',
  'devpts',
  '/dev/pts',
  '0',
  'newinstance,ptmxmode=0666,mode=0620,gid=5',
);
const TTY = step('device', '/dev/tty', 'c', '666', '5', '0', '0', '0');

function terminal(bind: 'bind' | '', height = '0', width = '0'): Instruction[] {
  return [step('console', height, width, bind), step('session')];
}

test('a terminal in the container: its master comes by the console socket, as from runc', async () => {
  await using box = new FrontFixture();
  // Longer than an address can be.
  const sockets = box.folder(join(...Array.from({ length: 12 }, () => 'long-name')));
  const path = join(box.dir, 'console.sock');
  symlinkSync(sockets, join(box.dir, 's'));
  using socket = new ConsoleSocket(join(box.dir, 's', 'c'));
  symlinkSync(join(sockets, 'c'), path);
  await using front = box.start();
  const folder = box.folder('state');
  const script =
    'tty; stty size; stat -c "%u %t" /dev/pts/0 /dev/console; test -t 0 -a -t 1 -a -t 2 && echo all; echo x >/dev/tty; read a; echo "got $a"; ls /proc/self/fd | wc -l; exit 5';
  await front.make(
    box.container(folder, ['sh', '-c', script], {
      parent: [step('console-to', 'socket', join(sockets, 'c'))],
      inside: [DEVPTS, TTY, ...terminal('bind', '33', '77')],
      identity: [step('ids', '1000', '1000', 'set-groups')],
    }),
  );
  const { text, terminal: master } = await socket.receive();
  using _ = master;
  assert.equal(text, '/dev/ptmx');
  assert.deepEqual(master.size(), [33, 77]);
  await box.begin(folder);
  await master.expect(/all\r\nx\r\n/);
  assert.match(master.heard, /^\/dev\/(pts\/0|console)\r\n33 77\r\n1000 88\r\n1000 88\r\nall/);
  master.type('answer\n');
  await master.expect(/got answer\r\n4\r\n/);
  assert.equal(await front.wait(), 5);
  await front.exit(0);
});

test('exec in a running container: a terminal of that container’s own', async () => {
  await using box = new FrontFixture();
  await using front = box.start();
  const folder = box.folder('state');
  const pid = await front.make(box.container(folder, ['sleep', '100'], { inside: [DEVPTS] }));
  await box.begin(folder);
  using socket = new ConsoleSocket(join(box.dir, 'c'));
  await using other = box.start();
  const outcome = other.execute([
    ...box.exec(pid, ['sh', '-c', 'tty; sleep 100 & kill -INT $$; exit 3'], {
      parent: [step('console-to', 'socket', join(box.dir, 'c'))],
      inside: terminal(''),
    }),
    step('wait'),
  ]);
  const { terminal: master } = await socket.receive();
  using _ = master;
  await master.expect(/\/dev\/pts\/0\r\n/);
  assert.deepEqual(await outcome, { verb: 'exited', code: 130 });
  await other.exit(0);
  process.kill(pid, 'SIGKILL');
});

test('a hostile image cannot lend another terminal: no devpts, a link, another device, another file system', async () => {
  await using box = new FrontFixture();
  await using front = box.start();
  using _ = new ConsoleSocket(join(box.dir, 'c'));
  const cases: readonly (readonly [readonly Instruction[], RegExp])[] = [
    [[], /\/dev\/pts\/ptmx/],
    [
      [
        step('mount', 'tmpfs', 'tmpfs', '/dev/pts', '0', ''),
        step('device', '/dev/pts/ptmx', 'c', '666', '1', '3', '0', '0'),
      ],
      /not the terminals' multiplexer/,
    ],
    [
      [
        step('mount', 'tmpfs', 'tmpfs', '/dev/pts', '0', ''),
        step('device', '/dev/pts/ptmx', 'c', '666', '5', '2', '0', '0'),
      ],
      /not on a devpts/,
    ],
    [
      [
        step('mount', 'devpts', 'devpts', '/dev/other', '0', 'newinstance,ptmxmode=0666'),
        step('symlink', 'other', '/dev/pts'),
      ],
      /\/dev\/pts\/ptmx/,
    ],
    // The mount point of the console: what it leads to is not ours to cover.
    [[DEVPTS, step('symlink', '/etc/passwd', '/dev/console')], /\/dev\/console/],
  ];
  for (const [index, [inside, message]] of cases.entries()) {
    const failed = await front.execute(
      box.container(box.folder(`state${index}`), ['true'], {
        parent: [step('console-to', 'socket', join(box.dir, 'c'))],
        inside: [...inside, ...terminal('bind')],
      }),
    );
    assert.ok(failed?.verb === 'error' && failed.opcode === 'console', JSON.stringify(failed));
    assert.match(failed.message, message);
  }
  await front.exit(0);
});

test('relay without a terminal of our own: input, its end, output, and the exit code', async () => {
  await using box = new FrontFixture();
  await using front = box.start();
  const folder = box.folder('state');
  const script = 'stty -echo; echo ready; cat; seq 20000; exit 6';
  await front.make(
    box.container(folder, ['sh', '-c', script], {
      parent: [step('console-to', 'relay')],
      inside: [DEVPTS, ...terminal('bind')],
    }),
  );
  await box.begin(folder);
  const code = front.wait();
  front.child.stdin!.write('line\n');
  front.child.stdin!.end();
  assert.equal(await code, 6);
  await front.exit(6);
  await front.closed;
  const numbers = Array.from({ length: 20_000 }, (_, index) => `${index + 1}\r\n`).join('');
  // What is typed before the terminal stops to echo may come twice.
  assert.match(front.stdout.slice(0, 30), /^(line\r\n)?ready\r\nline\r\n1\r\n/);
  assert.ok(front.stdout.endsWith(numbers), front.stdout.slice(-30));
});
