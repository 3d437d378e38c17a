import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../../base/clock.ts';
import { silentLogger } from '../../../base/log.ts';
import { openMemoryStore } from '../../store/memory.ts';
import type { Store } from '../../store/store.ts';
import { startCompactor } from './compactor.ts';

const MINUTE = 60_000;

/** A store that writes down what is compacted. */
async function watched(clock: ManualClock): Promise<{ store: Store; compacted: number[] }> {
  const inner = await openMemoryStore({ clock });
  const compacted: number[] = [];
  const store: Store = Object.assign(Object.create(inner) as Store, {
    revision: () => inner.revision(),
    get: (key: string) => inner.get(key),
    txn: (...args: Parameters<Store['txn']>) => inner.txn(...args),
    compact: async (revision: number) => {
      await inner.compact(revision);
      compacted.push(revision);
    },
  });
  return { store, compacted };
}

async function write(store: Store, count: number): Promise<void> {
  for (let i = 0; i < count; i++)
    await store.txn([], [{ type: 'put', key: '/k', value: Buffer.from(`${i}`) }]);
}

test('what is older than five minutes is forgotten, every five minutes', async () => {
  const clock = new ManualClock();
  const { store, compacted } = await watched(clock);
  using stack = new DisposableStack();
  stack.use(startCompactor(store, { clock, log: silentLogger }));
  await write(store, 3);
  await clock.advance(5 * MINUTE);
  await write(store, 3);
  await clock.advance(5 * MINUTE);
  await clock.advance(5 * MINUTE);
  assert.deepEqual(compacted, [3, 6]);
});

test('of several servers on one store one compacts in a round, and another goes on when it ends', async () => {
  const clock = new ManualClock();
  const { store, compacted } = await watched(clock);
  const first = startCompactor(store, { clock, log: silentLogger, shared: true });
  await clock.advance(2 * MINUTE);
  using stack = new DisposableStack();
  stack.use(startCompactor(store, { clock, log: silentLogger, shared: true }));
  for (let round = 0; round < 4; round++) {
    await write(store, 3);
    await clock.advance(5 * MINUTE);
  }
  assert.equal(compacted.length, 3, `one a round: ${compacted.join()}`);
  first[Symbol.dispose]();
  await clock.advance(10 * MINUTE);
  assert.ok(compacted.length >= 4, 'the other one has taken over');
});
