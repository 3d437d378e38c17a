/** Reviews: what is refused of them, and what comes back beside the answer. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '../../api/json.ts';
import { TestServer } from '../testing/test-server.ts';

const AUTHORIZATION = '/apis/authorization.k8s.io/v1';
const REVIEWS = `${AUTHORIZATION}/subjectaccessreviews`;

const REFUSED: readonly (readonly [string, JsonObject, RegExp])[] = [
  [
    REVIEWS,
    { metadata: { name: 'x' }, spec: { user: 'a', nonResourceAttributes: { path: '/' } } },
    /^\.authorization\.k8s\.io "" is invalid: metadata: Invalid value: \{"name":"x",.*\}: must be empty$/,
  ],
  [
    REVIEWS,
    { spec: { nonResourceAttributes: { path: '/', verb: 'get' }, resourceAttributes: {} } },
    /\[spec\.nonResourceAttributes: Invalid value: \{"Path":"\/","Verb":"get"\}: cannot be specified in combination with resourceAttributes, spec\.user: Invalid value: "": at least one of user or group must be specified\]$/,
  ],
  [
    `${AUTHORIZATION}/namespaces/default/localsubjectaccessreviews`,
    { spec: { user: 'a', resourceAttributes: { namespace: 'other' } } },
    /spec\.resourceAttributes\.namespace: Invalid value: "other": must match metadata\.namespace$/,
  ],
  [`${AUTHORIZATION}/selfsubjectrulesreviews`, { spec: {} }, /^no namespace on request$/],
  [
    '/apis/authentication.k8s.io/v1/tokenreviews',
    { spec: {} },
    /^token is required for TokenReview in authentication$/,
  ],
];

for (const [path, body, message] of REFUSED) {
  test(`a review at ${path} of ${JSON.stringify(body)}`, async () => {
    await using api = await TestServer.open();
    const answer = await api.call('POST', path, body);
    assert.match(answer.body.message ?? '', message);
  });
}

test('selectors that cannot be read are told, and asked without', async () => {
  await using api = await TestServer.open();
  const requirements = [
    { key: 'a', operator: 'In', values: ['b'] },
    { key: 'a', operator: 'Near', values: ['b'] },
  ];
  const { body } = await api.call('POST', REVIEWS, {
    spec: {
      groups: ['system:masters'],
      resourceAttributes: { labelSelector: { requirements }, fieldSelector: { rawSelector: 'sample' } },
    },
  });
  assert.equal(body.status?.['allowed'], true);
  assert.equal(
    body.status?.['evaluationError'],
    'spec.resourceAttributes.fieldSelector ignored due to parse error; spec.resourceAttributes.labelSelector partially ignored due to parse error',
  );
});

test('the metadata of a question comes back with the answer', async () => {
  await using api = await TestServer.open();
  const { body } = await api.call('POST', '/apis/authentication.k8s.io/v1/tokenreviews', {
    metadata: { name: 'mine', uid: 'u' },
    spec: { token: 'nobody' },
  });
  assert.equal(body.metadata.name, 'mine');
  assert.equal(body.metadata.uid, undefined);
  assert.deepEqual(body.status, { user: {}, error: 'invalid bearer token' });
});
