import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../../../../test/fixtures/eventually.ts';
import { objectAt, stringAt, type JsonObject } from '../../api/json.ts';
import type { ApiRequest, UserInfo } from '../../api/transport.ts';
import { MemoryFiles } from '../configuration/testing/memory-files.ts';
import { wholeBody } from '../encoding/list-body.ts';
import { configMap, TestServer } from '../testing/test-server.ts';
import { JsonServer } from '../webhooks/testing/json-server.ts';
import { parseAuthorizationConfiguration } from './authorization-configuration.ts';

const ALICE: UserInfo = {
  name: 'alice',
  uid: 'u1',
  groups: ['dev', 'system:authenticated'],
  extra: { team: ['blue'] },
};
const BOB: UserInfo = { name: 'bob', groups: ['system:authenticated'] };
const MAPS = '/api/v1/namespaces/default/configmaps';

const webhook = (more: JsonObject = {}): JsonObject => ({
  timeout: '3s',
  subjectAccessReviewVersion: 'v1',
  failurePolicy: 'NoOpinion',
  connectionInfo: { type: 'KubeConfigFile', kubeConfigFile: '/etc/authz.kubeconfig' },
  ...more,
});
const entry = (more: JsonObject = {}, name = 'ours'): JsonObject => ({
  type: 'Webhook',
  name,
  webhook: webhook(more),
});
const config = (...authorizers: readonly JsonObject[]): string =>
  JSON.stringify({
    apiVersion: 'apiserver.config.k8s.io/v1',
    kind: 'AuthorizationConfiguration',
    authorizers,
  });
const RBAC: JsonObject = { type: 'RBAC', name: 'rbac' };
const NODE: JsonObject = { type: 'Node', name: 'node' };

const answers = (status: JsonObject): { body: JsonObject } => ({
  body: { apiVersion: 'authorization.k8s.io/v1', kind: 'SubjectAccessReview', status },
});

async function opened(files: MemoryFiles): Promise<TestServer> {
  return await TestServer.open({ files, authorization: { configuration: '/etc/authz.yaml' } });
}

async function as(
  api: TestServer,
  user: UserInfo,
  [method, url, sent]: readonly [ApiRequest['method'], string, unknown?],
): Promise<{ readonly status: number; readonly text: string }> {
  const body = sent === undefined ? {} : { body: Buffer.from(JSON.stringify(sent)) };
  const answer = await api.server.handle({ method, url, headers: {}, ...body }, user);
  return { status: answer.status, text: Buffer.from(await wholeBody(answer.body)).toString() };
}

test('a webhook is told everything, decides, and its answers hold for a while', async () => {
  await using remote = await JsonServer.open(({ body }) => {
    const user = stringAt(body, 'spec', 'user');
    if (user === 'alice') return answers({ allowed: true, reason: 'she may' });
    return answers({ allowed: false, denied: true, reason: 'not you' });
  });
  const files = new MemoryFiles();
  files.write('/etc/authz.kubeconfig', remote.kubeconfig('/authorize'));
  files.write('/etc/authz.yaml', config(entry(), NODE, RBAC));
  await using api = await opened(files);
  const selected = `${MAPS}?fieldSelector=metadata.name%3Da&labelSelector=app%20in%20(x,y)`;
  assert.equal((await as(api, ALICE, ['GET', selected])).status, 200);
  const { apiVersion, kind, spec } = remote.seen[0]!.body;
  assert.deepEqual([apiVersion, kind], ['authorization.k8s.io/v1', 'SubjectAccessReview']);
  assert.deepEqual(spec, {
    resourceAttributes: {
      namespace: 'default',
      verb: 'list',
      version: 'v1',
      resource: 'configmaps',
      name: 'a',
      fieldSelector: { requirements: [{ key: 'metadata.name', operator: 'In', values: ['a'] }] },
      labelSelector: { requirements: [{ key: 'app', operator: 'In', values: ['x', 'y'] }] },
    },
    user: 'alice',
    groups: ['dev', 'system:authenticated'],
    extra: { team: ['blue'] },
    uid: 'u1',
  });
  await as(api, ALICE, ['GET', selected]);
  assert.equal(remote.seen.length, 1);
  await api.clock.advance(5 * 60_000);
  await as(api, ALICE, ['GET', selected]);
  assert.equal(remote.seen.length, 2);

  const refused = await as(api, BOB, ['GET', '/version']);
  assert.equal(refused.status, 403);
  const { spec: path } = remote.seen.at(-1)!.body;
  assert.deepEqual(objectAt(path, 'nonResourceAttributes'), { path: '/version', verb: 'get' });
  await api.clock.advance(30_000);
  await as(api, BOB, ['GET', '/version']);
  assert.equal(remote.seen.length, 4);

  const review = await as(api, ALICE, [
    'POST',
    '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
    { spec: { resourceAttributes: { verb: 'get', resource: 'pods' } } },
  ]);
  const { status } = JSON.parse(review.text) as { status: JsonObject };
  assert.deepEqual(status, { allowed: true, reason: 'she may' });
  const rules = await as(api, ALICE, [
    'POST',
    '/apis/authorization.k8s.io/v1/selfsubjectrulesreviews',
    { spec: { namespace: 'default' } },
  ]);
  const listed = (JSON.parse(rules.text) as { status: JsonObject }).status;
  assert.deepEqual(
    [listed['incomplete'], listed['evaluationError']],
    [true, 'webhook authorizer does not support user rule resolution'],
  );
});

test('conditions choose what a webhook is asked; system:masters are never asked about', async () => {
  await using remote = await JsonServer.open(() => answers({ allowed: false, denied: true, reason: 'no' }));
  const files = new MemoryFiles();
  files.write('/etc/authz.kubeconfig', remote.kubeconfig('/'));
  const matchConditions = [
    { expression: 'has(request.resourceAttributes)' },
    { expression: "request.resourceAttributes.namespace == 'secret'" },
    { expression: "!('system:serviceaccounts' in request.groups) && request.extra.size() == 0" },
  ];
  const more = { matchConditions, matchConditionSubjectAccessReviewVersion: 'v1' };
  files.write('/etc/authz.yaml', config(entry(more), { type: 'AlwaysAllow', name: 'alwaysallow' }));
  await using api = await opened(files);
  assert.equal((await as(api, BOB, ['GET', '/version'])).status, 200);
  assert.equal((await as(api, BOB, ['GET', MAPS])).status, 200);
  assert.equal((await as(api, ALICE, ['GET', '/api/v1/namespaces/secret/configmaps'])).status, 200);
  assert.equal(remote.seen.length, 0);
  assert.equal((await as(api, BOB, ['GET', '/api/v1/namespaces/secret/configmaps'])).status, 403);
  assert.equal((await api.call('GET', '/api/v1/namespaces/secret/configmaps')).status, 200);
  assert.equal(remote.seen.length, 1);
});

test('a failure is passed over or decides, as the policy says, and is told', async () => {
  await using remote = await JsonServer.open(({ body }) => {
    if (stringAt(body, 'spec', 'user') === 'alice') return { status: 400, body: '<b>' };
    return answers({ allowed: true, denied: true });
  });
  const files = new MemoryFiles();
  files.write('/etc/authz.kubeconfig', remote.kubeconfig('/'));
  files.write('/etc/authz.yaml', config(entry(), RBAC));
  await using api = await opened(files);
  // Nobody says yes, and somebody could not be asked: that is no refusal.
  const unknown = await as(api, ALICE, ['GET', MAPS]);
  assert.equal(unknown.status, 500);
  assert.match(unknown.text, /^Internal Server Error: "\/api\/v1\/.*unexpected status 400: &lt;b&gt;\n$/);
  assert.equal((await as(api, ALICE, ['GET', '/version'])).status, 200, 'role-based access control says yes');
  const both = await as(api, BOB, ['GET', '/api']);
  assert.match(both.text, /returned both allow and deny response/);

  files.write('/etc/authz.yaml', config(entry({ failurePolicy: 'Deny' }), RBAC));
  await eventually('the other policy holds', async () => {
    return (await as(api, ALICE, ['GET', '/version'])).status === 500;
  });
});

test('a webhook that hangs costs its timeout, one that stumbles is asked again', async () => {
  let stumbles = 2;
  await using remote = await JsonServer.open(({ body }) => {
    if (stringAt(body, 'spec', 'user') === 'alice') return undefined;
    return stumbles-- > 0 ? { status: 503, body: 'busy' } : answers({ allowed: true });
  });
  const files = new MemoryFiles();
  files.write('/etc/authz.kubeconfig', remote.kubeconfig('/'));
  files.write('/etc/authz.yaml', config(entry(), RBAC));
  await using api = await opened(files);
  const hanging = as(api, ALICE, ['GET', MAPS]);
  await eventually('it is asked', () => remote.seen.length === 1);
  await api.clock.advance(3000);
  const { status, text } = await hanging;
  assert.equal(status, 500);
  assert.match(text, /context deadline exceeded/);

  const patient = as(api, BOB, ['GET', MAPS]);
  for (const count of [2, 3]) {
    await eventually('it is asked', () => remote.seen.length === count);
    await eventually('the answer is back', async () => {
      await api.clock.advance(100);
      return remote.seen.length > count;
    });
  }
  assert.equal((await patient).status, 200);
});

test('a changed file takes over, a bad one changes nothing', async () => {
  await using remote = await JsonServer.open(() => answers({ allowed: true }));
  const files = new MemoryFiles();
  files.write('/etc/authz.kubeconfig', remote.kubeconfig('/'));
  files.write('/etc/authz.yaml', config(RBAC));
  await using api = await opened(files);
  await api.create(MAPS, configMap('a'));
  assert.equal((await as(api, BOB, ['GET', `${MAPS}/a`])).status, 403);
  files.write('/etc/authz.yaml', 'nonsense: [');
  files.write('/etc/authz.yaml', config(RBAC, entry()));
  await eventually('the webhook is asked', async () => {
    return (await as(api, BOB, ['GET', `${MAPS}/a`])).status === 200;
  });
  files.write('/etc/authz.yaml', config(entry({ timeout: '1h' })));
  await eventually('the failure is counted', async () => {
    const { text } = await as(api, BOB, ['GET', '/metrics']);
    return text.includes(
      'apiserver_authorization_config_controller_automatic_reloads_total{status="failure"}',
    );
  });
  assert.equal((await as(api, BOB, ['GET', `${MAPS}/a`])).status, 200);
});

test('what is wrong in the file is told by its field', async () => {
  const conditions = (expression: string): JsonObject =>
    entry({ matchConditions: [{ expression }], matchConditionSubjectAccessReviewVersion: 'v1' });
  const cases: readonly [text: string, message: RegExp][] = [
    [config(), /authorizers: Required value: at least one authorization mode must be defined/],
    [
      config({ type: 'ABAC', name: 'abac' }),
      /authorizers\[0\]\.type: Unsupported value: "ABAC": supported values: "AlwaysAllow"/,
    ],
    [config(RBAC, RBAC), /authorizers\[1\]\.type: Duplicate value: "RBAC"/],
    [config(entry(), entry()), /authorizers\[1\]\.name: Duplicate value: "ours"/],
    [config({ type: 'RBAC', name: 'mine' }), /expected name rbac for authorizer RBAC instead of mine/],
    [
      config({ type: 'Webhook', name: 'x' }),
      /authorizers\[0\]\.webhook: Required value: required when type=Webhook/,
    ],
    [
      config({ ...RBAC, webhook: {} }),
      /webhook: Invalid value: "non-null": may only be specified when type=Webhook/,
    ],
    [
      config(entry({ timeout: '31s' })),
      /authorizers\[0\]\.timeout: Invalid value: "31s": must be > 0s and <= 30s/,
    ],
    [config(entry({ timeout: '0s' })), /authorizers\[0\]\.timeout: Required value/],
    [config(entry({ timeout: 'soon' })), /authorizers\[0\]\.webhook\.timeout: "soon" is no duration/],
    [
      config(entry({ failurePolicy: 'Allow' })),
      /failurePolicy: Unsupported value: "Allow": supported values: "NoOpinion", "Deny"/,
    ],
    [
      config(entry({ connectionInfo: { type: 'InClusterConfig' } })),
      /connectionInfo\.type: Unsupported value/,
    ],
    [
      config(entry({ connectionInfo: { type: 'KubeConfigFile', kubeConfigFile: 'a' } })),
      /kubeConfigFile: Invalid value: "a": must be an absolute path/,
    ],
    [config(entry({ more: 1 })), /strict decoding error: unknown field "authorizers\[0\]\.webhook\.more"/],
    [
      config(conditions('request.user')),
      /expression: Invalid value: "request\.user": must evaluate to bool but got string/,
    ],
    [
      config(conditions('request.nope == 1')),
      /compilation failed: ERROR: <input>:1:8: undefined field 'nope'/,
    ],
    [
      'kind: AuthorizationConfiguration\napiVersion: v1\n',
      /want kind AuthorizationConfiguration of apiVersion/,
    ],
  ];
  for (const [text, message] of cases) {
    await assert.rejects(parseAuthorizationConfiguration(Buffer.from(text)), { code: 'invalid', message });
  }
});
