import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isPlatformError } from '../../base/errors.ts';
import type { ImageRecord } from '../../container/image/image-store.ts';
import type { CommandInput } from '../command-table.ts';
import { containerSpec, sizeOf } from './run.ts';

const image = {
  reference: 'localhost/tools:latest',
  config: {
    architecture: 'amd64',
    os: 'linux',
    config: {
      Entrypoint: ['/entry'],
      Cmd: ['default'],
      Env: ['PATH=/bin'],
      WorkingDir: '/work',
      User: 'app',
    },
    rootfs: { type: 'layers', diff_ids: [] },
  },
} as unknown as ImageRecord;

const root = { key: 'k', lowerDirs: ['/l'], upperDir: '/u', workDir: '/w' };

const specOf = (options: CommandInput['options'], args: readonly string[] = []) =>
  containerSpec({ id: 'abcdef0123456789', root, image, args, options });

test('arguments replace Cmd, Entrypoint stays; options win over the image', () => {
  assert.deepEqual(specOf({}).process?.args, ['/entry', 'default']);
  const { process: own, hostname } = specOf({ workdir: '/', user: '1:2', env: ['A=1'], hostname: 'box' }, [
    'x',
    '-y',
  ]);
  assert.deepEqual(own?.args, ['/entry', 'x', '-y']);
  assert.deepEqual([own?.cwd, own?.user, hostname], ['/', '1:2', 'box']);
  assert.ok(own?.env.includes('PATH=/bin') && own.env.includes('A=1'));
  assert.deepEqual(
    [specOf({}).process?.cwd, specOf({}).process?.user, specOf({}).hostname],
    ['/work', 'app', 'abcdef012345'],
  );
});

test('limits become cgroup values', () => {
  assert.deepEqual(specOf({ memory: '64m', cpus: '1.5', 'pids-limit': '20' }).resources, {
    memoryLimit: 64 * 1024 * 1024,
    cpuPeriod: 100_000,
    cpuQuota: 150_000,
    pidsLimit: 20,
  });
  assert.deepEqual(specOf({}).resources, {});
});

test('sizes are bytes or carry k, m, g', () => {
  assert.deepEqual(['1', '2k', '3M', '1.5g', '4mb'].map(sizeOf), [
    1,
    2048,
    3 << 20,
    1.5 * (1 << 30),
    4 << 20,
  ]);
  for (const bad of ['', 'm', '-1', '1t', '1 g']) assert.throws(() => sizeOf(bad), /want bytes/);
});

test('what makes no sense is refused by name', () => {
  const refused = (options: CommandInput['options'], name: RegExp): void =>
    assert.throws(
      () => specOf(options),
      (error) => isPlatformError(error, 'invalid') && name.test(error.message),
    );
  refused({ network: 'bridge' }, /--network bridge/);
  refused({ cpus: '0' }, /--cpus 0/);
  refused({ 'pids-limit': 'many' }, /--pids-limit many/);
});

test('privileged containers may gain privileges, others may not', () => {
  assert.equal(specOf({}).noNewPrivileges, true);
  assert.equal(specOf({ privileged: true }).noNewPrivileges, false);
});
