/** The API server behind real TLS sockets: who gets in, how answers and streams travel. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { Agent, request, type RequestOptions } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import type { OutgoingHttpHeaders } from 'node:http';
import { connect, type IncomingHttpHeaders } from 'node:http2';
import { connect as connectTcp } from 'node:net';
import { text } from 'node:stream/consumers';
import { connect as connectTls } from 'node:tls';
import { after, before, describe, test } from 'node:test';
import { gunzipSync } from 'node:zlib';

import { systemClock } from '../../src/base/clock.ts';
import { isPlatformError } from '../../src/base/errors.ts';
import { silentLogger } from '../../src/base/log.ts';
import { systemRandom } from '../../src/base/random.ts';
import { createApiServer, type ApiServer } from '../../src/cluster/server/api-server.ts';
import { listen, type Listener } from '../../src/cluster/server/http/https-listener.ts';
import { loadOrCreatePki, type Pki } from '../../src/cluster/server/pki.ts';
import { openMemoryStore } from '../../src/cluster/store/memory.ts';
import type { Store } from '../../src/cluster/store/store.ts';

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

describe('HTTPS', () => {
  let dir: string;
  let pki: Pki;
  let strangers: Pki;
  let store: Store;
  let server: ApiServer;
  let listener: Listener;
  const agents: Agent[] = [];

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'sampan-https-'));
    pki = await loadOrCreatePki({ dir: join(dir, 'pki'), clock: systemClock, names: [] });
    strangers = await loadOrCreatePki({ dir: join(dir, 'strangers'), clock: systemClock, names: [] });
    store = await openMemoryStore({ clock: systemClock });
    server = await createApiServer({
      store,
      clock: systemClock,
      random: systemRandom,
      log: silentLogger,
      serviceCidr: '10.96.0.0/16',
      authentication: {
        tokens: new Map([
          [pki.adminToken, { name: 'kubernetes-admin', groups: ['system:masters'] }],
          ['guest', { name: 'guest', groups: [] }],
        ]),
      },
    });
    listener = await listen({
      server,
      host: '127.0.0.1',
      port: 0,
      tls: { key: pki.server.key, cert: pki.server.cert, clientCa: pki.ca.cert },
    });
  });

  after(async () => {
    for (const agent of agents) agent.destroy();
    await listener[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
    await store[Symbol.asyncDispose]();
    await rm(dir, { recursive: true });
  });

  /** Sends a request; resolves with the response as soon as its headers are there. */
  function open(
    path: string,
    options: RequestOptions & { body?: string | Buffer } = {},
  ): Promise<IncomingMessage> {
    const { body, ...rest } = options;
    const agent = new Agent({ keepAlive: false });
    agents.push(agent);
    return new Promise((resolve, reject) => {
      const sent = request(
        { host: '127.0.0.1', port: listener.port, path, ca: pki.ca.cert, agent, ...rest },
        resolve,
      );
      sent.on('error', reject);
      sent.end(body);
    });
  }

  async function ask(path: string, options: Parameters<typeof open>[1] = {}): Promise<Answer> {
    const message = await open(path, options);
    const chunks: Buffer[] = [];
    for await (const chunk of message as AsyncIterable<Buffer>) chunks.push(chunk);
    return { status: message.statusCode ?? 0, headers: message.headers, body: Buffer.concat(chunks) };
  }

  const withToken = (token: string): RequestOptions => ({ headers: { authorization: `Bearer ${token}` } });

  test('a certificate of the authority is its subject', async () => {
    const { status } = await ask('/api/v1/namespaces', { key: pki.admin.key, cert: pki.admin.cert });
    assert.equal(status, 200);
  });

  test('a certificate of another authority is nobody, not even anonymous; a token beside it counts as ever', async () => {
    const stranger = { key: strangers.admin.key, cert: strangers.admin.cert };
    assert.equal((await ask('/version', stranger)).status, 401);
    assert.equal((await ask('/version', { ...stranger, ...withToken('nobody') })).status, 401);
    // As kube-apiserver: each way of saying who one is stands for itself.
    assert.equal(
      (await ask('/api/v1/namespaces', { ...stranger, ...withToken(pki.adminToken) })).status,
      200,
    );
  });

  test('a scheme that is no token says nothing: the request is anonymous', async () => {
    for (const authorization of ['Basic YTpi', 'Bearer', 'Bearer ']) {
      const { status, body } = await ask('/api/v1/namespaces', { headers: { authorization } });
      assert.equal(status, 403, authorization);
      assert.match(body.toString(), /User \\"system:anonymous\\" cannot list/);
    }
  });

  test('a certificate says which one it was; a WebSocket may bring its token as a protocol', async () => {
    const review = { key: pki.admin.key, cert: pki.admin.cert, method: 'POST', body: '{}' };
    const asked = await ask('/apis/authentication.k8s.io/v1/selfsubjectreviews', review);
    const { status } = JSON.parse(asked.body.toString()) as {
      status: { userInfo: { extra: Record<string, string[]> } };
    };
    const digest = new X509Certificate(pki.admin.cert).fingerprint256.replaceAll(':', '').toLowerCase();
    assert.deepEqual(status.userInfo.extra['authentication.kubernetes.io/credential-id'], [
      `X509SHA256=${digest}`,
    ]);
    const protocol = `base64url.bearer.authorization.k8s.io.${Buffer.from('guest').toString('base64url')}`;
    const headers = {
      connection: 'upgrade',
      upgrade: 'websocket',
      'sec-websocket-protocol': `v4.channel.k8s.io, ${protocol}`,
    };
    const socket = await ask('/api/v1/namespaces', { headers });
    assert.match(socket.body.toString(), /User \\"guest\\" cannot list/);
  });

  test('tokens: known, known without rights, unknown', async () => {
    assert.equal((await ask('/api/v1/namespaces', withToken(pki.adminToken))).status, 200);
    const guest = await ask('/api/v1/namespaces', withToken('guest'));
    assert.equal(guest.status, 403);
    assert.match(guest.body.toString(), /User \\"guest\\" cannot list resource \\"namespaces\\"/);
    const unknown = await ask('/api/v1/namespaces', withToken('nobody'));
    assert.equal(unknown.status, 401);
    assert.equal((JSON.parse(unknown.body.toString()) as { reason: string }).reason, 'Unauthorized');
  });

  test('anyone may ask for health and version, and for nothing else', async () => {
    for (const path of ['/healthz', '/livez', '/readyz', '/version'])
      assert.equal((await ask(path)).status, 200, path);
    const refused = await ask('/api/v1/namespaces');
    assert.equal(refused.status, 403);
    assert.match(refused.body.toString(), /system:anonymous/);
  });

  test('a path that is badly escaped is told so before anybody looks who asks', async () => {
    const answer = await ask('/api/v1/namespaces/%zz/pods');
    assert.deepEqual([answer.status, answer.body.toString()], [400, '400 Bad Request']);
    assert.equal((await ask('/version?a=%zz')).status, 200);
  });

  test('a body over the limit is refused, announced or not', async () => {
    const body = Buffer.alloc(4 * 1024 * 1024, 0x20);
    const path = '/api/v1/namespaces/default/configmaps';
    const options = { method: 'POST', ...withToken(pki.adminToken), body };
    const announced = await ask(path, options).catch((error: NodeJS.ErrnoException) => error.code);
    // A client that is still writing when the answer comes may see the connection close instead.
    if (typeof announced === 'object') assert.equal(announced.status, 413);
    else assert.match(String(announced), /^(EPIPE|ECONNRESET)$/);
    assert.equal((await ask('/healthz')).status, 200);
  });

  test('large lists are compressed', async () => {
    const path = '/api/v1/namespaces/default/configmaps';
    const data = { k: 'x'.repeat(200_000) };
    const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'large' }, data };
    const created = await ask(path, {
      method: 'POST',
      ...withToken(pki.adminToken),
      body: JSON.stringify(object),
    });
    assert.equal(created.status, 201);
    const { headers, body } = await ask(path, {
      headers: { authorization: `Bearer ${pki.adminToken}`, 'accept-encoding': 'gzip' },
    });
    assert.equal(headers['content-encoding'], 'gzip');
    assert.match(gunzipSync(body).toString(), /"large"/);
  });

  test('a watch has its headers at once, streams, and ends when the client leaves', async () => {
    const path = '/api/v1/namespaces/kube-public/configmaps';
    const message = await open(`${path}?watch=true`, withToken(pki.adminToken));
    assert.equal(message.statusCode, 200);
    const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' } };
    await ask(path, { method: 'POST', ...withToken(pki.adminToken), body: JSON.stringify(object) });
    const { value } = await (message as AsyncIterable<Buffer>)[Symbol.asyncIterator]().next();
    assert.equal((JSON.parse(String(value)) as { type: string }).type, 'ADDED');
    message.destroy();
  });

  test('watches of one connection after another, and of a client from before chunks', async () => {
    const maps = '/api/v1/namespaces/default/configmaps';
    const raw = async (...requests: readonly string[]): Promise<Promise<string>[]> => {
      const socket = connectTls({ host: '127.0.0.1', port: listener.port, ca: pki.ca.cert });
      const head = `host: x\r\nauthorization: Bearer ${pki.adminToken}\r\n`;
      // All at once: the later ones are read while the first is answered.
      socket.write(requests.map((line) => `${line}\r\n${head}\r\n`).join(''));
      const [first] = (await once(socket, 'data')) as [Buffer];
      return [text(socket).then((rest) => String(first) + rest)];
    };
    const watch = `GET ${maps}?watch=1&timeoutSeconds=2&fieldSelector=metadata.name%3Dchunked`;
    const [[three], [old]] = await Promise.all([
      raw(`${watch} HTTP/1.1`, `${watch} HTTP/1.1`, 'GET /version HTTP/1.1\r\nconnection: close'),
      raw(`${watch} HTTP/1.0`),
    ]);
    for (const method of ['POST', 'PUT', 'DELETE']) {
      const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'chunked' }, data: { method } };
      const headers = {
        authorization: `Bearer ${pki.adminToken}`,
        'content-type': 'application/json',
      };
      const path = method === 'POST' ? maps : `${maps}/chunked`;
      const body = method === 'DELETE' ? '' : JSON.stringify(object);
      assert.ok((await ask(path, { method, headers, body })).status < 300);
    }
    const bodyOf = (answer: string): string => answer.slice(answer.indexOf('\r\n\r\n') + 4);
    const dechunked = (answer: string): [body: string, rest: string] => {
      let body = '';
      for (let left = bodyOf(answer); ;) {
        const [size = ''] = left.split('\r\n', 1);
        const from = size.length + 2;
        const to = from + Number.parseInt(size, 16);
        assert.equal(left.slice(to, to + 2), '\r\n');
        body += left.slice(from, to);
        left = left.slice(to + 2);
        if (to === from) return [body, left];
      }
    };
    const types = (body: string): unknown[] => {
      const lines = body.trim().split('\n');
      return lines.map((line) => (JSON.parse(line) as { type: string }).type);
    };
    const [first, behind] = dechunked((await three) ?? '');
    const [second, last] = dechunked(behind);
    for (const body of [first, second, bodyOf((await old) ?? '')])
      assert.deepEqual(types(body), ['ADDED', 'MODIFIED', 'DELETED']);
    assert.match(last, /^HTTP\/1\.1 200 OK/);
  });

  test('a watch whose client reads late has everything, piece by piece', async () => {
    const maps = '/api/v1/namespaces/default/configmaps';
    const authorization = `Bearer ${pki.adminToken}`;
    const watch = await open(`${maps}?watch=1&labelSelector=large`, { headers: { authorization } });
    watch.pause();
    const count = 60;
    for (let i = 0; i < count; i++) {
      const metadata = { name: `large-${i}`, labels: { large: 'yes' } };
      const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { x: 'x'.repeat(200_000) } };
      const headers = { authorization, 'content-type': 'application/json' };
      const made = await ask(maps, { method: 'POST', headers, body: JSON.stringify(object) });
      assert.equal(made.status, 201);
    }
    let seen = '';
    for await (const chunk of watch as AsyncIterable<Buffer>) {
      seen += String(chunk);
      if (seen.split('\n').length > count) break;
    }
    const names = seen
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { object: { metadata: { name: string } } }).object.metadata.name);
    assert.deepEqual(
      names,
      Array.from({ length: count }, (_, i) => `large-${i}`),
    );
    const removed = await ask(`${maps}?labelSelector=large`, {
      method: 'DELETE',
      headers: { authorization },
    });
    assert.equal(removed.status, 200);
  });

  test('a further address hears only those it is for', async () => {
    const heard = async (host: string): Promise<boolean> => {
      const socket = connectTls({ host, port: listener.port, ca: pki.ca.cert, servername: 'localhost' });
      const outcome = await Promise.race([
        once(socket, 'secureConnect').then(() => true),
        once(socket, 'close').then(() => false),
      ]).catch(() => false);
      socket.destroy();
      return outcome;
    };
    await listener.alsoOn('127.0.0.2', (address) => address === '127.0.0.1' || address === '127.0.0.2');
    await listener.alsoOn('127.0.0.3', () => false);
    assert.deepEqual([await heard('127.0.0.2'), await heard('127.0.0.3')], [true, false]);
  });

  test('any method is answered, and what is no request is refused', async () => {
    const raw = async (head: string, before?: string): Promise<string> => {
      const socket = connectTls({ host: '127.0.0.1', port: listener.port, ca: pki.ca.cert });
      if (before !== undefined) {
        socket.write(`${before}\r\nhost: x\r\n\r\n`);
        assert.match(String(((await once(socket, 'data')) as [Buffer])[0]), /^HTTP\/1.1 200 /);
      }
      socket.write(`${head}\r\nhost: x\r\nconnection: close\r\n\r\n`);
      return await text(socket);
    };
    const admin = `\r\nauthorization: Bearer ${pki.adminToken}`;
    assert.match(
      await raw(`TWIST /version HTTP/1.1${admin}`),
      /^HTTP\/1.1 405 .*connection: close\r\n.*"reason":"MethodNotAllowed"/is,
    );
    assert.match(await raw('TWIST /version HTTP/1.1'), / 403 .*\\"system:anonymous\\" cannot twist path/s);
    // On a connection that has been used.
    const used = await raw(`twist /api/v1/pods HTTP/1.1${admin}`, `GET /version HTTP/1.1${admin}`);
    assert.match(used, /^HTTP\/1.1 405 /);
    assert.match(
      await raw('TW(IST /version HTTP/1.1'),
      /^HTTP\/1.1 400 Bad Request\r\n.*\r\n\r\n400 Bad Request$/s,
    );
    assert.match(await raw(`GET https://x/version HTTP/1.1${admin}`), / 200 .*"gitVersion"/s);
    assert.match(await raw(`GET /version HTTP/1.1${admin}\r\nlong: ${'x'.repeat(100_000)}`), / 200 /);
  });

  test('a taken port is said so', async () => {
    const again = listen({
      server,
      host: '127.0.0.1',
      port: listener.port,
      tls: { key: pki.server.key, cert: pki.server.cert, clientCa: pki.ca.cert },
    });
    await assert.rejects(again, (error) => isPlatformError(error, 'unavailable') && error.hint !== undefined);
  });

  test('HTTP/2: requests side by side on one connection, bodies, a watch, and a client that leaves it', async () => {
    const session = connect(`https://127.0.0.1:${listener.port}`, { ca: pki.ca.cert });
    const call = async (headers: OutgoingHttpHeaders, body = ''): Promise<[number, string]> => {
      const stream = session.request({ authorization: `Bearer ${pki.adminToken}`, ...headers });
      if (body !== '') stream.end(body);
      const [answer] = (await once(stream, 'response')) as [IncomingHttpHeaders & { ':status': number }];
      return [answer[':status'], await text(stream)];
    };
    const maps = '/api/v1/namespaces/default/configmaps';
    const watch = session.request({ ':path': `${maps}?watch=1`, authorization: `Bearer ${pki.adminToken}` });
    await once(watch, 'response');
    const made = await Promise.all(
      ['h2-a', 'h2-b', 'h2-c'].map((name) =>
        call(
          { ':method': 'POST', ':path': maps, 'content-type': 'application/json' },
          JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name } }),
        ),
      ),
    );
    assert.deepEqual(
      made.map(([status]) => status),
      [201, 201, 201],
    );
    let seen = '';
    for await (const chunk of watch) {
      seen += String(chunk);
      if (seen.includes('h2-a') && seen.includes('h2-b') && seen.includes('h2-c')) break;
    }
    const [status, list] = await call({ ':path': maps });
    assert.equal(status, 200);
    assert.equal((JSON.parse(list) as { items: unknown[] }).items.length >= 3, true);
    assert.equal((await call({ ':path': maps, authorization: 'Bearer wrong' }))[0], 401);
    const [tooMuch] = await call({ ':method': 'POST', ':path': maps }, 'x'.repeat(4 << 20));
    assert.equal(tooMuch, 413);
    session.destroy();
  });

  test('a client certificate also counts on a resumed TLS session', async () => {
    const identity = { key: pki.admin.key, cert: pki.admin.cert, ca: pki.ca.cert };
    const call = async (ticket?: Buffer): Promise<{ status: string; reused: boolean; session: Buffer }> => {
      const socket = connectTls({
        ...identity,
        host: '127.0.0.1',
        port: listener.port,
        ...(ticket && { session: ticket }),
      });
      const saved = once(socket, 'session') as Promise<[Buffer]>;
      saved.catch(() => {});
      await once(socket, 'secureConnect');
      socket.write('GET /api HTTP/1.1\r\nhost: x\r\n\r\n');
      const [answer] = (await once(socket, 'data')) as [Buffer];
      const [session] = ticket === undefined ? await saved : [ticket];
      const reused = socket.isSessionReused();
      socket.destroy();
      return { status: answer.toString().slice(9, 12), reused, session };
    };
    const first = await call();
    const second = await call(first.session);
    assert.deepEqual([first.status, first.reused], ['200', false]);
    assert.deepEqual([second.status, second.reused], ['200', true]);
  });

  test('half requests are cut off in time, and many idle connections are nothing', async () => {
    const impatient = await listen({
      server,
      host: '127.0.0.1',
      port: 0,
      tls: { key: pki.server.key, cert: pki.server.cert, clientCa: pki.ca.cert },
      timeouts: { head: 300, request: 500, idle: 60_000 },
    });
    const halves = ['GET /api HT', 'POST /api HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nab'];
    await Promise.all(
      halves.map(async (half) => {
        const socket = connectTls({ host: '127.0.0.1', port: impatient.port, ca: pki.ca.cert });
        socket.on('error', () => {});
        await once(socket, 'secureConnect');
        socket.write(half);
        socket.resume();
        await once(socket, 'close');
      }),
    );
    // A connection that never begins the handshake.
    const mute = connectTcp(impatient.port, '127.0.0.1');
    mute.on('error', () => {});
    mute.resume();
    await once(mute, 'close');
    const idle = Array.from({ length: 300 }, () => connectTcp(listener.port, '127.0.0.1'));
    await Promise.all(idle.map((socket) => once(socket, 'connect')));
    const { status } = await ask('/version', { headers: { authorization: `Bearer ${pki.adminToken}` } });
    assert.equal(status, 200);
    for (const socket of idle) socket.destroy();
    await impatient[Symbol.asyncDispose]();
  });
});
