import { ManualClock } from '../../base/clock.ts';
import { openMemoryStore } from './memory.ts';
import { storeSuite } from './store-suite.ts';

storeSuite('memory', async () => {
  const clock = new ManualClock();
  const store = await openMemoryStore({ clock });
  return { store, clock, cleanUp: async () => store[Symbol.asyncDispose]() };
});
