/**
 * Loaded into the measured process by NODE_OPTIONS=--import: the longest turn of its loop between `start` and `stop`, asked for
 * over the socket that SAMPAN_LOOP_PROBE names. Collections of garbage are counted apart. What a turn took is the time that
 * passed, without that in which the thread could have run and another had the processor: the kernel counts both in
 * nanoseconds, whereas it brings up to date what a thread has used only once in a tick of some milliseconds.
 */
import { openSync, readSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { PerformanceObserver } from 'node:perf_hooks';
import { isMainThread } from 'node:worker_threads';

const [SPACE, ZERO] = [32, 48];
/** Shorter turns are forgotten. */
const MIN_MS = 0.5;

const path = process.env['SAMPAN_LOOP_PROBE'];
if (isMainThread && path !== undefined) listen(path);

function listen(path) {
  rmSync(path, { force: true });
  let collections = [];
  let turns = [];
  let watching = false;
  let last = 0;
  let waited = 0;
  const schedule = openSync('/proc/thread-self/schedstat');
  const line = Buffer.alloc(80);
  /** Milliseconds for which the thread has waited for a processor. */
  const waitedFor = () => {
    readSync(schedule, line, 0, line.length, 0);
    // The second number, without anything that would have to be collected.
    let nanoseconds = 0;
    for (let at = line.indexOf(SPACE) + 1; line[at] !== SPACE; at++)
      nanoseconds = nanoseconds * 10 + line[at] - ZERO;
    return nanoseconds / 1e6;
  };
  new PerformanceObserver((list) => {
    if (watching) collections.push(...list.getEntries());
  }).observe({ entryTypes: ['gc'] });
  const turn = () => {
    const now = performance.now();
    const sum = waitedFor();
    const took = now - last - (sum - waited);
    if (took > MIN_MS) turns.push({ from: last, to: now, took });
    waited = sum;
    last = performance.now();
    if (watching) setImmediate(turn);
  };
  const commands = {
    start: () => {
      [collections, turns, watching] = [[], [], true];
      last = performance.now();
      waited = waitedFor();
      setImmediate(turn);
      return {};
    },
    stop: () => {
      watching = false;
      const collected = ({ from, to }) =>
        collections
          .filter(({ startTime }) => startTime >= from && startTime < to)
          .reduce((sum, { duration }) => sum + duration, 0);
      const own = turns.map((one) => ({ held: one.took - collected(one), garbage: collected(one) }));
      return {
        held: own.reduce((most, { held }) => Math.max(most, held), 0),
        withGarbage: turns.reduce((most, { took }) => Math.max(most, took), 0),
        garbage: collections.reduce((most, { duration }) => Math.max(most, duration), 0),
      };
    },
  };
  const server = createServer((socket) => {
    socket.on('data', (chunk) => {
      const command = String(chunk).trim();
      // Entries of the observer come a turn later.
      setTimeout(() => socket.write(`${JSON.stringify(commands[command]())}\n`), command === 'stop' ? 20 : 0);
    });
    socket.on('error', () => {});
  });
  server.listen(path);
  server.unref();
}
