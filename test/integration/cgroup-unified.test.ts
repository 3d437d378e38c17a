/** The v2 way of things on a real v2 tree: on a hybrid machine it is there beside v1, with few controllers or none. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { cgroupMounts } from '../../src/kernel/cgroup.ts';
import { openCgroup, placeCgroup } from '../../src/container/runtime/cgroup/cgroup.ts';
import { thisMachine, type Machine } from '../../src/container/runtime/cgroup/machine.ts';
import { TestCgroup } from '../fixtures/container-cgroup.ts';
import { eventually } from '../fixtures/eventually.ts';

const MOUNTS = readFileSync('/proc/self/mountinfo', 'utf8');
const UNIFIED = cgroupMounts('/sys/fs/cgroup', MOUNTS).find(({ fsType }) => fsType === 'cgroup2')!;
/** 32 of them, each of which makes one child after the other. */
const FORKERS = `exec perl -e 'fork for 1..5; while (1) { my $p = fork; exit if defined $p && !$p; wait }'`;

/** This machine, if it had nothing but its v2 tree. */
function unifiedOnly(): Machine {
  const mountInfo = MOUNTS.split('\n')
    .filter((line) => line.includes(' - cgroup2 '))
    .join('\n');
  return thisMachine({ root: UNIFIED.mountPoint, mountInfo });
}

const v2Box = (options: object = {}): TestCgroup => new TestCgroup({ machine: unifiedOnly(), ...options });

test('v2: a cgroup is made, frozen, thawed, killed and removed', async () => {
  await using box = v2Box();
  const { cgroup } = box;
  assert.deepEqual([cgroup.version, cgroup.hierarchies.length, cgroup.exists()], [2, 1, false]);
  await cgroup.create({});
  assert.equal(cgroup.hierarchies[0]!.name, '');
  const child = await box.run('trap "exit 3" TERM; echo ready; while :; do sleep 0.05; done');
  await once(child.stdout, 'data');
  await cgroup.freeze();
  assert.equal(cgroup.frozen(), true);
  assert.match(box.read('', 'cgroup.events'), /frozen 1/);
  await cgroup.kill(15);
  assert.equal(cgroup.frozen(), true);
  assert.ok(cgroup.pids().includes(child.pid!));
  await cgroup.thaw();
  assert.deepEqual(await once(child, 'exit'), [3, null]);
});

test('v2: a fork bomb is frozen, and killed as it is', async () => {
  await using box = v2Box();
  await box.cgroup.create({});
  await box.run(FORKERS);
  await eventually('them to be many', () => box.cgroup.pids().length > 30);
  await box.cgroup.freeze();
  await box.cgroup.kill();
  assert.deepEqual(box.cgroup.pids({ recursive: true }), []);
  assert.equal(box.cgroup.frozen(), false);
});

test('v2: a limit whose controller is not here is named, and nothing is left', async () => {
  for (const [resources, message] of [
    [
      { pids: { limit: 5 } },
      /^linux\.resources\.pids\.limit: .* has no pids\.max: .*controller pids is not available/,
    ],
    [{ memory: { limit: 1 << 24 } }, /^linux\.resources\.memory\.limit: /],
    [{ unified: { 'cpu.max': 'max' } }, /^linux\.resources\.unified\["cpu\.max"\]: .*controller cpu/],
    [
      { unified: { 'cgroup.nothing': '1' } },
      /^linux\.resources\.unified\["cgroup\.nothing"\]: .*kernel lacks it/,
    ],
  ] as const) {
    await using box = v2Box();
    await assert.rejects(box.cgroup.create(resources), { code: 'unsupported', message });
    assert.equal(existsSync(dirname(box.folder(''))), false);
  }
});

test('v2: files by name', async () => {
  await using box = v2Box();
  await box.cgroup.create({ unified: { 'cgroup.max.depth': '3', 'cgroup.max.descendants': '7' } });
  assert.deepEqual([box.read('', 'cgroup.max.depth'), box.read('', 'cgroup.max.descendants')], ['3', '7']);
  await assert.rejects(
    box.cgroup.update({ unified: { 'cgroup.max.depth': '5', 'cgroup.max.descendants': 'many' } }),
    {
      code: 'invalid',
      message: /^linux\.resources\.unified\["cgroup\.max\.descendants"\]: cannot write "many"/,
    },
  );
  assert.equal(box.read('', 'cgroup.max.depth'), '3', 'put back');
});

test('v2: a threaded place is refused with its reason', async () => {
  await using box = v2Box();
  const parent = dirname(box.folder(''));
  mkdirSync(join(parent, 'thread'), { recursive: true });
  writeFileSync(join(parent, 'thread/cgroup.type'), 'threaded');
  await assert.rejects(box.cgroup.create({}), {
    code: 'unsupported',
    message: /is "domain invalid": a container needs a domain/,
  });
  assert.equal(existsSync(box.folder('')), false);
  // Its end removes the parent only when it is empty.
  await openCgroup({ ...box.cgroup.place, path: `/${box.name}/thread` }, unifiedOnly()).remove();
});

test('v2: statistics have pressure', async () => {
  await using box = v2Box();
  await box.cgroup.create({});
  const child = await box.run('x=0; while [ $x -lt 20000 ]; do x=$((x+1)); done; echo done; exec sleep 1000');
  await once(child.stdout, 'data');
  const stats = box.cgroup.stats();
  assert.ok(Number(stats.cpu.usage.total) > 1_000_000);
  assert.deepEqual(stats.pids, { current: 1 });
  if (existsSync(join(box.folder(''), 'cpu.pressure'))) {
    assert.ok(stats.cpu.psi !== undefined);
    assert.equal(typeof stats.cpu.psi.some.avg10, 'number');
  }
});

test('v2: a user without the right to make cgroups goes without, unless a limit or a place was asked for', async () => {
  // Nobody may make folders in sysfs, not even root: as if the tree were somebody else’s.
  const mountInfo = `30 20 0:26 / /sys/kernel rw - cgroup2 cgroup2 rw\n`;
  const machine = thisMachine({ root: '/sys/kernel', mountInfo, ownCgroups: '0::/a/b\n' });
  const options = { id: 'box', driver: 'cgroupfs', rootless: true } as const;
  const refuse = openCgroup(placeCgroup({ ...options, cgroupsPath: '/there' }, machine), machine);
  await assert.rejects(refuse.create({}), { code: 'forbidden' });
  const box = openCgroup(placeCgroup({ ...options, cgroupsPath: undefined }, machine), machine);
  await box.create({});
  assert.deepEqual([box.hierarchies, box.procsFiles, box.exists()], [[], [], false]);
  assert.deepEqual(openCgroup(box.place, machine).procsFiles, [], 'its place remembers');
  await box.kill();
  await box.remove();
  const limited = openCgroup(placeCgroup({ ...options, cgroupsPath: undefined }, machine), machine);
  await assert.rejects(limited.create({ pids: { limit: 5 } }), {
    message: /^linux\.resources\.pids\.limit: .*no right to make a cgroup/,
  });
});

test('an ordinary user’s container goes without cgroups, and is told when it wants a limit', async () => {
  const module = join(import.meta.dirname, '../../src/container/runtime/cgroup/cgroup.ts');
  const script = `
    import { openCgroup, placeCgroup } from ${JSON.stringify(module)};
    const options = { id: 'box', driver: 'cgroupfs', rootless: true };
    const place = (cgroupsPath) => openCgroup(placeCgroup({ ...options, cgroupsPath }));
    const tell = (work) => work.then(() => 'done', (error) => error.code + ' ' + error.message);
    const free = place(undefined);
    const results = [await tell(free.create({ memory: {} })), free.procsFiles, openCgroup(free.place).procsFiles];
    results.push(await tell(place(undefined).create({ pids: { limit: 3 } })), await tell(place('/box').create({})));
    console.log(JSON.stringify(results));`;
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', '--input-type=module', '--eval', script],
    { uid: 65_534, gid: 65_534, encoding: 'utf8', env: { PATH: process.env['PATH'] } },
  );
  assert.equal(stderr, '');
  const [free, files, again, limited, named] = JSON.parse(stdout) as [string, [], [], string, string];
  assert.deepEqual([free, files, again], ['done', [], []]);
  assert.match(limited, /^unsupported linux\.resources\.pids\.limit: there is no right to make a cgroup/);
  assert.match(named, /^forbidden /);
});
