/** Connections that go on in another protocol, behind real TLS sockets. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { text } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';

import { systemClock } from '../../src/base/clock.ts';
import { silentLogger } from '../../src/base/log.ts';
import { systemRandom } from '../../src/base/random.ts';
import type { ApiRequest, ApiResponse } from '../../src/cluster/api/transport.ts';
import { createApiServer, type ApiServer } from '../../src/cluster/server/api-server.ts';
import { listen, type Listener } from '../../src/cluster/server/http/https-listener.ts';
import { loadOrCreatePki, type Pki } from '../../src/cluster/server/pki.ts';
import { openMemoryStore } from '../../src/cluster/store/memory.ts';

describe('connections that change their protocol', () => {
  const stack = new AsyncDisposableStack();
  let pki: Pki;
  let listener: Listener;
  let asked: ApiRequest[] = [];
  let answered: (request: ApiRequest) => ApiResponse;

  before(async () => {
    const dir = await mkdtemp(join(tmpdir(), 'sampan-upgrade-'));
    stack.defer(() => rm(dir, { recursive: true }));
    pki = await loadOrCreatePki({ dir, clock: systemClock, names: [] });
    const store = stack.use(await openMemoryStore({ clock: systemClock }));
    const real = stack.use(
      await createApiServer({
        store,
        clock: systemClock,
        random: systemRandom,
        log: silentLogger,
        serviceCidr: '10.96.0.0/16',
        authentication: {
          tokens: new Map([['secret', { name: 'kubernetes-admin', groups: ['system:masters'] }]]),
        },
      }),
    );
    const server: ApiServer = {
      ...real,
      handle: (request, user) => {
        asked.push(request);
        return 'upgrade' in request.headers ? Promise.resolve(answered(request)) : real.handle(request, user);
      },
    };
    listener = stack.use(
      await listen({
        server,
        host: '127.0.0.1',
        port: 0,
        tls: { key: pki.server.key, cert: pki.server.cert, clientCa: pki.ca.cert },
      }),
    );
  });
  after(() => stack.disposeAsync());

  /** Sends a request as it is written, with `more` after its head. */
  async function send(path: string, headers: readonly string[], more = ''): Promise<TLSSocket> {
    asked = [];
    const socket = connect({
      host: '127.0.0.1',
      port: listener.port,
      ca: pki.ca.cert,
      ALPNProtocols: ['http/1.1'],
    });
    await once(socket, 'secureConnect');
    socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\n${headers.join('\r\n')}\r\n\r\n${more}`);
    return socket;
  }

  const token = 'authorization: Bearer secret';
  const upgrade = ['connection: keep-alive, Upgrade', 'upgrade: WebSocket'];
  const echo = (): ApiResponse => ({
    status: 101,
    headers: { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-protocol': 'echo' },
    body: new Uint8Array(0),
    tunnel: (connection: Duplex) => void connection.pipe(connection),
  });

  test('the handler gets the connection, with what came behind the head', async () => {
    answered = echo;
    const socket = await send('/api/v1/x', [token, ...upgrade], 'early ');
    socket.end('late');
    const [head, ...rest] = (await text(socket)).split('\r\n\r\n');
    assert.match(head!, /^HTTP\/1\.1 101 Switching Protocols\r\n/);
    assert.match(head!, /\r\nsec-websocket-protocol: echo(\r\n|$)/);
    assert.equal(rest.join(), 'early late');
    assert.equal(asked[0]!.headers['upgrade'], 'WebSocket');
  });

  test('an answer without a tunnel is an answer, and the last one', async () => {
    answered = () => ({ status: 403, headers: { 'content-type': 'text/plain' }, body: Buffer.from('no') });
    const socket = await send('/api/v1/x', [token, ...upgrade]);
    const whole = await text(socket);
    assert.match(whole, /^HTTP\/1\.1 403 /);
    assert.match(whole, /\r\nconnection: close\r\n/i);
    assert.ok(whole.endsWith('\r\n\r\nno'));
  });

  test('who is not known gets 401, and no tunnel', async () => {
    answered = echo;
    const whole = await text(await send('/api/v1/x', ['authorization: Bearer wrong', ...upgrade]));
    assert.match(whole, /^HTTP\/1\.1 401 /);
    assert.deepEqual(asked, []);
  });

  test('a protocol that nobody here speaks is not heard', async () => {
    const headers = [token, 'connection: Upgrade, HTTP2-Settings, close', 'upgrade: h2c'];
    const whole = await text(await send('/version', headers));
    assert.match(whole, /^HTTP\/1\.1 200 /);
    assert.equal(asked[0]!.headers['upgrade'], undefined);
  });

  test('a header that would break out of its line ends the connection', async () => {
    answered = () => ({ ...echo(), headers: { upgrade: 'websocket\r\nset-cookie: x' } });
    assert.equal(await text(await send('/api/v1/x', [token, ...upgrade])), '');
  });

  test('a client that goes away ends its tunnel', async () => {
    const { promise: taken, resolve } = Promise.withResolvers<Duplex>();
    answered = () => ({ ...echo(), tunnel: resolve });
    const socket = await send('/api/v1/x', [token, ...upgrade]);
    const connection = await taken;
    const closed = new Promise<void>((closing) => connection.once('close', closing));
    connection.resume();
    socket.destroy();
    await closed;
  });
});
