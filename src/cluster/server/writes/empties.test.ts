/** Lists and maps that are there and empty: nothing stores them, but owners of fields and checks tell them from none. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { getPath, objectAt, objectsAt, stringAt, type JsonObject } from '../../api/json.ts';
import { TestServer } from '../testing/test-server.ts';

const NS = '/namespaces/default';
const ROLES = `/apis/rbac.authorization.k8s.io/v1${NS}/roles`;
const POLICIES = `/apis/networking.k8s.io/v1${NS}/networkpolicies`;
const MERGE = { 'content-type': 'application/merge-patch+json' };

/** Of the fields outside of the metadata, by manager. */
function owners(object: JsonObject): readonly string[] {
  return objectsAt(object, 'metadata', 'managedFields').map((entry) => {
    const { 'f:metadata': _metadata, ...fields } = objectAt(entry, 'fieldsV1');
    return `${stringAt(entry, 'manager')} ${JSON.stringify(fields)}`;
  });
}

for (const wideValues of [undefined, 0])
  test(`what is always written is owned when it is empty${wideValues === 0 ? ', of wide objects' : ''}`, async () => {
    await using api = await TestServer.open(wideValues === 0 ? { limits: { wideValues } } : {});
    const metadata = { name: 'r' };
    const made = await api.call('POST', `${ROLES}?fieldManager=one`, { metadata, rules: [] });
    assert.equal(made.status, 201);
    assert.deepEqual(owners(made.body), ['one {"f:rules":{}}']);
    // Storage cannot tell it from none.
    assert.equal(made.body['rules'], undefined);
    const put = await api.call('PUT', `${ROLES}/r?fieldManager=two`, { metadata, rules: [] });
    assert.deepEqual(owners(put.body), ['two {"f:rules":{}}']);
    const none = await api.call('PUT', `${ROLES}/r?fieldManager=three`, { metadata });
    assert.deepEqual(owners(none.body), ['two {"f:rules":{}}']);
    const rules = [{ verbs: ['get'], apiGroups: [''], resources: ['pods'] }];
    const full = await api.call('PUT', `${ROLES}/r?fieldManager=three`, { metadata, rules });
    assert.deepEqual(owners(full.body), ['three {"f:rules":{}}']);
    // In a list that is owned as a whole any empty list counts.
    const patch = { rules: [{ ...rules[0], resourceNames: [] }] };
    const patched = await api.call('PATCH', `${ROLES}/r?fieldManager=four`, patch, MERGE);
    assert.deepEqual(owners(patched.body), ['four {"f:rules":{}}']);
    assert.deepEqual(patched.body['rules'], rules);
  });

const pod = { containers: [{ name: 'c', image: 'i' }] };
const template = { metadata: { labels: { a: 'b' } }, spec: { ...pod, resources: { claims: [] } } };
const CLAIMS = 'resources.claims: Forbidden: claims may not be set for Resources at pod-level';
const slice = {
  driver: 'd.example.com',
  nodeName: 'n',
  pool: { name: 'p', generation: 1, resourceSliceCount: 1 },
};

const REFUSED: readonly (readonly [path: string, body: JsonObject, code: number, message: string])[] = [
  [
    `/api/v1${NS}/pods`,
    { spec: { ...pod, resources: { claims: [] } } },
    422,
    `Pod "a" is invalid: spec.${CLAIMS}`,
  ],
  [
    `/apis/apps/v1${NS}/deployments`,
    { spec: { selector: { matchLabels: { a: 'b' } }, template } },
    422,
    `Deployment.apps "a" is invalid: spec.template.spec.${CLAIMS}`,
  ],
  [
    `/api/v1${NS}/pods`,
    { spec: { ...pod, overhead: {} } },
    403,
    'pods "a" is forbidden: pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead',
  ],
  [
    '/apis/resource.k8s.io/v1/resourceslices',
    { spec: { ...slice, devices: [], sharedCounters: [] } },
    422,
    'ResourceSlice.resource.k8s.io "a" is invalid: spec: Invalid value: "": only one of `sharedCounters` or `devices` is allowed',
  ],
];

for (const [path, body, code, message] of REFUSED)
  test(`refused although it is empty: ${message}`, async () => {
    await using api = await TestServer.open();
    await api.call('POST', `/api/v1${NS}/serviceaccounts`, { metadata: { name: 'default' } });
    const answer = await api.call('POST', path, { metadata: { name: 'a' }, ...body });
    assert.deepEqual([answer.status, answer.body['message']], [code, message]);
  });

test('a definition may not even have no dependencies', async () => {
  await using api = await TestServer.open();
  const openAPIV3Schema = { type: 'object', not: { dependencies: {} } };
  const version = { name: 'v1', served: true, storage: true, schema: { openAPIV3Schema } };
  const names = { plural: 'things', kind: 'Thing' };
  const { status, body } = await api.call('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', {
    metadata: { name: 'things.example.com' },
    spec: { group: 'example.com', scope: 'Namespaced', names, versions: [version] },
  });
  assert.equal(status, 422);
  assert.match(stringAt(body, 'message'), /not\.dependencies: Forbidden: dependencies is not supported$/);
});

test('what may not change may not become empty', async () => {
  await using api = await TestServer.open();
  const secrets = `/api/v1${NS}/secrets`;
  const secret = { metadata: { name: 's' }, immutable: true, data: {} };
  assert.equal((await api.call('POST', secrets, secret)).status, 201);
  const { status, body } = await api.call('PUT', `${secrets}/s`, secret);
  assert.equal(status, 422);
  assert.equal(
    body['message'],
    'Secret "s" is invalid: data: Forbidden: field is immutable when `immutable` is set',
  );
});

test('a policy that says again that it lets nothing in is another one', async () => {
  await using api = await TestServer.open();
  const policy = { metadata: { name: 'n' }, spec: { podSelector: {}, ingress: [] } };
  const made = await api.call('POST', `${POLICIES}?fieldManager=one`, policy);
  assert.deepEqual(owners(made.body), ['one {"f:spec":{"f:policyTypes":{}}}']);
  const again = await api.call('PUT', `${POLICIES}/n?fieldManager=two`, policy);
  assert.equal(getPath(again.body, 'metadata', 'generation'), 2);
  assert.deepEqual(owners(again.body), ['one {"f:spec":{"f:policyTypes":{}}}']);
  assert.equal(getPath(again.body, 'spec', 'ingress'), undefined);
});

test('what a refused patch has that nobody knows is warned of', async () => {
  await using api = await TestServer.open();
  const maps = `/api/v1${NS}/configmaps`;
  await api.call('POST', maps, { metadata: { name: 'm' }, immutable: true });
  const answer = await api.call('PATCH', `${maps}/m`, { stringData: {}, binaryData: {} }, MERGE);
  assert.equal(answer.status, 422);
  assert.equal(answer.headers['warning'], '299 - "unknown field \\"stringData\\""');
});

test('data of any kind has one owner', async () => {
  await using api = await TestServer.open();
  const revision = { metadata: { name: 'r' }, revision: 1, data: { a: { b: 1 } } };
  const url = `/apis/apps/v1${NS}/controllerrevisions?fieldManager=one`;
  const { body } = await api.call('POST', url, revision);
  assert.deepEqual(owners(body), ['one {"f:data":{},"f:revision":{}}']);
});
