/** Whoever passes requests on for others is believed by his certificate alone, behind real TLS sockets. */
import assert from 'node:assert/strict';
import { copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { connect as connectHttp2 } from 'node:http2';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';

import { systemClock } from '../../src/base/clock.ts';
import { silentLogger } from '../../src/base/log.ts';
import { systemRandom } from '../../src/base/random.ts';
import { createApiServer } from '../../src/cluster/server/api-server.ts';
import { listen, type Listener } from '../../src/cluster/server/http/https-listener.ts';
import { loadOrCreatePki, type KeyPair, type Pki } from '../../src/cluster/server/pki.ts';
import { openMemoryStore } from '../../src/cluster/store/memory.ts';

const REVIEWS = '/apis/authentication.k8s.io/v1/selfsubjectreviews';
const REVIEW = JSON.stringify({ apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' });
const FOR_JANE = {
  'x-remote-user': Buffer.from('jané').toString('latin1'),
  'x-remote-group': ['devs', 'a, b'],
  'x-remote-uid': 'u-1',
  'x-remote-extra-example.com%2fTeam': ['one', 'two'],
};
const JANE = {
  username: 'jané',
  uid: 'u-1',
  groups: ['devs', 'a, b', 'system:authenticated'],
  extra: { 'example.com/team': ['one', 'two'] },
};

interface Answer {
  readonly status: number;
  readonly user: unknown;
}

describe('requests that are passed on', () => {
  const stack = new AsyncDisposableStack();
  let pki: Pki;
  let listener: Listener;
  /** Who is nobody in particular, by the authority of those who pass on: CN=kubernetes-admin. */
  let misplaced: KeyPair;
  /** Who has the right name from the wrong authority. */
  let namesake: KeyPair;

  before(async () => {
    const dir = await mkdtemp(join(tmpdir(), 'sampan-front-proxy-'));
    stack.defer(() => rm(dir, { recursive: true }));
    const made = async (name: string): Promise<Pki> =>
      await loadOrCreatePki({ dir: join(dir, name), clock: systemClock, names: [] });
    const taken = async (name: string, from: string, as: string): Promise<void> => {
      await mkdir(join(dir, name));
      for (const end of ['key', 'crt'])
        await copyFile(join(dir, 'pki', `${from}.${end}`), join(dir, name, `${as}.${end}`));
    };
    pki = await made('pki');
    await taken('misplaced', 'front-proxy-ca', 'ca');
    misplaced = (await made('misplaced')).admin;
    await taken('namesake', 'ca', 'front-proxy-ca');
    namesake = (await made('namesake')).frontProxyClient;
    const store = stack.use(await openMemoryStore({ clock: systemClock }));
    const parts = { clock: systemClock, random: systemRandom, log: silentLogger };
    const server = stack.use(await createApiServer({ store, ...parts, serviceCidr: '10.96.0.0/16' }));
    const { key, cert } = pki.server;
    const tls = { key, cert, clientCa: pki.ca.cert, requestHeaderCa: pki.frontProxyCa.cert };
    listener = stack.use(await listen({ server, host: '127.0.0.1', port: 0, tls }));
  });

  after(() => stack.disposeAsync());

  async function whoAmI(
    pair: KeyPair | undefined,
    headers: Record<string, string | string[]>,
  ): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const outgoing = request({
      host: '127.0.0.1',
      port: listener.port,
      ca: pki.ca.cert,
      ...pair,
      agent: false,
      method: 'POST',
      path: REVIEWS,
      headers: { 'content-type': 'application/json', ...headers },
    });
    outgoing.on('error', reject);
    outgoing.on('response', (incoming) => {
      text(incoming).then((body) => resolve(answerOf(incoming.statusCode ?? 0, body)), reject);
    });
    // As bytes: a text would take the headers along into its own encoding.
    outgoing.end(Buffer.from(REVIEW));
    return await promise;
  }

  test('the right certificate speaks for others', async () => {
    assert.deepEqual(await whoAmI(pki.frontProxyClient, FOR_JANE), { status: 201, user: JANE });
  });

  test('over HTTP/2 too', async () => {
    const session = connectHttp2(`https://127.0.0.1:${listener.port}`, {
      ca: pki.ca.cert,
      ...pki.frontProxyClient,
    });
    const stream = session.request({
      ':method': 'POST',
      ':path': REVIEWS,
      'content-type': 'application/json',
      ...FOR_JANE,
    });
    const status = Promise.withResolvers<number>();
    stream.on('response', (headers) => status.resolve(headers[':status'] ?? 0));
    stream.on('error', status.reject);
    stream.end(REVIEW);
    const body = await text(stream);
    session.close();
    assert.deepEqual(answerOf(await status.promise, body), { status: 201, user: JANE });
  });

  test('without a name it speaks for nobody, not even for itself', async () => {
    assert.equal((await whoAmI(pki.frontProxyClient, {})).status, 401);
    assert.equal((await whoAmI(pki.frontProxyClient, { 'x-remote-group': ['system:masters'] })).status, 401);
  });

  test('another name of the same authority is nobody', async () => {
    assert.equal((await whoAmI(misplaced, FOR_JANE)).status, 401);
    assert.equal((await whoAmI(misplaced, {})).status, 401);
  });

  test('a client is who its certificate says, whatever the headers', async () => {
    const admin = await whoAmI(pki.admin, FOR_JANE);
    assert.equal((admin.user as { username: string }).username, 'kubernetes-admin');
    // May not even ask: it is a user without rights who happens to have that name.
    const { status, user } = await whoAmI(namesake, FOR_JANE);
    assert.equal(status, 201);
    const { username, groups } = user as { username: string; groups: readonly string[] };
    assert.equal(username, 'front-proxy-client');
    assert.deepEqual(groups, ['system:authenticated']);
  });

  test('nobody stays nobody', async () => {
    assert.equal((await whoAmI(undefined, FOR_JANE)).status, 403);
  });
});

function answerOf(status: number, body: string): Answer {
  const { status: of } = JSON.parse(body) as { status?: { userInfo?: unknown } };
  return { status, user: of?.userInfo };
}
