import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listAt, objectAt, stringAt, type JsonObject } from '../../../api/json.ts';
import { configMap, deployment, TestServer } from '../../testing/test-server.ts';
import { placeOf } from '../../webhooks/client.ts';
import { patchOf, WebhookServer, type Answer } from '../../webhooks/testing/webhook-server.ts';
import type { AdmissionPlugin } from '../admission.ts';

const MAPS = '/api/v1/namespaces/default/configmaps';
const REGISTRATION = '/apis/admissionregistration.k8s.io/v1';
const RULE = { operations: ['*'], apiGroups: [''], apiVersions: ['v1'], resources: ['configmaps'] };
const MERGE = { 'content-type': 'application/merge-patch+json' };

async function register(
  api: TestServer,
  kind: 'Mutating' | 'Validating',
  hooks: readonly JsonObject[],
  name = 'hooks',
): Promise<void> {
  const webhooks = hooks.map((hook, index) => ({
    name: `hook${index}.example.com`,
    rules: [RULE],
    sideEffects: 'None',
    admissionReviewVersions: ['v1'],
    ...hook,
  }));
  await api.create(`${REGISTRATION}/${kind.toLowerCase()}webhookconfigurations`, {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: `${kind}WebhookConfiguration`,
    metadata: { name },
    webhooks,
  });
}

const yes: Answer = () => ({ allowed: true });
const add =
  (path: string, value: unknown): Answer =>
  () =>
    patchOf({ op: 'add', path, value: value as string });

test('a webhook is told of the request, changes the object and warns', async () => {
  await using hook = await WebhookServer.open(() => ({
    ...patchOf({ op: 'add', path: '/data', value: { added: 'yes' } }),
    warnings: ['look out'],
  }));
  await using api = await TestServer.open();
  await register(api, 'Mutating', [{ clientConfig: hook.config('/mutate') }]);
  const made = await api.call('POST', MAPS, configMap('a'));
  assert.equal(made.status, 201, made.body.message ?? '');
  assert.deepEqual(made.body['data'], { added: 'yes' });
  assert.match(made.headers['warning'] ?? '', /look out/);
  const { path, request } = hook.seen[0]!;
  assert.equal(path, '/mutate');
  assert.deepEqual(
    [request['operation'], request['name'], request['namespace'], request['resource'], request['dryRun']],
    ['CREATE', 'a', 'default', { group: '', version: 'v1', resource: 'configmaps' }, false],
  );
  assert.equal(objectAt(request, 'userInfo')['username'], 'kubernetes-admin');
  assert.deepEqual(objectAt(request, 'options')['kind'], 'CreateOptions');
  await api.call('DELETE', `${MAPS}/a`);
  const gone = hook.seen.at(-1)!.request;
  assert.deepEqual(
    [gone['operation'], gone['object'], (gone['oldObject'] as JsonObject)['kind']],
    ['DELETE', null, 'ConfigMap'],
  );
});

test('a webhook says no, with its reason', async () => {
  await using hook = await WebhookServer.open((request) =>
    request['name'] === 'bad'
      ? { allowed: false, status: { message: 'not like that', code: 403, reason: 'Forbidden' } }
      : { allowed: true },
  );
  await using api = await TestServer.open();
  await register(api, 'Validating', [{ clientConfig: hook.config() }]);
  const refused = await api.call('POST', MAPS, configMap('bad'));
  assert.deepEqual(
    [refused.status, refused.body.reason, refused.body.message],
    [403, 'Forbidden', 'admission webhook "hook0.example.com" denied the request: not like that'],
  );
  assert.equal((await api.call('POST', MAPS, configMap('good'))).status, 201);
});

test('selectors, scopes and conditions choose what a webhook is asked about', async () => {
  await using hook = await WebhookServer.open(yes);
  await using api = await TestServer.open();
  const clientConfig = hook.config();
  const labelled = { matchLabels: { audited: 'yes' } };
  await register(api, 'Validating', [
    { clientConfig: hook.config('/object'), objectSelector: labelled },
    { clientConfig: hook.config('/namespace'), namespaceSelector: labelled },
    {
      clientConfig: hook.config('/condition'),
      matchConditions: [
        {
          name: 'named',
          expression: 'object.metadata.name.startsWith("c") && request.operation == "CREATE"',
        },
        {
          name: 'may',
          expression: 'authorizer.group("").resource("pods").namespace("default").check("list").allowed()',
        },
      ],
    },
    { clientConfig, rules: [{ ...RULE, resources: ['configmaps/status', 'pods'] }] },
  ]);
  await api.create(MAPS, configMap('a'));
  assert.deepEqual(hook.seen, []);
  await api.create(MAPS, configMap('b', {}, { audited: 'yes' }));
  await api.create(MAPS, configMap('c'));
  await api.call('PATCH', '/api/v1/namespaces/default', { metadata: { labels: { audited: 'yes' } } }, MERGE);
  await api.create(MAPS, configMap('d'));
  assert.deepEqual(
    hook.seen.map(({ path, request }) => [path, stringAt(request, 'name')].join(' ')),
    ['/object b', '/condition c', '/namespace d'],
  );
});

test('a webhook that fails refuses or is passed over, as it says', async () => {
  await using api = await TestServer.open();
  const clientConfig = { url: 'https://127.0.0.1:1/x' };
  await register(api, 'Validating', [{ clientConfig, failurePolicy: 'Ignore' }], 'open');
  assert.equal((await api.call('POST', MAPS, configMap('a'))).status, 201);
  await register(api, 'Mutating', [{ clientConfig, failurePolicy: 'Fail' }], 'closed');
  const refused = await api.call('POST', MAPS, configMap('b'));
  assert.deepEqual([refused.status, refused.body.reason], [500, 'InternalError']);
  assert.match(
    refused.body.message ?? '',
    /^Internal error occurred: failed calling webhook "hook0.example.com": failed to call webhook: Post "https:\/\/127.0.0.1:1\/x\?timeout=10s": dial tcp 127.0.0.1:1: connect: connection refused/,
  );
});

test('a webhook that hangs costs its timeout and nothing more', async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  await using hook = await WebhookServer.open(() => {
    resolve();
    return undefined;
  });
  await using api = await TestServer.open();
  await register(api, 'Validating', [{ clientConfig: hook.config(), timeoutSeconds: 3 }]);
  const asked = api.call('POST', MAPS, configMap('a'));
  await promise;
  await api.clock.advance(3000);
  const refused = await asked;
  assert.equal(refused.status, 500);
  assert.match(refused.body.message ?? '', /\?timeout=3s": context deadline exceeded$/);
});

test('answers that are none are failures', async () => {
  const answers: JsonObject[] = [
    { allowed: true, uid: 'other' },
    { allowed: true, patch: 'AAAA' },
    {
      allowed: true,
      patch: Buffer.from('[{"op":"remove","path":"/no"}]').toString('base64'),
      patchType: 'JSONPatch',
    },
  ];
  await using hook = await WebhookServer.open(() => answers.shift());
  await using api = await TestServer.open();
  await register(api, 'Mutating', [{ clientConfig: hook.config() }]);
  for (const text of [
    /expected response.uid/,
    /response.patch but not response.patchType/,
    /^Internal error occurred: error in remove for path: '\/no': Unable to remove nonexistent key: no: missing value/,
  ]) {
    const { status, body } = await api.call('POST', MAPS, configMap('a'));
    assert.equal(status, 500);
    assert.match(body.message ?? '', text);
  }
});

test('a dry run reaches only webhooks without side effects', async () => {
  await using hook = await WebhookServer.open(yes);
  await using api = await TestServer.open();
  await register(api, 'Validating', [{ clientConfig: hook.config() }], 'none');
  assert.equal((await api.call('POST', `${MAPS}?dryRun=All`, configMap('a'))).status, 201);
  assert.equal(hook.seen[0]?.request['dryRun'], true);
  await api.create(`${REGISTRATION}/validatingwebhookconfigurations`, {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingWebhookConfiguration',
    metadata: { name: 'v1beta1-only' },
    webhooks: [
      {
        name: 'old.example.com',
        clientConfig: hook.config(),
        rules: [{ ...RULE, resources: ['secrets'] }],
        sideEffects: 'NoneOnDryRun',
        admissionReviewVersions: ['v1', 'v1beta1'],
      },
    ],
  });
  const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 's' } };
  assert.equal((await api.call('POST', '/api/v1/namespaces/default/secrets?dryRun=All', secret)).status, 201);
});

test('those who ask for it see the object again after others have changed it', async () => {
  await using hook = await WebhookServer.open((request, path) => {
    const data = objectAt(request, 'object', 'data');
    if (path === '/first') {
      return 'second' in data && !('again' in data)
        ? patchOf({ op: 'add', path: '/data/again', value: 'yes' })
        : { allowed: true };
    }
    return 'second' in data ? { allowed: true } : patchOf({ op: 'add', path: '/data/second', value: 'yes' });
  });
  await using api = await TestServer.open();
  await register(api, 'Mutating', [
    { clientConfig: hook.config('/first'), reinvocationPolicy: 'IfNeeded' },
    { clientConfig: hook.config('/second') },
  ]);
  const made = await api.create(MAPS, configMap('a', { k: 'v' }));
  assert.deepEqual(made['data'], { k: 'v', second: 'yes', again: 'yes' });
  assert.deepEqual(
    hook.seen.map(({ path }) => path),
    ['/first', '/second', '/first'],
  );
});

test('webhooks are never asked about webhooks, and a scale is shown as such', async () => {
  await using hook = await WebhookServer.open(yes);
  await using api = await TestServer.open();
  const everything = { operations: ['*'], apiGroups: ['*'], apiVersions: ['*'], resources: ['*/*'] };
  await register(api, 'Validating', [{ clientConfig: hook.config(), rules: [everything] }]);
  await register(api, 'Mutating', [{ clientConfig: hook.config(), rules: [everything] }]);
  assert.deepEqual(hook.seen, []);
  const DEPLOYMENTS = '/apis/apps/v1/namespaces/default/deployments';
  await api.create(DEPLOYMENTS, deployment('d'));
  hook.seen.length = 0;
  await api.call('PATCH', `${DEPLOYMENTS}/d/scale`, { spec: { replicas: 2 } }, MERGE);
  const { request } = hook.seen.at(-1)!;
  assert.deepEqual(
    [request['subResource'], request['kind'], (request['object'] as JsonObject)['kind']],
    ['scale', { group: 'autoscaling', version: 'v1', kind: 'Scale' }, 'Scale'],
  );
});

test('a service is reached at its cluster address under its own name', async () => {
  let found: unknown;
  const spy: AdmissionPlugin = {
    name: 'Spy',
    handles: ({ resource }) => resource.resource === 'configmaps',
    validate({ server }) {
      const service = { namespace: 'default', name: 'hook', path: '/x', port: 8443 };
      const config = { service, caBundle: Buffer.from('pem').toString('base64') };
      found = placeOf(config, 'timeout=5s', server);
    },
  };
  await using api = await TestServer.open({ admission: [spy] });
  const service = await api.create('/api/v1/namespaces/default/services', {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'hook' },
    spec: { ports: [{ port: 8443 }] },
  });
  await api.create(MAPS, configMap('a'));
  assert.deepEqual(found, {
    url: 'https://hook.default.svc:8443/x?timeout=5s',
    host: service.spec?.['clusterIP'],
    port: 8443,
    path: '/x?timeout=5s',
    serverName: 'hook.default.svc',
    ca: 'pem',
  });
  assert.equal(listAt(service, 'spec', 'clusterIPs').length, 1);
});

test('a patch is checked like what a client sends', async () => {
  await using hook = await WebhookServer.open(add('/data', 'nonsense'));
  await using api = await TestServer.open();
  await register(api, 'Mutating', [{ clientConfig: hook.config() }]);
  const { status } = await api.call('POST', MAPS, configMap('a'));
  assert.ok(status >= 400);
});

test('a webhook hears of patches as updates, of deletions with their options, and of a namespace as in itself', async () => {
  await using hook = await WebhookServer.open(yes);
  await using api = await TestServer.open();
  const rules = [{ ...RULE, resources: ['configmaps', 'namespaces'] }];
  await register(api, 'Validating', [{ clientConfig: hook.config(), rules }]);
  const namespace = { metadata: { labels: { a: 'b' } } };
  await api.create(MAPS, configMap('a'));
  for (const [method, url, body, more] of [
    ['PATCH', `${MAPS}/a?fieldManager=me`, { data: {} }, MERGE],
    ['PUT', `${MAPS}/a`, configMap('a')],
    ['PATCH', '/api/v1/namespaces/default', namespace, MERGE],
    ['DELETE', `${MAPS}/a?gracePeriodSeconds=5&propagationPolicy=Orphan`],
  ] as const)
    await api.call(method, url, body, more);
  const told = hook.seen.slice(1).map(({ request }) => [request['options'], request['namespace']]);
  const head = { apiVersion: 'meta.k8s.io/v1' };
  assert.deepEqual(told, [
    [{ kind: 'UpdateOptions', ...head, fieldManager: 'me' }, 'default'],
    [{ kind: 'UpdateOptions', ...head }, 'default'],
    [{ kind: 'UpdateOptions', ...head }, 'default'],
    [{ kind: 'DeleteOptions', ...head, gracePeriodSeconds: 5, propagationPolicy: 'Orphan' }, 'default'],
  ]);
  // Who looks on at the end sees which version is replaced, also where the client did not say.
  assert.match(stringAt(hook.seen[2]!.request, 'object', 'metadata', 'resourceVersion'), /^\d+$/);
});

test('what a webhook may not answer', async () => {
  for (const [kind, answer, status, message] of [
    [
      'Validating',
      patchOf({ op: 'add', path: '/data', value: {} }),
      500,
      /validating webhook may not return response.patch$/,
    ],
    [
      'Mutating',
      patchOf({ op: 'replace', path: '/kind', value: 'Secret' }),
      500,
      /^Internal error occurred: /,
    ],
    [
      'Mutating',
      patchOf({ op: 'add', path: '/data', value: { k: 5 } }),
      500,
      /^Internal error occurred: json: /,
    ],
    ['Mutating', patchOf({ op: 'add', path: '/metadata/namespace', value: 'kube-system' }), 400, /namespace/],
    [
      'Mutating',
      { ...patchOf({ op: 'add', path: '/data', value: {} }), patchType: 'X' },
      500,
      /unsupported patch type "X"$/,
    ],
  ] as const) {
    await using hook = await WebhookServer.open(() => answer);
    await using api = await TestServer.open();
    await register(api, kind, [{ clientConfig: hook.config() }]);
    const refused = await api.call('POST', MAPS, configMap('a'));
    assert.equal(refused.status, status, refused.body.message ?? '');
    assert.match(refused.body.message ?? '', message);
  }
});

test('a condition that fails refuses, or is passed over, as the webhook says', async () => {
  await using hook = await WebhookServer.open(() => ({ allowed: false }));
  const matchConditions = [{ name: 'bad', expression: "object.data.z == 'x'" }];
  for (const [failurePolicy, status] of [
    ['Fail', 403],
    ['Ignore', 201],
  ] as const) {
    await using api = await TestServer.open();
    await register(api, 'Validating', [{ clientConfig: hook.config(), matchConditions, failurePolicy }]);
    const { status: got, body } = await api.call('POST', MAPS, configMap('a', { k: 'v' }));
    assert.equal(got, status);
    if (status === 403)
      assert.equal(
        body.message,
        `configmaps "a" is forbidden: expression 'object.data.z == 'x'' resulted in error: no such key: z`,
      );
  }
});

test('a webhook may know only the older version of reviews', async () => {
  await using hook = await WebhookServer.open(() => ({ allowed: false, status: { message: 'no' } }));
  await using api = await TestServer.open();
  const versions = ['v2', 'v1beta1'];
  await register(api, 'Validating', [{ clientConfig: hook.config(), admissionReviewVersions: versions }]);
  const { status, body } = await api.call('POST', MAPS, configMap('a'));
  assert.equal(status, 400);
  assert.equal(body.message, 'admission webhook "hook0.example.com" denied the request: no');
});

test('the older version of reviews asks less of answers', async () => {
  const { patch } = patchOf({ op: 'add', path: '/data', value: { a: 'b' } });
  await using hook = await WebhookServer.open(() => ({ uid: 'x', allowed: true, patch, patchType: 'X' }));
  await using api = await TestServer.open();
  const hooks = [{ clientConfig: hook.config(), admissionReviewVersions: ['v1beta1'] }];
  await register(api, 'Mutating', hooks);
  await register(api, 'Validating', hooks);
  const { status, body } = await api.call('POST', MAPS, configMap('a'));
  assert.deepEqual([status, body['data']], [201, { a: 'b' }]);
});
