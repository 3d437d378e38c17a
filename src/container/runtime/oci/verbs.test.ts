import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { failure, FakeOci } from '../../../../test/fixtures/oci-fakes.ts';
import { execInContainer, type ExecOptions } from './exec.ts';
import { killContainer } from './kill.ts';
import { pauseContainer, resumeContainer } from './pause.ts';
import { stateOf } from './state.ts';
import { updateContainer } from './update.ts';

describe('kill', () => {
  test('all, or without a pid namespace KILL, takes the whole cgroup', async () => {
    using oci = new FakeOci();
    const context = oci.context(await oci.create('one'));
    await killContainer(context, 'one', { signal: 1, all: true });
    assert.equal(oci.cgroup('/one').journal.at(-1), 'kill 1');
    oci.config((config) => ({
      ...config,
      linux: { ...config.linux, namespaces: [{ type: 'mount' }], maskedPaths: [], readonlyPaths: [] },
      mounts: [],
      hostname: '',
    }));
    await oci.create('two');
    await killContainer(context, 'two', { signal: 9, all: false });
    assert.equal(oci.cgroup('/two').journal.at(-1), 'kill 9');
  });

  test('thaws what is paused, for KILL alone', async () => {
    using oci = new FakeOci();
    const context = oci.context(await oci.create('web'));
    await pauseContainer(context, 'web');
    await killContainer(context, 'web', { signal: 15, all: false });
    assert.equal(oci.cgroup('/web').journal.at(-1), 'freeze');
    await killContainer(context, 'web', { signal: 9, all: false });
    assert.equal(oci.cgroup('/web').journal.at(-1), 'thaw');
  });

  test('says that a number is no signal', async () => {
    using oci = new FakeOci();
    const context = oci.context(await oci.create('web'));
    oci.kernel.fail('pidfdSendSignal', 'EINVAL');
    await assert.rejects(
      killContainer(context, 'web', { signal: 99, all: false }),
      failure('invalid', /^unable to signal init: invalid argument$/),
    );
  });
});

describe('pause, resume, update', () => {
  test('work in the states that they are for', async () => {
    using oci = new FakeOci();
    const context = oci.context(await oci.create('web'));
    await assert.rejects(resumeContainer(context, 'web'), failure('conflict', /not paused/));
    await pauseContainer(context, 'web');
    assert.equal(stateOf(context, 'web').status, 'paused');
    await assert.rejects(pauseContainer(context, 'web'), failure('conflict', /not running/));
    await resumeContainer(context, 'web');
    for (const pid of oci.living()) oci.end(pid);
    const update = updateContainer(context, 'web', { resources: {} });
    await assert.rejects(update, failure('conflict', /not running/));
  });

  test('update changes what is given, and remembers it', async () => {
    using oci = new FakeOci();
    const resources = { memory: { limit: 1 << 26, swap: 1 << 27 }, pids: { limit: 5 } };
    oci.config((config) => ({ ...config, linux: { ...config.linux, resources } }));
    const context = oci.context(await oci.create('web'));
    await updateContainer(context, 'web', { resources: { memory: { limit: -1 }, cpu: { shares: 7 } } });
    const lifted = { limit: -1, swap: -1 };
    assert.equal(
      oci.cgroup('/web').journal.at(-1),
      `update ${JSON.stringify({ memory: lifted, cpu: { shares: 7 } })}`,
    );
    assert.deepEqual(oci.folders.config('web').linux?.resources, {
      memory: lifted,
      pids: { limit: 5 },
      cpu: { shares: 7 },
    });
    const bad = updateContainer(context, 'web', { resources: { pids: { limit: 'x' as unknown as number } } });
    await assert.rejects(bad, failure('invalid', /^pids\.limit/));
    const rdt = updateContainer(context, 'web', { resources: {}, schemata: ['L3:0=f'] });
    await assert.rejects(rdt, failure('unsupported', /resctrl/));
  });
});

describe('exec', () => {
  const exec = (id: string, changes: Partial<ExecOptions> = {}): ExecOptions => ({
    id,
    process: (own) => own,
    source: 'process',
    detached: false,
    preserveFds: 0,
    cgroups: [],
    ignorePaused: false,
    ...changes,
  });

  test('joins the container, writes the pid, waits for the code', async () => {
    using oci = new FakeOci();
    await oci.create('web');
    const [pid] = oci.living();
    const front = oci.front();
    front.onExecute = (program) =>
      program[0]?.opcode === 'wait' ? { type: 'exited', code: 3 } : { type: 'done', pid: 99 };
    const context = oci.context(front);
    assert.equal(await execInContainer(context, exec('web', { pidFile: 'exec.pid' })), 3);
    assert.equal(readFileSync(join(oci.bundle, 'exec.pid'), 'utf8'), '99');
    const [program] = front.programs;
    const join1 = program!.find(({ opcode }) => opcode === 'join-process');
    assert.deepEqual(join1?.args, [String(pid), '100']);
    assert.equal(await execInContainer(context, exec('web', { detached: true })), 0);
    assert.equal(front.programs.length, 3);
  });

  test('is refused in a container that is paused, has stopped, or is not there', async () => {
    using oci = new FakeOci();
    const front = await oci.create('web');
    const context = oci.context(front);
    await pauseContainer(context, 'web');
    await assert.rejects(execInContainer(context, exec('web')), failure('conflict', /paused container/));
    for (const pid of oci.living()) oci.end(pid);
    await assert.rejects(execInContainer(context, exec('web')), failure('conflict', /stopped container/));
    await assert.rejects(execInContainer(context, exec('x')), failure('not-found', /does not exist/));
    assert.equal(front.programs.length, 1);
  });

  test('checks the process', async () => {
    using oci = new FakeOci();
    const context = oci.context(await oci.create('web'));
    const bad = exec('web', { process: (own) => ({ ...own, cwd: 'relative' }) });
    await assert.rejects(execInContainer(context, bad), failure('invalid', /^process\.cwd/));
    const empty = exec('web', { process: (own) => ({ ...own, args: [] }) });
    await assert.rejects(execInContainer(context, empty), failure('invalid', /args/));
    const nowhere = exec('web', { cgroups: ['../x'] });
    await assert.doesNotReject(execInContainer(context, { ...nowhere, cgroups: [], detached: true }));
  });
});
