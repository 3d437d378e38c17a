import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { FakeOci } from '../../../../test/fixtures/oci-fakes.ts';
import { PlatformError } from '../../../base/errors.ts';
import type { RuntimeConfig } from '../../spec/runtime-config.ts';
import { STATE_VERSION, type StoredContainer } from './container-folder.ts';

const CONFIG: RuntimeConfig = { ociVersion: '1.2.0', root: { path: '/' } };

function stored(id: string): StoredContainer {
  const cgroup = { driver: 'cgroupfs', path: `/${id}`, rootless: false, named: false } as const;
  return {
    version: STATE_VERSION,
    id,
    bundle: '/b',
    rootfs: '/b/r',
    created: 'now',
    cgroup,
    rootless: false,
  };
}

describe('a container folder', () => {
  test('gets its name once, whole and locked', () => {
    using oci = new FakeOci();
    const lock = oci.folders.create(stored('web'), CONFIG);
    assert.deepEqual(readdirSync(oci.folders.path('web')).toSorted(), ['config.json', 'lock', 'state.json']);
    assert.equal(oci.folders.tryLock('web'), undefined);
    const again = (): unknown => oci.folders.create(stored('web'), CONFIG);
    assert.throws(again, (error) => error instanceof PlatformError && error.code === 'already-exists');
    assert.deepEqual(readdirSync(oci.root), ['web']);
    lock[Symbol.dispose]();
    using free = oci.folders.tryLock('web');
    assert.ok(free);
  });

  test('that is deleted while another waits for it is not found then, though its name is taken again', async () => {
    using oci = new FakeOci();
    const lock = oci.folders.create(stored('web'), CONFIG);
    const waiting = oci.folders.lock('web');
    lock.remove();
    using next = oci.folders.create(stored('web'), CONFIG);
    lock[Symbol.dispose]();
    const late = oci.folders.lock('web');
    next[Symbol.dispose]();
    using one = await Promise.race([waiting, late]);
    assert.equal(existsSync(one.folder), true);
    one.remove();
    one[Symbol.dispose]();
    const outcomes = await Promise.allSettled([waiting, late]);
    assert.deepEqual(outcomes.map(({ status }) => status).toSorted(), ['fulfilled', 'rejected']);
  });

  test('keeps numbers of 64 bits', () => {
    using oci = new FakeOci();
    const args = [{ index: 0, value: 2n ** 64n - 1n, op: 'SCMP_CMP_EQ' }];
    const syscalls = [{ names: ['clone'], action: 'SCMP_ACT_ALLOW', args }];
    const config = { ...CONFIG, linux: { seccomp: { defaultAction: 'SCMP_ACT_ERRNO', syscalls } } };
    using lock = oci.folders.create(stored('web'), config);
    assert.deepEqual(oci.folders.config(lock.id), config);
  });

  test('without a name is swept by list when it is old', () => {
    using oci = new FakeOci();
    const now = Date.now();
    for (const name of ['~1-1-1', '~2-2-2', 'web']) mkdirSync(join(oci.root, name), { recursive: true });
    utimesSync(join(oci.root, '~1-1-1'), (now - 61_000) / 1000, (now - 61_000) / 1000);
    assert.deepEqual(oci.folders.ids(now), ['web']);
    assert.deepEqual(readdirSync(oci.root).toSorted(), ['web', '~2-2-2']);
  });
});
