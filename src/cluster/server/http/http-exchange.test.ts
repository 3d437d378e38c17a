import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TLSSocket } from 'node:tls';

import type { ApiServer } from '../api-server.ts';
import { serve, type Exchange } from './http-exchange.ts';

test('a large document is written piece by piece, and the loop turns in between', async () => {
  const body = Buffer.alloc(1_000_000, 'abc');
  const server = {
    authenticate: async () => ({ name: 'somebody', groups: [] }),
    handle: async () => ({ status: 200, headers: { etag: 'x' }, body }),
  } as unknown as ApiServer;
  let turns = 0;
  const turn = (): void => {
    if (turns++ < 1000) setImmediate(turn);
  };
  setImmediate(turn);
  const written: Uint8Array[] = [];
  let head: unknown;
  let ended = 0;
  const exchange: Partial<Exchange> = {
    method: 'GET',
    url: '/openapi/v2',
    headers: {},
    hasBody: false,
    socket: { getPeerCertificate: () => ({}) } as unknown as TLSSocket,
    gone: new AbortController().signal,
    respond: (status, headers) => (head = { status, headers }),
    write: (bytes) => written.push(bytes) > 0,
    end: () => void ended++,
  };
  await serve(exchange as Exchange, server, () => ({ client: false, proxy: false }));
  assert.ok(turns >= 7, `the loop had ${turns} turns meanwhile`);
  turns = Infinity;
  assert.deepEqual(head, { status: 200, headers: { etag: 'x', 'content-length': body.length } });
  assert.ok(written.every(({ length }) => length <= 128 * 1024));
  assert.ok(written.at(-1)!.length <= 1024, 'nobody waits for the last piece');
  assert.ok(Buffer.concat(written).equals(body));
  assert.equal(ended, 1);
});
