import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { stringAt, type JsonObject } from '../../api/json.ts';
import type { ApiRequest, UserInfo } from '../../api/transport.ts';
import type { KubeObject } from '../object.ts';
import { pod, TestServer } from '../testing/test-server.ts';

const ISSUER = 'https://issuer.test';
const ACCOUNTS = '/api/v1/namespaces/default/serviceaccounts';

function key(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return privateKey.export({ type: 'pkcs8', format: 'pem' });
}

const serviceAccounts = { signingKey: key(), issuer: ISSUER, audiences: ['api'] };
const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'robot' } };

async function opened(): Promise<TestServer> {
  const api = await TestServer.open({ authentication: { serviceAccounts } });
  await api.create(ACCOUNTS, account);
  return api;
}

interface TokenAnswer {
  readonly status: { readonly token: string; readonly expirationTimestamp: string };
}

async function tokenFor(api: TestServer, spec: JsonObject = {}): Promise<string> {
  const { status, body } = await api.call('POST', `${ACCOUNTS}/robot/token`, { spec });
  assert.equal(status, 201, body.message ?? '');
  return (body as unknown as TokenAnswer).status.token;
}

test('a token stands for its account, until it ends', async () => {
  await using api = await opened();
  const token = await tokenFor(api, { expirationSeconds: 600 });
  const user = await api.server.authenticate({ token });
  assert.equal(user.name, 'system:serviceaccount:default:robot');
  assert.deepEqual(user.groups, [
    'system:serviceaccounts',
    'system:serviceaccounts:default',
    'system:authenticated',
  ]);
  await api.clock.advance(599_000);
  await api.server.authenticate({ token });
  await api.clock.advance(2000);
  await assert.rejects(api.server.authenticate({ token }), { code: 'unauthenticated' });
});

test('an answer to who asks for a token has what was sent, what was filled in and who owns it', async () => {
  await using api = await opened();
  const { status, body, headers } = await api.call('POST', `${ACCOUNTS}/robot/token?fieldManager=m`, {
    metadata: { labels: { a: 'b' }, generation: 7 },
    spec: { extra: 1 },
    status: { token: 'x', expirationTimestamp: '2020-01-01T00:00:00Z' },
  });
  assert.equal(status, 201);
  assert.match(headers['warning'] ?? '', /unknown field \\"spec\.extra\\"/);
  const { metadata, spec } = body as unknown as KubeObject;
  const { managedFields: owners, uid, creationTimestamp, ...rest } = metadata as JsonObject;
  assert.deepEqual(rest, { name: 'robot', namespace: 'default', labels: { a: 'b' }, generation: 7 });
  assert.deepEqual(
    (owners as JsonObject[]).map(({ manager, subresource, fieldsV1 }) => ({
      manager,
      subresource,
      fieldsV1,
    })),
    [
      {
        manager: 'm',
        subresource: 'token',
        fieldsV1: {
          'f:metadata': { 'f:labels': { '.': {}, 'f:a': {} } },
          'f:spec': { 'f:expirationSeconds': {} },
          'f:status': { 'f:expirationTimestamp': {}, 'f:token': {} },
        },
      },
    ],
  );
  assert.ok(typeof uid === 'string' && typeof creationTimestamp === 'string');
  assert.equal(spec?.['expirationSeconds'], 3600);
});

test('a token ends with what it is bound to, and is for its audience alone', async () => {
  await using api = await opened();
  await api.create('/api/v1/namespaces/default/pods', pod('p', { serviceAccountName: 'robot' }));
  const bound = { boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: 'p' } };
  const token = await tokenFor(api, bound);
  const user = await api.server.authenticate({ token });
  assert.deepEqual(user.extra?.['authentication.kubernetes.io/pod-name'], ['p']);
  await api.call('DELETE', '/api/v1/namespaces/default/pods/p', { gracePeriodSeconds: 0 });
  await assert.rejects(api.server.authenticate({ token }), { code: 'unauthenticated' });

  const other = await tokenFor(api, { audiences: ['vault'] });
  await assert.rejects(api.server.authenticate({ token: other }), { code: 'unauthenticated' });
  const review = await api.call('POST', '/apis/authentication.k8s.io/v1/tokenreviews', {
    spec: { token: other, audiences: ['vault', 'else'] },
  });
  const { authenticated, audiences } = review.body.status as { authenticated: boolean; audiences: string[] };
  assert.deepEqual([authenticated, audiences], [true, ['vault']]);

  const lasting = await tokenFor(api);
  await api.call('DELETE', `${ACCOUNTS}/robot`);
  await assert.rejects(api.server.authenticate({ token: lasting }), { code: 'unauthenticated' });
});

test('tokens of another key, a changed one, and nonsense are refused', async () => {
  await using api = await opened();
  await using stranger = await TestServer.open({
    store: api.store,
    authentication: { serviceAccounts: { ...serviceAccounts, signingKey: key() } },
  });
  const foreign = await tokenFor(stranger);
  const good = await tokenFor(api);
  const [head, payload, signature] = good.split('.');
  const claims = JSON.parse(Buffer.from(payload!, 'base64url').toString()) as JsonObject;
  const forged = Buffer.from(JSON.stringify({ ...claims, sub: 'system:admin' })).toString('base64url');
  const none = Buffer.from(JSON.stringify({ alg: 'none' })).toString('base64url');
  for (const token of [foreign, `${head}.${forged}.${signature}`, `${none}.${payload}.`, 'x', '']) {
    await assert.rejects(api.server.authenticate({ token }), { code: 'unauthenticated' });
  }
  await using rotated = await TestServer.open({
    store: api.store,
    authentication: {
      serviceAccounts: { ...serviceAccounts, signingKey: key(), otherKeys: [serviceAccounts.signingKey] },
    },
  });
  assert.equal(
    (await rotated.server.authenticate({ token: good })).name,
    'system:serviceaccount:default:robot',
  );
});

test('keys are published as JSON web keys; bad wishes are refused with the field', async () => {
  await using api = await opened();
  const discovery = await api.call('GET', '/.well-known/openid-configuration');
  const { issuer, jwks_uri: uri } = discovery.body as unknown as { issuer: string; jwks_uri: string };
  assert.deepEqual([issuer, uri], [ISSUER, `${ISSUER}/openid/v1/jwks`]);
  const { keys } = (await api.call('GET', '/openid/v1/jwks')).body as unknown as { keys: JsonObject[] };
  assert.deepEqual([keys[0]?.['kty'], keys[0]?.['alg'], 'd' in keys[0]!], ['EC', 'ES256', false]);
  const cases: readonly [JsonObject, number, RegExp][] = [
    [
      { expirationSeconds: 10 },
      422,
      /spec\.expirationSeconds: Invalid value: 10: may not specify a duration less than 10 minutes/,
    ],
    [{ boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: 'none' } }, 404, /pods "none" not found/],
    [
      { boundObjectRef: { apiVersion: 'v1', kind: 'ConfigMap', name: 'x' } },
      400,
      /^cannot bind token to object of type \/v1, Kind=ConfigMap$/,
    ],
    [{ boundObjectRef: { kind: 'Pod', name: 'none' } }, 404, /pods "none" not found/],
    [{ boundObjectRef: { apiVersion: 'v1', kind: 'Pod' } }, 400, /^Name parameter required.$/],
    [{ boundObjectRef: {} }, 400, /^cannot bind token to object of type \/, Kind=$/],
  ];
  for (const [spec, status, message] of cases) {
    const refused = await api.call('POST', `${ACCOUNTS}/robot/token`, { spec });
    assert.equal(refused.status, status);
    assert.match(refused.body.message ?? '', message);
  }
});

test('a bootstrap token introduces a machine', async () => {
  await using api = await opened();
  const stringData = {
    'token-id': 'abcdef',
    'token-secret': '0123456789abcdef',
    'usage-bootstrap-authentication': 'true',
    'auth-extra-groups': 'system:bootstrappers:workers,admins',
    expiration: '2026-01-01T01:00:00Z',
  };
  await api.create('/api/v1/namespaces/kube-system/secrets', {
    apiVersion: 'v1',
    kind: 'Secret',
    type: 'bootstrap.kubernetes.io/token',
    metadata: { name: 'bootstrap-token-abcdef' },
    stringData,
  });
  const token = 'abcdef.0123456789abcdef';
  const user = await api.server.authenticate({ token });
  assert.equal(user.name, 'system:bootstrap:abcdef');
  assert.deepEqual(user.groups, [
    'system:bootstrappers',
    'system:bootstrappers:workers',
    'system:authenticated',
  ]);
  await assert.rejects(api.server.authenticate({ token: 'abcdef.0123456789abcdee' }), {
    code: 'unauthenticated',
  });
  await api.clock.advance(3_600_000);
  await assert.rejects(api.server.authenticate({ token }), { code: 'unauthenticated' });
});

type Headers = Readonly<Record<string, string>>;

/** Who one is then, or why not. */
async function whoIs(api: TestServer, user: UserInfo, headers: Headers): Promise<[number, unknown]> {
  const request: ApiRequest = {
    method: 'POST',
    url: '/apis/authentication.k8s.io/v1/selfsubjectreviews',
    headers,
    body: Buffer.from('{}'),
  };
  const response = await api.server.handle(request, user);
  const body = JSON.parse(Buffer.from(response.body as Uint8Array).toString()) as {
    status: { userInfo?: unknown };
    message?: string;
  };
  return [response.status, body.status.userInfo ?? body.message];
}

test('whoever may impersonate is whom they say, and nobody else is', async () => {
  await using api = await opened();
  const as = (user: UserInfo, headers: Headers): Promise<[number, unknown]> => whoIs(api, user, headers);
  const admin: UserInfo = { name: 'root', groups: ['system:masters'] };
  assert.deepEqual(
    await as(admin, {
      'impersonate-user': 'jane',
      'impersonate-group': 'a, c\nb',
      'impersonate-extra-Scope': 'x',
    }),
    [201, { username: 'jane', groups: ['a, c', 'b', 'system:authenticated'], extra: { scope: ['x'] } }],
  );
  const [, robot] = await as(admin, { 'impersonate-user': 'system:serviceaccount:default:robot' });
  assert.deepEqual((robot as { groups: string[] }).groups, [
    'system:serviceaccounts',
    'system:serviceaccounts:default',
    'system:authenticated',
  ]);
  const jane: UserInfo = { name: 'jane', groups: ['system:authenticated'] };
  assert.deepEqual(await as(jane, { 'impersonate-user': 'root' }), [
    403,
    'selfsubjectreviews.authentication.k8s.io is forbidden: User "jane" cannot impersonate-on:user-info:create resource "selfsubjectreviews" in API group "authentication.k8s.io" at the cluster scope',
  ]);
  const nobody = { 'impersonate-group': 'a\nb', 'impersonate-extra-k': 'v' };
  assert.deepEqual(await as(admin, nobody), [
    400,
    'requested &user.DefaultInfo{Name:"", UID:"", Groups:[]string{"a", "b"}, Extra:map[string][]string{"k":[]string{"v"}}} without impersonating a user name',
  ]);
});

test('narrower rights to impersonate are for a kind of user and for what is done as them', async () => {
  await using api = await opened();
  const on = ['user-info', 'serviceaccount', 'arbitrary-node', 'associated-node'];
  const apiGroups = ['authentication.k8s.io'];
  const rules: readonly JsonObject[] = [
    { apiGroups, resources: ['users'], verbs: ['impersonate:user-info'], resourceNames: ['jane'] },
    { apiGroups, resources: ['groups'], verbs: ['impersonate:user-info'], resourceNames: ['a', '*', ''] },
    {
      apiGroups,
      resources: ['userextras/example.com/k'],
      verbs: ['impersonate:user-info'],
      resourceNames: ['v'],
    },
    { apiGroups, resources: ['serviceaccounts'], verbs: ['impersonate:serviceaccount'] },
    { apiGroups, resources: ['nodes'], verbs: ['impersonate:arbitrary-node'], resourceNames: ['n'] },
    { apiGroups, resources: ['nodes'], verbs: ['impersonate:associated-node'] },
    {
      apiGroups,
      resources: ['selfsubjectreviews'],
      verbs: on.map((mode) => `impersonate-on:${mode}:create`),
    },
  ];
  const rbac = '/apis/rbac.authorization.k8s.io/v1';
  const head = { apiVersion: 'rbac.authorization.k8s.io/v1', metadata: { name: 'acting' } };
  await api.create(`${rbac}/clusterroles`, { ...head, kind: 'ClusterRole', rules });
  await api.create(`${rbac}/clusterrolebindings`, {
    ...head,
    kind: 'ClusterRoleBinding',
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'acting' },
    subjects: [{ kind: 'ServiceAccount', name: 'robot', namespace: 'default' }],
  });
  const robot: UserInfo = {
    name: 'system:serviceaccount:default:robot',
    groups: ['system:authenticated'],
    extra: { 'authentication.kubernetes.io/node-name': ['own'] },
  };
  const jane = { 'impersonate-user': 'jane' };
  const cases: readonly [Headers, number, RegExp][] = [
    [jane, 201, /^\{"username":"jane","groups":\["system:authenticated"\]\}$/],
    [
      { 'impersonate-user': 'john' },
      403,
      /^users.authentication.k8s.io "john" is .* cannot impersonate:user-info/,
    ],
    [{ ...jane, 'impersonate-group': 'a' }, 201, /"groups":\["a","system:authenticated"\]/],
    [{ ...jane, 'impersonate-group': 'a\nb' }, 403, /^groups.authentication.k8s.io "b" is forbidden/],
    [{ ...jane, 'impersonate-group': 'b\nc\nd\ne' }, 201, /"groups":\["b","c","d","e",/],
    [{ ...jane, 'impersonate-group': '' }, 403, /: impersonating the empty string group is not allowed$/],
    [
      { ...jane, 'impersonate-group': 'system:masters' },
      403,
      /^groups.authentication.k8s.io "system:masters" .*: impersonating the system:masters group is not allowed$/,
    ],
    [{ ...jane, 'impersonate-uid': 'u' }, 403, /^uids.authentication.k8s.io "u" is forbidden/],
    [{ ...jane, 'impersonate-extra-example.com%2fk': 'v' }, 201, /"extra":\{"example.com\/k":\["v"\]\}/],
    [
      { ...jane, 'impersonate-extra-k': 'v' },
      403,
      /an invalid key in extra is not allowed: extra.key: Invalid value: "k": must be a domain-prefixed path/,
    ],
    [{ ...jane, 'impersonate-extra-example.com%2f%4b': 'v' }, 403, /a non-lowercase key in extra/],
    [{ 'impersonate-user': 'system:serviceaccount:default:x' }, 201, /"system:serviceaccounts:default"/],
    [
      { 'impersonate-user': 'system:serviceaccount:default:X' },
      403,
      /cannot impersonate:user-info resource "users"/,
    ],
    [{ 'impersonate-user': 'system:node:n' }, 201, /"groups":\["system:nodes","system:authenticated"\]/],
    [{ 'impersonate-user': 'system:node:m' }, 403, /^nodes.authentication.k8s.io "m" is forbidden/],
    // All nodes stand in the right to be one's own.
    [{ 'impersonate-user': 'system:node:own' }, 201, /"username":"system:node:own"/],
  ];
  for (const [headers, status, said] of cases) {
    const [code, body] = await whoIs(api, robot, headers);
    assert.equal(code, status, JSON.stringify(headers));
    assert.match(typeof body === 'string' ? body : JSON.stringify(body), said);
  }
});

test('a token that is bound to a node ends with it', async () => {
  await using api = await opened();
  await api.create('/api/v1/nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' } });
  const bound = { boundObjectRef: { apiVersion: 'v1', kind: 'Node', name: 'n1' } };
  const token = await tokenFor(api, bound);
  const user = await api.server.authenticate({ token });
  assert.deepEqual(user.extra?.['authentication.kubernetes.io/node-name'], ['n1']);
  await api.call('DELETE', '/api/v1/nodes/n1');
  await assert.rejects(api.server.authenticate({ token }), { code: 'unauthenticated' });
});

test('what is wrong with a request for a token is said of the request', async () => {
  await using api = await opened();
  const { status, body } = await api.call('POST', `${ACCOUNTS}/robot/token`, {
    spec: { expirationSeconds: 60 },
  });
  assert.equal(status, 422);
  assert.equal(
    body.message,
    'TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: Invalid value: 60: may not specify a duration less than 10 minutes',
  );
  const meant: readonly [object, number, RegExp][] = [
    [{ name: 'other' }, 422, /metadata.name: Invalid value: "other": must match the service account name if/],
    [
      { namespace: 'other' },
      400,
      /^the namespace of the provided object does not match the namespace sent on /,
    ],
    [{ uid: 'other' }, 409, /^Operation .* TokenRequest.authentication.k8s.io "robot": the UID in the token/],
  ];
  for (const [metadata, code, message] of meant) {
    const refused = await api.call('POST', `${ACCOUNTS}/robot/token`, { metadata });
    assert.equal(refused.status, code);
    assert.match(refused.body.message ?? '', message);
  }
});

test('a dry run issues a token all the same', async () => {
  await using api = await opened();
  const { status, body } = await api.call('POST', `${ACCOUNTS}/robot/token?dryRun=All`, {});
  assert.equal(status, 201);
  assert.notEqual(body.status?.['token'], '');
});

test('a token that a secret keeps is good as long as it does, and the day of its use is noted', async () => {
  await using api = await opened();
  const robot = (await api.call('GET', `${ACCOUNTS}/robot`)).body;
  const path = '/api/v1/namespaces/default/secrets';
  const annotations = { 'kubernetes.io/service-account.name': 'robot' };
  const metadata = { name: 'kept', annotations };
  const secret = { metadata, type: 'kubernetes.io/service-account-token' };
  const made = await api.create(path, { apiVersion: 'v1', kind: 'Secret', ...secret });
  const token = (await api.server.secretToken?.(robot, made)) ?? '';
  const refused = async (why: RegExp): Promise<void> => {
    await assert.rejects(api.server.authenticate({ token }), { code: 'unauthenticated' });
    const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token } };
    const { body } = await api.call('POST', '/apis/authentication.k8s.io/v1/tokenreviews', review);
    assert.match(stringAt(body, 'status', 'error'), why);
  };
  const patch = (change: object) =>
    api.call('PATCH', `${path}/kept`, change, { 'content-type': 'application/merge-patch+json' });
  await refused(/its secret "kept" has another/);
  await patch({ data: { token: Buffer.from(token).toString('base64') } });
  const user = await api.server.authenticate({ token });
  assert.deepEqual([user.name, user.uid], ['system:serviceaccount:default:robot', robot.metadata.uid]);
  const used = (await api.call('GET', `${path}/kept`)).body.metadata;
  assert.equal(used.labels?.['kubernetes.io/legacy-token-last-used'], '2026-01-01');
  await api.server.authenticate({ token });
  const again = (await api.call('GET', `${path}/kept`)).body.metadata;
  assert.equal(again.resourceVersion, used.resourceVersion);
  const invalid = 'kubernetes.io/legacy-token-invalid-since';
  await patch({ metadata: { labels: { [invalid]: '2026-01-01' } } });
  await refused(/labelled kubernetes.io\/legacy-token-invalid-since/);
  await patch({ metadata: { labels: { [invalid]: null } } });
  await api.server.authenticate({ token });
  await api.call('DELETE', `${path}/kept`);
  await refused(/its secret "kept" is gone/);
});
