import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { failure, FakeOci } from '../../../../test/fixtures/oci-fakes.ts';
import { PlatformError } from '../../../base/errors.ts';
import { armFailpoints, traceFailpoints } from '../../../base/failpoint.ts';
import type { HooksConfig } from '../../spec/runtime-config.ts';
import { createContainer, type CreateOptions } from './create.ts';
import { deleteContainer } from './delete.ts';
import { killContainer } from './kill.ts';
import { listContainers } from './list.ts';
import { runContainer } from './run.ts';
import { startContainer } from './start.ts';
import { stateOf } from './state.ts';

after(() => armFailpoints(''));

const options = (id: string, changes: Partial<CreateOptions> = {}): CreateOptions => ({
  id,
  bundle: '.',
  detached: true,
  ...changes,
});

function isSocket(fd: string): boolean {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`).startsWith('socket:');
  } catch {
    return false;
  }
}

describe('create, start, kill, delete', () => {
  test('each does its part and is seen in the state', async () => {
    using oci = new FakeOci();
    const front = await oci.create('web', { pidFile: 'web.pid' });
    const context = oci.context(front);
    const [pid] = oci.living();
    assert.deepEqual(stateOf(context, 'web'), {
      ociVersion: '1.2.0',
      id: 'web',
      pid,
      status: 'created',
      bundle: oci.bundle,
      rootfs: join(oci.bundle, 'rootfs'),
      created: '2026-01-02T03:04:05.67Z',
      owner: '',
    });
    assert.equal(readFileSync(join(oci.bundle, 'web.pid'), 'utf8'), String(pid));
    assert.equal(statSync(join(oci.bundle, 'web.pid')).mode & 0o777, 0o644);
    assert.equal(statSync(oci.folders.path('web')).mode & 0o777, 0o700);
    assert.deepEqual(oci.cgroup('/web').journal, ['create']);

    await startContainer(context, 'web');
    assert.equal(stateOf(context, 'web').status, 'running');
    await assert.rejects(startContainer(context, 'web'), failure('conflict', /already running/));

    await killContainer(context, 'web', { signal: 15, all: false });
    assert.ok(oci.kernel.calls.some((call) => /^pidfdSendSignal \d+ 15$/.test(call)));
    await assert.rejects(
      deleteContainer(context, 'web', { force: false }),
      failure('conflict', /not stopped: running/),
    );
    oci.end(pid!);
    assert.deepEqual([stateOf(context, 'web').status, stateOf(context, 'web').pid], ['stopped', 0]);
    await assert.rejects(
      killContainer(context, 'web', { signal: 15, all: false }),
      failure('conflict', /not running/),
    );
    await assert.rejects(startContainer(context, 'web'), failure('conflict', /has stopped/));

    await deleteContainer(context, 'web', { force: false });
    assert.throws(() => stateOf(context, 'web'), failure('not-found', /does not exist/));
    assert.deepEqual(oci.leftovers(), []);
  });

  test('delete takes a created container by force alone, and a missing one too', async () => {
    using oci = new FakeOci();
    const context = oci.context(await oci.create('web'));
    await assert.rejects(
      deleteContainer(context, 'web', { force: false }),
      failure('conflict', /not stopped: created/),
    );
    assert.equal(stateOf(context, 'web').status, 'created');
    await deleteContainer(context, 'web', { force: true });
    assert.deepEqual(oci.leftovers(), []);
    await deleteContainer(context, 'web', { force: true });
    await assert.rejects(
      deleteContainer(context, 'web', { force: false }),
      failure('not-found', /does not exist/),
    );
  });

  test('an id is taken once, also when two ask at the same time', async () => {
    using oci = new FakeOci();
    const both = await Promise.allSettled([oci.create('web'), oci.create('web')]);
    assert.deepEqual(both.map(({ status }) => status).toSorted(), ['fulfilled', 'rejected']);
    await assert.rejects(oci.create('web'), failure('already-exists', /already exists/));
    assert.equal(oci.living().length, 1);
  });

  test('ids that are no names are refused before anything is looked at', async () => {
    using oci = new FakeOci();
    for (const id of ['', '.', '..', 'a b', 'a/b', '../x', '~new', 'a'.repeat(256), 'ä']) {
      await assert.rejects(oci.create(id), failure('invalid', /container (id|ID)/), id);
      assert.throws(() => stateOf(oci.context(oci.front()), id), failure('invalid', /container (id|ID)/), id);
    }
    assert.equal(existsSync(oci.root), false);
    await oci.create('a_b+c.d-e');
  });

  test('a process that has the pid of a container by chance is left alone', async () => {
    using oci = new FakeOci();
    const context = oci.context(await oci.create('web'));
    const [pid] = oci.living();
    oci.processes.set(pid!, 777);
    assert.equal(stateOf(context, 'web').status, 'stopped');
    oci.cgroup('/web').pids.clear();
    await deleteContainer(context, 'web', { force: true });
    assert.deepEqual(oci.living(), [pid]);
    assert.ok(!oci.kernel.calls.some((call) => call.startsWith('pidfdSendSignal')));
  });

  test('what init says at the start is why the start has failed', async () => {
    using oci = new FakeOci();
    const context = oci.context(await oci.create('web'));
    oci.onStart = 'error ENOEXEC 126 exec: "true": exec format error\n';
    await assert.rejects(startContainer(context, 'web'), (error: unknown) => {
      assert.ok(error instanceof PlatformError);
      assert.equal(error.message, 'exec: "true": exec format error');
      assert.equal(error.details['exitCode'], 126);
      return true;
    });
  });

  test('a bundle without a process is created, and its start says what is missing', async () => {
    using oci = new FakeOci();
    oci.config(({ process: _process, ...config }) => config);
    const context = oci.context(await oci.create('web'));
    await assert.rejects(startContainer(context, 'web'), failure('invalid', /process/));
    await deleteContainer(context, 'web', { force: true });
  });

  test('the systemd driver gets the pid while init is blocked', async () => {
    using oci = new FakeOci();
    const front = oci.front();
    using created = await createContainer(oci.context(front, { driver: 'systemd' }), options('web'));
    assert.equal(created.stored.cgroup.driver, 'systemd');
    assert.deepEqual(oci.cgroup('/web').journal, [`create ${oci.living()[0]}`]);
    assert.ok(front.opcodes()[0]!.includes('ask'));
  });
});

describe('a creation that fails', () => {
  test('leaves nothing, wherever it does', async () => {
    const passed = new Set<string>();
    traceFailpoints((name) => name.startsWith('oci.') && passed.add(name));
    {
      using oci = new FakeOci();
      await oci.create('web', { pidFile: 'pid' });
    }
    traceFailpoints(undefined);
    assert.ok(passed.size >= 5, [...passed].join());
    const open = readdirSync('/proc/self/fd').length;
    for (const name of passed) {
      using oci = new FakeOci();
      armFailpoints(`${name}=error`);
      await assert.rejects(oci.create('web', { pidFile: 'pid' }), /failpoint/, name);
      armFailpoints('');
      assert.deepEqual(oci.leftovers(), [], name);
      await oci.create('web', { pidFile: 'pid' });
    }
    // One listening socket of the fake init for each creation, and nothing of ours.
    const left = readdirSync('/proc/self/fd').filter((fd) => !isSocket(fd)).length;
    assert.ok(left <= open, `${left} descriptors, ${open} before`);
  });

  test('ends init also where it has no cgroup', async () => {
    using oci = new FakeOci();
    oci.withoutCgroups = true;
    for (const name of ['executed', 'pid-file', 'end']) {
      armFailpoints(`oci.create.${name}=error`);
      await assert.rejects(oci.create('web', { pidFile: 'pid' }), /failpoint/, name);
      armFailpoints('');
      assert.deepEqual(oci.leftovers(), [], name);
    }
  });

  test('leaves nothing when the front fails, or goes, at any of its steps', async () => {
    for (const step of ['before', 'during', 'ask']) {
      for (const how of ['fails', 'goes']) {
        using oci = new FakeOci();
        const front = oci.front();
        const make = front.onExecute;
        const fail = (): never => {
          if (how === 'goes') front.disappear();
          // What the front has made ends with it.
          for (const pid of oci.living()) oci.end(pid);
          throw new PlatformError(how === 'goes' ? 'cancelled' : 'forbidden', `mount: ${how}`, {
            details: { opcode: 'mount' },
          });
        };
        front.onExecute = async (program, answer) => {
          if (program.every(({ opcode }) => opcode !== 'clone') || step === 'before') return fail();
          await make(program, async (topic, pid) => {
            await answer(topic, pid);
            if (step === 'ask') fail();
          });
          return fail();
        };
        const context = oci.context(front, { driver: 'systemd' });
        await assert.rejects(createContainer(context, options('web')), /mount:/);
        assert.deepEqual(oci.leftovers(), [], `${step} ${how}`);
      }
    }
  });

  test('leaves nothing when its caller has gone after the last step', async () => {
    using oci = new FakeOci();
    const front = oci.front();
    const make = front.onExecute;
    front.onExecute = async (program, answer) => {
      const outcome = await make(program, answer);
      front.disappear();
      return outcome;
    };
    await assert.rejects(createContainer(oci.context(front), options('web')), failure('cancelled', /gone/));
    assert.deepEqual(oci.leftovers(), []);
  });

  test('goes on undoing when a part of that fails, and says so', async () => {
    using oci = new FakeOci();
    oci.cgroup('/web').failures.set('remove', new Error('busy'));
    armFailpoints('oci.create.executed=error');
    await assert.rejects(oci.create('web'), /failpoint/);
    armFailpoints('');
    assert.deepEqual(oci.leftovers(), ['cgroup /web']);
    assert.match(oci.warnings.join(), /undo the cgroup of web: busy/);
  });

  test('is refused by a configuration before anything is made', async () => {
    using oci = new FakeOci();
    oci.config((config) => ({ ...config, process: { ...config.process!, cwd: 'relative' } }));
    const front = oci.front();
    await assert.rejects(createContainer(oci.context(front), options('web')), /process\.cwd/);
    assert.deepEqual([front.programs, existsSync(oci.root), oci.cgroup('/web').journal], [[], false, []]);
    writeFileSync(join(oci.bundle, 'config.json'), '{"ociVersion": }');
    await assert.rejects(oci.create('web'), failure('invalid', /config\.json:1:16/));
    await assert.rejects(
      oci.create('web', { bundle: 'nowhere' }),
      failure('not-found', /nowhere.*no such file/),
    );
    await assert.rejects(oci.create('web', { bundle: '..' }), failure('not-found', /config\.json not found/));
  });

  test('is refused by a cgroup that others are in', async () => {
    using oci = new FakeOci();
    oci.cgroup('/web').exists = true;
    oci.cgroup('/web').pids.add(1);
    await assert.rejects(oci.create('web'), failure('conflict', /not empty/));
    assert.deepEqual(oci.cgroup('/web').journal, []);
  });

  test('wants to know where a terminal goes', async () => {
    using oci = new FakeOci();
    await assert.rejects(
      oci.create('web', { consoleSocket: '/run/c' }),
      failure('invalid', /console socket/),
    );
    oci.config((config) => ({ ...config, process: { ...config.process!, terminal: true } }));
    await assert.rejects(oci.create('web'), failure('invalid', /console socket/));
    const front = await oci.create('web', { consoleSocket: 'c.sock' });
    const to = front.programs[0]!.find(({ opcode }) => opcode === 'console-to');
    assert.deepEqual(to?.args, ['socket', join(oci.bundle, 'c.sock')]);
  });
});

describe('what a crash has left', () => {
  test('is listed as stopped, and deletable by force', async () => {
    using oci = new FakeOci();
    const context = oci.context(oci.front());
    // Died between the folder and its state, and between the intent and init.
    mkdirSync(oci.folders.path('torn'), { recursive: true });
    writeFileSync(join(oci.folders.path('torn'), 'state.json'), '{"versi');
    await oci.create('half');
    const { init: _init, ...intent } = oci.folders.get('half');
    writeFileSync(join(oci.folders.path('half'), 'state.json'), JSON.stringify(intent));
    assert.deepEqual(
      listContainers(context).map(({ id, status, pid }) => [id, status, pid]),
      [
        ['half', 'stopped', 0],
        ['torn', 'stopped', 0],
      ],
    );
    await assert.rejects(deleteContainer(context, 'torn', { force: false }), failure('conflict', /--force/));
    await deleteContainer(context, 'torn', { force: true });
    await deleteContainer(context, 'half', { force: true });
    assert.deepEqual(oci.leftovers(), []);
  });

  test('is "creating" as long as somebody creates it', async () => {
    using oci = new FakeOci();
    const front = oci.front();
    const make = front.onExecute;
    const seen: string[] = [];
    front.onExecute = (program, answer) => {
      seen.push(stateOf(oci.context(oci.front()), 'web').status);
      return make(program, answer);
    };
    using created = await createContainer(oci.context(front), options('web'));
    assert.deepEqual(seen, ['creating']);
    assert.equal(created.stored.id, 'web');
  });

  test('is not read when it is from a newer version', async () => {
    using oci = new FakeOci();
    const context = oci.context(await oci.create('web'));
    const stored = { ...oci.folders.get('web'), version: 99 };
    writeFileSync(join(oci.folders.path('web'), 'state.json'), JSON.stringify(stored));
    assert.throws(() => stateOf(context, 'web'), failure('unsupported', /newer version/));
  });
});

describe('run', () => {
  test('in the foreground waits, deletes, and has the exit code', async () => {
    using oci = new FakeOci();
    const front = oci.front();
    const make = front.onExecute;
    front.onExecute = (program, answer) => {
      if (program[0]?.opcode !== 'wait') return make(program, answer);
      assert.equal(stateOf(oci.context(front), 'web').status, 'running');
      for (const pid of oci.living()) oci.end(pid);
      return { type: 'exited', code: 7 };
    };
    const context = oci.context(front);
    assert.equal(await runContainer(context, { ...options('web'), detached: false, keep: false }), 7);
    assert.deepEqual(oci.leftovers(), []);
    assert.equal(await runContainer(context, { ...options('web'), detached: false, keep: true }), 7);
    assert.equal(stateOf(context, 'web').status, 'stopped');
  });

  test('in the foreground ends with its caller', async () => {
    using oci = new FakeOci();
    const front = oci.front();
    const make = front.onExecute;
    front.onExecute = (program, answer) => {
      if (program[0]?.opcode !== 'wait') return make(program, answer);
      front.disappear();
      throw front.lost.reason;
    };
    const run = runContainer(oci.context(front), { ...options('web'), detached: false, keep: true });
    await assert.rejects(run, failure('cancelled', /gone/));
    assert.deepEqual(oci.leftovers(), []);
  });

  test('detached leaves it running; a start that fails leaves nothing', async () => {
    using oci = new FakeOci();
    const context = oci.context(oci.front());
    assert.equal(await runContainer(context, { ...options('web'), keep: false }), 0);
    assert.equal(stateOf(context, 'web').status, 'running');
    await deleteContainer(context, 'web', { force: true });
    oci.onStart = 'error ENOENT 127 gone\n';
    await assert.rejects(runContainer(context, { ...options('web'), keep: false }), /gone/);
    assert.deepEqual(oci.leftovers(), []);
  });
});

describe('hooks after the creation', () => {
  const hooks: HooksConfig = {
    poststart: [{ path: '/bin/one' }, { path: '/bin/two', env: ['A=b'], timeout: 3 }],
    poststop: [{ path: '/bin/three' }],
  };

  test('are run by the front, one by one, with the state on stdin', async () => {
    using oci = new FakeOci();
    oci.config((config) => ({ ...config, hooks, annotations: { a: 'b' } }));
    await oci.create('web');
    const [pid] = oci.living();
    const front = oci.front({ env: { X: 'y' } });
    front.onExecute = (program) => {
      if (program[1]?.args[1] === '/bin/one') throw new PlatformError('internal', 'exit status 1');
      return { type: 'done', pid: 0 };
    };
    const context = oci.context(front);
    await startContainer(context, 'web');
    await deleteContainer(context, 'web', { force: true });
    const hooked = front.programs.map(([state, hook]) => {
      const [prefix = '', suffix = '', folder] = state!.args;
      return { state: JSON.parse(prefix + suffix) as object, folder, hook: hook!.args.slice(1) };
    });
    const state = { ociVersion: '1.2.0', id: 'web', bundle: oci.bundle, annotations: { a: 'b' } };
    assert.deepEqual(hooked, [
      {
        state: { ...state, status: 'running', pid },
        folder: oci.bundle,
        hook: ['/bin/one', '0', '1', '/bin/one', 'X=y'],
      },
      {
        state: { ...state, status: 'running', pid },
        folder: oci.bundle,
        hook: ['/bin/two', '3000', '1', '/bin/two', 'A=b'],
      },
      {
        state: { ...state, status: 'stopped', pid: 0 },
        folder: oci.bundle,
        hook: ['/bin/three', '0', '1', '/bin/three', 'X=y'],
      },
    ]);
    assert.match(oci.warnings.join(), /poststart\[0\]: exit status 1/);
  });
});
