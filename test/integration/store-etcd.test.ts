/** The store on a real etcd. */
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { systemClock } from '../../src/base/clock.ts';
import { systemRandom } from '../../src/base/random.ts';
import { openEtcdStore } from '../../src/cluster/store/etcd.ts';
import { compareWithModel } from '../../src/cluster/store/store-model.ts';
import { storeSuite } from '../../src/cluster/store/store-suite.ts';
import type { Store } from '../../src/cluster/store/store.ts';
import { startEtcd, type TestEtcd } from '../fixtures/etcd.ts';

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
    openEtcdStore({ endpoints: etcd.endpoints, clock: systemClock, random: systemRandom, prefix });
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

for (const seed of [1, 2, 3, 4]) {
  test(`the store on etcd does what the model does, across restarts, seed ${seed}`, async () => {
    const prefix = `/model/${seed}`;
    const open = (): Promise<Store> =>
      openEtcdStore({ endpoints: etcd.endpoints, clock: systemClock, random: systemRandom, prefix });
    let store = await open();
    try {
      await compareWithModel(seed, store, async () => {
        await store[Symbol.asyncDispose]();
        return (store = await open());
      });
    } finally {
      await store[Symbol.asyncDispose]();
    }
  });
}
