/** Container cgroups by the cgroupfs driver on a unified tree with every controller. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import type { ResourcesConfig } from '../../src/container/spec/runtime-config.ts';
import { TestCgroup } from '../fixtures/container-cgroup.ts';
import { CGROUPS, DELEGATED, eventually, ok } from './fixture.ts';

const MIB = 1 << 20;
const BOMB = "exec perl -e 'while (1) { fork }'";

const boxed = (): TestCgroup => new TestCgroup({ below: DELEGATED });

/** A whole disk, as `major:minor`. */
function disk(): { major: number; minor: number } {
  const name = readdirSync('/sys/block').find((each) => each.startsWith('vd'))!;
  const [major, minor] = readFileSync(`/sys/block/${name}/dev`, 'utf8').trim().split(':').map(Number);
  return { major: major!, minor: minor! };
}

test('limits are in the kernel’s files', async () => {
  await using box = boxed();
  const { major, minor } = disk();
  await box.cgroup.create({
    memory: { limit: 64 * MIB, swap: 96 * MIB, reservation: 16 * MIB },
    cpu: { shares: 1024, quota: 50_000, period: 200_000, burst: 20_000, cpus: '0-1', mems: '0' },
    pids: { limit: 33 },
    blockIO: {
      throttleReadBpsDevice: [{ major, minor, rate: MIB }],
      throttleWriteIOPSDevice: [{ major, minor, rate: 100 }],
    },
    unified: { 'memory.high': String(48 * MIB) },
  });
  const read = (file: string): string => box.read('', file);
  assert.equal(box.cgroup.version, 2);
  assert.deepEqual(
    ['memory.max', 'memory.low', 'memory.high'].map(read),
    [64 * MIB, 16 * MIB, 48 * MIB].map(String),
  );
  if (existsSync(join(box.folder(''), 'memory.swap.max')))
    assert.equal(read('memory.swap.max'), String(32 * MIB));
  assert.deepEqual(
    [read('cpu.weight'), read('cpu.max'), read('cpu.max.burst')],
    ['100', '50000 200000', '20000'],
  );
  assert.deepEqual([read('cpuset.cpus'), read('cpuset.mems'), read('pids.max')], ['0-1', '0', '33']);
  assert.equal(read('io.max'), `${major}:${minor} rbps=${MIB} wbps=max riops=max wiops=100`);
  await box.cgroup.update({
    cpu: { idle: 1 },
    blockIO: { throttleReadBpsDevice: [{ major, minor, rate: 0 }] },
  });
  assert.equal(read('cpu.idle'), '1');
  assert.equal(read('io.max'), `${major}:${minor} rbps=max wbps=max riops=max wiops=100`);
});

test('an update changes what is given, and puts back what it had changed when it fails', async () => {
  await using box = boxed();
  await box.cgroup.create({ memory: { limit: 64 * MIB }, pids: { limit: 9 } });
  await box.cgroup.update({ memory: { limit: 32 * MIB } });
  assert.deepEqual([box.read('', 'memory.max'), box.read('', 'pids.max')], [String(32 * MIB), '9']);
  await assert.rejects(box.cgroup.update({ pids: { limit: 20 }, cpu: { cpus: '4000' } }), {
    message: /^linux\.resources\.cpu\.cpus: cannot write "4000"/,
  });
  assert.equal(box.read('', 'pids.max'), '9');
  await box.cgroup.update({ cpu: { burst: 30_000, quota: 40_000 } });
  await box.cgroup.update({ cpu: { burst: 5000, quota: 6000 } });
  assert.equal(box.read('', 'cpu.max.burst'), '5000');
});

test('a limit below what is in use is refused when a check is asked for', async () => {
  await using box = boxed();
  await box.cgroup.create({});
  await box.run("exec perl -e 'my $x = q(x) x 30000000; sleep 1000'");
  const used = (): number => Number(box.read('', 'memory.current'));
  await eventually('memory to be used', () => used() > 30_000_000);
  await assert.rejects(box.cgroup.update({ memory: { limit: 20 * MIB, checkBeforeUpdate: true } }), {
    code: 'conflict',
    message: /^linux\.resources\.memory\.limit: \d+ is not above the \d+ bytes in use$/,
  });
  assert.equal(box.read('', 'memory.max'), 'max');
});

test('what v2 lacks is named, and nothing is left', async () => {
  const cases: [ResourcesConfig, RegExp][] = [
    [{ memory: { swappiness: 5 } }, /^linux\.resources\.memory\.swappiness: /],
    [{ network: { classID: 1 } }, /^linux\.resources\.network\.classID: /],
    [{ unified: { 'rdma.max': 'x hca_handle=1' } }, /^linux\.resources\.unified\["rdma\.max"\]: /],
    [
      { unified: { 'nothing.max': '1' } },
      /^linux\.resources\.unified\["nothing\.max"\]: .*controller nothing/,
    ],
  ];
  for (const [resources, message] of cases) {
    await using box = boxed();
    await assert.rejects(box.cgroup.create({ pids: { limit: 9 }, ...resources }), { message });
    assert.equal(existsSync(dirname(box.folder(''))), false);
  }
});

test('processes in the way of controllers are named', async () => {
  await using box = boxed();
  const parent = dirname(box.folder(''));
  mkdirSync(parent);
  const sleeper = spawn('sleep', ['1000']);
  try {
    writeFileSync(join(parent, 'cgroup.procs'), String(sleeper.pid));
    await assert.rejects(box.cgroup.create({ memory: { limit: 64 * MIB } }), {
      code: 'unsupported',
      message:
        /^linux\.resources\.memory\.limit: .* has processes of its own, and so cannot hand the controller memory down/,
    });
    assert.equal(existsSync(box.folder('')), false);
    // Without limits it may live there.
    await box.cgroup.create({});
    await box.cgroup.remove();
  } finally {
    sleeper.kill('SIGKILL');
    await once(sleeper, 'exit');
    rmdirSync(parent);
  }
});

test('a fork bomb is held, frozen and killed', async () => {
  await using box = boxed();
  await box.cgroup.create({ pids: { limit: 30 } });
  await box.run(BOMB);
  await eventually('the bomb to fill its cgroup', () => box.read('', 'pids.current') === '30');
  await box.cgroup.freeze();
  assert.equal(box.cgroup.frozen(), true);
  assert.match(box.read('', 'cgroup.events'), /frozen 1/);
  await box.cgroup.kill();
  assert.deepEqual(box.cgroup.pids({ recursive: true }), []);
});

test('frozen processes stand still, and a signal waits for them', async () => {
  await using box = boxed();
  await box.cgroup.create({});
  const child = await box.run('trap "exit 3" TERM; echo ready; while :; do sleep 0.05; done');
  await once(child.stdout, 'data');
  await box.cgroup.freeze();
  await box.cgroup.kill(15);
  assert.ok(box.cgroup.pids().includes(child.pid!));
  await box.cgroup.thaw();
  assert.deepEqual(await once(child, 'exit'), [3, null]);
});

test('running out of memory is told at once, and the end of the cgroup too', async () => {
  await using box = boxed();
  await box.cgroup.create({ memory: { limit: 32 * MIB, swap: 32 * MIB } });
  let told = 0;
  const watching = box.cgroup.watchOom(() => told++, new AbortController().signal);
  const { code } = await box.output("exec perl -e 'my $x = q(x) x 200000000; print length $x'");
  assert.notEqual(code, 0);
  await eventually('the kill to be told', () => told === 1);
  await box.cgroup.kill();
  await box.cgroup.remove();
  await watching;
  assert.equal(told, 1);
});

test('statistics are those of the processes, with pressure', async () => {
  await using box = boxed();
  await box.cgroup.create({ memory: { limit: 64 * MIB }, pids: { limit: 20 }, cpu: { quota: 50_000 } });
  const child = await box.run('x=0; while [ $x -lt 5000 ]; do x=$((x+1)); done; echo done; exec sleep 1000');
  await once(child.stdout, 'data');
  const stats = box.cgroup.stats();
  assert.ok(Number(stats.cpu.usage.total) > 1_000_000);
  assert.ok(Number(stats.cpu.throttling.periods) > 0);
  assert.equal(stats.memory.usage.limit, 64 * MIB);
  assert.ok(Number(stats.memory.usage.usage) > 0);
  assert.ok(Number(stats.memory.raw?.['anon']) > 0);
  assert.deepEqual(stats.pids, { current: 1, limit: 20 });
  for (const part of [stats.cpu, stats.memory, stats.blkio]) {
    const want = existsSync(join(box.folder(''), 'cpu.pressure'));
    assert.equal(part.psi !== undefined, want);
  }
});

test('device rules hold', async () => {
  await using box = boxed();
  const opens = async (): Promise<string> =>
    (await box.output('(: </dev/kmsg) 2>/dev/null && echo kmsg; (: >/dev/null) && echo null')).stdout;
  await box.cgroup.create({ devices: [{ allow: false, access: 'rwm' }] });
  assert.equal(await opens(), 'null\n');
  await box.cgroup.update({ devices: [{ allow: true, type: 'c', major: 1, minor: 11, access: 'r' }] });
  assert.equal(await opens(), 'kmsg\nnull\n');
});

test('an ordinary user has limits where there is delegation', async () => {
  const script = `
    import { spawn } from 'node:child_process';
    import { readFileSync, writeFileSync } from 'node:fs';
    import { openCgroup, placeCgroup } from '/work-under-test/src/container/runtime/cgroup/cgroup.ts';
    const place = placeCgroup({ id: 'box-' + process.pid, cgroupsPath: undefined, driver: 'cgroupfs', rootless: true });
    const cgroup = openCgroup(place);
    await cgroup.create({ pids: { limit: 7 }, memory: { limit: ${64 * MIB} }, devices: [{ allow: false }] });
    const child = spawn('sleep', ['1000']);
    for (const file of cgroup.procsFiles) writeFileSync(file, String(child.pid));
    const folder = cgroup.hierarchies[0].path;
    const read = (name) => readFileSync(folder + '/' + name, 'utf8').trim();
    console.log(JSON.stringify([read('pids.max'), read('memory.max'), cgroup.pids().length]));
    await cgroup.freeze();
    await cgroup.kill();
    await cgroup.remove();
    console.log(cgroup.exists(), place.path);`;
  const node = [
    process.execPath,
    '--disable-warning=ExperimentalWarning',
    '--input-type=module',
    '--eval',
    script,
  ];
  const [limits, end] = (await ok(node, { as: 'sampan' })).split('\n');
  assert.equal(limits, JSON.stringify(['7', String(64 * MIB), 1]));
  assert.match(end!, /^false \/user\.slice\/user-1000\.slice\/user@1000\.service\/.*box-\d+$/);
  assert.equal(existsSync(join(CGROUPS, end!.slice('false '.length))), false);
});
