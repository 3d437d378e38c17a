import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ResourcesConfig } from '../../spec/runtime-config.ts';
import {
  bitsOf,
  oomProperties,
  resourceProperties,
  roundQuota,
  unitProperties,
  type UnitProperty,
} from './systemd-properties.ts';
import { parseVariant } from './variant-text.ts';

const V2 = { cgroupVersion: 2, systemd: 252 } as const;
const V1 = { cgroupVersion: 1, systemd: 252 } as const;
const OLD = { cgroupVersion: 2, systemd: 239 } as const;
const NO_LIMIT = 2n ** 64n - 1n;

const show = (properties: readonly UnitProperty[]): Record<string, unknown> =>
  Object.fromEntries(properties.map(([name, { value }]) => [name, value]));
const properties = (resources: ResourcesConfig, facts: typeof V1 | typeof V2 | typeof OLD): unknown =>
  show(resourceProperties(resources, facts, { devices: false }));

const ALL: ResourcesConfig = {
  memory: { limit: 1000, reservation: 500, swap: 3000 },
  cpu: { shares: 1024, quota: 50_000, period: 100_000, cpus: '0-2,9', mems: '0' },
  pids: { limit: 7 },
  blockIO: { weight: 300 },
};

test('limits as properties of v2', () => {
  assert.deepEqual(properties(ALL, V2), {
    MemoryMax: 1000n,
    MemoryLow: 500n,
    MemorySwapMax: 2000n,
    CPUWeight: 100n,
    CPUQuotaPeriodUSec: 100_000n,
    CPUQuotaPerSecUSec: 500_000n,
    TasksMax: 7n,
    AllowedCPUs: new Uint8Array([0b111, 0b10]),
    AllowedMemoryNodes: new Uint8Array([1]),
  });
});

test('limits as properties of v1', () => {
  assert.deepEqual(properties({ ...ALL, cpu: { shares: 512 } }, V1), {
    MemoryLimit: 1000n,
    CPUShares: 512n,
    TasksMax: 7n,
    BlockIOWeight: 300n,
  });
});

test('an old systemd is not told what it does not know', () => {
  const names = Object.keys(properties({ ...ALL, cpu: { ...ALL.cpu, idle: 1 } }, OLD) as object);
  assert.deepEqual(names, [
    'MemoryMax',
    'MemoryLow',
    'MemorySwapMax',
    'CPUWeight',
    'CPUQuotaPerSecUSec',
    'TasksMax',
  ]);
});

test('no limit is infinity', () => {
  assert.deepEqual(properties({ memory: { limit: -1 }, cpu: { quota: -1 }, pids: { limit: -1 } }, V2), {
    MemoryMax: NO_LIMIT,
    MemorySwapMax: NO_LIMIT,
    CPUQuotaPerSecUSec: NO_LIMIT,
    TasksMax: NO_LIMIT,
  });
});

test('idle is a weight of zero', () => {
  assert.deepEqual(properties({ cpu: { idle: 1, shares: 1024 } }, V2), { CPUWeight: 0n });
});

test('files of unified that systemd has a word for', () => {
  const unified = {
    'memory.high': '100',
    'memory.max': 'max',
    'cpu.max': '5000 10000',
    'cpu.weight': '50',
    'cpuset.cpus': '1',
    'pids.max': '0',
    'io.max': '8:0 rbps=1',
  };
  assert.deepEqual(properties({ unified }, V2), {
    MemoryHigh: 100n,
    MemoryMax: NO_LIMIT,
    CPUQuotaPeriodUSec: 10_000n,
    CPUQuotaPerSecUSec: 500_000n,
    CPUWeight: 50n,
    AllowedCPUs: new Uint8Array([2]),
    TasksMax: 1n,
  });
  assert.throws(() => properties({ unified: { 'pids.max': 'many' } }, V2), {
    code: 'invalid',
    message: /linux\.resources\.unified\["pids\.max"\]: "many"/,
  });
});

test('quotas are rounded up to whole percents, as systemd does', () => {
  assert.equal(roundQuota({ cpu: { quota: 12_345, period: 100_000 } }).cpu?.quota, 13_000);
  assert.equal(roundQuota({ cpu: { quota: 50_000 } }).cpu?.quota, 50_000);
  assert.equal(roundQuota({ cpu: { quota: -1 } }).cpu?.quota, -1);
});

test('devices: strict with a list, or automatic where systemd cannot say it', () => {
  const devices = (rules: ResourcesConfig['devices']): Record<string, unknown> =>
    show(resourceProperties({ ...(rules !== undefined && { devices: rules }) }, V2, { devices: true }));
  const closed = devices([{ allow: false }, { allow: true, type: 'c', major: 10, minor: 229, access: 'rw' }]);
  assert.equal(closed['DevicePolicy'], 'strict');
  const list = closed['DeviceAllow'] as readonly (readonly string[])[];
  assert.deepEqual(list[0], ['/dev/char/10:229', 'rw']);
  assert.ok(list.some(([path]) => path === '/dev/char/1:3'));
  assert.deepEqual(devices([{ allow: true }]), { DeviceAllow: [], DevicePolicy: 'auto' });
  // An order that no list can hold: systemd lets through, the program of ours decides.
  const ordered = devices([
    { allow: true, type: 'c', major: 1 },
    { allow: false, type: 'c', major: 1, minor: 1 },
  ]);
  assert.equal(ordered['DevicePolicy'], 'auto');
});

test('a scope has its slice, its process and its annotations; a slice has neither of the first', () => {
  const options = {
    slice: 'a.slice',
    pid: 42,
    annotations: { TimeoutStopSec: 'uint64 5', CollectMode: "'x'" },
  };
  const scope = show(unitProperties({ ...options, unit: 'b.scope' }, V2));
  assert.deepEqual(
    [scope['Slice'], scope['Delegate'], scope['PIDs'], scope['DefaultDependencies']],
    ['a.slice', true, [42], false],
  );
  assert.deepEqual([scope['TimeoutStopUSec'], scope['CollectMode']], [5_000_000n, 'x']);
  assert.ok('IOAccounting' in scope && !('BlockIOAccounting' in scope));
  const slice = show(unitProperties({ ...options, unit: 'b.slice' }, V1));
  assert.deepEqual([slice['Wants'], slice['Slice'], slice['PIDs']], [['a.slice'], undefined, undefined]);
});

test('the OOM policy is said where systemd knows it', () => {
  const resources = { unified: { 'memory.oom.group': '1' } };
  assert.deepEqual(show(oomProperties(resources, { cgroupVersion: 2, systemd: 253 })), { OOMPolicy: 'kill' });
  assert.deepEqual(show(oomProperties(resources, V2)), {});
});

test('lists of processors as bits', () => {
  assert.deepEqual(bitsOf('0,2-3', 'x'), new Uint8Array([0b1101]));
  assert.deepEqual(bitsOf(' 8 ,', 'x'), new Uint8Array([0, 1]));
  for (const bad of ['', 'a', '3-1', '1-', '99999'])
    assert.throws(() => bitsOf(bad, 'x'), { code: 'invalid' });
});

test('values in their text form', () => {
  const cases: [string, string, unknown][] = [
    ["'it\\'s'", 's', "it's"],
    ['"x"', 's', 'x'],
    ['true', 'b', true],
    ['-5', 'i', -5],
    ['1.5', 'd', 1.5],
    ['uint64 0x10', 't', 16n],
    ['@t 7', 't', 7n],
    ['byte 255', 'y', 255],
    ["['a', 'b']", 'as', ['a', 'b']],
    ['@as []', 'as', []],
    ['[@t 1, 2]', 'at', [1n, 2n]],
    ["[('a', 1)]", 'a(si)', [['a', 1]]],
    ['<true>', 'v', { signature: 'b', value: true }],
    ["objectpath '/a'", 'o', '/a'],
  ];
  for (const [text, signature, value] of cases)
    assert.deepEqual(parseVariant(text), { signature, value }, text);
  for (const bad of [
    '',
    'word',
    "'open",
    '[1',
    '[1, true]',
    '[]',
    '1 2',
    'byte 256',
    '@b 1',
    '()',
    'uint64 -1',
    '1.5x',
  ])
    assert.throws(() => parseVariant(bad), { code: 'invalid' }, bad);
});
