/** A disk that runs full under the store, and has room again. Needs root: the small disk is a tmpfs of its own. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { ManualClock } from '../../src/base/clock.ts';
import { isPlatformError } from '../../src/base/errors.ts';
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
