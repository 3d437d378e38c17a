/** Podman from Debian drives the runtime as people do. Each test has a host, storage and containers of its own. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { eventually } from '../fixtures/eventually.ts';
import { SUBORDINATE } from '../fixtures/oci-host.ts';
import { IMAGE, Podman } from '../fixtures/oci-podman.ts';

/** Answers TERM with 9, says so, and is ready at once. */
const POLITE = 'trap "echo term; exit 9" TERM; echo ready; while :; do sleep 0.05; done';
/** PID 1 without a handler: TERM does nothing to it. */
const STUBBORN = 'trap "" TERM; echo ready; while :; do sleep 0.05; done';

describe('podman run', () => {
  test('passes input, output, errors and exit codes on', async () => {
    await using podman = await Podman.make();
    const piped = await podman.run(
      ['run', '--rm', '-i', '--cgroup-parent', podman.host.cgroupParent, IMAGE].concat([
        ...['sh', '-c', 'cat; echo oops >&2; exit 7'],
      ]),
      'from outside\n',
    );
    assert.deepEqual(piped, { code: 7, stdout: 'from outside\n', stderr: 'oops\n' });
    const missing = await podman.container('--rm', IMAGE, 'no-such-program');
    assert.equal(missing.code, 127, missing.stderr);
    assert.match(missing.stderr, /no-such-program.*not found/);
    const folder = await podman.container('--rm', IMAGE, '/etc');
    assert.equal(folder.code, 126, folder.stderr);
    const killed = await podman.container('--rm', IMAGE, 'sh', '-c', 'kill -9 $$');
    // PID 1 cannot kill itself, whatever the signal: it goes on and ends well.
    assert.equal(killed.code, 0, killed.stderr);
  });

  test('gives a terminal, its size and job control', async () => {
    await using podman = await Podman.make();
    using terminal = podman.runAtTerminal('--rm', '-it', IMAGE, 'sh');
    await terminal.expect(/[#$] /);
    terminal.type('tty; stty size\n');
    await terminal.expect(/\/dev\/(pts\/0|console)\r?\n24 80/);
    await terminal.resize(31, 97);
    await eventually('the new size inside', async () => {
      terminal.type('stty size\n');
      await terminal.expect(/\n\d+ \d+\r*\n/);
      return terminal.heard.includes('31 97');
    });
    // It says that it is the one in the foreground: before that, the key would find the shell.
    terminal.type(`sh -c 'echo be"gun"; exec sleep 100'\n`);
    await terminal.expect(/begun\r*\n/);
    terminal.type('\u0003');
    await terminal.expect(/[#$] /);
    terminal.type('sleep 200 & jobs; exit 5\n');
    await terminal.expect(/200[\s\S]*200/);
    assert.equal(await terminal.end(), 5);
  });
});

describe('podman exec', () => {
  test('runs beside: exit codes, input, user, environment, folder', async () => {
    await using podman = await Podman.make();
    await podman.detached('a', POLITE);
    const failing = await podman.run(
      ['exec', '-i', 'a', 'sh', '-c', 'cat; echo oops >&2; exit 3'],
      'hello\n',
    );
    assert.deepEqual([failing.code, failing.stdout], [3, 'hello\n']);
    assert.match(failing.stderr, /^oops\n/);
    const options = ['--user', 'app', '--env', 'FLAVOUR=plum', '--workdir', '/home'];
    assert.equal(
      await podman.ok('exec', ...options, 'a', 'sh', '-c', 'id -u; echo $FLAVOUR; pwd'),
      '1000\nplum\n/home',
    );
    const privileged = await podman.ok('exec', '--privileged', 'a', 'grep', 'CapEff', '/proc/self/status');
    const plain = await podman.ok('exec', 'a', 'grep', 'CapEff', '/proc/self/status');
    assert.notEqual(privileged, plain);
    const missing = await podman.run(['exec', 'a', 'no-such-program']);
    assert.equal(missing.code, 127, missing.stderr);
    await podman.ok('exec', '-d', 'a', 'sh', '-c', 'echo yes > /tmp/done');
    await eventually(
      'the detached exec',
      async () => (await podman.ok('exec', 'a', 'cat', '/tmp/done')) === 'yes',
    );
  });

  test('gives a terminal', async () => {
    await using podman = await Podman.make();
    await podman.detached('a', POLITE);
    using terminal = podman.terminal(['exec', '-it', 'a', 'sh']);
    await terminal.expect(/[#$] /);
    terminal.type('stty size; tty\n');
    await terminal.expect(/24 80\r?\n\/dev\/pts\/\d/);
    terminal.type('exit 4\n');
    assert.equal(await terminal.end(), 4);
  });
});

describe('podman and a container in the background', () => {
  test('logs, top, ps, stats, inspect', async () => {
    await using podman = await Podman.make();
    await podman.detached('a', `echo oops >&2; ${POLITE}`);
    const logs = await podman.run(['logs', 'a']);
    assert.deepEqual([logs.stdout, logs.stderr], ['ready\n', 'oops\n']);
    assert.match(await podman.ok('top', 'a', 'pid', 'args'), /^1\s+sh -c/m);
    assert.match(await podman.ok('top', 'a', '-eo', 'pid,comm'), /sh/);
    assert.match(await podman.ok('ps', '--format', '{{.Names}} {{.Status}}'), /^a Up/m);
    const [stats] = JSON.parse(await podman.ok('stats', '--no-stream', '--format', 'json', 'a')) as [
      { name: string; pids: string; mem_usage: string },
    ];
    assert.equal(stats.name, 'a');
    assert.ok(Number(stats.pids) >= 1, JSON.stringify(stats));
    assert.match(stats.mem_usage, /^[1-9]/);
    const pid = Number(await podman.inspect('a', '.State.Pid'));
    assert.match(readFileSync(`/proc/${pid}/cmdline`, 'utf8'), /^sh\0-c\0/);
  });

  test('stop asks, then kills; exit codes stay', async () => {
    await using podman = await Podman.make();
    await podman.detached('polite', POLITE);
    await podman.ok('stop', '--time', '20', 'polite');
    assert.equal(await podman.inspect('polite', '.State.ExitCode'), '9');
    assert.match(await podman.ok('logs', 'polite'), /term$/);
    await podman.detached('stubborn', STUBBORN);
    await podman.ok('stop', '--time', '1', 'stubborn');
    assert.equal(await podman.inspect('stubborn', '.State.ExitCode'), '137');
    await podman.ok('start', 'polite');
    assert.equal(await podman.inspect('polite', '.State.Status'), 'running');
    await podman.ok('restart', '--time', '20', 'polite');
    await podman.ok('kill', 'polite');
    assert.equal(await podman.ok('wait', 'polite'), '137');
  });

  test('kill with any signal, and rm --force', async () => {
    await using podman = await Podman.make();
    const script = 'trap "echo one" USR1; echo ready; while :; do sleep 0.05; done';
    await podman.detached('a', script);
    await podman.ok('kill', '--signal', 'USR1', 'a');
    await eventually('the signal', async () => (await podman.ok('logs', 'a')).includes('one'));
    await podman.ok('rm', '--force', '--time', '0', 'a');
    assert.equal(await podman.ok('ps', '--all', '--quiet'), '');
  });

  test('pause stops it, unpause goes on', async () => {
    await using podman = await Podman.make();
    await podman.detached('a', 'echo ready; i=0; while :; do i=$((i+1)); echo $i > /tmp/i; sleep 0.02; done');
    await podman.ok('pause', 'a');
    assert.equal(await podman.inspect('a', '.State.Status'), 'paused');
    const pid = Number(await podman.inspect('a', '.State.Pid'));
    const count = (): string => readFileSync(`/proc/${pid}/root/tmp/i`, 'utf8');
    const frozen = count();
    assert.match(await podman.ok('ps', '--all', '--format', '{{.Status}}'), /Paused/i);
    assert.equal(count(), frozen);
    const refused = await podman.run(['exec', 'a', 'true']);
    assert.notEqual(refused.code, 0);
    await podman.ok('unpause', 'a');
    await eventually('the counter to move', () => count() !== frozen && count() !== '');
  });

  test('attach gets the output; wait gives the exit code', async () => {
    await using podman = await Podman.make();
    await podman.detached('a', 'until [ -e /tmp/go ]; do echo ready; sleep 0.05; done; echo bye; exit 6');
    using terminal = podman.terminal(['attach', '--no-stdin', 'a']);
    await terminal.expect(/ready/);
    const pid = Number(await podman.inspect('a', '.State.Pid'));
    writeFileSync(`/proc/${pid}/root/tmp/go`, '');
    await terminal.expect(/bye/);
    await terminal.end();
    assert.equal(await podman.ok('wait', 'a'), '6');
  });
});

describe('podman, resources and security', () => {
  test('--memory, --pids-limit, --cpus, --cpu-shares reach the cgroup', async () => {
    await using podman = await Podman.make();
    const limits = ['--memory', '48m', '--pids-limit', '20', '--cpus', '0.5', '--cpu-shares', '300'];
    const script =
      'cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes pids/pids.max cpu/cpu.cfs_quota_us cpu/cpu.shares 2>/dev/null ||' +
      ' cat memory.max pids.max cpu.max cpu.weight';
    assert.deepEqual((await podman.sh(script, ...limits)).split('\n'), ['50331648', '20', '50000', '300']);
    const hog = 'x=a; while :; do x=$x$x; done';
    const killed = await podman.container(
      '--rm',
      '--memory',
      '16m',
      IMAGE,
      'sh',
      '-c',
      `sh -c '${hog}'; echo $?`,
    );
    assert.match(killed.stdout, /137/, killed.stderr);
    const forks = 'for i in 1 2 3 4 5 6 7 8 9 10; do sleep 5 & done; echo all';
    const bomb = await podman.container('--rm', '--pids-limit', '5', IMAGE, 'sh', '-c', forks);
    assert.doesNotMatch(bomb.stdout, /all/);
    assert.match(bomb.stderr, /fork/);
  });

  test('--cap-drop, --cap-add, no-new-privileges, seccomp', async () => {
    await using podman = await Podman.make();
    const status = (...options: string[]): Promise<string> =>
      podman.sh('grep -E "^(CapEff|CapBnd|NoNewPrivs|Seccomp):" /proc/self/status | tr -d "\\t"', ...options);
    const none = '0000000000000000';
    assert.deepEqual((await status('--cap-drop', 'all')).split('\n'), [
      `CapEff:${none}`,
      `CapBnd:${none}`,
      'NoNewPrivs:0',
      'Seccomp:2',
    ]);
    const some = await status('--cap-drop', 'all', '--cap-add', 'NET_ADMIN,CHOWN');
    assert.match(some, /CapEff:0000000000001001/);
    assert.match(await status('--security-opt', 'no-new-privileges'), /NoNewPrivs:1/);
    assert.match(await status('--security-opt', 'seccomp=unconfined'), /Seccomp:0/);
    const blocked = await podman.sh('unshare -m true 2>&1; echo $?', '--cap-drop', 'all');
    assert.match(blocked, /(not permitted)[\s\S]*1$/);
    const asUser = await podman.sh('id -u; grep CapEff /proc/self/status', '--user', 'app');
    assert.match(asUser, new RegExp(`^1000\nCapEff:\\s*${none}`));
  });

  test('--read-only, --tmpfs, volumes and their options', async () => {
    await using podman = await Podman.make();
    const shared = podman.host.dir;
    writeFileSync(join(shared, 'word'), 'plum\n');
    const readOnly = await podman.sh('touch /x 2>&1; touch /tmp/y && echo tmp', '--read-only');
    assert.match(readOnly, /Read-only file system\ntmp/);
    const mounts = await podman.sh(
      'grep -E " (/t|/ro|/rw) " /proc/self/mountinfo; cat /ro/word; touch /ro/x 2>&1; echo new > /rw/made',
      ...['--tmpfs', '/t:size=1m,mode=700', '-v', `${shared}:/ro:ro,nosuid,nodev,noexec`],
      ...['-v', `${shared}:/rw:rshared`],
    );
    assert.match(mounts, / \/t rw,nosuid,nodev.* tmpfs .*size=1024k.*mode=700/);
    assert.match(mounts, / \/ro ro,nosuid,nodev,noexec/);
    assert.match(mounts, /plum\n.*Read-only file system/);
    assert.equal(readFileSync(join(shared, 'made'), 'utf8'), 'new\n');
    const named = await podman.sh(
      'echo 1 > /data/x; ls /data',
      '--mount',
      'type=volume,source=v,target=/data',
    );
    assert.equal(named, 'x');
    await podman.ok('volume', 'rm', 'v');
  });

  test('--device, --sysctl, --hostname, --ulimit, --oom-score-adj, --shm-size, --umask', async () => {
    await using podman = await Podman.make();
    const options = [
      ...['--device', '/dev/fuse:/dev/melted:r', '--sysctl', 'kernel.msgmax=4096', '--hostname', 'plank'],
      ...[
        '--ulimit',
        'nofile=99:100',
        '--ulimit',
        'nproc=512:512',
        '--oom-score-adj',
        '321',
        '--shm-size',
        '2m',
        '--umask',
        '0027',
      ],
    ];
    const said = await podman.sh(
      'ls -l /dev/melted; cat /proc/sys/kernel/msgmax; hostname; ulimit -n; ulimit -Hn; cat /proc/self/oom_score_adj;' +
        'grep " /dev/shm " /proc/mounts; umask; (echo > /dev/melted) 2>&1; true',
      ...options,
    );
    const [device, msgmax, hostname, soft, hard, score, shm, umask, write] = said.split('\n');
    assert.match(device!, /^crw.* 10, 229 /);
    assert.deepEqual(
      [msgmax, hostname, soft, hard, score, umask],
      ['4096', 'plank', '99', '100', '321', '0027'],
    );
    assert.match(shm!, /size=2048k/);
    assert.match(write!, /not permitted/);
  });

  test('--userns: a mapping given, and one chosen from subordinate ids', async () => {
    await using podman = await Podman.make();
    const mapping = ['--uidmap', '0:300000:5000', '--gidmap', '0:300000:5000'];
    const script = 'cat /proc/self/uid_map; id -u; touch /x; stat -c %u /x /proc/1; cat /dev/null';
    assert.deepEqual((await podman.sh(script, ...mapping)).split(/\s+/).filter(Boolean), [
      ...['0', '300000', '5000', '0', '0', '0'],
    ]);
    const auto = await podman.sh(script, '--userns', 'auto:size=1024');
    assert.match(auto, new RegExp(`^\\s*0\\s+${SUBORDINATE.first}\\s+1024\n0\n0\n0$`));
    await podman.detached('u', POLITE, ...mapping);
    const pid = Number(await podman.inspect('u', '.State.Pid'));
    assert.match(readFileSync(`/proc/${pid}/status`, 'utf8'), /^Uid:\s+300000/m);
    assert.equal(await podman.ok('exec', '--user', 'app', 'u', 'id', '-u'), '1000');
  });

  test('namespaces: host, shared with another container, private', async () => {
    await using podman = await Podman.make();
    await podman.detached('a', POLITE);
    const inode = (pid: string, kind: string): Promise<string> =>
      podman.host.ok(['readlink', `/proc/${pid}/ns/${kind}`]);
    const pid = await podman.inspect('a', '.State.Pid');
    const shared = await podman.sh(
      'readlink /proc/self/ns/ipc; ps | grep -c "sleep 0.05"; readlink /proc/self/ns/uts',
      ...['--ipc', 'container:a', '--pid', 'container:a', '--uts', 'host', '--cgroupns', 'private'],
    );
    const [ipc, sleeping, uts] = shared.split('\n');
    assert.equal(ipc, await inode(pid, 'ipc'));
    assert.ok(Number(sleeping) >= 1, shared);
    assert.equal(uts, await inode('self', 'uts'));
    assert.equal(await podman.sh('readlink /proc/self/ns/pid', '--pid', 'host'), await inode('self', 'pid'));
  });

  test('--init reaps and passes signals on', async () => {
    await using podman = await Podman.make();
    assert.match(await podman.sh('cat /proc/1/cmdline | tr "\\0" " "', '--init'), /^\/\S*init /);
    await podman.detached('a', POLITE, '--init');
    await podman.ok('stop', '--time', '20', 'a');
    assert.equal(await podman.inspect('a', '.State.ExitCode'), '9');
  });

  test('--rootfs, and a hook of an engine', async () => {
    await using podman = await Podman.make();
    const hooks = join(podman.host.dir, 'hooks');
    const note = join(podman.host.dir, 'note');
    await podman.host.ok(['mkdir', '-p', hooks]);
    const hook = {
      version: '1.0.0',
      hook: { path: '/bin/sh', args: ['sh', '-c', `cat > ${note}`] },
      when: { always: true },
      stages: ['prestart'],
    };
    writeFileSync(join(hooks, 'note.json'), JSON.stringify(hook));
    const ran = await podman.host.run([
      ...podman.command(['--hooks-dir', hooks, 'run', '--rm', '--cgroup-parent', podman.host.cgroupParent]),
      ...['--rootfs', join(podman.host.dir, 'image/lower'), 'sh', '-c', 'ls -d /etc; exit 2'],
    ]);
    assert.deepEqual([ran.code, ran.stdout], [2, '/etc\n'], ran.stderr);
    const state = JSON.parse(readFileSync(note, 'utf8')) as { status: string; pid: number; bundle: string };
    assert.ok(state.pid > 1 && existsSync(note) && state.bundle.startsWith('/'), JSON.stringify(state));
  });
});

describe('podman pod', () => {
  test('members share namespaces with an infra container; stop and rm take all', async () => {
    await using podman = await Podman.make();
    const parent = ['--cgroup-parent', podman.host.cgroupParent];
    const options = ['--name', 'p', '--network', 'none', ...parent, '--infra-command', '/pause'];
    await podman.ok('pod', 'create', ...options);
    for (const name of ['one', 'two']) {
      await podman.ok('run', '-d', '--pod', 'p', '--name', name, IMAGE, 'sh', '-c', POLITE);
    }
    const spaces = async (name: string): Promise<string[]> => {
      const pid = await podman.inspect(name, '.State.Pid');
      const kinds = ['net', 'ipc', 'uts', 'mnt'].map((kind) => `/proc/${pid}/ns/${kind}`);
      return (await podman.host.ok(['readlink', ...kinds])).split('\n');
    };
    const [one, two] = [await spaces('one'), await spaces('two')];
    assert.deepEqual(one.slice(0, 3), two.slice(0, 3));
    assert.notEqual(one[3], two[3]);
    assert.match(await podman.ok('pod', 'ps', '--format', '{{.Name}} {{.Status}}'), /^p Running/);
    await podman.ok('pod', 'stop', '--time', '20', 'p');
    assert.equal(await podman.inspect('one', '.State.ExitCode'), '9');
    await podman.ok('pod', 'rm', 'p');
    assert.equal(await podman.ok('ps', '--all', '--quiet'), '');
  });
});
