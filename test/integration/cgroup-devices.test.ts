/** Device rules, by a process that really opens one: v1's lists, and the program of ours on a v2 cgroup. */
import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { attachDeviceRules } from '../../src/container/runtime/cgroup/device-program.ts';
import { effectiveRules } from '../../src/container/runtime/cgroup/device-rules.ts';
import { thisMachine } from '../../src/container/runtime/cgroup/machine.ts';
import type { DeviceRule } from '../../src/container/spec/runtime-config.ts';
import { BpfAssembler } from '../../src/kernel/bpf.ts';
import { linuxKernel } from '../../src/kernel/linux.ts';
import { TestCgroup } from '../fixtures/container-cgroup.ts';

const DENY_ALL: DeviceRule = { allow: false, access: 'rwm' };
/** /dev/kmsg: everybody has it, and no container gets it unasked. */
const KMSG: DeviceRule = { allow: true, type: 'c', major: 1, minor: 11, access: 'r' };

/** Prints which of the ways of opening a device work. */
const PROBE = `
  for way in '<' '>>' '<>'; do
    if (eval "exec 3$way \\"$1\\"") 2>/dev/null; then echo "$way"; fi
  done
`;

async function opens(box: TestCgroup, device: string): Promise<string[]> {
  const { stdout } = await box.output(`set -- ${device}; ${PROBE}`);
  return stdout.split('\n').filter(Boolean);
}

async function mayMake(box: TestCgroup, numbers: string): Promise<boolean> {
  const folder = mkdtempSync(join(tmpdir(), 'sampan-node-'));
  try {
    const { code } = await box.output(`mknod ${folder}/node ${numbers}`);
    return code === 0;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const machines = {
  v1: () => thisMachine(),
  v2: () => {
    const mountInfo = readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .filter((line) => line.includes(' - cgroup2 '))
      .join('\n');
    return thisMachine({ root: '/sys/fs/cgroup', mountInfo });
  },
};

for (const [version, machine] of Object.entries(machines)) {
  test(`devices on ${version}: denied unless allowed, and what every container has`, async () => {
    await using box = new TestCgroup({ machine: machine() });
    await box.cgroup.create({ devices: [DENY_ALL] });
    assert.deepEqual(await opens(box, '/dev/kmsg'), []);
    assert.deepEqual(await opens(box, '/dev/null'), ['<', '>>', '<>']);
    assert.deepEqual(await opens(box, '/dev/zero'), ['<', '>>', '<>']);
    assert.equal(await mayMake(box, 'c 1 11'), true, 'making a node is not opening it');
  });

  test(`devices on ${version}: without rules the same holds`, async () => {
    await using box = new TestCgroup({ machine: machine() });
    await box.cgroup.create({});
    assert.deepEqual(await opens(box, '/dev/kmsg'), []);
    assert.deepEqual(await opens(box, '/dev/null'), ['<', '>>', '<>']);
  });

  test(`devices on ${version}: an access is allowed by itself`, async () => {
    await using box = new TestCgroup({ machine: machine() });
    await box.cgroup.create({ devices: [DENY_ALL, KMSG] });
    assert.deepEqual(await opens(box, '/dev/kmsg'), ['<']);
  });

  test(`devices on ${version}: everything, for the privileged`, async () => {
    await using box = new TestCgroup({ machine: machine() });
    await box.cgroup.create({ devices: [{ allow: true, access: 'rwm' }] });
    assert.deepEqual(await opens(box, '/dev/kmsg'), ['<', '>>', '<>']);
  });

  test(`devices on ${version}: an update takes and gives, and leaves them alone unless it says`, async () => {
    await using box = new TestCgroup({ machine: machine() });
    await box.cgroup.create({ devices: [DENY_ALL, KMSG] });
    await box.cgroup.update({});
    assert.deepEqual(await opens(box, '/dev/kmsg'), ['<']);
    await box.cgroup.update({ devices: [DENY_ALL, { ...KMSG, access: 'rw' }] });
    assert.deepEqual(await opens(box, '/dev/kmsg'), ['<', '>>', '<>']);
    await box.cgroup.update({ devices: [DENY_ALL] });
    assert.deepEqual(await opens(box, '/dev/kmsg'), []);
  });
}

test('devices on v2: rules hold in their order, also within one another', async () => {
  await using box = new TestCgroup({ machine: machines.v2() });
  const { major, type } = { major: 1, type: 'c' };
  await box.cgroup.create({
    devices: [
      { allow: true, type, major },
      { ...KMSG, allow: false, access: 'w' },
    ],
  });
  assert.deepEqual(await opens(box, '/dev/kmsg'), ['<']);
});

test('devices on v2: several programs that are attached give way to the one of ours', async () => {
  await using box = new TestCgroup({ machine: machines.v2() });
  await box.cgroup.create({});
  const kernel = linuxKernel();
  const cgroup = openSync(box.folder(''), 'r');
  try {
    // One of somebody else's that refuses everything.
    const program = kernel.loadDeviceProgram(new BpfAssembler().move(0, 0).exit().assemble());
    kernel.attachDeviceProgram({ cgroup, program });
    kernel.close(program);
    assert.deepEqual(await opens(box, '/dev/null'), []);
    assert.equal(kernel.devicePrograms(cgroup).length, 2);
    attachDeviceRules(kernel, box.folder(''), effectiveRules([KMSG]));
    assert.equal(kernel.devicePrograms(cgroup).length, 1);
    assert.deepEqual(await opens(box, '/dev/kmsg'), ['<']);
  } finally {
    closeSync(cgroup);
  }
});

test('devices on v2: what the verifier does not like is said in its words', () => {
  const kernel = linuxKernel();
  assert.throws(() => kernel.loadDeviceProgram(new BpfAssembler().exit().assemble()), {
    code: 'forbidden',
    message: /^bpf: EACCES \(load a device program: .*R0 !read_ok/,
  });
  assert.equal(kernel.openProgram(0x7fff_ffff), undefined);
});
