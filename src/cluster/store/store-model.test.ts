import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { ManualClock } from '../../base/clock.ts';
import { openMemoryStore } from './memory.ts';
import { openSqliteStore } from './sqlite.ts';
import { compareWithModel } from './store-model.ts';
import type { Store } from './store.ts';

for (const seed of [1, 2, 3, 4, 5, 6]) {
  test(`the memory store does what the model does, seed ${seed}`, async () => {
    await using store = await openMemoryStore({ clock: new ManualClock() });
    await compareWithModel(store, { seed, reopen: () => Promise.resolve(store) });
  });

  test(`the SQLite store does what the model does, across restarts, seed ${seed}`, async () => {
    const dir = await mkdtemp(join(tmpdir(), 'sampan-model-'));
    const open = (): Promise<Store> =>
      openSqliteStore({ path: join(dir, 'store.db'), clock: new ManualClock() });
    let store = await open();
    try {
      const reopen = async (): Promise<Store> => {
        await store[Symbol.asyncDispose]();
        return (store = await open());
      };
      await compareWithModel(store, { seed, reopen });
    } finally {
      await store[Symbol.asyncDispose]();
      await rm(dir, { recursive: true });
    }
  });
}
