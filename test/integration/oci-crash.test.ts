/** Whoever dies, at whatever step: nothing is left, or what is left is seen and can be deleted. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { eventually } from '../fixtures/eventually.ts';
import { OciCommand } from '../fixtures/oci-command.ts';

const WAIT = 'while :; do sleep 0.05; done';

/** Before each of these something of the container is there that was not before. */
const CREATE_STEPS = [
  'oci.folder.create',
  'oci.create.cgroup',
  'oci.create.execute',
  'oci.create.executed',
  'oci.state.write',
  'oci.create.pid-file',
  'oci.create.end',
];

async function nothingLeft(oci: OciCommand, what: string): Promise<void> {
  await eventually(`nothing to be left after ${what}`, () => {
    assert.deepEqual(
      [oci.ids().filter((id) => !id.startsWith('~')), oci.cgroups(), oci.processes()],
      [[], [], []],
    );
    return true;
  });
}

async function untilRunning(oci: OciCommand): Promise<void> {
  await eventually('the container', () => oci.ids().includes('web'));
  await oci.untilStatus('web', 'running');
}

/** Started by the front right after itself, in a session of its own. */
function brainOf(front: number): number {
  const sockets = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
  const brain = sockets.find((pid) => pid > front && isBrainOf(pid, front));
  assert.ok(brain, `no process decides for ${front}`);
  return brain;
}

/** The two ends of a socket pair have inodes that follow each other. */
function isBrainOf(pid: number, front: number): boolean {
  const ends = socketsOf(front);
  return (
    /sampan-oci\.js|oci\/main\.ts/.test(read(`/proc/${pid}/cmdline`)) &&
    socketsOf(pid).some((inode) => ends.includes(inode - 1) || ends.includes(inode + 1))
  );
}

function socketsOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1];
      return inode === undefined ? [] : [Number(inode)];
    });
  } catch {
    return [];
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

describe('the process that decides', () => {
  for (const point of CREATE_STEPS) {
    test(`fails at ${point}: nothing is left`, async () => {
      await using oci = new OciCommand();
      const env = { SAMPAN_FAILPOINTS: `${point}=error` };
      const { code, stderr } = await oci.run(
        ['create', '--bundle', oci.bundle(WAIT), '--pid-file', 'p', 'web'],
        { env },
      );
      assert.equal(code, 1);
      assert.match(stderr, new RegExp(`failpoint ${point}`));
      await nothingLeft(oci, point);
    });

    test(`is killed at ${point}: the caller fails, and what is left can be deleted`, async () => {
      await using oci = new OciCommand();
      const env = { SAMPAN_FAILPOINTS: `${point}=kill` };
      const bundle = oci.bundle(WAIT);
      const { code } = await oci.run(['create', '--bundle', bundle, '--pid-file', 'p', 'web'], { env });
      assert.equal(code, 1);
      const listed = JSON.parse(await oci.ok('list', '--format', 'json')) as
        | { id: string; status: string }[]
        | null;
      for (const { id, status } of listed ?? []) assert.match(`${id} ${status}`, /^web (stopped|created)$/);
      await oci.ok('delete', '--force', 'web');
      await nothingLeft(oci, point);
      await oci.ok('run', '--bundle', oci.bundle('true'), 'web');
    });
  }

  for (const point of ['oci.start', 'oci.started', 'oci.destroy', 'oci.folder.remove']) {
    test(`is killed at ${point}: the container can be deleted`, async () => {
      await using oci = new OciCommand();
      const env = { SAMPAN_FAILPOINTS: `${point}=kill` };
      await oci.ok('create', '--bundle', oci.bundle(WAIT), 'web');
      const verb = point.startsWith('oci.start') ? ['start', 'web'] : ['delete', '--force', 'web'];
      assert.equal((await oci.run(verb, { env })).code, 1);
      await oci.ok('delete', '--force', 'web');
      await nothingLeft(oci, point);
    });
  }

  test('is killed while a container runs in the foreground: it can be deleted', async () => {
    await using oci = new OciCommand();
    const { pid: front, ended } = oci.start(['run', '--bundle', oci.bundle(WAIT), 'web']);
    await untilRunning(oci);
    process.kill(brainOf(front), 'SIGKILL');
    await oci.run(['kill', 'web', 'KILL']);
    assert.notEqual((await ended).code, 0);
    await oci.untilStatus('web', 'stopped');
    await oci.ok('delete', 'web');
    await nothingLeft(oci, 'the kill');
  });
});

describe('the caller', () => {
  for (const number of [1, 5, 10, 15, 20, 30, 40]) {
    test(`is killed at instruction ${number}: nothing is left`, async () => {
      await using oci = new OciCommand();
      const env = { SAMPAN_OCI_FAIL: `${number}:kill` };
      const { code } = await oci.run(['create', '--bundle', oci.bundle(WAIT), 'web'], { env });
      assert.equal(code, -1);
      await nothingLeft(oci, `instruction ${number}`);
    });

    test(`fails at instruction ${number}: nothing is left`, async () => {
      await using oci = new OciCommand();
      const env = { SAMPAN_OCI_FAIL: `${number}:error` };
      const { code, stderr } = await oci.run(['create', '--bundle', oci.bundle(WAIT), 'web'], { env });
      assert.equal(code, 1);
      assert.match(stderr, /create failed: unable to start container process: .*failpoint/);
      await nothingLeft(oci, `instruction ${number}`);
    });
  }

  test('of a container in the foreground is killed: it ends too', async () => {
    await using oci = new OciCommand();
    const { pid, ended } = oci.start(['run', '--bundle', oci.bundle(WAIT), 'web']);
    await untilRunning(oci);
    process.kill(pid, 'SIGKILL');
    await ended;
    await nothingLeft(oci, 'the kill');
  });
});

describe('many at once', () => {
  test('two creations of one id: one wins', async () => {
    await using oci = new OciCommand();
    const bundles = [oci.bundle(WAIT), oci.bundle(WAIT)];
    const both = await Promise.all(bundles.map((bundle) => oci.run(['create', '--bundle', bundle, 'web'])));
    assert.deepEqual(both.map(({ code }) => code).toSorted(), [0, 1]);
    assert.match(both.find(({ code }) => code === 1)!.stderr, /already exists/);
    await oci.ok('delete', '--force', 'web');
    await nothingLeft(oci, 'both');
  });

  test('starts, kills and deletes of one container do not meet', async () => {
    await using oci = new OciCommand();
    await oci.ok('create', '--bundle', oci.bundle(WAIT), 'web');
    const starts = await Promise.all([1, 2, 3].map(() => oci.run(['start', 'web'])));
    assert.deepEqual(starts.map(({ code }) => code).toSorted(), [0, 1, 1]);
    const ends = await Promise.all([1, 2, 3].map(() => oci.run(['delete', '--force', 'web'])));
    assert.deepEqual(
      ends.map(({ code, stderr }) => [code, stderr]),
      Array(3).fill([0, '']),
    );
    await nothingLeft(oci, 'all');
  });

  for (const [how, linger] of [
    ['each by itself', '0'],
    ['by one that stays', '2'],
  ] as const) {
    test(`20 containers, decided for ${how}`, async () => {
      await using oci = new OciCommand({ SAMPAN_OCI_LINGER: linger, XDG_RUNTIME_DIR: '/nonexistent' });
      const ran = await Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          oci.run(['run', '--bundle', oci.bundle(`exit ${index}`), `c${index}`]),
        ),
      );
      assert.deepEqual(
        ran.map(({ code, stderr }) => [code, stderr]),
        Array.from({ length: 20 }, (_, index) => [index, '']),
      );
      await nothingLeft(oci, 'all');
    });
  }
});

test('a state root in a folder with a long path works', async () => {
  await using oci = new OciCommand();
  const root = join(oci.dir, 'x'.repeat(90), 'y'.repeat(90));
  const ran = await oci.run(['--root', root, 'run', '--bundle', oci.bundle('echo far'), 'web']);
  assert.deepEqual(ran, { code: 0, stdout: 'far\n', stderr: '' });
});
