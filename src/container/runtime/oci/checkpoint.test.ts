import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { FakeOci } from '../../../../test/fixtures/oci-fakes.ts';
import { PlatformError } from '../../../base/errors.ts';
import { checkpointContainer, type CheckpointOptions } from './checkpoint.ts';
import type { OciContext } from './context.ts';
import { createContainer } from './create.ts';
import { startContainer } from './start.ts';
import { stateOf } from './state.ts';

const OPTIONS: CheckpointOptions = {
  imagePath: 'images',
  tcpEstablished: false,
  extUnixSk: false,
  shellJob: false,
  fileLocks: false,
  autoDedup: false,
  lazyPages: false,
  emptyNamespaces: [],
  leaveRunning: true,
  preDump: false,
};

/** A program of that name that writes its arguments down. */
function fakeCriu(oci: FakeOci, script = ''): string {
  const folder = join(oci.dir, 'bin');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'criu'), `#!/bin/sh\nprintf '%s\\n' "$@" > ${oci.dir}/said\n${script}\n`, {
    mode: 0o755,
  });
  return folder;
}

async function running(oci: FakeOci, path: string): Promise<OciContext> {
  oci.config((config) => ({
    ...config,
    mounts: [
      ...(config.mounts ?? []),
      { destination: '/data', type: 'bind', source: '/srv', options: ['rbind'] },
    ],
  }));
  const context = oci.context(oci.front({ env: { PATH: path } }));
  oci.nextPid = process.pid;
  const created = await createContainer(context, { id: 'web', bundle: '.', detached: true });
  created[Symbol.dispose]();
  await startContainer(context, 'web');
  return context;
}

function said(oci: FakeOci): string[] {
  return readFileSync(join(oci.dir, 'said'), 'utf8').trimEnd().split('\n');
}

describe('checkpoint', () => {
  test('without criu says what to install', async () => {
    using oci = new FakeOci();
    const context = await running(oci, '/nowhere');
    await assert.rejects(checkpointContainer(context, 'web', OPTIONS), (error) => {
      assert.ok(error instanceof PlatformError && error.code === 'unsupported');
      assert.match(`${error.message} ${error.hint}`, /criu is missing.*install criu/);
      return true;
    });
    assert.equal(stateOf(context, 'web').status, 'running');
  });

  test('tells criu what is where, and keeps what its streams were', async () => {
    using oci = new FakeOci();
    const context = await running(oci, fakeCriu(oci));
    const options = {
      ...OPTIONS,
      tcpEstablished: true,
      fileLocks: true,
      parentPath: '../before',
      workPath: 'work',
    };
    await checkpointContainer(context, 'web', options);
    const images = join(oci.bundle, 'images');
    const words = said(oci);
    assert.equal(words[0], 'dump');
    const value = (flag: string): string | undefined => words[words.indexOf(flag) + 1];
    assert.deepEqual(
      ['--images-dir', '--work-dir', '--tree', '--root', '--external', '--prev-images-dir'].map(value),
      [
        images,
        join(oci.bundle, 'work'),
        String(process.pid),
        join(oci.bundle, 'rootfs'),
        'mnt[/data]:/data',
        '../before',
      ],
    );
    for (const flag of [
      '--tcp-established',
      '--file-locks',
      '--leave-running',
      '--track-mem',
      '--manage-cgroups=soft',
    ]) {
      assert.ok(words.includes(flag), flag);
    }
    const streams = JSON.parse(readFileSync(join(images, 'descriptors.json'), 'utf8')) as string[];
    assert.equal(streams.length, 3);
    assert.equal(stateOf(context, 'web').status, 'running');
  });

  test('before the dump leaves it running and writes no streams down', async () => {
    using oci = new FakeOci();
    const context = await running(oci, fakeCriu(oci));
    await checkpointContainer(context, 'web', { ...OPTIONS, preDump: true, leaveRunning: false });
    assert.equal(said(oci)[0], 'pre-dump');
    assert.equal(existsSync(join(oci.bundle, 'images/descriptors.json')), false);
    assert.equal(stateOf(context, 'web').status, 'running');
  });

  test('that is not to leave it running deletes it', async () => {
    using oci = new FakeOci();
    const context = await running(oci, fakeCriu(oci));
    await checkpointContainer(context, 'web', { ...OPTIONS, leaveRunning: false });
    assert.ok(!said(oci).includes('--leave-running'));
    assert.deepEqual(oci.leftovers(), []);
  });

  test('that fails says the last error of the log, and changes nothing', async () => {
    using oci = new FakeOci();
    const log = join(oci.bundle, 'images/dump.log');
    const context = await running(
      oci,
      fakeCriu(oci, `echo '(00.1) Error (criu/x.c:1): no way' > ${log}; exit 1`),
    );
    const dump = checkpointContainer(context, 'web', { ...OPTIONS, leaveRunning: false });
    await assert.rejects(
      dump,
      /criu dump failed \(1\): Error \(criu\/x\.c:1\): no way; its log is .*dump\.log/,
    );
    assert.equal(stateOf(context, 'web').status, 'running');
  });

  test('is refused for what cannot be', async () => {
    using oci = new FakeOci();
    const context = oci.context(oci.front({ env: { PATH: fakeCriu(oci) } }));
    const created = await createContainer(context, { id: 'web', bundle: '.', detached: true });
    created[Symbol.dispose]();
    await assert.rejects(
      checkpointContainer(context, 'web', OPTIONS),
      /cannot be checkpointed in created state/,
    );
    using second = new FakeOci();
    const other = await running(second, fakeCriu(second));
    for (const [changes, message] of [
      [{ manageCgroups: 'hard' }, /manage-cgroups-mode: "hard"/],
      [{ emptyNamespaces: ['pid'] }, /empty-ns: "pid"/],
      [{ pageServer: 'nowhere' }, /page-server: "nowhere"/],
    ] as const) {
      await assert.rejects(checkpointContainer(other, 'web', { ...OPTIONS, ...changes }), message);
    }
  });
});
