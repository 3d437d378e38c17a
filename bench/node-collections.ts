/**
 * For how long V8 stops a program that is nothing but Node, with the flags of `bin/sampan`: it has some 20 MB of objects and makes
 * new ones all the time, of which few live long. No server can be better. `node bench/node-collections.ts` prints, in
 * milliseconds, the middle (least to most) of its full collections, alone and beside a process that is busy, as a client is.
 */
import { spawn, spawnSync } from 'node:child_process';
import { constants, PerformanceObserver } from 'node:perf_hooks';
import { setImmediate } from 'node:timers/promises';

const FLAGS = ['--disable-warning=ExperimentalWarning', '--max-semi-space-size=4', '--no-parallel-scavenge'];
const KEPT = 200_000;
const FOR_MS = 10_000;
/** A turn makes so many, of which one in ten is kept until as many have come after it. */
const A_TURN = 2000;
const WINDOW = 20_000;

interface Collection extends PerformanceEntry {
  readonly detail: { readonly kind: number };
}

async function collections(): Promise<readonly number[]> {
  const pauses: number[] = [];
  const observer = new PerformanceObserver((list) => {
    for (const { detail, duration } of list.getEntries() as Collection[])
      if (detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR) pauses.push(duration);
  });
  observer.observe({ entryTypes: ['gc'] });
  const kept = Array.from({ length: KEPT }, (_, index) => ({ index, inner: { index } }));
  const window = Array.from<object>({ length: WINDOW });
  let count = 0;
  for (const end = performance.now() + FOR_MS; performance.now() < end; await setImmediate())
    for (let i = 0; i < A_TURN; i++, count++) {
      const made = { count, list: [kept[i]] };
      if (count % 10 === 0) window[(count / 10) % WINDOW] = made;
    }
  return pauses.toSorted((a, b) => a - b);
}

if (process.argv[2] === 'itself') process.stdout.write(JSON.stringify(await collections()));
else
  for (const isBusy of [false, true]) {
    const client = isBusy ? spawn(process.execPath, ['-e', 'for (;;);']) : undefined;
    const { stdout } = spawnSync(process.execPath, [...FLAGS, import.meta.filename, 'itself']);
    client?.kill();
    const pauses = JSON.parse(String(stdout)) as number[];
    const [least, middle, most] = [pauses[0]!, pauses[pauses.length >> 1]!, pauses.at(-1)!];
    const figures = `${middle.toFixed(1)} (${least.toFixed(1)} to ${most.toFixed(1)}), ${pauses.length} times`;
    process.stdout.write(`${isBusy ? 'beside one busy process' : 'alone'}: ${figures}\n`);
  }
