/** The command from its line to the kernel: what a person types, and what is there then. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { eventually } from '../fixtures/eventually.ts';
import type { ProcessConfig, RuntimeConfig } from '../../src/container/spec/runtime-config.ts';
import { OciCommand } from '../fixtures/oci-command.ts';

const WAIT = 'echo ready; while :; do sleep 0.05; done';

describe('a container', () => {
  test('is created, started, signalled, deleted', async () => {
    await using oci = new OciCommand();
    const bundle = oci.bundle(
      'trap "exit 9" TERM; echo up > /tmp/up; while :; do sleep 0.05; done',
      (config) => ({
        ...config,
        root: { ...config.root!, readonly: false },
      }),
    );
    await oci.ok('create', '--bundle', bundle, '--pid-file', 'web.pid', 'web');
    const { status, pid } = await oci.state('web');
    assert.equal(status, 'created');
    assert.equal(readFileSync(join(oci.dir, 'web.pid'), 'utf8'), String(pid));
    const own = readlinkSync('/proc/self/ns/mnt');
    assert.notEqual(readlinkSync(`/proc/${pid}/ns/mnt`), own);
    assert.ok(oci.processes().includes(pid));
    assert.match(await oci.refused(1, 'create', '--bundle', bundle, 'web'), /already exists/);
    await oci.ok('start', 'web');
    await eventually('the program', () => existsSync(`/proc/${pid}/root/tmp/up`));
    assert.equal((await oci.state('web')).status, 'running');
    assert.match(await oci.refused(1, 'start', 'web'), /already running/);
    assert.match(await oci.refused(1, 'delete', 'web'), /not stopped/);
    await oci.ok('kill', 'web');
    await oci.untilStatus('web', 'stopped');
    assert.match(await oci.refused(1, 'kill', 'web'), /not running/);
    await oci.ok('delete', 'web');
    assert.match(await oci.refused(1, 'state', 'web'), /does not exist/);
    assert.deepEqual([oci.ids(), oci.cgroups(), oci.processes()], [[], [], []]);
  });

  test('without a mount namespace leaves nothing mounted on the host, also when its creation fails', async () => {
    await using oci = new OciCommand();
    const onHost = (change: Partial<ProcessConfig>) => (config: RuntimeConfig) => {
      const { maskedPaths: _masked, readonlyPaths: _readonly, namespaces = [], ...linux } = config.linux!;
      return {
        ...config,
        root: { ...config.root!, readonly: false },
        process: { ...config.process!, ...change },
        linux: { ...linux, namespaces: namespaces.filter(({ type }) => type !== 'mount') },
      };
    };
    const mounts = (): string[] =>
      readFileSync('/proc/self/mountinfo', 'utf8')
        .split('\n')
        .filter((line) => line.includes(oci.dir));
    assert.equal(await oci.ok('run', '--bundle', oci.bundle('echo hello', onHost({})), 'bare'), 'hello\n');
    assert.deepEqual(mounts(), []);
    const missing = oci.bundle('true', onHost({ args: ['/no/such/program'] }));
    await oci.refused(1, 'run', '--bundle', missing, 'gone');
    assert.deepEqual(mounts(), []);
  });

  test('in the foreground passes streams, exit codes and signals on, and is gone then', async () => {
    await using oci = new OciCommand();
    const script = 'read line; echo "got $line"; echo oops >&2; exit 7';
    const ran = await oci.run(['run', '--bundle', oci.bundle(script), 'one'], { input: 'plum\n' });
    assert.deepEqual(ran, { code: 7, stdout: 'got plum\n', stderr: 'oops\n' });
    const trapped = oci.start([
      'run',
      '--bundle',
      oci.bundle(`trap "echo bye; exit 3" TERM; ${WAIT}`),
      'three',
    ]);
    await eventually('it to run', () => oci.ids().includes('three') && oci.processes().length > 0);
    await oci.untilStatus('three', 'running');
    await eventually('its trap', () => {
      const [pid] = oci.processes();
      return /^SigCgt:\s+\w*[4-7c-f]\w{3}$/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
    });
    process.kill(trapped.pid, 'SIGTERM');
    assert.equal((await trapped.ended).code, 3);
    assert.deepEqual([oci.ids(), oci.cgroups()], [[], []]);
  });

  test('that cannot be made says why, and leaves nothing', async () => {
    await using oci = new OciCommand();
    const wrong = oci.bundle('true', (config) => ({
      ...config,
      process: { ...config.process!, args: ['no-such-program'] },
    }));
    assert.match(
      await oci.refused(1, 'run', '--bundle', wrong, 'web'),
      /executable file not found in \$PATH/,
    );
    const invalid = oci.bundle('true', (config) => ({ ...config, hostname: 7 as unknown as string }));
    assert.match(await oci.refused(1, 'create', '--bundle', invalid, 'web'), /hostname/);
    assert.deepEqual([oci.ids(), oci.cgroups(), oci.processes()], [[], [], []]);
  });

  test('runs its hooks, with the state on stdin', async () => {
    await using oci = new OciCommand();
    const note = join(oci.dir, 'notes');
    const hook = (stage: string) => [
      { path: '/bin/sh', args: ['sh', '-c', `echo "${stage} $(cat)" >> ${note}`] },
    ];
    const stages = ['prestart', 'createRuntime', 'poststart', 'poststop'] as const;
    const hooks = Object.fromEntries(stages.map((stage) => [stage, hook(stage)]));
    const bundle = oci.bundle('sleep 0.2', (config) => ({ ...config, hooks, annotations: { a: 'b' } }));
    await oci.ok('run', '--bundle', bundle, 'web');
    const notes = readFileSync(note, 'utf8').trim().split('\n');
    const said = notes.map((line) => {
      const [stage = '', ...rest] = line.split(' ');
      return { stage, state: JSON.parse(rest.join(' ')) as { status: string; pid: number; id: string } };
    });
    assert.deepEqual(
      said.map(({ stage, state }) => [stage, state.status, state.id, state.pid > 0]),
      [
        ['prestart', 'created', 'web', true],
        ['createRuntime', 'creating', 'web', true],
        ['poststart', 'running', 'web', true],
        ['poststop', 'stopped', 'web', false],
      ],
    );
  });

  test('is paused, and goes on', async () => {
    await using oci = new OciCommand();
    const bundle = oci.bundle('i=0; while :; do i=$((i+1)); echo $i > /i; sleep 0.02; done', (config) => ({
      ...config,
      root: { ...config.root!, readonly: false },
    }));
    await oci.ok('run', '--detach', '--bundle', bundle, 'web');
    const { pid } = await oci.state('web');
    const count = (): string => readFileSync(`/proc/${pid}/root/i`, 'utf8');
    await eventually('the counter', () => existsSync(`/proc/${pid}/root/i`));
    await oci.ok('pause', 'web');
    const before = count();
    assert.equal((await oci.state('web')).status, 'paused');
    assert.match(await oci.refused(255, 'exec', 'web', 'true'), /paused container/);
    assert.equal(count(), before);
    await oci.ok('resume', 'web');
    await eventually('the counter to move', () => count() !== before);
    await oci.ok('pause', 'web');
    await oci.ok('delete', '--force', 'web');
  });

  test('has processes, statistics and limits that change', async () => {
    await using oci = new OciCommand();
    await oci.ok('run', '--detach', '--bundle', oci.bundle(WAIT), 'web');
    const { pid } = await oci.state('web');
    assert.ok((JSON.parse(await oci.ok('ps', '--format', 'json', 'web')) as number[]).includes(pid));
    assert.match(await oci.ok('ps', 'web'), new RegExp(`^UID .*PID.*\n(.*\n)*\\S+ +${pid} `));
    assert.match(
      await oci.ok('ps', 'web', '-o', 'pid,comm'),
      new RegExp(`^ *PID COMMAND\n(.*\n)* *${pid} sh\n`),
    );
    await oci.ok('update', '--memory', '64m', '--pids-limit', '50', 'web');
    const input = JSON.stringify({ cpu: { shares: 333 } });
    assert.equal((await oci.run(['update', '--resources', '-', 'web'], { input })).code, 0);
    const event = JSON.parse(await oci.ok('events', '--stats', 'web')) as {
      type: string;
      data: { memory: { usage: { limit: number } }; pids: { limit: number; current: number } };
    };
    assert.equal(event.type, 'stats');
    assert.deepEqual([event.data.memory.usage.limit, event.data.pids.limit], [64 << 20, 50]);
    const watching = oci.start(['events', '--interval', '50ms', 'web']);
    await eventually('some events', () => watching.output().split('\n').length > 3);
    await oci.ok('kill', 'web', 'KILL');
    const { code, stdout } = await watching.ended;
    assert.equal(code, 0);
    for (const line of stdout.trim().split('\n'))
      assert.equal((JSON.parse(line) as { id: string }).id, 'web');
  });

  test('lists with others, each with its state', async () => {
    await using oci = new OciCommand();
    await Promise.all([
      oci.ok('create', '--bundle', oci.bundle(WAIT), 'a'),
      oci.ok('run', '-d', '--bundle', oci.bundle(WAIT), 'b'),
      oci.ok('run', '--keep', '--bundle', oci.bundle('true'), 'c'),
    ]);
    const listed = JSON.parse(await oci.ok('list', '--format', 'json')) as { id: string; status: string }[];
    assert.deepEqual(
      listed.map(({ id, status }) => [id, status]),
      [
        ['a', 'created'],
        ['b', 'running'],
        ['c', 'stopped'],
      ],
    );
  });
});

describe('exec', () => {
  test('runs in the container, with its own streams and exit code', async () => {
    await using oci = new OciCommand();
    await oci.ok('run', '-d', '--bundle', oci.bundle(WAIT), 'web');
    const { pid } = await oci.state('web');
    const ran = await oci.run(
      ['exec', '--env', 'A=b', '--user', '5:6', 'web', 'sh', '-c', 'read x; echo $x $A; id -u; exit 4'],
      {
        input: 'in\n',
      },
    );
    assert.deepEqual(ran, { code: 4, stdout: 'in b\n5\n', stderr: '' });
    const links = 'for kind in mnt pid net; do readlink /proc/self/ns/$kind; done';
    const inside = await oci.ok('exec', 'web', 'sh', '-c', links);
    const spaces = ['mnt', 'pid', 'net'].map((kind) => readlinkSync(`/proc/${pid}/ns/${kind}`));
    assert.deepEqual(inside.trim().split('\n'), spaces);
    assert.match(await oci.refused(255, 'exec', 'web', 'no-such'), /executable file not found/);
    await oci.ok('exec', '--detach', '--pid-file', 'job.pid', 'web', 'sleep', '1000');
    const job = Number(readFileSync(join(oci.dir, 'job.pid'), 'utf8'));
    assert.ok(oci.processes().includes(job));
    const file = join(oci.dir, 'process.json');
    writeFileSync(file, JSON.stringify({ user: { uid: 0, gid: 0 }, cwd: '/etc', args: ['/bin/pwd'] }));
    assert.equal(await oci.ok('exec', '--process', file, 'web'), '/etc\n');
    await oci.ok('delete', '--force', 'web');
    assert.deepEqual(oci.processes(), []);
  });
});
