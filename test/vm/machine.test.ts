/** The machine is what the other tests take it for. */
import assert from 'node:assert/strict';
import { readFileSync, statfsSync, statSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { CGROUPS, DELEGATED, ok, run, USER, USER_DELEGATED } from './fixture.ts';

const CGROUP2_MAGIC = 0x63677270;
const CONTROLLERS = ['cpu', 'cpuset', 'io', 'memory', 'pids'];

function words(path: string): readonly string[] {
  return readFileSync(path, 'utf8').trim().split(/\s+/);
}

function assertAll(path: string): void {
  const found = words(path);
  assert.deepEqual(
    CONTROLLERS.filter((name) => !found.includes(name)),
    [],
    `${path} has only ${found.join(' ')}`,
  );
}

test('the kernel is 6.1 or newer', () => {
  const [major, minor] = release().split('.').map(Number);
  assert.ok(major! > 6 || (major === 6 && minor! >= 1), release());
});

test('systemd is PID 1, and nothing of it has failed', async () => {
  assert.equal(readFileSync('/proc/1/comm', 'utf8'), 'systemd\n');
  assert.equal(await ok(['systemctl', 'list-units', '--failed', '--no-legend', '--plain']), '');
});

test('cgroups are the unified tree and nothing else', () => {
  assert.equal(statfsSync(CGROUPS).type, CGROUP2_MAGIC);
  assert.doesNotMatch(readFileSync('/proc/self/mountinfo', 'utf8'), / - cgroup /);
});

test('this process is in a cgroup of its own, with every controller to hand on', () => {
  assert.equal(readFileSync('/proc/self/cgroup', 'utf8'), `0::${DELEGATED}/runner\n`);
  assertAll(join(CGROUPS, DELEGATED, 'cgroup.subtree_control'));
  assertAll(join(CGROUPS, 'cgroup.subtree_control'));
});

test('a hard limit can be raised', async () => {
  const hard = Number(await ok(['sh', '-c', 'ulimit -Hn']));
  assert.equal(
    await ok(['prlimit', `--nofile=${hard + 1}:${hard + 1}`, 'sh', '-c', 'ulimit -Hn']),
    `${hard + 1}`,
  );
});

test('the out-of-memory killer can be told to spare a process', async () => {
  assert.equal(
    await ok(['sh', '-c', 'echo -500 >/proc/self/oom_score_adj; cat /proc/self/oom_score_adj']),
    '-500',
  );
});

test('the ordinary user has subordinate ids', () => {
  for (const file of ['/etc/subuid', '/etc/subgid']) {
    assert.match(readFileSync(file, 'utf8'), new RegExp(`^${USER.name}:\\d+:65536$`, 'm'));
  }
});

test('the ordinary user has a cgroup with every controller, and runs below it', async () => {
  assert.equal(statSync(join(CGROUPS, USER_DELEGATED)).uid, USER.uid);
  assertAll(join(CGROUPS, USER_DELEGATED, 'cgroup.subtree_control'));
  const script = 'id -u; cat /proc/self/cgroup; stat -c %u /sys/fs/cgroup$(sed s/0::// /proc/self/cgroup)';
  const [uid, cgroup, owner] = (await ok(['sh', '-c', script], { as: 'sampan' })).split('\n');
  assert.equal(uid, `${USER.uid}`);
  assert.equal(cgroup, `0::${USER_DELEGATED}/leaf`);
  assert.equal(owner, `${USER.uid}`);
});

test("the ordinary user's exit codes, output and input come through", async () => {
  const ran = await run(['sh', '-c', 'cat; echo no >&2; exit 3'], { as: 'sampan', input: 'yes' });
  assert.deepEqual(ran, { code: 3, stdout: 'yes', stderr: 'no\n' });
});

test('file systems that runtimes ask for can be had', async () => {
  for (const type of ['overlay', 'fuse']) assert.equal(await ok(['modprobe', type]), '');
  assert.ok(words('/proc/filesystems').includes('overlay'));
});
