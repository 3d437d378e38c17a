/**
 * Loaded into the measured process by NODE_OPTIONS=--import: the longest turn of its loop between `start` and `stop`, asked for
 * over the socket that SAMPAN_LOOP_PROBE names. Collections of garbage are counted apart.
 */
import { rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { PerformanceObserver } from 'node:perf_hooks';
import { isMainThread } from 'node:worker_threads';

const path = process.env['SAMPAN_LOOP_PROBE'];
if (isMainThread && path !== undefined) listen(path);

function listen(path) {
  rmSync(path, { force: true });
  let collections = [];
  let turns = [];
  let watching = false;
  let last = 0;
  new PerformanceObserver((list) => {
    if (watching) collections.push(...list.getEntries());
  }).observe({ entryTypes: ['gc'] });
  const turn = () => {
    const now = performance.now();
    if (now - last > 2) turns.push({ from: last, to: now });
    last = performance.now();
    if (watching) setImmediate(turn);
  };
  const commands = {
    start: () => {
      [collections, turns, watching] = [[], [], true];
      last = performance.now();
      setImmediate(turn);
      return {};
    },
    stop: () => {
      watching = false;
      const collected = ({ from, to }) =>
        collections
          .filter(({ startTime }) => startTime >= from && startTime < to)
          .reduce((sum, { duration }) => sum + duration, 0);
      const own = turns.map((one) => ({ held: one.to - one.from - collected(one), garbage: collected(one) }));
      return {
        held: own.reduce((most, { held }) => Math.max(most, held), 0),
        withGarbage: turns.reduce((most, { from, to }) => Math.max(most, to - from), 0),
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
