/** Our D-Bus client with Debian's dbus-daemon, and the systemd driver with a systemd that is one in name only. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createServer } from 'node:net';
import { readFileSync } from 'node:fs';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import { SystemdManager } from '../../src/container/runtime/cgroup/systemd-manager.ts';
import { thisMachine, type Machine } from '../../src/container/runtime/cgroup/machine.ts';
import { DbusConnection, variant } from '../../src/kernel/dbus.ts';
import { TestCgroup } from '../fixtures/container-cgroup.ts';
import { FakeSystemd, MessageBus } from '../fixtures/message-bus.ts';

const BUS = {
  destination: 'org.freedesktop.DBus',
  path: '/org/freedesktop/DBus',
  interface: 'org.freedesktop.DBus',
};

test('D-Bus: the bus answers, tells errors by name and passes signals on', async () => {
  await using bus = await MessageBus.start();
  using connection = await DbusConnection.connect(`unix:path=/nowhere;${bus.address}`);
  const [names] = await connection.call({ ...BUS, member: 'ListNames' });
  assert.ok((names as string[]).includes('org.freedesktop.DBus'));
  await assert.rejects(
    connection.call({ ...BUS, member: 'GetNameOwner', signature: 's', body: ['com.example.Nobody'] }),
    { code: 'unavailable', message: /org\.freedesktop\.DBus\.Error\.NameHasNoOwner: / },
  );
  await assert.rejects(connection.call({ ...BUS, member: 'Nothing' }), { code: 'unsupported' });
  await connection.addMatch("type='signal',member='Ping'");
  const heard = Promise.withResolvers<unknown>();
  connection.onSignal(({ member, body }) => member === 'Ping' && heard.resolve(body));
  // Somebody else's idea of how values are written down.
  const dict = 'dict:string:uint32:one,1,two,2';
  const sent = [
    '/x',
    'com.example.X.Ping',
    'string:grüße',
    'array:byte:1,2',
    dict,
    'variant:int64:-7',
    'double:0.5',
  ];
  execFileSync('dbus-send', [`--bus=${bus.address}`, '--type=signal', ...sent]);
  assert.deepEqual(await heard.promise, [
    'grüße',
    Buffer.from([1, 2]),
    [
      ['one', 1],
      ['two', 2],
    ],
    variant('x', -7n),
    0.5,
  ]);
});

test('D-Bus: what we write is read by others as it was meant', async () => {
  await using bus = await MessageBus.start();
  using connection = await DbusConnection.connect(bus.address);
  // A match rule is a string that the daemon takes apart, and complains about.
  await assert.rejects(connection.addMatch('nonsense'), { message: /MatchRuleInvalid/ });
  const flags = await connection.call({ ...BUS, member: 'RequestName', signature: 'su', body: ['a.b.C', 4] });
  assert.deepEqual(flags, [1]);
  assert.deepEqual(
    await connection.call({ ...BUS, member: 'NameHasOwner', signature: 's', body: ['a.b.C'] }),
    [true],
  );
});

test('D-Bus: nobody there, not let in, gone, or silent: each is said', async () => {
  await using bus = await MessageBus.start();
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => socket.write('REJECTED KERBEROS_V4\r\n'));
  }).listen(join(bus.dir, 'rejects'));
  const silent = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => socket.write('DATA\r\nOK 0123\r\n'));
  }).listen(join(bus.dir, 'silent'));
  for (const each of [server, silent]) if (!each.listening) await once(each, 'listening');
  try {
    const causes = async (address: string, timeout = 2000): Promise<string> => {
      const error = await DbusConnection.connect(address, { timeout }).then(
        () => assert.fail('connected'),
        (thrown: Error) => thrown,
      );
      assert.match(error.message, /nobody answers/);
      return String((error.cause as Error | undefined)?.message);
    };
    assert.match(await causes(`unix:path=${bus.dir}/none`), /ENOENT/);
    assert.equal(await causes('tcp:host=localhost'), 'undefined');
    assert.match(await causes(`unix:path=${bus.dir}/rejects`), /does not let us in: REJECTED KERBEROS_V4/);
    assert.match(await causes(`unix:path=${bus.dir}/silent`, 50), /no answer to Hello in 50 ms/);
    using connection = await DbusConnection.connect(bus.address);
    const call = connection.call({ ...BUS, member: 'ListNames' });
    connection[Symbol.dispose]();
    await assert.rejects(call, { code: 'unavailable', message: /was closed/ });
    await assert.rejects(connection.call({ ...BUS, member: 'ListNames' }), { code: 'unavailable' });
  } finally {
    server.close();
    silent.close();
  }
});

test('systemd: a unit is started, changed and stopped, and what becomes of its jobs is known', async () => {
  await using bus = await MessageBus.start();
  using systemd = await FakeSystemd.on(bus);
  using manager = await SystemdManager.connect([
    { address: 'unix:path=/nowhere', bus: true },
    { address: bus.address, bus: true },
  ]);
  assert.equal(await manager.version(), 252);
  await manager.start('a-1.scope', [['PIDs', variant('au', [7])]]);
  assert.deepEqual(systemd.units.get('a-1.scope')?.properties, { PIDs: [7] });
  assert.equal(await manager.controlGroup('a-1.scope'), '/system.slice/a-1.scope');
  await manager.setProperties('a-1.scope', [['TasksMax', variant('t', 5n)]]);
  assert.equal(systemd.units.get('a-1.scope')?.properties['TasksMax'], 5n);
  await assert.rejects(manager.start('a-1.scope', []), { code: 'already-exists', message: /UnitExists/ });
  await manager.stop('a-1.scope');
  await manager.stop('a-1.scope');
  assert.equal(systemd.units.size, 0);
  systemd.result = 'failed';
  await assert.rejects(manager.start('b.scope', []), {
    message: /could not start b\.scope: its job ended as failed/,
  });
  assert.equal(systemd.units.size, 0, 'and is not remembered');
  // Left behind by somebody else, and in the way.
  systemd.units.set('c.scope', { properties: {}, active: false });
  await manager.start('c.scope', []);
  assert.equal(systemd.units.get('c.scope')?.active, true);
});

test('systemd: without a bus it is said where it was looked for', async () => {
  const addresses = [{ address: 'unix:path=/nowhere/bus', bus: true }];
  await assert.rejects(SystemdManager.connect(addresses), {
    code: 'unavailable',
    message: 'systemd does not answer at unix:path=/nowhere/bus',
  });
});

function machineOn(bus: MessageBus): Machine {
  const mountInfo = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => line.includes(' - cgroup2 '))
    .join('\n');
  return thisMachine({
    root: '/sys/fs/cgroup',
    mountInfo,
    environment: { DBUS_SYSTEM_BUS_ADDRESS: bus.address },
  });
}

test('systemd: a container’s scope, with its limits and rules, from beginning to end', async () => {
  await using bus = await MessageBus.start();
  using systemd = await FakeSystemd.on(bus);
  await using box = new TestCgroup({
    machine: machineOn(bus),
    driver: 'systemd',
    cgroupsPath: 'machine.slice:box:1',
    annotations: { 'org.systemd.property.TimeoutStopSec': 'uint64 3' },
  });
  const { cgroup } = box;
  assert.equal(cgroup.place.path, '/machine.slice/box-1.scope');
  assert.equal(cgroup.wantsPid, true);
  await assert.rejects(cgroup.create({}), { code: 'invalid', message: /pid is missing/ });
  // Elsewhere than expected: what systemd says holds.
  systemd.controlGroup = () => `/${box.name}/box`;
  await cgroup
    .create({ cpu: { quota: -1 }, unified: { 'cgroup.max.depth': '4' } }, process.pid)
    .catch(async (error: Error) => {
      // The quota is for a controller that this tree may not have: then the scope is gone again.
      assert.match(error.message, /^linux\.resources\.cpu\.quota: /);
      assert.equal(systemd.units.size, 0);
      await cgroup.create({ unified: { 'cgroup.max.depth': '4' } }, process.pid);
    });
  assert.equal(cgroup.place.path, `/${box.name}/box`);
  assert.equal(box.read('', 'cgroup.max.depth'), '4');
  const { properties } = systemd.units.get('box-1.scope')!;
  assert.deepEqual(
    [properties['Slice'], properties['PIDs'], properties['Delegate'], properties['TimeoutStopUSec']],
    ['machine.slice', [process.pid], true, 3_000_000n],
  );
  assert.equal(properties['DevicePolicy'], 'strict');
  const denied = await box.output('exec 2>/dev/null; : </dev/kmsg && echo open');
  assert.equal(denied.stdout, '');
  await cgroup.update({ unified: { 'cgroup.max.depth': '6', 'pids.max': '5' } }).catch(() => {});
  assert.equal(properties['TasksMax'], 5n, 'systemd is told first');
  await cgroup.remove();
  assert.equal(systemd.units.size, 0);
  assert.equal(cgroup.exists(), false);
});

test('systemd: a create that fails late stops the scope', async () => {
  await using bus = await MessageBus.start();
  using systemd = await FakeSystemd.on(bus);
  await using box = new TestCgroup({
    machine: machineOn(bus),
    driver: 'systemd',
    cgroupsPath: '-.slice:box:2',
  });
  systemd.controlGroup = () => `/${box.name}/box`;
  await assert.rejects(box.cgroup.create({ unified: { 'cgroup.nothing': '1' } }, process.pid), {
    code: 'unsupported',
    message: /^linux\.resources\.unified/,
  });
  assert.equal(systemd.units.size, 0);
  assert.ok(systemd.calls.includes('StopUnit box-2.scope replace'));
});
