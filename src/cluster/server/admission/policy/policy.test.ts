import assert from 'node:assert/strict';
import { test } from 'node:test';
import { objectAt, objectsAt, stringAt, type JsonObject } from '../../../api/json.ts';
import { configMap, deployment, TestServer, type Answer } from '../../testing/test-server.ts';
import { until } from '../../testing/until.ts';

const MAPS = '/api/v1/namespaces/default/configmaps';
const BASE = '/apis/admissionregistration.k8s.io/v1';
const DEPLOYMENTS = '/apis/apps/v1/namespaces/default/deployments';
const RULE = {
  operations: ['CREATE', 'UPDATE'],
  apiGroups: [''],
  apiVersions: ['v1'],
  resources: ['configmaps'],
};

async function policy(
  api: TestServer,
  kind: 'Validating' | 'Mutating',
  spec: JsonObject,
  binding: JsonObject = {},
): Promise<Answer> {
  const plural = `${kind.toLowerCase()}admissionpolicies`;
  const made = await api.call('POST', `${BASE}/${plural}`, {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: `${kind}AdmissionPolicy`,
    metadata: { name: 'p' },
    spec: {
      matchConstraints: { resourceRules: [RULE] },
      ...(kind === 'Mutating' && { reinvocationPolicy: 'Never' }),
      ...spec,
    },
  });
  if (made.status !== 201) return made;
  await api.create(`${BASE}/${kind.toLowerCase()}admissionpolicybindings`, {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: `${kind}AdmissionPolicyBinding`,
    metadata: { name: 'b' },
    spec: { policyName: 'p', ...(kind === 'Validating' && { validationActions: ['Deny'] }), ...binding },
  });
  return made;
}

test('a policy refuses in its own words', async () => {
  await using api = await TestServer.open();
  await policy(api, 'Validating', {
    variables: [{ name: 'keys', expression: 'has(object.data) ? object.data.map(k, k) : []' }],
    validations: [
      {
        expression: 'variables.keys.size() < 2',
        messageExpression: '"too many: " + string(variables.keys.size())',
      },
      { expression: '!("secret" in variables.keys)', message: 'no secrets', reason: 'Forbidden' },
      { expression: 'request.userInfo.username != "" && namespaceObject.metadata.name == "default"' },
    ],
  });
  const many = await api.call('POST', MAPS, configMap('a', { x: '1', y: '2' }));
  assert.deepEqual(
    [many.status, many.body.reason, many.body.message],
    [
      422,
      'Invalid',
      `configmaps "a" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: too many: 2`,
    ],
  );
  const secret = await api.call('POST', MAPS, configMap('b', { secret: '1' }));
  assert.deepEqual([secret.status, secret.body.reason], [403, 'Forbidden']);
  assert.equal((await api.call('POST', MAPS, configMap('c', { x: '1' }))).status, 201);
});

test('bindings warn, narrow, and bring parameters', async () => {
  await using api = await TestServer.open();
  await api.create(MAPS, configMap('limits', { max: '1' }));
  await policy(
    api,
    'Validating',
    {
      paramKind: { apiVersion: 'v1', kind: 'ConfigMap' },
      matchConditions: [{ name: 'others', expression: 'object.metadata.name != "free"' }],
      validations: [{ expression: 'object.data.size() <= int(params.data.max)' }],
    },
    {
      validationActions: ['Warn', 'Audit'],
      paramRef: { name: 'limits', namespace: 'default', parameterNotFoundAction: 'Deny' },
      matchResources: { objectSelector: { matchLabels: { checked: 'yes' } } },
    },
  );
  const warned = await api.call('POST', MAPS, configMap('a', { x: '1', y: '2' }, { checked: 'yes' }));
  assert.equal(warned.status, 201);
  assert.match(
    warned.headers['warning'] ?? '',
    /Validation failed for ValidatingAdmissionPolicy 'p' with binding 'b': failed expression: object.data.size\(\)/,
  );
  const free = await api.call('POST', MAPS, configMap('free', { x: '1', y: '2' }, { checked: 'yes' }));
  assert.equal(free.headers['warning'], undefined);
  const other = await api.call('POST', MAPS, configMap('b', { x: '1', y: '2' }));
  assert.equal(other.headers['warning'], undefined);
});

test('a variable that fails is named', async () => {
  await using api = await TestServer.open();
  await policy(api, 'Validating', {
    variables: [{ name: 'k', expression: 'object.data.zz' }],
    validations: [{ expression: 'variables.k == "x"' }],
  });
  const { body } = await api.call('POST', MAPS, configMap('a'));
  assert.match(
    body.message ?? '',
    /resulted in error: composited variable "k" fails to evaluate: no such key: /,
  );
});

test('a policy that fails denies or lets through, as it says', async () => {
  await using api = await TestServer.open();
  await policy(api, 'Validating', { validations: [{ expression: 'object.data.missing == "x"' }] });
  const failed = await api.call('POST', MAPS, configMap('a', { x: '1' }));
  assert.match(
    failed.body.message ?? '',
    /denied request: expression 'object.data.missing == "x"' resulted in error: no such key: missing/,
  );
  const patch = { 'content-type': 'application/merge-patch+json' };
  const url = `${BASE}/validatingadmissionpolicies/p`;
  await api.call('PATCH', url, { spec: { failurePolicy: 'Ignore' } }, patch);
  assert.equal((await api.call('POST', MAPS, configMap('a', { x: '1' }))).status, 201);
});

test('the authorizer can be asked', async () => {
  await using api = await TestServer.open();
  const check = 'authorizer.requestResource.check("create").allowed()';
  const other =
    '!authorizer.serviceAccount("default", "nobody").group("").resource("pods").namespace("default").check("list").allowed()';
  const narrowed =
    'authorizer.group("").resource("pods").fieldSelector("spec.nodeName=a").labelSelector("a in (b,c), !").check("list").allowed()';
  await policy(api, 'Validating', { validations: [{ expression: `${check} && ${other} && ${narrowed}` }] });
  const made = await api.call('POST', MAPS, configMap('a'));
  assert.equal(made.status, 201, made.body.message ?? '');
});

test('expressions that do not compile are refused; those that do not fit a kind are warned of in the status', async () => {
  await using api = await TestServer.open();
  const broken = await policy(api, 'Validating', {
    validations: [
      { expression: 'object.' },
      { expression: '1' },
      // Who has been refused is told so by nobody who would have to be asked.
      { expression: 'true', messageExpression: "authorizer.requestResource.check('get').reason()" },
    ],
  });
  assert.equal(broken.status, 422);
  assert.match(
    broken.body.message ?? '',
    /spec\.validations\[2\]\.messageExpression: .*undeclared reference to 'authorizer'/,
  );
  assert.match(
    broken.body.message ?? '',
    /spec\.validations\[0\]\.expression: Invalid value: "object\.": compilation failed/,
  );
  const unbound = await policy(api, 'Validating', {
    validations: [{ expression: 'params.data.max == "1"' }],
  });
  assert.match(unbound.body.message ?? '', /undeclared reference to 'params'/);
  assert.match(
    broken.body.message ?? '',
    /spec\.validations\[1\]\.expression: Invalid value: "1": must evaluate to bool but got int/,
  );
  const anything = await policy(api, 'Validating', {
    validations: [{ expression: 'true', messageExpression: 'object.data.k' }],
    auditAnnotations: [
      { key: 'a', valueExpression: 'object.data.k' },
      { key: 'b', valueExpression: 'null' },
    ],
  });
  const { causes } = anything.body['details'] as { causes: { field: string; message: string }[] };
  assert.deepEqual(
    causes.map(({ field, message }) => [field, message.replace(/^.*: must/, 'must')]),
    [
      ['spec.validations[0].messageExpression', 'must evaluate to string but got dyn'],
      ['spec.auditAnnotations[0].valueExpression', 'must evaluate to one of [string null_type] but got dyn'],
    ],
  );
  const rule = { ...RULE, apiGroups: ['apps'], resources: ['deployments'] };
  await policy(api, 'Validating', {
    matchConstraints: { resourceRules: [rule] },
    validations: [{ expression: 'object.spec.replicas <= 5' }, { expression: 'object.spec.nope == 1' }],
  });
  let status: JsonObject = {};
  await until(async () => {
    status = objectAt((await api.call('GET', `${BASE}/validatingadmissionpolicies/p`)).body, 'status');
    return status['observedGeneration'] !== undefined;
  });
  const warnings = objectsAt(status, 'typeChecking', 'expressionWarnings');
  assert.deepEqual(
    warnings.map(({ fieldRef }) => fieldRef),
    ['spec.validations[1].expression'],
  );
  assert.match(
    stringAt(warnings[0], 'warning'),
    /^apps\/v1, Kind=Deployment: ERROR: .*undefined field 'nope'/,
  );
});

test('a mutating policy applies a configuration', async () => {
  await using api = await TestServer.open();
  const rule = { ...RULE, apiGroups: ['apps'], resources: ['deployments'] };
  const expression = `Object{
    metadata: Object.metadata{labels: {"team": "a"}},
    spec: Object.spec{template: Object.spec.template{spec: Object.spec.template.spec{
      containers: object.spec.template.spec.containers.map(c, Object.spec.template.spec.containers{
        name: c.name,
        env: [Object.spec.template.spec.containers.env{name: "ADDED", value: "yes"}]
      })
    }}}
  }`;
  await policy(api, 'Mutating', {
    matchConstraints: { resourceRules: [rule] },
    mutations: [{ patchType: 'ApplyConfiguration', applyConfiguration: { expression } }],
  });
  const made = await api.create(DEPLOYMENTS, deployment('d'));
  assert.deepEqual(made.metadata.labels, { team: 'a' });
  const [container] = objectsAt(made, 'spec', 'template', 'spec', 'containers');
  assert.deepEqual(
    [container?.['image'], container?.['env']],
    ['busybox', [{ name: 'ADDED', value: 'yes' }]],
  );
});

test('a mutating policy patches', async () => {
  await using api = await TestServer.open();
  const expression = `[
    JSONPatch{op: "test", path: "/data/x", value: "1"},
    JSONPatch{op: "add", path: "/metadata/annotations", value: {"k": "v"}},
    JSONPatch{op: "add", path: "/metadata/annotations/" + jsonpatch.escapeKey("a/b"), value: object.metadata.name}
  ]`;
  await policy(api, 'Mutating', {
    matchConditions: [{ name: 'has', expression: 'has(object.data.x)' }],
    mutations: [{ patchType: 'JSONPatch', jsonPatch: { expression } }],
  });
  const made = await api.create(MAPS, configMap('a', { x: '1' }));
  assert.deepEqual(made.metadata.annotations, { k: 'v', 'a/b': 'a' });
  assert.equal((await api.create(MAPS, configMap('b', { y: '1' }))).metadata.annotations, undefined);
  const untouched = await api.create(MAPS, configMap('c', { x: '2' }));
  assert.equal(untouched.metadata.annotations, undefined);
});

test('mutations that are no patch and no configuration are refused when they are written', async () => {
  await using api = await TestServer.open();
  const jsonPatch = (expression: string): JsonObject => ({
    patchType: 'JSONPatch',
    jsonPatch: { expression },
  });
  const configuration = (expression: string): JsonObject => ({
    patchType: 'ApplyConfiguration',
    applyConfiguration: { expression },
  });
  const refused = await policy(api, 'Mutating', {
    mutations: [
      jsonPatch('[]'),
      jsonPatch('object.data'),
      configuration('{}'),
      configuration('null'),
      configuration('timestamp("2020-01-01T00:00:00Z")'),
      jsonPatch('has(object.data) ? [JSONPatch{op: "remove", path: "/data"}] : []'),
      configuration('Object{}'),
    ],
  });
  assert.equal(refused.status, 422);
  const { causes } = refused.body['details'] as { causes: { field: string; message: string }[] };
  assert.deepEqual(
    causes.map(({ field, message }) => [field, message.replace(/^.*: must/, 'must')]),
    [
      ['spec.mutations[0].jsonPatch.expression', 'must evaluate to list(JSONPatch) but got list(dyn)'],
      ['spec.mutations[1].jsonPatch.expression', 'must evaluate to list(JSONPatch) but got dyn'],
      ['spec.mutations[2].applyConfiguration.expression', 'must evaluate to Object but got map(dyn, dyn)'],
      ['spec.mutations[3].applyConfiguration.expression', 'must evaluate to Object but got null_type'],
      [
        'spec.mutations[4].applyConfiguration.expression',
        'must evaluate to Object but got google.protobuf.Timestamp',
      ],
    ],
  );
});

test('what a mutating policy cannot do refuses the request', async () => {
  for (const [mutation, reason, why] of [
    [
      { patchType: 'JSONPatch', jsonPatch: { expression: '[JSONPatch{op: "remove", path: "/data/z"}]' } },
      'Invalid',
      'JSON Patch: ',
    ],
    [
      { patchType: 'JSONPatch', jsonPatch: { expression: '[JSONPatch{op: object.data.z, path: "/data"}]' } },
      'Invalid',
      'expression \'[JSONPatch{op: object.data.z, path: "/data"}]\' resulted in error: no such key: z',
    ],
    [
      {
        patchType: 'ApplyConfiguration',
        applyConfiguration: {
          expression: 'Object{metadata: Object.metadata{ownerReferences: []}, binaryData: {"a": "AA=="}}',
        },
      },
      'created',
      '',
    ],
  ] as const) {
    await using api = await TestServer.open();
    await policy(api, 'Mutating', { mutations: [mutation] });
    const { status, body } = await api.call('POST', MAPS, configMap('a', { x: '1' }));
    if (reason === 'created') assert.equal(status, 201, body.message ?? '');
    else {
      assert.deepEqual([status, body.reason], [403, reason]);
      assert.ok((body.message ?? '').startsWith(`policy 'p' with binding 'b' denied request: ${why}`));
    }
  }
});

test('a mutating policy may not configure what is replaced as a whole', async () => {
  await using api = await TestServer.open();
  const rule = { ...RULE, apiGroups: ['apps'], resources: ['deployments'] };
  const expression = `Object{spec: Object.spec{template: Object.spec.template{spec: Object.spec.template.spec{
    nodeSelector: {"a": "b"}, tolerations: []
  }}}}`;
  await policy(api, 'Mutating', {
    matchConstraints: { resourceRules: [rule] },
    mutations: [{ patchType: 'ApplyConfiguration', applyConfiguration: { expression } }],
  });
  const { status, body } = await api.call('POST', DEPLOYMENTS, deployment('d'));
  assert.equal(status, 403);
  assert.match(
    body.message ?? '',
    /error applying patch: invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: \.spec\.template\.spec\.nodeSelector, \.spec\.template\.spec\.tolerations$/,
  );
});
