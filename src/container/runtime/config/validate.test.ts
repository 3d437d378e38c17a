import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isPlatformError } from '../../../base/errors.ts';
import type { HostSupport } from './host.ts';
import { checkProcess, parseRuntimeConfig } from './validate.ts';
import { configWarnings } from './warnings.ts';

const nothing: HostSupport = {
  appArmor: () => false,
  seLinux: () => false,
  intelRdt: () => false,
  namespace: (type) => type !== 'time',
  isOwnNetwork: (path) => path === '/own',
  mayHave: (capability) => capability !== 0,
};
const everything: HostSupport = {
  appArmor: () => true,
  seLinux: () => true,
  intelRdt: () => true,
  namespace: () => true,
  isOwnNetwork: () => false,
  mayHave: () => true,
};

const TYPES = ['pid', 'network', 'mount', 'ipc', 'uts'];
const base = (): Record<string, unknown> => ({
  ociVersion: '1.2.0',
  root: { path: 'rootfs' },
  process: { user: { uid: 0, gid: 0 }, args: ['sh'], cwd: '/' },
  linux: { namespaces: TYPES.map((type) => ({ type })) },
});

/** `base` with the value at a path of fields and indexes; the last may be new. */
function withValue(path: string, value: unknown): string {
  const config = base();
  const parts = path.split(/[.[\]]+/).filter((part) => part !== '');
  let place: Record<string, unknown> = config;
  for (const part of parts.slice(0, -1)) {
    place[part] ??= {};
    place = place[part] as Record<string, unknown>;
  }
  place[parts.at(-1)!] = value;
  return JSON.stringify(config);
}

const userMap = [{ containerID: 0, hostID: 1000, size: 10 }];
const withUser = { namespaces: [...TYPES, 'user'].map((type) => ({ type })) };

/** Path, value, and how the message goes on behind the path where the mistake is reported. */
const REFUSED: readonly (readonly [string, unknown, string])[] = [
  ['ociVersion', undefined, 'ociVersion: missing; want a version 1.x'],
  ['ociVersion', '2.0.0', 'ociVersion: "2.0.0" is wrong; want a version 1.x'],
  ['ociVersion', '1.0', 'ociVersion: "1.0" is wrong'],
  ['root', undefined, 'root: missing; want an object'],
  ['root.path', '', 'root.path: "" is wrong; want a string that is not empty'],
  ['root.readonly', 'yes', 'root.readonly: "yes" is wrong; want true or false'],
  ['hostname', 'h'.repeat(65), 'hostname: "hhh'],
  ['hostname', 'a\0b', 'hostname: "a\\u0000b" has a NUL byte'],
  ['process.args', [], 'process.args: missing; want the program'],
  ['process.args', 'sh', 'process.args: "sh" is wrong; want a list'],
  ['process.args', ['sh', 1], 'process.args[1]: 1 is wrong; want a string'],
  ['process.cwd', 'tmp', 'process.cwd: "tmp" is wrong; want an absolute path'],
  ['process.cwd', null, 'process.cwd: missing; want an absolute path'],
  ['process.env', ['A=1', 'B'], 'process.env[1]: "B" is wrong; want NAME=value'],
  ['process.user', undefined, 'process.user: missing'],
  ['process.user.uid', -1, 'process.user.uid: -1 is wrong; want a whole number from 0 to 4294967295'],
  ['process.user.uid', 1.5, 'process.user.uid: 1.5 is wrong'],
  ['process.user.umask', 0o10000, 'process.user.umask: 4096 is wrong; want permission bits from 0'],
  ['process.user.additionalGids', [1, '2'], 'process.user.additionalGids[1]: "2" is wrong'],
  ['process.consoleSize', { width: 3 }, 'process.consoleSize.height: missing'],
  [
    'process.capabilities.bounding',
    'CAP_KILL',
    'process.capabilities.bounding: "CAP_KILL" is wrong; want a list',
  ],
  ['process.oomScoreAdj', 1001, 'process.oomScoreAdj: 1001 is wrong; want a whole number from -1000 to 1000'],
  [
    'process.rlimits',
    [{ type: 'RLIMIT_FOO', soft: 1, hard: 1 }],
    'process.rlimits[0].type: "RLIMIT_FOO" is not a resource limit; want RLIMIT_CPU, ',
  ],
  [
    'process.rlimits',
    [{ type: 'RLIMIT_AS', soft: 2, hard: 1 }],
    'process.rlimits[0].soft: 2 is above the hard limit; want at most 1',
  ],
  [
    'process.rlimits',
    [1, 2].map(() => ({ type: 'RLIMIT_AS', soft: 1, hard: 1 })),
    'process.rlimits[1].type: "RLIMIT_AS" is there twice',
  ],
  [
    'process.rlimits',
    [{ type: 'RLIMIT_AS', soft: -1, hard: 1 }],
    'process.rlimits[0].soft: -1 is wrong; want a whole number of at least 0',
  ],
  ['process.scheduler', { nice: 1 }, 'process.scheduler.policy: missing; want SCHED_OTHER'],
  ['process.scheduler', { policy: 'SCHED_OTHER', nice: 20 }, 'process.scheduler.nice: 20 is wrong'],
  [
    'process.scheduler',
    { policy: 'SCHED_OTHER', priority: 1 },
    'process.scheduler.priority: 1 is wrong; SCHED_OTHER has none',
  ],
  ['process.scheduler', { policy: 'SCHED_RR' }, 'process.scheduler.priority: 0 is wrong; want 1 to 99'],
  [
    'process.scheduler',
    { policy: 'SCHED_FIFO', priority: 1, runtime: 5 },
    'process.scheduler.runtime: 5 is wrong',
  ],
  [
    'process.scheduler',
    { policy: 'SCHED_DEADLINE', runtime: 5000, deadline: 4000 },
    'process.scheduler.runtime: 5000 is wrong',
  ],
  [
    'process.ioPriority',
    { class: 'IOPRIO_CLASS_RT', priority: 8 },
    'process.ioPriority.priority: 8 is wrong; want a whole number from 0 to 7',
  ],
  [
    'process.ioPriority',
    { class: 'RT', priority: 1 },
    'process.ioPriority.class: "RT" is not an I/O scheduling class',
  ],
  [
    'process.execCPUAffinity',
    { initial: '0-x' },
    'process.execCPUAffinity.initial: "0-x" is wrong; want a list of CPUs',
  ],
  ['mounts', [{ type: 'tmpfs' }], 'mounts[0].destination: missing'],
  ['mounts', [{ destination: '/' }], 'mounts[0].destination: "/" is the root itself'],
  ['mounts', [{ destination: '/a/..', type: 'tmpfs' }], 'mounts[0].destination: "/a/.." is the root itself'],
  ['mounts', [{ destination: '/a' }], 'mounts[0].type: missing; want the type of a file system'],
  ['mounts', [{ destination: '/a', options: ['bind'] }], 'mounts[0].source: missing'],
  [
    'mounts',
    [{ destination: '/proc/sys', source: '/b', options: ['bind'] }],
    'mounts[0].destination: "/proc/sys" is in procfs',
  ],
  [
    'mounts',
    [{ destination: '/proc', type: 'tmpfs' }],
    'mounts[0].type: "tmpfs" is wrong; want "proc" at /proc',
  ],
  [
    'mounts',
    [{ destination: '/a', type: 'tmpfs', uidMappings: userMap, gidMappings: userMap }],
    'mounts[0].uidMappings: only bind mounts',
  ],
  [
    'mounts',
    [{ destination: '/a', source: '/b', options: ['bind'], uidMappings: userMap }],
    'mounts[0].gidMappings: missing; want both',
  ],
  [
    'mounts',
    [{ destination: '/a', source: '/b', options: ['bind', 'idmap'] }],
    'mounts[0].uidMappings: missing; want mappings',
  ],
  ['hooks', { prestart: [{ path: 'x' }] }, 'hooks.prestart[0].path: "x" is wrong; want an absolute path'],
  [
    'hooks',
    { poststop: [{ path: '/x', timeout: 0 }] },
    'hooks.poststop[0].timeout: 0 is wrong; want a whole number from 1',
  ],
  ['hooks', { poststop: [{ path: '/x', env: ['='] }] }, 'hooks.poststop[0].env[0]: "=" is wrong'],
  ['annotations', { '': 'x' }, 'annotations[""]: "" is wrong; want a key'],
  ['annotations', { 'a.b': 1 }, 'annotations["a.b"]: 1 is wrong; want a string'],
  [
    'linux.namespaces',
    [{ type: 'net' }],
    'linux.namespaces[0].type: "net" is not a namespace type; want pid, network',
  ],
  ['linux.namespaces', [{ type: 'pid' }, { type: 'pid' }], 'linux.namespaces[1].type: "pid" is there twice'],
  [
    'linux.namespaces',
    [{ type: 'pid', path: 'x' }],
    'linux.namespaces[0].path: "x" is wrong; want an absolute path',
  ],
  ['linux', { uidMappings: userMap }, 'linux.uidMappings: there is nothing to map ids for'],
  ['linux', withUser, "linux.uidMappings: no mapping for id 0; want the container's root"],
  [
    'linux',
    { ...withUser, uidMappings: [...userMap, { containerID: 9, hostID: 5000, size: 1 }] },
    'linux.uidMappings[1].containerID: 9 is in another mapping too',
  ],
  [
    'linux',
    { ...withUser, uidMappings: [{ containerID: 0, hostID: 5, size: 0 }] },
    'linux.uidMappings[0].size: 0 is wrong',
  ],
  [
    'linux.timeOffsets',
    { monotonic: { secs: 1 } },
    'linux.timeOffsets: offsets are set when a namespace is made',
  ],
  [
    'linux.timeOffsets',
    { monotonic: { nanosecs: 1e9 } },
    'linux.timeOffsets.monotonic.nanosecs: 1000000000 is wrong',
  ],
  ['linux.devices', [{ path: '/dev/x', type: 'c', major: 1 }], 'linux.devices[0].minor: missing'],
  [
    'linux.devices',
    [{ path: '/dev/x', type: 'd' }],
    'linux.devices[0].type: "d" is not a kind of device; want c, u, b, p',
  ],
  ['linux.rootfsPropagation', 'upwards', 'linux.rootfsPropagation: "upwards" is not a mount propagation'],
  ['linux.maskedPaths', ['proc'], 'linux.maskedPaths[0]: "proc" is wrong; want an absolute path'],
  ['linux', { maskedPaths: ['/proc/kcore'] }, 'linux.maskedPaths: the paths would be hidden from the host'],
  ['linux.sysctl', { 'kernel.panic': '1' }, 'linux.sysctl["kernel.panic"]: belongs to no namespace'],
  [
    'linux.sysctl',
    { 'net.ipv4.ip_forward': 1 },
    'linux.sysctl["net.ipv4.ip_forward"]: 1 is wrong; want a string',
  ],
  [
    'linux.sysctl',
    { 'net/../kernel/panic': '1' },
    'linux.sysctl["net/../kernel/panic"]: "net/../kernel/panic" is wrong; want the name of a sysctl',
  ],
  [
    'linux.sysctl',
    { 'kernel.hostname': 'x' },
    'linux.sysctl["kernel.hostname"]: is wrong; want the field hostname',
  ],
  [
    'linux',
    { sysctl: { 'net.x': '1' } },
    'linux.sysctl["net.x"]: the setting would be the host\'s; want a namespace of type "network"',
  ],
  [
    'linux',
    { namespaces: [{ type: 'network', path: '/own' }], sysctl: { 'net.x': '1' } },
    'linux.sysctl["net.x"]: the setting would be the host\'s: /own is',
  ],
  [
    'linux.personality',
    { domain: 'BSD' },
    'linux.personality.domain: "BSD" is not a personality; want LINUX, LINUX32',
  ],
  [
    'linux.personality',
    { domain: 'LINUX', flags: ['X'] },
    'linux.personality.flags: "X" is wrong; no flag is defined',
  ],
  ['linux.resources.devices', [{ type: 'c' }], 'linux.resources.devices[0].allow: missing'],
  [
    'linux.resources.devices',
    [{ allow: true, access: 'x' }],
    'linux.resources.devices[0].access: "x" is wrong; want letters of "rwm"',
  ],
  [
    'linux.resources.memory',
    { limit: '1G' },
    'linux.resources.memory.limit: "1G" is wrong; want a whole number',
  ],
  ['linux.resources.cpu', { idle: 2 }, 'linux.resources.cpu.idle: 2 is wrong'],
  ['linux.resources.blockIO', { weight: 70000 }, 'linux.resources.blockIO.weight: 70000 is wrong'],
  [
    'linux.resources.hugepageLimits',
    [{ pageSize: '2', limit: 1 }],
    'linux.resources.hugepageLimits[0].pageSize: "2" is wrong',
  ],
  [
    'linux.resources.unified',
    { '../x': '1' },
    'linux.resources.unified["../x"]: "../x" is wrong; want the name of a cgroup file',
  ],
  ['linux.seccomp', { defaultAction: 'SCMP_ACT_FLY' }, 'linux.seccomp.defaultAction: '],
  [
    'linux.seccomp',
    { defaultAction: 'SCMP_ACT_ALLOW', syscalls: [{ names: [], action: 'SCMP_ACT_LOG' }] },
    'linux.seccomp.syscalls[0].names: ',
  ],
];

test('what is not valid is refused by path, with the rule', () => {
  for (const [path, value, message] of REFUSED) {
    const text = withValue(path, value);
    assert.throws(
      () => parseRuntimeConfig(text, 'config.json', nothing),
      (error) => {
        assert.ok(isPlatformError(error, 'invalid'), String(error));
        assert.equal(error.message.slice(0, message.length), message);
        return true;
      },
    );
  }
});

test('what this host lacks is unsupported, by the field that asks for it', () => {
  const asked: readonly (readonly [string, unknown])[] = [
    ['process.apparmorProfile', 'p'],
    ['process.selinuxLabel', 'l'],
    ['linux.mountLabel', 'l'],
    ['linux.intelRdt', { closID: 'c' }],
  ];
  for (const [path, value] of asked) {
    const text = withValue(path, value);
    assert.throws(
      () => parseRuntimeConfig(text, 'config.json', nothing),
      (error) => isPlatformError(error, 'unsupported') && error.message.startsWith(`${path}: `),
    );
    parseRuntimeConfig(text, 'config.json', everything);
  }
  const time = withValue('linux.namespaces', [{ type: 'time' }]);
  assert.throws(() => parseRuntimeConfig(time, 'config.json', nothing), {
    code: 'unsupported',
    message: 'linux.namespaces[0].type: this kernel has no namespaces of type "time"',
  });
});

test('what is valid passes', () => {
  const accepted: readonly (readonly [string, unknown])[] = [
    ['ociVersion', '1.0.2-dev'],
    ['future', { anything: 1 }],
    ['process.future', 'x'],
    ['mounts', [{ destination: 'relative', type: 'tmpfs' }]],
    ['mounts', [{ destination: '/proc/cpuinfo', source: '/x', options: ['bind'] }]],
    ['mounts', [{ destination: '/x', type: 'bind', source: 'rel' }]],
    [
      'linux.namespaces',
      [
        { type: 'pid', path: '' },
        { type: 'user', path: '/proc/1/ns/user' },
      ],
    ],
    ['linux', { ...withUser, uidMappings: userMap, gidMappings: userMap }],
    [
      'linux.sysctl',
      { 'net/ipv4/conf/eth0.1/forwarding': '1', 'kernel.shmmax': '1', 'fs.mqueue.msg_max': '1' },
    ],
    ['linux.devices', [{ path: '/run/f', type: 'p' }]],
    ['linux.resources.unified', { 'memory.high': '1' }],
    ['process.capabilities.bounding', ['CAP_OF_TOMORROW']],
    ['process.scheduler', { policy: 'SCHED_DEADLINE', runtime: 1e6, deadline: 2e6, period: 3e6 }],
    ['linux.seccomp', {}],
    ['process', undefined],
  ];
  for (const [path, value] of accepted) parseRuntimeConfig(withValue(path, value), 'config.json', nothing);
});

test('null is as absent, as writers in Go mean it', () => {
  const config = parseRuntimeConfig(withValue('process.capabilities', null), 'config.json', nothing);
  assert.equal(config.process!.capabilities, undefined);
});

test('values of 64 bits keep all of them in seccomp; limits without end stay numbers', () => {
  const text = withValue('linux.seccomp', {
    defaultAction: 'SCMP_ACT_ALLOW',
    syscalls: [
      { names: ['clone'], action: 'SCMP_ACT_ERRNO', args: [{ index: 0, value: 0, op: 'SCMP_CMP_EQ' }] },
    ],
  })
    .replace('"value":0', '"value":9223372036854775809')
    .replace('"cwd"', '"rlimits":[{"type":"RLIMIT_AS","soft":1,"hard":18446744073709551615}],"cwd"');
  const config = parseRuntimeConfig(text, 'config.json', nothing);
  assert.equal(config.linux!.seccomp!.syscalls![0]!.args![0]!.value, 9223372036854775809n);
  assert.equal(config.process!.rlimits![0]!.hard, 2 ** 64);
});

test('text that is no JSON is refused by line and column', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['', 'c.json:1:1: is not JSON: Unexpected end'],
    ['{\n "a": tru}', 'c.json:2:7: is not JSON: Unexpected token'],
    ['{\n "a": 1,\n}', 'c.json:3:1: is not JSON: '],
    ['{"a": 1 "b": 2}', 'c.json:1:9: is not JSON: '],
    ['[1, 2', 'c.json:1:6: is not JSON: '],
    ['{"a": "x\ny"}', 'c.json:1:7: is not JSON: '],
    ['{"a": 01}', 'c.json:1:7: is not JSON: '],
    ['{} {}', 'c.json:1:4: is not JSON: '],
    ["{'a': 1}", 'c.json:1:2: is not JSON: '],
  ];
  for (const [text, message] of cases) {
    assert.throws(
      () => parseRuntimeConfig(text, 'c.json', nothing),
      (error) => {
        assert.ok(isPlatformError(error, 'invalid'));
        assert.equal(error.message.slice(0, message.length), message);
        return true;
      },
    );
  }
  assert.throws(
    () => parseRuntimeConfig('[]', 'c.json', nothing),
    /^PlatformError: config: \[\] is wrong; want an object/,
  );
});

test('a process by itself', () => {
  const process = { user: { uid: 1, gid: 1 }, args: ['id'], cwd: '/' };
  assert.equal(checkProcess(process, 'process', nothing).user.uid, 1);
  assert.throws(() => checkProcess({ ...process, cwd: 'x' }, 'process', nothing), /process\.cwd: "x"/);
  assert.throws(() => checkProcess({ ...process, cwd: 'x' }, '', nothing), /: cwd: "x"/);
});

test('what is passed over is said', () => {
  const given = withValue('process.capabilities', {
    bounding: ['CAP_KILL', 'CAP_PLUM'],
    permitted: ['CAP_CHOWN'],
  });
  const relative = given.replace(
    '"root"',
    '"mounts":[{"destination":"x","type":"tmpfs"},{"destination":"/y","source":"/y","options":["bind","size=1"]}],"root"',
  );
  assert.deepEqual(configWarnings(parseRuntimeConfig(relative, 'config.json', nothing), nothing), [
    'process.capabilities.bounding[1]: "CAP_PLUM" is not known and not given',
    'process.capabilities.permitted[0]: "CAP_CHOWN" is not ours to give',
    'mounts[0].destination: "x" is relative, which is deprecated; taken as /x',
    'mounts[1].options: "size=1" has no meaning for a bind mount',
  ]);
  assert.deepEqual(
    configWarnings(parseRuntimeConfig(withValue('hostname', 'h'), 'config.json', nothing)),
    [],
  );
});
