/** The store on a real etcd. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { systemClock, type Clock } from '../../src/base/clock.ts';
import { systemRandom } from '../../src/base/random.ts';
import { openEtcdStore } from '../../src/cluster/store/etcd.ts';
import { compareWithModel } from '../../src/cluster/store/store-model.ts';
import { storeSuite } from '../../src/cluster/store/store-suite.ts';
import type { Store } from '../../src/cluster/store/store.ts';
import { startEtcd, type TestEtcd } from '../fixtures/etcd.ts';

/**
 * The suite knows every revision. Fences take one when events have not come for some time, which a busy machine makes
 * longer than it would be.
 */
const patientClock: Clock = {
  ...systemClock,
  after: (ms, callback) => systemClock.after(ms * 100, callback),
};

let etcd: TestEtcd;
let tests = 0;
before(async () => {
  etcd = await startEtcd();
});
after(async () => {
  await etcd[Symbol.asyncDispose]();
});

storeSuite('etcd', async () => {
  const prefix = `/suite/${++tests}`;
  const open = (): Promise<Store> =>
    openEtcdStore({ endpoints: etcd.endpoints, clock: patientClock, random: systemRandom, prefix });
  let store = await open();
  return {
    store,
    // etcd has its own clock, and its shortest lease takes 2 s.
    clock: { advance: (ms) => delay(ms) },
    leaseSeconds: 3,
    async reopen() {
      await store[Symbol.asyncDispose]();
      store = await open();
      return store;
    },
    async cleanUp() {
      await store[Symbol.asyncDispose]();
    },
  };
});

test('a watch from the past is told nothing of the fences that other servers have written', async () => {
  const open = (): Promise<Store> =>
    openEtcdStore({ endpoints: etcd.endpoints, clock: systemClock, random: systemRandom, prefix: '/fences' });
  let afterRevision: number;
  {
    await using store = await open();
    afterRevision = await store.revision();
    await store.txn([], [{ type: 'put', key: '/a', value: Buffer.from('1') }]);
  }
  etcd.ctl('put', '/fences/sampan.io/fence', '');
  await using store = await open();
  const told: string[] = [];
  const seen = new Promise<void>((resolve) => {
    void store.watch({ start: '/', end: '0', afterRevision }, ({ events }) => {
      told.push(...events.map(({ kv }) => kv.key));
      if (told.at(-1) === '/b') resolve();
    });
  });
  await store.txn([], [{ type: 'put', key: '/b', value: Buffer.from('1') }]);
  await seen;
  assert.deepEqual(told, ['/a', '/b']);
});

for (const seed of [1, 2, 3, 4]) {
  test(`the store on etcd does what the model does, across restarts, seed ${seed}`, async () => {
    const prefix = `/model/${seed}`;
    const open = (): Promise<Store> =>
      openEtcdStore({ endpoints: etcd.endpoints, clock: systemClock, random: systemRandom, prefix });
    let store = await open();
    try {
      const reopen = async (): Promise<Store> => {
        await store[Symbol.asyncDispose]();
        return (store = await open());
      };
      // The store itself writes, so that a watch from the past knows when it has caught up.
      await compareWithModel(store, { seed, reopen, shared: true });
    } finally {
      await store[Symbol.asyncDispose]();
    }
  });
}
