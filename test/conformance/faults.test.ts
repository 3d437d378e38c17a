/** What goes wrong for a person at start-up: one clear line that names what to do, and an exit code that is not zero. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, realpathSync, rmSync, statSync } from 'node:fs';
import { createServer, Socket, type AddressInfo } from 'node:net';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { kubectlFor } from '../fixtures/kubectl.ts';
import { eventually } from '../fixtures/eventually.ts';
import { assertNothingLeft, leftovers } from '../fixtures/leaks.ts';
import { instanceOf } from '../../src/base/instance.ts';
import { runProgram, SAMPAN, TestCluster, type Ran } from '../fixtures/sampan.ts';

const NOBODY = 65_534;

/** A folder that is removed after everything that was put onto `stack` later has been undone. */
function folder(stack: AsyncDisposableStack): string {
  const path = realpathSync(mkdtempSync(join(tmpdir(), 'sampan-faults-')));
  stack.defer(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** `sampan` as an ordinary user, in a home of its own. */
function asNobody(home: string, ...args: readonly string[]): Promise<Ran> {
  chmodSync(home, 0o777);
  const environment = [`HOME=${home}`, `XDG_RUNTIME_DIR=${home}`, `NODE_COMPILE_CACHE=${home}/cache`];
  return runProgram([
    'setpriv',
    `--reuid=${NOBODY}`,
    `--regid=${NOBODY}`,
    '--clear-groups',
    'env',
    ...environment,
    SAMPAN,
    ...args,
  ]);
}

function assertOneLine({ code, stderr }: Ran, pattern: RegExp): void {
  assert.notEqual(code, 0);
  assert.match(stderr, pattern);
  assert.equal(stderr.trim().split('\n').length, 1, stderr);
}

test('without root, up names it, and the control plane alone works', async () => {
  await using stack = new AsyncDisposableStack();
  const home = folder(stack);
  const data = join(home, 'data');
  assertOneLine(await asNobody(home, 'up', '--data-dir', data), /^sampan: .*root.*; .+/);
  assertOneLine(await asNobody(home, 'run', 'tools', 'true'), /^sampan: .*root.*; .+/);
  const up = await asNobody(home, 'up', '--detach', '--no-node', '--port', '0', '--data-dir', data);
  stack.defer(async () => {
    assert.equal((await asNobody(home, 'down', '--data-dir', data)).code, 0);
  });
  assert.equal(up.code, 0, up.stderr);
  assert.equal((await asNobody(home, 'status', '--data-dir', data)).code, 0);
});

test('a port that is taken is named', async () => {
  await using stack = new AsyncDisposableStack();
  const server = createServer().listen(0, '127.0.0.1');
  await eventually('the port is taken', () => server.listening);
  stack.defer(() => void server.close());
  const { port } = server.address() as { port: number };
  const data = folder(stack);
  const up = await runProgram([
    SAMPAN,
    'up',
    '--detach',
    '--no-node',
    '--port',
    String(port),
    '--data-dir',
    data,
  ]);
  assertOneLine(up, new RegExp(`^sampan: .*${port}.*(in use|taken).*; .+`));
  await assertNothingLeft(instanceOf(data));
});

test('a data folder has one owner; a second detached up finds the first', async () => {
  await using stack = new AsyncDisposableStack();
  const data = folder(stack);
  const common = ['--no-node', '--port', '0', '--data-dir', data];
  assert.equal((await runProgram([SAMPAN, 'up', '--detach', ...common])).code, 0);
  stack.defer(async () => void (await runProgram([SAMPAN, 'down', '--data-dir', data])));
  assertOneLine(
    await runProgram([SAMPAN, 'up', ...common]),
    /^sampan: data folder .* is in use by process \d+ .*; stop it with `sampan down/,
  );
  const again = await runProgram([SAMPAN, 'up', '--detach', ...common]);
  assert.deepEqual([again.code, again.stdout.split(' at ')[0]], [0, 'already running']);
});

test('a data folder that cannot be written is named', async () => {
  assertOneLine(
    await runProgram([SAMPAN, 'up', '--no-node', '--data-dir', '/dev/null/data']),
    /^sampan: --data-dir \/dev\/null\/data: /,
  );
});

test('down without an up is no error, and says so', async () => {
  await using stack = new AsyncDisposableStack();
  const data = folder(stack);
  const down = await runProgram([SAMPAN, 'down', '--data-dir', data]);
  assert.deepEqual([down.code, down.stdout], [0, 'was not running; nothing of it is left\n']);
});

test('a full disk is named at start, and nothing is left', async () => {
  await using stack = new AsyncDisposableStack();
  const data = folder(stack);
  assert.equal((await runProgram(['mount', '-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', data])).code, 0);
  stack.defer(async () => void (await runProgram(['umount', '-l', data])));
  const up = await runProgram([SAMPAN, 'up', '--no-node', '--port', '0', '--data-dir', data]);
  assertOneLine(up, /^sampan: .*(no space|full).*; .+/i);
});

test('a start that waits for somebody ends at once when it is asked to', async () => {
  await using stack = new AsyncDisposableStack();
  const silent = createServer();
  const connected = once(silent, 'connection');
  await once(silent.listen(0, '127.0.0.1'), 'listening');
  stack.defer(() => void silent.close());
  const { port } = silent.address() as AddressInfo;
  const data = join(folder(stack), 'data');
  const up = [
    'up',
    '--no-node',
    '--data-dir',
    data,
    '--port',
    '0',
    '--datastore',
    `etcd://127.0.0.1:${port}`,
  ];
  const daemon = spawn(SAMPAN, up, { stdio: 'ignore' });
  const ended = once(daemon, 'exit');
  stack.defer(() => void daemon.kill('SIGKILL'));
  const [socket] = (await Promise.race([connected, ended])) as [unknown];
  assert.ok(socket instanceof Socket, 'it has asked etcd, and not ended before');
  stack.defer(() => void socket.destroy());
  const down = await runProgram([SAMPAN, 'down', '--data-dir', data]);
  assert.deepEqual([down.code, down.stdout], [0, 'stopped\n'], down.stderr);
  assert.deepEqual(await ended, [128 + constants.signals.SIGTERM, null]);
});

test('two instances in one network do not meet', async () => {
  await using first = new TestCluster();
  await using second = new TestCluster(first.netns);
  await Promise.all([first.up('--port', '0'), second.up('--port', '0')]);
  const pod = (name: string): string =>
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name },
      spec: { containers: [{ name: 'c', image: 'localhost/hello:latest' }] },
    });
  await Promise.all([first.packExample(), second.packExample()]);
  await Promise.all([
    first.ok(['apply', '-f', '-'], pod('one')),
    second.ok(['apply', '-f', '-'], pod('two')),
  ]);
  await Promise.all([
    first.ok(['wait', '--for=condition=Ready', 'pod/one', '--timeout=60s']),
    second.ok(['wait', '--for=condition=Ready', 'pod/two', '--timeout=60s']),
  ]);
  assert.equal((await first.ok(['get', 'pods', '-A', '-o', 'name'])).trim(), 'pod/one');
  assert.equal((await second.sampan('down')).code, 0);
  await assertNothingLeft(second.instance, first.netns.name);
  const ip = await first.ok(['get', 'pod', 'one', '-o', 'jsonpath={.status.podIP}']);
  assert.match((await first.curl(`http://${ip}:8080`)).stdout, /^hello from/);
  assert.ok(leftovers(first.instance, first.netns.name).length > 0, 'the leak check sees what runs');
});

test('--kubeconfig puts the kubeconfig elsewhere, a token beside it, both for the owner alone', async () => {
  await using stack = new AsyncDisposableStack();
  const data = folder(stack);
  const file = join(folder(stack), 'admin/kubeconfig');
  const common = ['--no-node', '--port', '0', '--data-dir', data];
  stack.defer(async () => void (await runProgram([SAMPAN, 'down', '--data-dir', data])));
  const up = await runProgram([SAMPAN, 'up', '--detach', '--kubeconfig', file, ...common]);
  assert.equal(up.code, 0, up.stderr);
  for (const path of [file, join(file, '../token')]) assert.equal(statSync(path).mode & 0o777, 0o600, path);
  const printed = await runProgram([SAMPAN, 'kubeconfig', '--data-dir', data]);
  assert.equal(printed.stdout, readFileSync(file, 'utf8'));
  const namespaces = await kubectlFor(file)(['get', 'namespaces', '-o', 'name']);
  assert.match(namespaces.stdout, /^namespace\/default$/m, namespaces.stderr);
  const server = /server: "?(https:[^"\s]+)/.exec(printed.stdout)?.[1];
  const withToken = ['-H', `Authorization: Bearer ${readFileSync(join(file, '../token'), 'utf8').trim()}`];
  const asked = await runProgram([
    'curl',
    '-sk',
    '--fail',
    ...withToken,
    `${server}/api/v1/namespaces/default`,
  ]);
  assert.equal(asked.code, 0, asked.stderr);
});

test('a machine without libatomic is told which package it lacks', async () => {
  await using stack = new AsyncDisposableStack();
  const scratch = folder(stack);
  const libraries = `/usr/lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`;
  // In a mount namespace of its own the library is covered by a whiteout.
  const script = `set -e
    mount -t tmpfs tmpfs ${scratch}
    mkdir ${scratch}/upper ${scratch}/work
    mount -t overlay overlay -o lowerdir=${libraries},upperdir=${scratch}/upper,workdir=${scratch}/work ${libraries}
    rm -f ${libraries}/libatomic.so.1*
    exec ${SAMPAN} version`;
  const result = await runProgram(['unshare', '--mount', 'sh', '-c', script]);
  assertOneLine(result, /^sampan: .* libatomic is missing \(Debian: apt-get install libatomic1\)/);
});
