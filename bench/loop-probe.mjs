/**
 * Loaded into the measured process by NODE_OPTIONS=--import: the longest turn of its loop between `start` and `stop`, asked for
 * over the socket that SAMPAN_LOOP_PROBE names. Collections of garbage are counted apart. What a turn took is the smaller of
 * time that passed, which has other processes in it, and CPU time of the thread.
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
  let used = 0;
  const cpu = () => {
    const { user, system } = process.threadCpuUsage();
    return (user + system) / 1000;
  };
  new PerformanceObserver((list) => {
    if (watching) collections.push(...list.getEntries());
  }).observe({ entryTypes: ['gc'] });
  const turn = () => {
    const now = performance.now();
    const sum = cpu();
    if (now - last > 2) turns.push({ from: last, to: now, took: Math.min(now - last, sum - used) });
    used = sum;
    last = performance.now();
    if (watching) setImmediate(turn);
  };
  const commands = {
    start: () => {
      [collections, turns, watching] = [[], [], true];
      last = performance.now();
      used = cpu();
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
