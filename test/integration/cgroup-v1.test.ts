import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { armFailpoints } from '../../src/base/failpoint.ts';
import { openCgroup, statisticsReplacer } from '../../src/container/runtime/cgroup/cgroup.ts';
import { thisMachine } from '../../src/container/runtime/cgroup/machine.ts';
import type { ResourcesConfig } from '../../src/container/spec/runtime-config.ts';
import { TestCgroup } from '../fixtures/container-cgroup.ts';
import { eventually } from '../fixtures/eventually.ts';

const MIB = 1 << 20;
/** Forks whenever it can, and never gives up. */
const BOMB = "exec perl -e 'while (1) { fork }'";

test('v1: limits are in the kernel’s files, and a cpuset’s parents are filled in', async () => {
  await using box = new TestCgroup();
  await box.cgroup.create({
    memory: { limit: 64 * MIB, swap: 96 * MIB, reservation: 32 * MIB, swappiness: 7, kernelTCP: 8 * MIB },
    cpu: { shares: 512, quota: 50_000, period: 200_000, burst: 20_000, cpus: '0' },
    pids: { limit: 33 },
    blockIO: { weight: 300 },
  });
  const read = (controller: string, file: string): string => box.read(controller, `${controller}.${file}`);
  assert.equal(read('memory', 'limit_in_bytes'), String(64 * MIB));
  assert.equal(read('memory', 'memsw.limit_in_bytes'), String(96 * MIB));
  assert.equal(read('memory', 'soft_limit_in_bytes'), String(32 * MIB));
  assert.equal(read('memory', 'swappiness'), '7');
  assert.equal(read('memory', 'kmem.tcp.limit_in_bytes'), String(8 * MIB));
  assert.equal(read('cpu', 'shares'), '512');
  assert.equal(read('cpu', 'cfs_quota_us'), '50000');
  assert.equal(read('cpu', 'cfs_period_us'), '200000');
  assert.equal(read('cpu', 'cfs_burst_us'), '20000');
  assert.equal(read('pids', 'max'), '33');
  // The name of its file depends on the scheduler.
  assert.match(
    box.read(
      'blkio',
      existsSync(join(box.folder('blkio'), 'blkio.weight')) ? 'blkio.weight' : 'blkio.bfq.weight',
    ),
    /\b300$/,
  );
  assert.equal(read('cpuset', 'cpus'), '0');
  const parent = dirname(box.folder('cpuset'));
  const top = dirname(parent);
  for (const file of ['cpuset.cpus', 'cpuset.mems']) {
    const ofTop = readFileSync(join(top, file), 'utf8');
    assert.equal(readFileSync(join(parent, file), 'utf8'), ofTop);
    if (file === 'cpuset.mems') assert.equal(`${box.read('cpuset', file)}\n`, ofTop);
  }
  assert.equal(
    (await box.output('cat /proc/self/cgroup')).stdout.match(new RegExp(box.name, 'g'))?.length,
    10,
  );
});

test('v1: an update changes what is given, in whichever order the kernel takes it', async () => {
  await using box = new TestCgroup();
  const { cgroup } = box;
  await cgroup.create({
    memory: { limit: 32 * MIB, swap: 48 * MIB },
    cpu: { quota: 10_000 },
    pids: { limit: 9 },
  });
  const memory = (): string[] =>
    ['memory.limit_in_bytes', 'memory.memsw.limit_in_bytes'].map((file) => box.read('memory', file));
  // Above the old memsw: that one must go first. And back, where it must go last.
  await cgroup.update({ memory: { limit: 128 * MIB, swap: 256 * MIB } });
  assert.deepEqual(memory(), [String(128 * MIB), String(256 * MIB)]);
  await cgroup.update({ memory: { limit: 16 * MIB, swap: 16 * MIB } });
  assert.deepEqual(memory(), [String(16 * MIB), String(16 * MIB)]);
  // A burst may not be above its quota.
  await cgroup.update({ cpu: { burst: 30_000, quota: 40_000 } });
  await cgroup.update({ cpu: { burst: 5000, quota: 6000 } });
  assert.equal(box.read('cpu', 'cpu.cfs_burst_us'), '5000');
  assert.equal(box.read('cpu', 'cpu.cfs_quota_us'), '6000');
  assert.equal(box.read('pids', 'pids.max'), '9');
  await cgroup.update({ memory: { limit: -1 } });
  assert.equal(box.read('memory', 'memory.memsw.limit_in_bytes'), '9223372036854771712');
});

test('v1: what had changed is put back when a later value is refused', async () => {
  await using box = new TestCgroup();
  await box.cgroup.create({ memory: { limit: 32 * MIB }, pids: { limit: 9 } });
  await assert.rejects(box.cgroup.update({ memory: { limit: 64 * MIB }, cpu: { cpus: '4000' } }), {
    message: /^linux\.resources\.cpu\.cpus: cannot write "4000" to .*cpuset\.cpus: /,
  });
  assert.equal(box.read('memory', 'memory.limit_in_bytes'), String(32 * MIB));
});

test('v1: what this kernel lacks is named, and nothing is left', async () => {
  const cases: [ResourcesConfig, RegExp][] = [
    [{ blockIO: { leafWeight: 100 } }, /^linux\.resources\.blockIO\.leafWeight: /],
    [{ network: { classID: 1 } }, /^linux\.resources\.network\.classID: .*net_cls/],
    [
      { network: { priorities: [{ name: 'lo', priority: 1 }] } },
      /^linux\.resources\.network\.priorities\[0\]: .*net_prio/,
    ],
    [
      { hugepageLimits: [{ pageSize: '2MB', limit: 0 }] },
      /^linux\.resources\.hugepageLimits\[0\]: .*hugetlb/,
    ],
    [{ rdma: { x: { hcaHandles: 1 } } }, /^linux\.resources\.rdma\.x: .*rdma/],
    [{ memory: { kernel: 4 * MIB } }, /^linux\.resources\.memory\.kernel: /],
    [{ unified: { 'memory.high': '1' } }, /^linux\.resources\.unified\["memory\.high"\]: .*cgroup v1/],
  ];
  for (const [resources, message] of cases) {
    await using box = new TestCgroup();
    await assert.rejects(box.cgroup.create({ pids: { limit: 9 }, ...resources }), {
      code: 'unsupported',
      message,
    });
    assert.equal(existsSync(dirname(box.folder('pids'))), false);
  }
});

test('v1: a create that fails at any step leaves nothing', async () => {
  for (const point of ['kernel.cgroup.mkdir=error:7', 'kernel.cgroup.write=error:2', 'cgroup.create=error']) {
    await using box = new TestCgroup();
    try {
      armFailpoints(point);
      await assert.rejects(
        box.cgroup.create({ pids: { limit: 9 }, memory: { limit: 16 * MIB } }),
        /failpoint/,
      );
    } finally {
      armFailpoints('');
    }
    for (const { path } of box.cgroup.hierarchies) assert.equal(existsSync(dirname(path)), false, path);
  }
});

test('v1: a cgroup that is in use, or frozen, is not taken', async () => {
  await using box = new TestCgroup();
  await box.cgroup.create({});
  const child = await box.run('exec sleep 1000');
  await assert.rejects(box.cgroup.create({}), {
    code: 'conflict',
    message: new RegExp(`^linux\\.cgroupsPath: .* in use by processes ${child.pid}`),
  });
  await box.cgroup.kill();
  await box.cgroup.freeze();
  await assert.rejects(box.cgroup.create({}), { code: 'conflict', message: /frozen/ });
  await box.cgroup.thaw();
});

test('v1: frozen processes stand still, and a signal waits for them', async () => {
  await using box = new TestCgroup();
  await box.cgroup.create({});
  const child = await box.run('trap "echo heard; exit 3" TERM; echo ready; while :; do sleep 0.05; done');
  await once(child.stdout, 'data');
  assert.equal(box.cgroup.frozen(), false);
  await box.cgroup.freeze();
  assert.equal(box.cgroup.frozen(), true);
  await box.cgroup.kill(15);
  assert.ok(box.cgroup.pids().includes(child.pid!), 'a frozen process does not act on a signal');
  assert.equal(box.cgroup.frozen(), true, 'a signal does not thaw');
  await box.cgroup.thaw();
  assert.deepEqual(await once(child, 'exit'), [3, null]);
});

test('v1: freezing a cgroup that keeps forking, and what killing it takes', async () => {
  await using box = new TestCgroup();
  await box.cgroup.create({ pids: { limit: 60 } });
  await box.run(BOMB);
  await eventually('the bomb to grow', () => box.cgroup.pids().length > 30);
  await box.cgroup.freeze();
  assert.equal(box.read('freezer', 'freezer.state'), 'FROZEN');
  const before = box.cgroup.pids();
  assert.ok(before.length > 30);
  // Frozen as it is: killing thaws.
  await box.cgroup.kill();
  assert.deepEqual(box.cgroup.pids({ recursive: true }), []);
  assert.equal(box.cgroup.frozen(), false);
});

test('v1: a kill reaches cgroups below, and those who are in one hierarchy only', async () => {
  await using box = new TestCgroup();
  await box.cgroup.create({});
  const child = await box.run('exec sleep 1000');
  const below = join(box.folder('unified'), 'below');
  mkdirSync(below);
  const deep = await box.run('exec sleep 1000');
  writeFileSync(join(below, 'cgroup.procs'), String(deep.pid));
  const stray = await box.run('exec sleep 1000');
  // Out of all but the memory hierarchy.
  for (const { path, name } of box.cgroup.hierarchies)
    if (name !== 'memory') writeFileSync(join(dirname(dirname(path)), 'cgroup.procs'), String(stray.pid));
  assert.deepEqual(
    box.cgroup.pids({ recursive: true }),
    [child.pid!, deep.pid!, stray.pid!].toSorted((a, b) => a - b),
  );
  await box.cgroup.kill();
  for (const each of [child, deep, stray])
    assert.equal(each.signalCode ?? (await once(each, 'exit'))[1], 'SIGKILL');
});

test('v1: a kill reaches processes that the container itself has frozen', async () => {
  await using box = new TestCgroup();
  await box.cgroup.create({});
  const child = await box.run('exec sleep 1000');
  const below = join(box.folder('freezer'), 'below');
  mkdirSync(below);
  writeFileSync(join(below, 'cgroup.procs'), String(child.pid));
  writeFileSync(join(below, 'freezer.state'), 'FROZEN');
  await box.cgroup.kill();
  assert.equal(child.signalCode ?? (await once(child, 'exit'))[1], 'SIGKILL');
});

test('v1: a kill works on a cgroup that is half taken away', async () => {
  await using box = new TestCgroup();
  await box.cgroup.create({});
  const child = await box.run('exec sleep 1000');
  for (const { path } of box.cgroup.hierarchies) {
    if (path.includes('/memory/')) continue;
    writeFileSync(join(dirname(dirname(path)), 'cgroup.procs'), String(child.pid));
    rmdirSync(path);
  }
  await box.cgroup.kill();
  assert.equal(child.signalCode ?? (await once(child, 'exit'))[1], 'SIGKILL');
});

test('v1: another signal goes to everybody', async () => {
  await using box = new TestCgroup();
  await box.cgroup.create({});
  const children = await Promise.all(
    [1, 2, 3].map(() => box.run('trap "exit 5" USR1; echo ready; while :; do sleep 0.05; done')),
  );
  for (const child of children) if (child.stdout.readableLength === 0) await once(child.stdout, 'readable');
  await box.cgroup.kill(10);
  for (const child of children) assert.equal(child.exitCode ?? (await once(child, 'exit'))[0], 5);
});

test('v1: statistics are those of the processes', async () => {
  await using box = new TestCgroup();
  await box.cgroup.create({ memory: { limit: 64 * MIB }, pids: { limit: 20 } });
  const child = await box.run('x=0; while [ $x -lt 20000 ]; do x=$((x+1)); done; echo done; exec sleep 1000');
  await once(child.stdout, 'data');
  let stats = box.cgroup.stats();
  // What it has taken stands in two files, and it runs on until it sleeps.
  await eventually('the processors to add up to the total', () => {
    stats = box.cgroup.stats();
    const { percpu = [], total } = stats.cpu.usage;
    return percpu.length > 0 && percpu.reduce<number>((sum, each) => sum + Number(each), 0) === Number(total);
  });
  assert.ok(Number(stats.cpu.usage.total) > 1_000_000, 'nanoseconds');
  assert.equal(stats.memory.usage.limit, 64 * MIB);
  assert.ok(Number(stats.memory.usage.usage) > 0);
  assert.deepEqual(stats.pids, { current: 1, limit: 20 });
  // The kernel gathers these from its processors when it sees fit.
  await eventually('resident memory', () => Number(box.cgroup.stats().memory.raw?.['rss']) > 0);
  assert.match(JSON.stringify(stats, statisticsReplacer), /"kernel":\{"limit":9223372036854771712,/);
  await assert.rejects(async () => openCgroup({ ...box.cgroup.place, path: '/none' }).stats(), {
    code: 'not-found',
  });
});

test('v1: running out of memory is told, once for each kill', async () => {
  await using box = new TestCgroup();
  await box.cgroup.create({ memory: { limit: 16 * MIB, swap: 16 * MIB } });
  const stop = new AbortController();
  let told = 0;
  const watching = box.cgroup.watchOom(() => told++, stop.signal);
  const { code } = await box.output('head -c 100m /dev/zero | tail -c 100m >/dev/null & wait $!');
  assert.notEqual(code, 0);
  const kills = (): number => Number(/oom_kill (\d+)/.exec(readFileSync(box.cgroup.oomFile!, 'utf8'))![1]);
  await eventually('the kill to be told', () => told > 0 && told === kills());
  stop.abort();
  await watching;
  const gone = box.cgroup.watchOom(() => told++, new AbortController().signal);
  await box.cgroup.kill();
  await box.cgroup.remove();
  await gone;
});

test('v1: removing waits for processes that are on their way out, and takes cgroups below with it', async () => {
  await using box = new TestCgroup();
  await box.cgroup.create({ pids: { limit: 60 } });
  mkdirSync(join(box.folder('memory'), 'a/b'), { recursive: true });
  await box.run(BOMB);
  await eventually('the bomb to grow', () => box.cgroup.pids().length > 20);
  const removing = box.cgroup.remove();
  await box.cgroup.kill();
  await removing;
  assert.equal(box.cgroup.exists(), false);
  await box.cgroup.remove();
});

test('v1: whoever does not leave is named', async () => {
  await using box = new TestCgroup();
  await box.cgroup.create({});
  const child = await box.run('exec sleep 1000');
  const impatient = openCgroup(box.cgroup.place, thisMachine({ patience: 100 }));
  await assert.rejects(impatient.remove(), {
    code: 'timeout',
    message: new RegExp(`still busy after 0.1 s: processes ${child.pid} are in it`),
  });
});
