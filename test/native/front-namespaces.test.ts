import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmodSync, chownSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  type Instruction,
  type NamespaceKind,
  step,
} from '../../src/container/runtime/program/instructions.ts';
import { eventually } from '../fixtures/eventually.ts';
import { type ContainerOptions, FrontFixture, type StartOptions } from './front-fixture.ts';

const USER = 1000;

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly pid: number;
}

interface RunOptions extends ContainerOptions {
  readonly start?: StartOptions;
  /** Of the folder with the socket. */
  readonly owner?: number;
}

async function run(
  box: FrontFixture,
  script: string,
  { start = {}, owner, ...options }: RunOptions = {},
): Promise<Outcome> {
  await using front = box.start(start);
  const folder = box.folder(`state${box.processes().length}-${performance.now()}`);
  if (owner !== undefined) chownSync(folder, owner, owner);
  const pid = await front.make(box.container(folder, ['sh', '-c', script], options));
  assert.equal(await box.begin(folder), '');
  const code = await front.wait();
  await front.exit(0);
  await front.closed;
  return { code, stdout: front.stdout, pid };
}

function ns(pid: number | 'self', kind: string): string {
  return readlinkSync(`/proc/${pid}/ns/${kind}`);
}

/** A process in new namespaces of its own, to be joined. */
async function holder(...flags: readonly string[]): Promise<Disposable & { readonly pid: number }> {
  const child = spawn('unshare', [...flags, 'sleep', '100'], { stdio: 'ignore' });
  const pid = await eventually('the holder', () => {
    const children = readFileSync(`/proc/${child.pid!}/task/${child.pid!}/children`, 'latin1').trim();
    const found = flags.includes('--fork') ? Number(children) : child.pid!;
    return found > 0 && readFileSync(`/proc/${found}/comm`, 'latin1') === 'sleep\n' && found;
  });
  return {
    pid,
    [Symbol.dispose]: () => {
      process.kill(pid, 'SIGKILL');
      child.kill('SIGKILL');
    },
  };
}

test('a user namespace: maps by file, 0 in it, and it owns the others', async () => {
  await using box = new FrontFixture();
  chmodSync(box.dir, 0o755);
  const maps = [
    step('id-map', 'uid', 'file', '0', '100000', '1000', '1000', '5000', '1'),
    step('id-map', 'gid', 'file', '0', '200000', '1000', '1000', '6000', '1'),
  ];
  const { stdout } = await run(
    box,
    'id -u; id -g; cat /proc/self/uid_map /proc/self/gid_map; hostname box && hostname',
    { parent: maps, kinds: ['user', 'pid', 'mnt', 'uts', 'ipc', 'net'] },
  );
  const words = stdout.split(/\s+/).filter((word) => word !== '');
  assert.deepEqual(words, [
    ...['0', '0'],
    ...['0', '100000', '1000', '1000', '5000', '1'],
    ...['0', '200000', '1000', '1000', '6000', '1'],
    'box',
  ]);
});

test('namespaces that are joined by path: the host’s with a new user namespace, and a PID namespace', async () => {
  await using box = new FrontFixture();
  chmodSync(box.dir, 0o755);
  using other = await holder('--net', '--uts', '--ipc', '--pid', '--fork');
  const kinds = ['net', 'uts', 'ipc', 'pid'] as const;
  const script = 'for n in net uts ipc pid user; do readlink /proc/self/ns/$n; done';
  const joins = (chosen: readonly NamespaceKind[]): Instruction[] =>
    chosen.map((kind) => step('join', kind, `/proc/${other.pid}/ns/${kind}`, '0'));
  const expected = kinds.map((kind) => ns(other.pid, kind));
  const plain = await run(box, script, { parent: joins(kinds), kinds: ['mnt'] });
  assert.deepEqual(plain.stdout.trim().split('\n'), [...expected, ns('self', 'user')]);
  const withoutPid = await run(box, script, { parent: joins(['net', 'uts']), kinds: ['mnt', 'ipc', 'pid'] });
  assert.deepEqual(withoutPid.stdout.split('\n').slice(0, 2), expected.slice(0, 2));
  const user = await run(box, script, {
    parent: [
      ...joins(['net']),
      step('id-map', 'uid', 'file', '0', '0', '100000'),
      step('id-map', 'gid', 'file', '0', '0', '100000'),
    ],
    kinds: ['user', 'mnt', 'pid', 'uts', 'ipc'],
  });
  assert.equal(user.stdout.split('\n')[0], expected[0]);
  assert.notEqual(user.stdout.split('\n')[4], ns('self', 'user'));
});

test('a user namespace that is joined, with others that are made in it and one that it owns', async () => {
  await using box = new FrontFixture();
  chmodSync(box.dir, 0o755);
  using other = await holder('--user', '--map-root-user', '--net');
  const path = (kind: string): string => `/proc/${other.pid}/ns/${kind}`;
  const { stdout } = await run(
    box,
    'readlink /proc/self/ns/user; readlink /proc/self/ns/net; hostname x && hostname',
    {
      parent: [step('join', 'net', path('net'), '0'), step('join', 'user', path('user'), '0')],
      kinds: ['mnt', 'pid', 'uts', 'ipc'],
      identity: [step('ids', '0', '0', 'keep-groups')],
    },
  );
  assert.deepEqual(stdout.trim().split('\n'), [ns(other.pid, 'user'), ns(other.pid, 'net'), 'x']);
});

test('a namespace with another inode, none, and one of another kind', async () => {
  await using box = new FrontFixture();
  await using front = box.start();
  const inode = /\d+/.exec(ns('self', 'net'))![0];
  const stale = await front.execute([step('join', 'net', '/proc/self/ns/net', String(Number(inode) + 1))]);
  assert.ok(stale?.verb === 'error' && stale.errno === 'ESTALE', JSON.stringify(stale));
  const none = await front.execute([step('join', 'net', '/proc/self/ns/no', '0')]);
  assert.ok(none?.verb === 'error' && none.errno === 'ENOENT' && none.opcode === 'join');
  for (const kind of ['net', 'pid'] as const) {
    // By init itself, and by the stage.
    await using another = box.start();
    const wrong = await another.execute([
      step('join', kind, '/proc/self/ns/uts', '0'),
      step('clone'),
      step('enter'),
      step('exec'),
    ]);
    assert.ok(wrong?.verb === 'error' && wrong.errno === 'EINVAL', JSON.stringify(wrong));
    assert.deepEqual([wrong.number, wrong.opcode], [1, 'join']);
  }
});

test('a time namespace with offsets, also in a new user namespace', async () => {
  await using box = new FrontFixture();
  chmodSync(box.dir, 0o755);
  const offsets = [
    step('time-offset', 'boottime', '864000', '0'),
    step('time-offset', 'monotonic', '3600', '5'),
  ];
  const uptime = (): number => Number(readFileSync('/proc/uptime', 'latin1').split(' ')[0]);
  const script = 'cat /proc/uptime; cat /proc/self/timens_offsets';
  const plain = await run(box, script, { parent: offsets, kinds: ['time', 'pid', 'mnt'] });
  assert.ok(Math.abs(Number(plain.stdout.split(' ')[0]) - uptime() - 864_000) < 20, plain.stdout);
  assert.match(plain.stdout, /monotonic\s+3600\s+5\nboottime\s+864000\s+0\n/);
  const user = await run(box, script, {
    parent: [
      ...offsets,
      step('id-map', 'uid', 'file', '0', '0', '10'),
      step('id-map', 'gid', 'file', '0', '0', '10'),
    ],
    kinds: ['user', 'time', 'pid', 'mnt'],
  });
  assert.ok(Math.abs(Number(user.stdout.split(' ')[0]) - uptime() - 864_000) < 20, user.stdout);
  await using front = box.start();
  const wrong = await front.execute([
    step('time-offset', 'monotonic', '-99999999', '0'),
    step('clone', 'time'),
  ]);
  assert.ok(
    wrong?.verb === 'error' && wrong.errno === 'ERANGE' && wrong.opcode === 'clone',
    JSON.stringify(wrong),
  );
});

test('an ordinary user: one id by file with setgroups denied, and an exec into that container', async () => {
  await using box = new FrontFixture();
  chmodSync(box.dir, 0o755);
  const parent = [
    step('deny-setgroups'),
    step('id-map', 'uid', 'file', '0', String(USER), '1'),
    step('id-map', 'gid', 'file', '0', String(USER), '1'),
  ];
  const identity = [step('ids', '0', '0', 'keep-groups')];
  const kinds = ['user', 'pid', 'mnt', 'uts', 'ipc', 'net', 'time'] as const;
  await using front = box.start({ uid: USER });
  const folder = box.folder('state');
  chownSync(folder, USER, USER);
  const options = { parent: [...parent, step('time-offset', 'boottime', '86400', '0')], identity, kinds };
  const pid = await front.make(box.container(folder, ['sleep', '100'], options));
  await box.begin(folder);
  await using other = box.start({ uid: USER });
  const script = 'id -u; for n in user pid mnt time; do readlink /proc/self/ns/$n; done';
  const outcome = await other.execute([...box.exec(pid, ['sh', '-c', script], { identity }), step('wait')]);
  assert.deepEqual(outcome, { verb: 'exited', code: 0 }, other.stderr);
  await other.exit(0);
  await other.closed;
  const expected = ['user', 'pid', 'mnt', 'time'].map((kind) => ns(pid, kind));
  assert.equal(other.stdout, `${['0', ...expected].join('\n')}\n`);
  assert.notEqual(expected[0], ns('self', 'user'));
  process.kill(pid, 'SIGKILL');
  assert.equal(await front.wait(), 137);
});

/** As that user, whom /etc/subuid and /etc/subgid grant ids from 300000 on: in a mount namespace of its own. */
function grantedUser(box: FrontFixture): StartOptions {
  const grants = join(box.dir, 'grants');
  writeFileSync(grants, `${USER}:300000:1000\n`);
  const script = `mount --bind ${grants} /etc/subuid && mount --bind ${grants} /etc/subgid && exec "$@"`;
  const user = ['setpriv', '--reuid', String(USER), '--regid', String(USER), '--clear-groups'];
  return { prefix: ['unshare', '--mount', 'sh', '-c', script, 'sh', ...user] };
}

test('maps by newuidmap and newgidmap, and what these refuse', async () => {
  await using box = new FrontFixture();
  chmodSync(box.dir, 0o755);
  const start = grantedUser(box);
  const maps = (first: number): Instruction[] => [
    step('id-map', 'uid', 'helper', '0', String(USER), '1', '1', String(first), '100'),
    step('id-map', 'gid', 'helper', '0', String(USER), '1', '1', '300000', '100'),
  ];
  const kinds = ['user', 'pid', 'mnt'] as const;
  const { stdout } = await run(box, 'cat /proc/self/uid_map; id -u', {
    start,
    owner: USER,
    parent: maps(300_000),
    kinds,
    identity: [step('ids', '7', '7', 'set-groups', '8')],
  });
  assert.match(stdout, new RegExp(`^\\s+0\\s+${USER}\\s+1\\n\\s+1\\s+300000\\s+100\\n7\\n$`));
  await using front = box.start(start);
  const refused = await front.execute([...maps(1), step('clone', ...kinds)]);
  assert.ok(refused?.verb === 'error' && refused.errno === 'EPERM', JSON.stringify(refused));
  assert.match(refused.message, /newuidmap/);
  await eventually('init to end', () => box.processes().every((pid) => pid === front.pid));
  await using poor = box.start({ uid: USER, env: { PATH: '/nowhere' } });
  const missing = await poor.execute([...maps(1), step('clone', ...kinds)]);
  assert.ok(missing?.verb === 'error' && missing.errno === 'ENOENT', JSON.stringify(missing));
  assert.match(missing.message, /newuidmap is not installed/);
});
