import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { armFailpoints, traceFailpoints } from '../base/failpoint.ts';
import { cgroupHost, cgroupMounts, type CgroupHost } from './cgroup.ts';
import { weightOfShares } from './cgroup-v2.ts';

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'sampan-cgroup-'));
});
afterEach(() => {
  armFailpoints('');
  traceFailpoints(undefined);
  rmSync(root, { recursive: true });
});

const V2_FILES = ['cgroup.procs', 'cpu.weight', 'cpu.max', 'memory.max', 'memory.swap.max', 'pids.max'];

/** A plain folder in the place of a v2 cgroup; the kernel would make these files in each. */
function fakeCgroup(path: string, controllers = 'cpu memory pids'): void {
  mkdirSync(path, { recursive: true });
  for (const file of V2_FILES) writeFileSync(join(path, file), '');
  writeFileSync(join(path, 'cgroup.controllers'), `${controllers}\n`);
  writeFileSync(join(path, 'cgroup.subtree_control'), '\n');
}

function v2(): CgroupHost {
  fakeCgroup(root);
  return cgroupHost(root, `30 20 0:26 / ${root} rw - cgroup2 cgroup2 rw,nsdelegate\n`);
}

const read = (...path: string[]): string => readFileSync(join(root, ...path), 'utf8');

test('v2: limits are written in its own words, controllers are handed down but not into the leaf', () => {
  const host = v2();
  for (const path of ['s', 's/pod', 's/pod/c']) fakeCgroup(join(root, path));
  const cgroup = host.create('/s/pod/c', {
    cpuQuota: 50_000,
    cpuPeriod: 200_000,
    cpuShares: 1024,
    memoryLimit: 1 << 20,
    pidsLimit: 10,
  });
  assert.equal(host.version, 2);
  assert.equal(read('s/pod/c/cpu.max'), '50000 200000');
  assert.equal(read('s/pod/c/cpu.weight'), '100');
  assert.equal(read('s/pod/c/memory.max'), '1048576');
  assert.equal(read('s/pod/c/memory.swap.max'), '0');
  assert.equal(read('s/pod/c/pids.max'), '10');
  for (const inner of ['.', 's', 's/pod'])
    assert.equal(read(inner, 'cgroup.subtree_control'), '+cpu +memory +pids');
  assert.equal(read('s/pod/c/cgroup.subtree_control'), '\n');
  assert.deepEqual(cgroup.procsFiles, [join(root, 's/pod/c/cgroup.procs')]);
  assert.equal(cgroup.memoryEventsFile, join(root, 's/pod/c/memory.events'));
  assert.deepEqual(host.list('/s'), ['/s/pod']);
  host.create('/s/pod/c', { cpuQuota: 0, memoryLimit: 0, pidsLimit: 0 });
  assert.equal(read('s/pod/c/cpu.max'), 'max 100000');
  assert.equal(read('s/pod/c/memory.max'), 'max');
});

test('v2: what is enabled already is not written again, what the parent lacks is not asked for', () => {
  const host = v2();
  fakeCgroup(join(root, 'a'), 'memory pids');
  fakeCgroup(join(root, 'a/b'));
  writeFileSync(join(root, 'cgroup.subtree_control'), 'cpu memory pids\n');
  host.create('/a/b', {});
  assert.equal(read('cgroup.subtree_control'), 'cpu memory pids\n');
  assert.equal(read('a/cgroup.subtree_control'), '+memory +pids');
});

test('v2: a limit without its controller is unsupported and leaves no folder', () => {
  const host = v2();
  fakeCgroup(join(root, 'a'));
  mkdirSync(join(root, 'a/b'));
  assert.throws(() => host.create('/a/b', { pidsLimit: 5 }), {
    code: 'unsupported',
    message: /controller pids/,
  });
});

test('a step that fails takes the folders back that were made before it', () => {
  const host = v2();
  let steps = 0;
  traceFailpoints((name) => {
    if (name === 'kernel.cgroup.mkdir' && ++steps === 1) armFailpoints('kernel.cgroup.mkdir=error');
  });
  assert.throws(() => host.create('/new', {}), /failpoint/);
  armFailpoints('');
  traceFailpoints(undefined);
  assert.equal(existsSync(join(root, 'new')), false);
});

test('paths that could leave the tree are refused', () => {
  const host = v2();
  for (const path of ['relative', '/', '/a/../b', '/a//b', '/a/.']) {
    assert.throws(() => host.open(path), { code: 'invalid' });
  }
});

test('shares become weights so that both ends and the default meet', () => {
  assert.deepEqual([2, 1024, 262_144].map(weightOfShares), [1, 100, 10_000]);
});

test('hybrid machines use v1 with the v2 tree beside it', () => {
  const mounts = ['cpu,cpuacct', 'memory', 'pids', 'freezer', 'unified'].map((name) => {
    mkdirSync(join(root, name));
    const type = name === 'unified' ? 'cgroup2 cgroup2 rw' : `cgroup cgroup rw,${name}`;
    return `1 1 0:1 / ${join(root, name)} rw shared:9 - ${type}`;
  });
  writeFileSync(join(root, 'unified/cgroup.controllers'), '\n');
  const host = cgroupHost(root, mounts.join('\n'));
  assert.equal(host.version, 1);
  assert.deepEqual(
    host.open('/x').hierarchies.map(({ name }) => name),
    ['cpu,cpuacct', 'memory', 'pids', 'freezer', 'unified'],
  );
  assert.equal(host.open('/x').oomControlFile, join(root, 'memory/x/memory.oom_control'));
  assert.throws(() => cgroupHost(root, mounts.slice(0, 2).join('\n')), {
    code: 'unsupported',
    message: /pids/,
  });
  assert.equal(cgroupMounts('/elsewhere', mounts.join('\n')).length, 0);
});
