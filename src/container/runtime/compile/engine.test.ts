import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseCapabilities } from '../capabilities.ts';
import type { Instruction } from '../program/instructions.ts';
import { decodeProgram, encodeProgram } from '../program/program-text.ts';
import type { ContainerSpec } from '../runtime.ts';
import { compileContainer, type EngineContext } from './engine.ts';

const context: EngineContext = {
  rootFolder: '/run/x/rootfs',
  procsFiles: ['/cg/cpu/cgroup.procs', '/cg/memory/cgroup.procs'],
  hierarchies: [{ name: '', path: '/cg', fsType: 'cgroup2' }],
  oomFile: '/cg/memory.events',
};

const spec: ContainerSpec = {
  id: 'abc',
  root: { key: 'k', lowerDirs: ['/l/1', '/l/0'], upperDir: '/u', workDir: '/w' },
  hostname: 'web',
  process: { args: ['/bin/web', '-v'], env: ['A=1'], cwd: '/srv/', user: 'app:web', additionalGids: [7] },
  cgroup: 'pod1/abc',
  stdio: { type: 'cri-log', path: '/log/0.log' },
};

const opcodes = (program: readonly Instruction[]): string[] => program.map(({ opcode }) => opcode);
const argsOf = (program: readonly Instruction[], opcode: string): (readonly string[])[] =>
  program.filter((each) => each.opcode === opcode).map(({ args }) => args);

test('the order that safety depends on', () => {
  const program = opcodes(compileContainer(spec, context));
  const order = [
    'cgroup',
    'clone',
    'enter',
    'unshare-cgroup',
    'propagation',
    'root',
    'mount',
    'device',
    'sysctl',
    'readonly',
    'mask',
    'pivot',
    'cwd',
    'user',
    'find-program',
    'created',
    'supervise',
    'no-new-privileges',
    'bounding',
    'identity',
    'capabilities',
    'seccomp',
    'exec',
  ];
  const places = order.map((opcode) => program.indexOf(opcode));
  assert.ok(!places.includes(-1));
  assert.deepEqual(
    places,
    places.toSorted((a, b) => a - b),
  );
  assert.equal(program.at(-1), 'exec');
});

test('a container of its own', () => {
  const program = compileContainer(spec, context);
  assert.deepEqual(argsOf(program, 'clone'), [['mnt', 'pid', 'net', 'ipc', 'uts']]);
  assert.deepEqual(argsOf(program, 'root'), [
    ['overlay', '/run/x/rootfs', 'lowerdir=/l/1:/l/0,upperdir=/u,workdir=/w'],
  ]);
  assert.deepEqual(argsOf(program, 'user'), [['app:web', '7']]);
  assert.deepEqual(argsOf(program, 'cwd'), [['/srv']]);
  assert.deepEqual(argsOf(program, 'propagation'), [['rprivate']]);
  assert.deepEqual(argsOf(program, 'bounding'), [['00000000a80425fb']]);
  assert.deepEqual(argsOf(program, 'capabilities'), [
    ['00000000a80425fb', '00000000a80425fb', '0000000000000000', '0000000000000000'],
  ]);
  assert.equal(argsOf(program, 'home').length, 1);
  assert.match(argsOf(program, 'environment')[0]![1]!, /^PATH=/);
  assert.deepEqual(argsOf(program, 'sysctl'), [
    ['net/ipv4/ip_unprivileged_port_start', '0'],
    ['net/ipv4/ping_group_range', '0 2147483647'],
  ]);
});

test('joined namespaces are neither cloned nor set up', () => {
  const join = {
    net: { path: '/proc/5/ns/net', inode: 1 },
    ipc: { path: '/proc/5/ns/ipc', inode: 2 },
    uts: { path: '/proc/5/ns/uts', inode: 3 },
    pid: { path: '/proc/5/ns/pid', inode: 4 },
  };
  const program = compileContainer({ ...spec, join }, context);
  assert.deepEqual(argsOf(program, 'clone'), [['mnt']]);
  assert.deepEqual(argsOf(program, 'join'), [
    ['pid', '/proc/5/ns/pid', '4'],
    ['net', '/proc/5/ns/net', '1'],
    ['ipc', '/proc/5/ns/ipc', '2'],
    ['uts', '/proc/5/ns/uts', '3'],
  ]);
  for (const opcode of ['hostname', 'loopback', 'sysctl'])
    assert.ok(!opcodes(program).includes(opcode), opcode);
  assert.ok(!argsOf(compileContainer({ ...spec, hostNetwork: true }, context), 'clone')[0]!.includes('net'));
});

test('a sandbox holds; a known init is itself; privileged hides nothing', () => {
  const { process, ...sandbox } = spec;
  const held = opcodes(compileContainer(sandbox, context));
  assert.deepEqual(held.slice(-3), ['pivot', 'created', 'hold']);
  assert.ok(!held.includes('device'));
  const tini = compileContainer(
    { ...spec, process: { ...process!, args: ['/sbin/tini', '--', 'x'] } },
    context,
  );
  assert.ok(opcodes(tini).includes('become') && !opcodes(tini).includes('supervise'));
  const privileged = opcodes(compileContainer({ ...spec, privileged: true }, context));
  for (const opcode of ['mask', 'readonly', 'no-new-privileges', 'seccomp'])
    assert.ok(!privileged.includes(opcode), opcode);
});

test('volumes are bound with what is mounted below them, read-only all the way down', () => {
  const program = compileContainer(
    {
      ...spec,
      mounts: [
        { source: '/a', destination: '/x/' },
        { source: '/b', destination: '/y', readonly: true },
      ],
    },
    context,
  );
  assert.deepEqual(argsOf(program, 'bind'), [
    ['/a', '/x', 'rec', '0', '0', '0', '0', '0'],
    ['/b', '/y', 'rec', '0', '0', '1', '0', '0'],
  ]);
});

test('more layers than a page of options holds, and paths that overlayfs would split', () => {
  const lowerDirs = Array.from({ length: 128 }, (_, index) => `/layers/${'f'.repeat(64)}/${index}`);
  const many = compileContainer({ ...spec, root: { ...spec.root, lowerDirs } }, context);
  assert.deepEqual(argsOf(many, 'root-layers'), [['/run/x/rootfs', '/u', '/w', ...lowerDirs]]);
  const odd = compileContainer({ ...spec, root: { ...spec.root, lowerDirs: ['/a:b,c\\d'] } }, context);
  assert.match(argsOf(odd, 'root')[0]![2]!, /^lowerdir=\/a\\:b\\,c\\\\d,/);
});

test('wrong specifications are refused before anything is done', () => {
  const cases: readonly (readonly [Partial<ContainerSpec>, RegExp])[] = [
    [{ id: '../x' }, /container id/],
    [{ hostname: 'h'.repeat(65) }, /hostname/],
    [{ process: { ...spec.process!, args: [] } }, /no command/],
    [{ process: { ...spec.process!, env: ['A=\0'] } }, /NUL byte/],
    [{ process: { ...spec.process!, cwd: 'here' } }, /absolute path/],
    [{ mounts: [{ source: '/x', destination: 'y' }] }, /absolute path/],
    [{ capabilities: { add: ['FLYING'] } }, /unknown capability "FLYING"/],
  ];
  for (const [change, message] of cases)
    assert.throws(() => compileContainer({ ...spec, ...change }, context), message);
});

test('a program survives its text form; long lists are split', () => {
  const env = Array.from({ length: 9000 }, (_, index) => `V${index}=a b`);
  const program = compileContainer({ ...spec, process: { ...spec.process!, env } }, context);
  assert.equal(argsOf(program, 'environment').length, 3);
  assert.deepEqual(decodeProgram(encodeProgram(program)), program);
  assert.throws(() => decodeProgram(Buffer.from('exec 0')), /cut off/);
  assert.throws(() => decodeProgram(Buffer.from('exec 2\0a\0')), /not an opcode and a count/);
});

test('capability arithmetic', () => {
  const all = chooseCapabilities({ add: ['ALL'], drop: ['CAP_CHOWN'] });
  assert.ok(all.length === 40 && !all.includes('CAP_CHOWN'));
  assert.deepEqual(chooseCapabilities({ add: ['cap_chown'], drop: ['all'] }), ['CAP_CHOWN']);
  assert.ok(!chooseCapabilities({ drop: ['NET_RAW'] }).includes('CAP_NET_RAW'));
});
