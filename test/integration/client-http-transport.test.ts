/** The HTTP transport against a real listener on the loopback. */
import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import test from 'node:test';
import { isPlatformError } from '../../src/base/errors.ts';
import { createClient } from '../../src/cluster/client/client.ts';
import { httpTransport } from '../../src/cluster/client/http-transport.ts';
import { pods } from '../../src/cluster/client/kinds.ts';
import { createFakeApi } from '../../src/cluster/client/testing/fake-api.ts';

interface Listening extends AsyncDisposable {
  readonly url: string;
  readonly sockets: Set<Socket>;
  readonly authorizations: Set<string | undefined>;
}

/** Serves a fake API over HTTP, as a server does: streams are streamed, a caller who leaves is noticed. */
async function listen(api: ReturnType<typeof createFakeApi>): Promise<Listening> {
  const sockets = new Set<Socket>();
  const authorizations = new Set<string | undefined>();
  const server: Server = createServer((incoming, outgoing) => {
    void (async () => {
      authorizations.add(incoming.headers.authorization);
      const chunks: Buffer[] = [];
      for await (const chunk of incoming) chunks.push(chunk as Buffer);
      const left = new AbortController();
      outgoing.on('close', () => left.abort());
      const answer = await api.request({
        method: incoming.method as 'GET',
        url: incoming.url ?? '',
        headers: { 'content-type': incoming.headers['content-type'] ?? '' },
        signal: left.signal,
        ...(chunks.length === 0 ? {} : { body: Buffer.concat(chunks) }),
      });
      outgoing.writeHead(answer.status, answer.headers);
      outgoing.flushHeaders();
      if (answer.body instanceof Uint8Array) return outgoing.end(answer.body);
      for await (const chunk of answer.body) outgoing.write(chunk);
      return outgoing.end();
    })();
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    sockets,
    authorizations,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const pod = (name: string): NonNullable<typeof pods.example> => ({
  metadata: { name, namespace: 'default' },
  spec: { containers: [] },
});

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!condition()) {
    assert.ok(Date.now() < deadline, 'waited too long');
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test('requests share a connection, carry the token, and a watch streams until it is left', async () => {
  const api = createFakeApi();
  await using server = await listen(api);
  using transport = httpTransport({ server: server.url, token: 'secret' });
  const client = createClient({ transport });
  await client.create(pods, pod('a'));
  const { resourceVersion } = await client.list(pods);
  assert.equal(server.sockets.size, 1);
  assert.deepEqual([...server.authorizations], ['Bearer secret']);
  const stop = new AbortController();
  const seen: string[] = [];
  const watching = (async () => {
    for await (const event of client.watch(pods, { resourceVersion, signal: stop.signal })) {
      if (event.type !== 'BOOKMARK') seen.push(event.object.metadata?.name ?? '');
    }
  })();
  await client.create(pods, pod('b'));
  await client.create(pods, pod('c'));
  await until(() => seen.length === 2);
  stop.abort();
  await watching;
  await until(() => api.openWatches === 0);
  assert.deepEqual(seen, ['b', 'c']);
});

test('a watch ends when the server ends it, and is unavailable when the connection breaks', async () => {
  const api = createFakeApi();
  await using server = await listen(api);
  using transport = httpTransport({ server: server.url });
  const client = createClient({ transport });
  const watch = async (): Promise<void> => {
    for await (const event of client.watch(pods, { signal: new AbortController().signal })) void event;
  };
  const first = watch();
  await until(() => api.openWatches === 1);
  api.dropWatches();
  await first;
  const second = watch();
  await until(() => api.openWatches === 1);
  for (const socket of server.sockets) socket.resetAndDestroy();
  await assert.rejects(second, (error) => isPlatformError(error, 'unavailable'));
});

test('a server that is not there is unavailable, and named', async () => {
  await using server = await listen(createFakeApi());
  const { url } = server;
  await server[Symbol.asyncDispose]();
  using transport = httpTransport({ server: url });
  const client = createClient({ transport });
  await assert.rejects(
    client.list(pods),
    (error) => isPlatformError(error, 'unavailable') && error.message.includes(url),
  );
});

test('a connection that the server has closed meanwhile is not an error', async () => {
  await using server = await listen(createFakeApi());
  using transport = httpTransport({ server: server.url });
  const client = createClient({ transport });
  await client.list(pods);
  for (let i = 0; i < 5; i++) {
    for (const socket of server.sockets) socket.resetAndDestroy();
    assert.deepEqual((await client.list(pods)).items, []);
  }
});
