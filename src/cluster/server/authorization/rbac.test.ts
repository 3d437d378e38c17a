import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ApiRequest, UserInfo } from '../../api/transport.ts';
import { configMap, TestServer, type Answer } from '../testing/test-server.ts';

const RBAC = '/apis/rbac.authorization.k8s.io/v1';
const MAPS = '/api/v1/namespaces/default/configmaps';

const person = (name: string, ...groups: string[]): UserInfo => ({
  name,
  groups: [...groups, 'system:authenticated'],
});
const alice = person('alice', 'developers');
const bob = person('bob');

async function as(
  api: TestServer,
  user: UserInfo,
  [method, url, body]: readonly [ApiRequest['method'], string, unknown?],
): Promise<Answer> {
  const bytes = body === undefined ? {} : { body: Buffer.from(JSON.stringify(body)) };
  const response = await api.server.handle({ method, url, headers: {}, ...bytes }, user);
  const text = Buffer.from(response.body as Uint8Array).toString('utf8');
  const parsed = text.startsWith('{')
    ? (JSON.parse(text) as Answer['body'])
    : ({ message: text } as Answer['body']);
  return { status: response.status, headers: response.headers, body: parsed };
}

interface RuleFacts {
  readonly apiGroups?: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
  readonly resourceNames?: readonly string[];
}

const role = (kind: 'Role' | 'ClusterRole', name: string, rules: readonly RuleFacts[]): unknown => ({
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind,
  metadata: { name },
  rules: rules.map((rule) => ({ apiGroups: [''], ...rule })),
});

const binding = (
  kind: 'RoleBinding' | 'ClusterRoleBinding',
  name: string,
  to: { readonly role: readonly [string, string]; readonly subjects: readonly unknown[] },
): unknown => ({
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind,
  metadata: { name },
  roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: to.role[0], name: to.role[1] },
  subjects: to.subjects,
});

const userSubject = (name: string): unknown => ({ kind: 'User', name });

test('nothing is allowed until a binding says so, and no more when it is gone', async () => {
  await using api = await TestServer.open();
  await api.create(MAPS, configMap('a'));
  const refused = await as(api, alice, ['GET', `${MAPS}/a`]);
  assert.deepEqual([refused.status, refused.body.reason], [403, 'Forbidden']);
  assert.equal(
    refused.body.message,
    'configmaps "a" is forbidden: User "alice" cannot get resource "configmaps" in API group "" in the namespace "default"',
  );
  await api.create(
    `${RBAC}/namespaces/default/roles`,
    role('Role', 'reader', [{ resources: ['configmaps'], verbs: ['get', 'list'] }]),
  );
  await api.create(
    `${RBAC}/namespaces/default/rolebindings`,
    binding('RoleBinding', 'devs', {
      role: ['Role', 'reader'],
      subjects: [{ kind: 'Group', name: 'developers' }],
    }),
  );
  assert.equal((await as(api, alice, ['GET', `${MAPS}/a`])).status, 200);
  assert.equal((await as(api, alice, ['GET', MAPS])).status, 200);
  assert.equal((await as(api, bob, ['GET', `${MAPS}/a`])).status, 403);
  assert.equal((await as(api, alice, ['DELETE', `${MAPS}/a`])).status, 403);
  assert.equal((await as(api, alice, ['GET', '/api/v1/namespaces/kube-system/configmaps'])).status, 403);
  assert.equal((await as(api, alice, ['GET', '/api/v1/configmaps'])).status, 403);
  await api.call('DELETE', `${RBAC}/namespaces/default/rolebindings/devs`);
  assert.equal((await as(api, alice, ['GET', `${MAPS}/a`])).status, 403);
});

test('names, subresources, service accounts and paths', async () => {
  await using api = await TestServer.open();
  await api.create(MAPS, configMap('a'));
  await api.create(MAPS, configMap('b'));
  await api.create(
    `${RBAC}/clusterroles`,
    role('ClusterRole', 'one', [
      { resources: ['configmaps'], verbs: ['get'], resourceNames: ['a'] },
      { resources: ['*/log'], verbs: ['get'] },
    ]),
  );
  const account = { kind: 'ServiceAccount', name: 'robot', namespace: 'default' };
  await api.create(
    `${RBAC}/clusterrolebindings`,
    binding('ClusterRoleBinding', 'one', { role: ['ClusterRole', 'one'], subjects: [account] }),
  );
  const robot = person('system:serviceaccount:default:robot', 'system:serviceaccounts');
  assert.equal((await as(api, robot, ['GET', `${MAPS}/a`])).status, 200);
  assert.equal((await as(api, robot, ['GET', `${MAPS}/b`])).status, 403);
  assert.equal((await as(api, robot, ['GET', MAPS])).status, 403);
  assert.equal((await as(api, robot, ['GET', '/api/v1/namespaces/default/pods/x/log'])).status, 404);
  assert.equal((await as(api, robot, ['GET', '/api/v1/namespaces/default/pods/x'])).status, 403);

  const nobody: UserInfo = { name: 'system:anonymous', groups: ['system:unauthenticated'] };
  assert.equal((await as(api, nobody, ['GET', '/readyz'])).status, 200);
  assert.equal((await as(api, nobody, ['GET', '/apis'])).status, 403);
  assert.equal((await as(api, bob, ['GET', '/apis'])).status, 200);
  assert.equal(
    (await as(api, nobody, ['GET', '/metrics'])).body.message,
    'forbidden: User "system:anonymous" cannot get path "/metrics"',
  );
});

test('nobody gives away what they do not have', async () => {
  await using api = await TestServer.open();
  await api.create(
    `${RBAC}/clusterroles`,
    role('ClusterRole', 'role-maker', [
      { resources: ['configmaps'], verbs: ['get', 'list'] },
      {
        apiGroups: ['rbac.authorization.k8s.io'],
        resources: ['clusterroles', 'clusterrolebindings'],
        verbs: ['create', 'update', 'get'],
      },
    ]),
  );
  await api.create(
    `${RBAC}/clusterrolebindings`,
    binding('ClusterRoleBinding', 'alice', {
      role: ['ClusterRole', 'role-maker'],
      subjects: [userSubject('alice')],
    }),
  );
  const fine = role('ClusterRole', 'fine', [
    { resources: ['configmaps'], verbs: ['get'], resourceNames: ['x'] },
  ]);
  assert.equal((await as(api, alice, ['POST', `${RBAC}/clusterroles`, fine])).status, 201);
  const greedy = role('ClusterRole', 'greedy', [{ resources: ['configmaps', 'secrets'], verbs: ['get'] }]);
  const refused = await as(api, alice, ['POST', `${RBAC}/clusterroles`, greedy]);
  assert.equal(refused.status, 403);
  assert.equal(
    refused.body.message,
    'clusterroles.rbac.authorization.k8s.io "greedy" is forbidden: user "alice" (groups=["developers" "system:authenticated"]) is attempting to grant RBAC permissions not currently held:\n{APIGroups:[""], Resources:["secrets"], Verbs:["get"]}',
  );
  const take = binding('ClusterRoleBinding', 'take', {
    role: ['ClusterRole', 'cluster-admin'],
    subjects: [userSubject('alice')],
  });
  assert.equal((await as(api, alice, ['POST', `${RBAC}/clusterrolebindings`, take])).status, 403);
  const share = binding('ClusterRoleBinding', 'share', {
    role: ['ClusterRole', 'fine'],
    subjects: [userSubject('bob')],
  });
  assert.equal((await as(api, alice, ['POST', `${RBAC}/clusterrolebindings`, share])).status, 201);
  const sneaky = {
    ...(await as(api, alice, ['GET', `${RBAC}/clusterroles/fine`])).body,
    rules: [{ apiGroups: ['*'], resources: ['*'], verbs: ['*'] }],
  };
  assert.equal((await as(api, alice, ['PUT', `${RBAC}/clusterroles/fine`, sneaky])).status, 403);
});

test('whoever touches a role must hold all of it, whatever else is wrong', async () => {
  await using api = await TestServer.open();
  const roles = `${RBAC}/namespaces/default/roles`;
  const bindings = `${RBAC}/namespaces/default/rolebindings`;
  const group = 'rbac.authorization.k8s.io';
  const makerRules = [
    { resources: ['configmaps'], verbs: ['get'] },
    { apiGroups: [group], resources: ['roles', 'rolebindings', 'clusterroles'], verbs: ['create', 'update'] },
    { apiGroups: [group], resources: ['roles'], verbs: ['escalate'], resourceNames: ['mine'] },
  ];
  await api.create(`${RBAC}/clusterroles`, role('ClusterRole', 'maker', makerRules));
  for (const name of ['maker', 'lost'])
    await api.create(
      `${RBAC}/clusterrolebindings`,
      binding('ClusterRoleBinding', name, { role: ['ClusterRole', name], subjects: [userSubject('bob')] }),
    );
  const nodes = (...verbs: string[]): RuleFacts => ({ resources: ['nodes'], verbs });
  const others = await api.create(roles, role('Role', 'others', [nodes('get')]));
  const put = (change: object): readonly ['PUT', string, unknown] => [
    'PUT',
    `${roles}/others`,
    { ...others, ...change },
  ];
  const labelled = { metadata: { ...others.metadata, labels: { a: 'b' } } };
  const finalized = { metadata: { ...others.metadata, finalizers: ['a/b'] } };
  const aggregated = { aggregationRule: { clusterRoleSelectors: [{ matchLabels: { a: 'b' } }] } };
  const to = (kind: string, name: string): unknown =>
    binding('RoleBinding', 'x', { role: [kind, name], subjects: [] });
  const lost = String.raw`; resolution errors: \[roles.rbac.authorization.k8s.io "lost" not found\]$`;
  const cases: readonly [readonly ['POST' | 'PUT', string, unknown], number, RegExp][] = [
    [
      ['POST', roles, role('Role', 'a/b', [nodes('get')])],
      403,
      /^roles.rbac.authorization.k8s.io "a\/b" is forbidden/,
    ],
    [
      ['POST', roles, role('Role', 'x', [nodes('list', 'get'), { resources: ['a'], verbs: ['b'] }])],
      403,
      new RegExp(
        `held:\n{.*"a".*}\n{APIGroups:\\[""\\], Resources:\\["nodes"\\], Verbs:\\["list" "get"\\]}${lost}`,
      ),
    ],
    [put(labelled), 403, /^roles.rbac.authorization.k8s.io "others" is forbidden/],
    [put({ metadata: { ...others.metadata, resourceVersion: '1' } }), 403, /"others" is forbidden/],
    [put(finalized), 200, /^$/],
    [['POST', roles, role('Role', 'mine', [nodes('get')])], 403, /"mine" is forbidden/],
    [['PUT', `${roles}/mine`, role('Role', 'mine', [nodes('get')])], 201, /^$/],
    [
      ['POST', `${RBAC}/clusterroles`, { ...(role('ClusterRole', 'x', []) as object), ...aggregated }],
      403,
      /: must have cluster-admin privileges to use the aggregationRule$/,
    ],
    [
      ['POST', bindings, to('Role', 'none')],
      404,
      /^rolebindings.rbac.authorization.k8s.io "none" not found$/,
    ],
    [['POST', bindings, to('Twist', 'none')], 500, /^unsupported role reference kind: "Twist"$/],
    [['POST', bindings, to('Role', '')], 400, /^Name parameter required.$/],
  ];
  for (const [request, status, message] of cases) {
    const answer = await as(api, bob, request);
    assert.equal(answer.status, status, answer.body.message ?? '');
    assert.match(answer.body.message ?? '', message);
  }
});

test('to make something by changing it takes the right to make it', async () => {
  await using api = await TestServer.open();
  const resources = ['configmaps', 'endpoints'];
  await api.create(
    `${RBAC}/clusterroles`,
    role('ClusterRole', 'changer', [{ resources, verbs: ['update', 'patch'] }]),
  );
  await api.create(
    `${RBAC}/clusterrolebindings`,
    binding('ClusterRoleBinding', 'x', { role: ['ClusterRole', 'changer'], subjects: [userSubject('bob')] }),
  );
  const named = { apiVersion: 'v1', kind: 'Endpoints', metadata: { name: 'x' } };
  const url = '/api/v1/namespaces/default/endpoints/x';
  const { status, body } = await as(api, bob, ['PUT', url, named]);
  assert.equal(status, 403);
  assert.match(
    body.message ?? '',
    /^endpoints "x" is forbidden: User "bob" cannot create resource "endpoints"/,
  );
  const headers = { 'content-type': 'application/apply-patch+yaml' };
  const applied = { method: 'PATCH', url: `${MAPS}/x?fieldManager=m`, headers } as const;
  const config = Buffer.from(JSON.stringify({ ...named, kind: 'ConfigMap' }));
  assert.equal((await api.server.handle({ ...applied, body: config }, bob)).status, 403);
});

test('reviews answer for oneself and for others', async () => {
  await using api = await TestServer.open();
  await api.create(
    `${RBAC}/namespaces/default/rolebindings`,
    binding('RoleBinding', 'v', {
      role: ['ClusterRole', 'system:aggregate-to-view'],
      subjects: [userSubject('alice')],
    }),
  );
  const authorization = '/apis/authorization.k8s.io/v1';
  const resourceAttributes = { verb: 'list', resource: 'pods', namespace: 'default' };
  const self = await as(api, alice, [
    'POST',
    `${authorization}/selfsubjectaccessreviews`,
    { spec: { resourceAttributes } },
  ]);
  assert.deepEqual(self.body.status, {
    allowed: true,
    reason:
      'RBAC: allowed by RoleBinding "v/default" of ClusterRole "system:aggregate-to-view" to User "alice"',
  });
  const other = await api.call('POST', `${authorization}/subjectaccessreviews`, {
    spec: { user: 'bob', resourceAttributes },
  });
  assert.deepEqual(other.body.status, { allowed: false });
  const local = await api.call('POST', `${authorization}/namespaces/kube-system/localsubjectaccessreviews`, {
    spec: { user: 'bob', resourceAttributes },
  });
  assert.equal(local.status, 422);
  const rules = await as(api, alice, [
    'POST',
    `${authorization}/selfsubjectrulesreviews`,
    { spec: { namespace: 'default' } },
  ]);
  const status = rules.body.status as unknown as { resourceRules: { resources: string[] }[] };
  assert.ok(status.resourceRules.some(({ resources }) => resources.includes('pods/log')));
  const both = await as(api, alice, [
    'POST',
    `${authorization}/selfsubjectaccessreviews`,
    { spec: { resourceAttributes, nonResourceAttributes: { path: '/', verb: 'get' } } },
  ]);
  assert.equal(both.status, 422);
  const me = await as(api, alice, ['POST', '/apis/authentication.k8s.io/v1/selfsubjectreviews', {}]);
  assert.deepEqual(me.body.status, {
    userInfo: { username: 'alice', groups: ['developers', 'system:authenticated'] },
  });
});

test('default roles come back at a start, what was added to them stays', async () => {
  await using api = await TestServer.open();
  const url = `${RBAC}/clusterroles/system:basic-user`;
  const { body } = await api.call('GET', url);
  const extra = { apiGroups: [''], resources: ['pods'], verbs: ['get'] };
  await api.call('PUT', url, { ...body, rules: [extra] });
  await api.server[Symbol.asyncDispose]();
  await using again = await TestServer.open({ store: api.store });
  const { rules } = (await again.call('GET', url)).body as unknown as { rules: unknown[] };
  assert.deepEqual(rules[0], extra);
  assert.equal(rules.length, 3);
});

test('bad roles and bindings are refused with the field', async () => {
  await using api = await TestServer.open();
  const cases: readonly [string, unknown, RegExp][] = [
    [
      'clusterroles',
      role('ClusterRole', 'x', [{ resources: ['a'], verbs: [] }]),
      /rules\[0\]\.verbs: Required value: verbs must contain at least one value/,
    ],
    [
      'clusterroles',
      role('ClusterRole', 'x', [{ resources: [], verbs: ['get'] }]),
      /rules\[0\]\.resources: Required value/,
    ],
    [
      'clusterrolebindings',
      binding('ClusterRoleBinding', 'x', { role: ['Role', 'y'], subjects: [] }),
      /roleRef\.kind: Unsupported value: "Role": supported values: "ClusterRole"/,
    ],
    [
      'clusterrolebindings',
      binding('ClusterRoleBinding', 'x', {
        role: ['ClusterRole', 'y'],
        subjects: [{ kind: 'ServiceAccount', name: 'a' }],
      }),
      /subjects\[0\]\.namespace: Required value/,
    ],
  ];
  for (const [resource, object, message] of cases) {
    const { status, body } = await api.call('POST', `${RBAC}/${resource}`, object);
    assert.equal(status, 422);
    assert.match(body.message ?? '', message);
  }
  const made = await api.create(
    `${RBAC}/clusterrolebindings`,
    binding('ClusterRoleBinding', 'x', { role: ['ClusterRole', 'y'], subjects: [] }),
  );
  const moved = await api.call('PUT', `${RBAC}/clusterrolebindings/x`, {
    ...made,
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'z' },
  });
  assert.match(moved.body.message ?? '', /roleRef: Invalid value: .*: cannot change roleRef/);
});
