/** Strict reading of bodies, with the words that clients look for. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { objectAt, type JsonObject } from '../api/json.ts';
import { TestServer } from './testing/test-server.ts';
import { until } from './testing/until.ts';

const DEPLOYMENTS = '/apis/apps/v1/namespaces/default/deployments';
const CRDS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const STRICT = '?fieldManager=tester&fieldValidation=Strict';
const APPLY = { 'content-type': 'application/apply-patch+yaml' };

async function messageOf(
  api: TestServer,
  method: 'POST' | 'PATCH',
  url: string,
  body: string,
): Promise<readonly [number, string]> {
  const headers = method === 'POST' ? { 'content-type': 'application/json' } : APPLY;
  const answer = await api.raw(method, url, { headers, body: Buffer.from(body) });
  const { message = '' } = JSON.parse(Buffer.from(answer.body as Uint8Array).toString()) as {
    message?: string;
  };
  return [answer.status, message];
}

function deployment(metadata: string, spec: string): string {
  const template = '{"metadata":{"labels":{"app":"a"}},"spec":{"containers":[{"name":"c","image":"i"}]}}';
  return `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"d"${metadata}},"spec":{${spec}"selector":{"matchLabels":{"app":"a"}},"template":${template}}}`;
}

test('a typed object: unknown and duplicate fields, in its metadata too', async () => {
  await using api = await TestServer.open();
  const url = `${DEPLOYMENTS}${STRICT}`;
  const twice = '"unknownField":"foo","replicas":2,"replicas":3,';
  assert.match(
    (await messageOf(api, 'POST', url, deployment('', twice)))[1],
    /strict decoding error: unknown field "spec\.unknownField", duplicate field "spec\.replicas"/,
  );
  assert.match(
    (await messageOf(api, 'POST', url, deployment(',"unknownMeta":"foo"', '')))[1],
    /strict decoding error: unknown field "metadata\.unknownMeta"/,
  );
});

const PORTS = {
  type: 'array',
  'x-kubernetes-list-type': 'map',
  'x-kubernetes-list-map-keys': ['containerPort', 'protocol'],
  items: {
    type: 'object',
    required: ['containerPort', 'protocol'],
    properties: {
      containerPort: { type: 'integer' },
      name: { type: 'string' },
      protocol: { type: 'string' },
    },
  },
};

async function defined(api: TestServer, openAPIV3Schema: JsonObject): Promise<string> {
  await api.create(CRDS, {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'noxus.example.com' },
    spec: {
      group: 'example.com',
      scope: 'Cluster',
      names: { plural: 'noxus', kind: 'Noxu' },
      versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema } }],
    },
  });
  const url = '/apis/example.com/v1/noxus';
  await until(async () => (await api.call('GET', url)).status === 200);
  return `${url}/mytest${STRICT}`;
}

const lines = (...more: string[]): string =>
  ['', 'apiVersion: example.com/v1', 'kind: Noxu', 'metadata:', '  name: mytest', ...more].join('\n');
const SPEC = [
  'spec:',
  '  foo: foo1',
  '  ports:',
  '  - name: x',
  '    containerPort: 80',
  '    protocol: TCP',
];
const specSchema = (): JsonObject => ({
  type: 'object',
  properties: {
    spec: { type: 'object', properties: { foo: { type: 'string' }, ports: PORTS } },
  },
});

test('applied custom resources: what the schema has, and what it has not', async () => {
  await using api = await TestServer.open();
  const url = await defined(api, specSchema());
  assert.deepEqual(await messageOf(api, 'PATCH', url, lines(...SPEC)), [201, '']);
  const [, unknown] = await messageOf(api, 'PATCH', url, lines('unknownField: unknown', ...SPEC));
  assert.match(unknown, /\.unknownField: field not declared in schema/);
});

test('applied custom resources without a schema take anything, but nothing twice', async () => {
  await using api = await TestServer.open();
  const url = await defined(api, { type: 'object', 'x-kubernetes-preserve-unknown-fields': true });
  assert.deepEqual(await messageOf(api, 'PATCH', url, lines(...SPEC, '  unknown: uk1')), [201, '']);
  const [, twice] = await messageOf(
    api,
    'PATCH',
    url,
    lines('spec:', '  unknown: uk1', '  foo: a', '  foo: b'),
  );
  assert.match(twice, /line 9: key "foo" already set in map/);
});

test('a key that occurs twice in YAML is a warning, unless it is to be strict', async () => {
  await using api = await TestServer.open();
  const body = Buffer.from(
    'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {"k": "1", "k": "2"}\n',
  );
  const url = '/api/v1/namespaces/default/configmaps/a?fieldManager=t';
  const warned = await api.raw('PATCH', url, { headers: APPLY, body });
  assert.equal(warned.status, 201);
  assert.match(warned.headers['warning'] ?? '', /line 4: key \\"k\\" already set in map/);
  const yaml = { 'content-type': 'application/yaml' };
  const put = await api.raw('PUT', `${url}&fieldValidation=Strict`, { headers: yaml, body });
  assert.equal(put.status, 400);
});

test('unknown metadata of an applied custom resource, and of one embedded in it', async () => {
  await using api = await TestServer.open();
  const template = {
    type: 'object',
    'x-kubernetes-embedded-resource': true,
    properties: {
      metadata: { type: 'object', properties: { name: { type: 'string' } } },
      spec: { type: 'object' },
    },
  };
  const url = await defined(api, {
    type: 'object',
    properties: {
      spec: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true, properties: { template } },
    },
  });
  const embedded = ['spec:', '  template:', '    apiVersion: foo/v1', '    kind: Sub', '    metadata:'];
  const name = ['      name: sub'];
  assert.match(
    (await messageOf(api, 'PATCH', url, lines('  unknownMeta: x', ...embedded, ...name)))[1],
    /\.metadata\.unknownMeta: field not declared in schema/,
  );
  assert.match(
    (await messageOf(api, 'PATCH', url, lines(...embedded, '      unknownSubMeta: x', ...name)))[1],
    /\.spec\.template\.metadata\.unknownSubMeta: field not declared in schema|unknown field "spec\.template\.metadata\.unknownSubMeta"/,
  );
});

test('what comes twice is joined where nobody is strict, and warned of', async () => {
  await using api = await TestServer.open();
  const url = '/api/v1/namespaces/default/configmaps';
  const twice = (name: string): string =>
    `{"metadata":{"name":"${name}"},"metadata":{"labels":{"a":"b"}},"data":{"a":"1"},"data":{"b":"2"}}`;
  for (const validation of ['Warn', 'Ignore']) {
    const { status, headers, body } = await api.raw('POST', `${url}?fieldValidation=${validation}`, {
      headers: { 'content-type': 'application/json' },
      body: Buffer.from(twice(validation.toLowerCase())),
    });
    assert.equal(status, 201);
    const made = JSON.parse(Buffer.from(body as Uint8Array).toString()) as JsonObject;
    assert.deepEqual(made['data'], { a: '1', b: '2' });
    assert.deepEqual(objectAt(made, 'metadata', 'labels'), { a: 'b' });
    const warned = '299 - "duplicate field \\"metadata\\"", 299 - "duplicate field \\"data\\""';
    assert.equal(headers['warning'], validation === 'Warn' ? warned : undefined);
  }
  const strict = await messageOf(api, 'POST', `${url}${STRICT}`, twice('strict'));
  assert.equal(strict[0], 400);
});
