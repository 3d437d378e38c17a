/** Container cgroups as scopes of a real systemd. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { randomBytes } from 'node:crypto';
import {
  openCgroup,
  placeCgroup,
  type ContainerCgroup,
  type PlaceOptions,
} from '../../src/container/runtime/cgroup/cgroup.ts';
import { thisMachine } from '../../src/container/runtime/cgroup/machine.ts';
import { CGROUPS, eventually, ok, run } from './fixture.ts';

const MIB = 1 << 20;

/** A scope of a test's own, around a process that sleeps. */
class Scope implements AsyncDisposable {
  readonly id: string = randomBytes(4).toString('hex');
  readonly cgroup: ContainerCgroup;
  readonly child: ChildProcess = spawn('sleep', ['1000']);

  constructor(options: Partial<PlaceOptions> = {}, environment?: Record<string, string>) {
    const machine = thisMachine(environment === undefined ? {} : { environment });
    const cgroupsPath = `sampan-test.slice:box:${this.id}`;
    const place = { id: this.id, cgroupsPath, driver: 'systemd', rootless: false, ...options } as const;
    this.cgroup = openCgroup(placeCgroup(place, machine), machine);
  }

  get unit(): string {
    return this.cgroup.place.unit!;
  }

  get folder(): string {
    return this.cgroup.hierarchies[0]!.path;
  }

  read(file: string): string {
    return readFileSync(join(this.folder, file), 'utf8').trim();
  }

  async show(...names: readonly string[]): Promise<string[]> {
    const flags = names.map((name) => `--property=${name}`);
    const lines = (await ok(['systemctl', 'show', ...flags, this.unit])).split('\n');
    return names.map(
      (name) => lines.find((line) => line.startsWith(`${name}=`))?.slice(name.length + 1) ?? '',
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill('SIGKILL');
    if (this.child.exitCode === null && this.child.signalCode === null) await once(this.child, 'exit');
    await this.cgroup.remove();
    assert.equal(this.cgroup.exists(), false);
    assert.equal((await run(['systemctl', 'is-active', this.unit])).stdout.trim(), 'inactive');
  }
}

test('a scope has its process, its place and its limits, and keeps them when systemd starts over', async () => {
  await using scope = new Scope({ annotations: { 'org.systemd.property.TimeoutStopSec': 'uint64 7' } });
  const { cgroup } = scope;
  assert.equal(cgroup.wantsPid, true);
  await cgroup.create(
    {
      memory: { limit: 64 * MIB, reservation: 16 * MIB },
      cpu: { shares: 2048, quota: 25_000, period: 50_000, cpus: '0' },
      pids: { limit: 21 },
      unified: { 'memory.high': String(48 * MIB), 'cgroup.max.depth': '5' },
    },
    scope.child.pid,
  );
  assert.equal(cgroup.place.path, `/sampan.slice/sampan-test.slice/box-${scope.id}.scope`);
  assert.deepEqual(cgroup.pids(), [scope.child.pid]);
  assert.deepEqual(
    await scope.show(
      'Slice',
      'Delegate',
      'DevicePolicy',
      'TasksMax',
      'MemoryMax',
      'TimeoutStopUSec',
      'AllowedCPUs',
    ),
    ['sampan-test.slice', 'yes', 'strict', '21', String(64 * MIB), '7s', '0'],
  );
  const check = (): void => {
    assert.deepEqual(
      [
        'memory.max',
        'memory.low',
        'memory.high',
        'pids.max',
        'cpu.max',
        'cpuset.cpus',
        'cgroup.max.depth',
      ].map((file) => scope.read(file)),
      [64 * MIB, 16 * MIB, 48 * MIB, 21, '25000 50000', '0', '5'].map(String),
    );
  };
  check();
  await ok(['systemctl', 'daemon-reload']);
  check();
});

test('an update goes to systemd and to the files', async () => {
  await using scope = new Scope();
  await scope.cgroup.create({ pids: { limit: 21 } }, scope.child.pid);
  await scope.cgroup.update({ pids: { limit: -1 }, memory: { limit: 80 * MIB } });
  assert.deepEqual(await scope.show('TasksMax', 'MemoryMax'), ['infinity', String(80 * MIB)]);
  assert.deepEqual([scope.read('pids.max'), scope.read('memory.max')], ['max', String(80 * MIB)]);
  await scope.cgroup.freeze();
  assert.equal(scope.cgroup.frozen(), true);
  await scope.cgroup.kill();
  await once(scope.child, 'exit');
  // systemd takes an empty scope away by itself; removing it then is no error.
});

test('device rules hold, beside those of systemd', async () => {
  await using scope = new Scope();
  await scope.cgroup.create({ devices: [{ allow: false, access: 'rwm' }] }, scope.child.pid);
  const opens = async (): Promise<string> => {
    const script = `echo $$ >${scope.folder}/cgroup.procs; exec 2>/dev/null; (: </dev/kmsg) && echo kmsg; (: >/dev/null) && echo null`;
    return (await run(['sh', '-c', script])).stdout;
  };
  assert.equal(await opens(), 'null\n');
  await scope.cgroup.update({ devices: [{ allow: true, type: 'c', major: 1, minor: 11, access: 'r' }] });
  assert.equal(await opens(), 'kmsg\nnull\n');
  // An order that systemd cannot be told.
  await scope.cgroup.update({
    devices: [
      { allow: true, type: 'c', major: 1 },
      { allow: false, type: 'c', major: 1, minor: 11 },
    ],
  });
  assert.equal(await opens(), 'null\n');
  assert.deepEqual(await scope.show('DevicePolicy'), ['auto']);
});

test('a create that fails leaves no unit', async () => {
  await using scope = new Scope();
  await assert.rejects(scope.cgroup.create({ cpu: { cpus: '4000' } }, scope.child.pid), {
    message: /^linux\.resources\.cpu\.cpus: |cannot start box-/,
  });
  assert.equal((await run(['systemctl', 'is-active', scope.unit])).stdout.trim(), 'inactive');
  assert.equal(scope.cgroup.exists(), false);
});

test('a property that systemd does not have is its own error, with the unit’s name', async () => {
  await using scope = new Scope({ annotations: { 'org.systemd.property.NoSuchThing': 'true' } });
  await assert.rejects(scope.cgroup.create({}, scope.child.pid), (error: Error) => {
    assert.ok(error.message.startsWith(`cannot start ${scope.unit}: dbus: `), error.message);
    return true;
  });
});

test('without a bus systemd is asked on its own socket', async () => {
  await using scope = new Scope({}, { DBUS_SYSTEM_BUS_ADDRESS: 'unix:path=/nowhere' });
  await scope.cgroup.create({ pids: { limit: 5 } }, scope.child.pid);
  assert.equal(scope.read('pids.max'), '5');
});

test('a slice is made without a process', async () => {
  const name = `sampan-t${randomBytes(4).toString('hex')}.slice`;
  await using scope = new Scope({ cgroupsPath: `sampan.slice::${name}` });
  assert.equal(scope.cgroup.wantsPid, false);
  await scope.cgroup.create({ pids: { limit: 50 } });
  assert.equal(scope.cgroup.place.path, `/sampan.slice/${name}`);
  assert.equal(scope.read('pids.max'), '50');
});

test('an ordinary user’s manager makes scopes too', async () => {
  const script = `
    import { spawn } from 'node:child_process';
    import { readFileSync } from 'node:fs';
    import { openCgroup, placeCgroup } from '/work-under-test/src/container/runtime/cgroup/cgroup.ts';
    const place = placeCgroup({ id: 'u' + process.pid, cgroupsPath: undefined, driver: 'systemd', rootless: true });
    const cgroup = openCgroup(place);
    const child = spawn('sleep', ['1000']);
    const other = spawn('sleep', ['1000']);
    await cgroup.create({ pids: { limit: 7 }, memory: { limit: ${64 * MIB} } }, child.pid);
    await cgroup.attach(other.pid);
    const folder = cgroup.hierarchies[0].path;
    const read = (name) => readFileSync(folder + '/' + name, 'utf8').trim();
    console.log(JSON.stringify([read('pids.max'), read('memory.max'), cgroup.pids().length]));
    await cgroup.kill();
    await cgroup.remove();
    console.log(cgroup.exists(), cgroup.place.path);`;
  const node = [
    process.execPath,
    '--disable-warning=ExperimentalWarning',
    '--input-type=module',
    '--eval',
    script,
  ];
  const [limits, end] = (await ok(node, { as: 'sampan' })).split('\n');
  assert.equal(limits, JSON.stringify(['7', String(64 * MIB), 2]));
  assert.match(
    end!,
    /^false \/user\.slice\/user-1000\.slice\/user@1000\.service\/user\.slice\/sampan-u\d+\.scope$/,
  );
  await eventually('its folder to go', () => !existsSync(join(CGROUPS, end!.slice('false '.length))));
});
