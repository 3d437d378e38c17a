import assert from 'node:assert/strict';
import { test } from 'node:test';
import { recordingKernel } from '../../../kernel/recording.ts';
import { openCgroup, placeCgroup, type PlaceOptions } from './cgroup.ts';
import { thisMachine, type Machine } from './machine.ts';
import { expandSlice, unitObjectPath } from './systemd-names.ts';

const ROOT = '/nowhere/cgroup';
const v2Mount = `30 20 0:26 / ${ROOT} rw - cgroup2 cgroup2 rw\n`;
const v1Mounts = ['cpu,cpuacct', 'memory', 'name=systemd']
  .map((name) => `1 1 0:1 /here ${ROOT}/${name.replace('name=', '')} rw - cgroup cgroup rw,${name}\n`)
  .join('');

const machine = (mountInfo: string, ownCgroups: string, uidMap = ''): Machine =>
  thisMachine({ root: ROOT, mountInfo, ownCgroups, uidMap, uid: 1000, kernel: recordingKernel() });

const V2 = machine(v2Mount, '0::/user.slice/user-1000.slice/user@1000.service/app.slice/shell.scope\n');
const SESSION = machine(v2Mount, '0::/user.slice/user-1000.slice/session-1.scope\n');
const V1 = machine(v1Mounts, '3:cpu,cpuacct:/here/c\n2:memory:/here/m/n\n1:name=systemd:/elsewhere\n');

const place = (on: Machine, options: Partial<PlaceOptions>): ReturnType<typeof placeCgroup> =>
  placeCgroup({ id: 'box', cgroupsPath: undefined, driver: 'cgroupfs', rootless: false, ...options }, on);

test('cgroupfs: an absolute path is below each mount, and cannot leave it', () => {
  const cgroupsPath = '/a//b/../../../c/';
  assert.deepEqual(place(V2, { cgroupsPath }), {
    driver: 'cgroupfs',
    rootless: false,
    named: true,
    path: '/c',
  });
  assert.equal(place(V1, { cgroupsPath: '/a/b' }).path, '/a/b');
  assert.equal(place(V1, { cgroupsPath: '/a/b' }).paths, undefined);
  for (const bad of ['/', '/..', 'x\0y'])
    assert.throws(() => place(V2, { cgroupsPath: bad }), {
      code: 'invalid',
      message: /^linux\.cgroupsPath: /,
    });
});

test('cgroupfs: a relative path, or the id, is beside our own cgroup on v2 and below it on v1', () => {
  const parent = '/user.slice/user-1000.slice/user@1000.service/app.slice';
  assert.equal(place(V2, { cgroupsPath: 'a/../b' }).path, `${parent}/b`);
  assert.equal(place(V2, { cgroupsPath: '../../b' }).path, `${parent}/b`);
  assert.equal(place(V2, {}).path, `${parent}/box`);
  const v1 = place(V1, {});
  assert.deepEqual([v1.path, v1.named], ['/box', false]);
  assert.deepEqual(v1.paths, {
    'cpu,cpuacct': '/c/box',
    memory: '/m/n/box',
    // Not a part of what is mounted: then it is taken as it stands.
    systemd: '/elsewhere/box',
  });
  assert.deepEqual(
    openCgroup(v1, V1).hierarchies.map(({ path }) => path),
    [`${ROOT}/cpu,cpuacct/c/box`, `${ROOT}/memory/m/n/box`, `${ROOT}/systemd/elsewhere/box`],
  );
});

test('systemd: slice:prefix:name is a scope in the slice', () => {
  const driver = 'systemd';
  assert.deepEqual(place(V2, { driver, cgroupsPath: 'a-b.slice:cri:box1' }), {
    driver: 'systemd',
    rootless: false,
    named: true,
    unit: 'cri-box1.scope',
    slice: 'a-b.slice',
    path: '/a.slice/a-b.slice/cri-box1.scope',
  });
  assert.equal(place(V2, { driver, cgroupsPath: '::box' }).path, '/system.slice/-box.scope');
  assert.equal(place(V2, { driver, cgroupsPath: '-.slice:p:a.slice' }).path, '/a.slice');
  assert.equal(place(V2, { driver }).path, '/system.slice/sampan-box.scope');
});

test('systemd: a user’s scope is below that user’s manager', () => {
  const options = { driver: 'systemd', rootless: true } as const;
  const manager = '/user.slice/user-1000.slice/user@1000.service';
  assert.equal(place(V2, options).path, `${manager}/user.slice/sampan-box.scope`);
  assert.equal(place(SESSION, options).path, `${manager}/user.slice/sampan-box.scope`);
  assert.throws(() => place(V1, options), { code: 'unsupported', message: /cgroup v1/ });
});

test('systemd: what is not a unit is refused', () => {
  for (const bad of [
    '/a/b',
    'a:b',
    'a.slice:b:',
    'nothing:b:c',
    '-a.slice:b:c',
    'a--b.slice:b:c',
    'a.slice:b:c/d',
  ])
    assert.throws(() => place(V2, { driver: 'systemd', cgroupsPath: bad }), {
      code: 'invalid',
      message: /^linux\.cgroupsPath: /,
    });
  assert.equal(expandSlice('a/b.slice'), undefined);
  assert.equal(unitObjectPath('1a-b.scope'), '/org/freedesktop/systemd1/unit/_31a_2db_2escope');
});

test('annotations become properties of the scope, and only those of systemd', () => {
  const annotations = { 'org.systemd.property.CollectMode': "'inactive'", 'com.example.x': 'y' };
  const { unitProperties } = place(V2, { driver: 'systemd', annotations });
  assert.deepEqual(unitProperties, { CollectMode: "'inactive'" });
  for (const [key, value] of [
    ['org.systemd.property.X-Y', 'true'],
    ['org.systemd.property.CollectMode', 'inactive'],
  ] as const)
    assert.throws(() => place(V2, { driver: 'systemd', annotations: { [key]: value } }), {
      code: 'invalid',
      message: new RegExp(`annotations\\["${key}"\\]`),
    });
});

test('inside a user namespace we are known to be, and who we are outside', () => {
  const uidMap = '         0       1000          1\n         1     100000      65536\n';
  const inside = thisMachine({ root: ROOT, mountInfo: v2Mount, ownCgroups: '', uidMap });
  assert.equal(inside.userNamespace, true);
  assert.equal(inside.uid, process.geteuid?.() === 0 ? 1000 : inside.uid);
  assert.equal(machine(v2Mount, '', '0 0 4294967295').userNamespace, false);
});

test('intelRdt: a group by its name or the id', () => {
  const rdt = (intelRdt: PlaceOptions['intelRdt']): unknown => place(V2, { intelRdt }).intelRdt;
  assert.deepEqual(rdt({ l3CacheSchema: 'L3:0=f', memBwSchema: 'MB:0=20', schemata: ['L3:0=3'] }), {
    group: 'box',
    owned: true,
    mustExist: false,
    schemata: ['L3:0=f', 'MB:0=20', 'L3:0=3'],
  });
  assert.deepEqual(rdt({ closID: 'gold', enableMonitoring: true }), {
    group: 'gold',
    owned: false,
    mustExist: true,
    monitoring: 'box',
  });
  for (const closID of ['a/b', '..', 'info'])
    assert.throws(() => rdt({ closID }), { code: 'invalid', message: /^linux\.intelRdt\.closID: / });
});
