/**
 * Loaded into the measured process by NODE_OPTIONS=--import: the longest turn of its loop between `start` and `stop`, asked for
 * over the socket that SAMPAN_LOOP_PROBE names.
 */
import { rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { isMainThread } from 'node:worker_threads';
import { LoopTurns } from '../test/fixtures/loop-turns.ts';

const path = process.env['SAMPAN_LOOP_PROBE'];
if (isMainThread && path !== undefined) listen(path);

function listen(path) {
  rmSync(path, { force: true });
  const turns = new LoopTurns();
  const server = createServer((socket) => {
    socket.on('data', async (chunk) => {
      const answer = String(chunk).trim() === 'start' ? (turns.start(), {}) : await turns.stop();
      socket.write(`${JSON.stringify(answer)}\n`);
    });
    socket.on('error', () => {});
  });
  server.listen(path);
  server.unref();
}
