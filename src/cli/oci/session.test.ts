import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { type FakeFront, FakeOci } from '../../../test/fixtures/oci-fakes.ts';
import { PlatformError } from '../../base/errors.ts';
import { COMMANDS } from './commands.ts';
import { serveRequest } from './session.ts';

interface Said {
  readonly code: number;
  readonly out: string;
  readonly errors: string;
  readonly front: FakeFront;
}

async function ask(
  oci: FakeOci,
  argv: readonly string[],
  prepare?: (front: FakeFront) => void,
): Promise<Said> {
  const front = oci.front({ argv: ['--root', oci.root, ...argv] });
  prepare?.(front);
  const code = await serveRequest({ host: () => oci.host, version: '1.2.3' }, front);
  return { code, out: front.text(1), errors: front.text(2), front };
}

const MESSAGE = /^time="\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ" level=error msg="?(.*?)"?\n$/s;

function complaint({ errors }: Said): string {
  const [, message = `not a line of the log: ${errors}`] = MESSAGE.exec(errors) ?? [];
  return message.replaceAll('\\"', '"');
}

describe('the command line', () => {
  test('says its version as tools read it', async () => {
    using oci = new FakeOci();
    for (const flag of ['--version', '-v']) {
      const { code, out } = await ask(oci, [flag]);
      assert.equal(code, 0);
      assert.match(out, /^sampan-oci version 1\.2\.3\nspec: 1\.2\.0\n/);
    }
  });

  test('helps, with an example for every command', async () => {
    using oci = new FakeOci();
    for (const argv of [[], ['--help'], ['help'], ['-h']]) {
      const { code, out } = await ask(oci, argv);
      assert.equal(code, 0);
      for (const { name, summary } of COMMANDS)
        assert.match(out, new RegExp(`   ${name} +${summary.slice(0, 20)}`));
    }
    for (const { name, flags } of COMMANDS) {
      const { code, out } = await ask(oci, [name, '--help']);
      assert.equal(code, 0, name);
      assert.match(out, /EXAMPLES:\n {3}sampan-oci /, name);
      for (const flag of flags) assert.ok(out.includes(`--${flag.name}`), `${name} --${flag.name}`);
      assert.equal((await ask(oci, ['help', name])).out, out);
    }
  });

  test('has every command and option of runc 1.1', () => {
    const wanted: Record<string, string> = {
      create: 'bundle console-socket pid-file no-pivot no-new-keyring preserve-fds',
      run: 'bundle console-socket detach keep pid-file no-subreaper no-pivot no-new-keyring preserve-fds',
      exec:
        'console-socket cwd env tty user additional-gids process detach pid-file process-label apparmor' +
        ' no-new-privs cap preserve-fds cgroup ignore-paused',
      kill: 'all',
      delete: 'force',
      ps: 'format',
      list: 'format quiet',
      events: 'interval stats',
      spec: 'bundle rootless',
      checkpoint:
        'image-path work-path parent-path leave-running tcp-established ext-unix-sk shell-job lazy-pages status-fd' +
        ' page-server file-locks pre-dump manage-cgroups-mode empty-ns auto-dedup',
      restore:
        'console-socket image-path work-path tcp-established ext-unix-sk shell-job file-locks manage-cgroups-mode' +
        ' bundle detach pid-file no-subreaper no-pivot empty-ns auto-dedup lazy-pages lsm-profile lsm-mount-context',
      update:
        'resources blkio-weight cpu-period cpu-quota cpu-share cpu-rt-period cpu-rt-runtime cpuset-cpus cpuset-mems' +
        ' memory memory-reservation memory-swap pids-limit l3-cache-schema mem-bw-schema',
      ...Object.fromEntries(['start', 'state', 'pause', 'resume', 'features'].map((name) => [name, ''])),
    };
    for (const [name, flags] of Object.entries(wanted)) {
      const command = COMMANDS.find((each) => each.name === name);
      assert.ok(command, name);
      for (const flag of flags.split(' ').filter(Boolean)) {
        assert.ok(
          command.flags.some((each) => each.name === flag),
          `${name} --${flag}`,
        );
      }
    }
  });

  // What runc 1.1.5 says, and its exit codes.
  const refused: [line: string, code: number, message: string][] = [
    ['state nope', 1, 'container does not exist'],
    ['start nope', 1, 'container does not exist'],
    ['kill nope', 1, 'container does not exist'],
    ['delete nope', 1, 'container does not exist'],
    ['pause nope', 1, 'container does not exist'],
    ['exec nope true', 255, 'exec failed: container does not exist'],
    ['kill nope FOO', 1, 'unknown signal "FOO"'],
    ['create -b /nowhere x', 1, 'sampan-oci create failed: bundle /nowhere: no such file or directory'],
    ['list -f foo', 1, 'invalid format option'],
    ['--log-format foo list', 1, 'invalid log-format: foo'],
    ['--rootless perhaps list', 1, '--rootless: "perhaps"; want true, false or auto'],
    ['events --interval 0 x', 1, 'duration interval must be greater than 0'],
    ['update --memory x web', 1, "invalid value for memory: invalid size: 'x'"],
  ];
  for (const [line, code, message] of refused) {
    test(`${line}: ${code}, ${message}`, async () => {
      using oci = new FakeOci();
      const said = await ask(oci, line.split(' '));
      assert.deepEqual([said.code, complaint(said), said.out], [code, message, '']);
    });
  }

  test('says how a command is used when it is used otherwise', async () => {
    using oci = new FakeOci();
    const cases: [line: string, first: string, message: string][] = [
      ['create', 'Incorrect Usage.', 'sampan-oci: "create" requires exactly 1 argument(s)'],
      ['state a b', 'Incorrect Usage.', 'sampan-oci: "state" requires exactly 1 argument(s)'],
      ['exec', 'Incorrect Usage.', 'sampan-oci: "exec" requires a minimum of 1 argument(s)'],
      ['kill a b c', 'Incorrect Usage.', 'sampan-oci: "kill" requires a maximum of 2 argument(s)'],
      [
        'create --nope x',
        'Incorrect Usage: flag provided but not defined: -nope',
        'flag provided but not defined: -nope',
      ],
    ];
    for (const [line, first, message] of cases) {
      const said = await ask(oci, line.split(' '));
      assert.equal(said.code, 1);
      assert.equal(said.out.split('\n')[0], first);
      assert.match(said.out, /USAGE:\n {3}sampan-oci/);
      assert.equal(complaint(said), message);
    }
    assert.equal((await ask(oci, ['frobnicate'])).code, 3);
    assert.equal((await ask(oci, ['--nope'])).code, 1);
  });

  test('succeeds to delete what is not there by force', async () => {
    using oci = new FakeOci();
    const { code, out, errors } = await ask(oci, ['delete', '--force', 'nope']);
    assert.deepEqual([code, out, errors], [0, '', '']);
  });
});

describe('a log file', () => {
  test('gets the reason as JSON or text, and standard error the words alone', async () => {
    using oci = new FakeOci();
    const lines = {
      json: /^\{"level":"error","msg":"container does not exist","time":"\d{4}-[\dT:-]+Z"\}\n$/,
      text: /^time="\d{4}-[\dT:-]+Z" level=error msg="container does not exist"\n$/,
    };
    for (const [format, line] of Object.entries(lines)) {
      const said = await ask(oci, ['--log', `log.${format}`, '--log-format', format, 'state', 'nope']);
      assert.deepEqual([said.code, said.errors], [1, 'container does not exist\n']);
      assert.match(readFileSync(join(oci.bundle, `log.${format}`), 'utf8'), line);
    }
  });

  test('that cannot be written is said before anything is done', async () => {
    using oci = new FakeOci();
    const said = await ask(oci, ['--log', '/nowhere/log', 'create', 'web']);
    assert.equal(said.code, 1);
    assert.match(said.errors, /log file \/nowhere\/log/);
    assert.deepEqual(oci.leftovers(), []);
  });
});

describe('what is printed', () => {
  test('list and state are as runc prints them', async () => {
    using oci = new FakeOci();
    assert.equal((await ask(oci, ['list', '--format', 'json'])).out, 'null\n');
    assert.equal((await ask(oci, ['create', 'web'])).code, 0);
    const [pid] = oci.living();
    const report =
      `{"ociVersion":"1.2.0","id":"web","pid":${pid},"status":"created","bundle":"${oci.bundle}",` +
      `"rootfs":"${oci.bundle}/rootfs","created":"2026-01-02T03:04:05.67Z","owner":`;
    const owner = process.getuid?.() === 0 ? 'root' : undefined;
    const listed = (await ask(oci, ['list', '-f', 'json'])).out;
    assert.ok(listed.startsWith(`[${report}"`), listed);
    if (owner !== undefined) assert.ok(listed.endsWith('"root"}]\n'), listed);
    const state = (await ask(oci, ['state', 'web'])).out;
    assert.deepEqual(state, JSON.stringify(JSON.parse(`${report}""}`), undefined, 2));
    assert.equal((await ask(oci, ['list', '-q'])).out, 'web\n');
    const [heading, line] = (await ask(oci, ['list'])).out.split('\n');
    const width = oci.bundle.length + 3;
    assert.equal(
      heading,
      `ID          PID         STATUS      ${'BUNDLE'.padEnd(width)}CREATED                   OWNER`,
    );
    assert.match(
      line!,
      new RegExp(`^web         ${pid}     created     ${oci.bundle}   2026-01-02T03:04:05.67Z   \\S+$`),
    );
    assert.equal((await ask(oci, ['ps', '--format', 'json', 'web'])).out, `[${pid}]\n`);
  });

  test('features and spec are JSON of the specification', async () => {
    using oci = new FakeOci();
    const features = JSON.parse((await ask(oci, ['features'])).out) as {
      ociVersionMax: string;
      mountOptions: string[];
      linux: { seccomp: { actions: string[] } };
    };
    assert.equal(features.ociVersionMax, '1.2.0');
    assert.ok(
      features.mountOptions.includes('rro') && features.linux.seccomp.actions.includes('SCMP_ACT_NOTIFY'),
    );
    assert.match(complaint(await ask(oci, ['spec'])), /config\.json exists; remove it first/);
    const { code } = await ask(oci, ['spec', '-b', oci.dir, '--rootless']);
    assert.equal(code, 0);
    const config = JSON.parse(readFileSync(join(oci.dir, 'config.json'), 'utf8')) as {
      linux: { uidMappings: unknown; namespaces: { type: string }[] };
    };
    assert.deepEqual(config.linux.uidMappings, [{ containerID: 0, hostID: 0, size: 1 }]);
    assert.ok(config.linux.namespaces.some(({ type }) => type === 'user'));
  });
});

describe('exec and update', () => {
  test('change what flags say', async () => {
    using oci = new FakeOci();
    await ask(oci, ['create', 'web']);
    const line = '-d -e A=b --user 5:6 -g 7 --cwd /tmp --cap CAP_SYS_ADMIN --no-new-privs=false web sh -c -d';
    const { front, code, errors } = await ask(oci, ['exec', ...line.split(' ')]);
    assert.deepEqual([code, errors], [0, '']);
    const step = (name: string) => front.programs[0]!.find(({ opcode }) => opcode === name)?.args;
    assert.deepEqual(step('arguments'), ['sh', '-c', '-d']);
    assert.equal(step('environment')?.at(-1), 'A=b');
    assert.deepEqual(step('cwd'), ['/tmp', 'there']);
    assert.equal(step('no-new-privileges'), undefined);
    assert.deepEqual(step('ids'), ['5', '6', 'set-groups', '7']);
    assert.match(complaint(await ask(oci, ['exec', 'web'])), /process args cannot be empty/);
    assert.match(complaint(await ask(oci, ['exec', '-u', 'root', 'web', 'true'])), /--user: "root"/);
  });

  test('take files, and standard input', async () => {
    using oci = new FakeOci();
    await ask(oci, ['create', 'web']);
    const job = { user: { uid: 1, gid: 2 }, cwd: '/', args: ['job'], env: ['Z=1'] };
    writeFileSync(join(oci.bundle, 'job.json'), JSON.stringify(job));
    const { front } = await ask(oci, ['exec', '-d', '--process', 'job.json', 'web']);
    assert.deepEqual(front.programs[0]!.find(({ opcode }) => opcode === 'arguments')?.args, ['job']);
    const updated = await ask(oci, ['update', '-r', '-', 'web'], (front) => {
      front.files.set('/dev/stdin', '{"pids":{"limit":7}}');
    });
    assert.deepEqual([updated.code, updated.errors], [0, '']);
    assert.equal(oci.cgroup('/web').journal.at(-1), 'update {"pids":{"limit":7}}');
    await ask(oci, ['update', '--memory', '1.5GiB', '--cpuset-cpus', '0-1', '--cpu-quota', '-1', 'web']);
    const resources = { cpu: { quota: -1, cpus: '0-1' }, memory: { limit: 1_610_612_736 } };
    assert.equal(oci.cgroup('/web').journal.at(-1), `update ${JSON.stringify(resources)}`);
    assert.match(complaint(await ask(oci, ['update', '-r', '/nope', 'web'])), /open \/nope: no such file/);
  });
});

test('what a program cannot be executed for has the words that Podman and Docker know', async () => {
  using oci = new FakeOci();
  const failing = (errno: string, message: string) => (front: FakeFront) => {
    front.onExecute = () => {
      throw new PlatformError('not-found', message, {
        details: { opcode: 'find-program', errno, exitCode: 127 },
      });
    };
  };
  const missing = 'exec: "nope": executable file not found in $PATH';
  assert.equal(
    complaint(await ask(oci, ['create', 'web'], failing('ENOENT', missing))),
    `sampan-oci create failed: unable to start container process: ${missing}`,
  );
  const folder = await ask(oci, ['create', 'web'], failing('EISDIR', 'exec: "/bin": is a directory'));
  assert.match(complaint(folder), /"\/bin": is a directory: permission denied$/);
});

test('a bug of ours is said with its place, and is an exit code', async () => {
  using oci = new FakeOci();
  const said = await ask(oci, ['create', 'web'], (front) => {
    front.onExecute = () => (undefined as unknown as { x: () => never }).x();
  });
  assert.equal(said.code, 1);
  assert.match(said.errors, /internal error: TypeError.*session\.test\.ts/s);
  assert.deepEqual(oci.leftovers(), []);
});
