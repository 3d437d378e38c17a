/** What is said of patches that cannot be read, applied or kept. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { getPath, objectsAt, type JsonValue } from '../../api/json.ts';
import { configMap, deployment, TestServer } from '../testing/test-server.ts';

const MAP = '/api/v1/namespaces/default/configmaps/a';
const DEPLOYMENT = '/apis/apps/v1/namespaces/default/deployments/web';
const UNAPPLICABLE = 'the server rejected our request due to an error in our request';
const INTO_MAP = 'json: cannot unmarshal array into Go value of type map[string]interface {}';

const containers = (item: unknown): string =>
  JSON.stringify({ spec: { template: { spec: { containers: [item] } } } });

const REFUSED: readonly (readonly [
  type: string,
  url: string,
  body: string,
  code: number,
  message: string,
])[] = [
  ['json', MAP, '[{"op":"twist","path":"/data/x"}]', 422, UNAPPLICABLE],
  ['json', MAP, '[{"op":"add","path":"data","value":1}]', 422, UNAPPLICABLE],
  [
    'json',
    MAP,
    '{}',
    400,
    'error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp',
  ],
  ['merge', MAP, '[1]', 400, `error decoding patch: ${INTO_MAP}`],
  ['merge', MAP, 'null', 400, 'Invalid JSON Patch'],
  ['merge', MAP, '', 400, 'error decoding patch: unexpected end of JSON input'],
  ['strategic-merge', MAP, '[]', 400, INTO_MAP],
  [
    'merge',
    MAP,
    '{"metadata":{"uid":"x"}}',
    422,
    'ConfigMap "a" is invalid: metadata.uid: Invalid value: "x": field is immutable',
  ],
  [
    'merge',
    `${MAP}?fieldValidation=Maybe`,
    '{}',
    422,
    'PatchOptions.meta.k8s.io "" is invalid: fieldValidation: Unsupported value: "Maybe": supported values: "", "Ignore", "Strict", "Warn"',
  ],
  [
    'strategic-merge',
    DEPLOYMENT,
    containers({ image: 'x' }),
    500,
    'map: map[image:x] does not contain declared merge key: name',
  ],
  [
    'strategic-merge',
    DEPLOYMENT,
    '{"spec":{"$patch":"twist"}}',
    500,
    'unknown patch type: twist in map: map[$patch:twist]',
  ],
];

test('patches that are none', async () => {
  await using api = await TestServer.open();
  await api.create('/api/v1/namespaces/default/configmaps', configMap('a'));
  await api.create('/apis/apps/v1/namespaces/default/deployments', deployment('web'));
  for (const [type, url, text, code, message] of REFUSED) {
    const headers = { 'content-type': `application/${type}-patch+json` };
    const { status, body } = await api.call('PATCH', url, text, headers);
    assert.deepEqual([status, body.message], [code, message], text);
  }
});

test('what a patch says twice is warned of before what nobody knows', async () => {
  await using api = await TestServer.open();
  await api.create('/api/v1/namespaces/default/configmaps', configMap('a'));
  const text = '{"unknown":1,"data":{"a":"1","a":"2"}}';
  const { headers } = await api.call('PATCH', MAP, text, { 'content-type': 'application/merge-patch+json' });
  assert.equal(
    headers['warning'],
    '299 - "duplicate field \\"data.a\\"", 299 - "unknown field \\"unknown\\""',
  );
});

test('a result of another version is taken where it says the same in this one', async () => {
  await using api = await TestServer.open();
  await api.create('/apis/apps/v1/namespaces/default/deployments', deployment('web'));
  const patch = async (format: string, apiVersion: string): Promise<readonly unknown[]> => {
    const type = { 'content-type': `application/${format}+json` };
    const change = { apiVersion, spec: { replicas: 2 } };
    const { status, body } = await api.call('PATCH', DEPLOYMENT, change, type);
    return status === 200 ? [body.apiVersion, body.spec?.['replicas']] : [status, body.message];
  };
  for (const version of ['apps/v1beta1', 'extensions/v1beta1'])
    assert.deepEqual(await patch('merge-patch', version), ['apps/v1', 2]);
  // It is changed field by field, whatever the patch calls it.
  assert.deepEqual(await patch('strategic-merge-patch', 'apps/v9'), ['apps/v1', 2]);
  const nameless = 'the name of the object (web based on URL) was undeterminable: name must be provided';
  assert.deepEqual(await patch('merge-patch', ''), [400, nameless]);
});

const MERGED = { 'content-type': 'application/merge-patch+json' };

test('a result of another version that has other fields is converted, unserved as it may be', async () => {
  await using api = await TestServer.open();
  const ns = 'namespaces/default';
  await api.create(`/apis/networking.k8s.io/v1/${ns}/ingresses`, {
    metadata: { name: 'i' },
    spec: { defaultBackend: { service: { name: 's', port: { number: 80 } } } },
  });
  const ingress = await api.call(
    'PATCH',
    `/apis/networking.k8s.io/v1/${ns}/ingresses/i`,
    { apiVersion: 'networking.k8s.io/v1beta1', spec: { backend: { serviceName: 't', servicePort: 'http' } } },
    MERGED,
  );
  assert.deepEqual(ingress.body.spec, {
    defaultBackend: { service: { name: 't', port: { name: 'http' } } },
  });
  const metrics = [
    { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } } },
  ];
  const scaleTargetRef = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'd' };
  await api.create(`/apis/autoscaling/v2/${ns}/horizontalpodautoscalers`, {
    metadata: { name: 'h' },
    spec: { maxReplicas: 3, scaleTargetRef, metrics },
  });
  const change = { apiVersion: 'autoscaling/v1', spec: { targetCPUUtilizationPercentage: 40 } };
  const autoscaler = `/apis/autoscaling/v2/${ns}/horizontalpodautoscalers/h`;
  const scaled = await api.call('PATCH', autoscaler, change, MERGED);
  assert.equal(
    getPath(objectsAt(scaled.body, 'spec', 'metrics')[0], 'resource', 'target', 'averageUtilization'),
    40,
  );
  assert.match(String(scaled.headers['warning']), /unknown field \\"spec\.metrics\\"/);
});

test('an event of the core group is labelled in the other, which forgets who wrote it', async () => {
  await using api = await TestServer.open();
  await api.create('/api/v1/namespaces/default/events', {
    metadata: { name: 'e' },
    involvedObject: { kind: 'Pod', namespace: 'default', name: 'p' },
    reason: 'r',
  });
  const url = '/apis/events.k8s.io/v1/namespaces/default/events/e?fieldManager=two';
  const { status, body } = await api.call('PATCH', url, { metadata: { labels: { a: 'b' } } }, MERGED);
  assert.equal(status, 200);
  assert.deepEqual(
    objectsAt(body, 'metadata', 'managedFields').map((entry) => entry['manager']),
    ['two'],
  );
  assert.equal(body['reportingController'], undefined);
});

test('a refused result is shown as Go has it in memory', async () => {
  await using api = await TestServer.open();
  const roles = '/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles';
  await api.create(roles, { metadata: { name: 'r', annotations: { a: '<&>' } } });
  const type = { 'content-type': 'application/json-patch+json' };
  const shown = async (patch: JsonValue, headers = type): Promise<string> => {
    const { status, body } = await api.call('PATCH', `${roles}/r`, patch, headers);
    assert.equal(status, 422);
    const [, text = ''] = /^ "" is invalid: patch: Invalid value: (".*"): /.exec(body.message ?? '') ?? [];
    return (JSON.parse(text) as string)
      .replace(/"managedFields":.*?\]/, '"managedFields":[]')
      .replaceAll(/("(?:uid|resourceVersion|creationTimestamp)"):"[^"]*"/g, '$1:""');
  };
  const metadata = (annotations: string): string =>
    `"metadata":{"name":"r","namespace":"default","uid":"","resourceVersion":"","creationTimestamp":"","annotations":${annotations},"managedFields":[]}`;
  const head = `{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"Role",`;
  const annotations = '{"a":"\\u003c\\u0026\\u003e"}';
  assert.equal(
    await shown([{ op: 'replace', path: '/rules', value: 7 }]),
    `${head}${metadata(annotations)},"rules":7}`,
  );
  const merged = { metadata: { annotations: { b: 7, A: 'x' } } };
  assert.equal(
    await shown(merged, MERGED),
    `${head}"metadata":{"annotations":{"A":"x","a":"\\u003c\\u0026\\u003e","b":7},"creationTimestamp":"","managedFields":[],"name":"r","namespace":"default","resourceVersion":"","uid":""},"rules":null}`,
  );
});
