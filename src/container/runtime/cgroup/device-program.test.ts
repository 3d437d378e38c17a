import assert from 'node:assert/strict';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { recordingKernel } from '../../../kernel/recording.ts';
import { runDeviceProgram, type DeviceAccess } from '../../../../test/fixtures/ebpf-device-interpreter.ts';
import type { DeviceRule } from '../../spec/runtime-config.ts';
import { attachDeviceRules, compileDeviceProgram } from './device-program.ts';
import { checkDeviceRules, DEFAULT_DEVICE_RULES, effectiveRules } from './device-rules.ts';

const LETTERS = { m: 1, r: 2, w: 4 } as const;

function bitsOf(access: string): number {
  return access.split('').reduce((sum, letter) => sum | LETTERS[letter as keyof typeof LETTERS], 0);
}

function ask(device: string, access: string): DeviceAccess {
  const [, type, major, minor] = /^([bc]) (\d+):(\d+)$/.exec(device)!;
  return { type: type === 'b' ? 1 : 2, major: Number(major), minor: Number(minor), access: bitsOf(access) };
}

const allows = (rules: readonly DeviceRule[], device: string, access: string): boolean =>
  runDeviceProgram(compileDeviceProgram(checkDeviceRules(rules)), ask(device, access)) === 1;

/** What the rules mean, said as plainly as can be: each access by the last rule that speaks of it. */
function meaning(rules: readonly DeviceRule[], asked: DeviceAccess): boolean {
  return [1, 2, 4]
    .filter((bit) => (asked.access & bit) !== 0)
    .every((bit) => {
      const speaking = rules.filter(({ type = 'a', major = -1, minor = -1, access = 'rwm' }) => {
        if (type === 'a') return true;
        return (
          (type === 'b' ? 1 : 2) === asked.type &&
          (major < 0 || major === asked.major) &&
          (minor < 0 || minor === asked.minor) &&
          (bitsOf(access) & bit) !== 0
        );
      });
      return speaking.at(-1)?.allow ?? false;
    });
}

test('device rules: nothing is allowed by default', () => {
  assert.equal(allows([], 'c 1:3', 'r'), false);
  assert.equal(allows([{ allow: false, access: 'rwm' }], 'c 1:3', 'r'), false);
});

test('device rules: the last rule that speaks of an access decides it', () => {
  const rules: DeviceRule[] = [
    { allow: false },
    { allow: true, type: 'c', major: 1, access: 'rw' },
    { allow: false, type: 'c', major: 1, minor: 3, access: 'w' },
    { allow: true, type: 'b', major: 8, minor: 0 },
  ];
  assert.equal(allows(rules, 'c 1:3', 'r'), true);
  assert.equal(allows(rules, 'c 1:3', 'w'), false);
  assert.equal(allows(rules, 'c 1:3', 'rw'), false);
  assert.equal(allows(rules, 'c 1:5', 'rw'), true);
  assert.equal(allows(rules, 'c 1:5', 'm'), false);
  assert.equal(allows(rules, 'b 8:0', 'rwm'), true);
  assert.equal(allows(rules, 'c 8:0', 'r'), false);
  assert.equal(allows([...rules, { allow: true, type: 'a' }], 'b 9:9', 'rwm'), true);
});

test('device rules: two rules may allow one access together', () => {
  const rules: DeviceRule[] = [
    { allow: true, type: 'c', major: 1, minor: 3, access: 'r' },
    { allow: true, type: 'c', major: 1, access: 'w' },
  ];
  assert.equal(allows(rules, 'c 1:3', 'rw'), true);
  assert.equal(allows(rules, 'c 1:4', 'rw'), false);
});

test('device rules: what every container has', () => {
  const check = (device: string, access: string): boolean => allows(DEFAULT_DEVICE_RULES, device, access);
  for (const device of ['1:3', '1:5', '1:7', '1:8', '1:9', '5:0', '5:2', '136:7', '10:200'])
    assert.equal(check(`c ${device}`, 'rwm'), true, device);
  assert.equal(check('b 8:0', 'm'), true);
  assert.equal(check('b 8:0', 'r'), false);
  assert.equal(check('c 1:1', 'r'), false);
  assert.equal(check('c 1:1', 'm'), true);
});

test('device rules: random lists mean the same to the program as in plain words', () => {
  // A generator of its own with a fixed seed: the same lists each time.
  let seed = 20_240_607;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fffffff;
    return (seed >> 8) % below;
  };
  const pick = <T>(...choices: readonly T[]): T => choices[random(choices.length)]!;
  for (let round = 0; round < 400; round++) {
    const rules = Array.from({ length: random(7) }, (): DeviceRule => ({
      allow: pick(true, false),
      type: pick('a', 'b', 'c', 'c', 'b'),
      major: pick(-1, 1, 2),
      minor: pick(-1, 1, 2),
      access: pick('r', 'w', 'm', 'rw', 'rm', 'wm', 'rwm'),
    }));
    const program = compileDeviceProgram(checkDeviceRules(rules));
    for (const type of [1, 2])
      for (const major of [1, 2, 3])
        for (const minor of [1, 2, 3])
          for (const access of [1, 2, 3, 4, 5, 6, 7]) {
            const asked = { type, major, minor, access };
            const what = JSON.stringify({ rules, asked });
            assert.equal(runDeviceProgram(program, asked) === 1, meaning(rules, asked), what);
          }
  }
});

test('device rules: one that cannot be understood is named', () => {
  const cases: [unknown, RegExp][] = [
    [{ allow: true, type: 'p' }, /devices\[1\]\.type: "p"/],
    [{ allow: true, type: 'c', access: 'rx' }, /devices\[1\]\.access: "rx"/],
    [{ allow: true, type: 'c', major: 4096 }, /devices\[1\]\.major: 4096/],
    [{ allow: true, type: 'c', minor: 1.5 }, /devices\[1\]\.minor: 1.5/],
    [{ type: 'c' }, /devices\[1\]\.allow/],
  ];
  for (const [rule, message] of cases)
    assert.throws(() => checkDeviceRules([{ allow: false }, rule as DeviceRule]), {
      code: 'invalid',
      message,
    });
});

test('device rules: one program that is attached is replaced in one step, several give way to ours', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sampan-devices-'));
  try {
    const kernel = recordingKernel();
    attachDeviceRules(kernel, folder, effectiveRules([]));
    assert.equal(kernel.attached.length, 1);
    const [first] = kernel.attached;
    attachDeviceRules(kernel, folder, effectiveRules([{ allow: true }]));
    assert.ok(kernel.calls.includes(`attachDeviceProgram ${kernel.attached[0]} ${first}`));
    kernel.attached.push(4000);
    attachDeviceRules(kernel, folder, effectiveRules([]));
    assert.equal(kernel.attached.length, 1);
    const calls = kernel.calls.map((call) => call.split(' ')[0]!);
    const attached = calls.lastIndexOf('attachDeviceProgram');
    assert.ok(attached < calls.indexOf('detachDeviceProgram'), 'nothing is detached before ours is in');
    const closed = calls.filter((call) => call === 'close').length;
    // Three programs loaded; one, then two, opened to give way.
    assert.equal(closed, 6);
  } finally {
    rmdirSync(folder);
  }
});
