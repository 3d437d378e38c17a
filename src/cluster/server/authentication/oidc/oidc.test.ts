import assert from 'node:assert/strict';
import { createHmac, generateKeyPairSync, sign } from 'node:crypto';
import { test } from 'node:test';
import { eventually } from '../../../../../test/fixtures/eventually.ts';
import type { JsonObject } from '../../../api/json.ts';
import type { UserInfo } from '../../../api/transport.ts';
import { MemoryFiles } from '../../configuration/testing/memory-files.ts';
import { TestServer } from '../../testing/test-server.ts';
import { Issuer, signed, signingKey } from '../testing/issuer.ts';

const FILE = '/etc/authn.yaml';
const KEY = signingKey('one');
const REFUSED = { code: 'unauthenticated' } as const;

const plain: JsonObject = { username: { claim: 'sub', prefix: 'oidc:' } };

function entry(issuer: Issuer, more: JsonObject = {}, settings: JsonObject = {}): JsonObject {
  return {
    issuer: { url: issuer.url, certificateAuthority: issuer.server.ca, audiences: ['us'], ...settings },
    claimMappings: plain,
    ...more,
  };
}

function config(jwt: readonly JsonObject[], more: JsonObject = {}, version = 'v1'): string {
  const apiVersion = `apiserver.config.k8s.io/${version}`;
  return JSON.stringify({ apiVersion, kind: 'AuthenticationConfiguration', jwt, ...more });
}

interface Opened extends AsyncDisposable {
  readonly api: TestServer;
  readonly files: MemoryFiles;
  claims(issuer: Issuer, more?: JsonObject): JsonObject;
  who(token: string): Promise<UserInfo>;
}

async function opened(text: string): Promise<Opened> {
  const files = new MemoryFiles();
  files.write(FILE, text);
  const api = await TestServer.open({ files, authentication: { configuration: FILE } });
  return {
    api,
    files,
    claims: (issuer, more = {}) => ({
      iss: issuer.url,
      aud: 'us',
      sub: 'alice',
      exp: api.clock.now() / 1000 + 600,
      ...more,
    }),
    who: (token) => api.server.authenticate({ token }),
    [Symbol.asyncDispose]: () => api[Symbol.asyncDispose](),
  };
}

test('a token of a known issuer is its subject; nothing is fetched before, and once for many', async () => {
  await using issuer = await Issuer.open(KEY);
  await using server = await opened(config([entry(issuer)]));
  assert.equal(issuer.server.seen.length, 0);
  const token = signed(KEY, server.claims(issuer));
  const users = await Promise.all([server.who(token), server.who(token), server.who(token)]);
  assert.deepEqual(users[0], { name: 'oidc:alice', groups: ['system:authenticated'] });
  assert.equal(issuer.fetches, 1);
  await server.api.clock.advance(599_000);
  await server.who(token);
  await server.api.clock.advance(2000);
  await assert.rejects(server.who(token), REFUSED);
  const { body } = await server.api.call('POST', '/apis/authentication.k8s.io/v1/tokenreviews', {
    spec: { token },
  });
  assert.deepEqual(body.status, {
    user: {},
    error: 'oidc: verify token: token is expired',
  });
});

test('claims become name, groups, uid and extra, by name or by expression', async () => {
  await using issuer = await Issuer.open(KEY);
  const byClaim = {
    username: { claim: 'email', prefix: '' },
    groups: { claim: 'roles', prefix: 'g:' },
    uid: { claim: 'id' },
  };
  const byExpression = {
    username: { expression: "claims.email_verified ? claims.email + ':x' : 'nobody'" },
    groups: { expression: "claims.roles.map(role, 'r:' + role)" },
    uid: { expression: 'string(claims.number)' },
    extra: [
      { key: 'example.com/team', valueExpression: 'claims.team' },
      { key: 'example.com/none', valueExpression: "claims.?missing.orValue('')" },
    ],
  };
  const said = { email: 'a@b', email_verified: true, roles: ['x', 'y'], id: 'i', number: 7, team: ['t', ''] };
  await using server = await opened(config([entry(issuer, { claimMappings: byClaim })], {}, 'v1beta1'));
  assert.deepEqual(await server.who(signed(KEY, server.claims(issuer, said))), {
    name: 'a@b',
    groups: ['g:x', 'g:y', 'system:authenticated'],
    uid: 'i',
  });
  const single = await server.who(signed(KEY, server.claims(issuer, { ...said, roles: 'x' })));
  assert.deepEqual(single.groups, ['g:x', 'system:authenticated']);
  for (const bad of [
    { email_verified: false },
    { email: 7 },
    { email: undefined },
    { id: 1 },
    { roles: [1] },
  ]) {
    await assert.rejects(server.who(signed(KEY, server.claims(issuer, { ...said, ...bad }))), REFUSED);
  }

  server.files.write(FILE, config([entry(issuer, { claimMappings: byExpression })]));
  const token = signed(KEY, server.claims(issuer, said));
  await eventually('the other mappings hold', async () => (await server.who(token)).name === 'a@b:x');
  const user = await server.who(token);
  assert.deepEqual([user.groups, user.uid], [['r:x', 'r:y', 'system:authenticated'], '7']);
  assert.deepEqual(user.extra, { 'example.com/team': ['t'] });
  await assert.rejects(server.who(signed(KEY, server.claims(issuer, { ...said, team: { a: 1 } }))), REFUSED);
});

test('rules over claims and over the user must hold', async () => {
  await using issuer = await Issuer.open(KEY);
  const rules = {
    claimValidationRules: [
      { claim: 'hd', requiredValue: 'example.com' },
      { expression: 'claims.exp - claims.iat <= 3600', message: 'lives too long' },
    ],
    userValidationRules: [
      { expression: "!user.username.startsWith('oidc:system:')", message: 'reserved' },
      { expression: "user.groups.all(group, !group.startsWith('system:')) && user.uid == ''" },
    ],
  };
  await using server = await opened(config([entry(issuer, rules)]));
  const now = server.api.clock.now() / 1000;
  const good = { hd: 'example.com', iat: now };
  await server.who(signed(KEY, server.claims(issuer, good)));
  const cases: readonly [more: JsonObject, why: RegExp][] = [
    [{ hd: 'other.com' }, /required claim hd value does not match\. Got = other\.com, want = example\.com/],
    [{ hd: 7 }, /parse claim hd/],
    [{ iat: now - 7200 }, /validation expression 'claims\.exp.*' failed: lives too long/],
    [{ iat: 'x' }, /error evaluating claim validation claim expression/],
    [{ sub: 'system:admin' }, /failed: reserved/],
  ];
  for (const [more, why] of cases) {
    const token = signed(KEY, server.claims(issuer, { ...good, ...more }));
    await assert.rejects(server.who(token), REFUSED);
    const { body } = await server.api.call('POST', '/apis/authentication.k8s.io/v1/tokenreviews', {
      spec: { token },
    });
    assert.match((body.status as { error: string }).error, why);
  }
});

test('tokens that are made up are refused, whatever they say', async () => {
  await using issuer = await Issuer.open(KEY);
  await using server = await opened(config([entry(issuer)]));
  const claims = server.claims(issuer);
  const good = signed(KEY, claims);
  await server.who(good);
  const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const [head, payload, signature] = good.split('.');
  const hmac = (alg: string): string => {
    const text = `${encode({ alg, kid: 'one' })}.${payload}`;
    const pem = KEY.publicKey.export({ format: 'pem', type: 'spki' });
    return `${text}.${createHmac('sha256', pem).update(text).digest('base64url')}`;
  };
  const deep = `${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}`;
  const now = server.api.clock.now() / 1000;
  const tokens = [
    `${encode({ alg: 'none' })}.${payload}.`,
    `${encode({ alg: 'None', kid: 'one' })}.${payload}.${signature}`,
    hmac('HS256'),
    hmac('RS256'),
    `${head}.${encode({ ...claims, sub: 'root' })}.${signature}`,
    `${head}.${payload}.`,
    `${head}.${payload}`,
    `${good}.x.y`,
    ` ${good}`,
    signed(KEY, { ...claims, aud: 'them' }),
    signed(KEY, { ...claims, aud: [] }),
    signed(KEY, { ...claims, exp: now }),
    signed(KEY, { ...claims, exp: String(now + 600) }),
    signed(KEY, (({ exp: _exp, ...rest }) => rest)(claims)),
    signed(KEY, { ...claims, nbf: now + 301 }),
    signed(KEY, { ...claims, iss: `${issuer.url}/` }),
    signed(KEY, { ...claims, sub: '' }),
    signed(KEY, { ...claims, sub: ['alice'] }),
    signed(KEY, (({ sub: _sub, ...rest }) => rest)(claims)),
    signed(KEY, claims, { crit: ['x'], x: 1 }),
    signed(signingKey('one'), claims),
    `${head}.${Buffer.from(deep).toString('base64url')}.${signature}`,
    `${head}.${'A'.repeat(3_000_000)}.${signature}`,
    '..',
    'a.b.c',
    '{"payload":"x"}',
  ];
  for (const token of tokens) await assert.rejects(server.who(token), REFUSED, token.slice(0, 200));
  await server.who(signed(KEY, { ...claims, nbf: now + 299, aud: ['them', 'us'] }));
});

test('keys of kinds that are not allowed are none, though the issuer itself shows them', async () => {
  await using issuer = await Issuer.open(KEY);
  const secret = Buffer.alloc(32, 7);
  const ed = generateKeyPairSync('ed25519');
  issuer.moreKeys = [
    { kty: 'oct', kid: 'shared', use: 'sig', alg: 'HS256', k: secret.toString('base64url') },
    { ...ed.publicKey.export({ format: 'jwk' }), kid: 'ed', use: 'sig', alg: 'EdDSA' },
    { kty: 'odd', kid: 'odd' },
    { kid: 'empty' },
  ];
  await using server = await opened(config([entry(issuer)]));
  const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const text = `${encode({ alg: 'HS256', kid: 'shared' })}.${encode(server.claims(issuer))}`;
  const token = `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
  await assert.rejects(server.who(token), REFUSED);
  const edwards = `${encode({ alg: 'EdDSA', kid: 'ed' })}.${encode(server.claims(issuer))}`;
  const signature = sign(undefined, Buffer.from(edwards), ed.privateKey).toString('base64url');
  await assert.rejects(server.who(`${edwards}.${signature}`), REFUSED, 'upstream does not know it either');
  await server.who(signed(KEY, server.claims(issuer)));
});

test('a new key is found; made-up key ids do not make us ask again and again', async () => {
  await using issuer = await Issuer.open(KEY);
  await using server = await opened(config([entry(issuer)]));
  const claims = server.claims(issuer);
  await server.who(signed(KEY, claims));
  assert.equal(issuer.fetches, 1);
  const next = signingKey('two');
  issuer.keys = [next];
  for (let i = 0; i < 50; i++) {
    await assert.rejects(server.who(signed(KEY, claims, { kid: `made-up-${i}` })), REFUSED);
  }
  assert.equal(issuer.fetches, 1, 'it is too early');
  await server.api.clock.advance(10_000);
  const flood = Array.from({ length: 50 }, (_, i) => server.who(signed(KEY, claims, { kid: `other-${i}` })));
  for (const one of await Promise.allSettled(flood)) assert.equal(one.status, 'rejected');
  assert.equal(issuer.fetches, 2);
  await server.who(signed(next, claims));
  await assert.rejects(server.who(signed(KEY, claims)), REFUSED);
  assert.equal(issuer.fetches, 2);
  await server.who(signed(next, claims, { kid: undefined }));
});

test('an issuer that hangs or lies costs nobody but its own', async () => {
  await using silent = await Issuer.open(KEY);
  await using good = await Issuer.open(KEY);
  await using elsewhere = await Issuer.open(KEY);
  await using liar = await Issuer.open(KEY);
  silent.silent = true;
  const lying = entry(good, {}, { url: liar.url, discoveryURL: `${good.url}/elsewhere` });
  const moved = entry(elsewhere, {}, { discoveryURL: `${elsewhere.url}/elsewhere` });
  await using server = await opened(config([entry(silent), entry(good), lying, moved]));
  const waiting = assert.rejects(server.who(signed(KEY, server.claims(silent))), REFUSED);
  await eventually('it is asked', () => silent.server.seen.length === 1);
  await server.who(signed(KEY, server.claims(good)));
  await server.who(signed(KEY, server.claims(elsewhere)));
  assert.deepEqual(
    elsewhere.server.seen.map(({ path }) => path),
    ['/elsewhere', '/keys'],
  );
  await assert.rejects(server.who(signed(KEY, server.claims(liar))), REFUSED);
  await server.api.clock.advance(10_000);
  await waiting;
  silent.silent = false;
  await server.api.clock.advance(10_000);
  await server.who(signed(KEY, server.claims(silent)));
});

test('anonymous requests are let in where the file says', async () => {
  const anonymous = (more: JsonObject): string => config([], { anonymous: more });
  await using server = await opened(anonymous({ enabled: true, conditions: [{ path: '/healthz' }] }));
  const enter = (path: string): Promise<UserInfo> => server.api.server.authenticate({ path });
  assert.equal((await enter('/healthz')).name, 'system:anonymous');
  await assert.rejects(enter('/healthz/ping'), REFUSED);
  await assert.rejects(enter('/api'), REFUSED);
  server.files.write(FILE, anonymous({ enabled: false }));
  await eventually(
    'nobody is let in',
    async () =>
      await enter('/healthz').then(
        () => false,
        () => true,
      ),
  );
  server.files.write(FILE, config([]));
  await eventually('everybody is', async () => (await enter('/api')).name === 'system:anonymous');
});
