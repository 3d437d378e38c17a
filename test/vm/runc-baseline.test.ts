/** The reference runs here, with both cgroup drivers and without privilege: what fails in ours is ours. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  Bundle,
  CGROUPS,
  cgroupsNamed,
  DELEGATED,
  REFERENCE,
  USER_DELEGATED,
  USER_MANAGER,
} from './fixture.ts';

const MEBIBYTE = 1024 * 1024;
const resources = { memory: { limit: 64 * MEBIBYTE }, pids: { limit: 21 } };

function limits(cgroup: string): readonly string[] {
  return ['memory.max', 'pids.max'].map((file) => readFileSync(join(cgroup, file), 'utf8').trim());
}

test('runc runs a container and passes on its output and exit code', async () => {
  await using bundle = await Bundle.make({ args: ['sh', '-c', 'echo from $(hostname); exit 5'] });
  const { code, stdout, stderr } = await bundle.run({ runtime: REFERENCE });
  assert.deepEqual({ code, stdout }, { code: 5, stdout: 'from box\n' }, stderr);
});

test('runc holds a container to its limits in a cgroup that was asked for by path', async () => {
  const cgroupsPath = `${DELEGATED}/by-path`;
  await using bundle = await Bundle.make({ args: ['sleep', '1000'], linux: { cgroupsPath, resources } });
  await bundle.start({ runtime: REFERENCE });
  assert.equal(await bundle.cgroup(), join(CGROUPS, cgroupsPath));
  assert.deepEqual(limits(join(CGROUPS, cgroupsPath)), [`${64 * MEBIBYTE}`, '21']);
  await bundle.do(['delete', '--force', bundle.id]);
  assert.ok(!existsSync(join(CGROUPS, cgroupsPath)));
});

test('runc has systemd make a scope with the limits', async () => {
  await using bundle = await Bundle.make({ args: ['sleep', '1000'], linux: { resources } });
  bundle.configure({
    ...bundle.config,
    linux: { ...bundle.config.linux, cgroupsPath: `system.slice:runc:${bundle.id}` },
  });
  await bundle.start({ runtime: REFERENCE, systemd: true });
  const scope = join(CGROUPS, `system.slice/runc-${bundle.id}.scope`);
  assert.equal(await bundle.cgroup(), scope);
  assert.deepEqual(limits(scope), [`${64 * MEBIBYTE}`, '21']);
});

test('a container that takes more memory than it may is killed', async () => {
  const eat = 'x=$(head -c 100m /dev/zero | tr "\\0" x); echo survived';
  await using bundle = await Bundle.make({
    args: ['sh', '-c', eat],
    linux: {
      resources: { memory: { limit: 16 * MEBIBYTE, swap: 16 * MEBIBYTE } },
      cgroupsPath: `${DELEGATED}/eater`,
    },
  });
  const { code, stdout } = await bundle.run({ runtime: REFERENCE });
  assert.notEqual(code, 0);
  assert.doesNotMatch(stdout, /survived/);
});

test('the ordinary user runs a container with limits in a cgroup that was delegated to it', async () => {
  const cgroupsPath = `${USER_DELEGATED}/by-path`;
  await using bundle = await Bundle.make({
    ...{ as: 'sampan', args: ['sleep', '1000'], linux: { cgroupsPath, resources } },
  });
  await bundle.start({ runtime: REFERENCE });
  assert.equal(await bundle.cgroup(), join(CGROUPS, cgroupsPath));
  assert.deepEqual(limits(join(CGROUPS, cgroupsPath)), [`${64 * MEBIBYTE}`, '21']);
});

test('the ordinary user runs a container with limits by way of its own systemd', async () => {
  await using bundle = await Bundle.make({ as: 'sampan', args: ['sleep', '1000'], linux: { resources } });
  bundle.configure({
    ...bundle.config,
    linux: { ...bundle.config.linux, cgroupsPath: `user.slice:runc:${bundle.id}` },
  });
  await bundle.start({ runtime: REFERENCE, systemd: true });
  const [scope = ''] = cgroupsNamed(bundle.id);
  assert.equal(scope, `${USER_MANAGER.slice(1)}/user.slice/runc-${bundle.id}.scope`);
  assert.deepEqual(limits(join(CGROUPS, scope)), [`${64 * MEBIBYTE}`, '21']);
});
