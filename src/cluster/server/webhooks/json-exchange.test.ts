import assert from 'node:assert/strict';
import { Agent, createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { systemClock } from '../../../base/clock.ts';
import { exchangeJson } from './json-exchange.ts';
import { certificate } from './testing/webhook-server.ts';

test('a connection that was kept for too long is none: the request goes out again, on a new one', async () => {
  const { key, cert } = certificate();
  const asked = new Map<unknown, number>();
  /** Of one connection. */
  let answered = 1;
  const server = createServer({ key, cert }, ({ socket }, outgoing) => {
    const count = (asked.get(socket) ?? 0) + 1;
    asked.set(socket, count);
    if (count > answered) socket.destroy();
    else outgoing.end('{"a":1}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const agent = new Agent({ keepAlive: true, ca: cert });
  try {
    const place = { url: 'https://x/', agent, host: '127.0.0.1', port, path: '/' };
    const ask = (): Promise<unknown> =>
      exchangeJson({ ...place, method: 'POST', body: {}, timeoutMs: 10_000, clock: systemClock });
    for (let i = 0; i < 3; i++) assert.deepEqual(await ask(), { a: 1 });
    assert.deepEqual([...asked.values()], [2, 2, 1]);
    // On a new connection it is an answer of its kind.
    answered = 0;
    await assert.rejects(ask(), { code: 'unavailable', message: /^Post "https:\/\/x\/": socket hang up$/ });
    assert.deepEqual([...asked.values()], [2, 2, 2, 1]);
  } finally {
    agent.destroy();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});
