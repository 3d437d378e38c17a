/** containerd from Debian drives the runtime through its own shim: `ctr run --runc-binary`. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { eventually } from '../fixtures/eventually.ts';
import { Containerd } from '../fixtures/oci-containerd.ts';

const POLITE = 'trap "echo term; exit 9" TERM; echo ready; while :; do sleep 0.05; done';

describe('ctr run', () => {
  test('passes input, output, errors and exit codes on', async () => {
    await using containerd = await Containerd.make();
    // A line and not to the end: ctr does not close the container's input.
    const script = 'read x; echo $x; echo oops >&2; exit 7';
    const piped = await containerd.run(
      containerd.words('a', ['sh', '-c', script], ['--rm']),
      'from outside\n',
    );
    assert.deepEqual(piped, { code: 7, stdout: 'from outside\n', stderr: 'oops\n' });
    const missing = await containerd.run(containerd.words('b', ['no-such-program'], ['--rm']));
    assert.notEqual(missing.code, 0);
    assert.match(missing.stderr, /exec: "no-such-program": executable file not found in \$PATH/);
    const again = await containerd.sh('a', 'echo the id is free again');
    assert.equal(again, 'the id is free again');
  });

  test('gives a terminal, its size and job control', async () => {
    await using containerd = await Containerd.make();
    using terminal = containerd.terminal(containerd.words('a', ['sh'], ['--rm', '--tty']));
    await terminal.expect(/[#$] /);
    await eventually('the size inside', async () => {
      terminal.type('stty size\n');
      const [, size] = await terminal.expect(/\r*\n(\d+ \d+)\r*\n/);
      return size === '24 80';
    });
    await terminal.resize(31, 97);
    await eventually('the new size inside', async () => {
      terminal.type('stty size\n');
      const [, size] = await terminal.expect(/\r*\n(\d+ \d+)\r*\n/);
      return size === '31 97';
    });
    // It says that it is the one in the foreground: before that, the key would find the shell.
    terminal.type(`sh -c 'echo be"gun"; exec sleep 100'\n`);
    await terminal.expect(/begun\r*\n/);
    terminal.type('\u0003');
    await terminal.expect(/[#$] /);
    terminal.type('exit 5\n');
    assert.equal(await terminal.end(), 5);
  });

  test('limits, capabilities, mounts, namespaces and environment', async () => {
    await using containerd = await Containerd.make();
    const shared = containerd.host.dir;
    writeFileSync(join(shared, 'word'), 'plum\n');
    const limited = await containerd.sh(
      'a',
      'cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes cpu/cpu.cfs_quota_us cpu/cpu.shares; pwd; echo $FLAVOUR',
      ...[
        '--memory-limit',
        '50331648',
        '--cpu-quota',
        '50000',
        '--cpu-period',
        '100000',
        '--cpu-shares',
        '300',
      ],
      ...['--env', 'FLAVOUR=plum', '--mount', 'type=cgroup,src=cgroup,dst=/sys/fs/cgroup,options=ro:nosuid'],
    );
    assert.equal(limited, '50331648\n50000\n300\n/sys/fs/cgroup\nplum');
    const script =
      'pwd; cat /v/word; touch /x 2>&1; touch /v/x 2>&1; grep -E "^(CapEff|Seccomp|NoNewPrivs)" /proc/self/status;' +
      // ctr now and then ends before it has copied the last line, whatever the runtime: that is nothing we ask for.
      'readlink /proc/self/ns/net; ls -l /dev/fuse; echo the end';
    const said = await containerd.sh(
      'b',
      script,
      ...[
        '--cwd',
        '/home/app',
        '--read-only',
        '--seccomp',
        '--cap-drop',
        'CAP_CHOWN',
        '--cap-add',
        'CAP_NET_ADMIN',
      ],
      ...[
        '--mount',
        `type=bind,src=${shared},dst=/v,options=rbind:ro`,
        '--device',
        '/dev/fuse',
        '--net-host',
      ],
    );
    assert.match(said, /^\/home\/app\nplum\n.*Read-only file system\n.*Read-only file system\n/);
    assert.match(said, /CapEff:\s+00000000a80435fa\nNoNewPrivs:\s+1\nSeccomp:\s+2\n/);
    assert.ok(said.includes(await containerd.host.ok(['readlink', '/proc/self/ns/net'])), said);
    assert.match(said, /10, 229/);
  });
});

describe('ctr tasks', () => {
  test('list, exec, ps, metrics, pause, resume, kill, attach', async () => {
    await using containerd = await Containerd.make();
    await containerd.detached('a', POLITE);
    const task = await containerd.status('a');
    assert.equal(task?.status, 'RUNNING');
    assert.match(readFileSync(`/proc/${task.pid}/cmdline`, 'utf8'), /^sh\0-c\0/);
    const exec = ['tasks', 'exec', '--exec-id'];
    const failing = await containerd.run(
      [...exec, 'e1', 'a', 'sh', '-c', 'read x; echo $x; echo oops >&2; exit 3'],
      'hello\n',
    );
    assert.deepEqual(failing, { code: 3, stdout: 'hello\n', stderr: 'oops\n' });
    const other = await containerd.ok(
      ...exec,
      'e2',
      '--user',
      '1000',
      '--cwd',
      '/home',
      'a',
      'sh',
      '-c',
      'id -u; pwd',
    );
    assert.equal(other, '1000\n/home');
    const missing = await containerd.run([...exec, 'e3', 'a', 'no-such-program']);
    assert.notEqual(missing.code, 0);
    assert.match(missing.stderr, /executable file not found/);
    using terminal = containerd.terminal([...exec, 'e4', '--tty', 'a', 'sh']);
    await terminal.expect(/[#$] /);
    terminal.type('tty; exit 4\n');
    await terminal.expect(/\/dev\/pts\/\d/);
    assert.equal(await terminal.end(), 4);
    assert.match(await containerd.ok('tasks', 'ps', 'a'), new RegExp(`^${task.pid}\\b`, 'm'));
    assert.match(
      await containerd.ok('tasks', 'metrics', 'a'),
      /^memory\.usage_in_bytes\s+[1-9]|^memory\.usage\s+[1-9]/m,
    );
    await containerd.ok('tasks', 'pause', 'a');
    assert.equal((await containerd.status('a'))?.status, 'PAUSED');
    await containerd.ok('tasks', 'resume', 'a');
    assert.equal((await containerd.status('a'))?.status, 'RUNNING');
    await containerd.ok('tasks', 'kill', '--signal', 'SIGTERM', 'a');
    await eventually('the end', async () => (await containerd.status('a'))?.status === 'STOPPED');
    assert.match(containerd.said('a'), /term\n$/);
    const removed = await containerd.run(['tasks', 'rm', 'a']);
    assert.match(removed.stderr, /exit code 9/);
  });

  test('kill --all takes every process', async () => {
    await using containerd = await Containerd.make();
    await containerd.detached('a', 'sleep 1000 & echo ready; sleep 1000');
    const before = (await containerd.ok('tasks', 'ps', 'a')).split('\n').length;
    assert.ok(before >= 3, 'a header and two processes at least');
    await containerd.ok('tasks', 'kill', '--all', '--signal', 'SIGKILL', 'a');
    await eventually('the end', async () => (await containerd.status('a'))?.status === 'STOPPED');
    assert.deepEqual(
      containerd.host
        .processes()
        .filter((pid) => /^sleep\0/.test(readFileSync(`/proc/${pid}/cmdline`, 'utf8'))),
      [],
    );
  });

  test('containerd dies and comes back; its containers live on', async () => {
    await using containerd = await Containerd.make();
    await containerd.detached('a', POLITE);
    const before = await containerd.status('a');
    await containerd.restart();
    assert.deepEqual(await containerd.status('a'), before);
    assert.equal(await containerd.ok('tasks', 'exec', '--exec-id', 'e', 'a', 'echo', 'alive'), 'alive');
  });
});
