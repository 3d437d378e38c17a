/**
 * The stores alone, on the same work: durable writes by one and by many writers, gets, a range of 1000, and how long an
 * event takes to a watcher. SQLite on this disk, etcd as one member on the same disk. `node bench/store.ts [sqlite|etcd|memory…]`.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../src/base/clock.ts';
import { systemRandom } from '../src/base/random.ts';
import { openMemoryStore } from '../src/cluster/store/memory.ts';
import { openSqliteStore } from '../src/cluster/store/sqlite.ts';
import type { Store } from '../src/cluster/store/store.ts';
import { startEtcd } from '../test/fixtures/etcd.ts';

const VALUE = Buffer.alloc(1000, 'v');
const MEASURE_MS = 2000;

const openers: Record<string, (stack: AsyncDisposableStack) => Promise<Store>> = {
  memory: () => openMemoryStore({ clock: systemClock }),
  async sqlite(stack) {
    const dir = await mkdtemp(join(tmpdir(), 'sampan-bench-'));
    stack.defer(() => rm(dir, { recursive: true }));
    return await openSqliteStore({ path: join(dir, 'store.db'), clock: systemClock });
  },
  async etcd(stack) {
    const etcd = stack.use(await startEtcd());
    // Loaded here for the same reason as in the program: only who wants it pays for it.
    const before = performance.now();
    const { openEtcdStore } = await import('../src/cluster/store/etcd.ts');
    process.stdout.write(`etcd: loading the client ${Math.round(performance.now() - before)} ms\n`);
    return await openEtcdStore({
      endpoints: etcd.endpoints,
      clock: systemClock,
      random: systemRandom,
    });
  },
};

/** Calls a second of `work` by `clients` at once. */
async function rate(clients: number, work: (client: number, n: number) => Promise<unknown>): Promise<number> {
  const end = performance.now() + MEASURE_MS;
  let done = 0;
  const client = async (id: number): Promise<void> => {
    for (let n = 0; performance.now() < end; n++) {
      await work(id, n);
      done++;
    }
  };
  await Promise.all(Array.from({ length: clients }, (_, id) => client(id)));
  return Math.round((done * 1000) / MEASURE_MS);
}

async function eventDelay(store: Store): Promise<number> {
  const delays: number[] = [];
  let seen: (() => void) | undefined;
  await using watch = await store.watch({ start: '/w/', end: '/w0', afterRevision: 0 }, ({ events }) => {
    if (events.length > 0) seen?.();
  });
  for (let i = 0; i < 300; i++) {
    const arrived = new Promise<void>((resolve) => (seen = resolve));
    const begin = performance.now();
    await Promise.all([arrived, put(store, '/w/k')]);
    delays.push(performance.now() - begin);
  }
  await watch[Symbol.asyncDispose]();
  return delays.toSorted((a, b) => a - b)[150]!;
}

const put = (store: Store, key: string): Promise<unknown> =>
  store.txn([], [{ type: 'put', key, value: VALUE }]);

const wanted = process.argv.slice(2);
for (const name of wanted.length === 0 ? Object.keys(openers) : wanted) {
  await using stack = new AsyncDisposableStack();
  const store = stack.use(await openers[name]!(stack));
  for (let i = 0; i < 1000; i++) void put(store, `/r/${String(i).padStart(4, '0')}`);
  await put(store, '/r/last');
  const rows: [string, string][] = [
    ['writes/s, 1 writer', `${await rate(1, (_, n) => put(store, `/one/${n % 100}`))}`],
    ['writes/s, 32 writers', `${await rate(32, (id, n) => put(store, `/many/${id}/${n % 100}`))}`],
    ['gets/s, 1 reader', `${await rate(1, (_, n) => store.get(`/one/${n % 100}`))}`],
    ['revision/s, 32 readers', `${await rate(32, () => store.revision())}`],
    ['ranges of 1000/s', `${await rate(1, () => store.range('/r/', '/r0'))}`],
    ['write and its event, median ms', (await eventDelay(store)).toFixed(2)],
  ];
  for (const [what, figure] of rows) process.stdout.write(`${name}: ${what.padEnd(32)} ${figure}\n`);
}
