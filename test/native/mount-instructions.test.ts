import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { randomBytes } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { before, test } from 'node:test';
import {
  type Instruction,
  type Propagation,
  step,
} from '../../src/container/runtime/program/instructions.ts';
import { buildSanitized, SanitizedRunner } from '../fixtures/sanitized-runner.ts';

before(buildSanitized);

const MS = { ro: 1, nosuid: 2, nodev: 4, noexec: 8, remount: 32, noatime: 1024, private: 1 << 18 };
const ATTR_RDONLY = '1';
const ATTR_NOEXEC = '8';
const tmpfs = (path: string, flags = 0, data = ''): Instruction =>
  step('mount', 'tmpfs', 'tmpfs', path, String(flags), data);

/** Options of the mount at a path, of the mount and of its file system (proc(5)). */
function optionsOf(mountinfo: string, path: string): [mount: string, system: string] {
  const fields = mountinfo
    .split('\n')
    .map((line) => line.split(' '))
    .findLast((line) => line[4] === path);
  assert.ok(fields !== undefined, `${path} in ${mountinfo}`);
  return [fields[5]!, fields.at(-1)!];
}

test('flags and options of a mount; a tmpfs has the mode of what it covers', async () => {
  await using box = new SanitizedRunner();
  mkdirSync(join(box.root, 'kept'));
  chmodSync(join(box.root, 'kept'), 0o2751);
  const { stdout } = await box.run(
    'cat /proc/self/mountinfo; stat -c %a /kept /given /made /made/sub; touch /ro/x 2>&1',
    {
      inside: [
        tmpfs('/kept', MS.nosuid | MS.noatime, 'size=64k'),
        tmpfs('/given', 0, 'size=64k,mode=700'),
        tmpfs('/made/sub', MS.nodev | MS.noexec),
        tmpfs('/ro', MS.ro),
        tmpfs('/again', 0, 'size=64k'),
        tmpfs('/again', MS.remount | MS.ro, 'size=128k'),
      ],
    },
  );
  assert.deepEqual(optionsOf(stdout, '/kept'), ['rw,nosuid,noatime', 'rw,size=64k,mode=2751']);
  assert.deepEqual(optionsOf(stdout, '/made/sub')[0], 'rw,nodev,noexec,relatime');
  assert.deepEqual(optionsOf(stdout, '/again'), ['ro,relatime', 'ro,size=128k']);
  assert.match(stdout, /\n2751\n700\n755\n1777\n.*Read-only file system/);
});

test('what a mount is refused for', async () => {
  await using box = new SanitizedRunner();
  const refused: readonly (readonly [Instruction, RegExp])[] = [
    [
      step('mount', 'no-such-fs', 'x', '/x', '0', ''),
      /^mount no-such-fs at \/x in the container: No such device$/,
    ],
    [tmpfs('/x', 0, 'size=lots'), /^mount tmpfs at \/x in the container: Invalid argument$/],
    [step('mount', 'tmpfs', 'x', '/x', 'ro', ''), /"ro" is not a mask/],
    [tmpfs('/bin/busybox'), /^mount point \/bin\/busybox in the container is not a folder$/],
    [tmpfs('/tmp', MS.remount), /remount \/tmp in the container: nothing is mounted there/],
    [tmpfs('/a//b'), /without empty or dot parts/],
    [tmpfs('/a/../b'), /without empty or dot parts/],
    [box.bind('/etc/passwd', '/tmp'), /^mount point \/tmp in the container is a folder/],
    [box.bind('/no/such/source', '/x'), /^bind mount source \/no\/such\/source: No such file or directory$/],
    [step('attach', '7', '/x'), /slot 7 holds no tree/],
    [step('attach', '-1', '/x'), /slot -1 is not below/],
    [step('mount-attributes', '/tmp', 'one', '1', '0', '0', '0', '0'), /nothing is mounted there/],
    [step('device', 'relative', 'c', '666', '1', '3', '0', '0'), /want an absolute path/],
    [step('sysctl', '../../self/attr', 'x'), /not a path below \/proc\/sys/],
    [step('sysctl', 'kernel/no/such', 'x'), /write "x" to \/proc\/sys\/kernel\/no\/such: No such file/],
    [step('remount-readonly', '/tmp'), /nothing is mounted there/],
    [step('root-propagation', 'sideways' as Propagation), /unknown propagation sideways/],
    [tmpfs(`/${'x'.repeat(300)}`), /path of 300 bytes/],
    [tmpfs(`/${'xy/'.repeat(1500)}z`), /path of 4501 bytes/],
  ];
  for (const [instruction, message] of refused) {
    assert.match((await box.refusal({ inside: [instruction] })).message, message);
  }
});

test('bind: attributes of the top, of all, and propagation; a file on a file', async () => {
  await using box = new SanitizedRunner();
  const host = box.folder('host');
  mkdirSync(join(host, 'below'));
  writeFileSync(join(host, 'file'), 'file\n');
  const bind = (path: string, ...change: [string, string, string, string, string]): Instruction =>
    step('bind', host, path, 'rec', ...change);
  const { stdout } = await box.run('cat /proc/self/mountinfo; cat /f', {
    inside: [
      box.bind(host, '/outer'),
      tmpfs('/outer/below'),
      bind('/top', ATTR_RDONLY, '0', '0', '0', String(MS.private)),
      bind('/all', '0', '0', ATTR_NOEXEC, '0', String(MS.private | (1 << 14))),
      step('mount-attributes', '/all', 'one', ATTR_RDONLY, ATTR_NOEXEC, '0', '0', '0'),
      step('mount-attributes', '/outer', 'rec', ATTR_NOEXEC, '0', '0', '0', '0'),
      step('bind', join(host, 'file'), '/f', 'one', ATTR_RDONLY, '0', '0', '0', '0'),
    ],
  });
  const mountOptions = (path: string): string => optionsOf(stdout, path)[0];
  assert.equal(mountOptions('/top'), 'ro,relatime');
  assert.equal(mountOptions('/all'), 'ro,relatime');
  assert.equal(mountOptions('/outer'), 'rw,noexec,relatime');
  assert.equal(mountOptions('/outer/below'), 'rw,noexec,relatime');
  assert.equal(mountOptions('/f'), 'ro,relatime');
  assert.match(stdout, /\nfile\n$/);
});

test('a tmpfs with a copy of what was there', async () => {
  await using box = new SanitizedRunner();
  const data = join(box.root, 'data');
  const big = randomBytes(3 << 20);
  mkdirSync(join(data, 'sub/deep'), { recursive: true });
  writeFileSync(join(data, 'sub/deep/big'), big);
  writeFileSync(join(data, 'f'), 'hello');
  chownSync(join(data, 'f'), 5, 6);
  chmodSync(join(data, 'f'), 0o4751);
  utimesSync(join(data, 'f'), 1, 1);
  symlinkSync('/etc/shadow', join(data, 'link'));
  execFileSync('mkfifo', [join(data, 'fifo')]);
  chownSync(data, 7, 8);
  chmodSync(data, 0o2711);
  const script =
    'cd /data; stat -c "%n %u:%g %a %Y" f; stat -c "%n %u:%g %a" . ; readlink link; stat -c %F fifo link; ' +
    'sha256sum sub/deep/big; echo new > f || echo denied; stat -c %a /fresh/one';
  const { stdout } = await box.run(script, {
    inside: [
      step('mount-copy-up', '/data', String(MS.ro | MS.nosuid), 'size=8m'),
      step('mount-copy-up', '/fresh/one', '0', ''),
    ],
  });
  const hash = execFileSync('sha256sum', { input: big, encoding: 'utf8' }).slice(0, 64);
  assert.deepEqual(stdout.trim().split('\n'), [
    'f 5:6 4751 1',
    '. 7:8 2711',
    '/etc/shadow',
    'fifo',
    'symbolic link',
    `${hash}  sub/deep/big`,
    'denied',
    '1777',
  ]);
  assert.equal(readFileSync(join(data, 'f'), 'utf8'), 'hello');
  const { errno, message } = await box.refusal({ inside: [step('mount-copy-up', '/data', '0', 'size=64k')] });
  assert.deepEqual([errno, message], ['ENOSPC', 'copy big in /data: No space left on device']);
});

test('devices: kinds, mode, owner; the one that is there already, and another one', async () => {
  await using box = new SanitizedRunner();
  const device = (path: string, type: 'c' | 'b' | 'p', ...numbers: number[]): Instruction => ({
    opcode: 'device',
    args: [path, type, '640', ...numbers.map(String)],
  });
  const all = [
    device('/dev/deep/zero', 'c', 1, 5, 10, 20),
    device('/dev/loop', 'b', 7, 0, 0, 0),
    device('/dev/pipe', 'p', 0, 0, 3, 0),
  ];
  const { stdout } = await box.run('stat -c "%F %t:%T %a %u:%g" /dev/deep/zero /dev/loop /dev/pipe', {
    inside: [...all, ...all],
  });
  assert.equal(
    stdout,
    'character special file 1:5 640 10:20\nblock special file 7:0 640 0:0\nfifo 0:0 640 3:0\n',
  );
  const inside = [all[0]!, device('/dev/deep/zero', 'c', 1, 7, 0, 0)];
  assert.equal((await box.refusal({ inside })).errno, 'EEXIST');
});

test('a user namespace: trees of the parent’s, mapped ids, devices and sysfs of the host', async () => {
  await using box = new SanitizedRunner();
  const host = box.folder('host');
  writeFileSync(join(host, 'file'), 'file\n');
  chownSync(join(host, 'file'), 5, 6);
  const tree = (slot: string): Instruction =>
    step('tree', slot, host, 'rec', '0', '0', ATTR_RDONLY, '0', '0');
  // A user namespace's root is somebody else to the host, and has to get to what it owns.
  chmodSync(box.dir, 0o711);
  execFileSync('chown', ['-R', '100000:100000', box.root]);
  const { stdout, stderr } = await box.run(
    'stat -c %u:%g /plain/file /mapped/file /other/file; echo x > /mapped/x || echo denied; ' +
      'stat -c "%F %t:%T" /dev/null; echo x > /dev/null && echo null; ls -d /sys/kernel; id -u',
    {
      parent: [
        step('id-map', 'uid', 'file', '0', '100000', '65536'),
        step('id-map', 'gid', 'file', '0', '100000', '65536'),
        tree('0'),
        tree('1'),
        step('tree-id-map', '1', 'one', 'map', '0 100000 65536', '0 100000 65536'),
        tree('20'),
        step('tree-id-map', '20', 'rec', 'map', '0 100007 1 5 100001 2', '0,100000,10'),
      ],
      kinds: ['user', 'pid', 'mnt', 'uts', 'ipc'],
      inside: [
        step('attach', '0', '/plain'),
        step('attach', '1', '/mapped'),
        step('attach', '20', '/other'),
        step('mount', 'sysfs', 'sysfs', '/sys', String(MS.ro), ''),
        step('mask', '/proc/keys', ''),
        step('readonly', '/proc/sys'),
      ],
    },
  );
  assert.equal(
    stdout,
    '65534:65534\n5:6\n1:6\ndenied\ncharacter special file 1:3\nnull\n/sys/kernel\n0\n',
    stderr,
  );
  const bad = [tree('0'), step('tree-id-map', '0', 'one', 'map', '0 0', '0 0 1')];
  assert.match(
    (await box.refusal({ parent: bad })).message,
    /write the mapping "0 0" to \/proc\/\d+\/uid_map/,
  );
  const notNamespace = [tree('0'), step('tree-id-map', '0', 'one', 'namespace', '/etc/passwd')];
  assert.match((await box.refusal({ parent: notNamespace })).message, /map the ids of the mount in slot 0/);
  assert.match(
    (await box.refusal({ parent: [step('tree', '0', '/no/such', 'one', '0', '0', '0', '0', '0')] })).message,
    /mount source \/no\/such/,
  );
});

/** The fixture's program with another propagation of what is found. */
function propagating(program: readonly Instruction[], kind: Propagation): Instruction[] {
  return program.map((each) => (each.opcode === 'propagation' ? step('propagation', kind) : each));
}

for (const kind of ['shared', 'rshared', 'slave', 'rslave', 'private', 'rprivate', 'runbindable'] as const) {
  test(`nothing is mounted on a host whose mounts are shared: ${kind}`, async () => {
    await using box = new SanitizedRunner();
    const folder = box.folder('state');
    const prefix = ['unshare', '--mount', '--propagation', 'shared'];
    await using front = box.start({ prefix });
    const inside = [tmpfs('/vol'), box.bind(box.folder('host'), '/vol/below')];
    const program = box.container(folder, ['cat', '/proc/self/mountinfo'], {
      inside,
      identity: [step('root-propagation', kind), step('ids', '0', '0', 'set-groups')],
    });
    await front.make(propagating(program, kind));
    assert.ok(!readFileSync(`/proc/${front.pid}/mountinfo`, 'utf8').includes(box.dir));
    assert.equal(await box.begin(folder), '');
    assert.equal(await front.wait(), 0);
    await front.exit(0);
    const root = front.stdout.split('\n').find((line) => line.split(' ')[4] === '/')!;
    assert.equal(/ shared:\d/.test(root), kind.endsWith('shared'), root);
    assert.equal(/ unbindable /.test(root), kind.endsWith('unbindable'), root);
  });
}

test('a root on top of the host’s, without pivot: no procfs of the host’s below it', async () => {
  await using box = new SanitizedRunner();
  const folder = box.folder('state');
  await using front = box.start();
  const program = box
    .container(folder, ['sh', '-c', 'pwd; ls /bin/busybox; ls /proc/self/exe; cat /proc/self/mountinfo'])
    .map((each) => (each.opcode === 'pivot' ? step('move-root') : each));
  await front.make(program);
  assert.equal(await box.begin(folder), '');
  assert.equal(await front.wait(), 0, front.stderr);
  await front.exit(0);
  assert.match(front.stdout, /^\/\n\/bin\/busybox\n\/proc\/self\/exe\n/);
  assert.equal(front.stdout.match(/ - proc /g)?.length, 1);
});
