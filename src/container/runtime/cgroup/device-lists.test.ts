import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DeviceRule } from '../../spec/runtime-config.ts';
import { deviceState, deviceTransition, parseDeviceList, systemdDevices } from './device-lists.ts';
import { checkDeviceRules } from './device-rules.ts';

const stateOf = (...rules: readonly DeviceRule[]): ReturnType<typeof deviceState> =>
  deviceState(checkDeviceRules(rules));
const lines = (from: string, ...rules: readonly DeviceRule[]): string[] =>
  deviceTransition(parseDeviceList(from), stateOf(...rules)).map(
    ({ file, value }) => `${file.slice('devices.'.length)} ${value}`,
  );

const nullDevice: DeviceRule = { allow: true, type: 'c', major: 1, minor: 3, access: 'rw' };

test('v1 devices: a new cgroup is closed first, then opened where the rules say', () => {
  assert.deepEqual(lines('a *:* rwm\n', { allow: false }, nullDevice), ['deny a *:* rwm', 'allow c 1:3 rw']);
  assert.deepEqual(lines('a *:* rwm\n', { allow: true }), ['allow a *:* rwm']);
});

test('v1 devices: from one list to another only the difference is written', () => {
  const from = 'c 1:3 rwm\nc 1:5 r\nb *:* m\n';
  assert.deepEqual(
    lines(
      from,
      nullDevice,
      { allow: true, type: 'c', major: 1, minor: 5 },
      { allow: true, type: 'b', access: 'm' },
    ),
    ['deny c 1:3 m', 'allow c 1:5 wm'],
  );
  assert.deepEqual(lines('c 1:3 rw\n', nullDevice), []);
});

test('v1 devices: an exception that is taken back is gone, whole or in part', () => {
  const denied: DeviceRule = { allow: false, type: 'c', access: 'w' };
  assert.deepEqual([...stateOf(nullDevice, denied).exceptions], [['c 1:3', 2]]);
  assert.deepEqual([...stateOf(nullDevice, { allow: false, type: 'c' }).exceptions], []);
});

test('v1 devices: an exception within an exception is unsupported, for the container would get more', () => {
  const all: DeviceRule = { allow: true, type: 'c', major: 1 };
  assert.throws(() => stateOf(all, { ...nullDevice, allow: false }), {
    code: 'unsupported',
    message: /linux\.resources\.devices: denying c 1:3 within c 1:\* needs cgroup v2/,
  });
  // Other accesses than those of the exception have nothing to do with it.
  assert.equal(stateOf({ ...all, access: 'm' }, { ...nullDevice, allow: false }).exceptions.get('c 1:*'), 1);
});

test('v1 devices: what allows by default has exceptions to deny', () => {
  assert.deepEqual(lines('c 1:3 rw\n', { allow: true }, { allow: false, type: 'b', major: 8 }), [
    'allow a *:* rwm',
    'deny b 8:* rwm',
  ]);
});

test('systemd is told as much of the rules as it can say', () => {
  assert.deepEqual(systemdDevices(stateOf({ allow: true })), { policy: 'auto', allow: [] });
  assert.equal(systemdDevices(stateOf({ allow: true }, { allow: false, type: 'b', major: 8 })), undefined);
  assert.deepEqual(
    systemdDevices(
      stateOf(nullDevice, { allow: true, type: 'b', access: 'm' }, { allow: true, type: 'c', major: 136 }),
    ),
    {
      policy: 'strict',
      allow: [
        ['/dev/char/1:3', 'rw'],
        ['block-*', 'm'],
        ['char-136', 'rwm'],
      ],
    },
  );
});
