import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { listAt, stringAt } from '../../api/json.ts';
import { MemoryFiles } from '../configuration/testing/memory-files.ts';
import { TestServer } from '../testing/test-server.ts';
import { JsonServer } from '../webhooks/testing/json-server.ts';
import { parseTokenFile } from './token-file.ts';

const REFUSED = { code: 'unauthenticated' } as const;
const KUBECONFIG = '/etc/tokens.kubeconfig';
const REVIEWS = '/apis/authentication.k8s.io/v1/tokenreviews';

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const serviceAccounts = {
  signingKey: privateKey.export({ type: 'pkcs8', format: 'pem' }),
  issuer: 'https://issuer.test',
  audiences: ['api'],
};

test('another program knows tokens; its answers hold for a while, its failures do not', async () => {
  let broken = false;
  await using remote = await JsonServer.open(({ body }) => {
    if (broken) return { status: 400, body: 'no' };
    const token = stringAt(body, 'spec', 'token');
    const user = { username: 'alice', uid: '7', groups: ['dev'], extra: { team: ['blue'] } };
    const other = listAt(body, 'spec', 'audiences').includes('vault');
    if (token !== 'good')
      return { body: { status: { authenticated: false, error: token === 'odd' ? 'odd' : '' } } };
    return { body: { status: { authenticated: true, user, ...(other && { audiences: ['vault', 'x'] }) } } };
  });
  const files = new MemoryFiles();
  files.write(KUBECONFIG, remote.kubeconfig('/tokens'));
  const webhook = { kubeconfig: KUBECONFIG, keptMs: 60_000 };
  await using api = await TestServer.open({ files, authentication: { serviceAccounts, webhook } });
  const who = (token: string) => api.server.authenticate({ token });
  const [alice] = await Promise.all([who('good'), who('good'), who('good')]);
  assert.deepEqual(alice, {
    name: 'alice',
    groups: ['dev', 'system:authenticated'],
    uid: '7',
    extra: { team: ['blue'] },
  });
  assert.equal(remote.seen.length, 1);
  const { apiVersion, kind, spec } = remote.seen[0]!.body;
  assert.deepEqual([apiVersion, kind], ['authentication.k8s.io/v1', 'TokenReview']);
  assert.deepEqual(spec, { token: 'good', audiences: ['api'] });
  await assert.rejects(who('bad'), REFUSED);
  await assert.rejects(who('bad'), REFUSED);
  assert.equal(remote.seen.length, 2);
  await api.clock.advance(60_000);
  await who('good');
  assert.equal(remote.seen.length, 3);

  const review = async (token: string, audiences: readonly string[]): Promise<unknown> =>
    (await api.call('POST', REVIEWS, { spec: { token, audiences } })).body.status;
  assert.deepEqual(await review('odd', []), { user: {}, error: 'odd' });
  const { audiences } = (await review('good', ['vault'])) as { audiences: string[] };
  assert.deepEqual(audiences, ['vault']);
  assert.deepEqual(await review('good', ['elsewhere']), { user: {}, error: 'invalid bearer token' });

  broken = true;
  await assert.rejects(who('later'), REFUSED);
  broken = false;
  await api.clock.advance(60_000);
  await who('good');
  const asked = remote.seen.length;
  await assert.rejects(who('later'), REFUSED);
  assert.equal(remote.seen.length, asked + 1);
});

test('tokens stand in a file, and are for this server', async () => {
  const files = new MemoryFiles();
  files.write('/etc/tokens.csv', 't1,alice,u1,"dev,ops"\r\nt2,bob,u2\n\n"t,3","ca""rol",\n,nobody,x\n');
  await using api = await TestServer.open({
    files,
    authentication: { serviceAccounts, tokenFile: '/etc/tokens.csv' },
  });
  const who = (token: string) => api.server.authenticate({ token });
  assert.deepEqual(await who('t1'), {
    name: 'alice',
    uid: 'u1',
    groups: ['dev', 'ops', 'system:authenticated'],
  });
  assert.equal((await who('t2')).name, 'bob');
  assert.equal((await who('t,3')).name, 'ca"rol');
  for (const token of ['', 't', 't11', 'T1']) await assert.rejects(who(token), REFUSED);
  const other = await api.call('POST', REVIEWS, { spec: { token: 't1', audiences: ['vault'] } });
  assert.deepEqual(other.body.status, { user: {}, error: 'invalid bearer token' });
  const cases: readonly [string, RegExp][] = [
    ['a,b\n', /line 1: token file must have at least 3 columns \(token, user name, user uid\), found 2/],
    ['a,b,c\nt,,u', /line 2: the user name is empty/],
    ['a,"b,c', /line 1: a quoted field does not end well/],
    ['a,b"c,d', /line 1: a bare " in a field/],
  ];
  for (const [text, message] of cases) {
    assert.throws(() => parseTokenFile(Buffer.from(text)), { code: 'invalid', message });
  }
  await assert.rejects(TestServer.open({ files, authentication: { tokenFile: '/none' } }), {
    code: 'invalid',
    message: /^\/none: ENOENT/,
  });
});
