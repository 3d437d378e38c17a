/** Docker from Debian drives the runtime: a daemon of its own for each test, and the command line that people type. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { eventually } from '../fixtures/eventually.ts';
import { Docker, IMAGE } from '../fixtures/oci-docker.ts';

/** Answers TERM with 9, says so, and is ready at once. */
const POLITE = 'trap "echo term; exit 9" TERM; echo ready; while :; do sleep 0.05; done';
const STUBBORN = 'trap "" TERM; echo ready; while :; do sleep 0.05; done';

describe('docker run', () => {
  test('passes input, output, errors and exit codes on', async () => {
    await using docker = await Docker.make();
    const options = ['--rm', '--network', 'none'];
    const piped = await docker.run(
      ['run', '-i', ...options, IMAGE, 'sh', '-c', 'cat; echo oops >&2; exit 7'],
      'from outside\n',
    );
    assert.deepEqual(piped, { code: 7, stdout: 'from outside\n', stderr: 'oops\n' });
    const missing = await docker.run(['run', ...options, IMAGE, 'no-such-program']);
    assert.equal(missing.code, 127, missing.stderr);
    assert.match(missing.stderr, /exec: "no-such-program": executable file not found in \$PATH/);
    const plain = await docker.run(['run', ...options, IMAGE, '/etc/passwd']);
    assert.equal(plain.code, 126, plain.stderr);
    assert.match(plain.stderr, /permission denied/);
  });

  test('gives a terminal, its size and job control', async () => {
    await using docker = await Docker.make();
    using terminal = docker.terminal(['run', '--rm', '-it', '--network', 'none', IMAGE, 'sh']);
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

  test('has a network made by the daemon through a hook', async () => {
    await using docker = await Docker.make();
    const said = await docker.ok(
      'run',
      '--rm',
      IMAGE,
      'sh',
      '-c',
      'ip -4 addr show eth0; ping -c 1 -w 5 192.0.2.1',
    );
    assert.match(said, /inet 192\.0\.2\.\d+\/24/);
    assert.match(said, / 1 packets received/);
  });
});

describe('docker exec', () => {
  test('runs beside: exit codes, input, user, environment, folder', async () => {
    await using docker = await Docker.make();
    await docker.detached('box1', POLITE);
    const failing = await docker.run(
      ['exec', '-i', 'box1', 'sh', '-c', 'cat; echo oops >&2; exit 3'],
      'hello\n',
    );
    assert.deepEqual(failing, { code: 3, stdout: 'hello\n', stderr: 'oops\n' });
    const options = ['--user', 'app', '--env', 'FLAVOUR=plum', '--workdir', '/home'];
    assert.equal(
      await docker.ok('exec', ...options, 'box1', 'sh', '-c', 'id -u; echo $FLAVOUR; pwd'),
      '1000\nplum\n/home',
    );
    const missing = await docker.run(['exec', 'box1', 'no-such-program']);
    assert.ok(missing.code === 126 || missing.code === 127, missing.stderr);
    assert.match(missing.stderr + missing.stdout, /executable file not found/);
    await docker.ok('exec', '-d', 'box1', 'sh', '-c', 'echo yes > /tmp/done');
    await eventually('the detached exec', async () => {
      return (await docker.ok('exec', 'box1', 'cat', '/tmp/done')) === 'yes';
    });
  });

  test('gives a terminal; attach sees the container', async () => {
    await using docker = await Docker.make();
    await docker.detached('box1', 'until [ -e /tmp/go ]; do echo ready; sleep 0.05; done; echo bye; exit 6');
    using attached = docker.terminal(['attach', '--no-stdin', 'box1']);
    await attached.expect(/ready/);
    using terminal = docker.terminal(['exec', '-it', 'box1', 'sh']);
    await terminal.expect(/[#$] /);
    terminal.type('tty; touch /tmp/go; exit 4\n');
    await terminal.expect(/\/dev\/pts\/\d/);
    await attached.expect(/bye/);
    assert.equal(await attached.end(), 6);
    // The shell may be gone with its container before it has said its own code.
    assert.ok([4, 137].includes(await terminal.end()));
  });
});

describe('docker and a container in the background', () => {
  test('logs, top, ps, stats, inspect', async () => {
    await using docker = await Docker.make();
    await docker.detached('box1', `echo oops >&2; ${POLITE}`);
    const logs = await docker.run(['logs', 'box1']);
    assert.deepEqual([logs.stdout, logs.stderr], ['ready\n', 'oops\n']);
    assert.match(await docker.ok('top', 'box1'), /sh -c echo oops/);
    assert.match(await docker.ok('ps', '--format', '{{.Names}} {{.Status}}'), /^box1 Up/m);
    const stats = JSON.parse(await docker.ok('stats', '--no-stream', '--format', '{{json .}}', 'box1')) as {
      PIDs: string;
      MemUsage: string;
    };
    assert.ok(Number(stats.PIDs) >= 1, JSON.stringify(stats));
    assert.match(stats.MemUsage, /^[1-9]/);
    const pid = Number(await docker.inspect('box1', '.State.Pid'));
    assert.match(readFileSync(`/proc/${pid}/cmdline`, 'utf8'), /^sh\0-c\0/);
  });

  test('stop asks, then kills; start, restart, kill, wait', async () => {
    await using docker = await Docker.make();
    await docker.detached('polite', POLITE);
    await docker.ok('stop', '--time', '20', 'polite');
    assert.equal(await docker.inspect('polite', '.State.ExitCode'), '9');
    assert.match(await docker.ok('logs', 'polite'), /term$/);
    await docker.detached('stubborn', STUBBORN);
    await docker.ok('stop', '--time', '1', 'stubborn');
    assert.equal(await docker.inspect('stubborn', '.State.ExitCode'), '137');
    await docker.ok('start', 'polite');
    await docker.ok('restart', '--time', '20', 'polite');
    assert.equal(await docker.inspect('polite', '.State.Status'), 'running');
    await docker.ok('kill', '--signal', 'KILL', 'polite');
    assert.equal(await docker.ok('wait', 'polite'), '137');
  });

  test('a signal, a restart policy, rm --force', async () => {
    await using docker = await Docker.make();
    await docker.detached('box1', 'trap "echo one" USR1; echo ready; while :; do sleep 0.05; done');
    await docker.ok('kill', '--signal', 'USR1', 'box1');
    await eventually('the signal', async () => (await docker.ok('logs', 'box1')).includes('one'));
    await docker.ok('rm', '--force', 'box1');
    await docker.ok('run', '-d', '--name', 'again', '--restart', 'on-failure:2', IMAGE, 'sh', '-c', 'exit 3');
    await eventually('the second restart to fail', async () => {
      const format = '{{.RestartCount}} {{.State.Status}}';
      return (await docker.ok('inspect', '--format', format, 'again')) === '2 exited';
    });
    assert.equal(await docker.inspect('again', '.State.ExitCode'), '3');
  });

  test('pause stops it, unpause goes on; update changes its limits', async () => {
    await using docker = await Docker.make();
    await docker.detached(
      'box1',
      'echo ready; i=0; while :; do i=$((i+1)); echo $i > /tmp/i; sleep 0.02; done',
    );
    const pid = Number(await docker.inspect('box1', '.State.Pid'));
    const count = (): string => readFileSync(`/proc/${pid}/root/tmp/i`, 'utf8');
    await docker.ok('pause', 'box1');
    const frozen = count();
    assert.match(await docker.ok('ps', '--format', '{{.Status}}'), /Paused/);
    assert.equal(count(), frozen);
    await docker.ok('unpause', 'box1');
    await eventually('the counter to move', () => count() !== frozen && count() !== '');
    await docker.ok('update', '--memory', '64m', '--memory-swap', '64m', '--cpu-shares', '512', 'box1');
    await docker.ok('update', '--pids-limit', '33', 'box1');
    const script = 'cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes cpu/cpu.shares pids/pids.max';
    assert.equal(await docker.ok('exec', 'box1', 'sh', '-c', script), '67108864\n512\n33');
  });
});

describe('docker, resources and security', () => {
  test('--memory, --pids-limit, --cpus reach the cgroup; a hog is killed and told of', async () => {
    await using docker = await Docker.make();
    const limits = ['--memory', '48m', '--pids-limit', '20', '--cpus', '0.5', '--cpu-shares', '300'];
    const script =
      'cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes pids/pids.max cpu/cpu.cfs_quota_us cpu/cpu.shares';
    assert.equal(await docker.sh(script, ...limits), '50331648\n20\n50000\n300');
    const hog = ['--name', 'hog', '--memory', '16m', '--memory-swap', '16m', '--network', 'none'];
    const killed = await docker.run(['run', ...hog, IMAGE, 'sh', '-c', 'x=a; while :; do x=$x$x; done']);
    assert.equal(killed.code, 137, killed.stderr);
    assert.equal(await docker.inspect('hog', '.State.OOMKilled'), 'true');
  });

  test('--cap-drop, --cap-add, no-new-privileges, seccomp, masked paths', async () => {
    await using docker = await Docker.make();
    const status = (...options: string[]): Promise<string> =>
      docker.sh('grep -E "^(CapEff|CapBnd|NoNewPrivs|Seccomp):" /proc/self/status | tr -d "\\t"', ...options);
    const none = '0000000000000000';
    assert.equal(
      await status('--cap-drop', 'ALL'),
      `CapEff:${none}\nCapBnd:${none}\nNoNewPrivs:0\nSeccomp:2`,
    );
    assert.match(await status('--cap-drop', 'ALL', '--cap-add', 'NET_ADMIN'), /CapEff:0000000000001000/);
    assert.match(await status('--security-opt', 'no-new-privileges'), /NoNewPrivs:1/);
    assert.match(await status('--security-opt', 'seccomp=unconfined'), /Seccomp:0/);
    assert.match(
      await docker.sh('id -u; id -g; id -G', '--user', '1000:1001', '--group-add', '2000'),
      /^1000\n1001\n/,
    );
    const masked = await docker.sh(
      'ls /proc/acpi /sys/firmware | wc -w; (echo x > /proc/sys/vm/swappiness) 2>&1; true',
    );
    assert.match(masked, /Read-only file system/);
  });

  test('--read-only, --tmpfs, volumes, --device, --sysctl, --ulimit, --init, namespaces', async () => {
    await using docker = await Docker.make();
    const shared = docker.host.dir;
    writeFileSync(join(shared, 'word'), 'plum\n');
    const said = await docker.sh(
      'touch /x 2>&1; grep -E " /(t|v) " /proc/self/mountinfo; cat /v/word; ls -l /dev/melted;' +
        'cat /proc/sys/kernel/msgmax; hostname; ulimit -n; grep " /dev/shm " /proc/mounts; cat /proc/self/oom_score_adj',
      ...['--read-only', '--tmpfs', '/t:size=1m,mode=700', '-v', `${shared}:/v:ro`, '--hostname', 'plank'],
      ...[
        '--device',
        '/dev/fuse:/dev/melted:r',
        '--sysctl',
        'kernel.msgmax=4096',
        '--ulimit',
        'nofile=99:100',
      ],
      ...['--shm-size', '2m', '--oom-score-adj', '321'],
    );
    assert.match(said, /Read-only file system/);
    assert.match(said, / \/t rw,nosuid,nodev,noexec.* tmpfs .*size=1024k.*mode=700/);
    assert.match(said, / \/v ro/);
    assert.match(said, /plum\ncrw.* 10, 229 .*\n4096\nplank\n99\n.*size=2048k.*\n321$/);
    assert.match(await docker.sh('cat /proc/1/cmdline | tr "\\0" " "', '--init'), /docker-init/);
    await docker.detached('box1', POLITE, '--init');
    const seen = await docker.sh('ps | grep -c "sleep 0.05"', '--pid', 'container:box1');
    assert.ok(Number(seen) >= 1, seen);
    await docker.ok('stop', '--time', '20', 'box1');
    assert.equal(await docker.inspect('box1', '.State.ExitCode'), '9');
  });
});
