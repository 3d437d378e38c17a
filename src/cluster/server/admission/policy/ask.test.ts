import assert from 'node:assert/strict';
import { test } from 'node:test';

import { objectAt, objectsAt, stringAt, type JsonObject } from '../../../api/json.ts';
import { configMap, TestServer, type Answer } from '../../testing/test-server.ts';
import { threads } from '../../testing/threads.ts';
import { until } from '../../testing/until.ts';

const MAPS = '/api/v1/namespaces/default/configmaps';
const BASE = '/apis/admissionregistration.k8s.io/v1';
const RULES = [
  { operations: ['CREATE', 'UPDATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['configmaps'] },
];

async function policy(
  api: TestServer,
  kind: 'Validating' | 'Mutating',
  name: string,
  about: { readonly spec: JsonObject; readonly binding?: JsonObject },
): Promise<void> {
  const { spec, binding = {} } = about;
  const plural = `${kind.toLowerCase()}admissionpolicies`;
  const head = { apiVersion: 'admissionregistration.k8s.io/v1', metadata: { name } };
  const matchConstraints = { resourceRules: RULES };
  await api.create(`${BASE}/${plural}`, {
    ...head,
    kind: `${kind}AdmissionPolicy`,
    spec: { matchConstraints, ...(kind === 'Mutating' && { reinvocationPolicy: 'Never' }), ...spec },
  });
  await api.create(`${BASE}/${kind.toLowerCase()}admissionpolicybindings`, {
    ...head,
    kind: `${kind}AdmissionPolicyBinding`,
    spec: { policyName: name, ...(kind === 'Validating' && { validationActions: ['Deny'] }), ...binding },
  });
}

async function story(api: TestServer): Promise<unknown[]> {
  await api.create(MAPS, configMap('limits', { max: '2' }));
  await policy(api, 'Mutating', 'labels', {
    spec: {
      mutations: [
        {
          patchType: 'ApplyConfiguration',
          applyConfiguration: {
            expression:
              'Object{metadata: Object.metadata{labels: {"by": request.userInfo.username, "n": "1"}}}',
          },
        },
        {
          patchType: 'JSONPatch',
          jsonPatch: {
            expression:
              'int(object.metadata.labels.n) > 0 ? [JSONPatch{op: "test", path: "/kind", value: object.kind}] : []',
          },
        },
      ],
    },
  });
  await policy(api, 'Validating', 'keys', {
    spec: {
      paramKind: { apiVersion: 'v1', kind: 'ConfigMap' },
      variables: [{ name: 'keys', expression: 'has(object.data) ? object.data.map(k, k) : []' }],
      matchConditions: [{ name: 'others', expression: 'object.metadata.name != "free"' }],
      validations: [
        {
          expression: 'variables.keys.size() <= int(params.data.max)',
          messageExpression:
            '"too many for " + namespaceObject.metadata.name + ": " + string(variables.keys.size())',
        },
        {
          expression:
            '!("secret" in variables.keys) || authorizer.group("").resource("secrets").check("get").allowed()',
        },
        { expression: 'oldObject == null || !("gone" in variables.keys)', reason: 'Forbidden' },
      ],
    },
    binding: { paramRef: { name: 'limits', namespace: 'default', parameterNotFoundAction: 'Deny' } },
  });
  await policy(api, 'Validating', 'odd', {
    spec: {
      matchConditions: [
        { name: 'a', expression: 'object.data.bad == "" || int("x" + object.data.bad) == 1' },
      ],
      validations: [{ expression: 'true' }],
    },
  });
  const data = { bad: '' };
  const answers: Answer[] = [
    await api.call('POST', MAPS, configMap('a', data)),
    await api.call('POST', MAPS, configMap('b', { ...data, x: '', y: '' })),
    await api.call('POST', MAPS, configMap('free', { ...data, x: '', y: '' })),
    await api.call('POST', MAPS, configMap('c', { ...data, secret: '' })),
    await api.call('PUT', `${MAPS}/a`, configMap('a', { ...data, gone: '' })),
    await api.call('POST', MAPS, configMap('d', { bad: '1' })),
    await api.call('POST', MAPS, configMap('e', {})),
  ];
  return answers.map(({ status, body: { message, metadata } }) => ({
    status,
    message,
    labels: metadata.labels,
  }));
}

test('what takes long in this thread is evaluated in another one, to the same end', async () => {
  using seen = threads();
  const { started } = seen;
  await using here = await TestServer.open();
  const expected = await story(here);
  assert.equal(started.length, 0);
  await using api = await TestServer.open();
  let now = 0;
  api.clock.monotonic = () => (now += 100);
  assert.deepEqual(await story(api), expected);
  assert.equal(started.length, 1);
  assert.deepEqual(
    expected.map((one) => (one as { status: number }).status),
    [201, 422, 201, 201, 403, 422, 422],
  );
});

test('long expressions are compiled in the other thread', async () => {
  using seen = threads();
  await using api = await TestServer.open();
  const chain = (part: string): string => Array.from({ length: 1000 }, () => part).join(' && ');
  const made = async (name: string, expression: string): Promise<Answer> =>
    await api.call('POST', `${BASE}/validatingadmissionpolicies`, {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'ValidatingAdmissionPolicy',
      metadata: { name },
      spec: { matchConstraints: { resourceRules: RULES }, validations: [{ expression }] },
    });
  assert.equal((await made('a', `${chain('true')} && object.nothing == 1`)).status, 201);
  const refused = await made('b', `${chain('true')} && nothing`);
  assert.equal(refused.status, 422);
  assert.match(refused.body.message ?? '', /undeclared reference to 'nothing'/);
  const status = async (): Promise<JsonObject> =>
    objectAt((await api.call('GET', `${BASE}/validatingadmissionpolicies/a`)).body, 'status');
  await until(async () => (await status())['observedGeneration'] !== undefined);
  const [warning] = objectsAt(await status(), 'typeChecking', 'expressionWarnings');
  assert.match(stringAt(warning, 'warning'), /^v1, Kind=ConfigMap: ERROR: .*undefined field 'nothing'/);
  assert.equal(seen.started.length, 1);
});
