/** A disk that runs full under the store, and has room again. Needs root: the small disk is a tmpfs of its own. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { ManualClock } from '../../src/base/clock.ts';
import { isPlatformError } from '../../src/base/errors.ts';
import { restoreSqlite } from '../../src/cluster/store/backup-restore.ts';
import { openSqliteStore } from '../../src/cluster/store/sqlite.ts';

test('a full disk is named, nothing acknowledged is lost, and room lets writes go on', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'sampan-full-'));
  const path = join(dir, 'store.db');
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'sampan-test', dir]);
  try {
    const ballast = join(dir, 'ballast');
    await writeFile(ballast, Buffer.alloc(2 * 1024 * 1024));
    const clock = new ManualClock();
    let written = 0;
    {
      await using store = await openSqliteStore({ path, clock });
      const value = Buffer.alloc(20_000, 'v');
      const fill = async (): Promise<void> => {
        for (;;) {
          await store.txn([], [{ type: 'put', key: `/k/${written}`, value }]);
          written++;
        }
      };
      await assert.rejects(fill(), (error) => {
        assert.ok(isPlatformError(error, 'exhausted'), String(error));
        assert.ok(error.message.includes(path) && error.hint !== undefined);
        return true;
      });
      assert.ok(written > 10);
      assert.equal((await store.range('/k/', '/k0')).count, written, 'reads go on');
      await rm(ballast);
      await store.txn([], [{ type: 'put', key: '/k/after', value }]);
    }
    await using again = await openSqliteStore({ path, clock });
    assert.equal((await again.range('/k/', '/k0')).count, written + 1);
    assert.equal(await again.revision(), written + 1);
  } finally {
    execFileSync('umount', ['--lazy', dir]);
    await rm(dir, { recursive: true });
  }
});

test('a backup or a restore that finds no room leaves everything as it was', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'sampan-full-'));
  const small = join(dir, 'small');
  await mkdir(small);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'sampan-test', small]);
  try {
    const clock = new ManualClock();
    const file = join(dir, 'backup');
    {
      await using store = await openSqliteStore({ path: join(dir, 'store.db'), clock });
      for (let i = 0; i < 200; i++)
        await store.txn([], [{ type: 'put', key: `/k/${i}`, value: Buffer.alloc(20_000, 'v') }]);
      const noRoom = store.backup(join(small, 'backup'));
      await assert.rejects(noRoom, (error) => {
        assert.ok(isPlatformError(error, 'exhausted'), String(error));
        assert.match(error.message, /small\/backup: the disk is full/);
        return true;
      });
      assert.deepEqual(await readdir(small), []);
      await store.backup(file);
      assert.equal((await store.range('/k/', '/k0')).count, 200);
    }
    const path = join(small, 'store.db');
    {
      await using store = await openSqliteStore({ path, clock });
      await store.txn([], [{ type: 'put', key: '/old', value: Buffer.from('here') }]);
    }
    await assert.rejects(restoreSqlite(file, path), (error) => isPlatformError(error, 'exhausted'));
    assert.deepEqual(
      (await readdir(small)).filter((name) => name.includes('restor')),
      [],
    );
    await using store = await openSqliteStore({ path, clock });
    assert.equal(Buffer.from((await store.get('/old'))!.value).toString(), 'here');
  } finally {
    execFileSync('umount', ['--lazy', small]);
    await rm(dir, { recursive: true });
  }
});
