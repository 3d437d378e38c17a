/** Our runtime where the controllers are in one tree and systemd is in charge: limits, updates, processes, ordinary users. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Bundle, CGROUPS, cgroupsNamed, DELEGATED, USER_DELEGATED, USER_MANAGER } from './fixture.ts';

const MEBIBYTE = 1024 * 1024;
const resources = { memory: { limit: 64 * MEBIBYTE }, pids: { limit: 21 }, cpu: { shares: 512 } };

function values(cgroup: string, ...files: readonly string[]): readonly string[] {
  return files.map((file) => readFileSync(join(cgroup, file), 'utf8').trim());
}

/** A command of the runtime that must succeed; what it printed. */
async function said(bundle: Bundle, ...verb: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await bundle.do(verb);
  assert.equal(code, 0, `${verb.join(' ')}: ${stderr}`);
  return stdout.trim();
}

test('output, exit code and a hard limit that is above the caller’s', async () => {
  await using bundle = await Bundle.make({
    args: ['sh', '-c', 'echo $(ulimit -Hn); exit 5'],
    process: { rlimits: [{ type: 'RLIMIT_NOFILE', soft: 1_048_000, hard: 1_048_000 }] },
  });
  const { code, stdout, stderr } = await bundle.run();
  assert.deepEqual({ code, stdout }, { code: 5, stdout: '1048000\n' }, stderr);
});

test('cgroupfs: limits, a process more, freezing, an update, statistics, and nothing left', async () => {
  const cgroupsPath = `${DELEGATED}/ours`;
  const cgroup = join(CGROUPS, cgroupsPath);
  await using bundle = await Bundle.make({ args: ['sleep', '1000'], linux: { cgroupsPath, resources } });
  await bundle.start();
  assert.equal(await bundle.cgroup(), cgroup);
  assert.deepEqual(values(cgroup, 'memory.max', 'pids.max'), [`${64 * MEBIBYTE}`, '21']);
  const own = await said(bundle, 'exec', bundle.id, 'cat', '/proc/self/cgroup');
  assert.equal(own, '0::/');
  await said(bundle, 'pause', bundle.id);
  assert.match(values(cgroup, 'cgroup.events').join(), /frozen 1/);
  await said(bundle, 'resume', bundle.id);
  await said(bundle, 'update', '--memory', `${32 * MEBIBYTE}`, '--pids-limit', '9', bundle.id);
  assert.deepEqual(values(cgroup, 'memory.max', 'pids.max'), [`${32 * MEBIBYTE}`, '9']);
  const events = JSON.parse(await said(bundle, 'events', '--stats', bundle.id)) as {
    data: { memory: { usage: { limit: number } }; pids: { current: number } };
  };
  assert.deepEqual([events.data.memory.usage.limit, events.data.pids.current], [32 * MEBIBYTE, 1]);
  await said(bundle, 'delete', '--force', bundle.id);
  assert.ok(!existsSync(cgroup));
});

test('cgroupfs: only the devices that are allowed', async () => {
  const open = 'head -c 1 /dev/zero >/dev/null && echo zero; head -c 1 /dev/kmsg && echo kmsg';
  await using bundle = await Bundle.make({
    args: ['sh', '-c', `${open} 2>/dev/null; true`],
    linux: {
      cgroupsPath: `${DELEGATED}/devices`,
      devices: [{ path: '/dev/kmsg', type: 'c', major: 1, minor: 11 }],
      resources: { devices: [{ allow: false, access: 'rwm' }] },
    },
  });
  assert.equal((await bundle.run()).stdout, 'zero\n');
});

test('systemd: a scope with the limits, changed by an update, gone with the container', async () => {
  await using bundle = await Bundle.make({ args: ['sleep', '1000'], linux: { resources } });
  bundle.configure({
    ...bundle.config,
    linux: { ...bundle.config.linux, cgroupsPath: `system.slice:ours:${bundle.id}` },
  });
  await bundle.start({ systemd: true });
  const scope = join(CGROUPS, `system.slice/ours-${bundle.id}.scope`);
  assert.equal(await bundle.cgroup(), scope);
  assert.deepEqual(values(scope, 'memory.max', 'pids.max'), [`${64 * MEBIBYTE}`, '21']);
  await said(bundle, 'update', '--memory', `${32 * MEBIBYTE}`, bundle.id);
  assert.deepEqual(values(scope, 'memory.max'), [`${32 * MEBIBYTE}`]);
  await said(bundle, 'delete', '--force', bundle.id);
  assert.ok(!existsSync(scope));
});

test('more memory than it may have kills it, and the kill is counted', async () => {
  const eat = 'x=$(head -c 100m /dev/zero | tr "\\0" x); echo survived';
  await using bundle = await Bundle.make({
    args: ['sh', '-c', eat],
    linux: {
      resources: { memory: { limit: 16 * MEBIBYTE, swap: 16 * MEBIBYTE } },
      cgroupsPath: `${DELEGATED}/eats`,
    },
  });
  const { code, stdout } = await bundle.run();
  assert.notEqual(code, 0);
  assert.doesNotMatch(stdout, /survived/);
});

test('the ordinary user: limits in the cgroup that was delegated to it', async () => {
  const cgroupsPath = `${USER_DELEGATED}/ours`;
  await using bundle = await Bundle.make({
    ...{ as: 'sampan', args: ['sleep', '1000'], linux: { cgroupsPath, resources } },
  });
  await bundle.start();
  assert.equal(await bundle.cgroup(), join(CGROUPS, cgroupsPath));
  assert.deepEqual(values(join(CGROUPS, cgroupsPath), 'memory.max', 'pids.max'), [`${64 * MEBIBYTE}`, '21']);
  assert.match(await said(bundle, 'exec', bundle.id, 'id', '-u'), /^0$/m);
});

test('the ordinary user: limits by way of its own systemd', async () => {
  await using bundle = await Bundle.make({ as: 'sampan', args: ['sleep', '1000'], linux: { resources } });
  bundle.configure({
    ...bundle.config,
    linux: { ...bundle.config.linux, cgroupsPath: `user.slice:ours:${bundle.id}` },
  });
  await bundle.start({ systemd: true });
  const [scope = ''] = cgroupsNamed(bundle.id);
  assert.equal(scope, `${USER_MANAGER.slice(1)}/user.slice/ours-${bundle.id}.scope`);
  assert.deepEqual(values(join(CGROUPS, scope), 'memory.max', 'pids.max'), [`${64 * MEBIBYTE}`, '21']);
});
