import assert from 'node:assert/strict';
import { test } from 'node:test';
import { objectAt, objectsAt, stringAt, type JsonObject } from '../../api/json.ts';
import { minimalObject } from '../../api/testing/minimal-objects.ts';
import { TestServer } from '../testing/test-server.ts';

const REQUESTS = '/apis/certificates.k8s.io/v1/certificatesigningrequests';
const PODS = '/api/v1/namespaces/default/pods';
const CIDRS = '/apis/networking.k8s.io/v1/servicecidrs';
const APPLY = { 'content-type': 'application/apply-patch+yaml' };
const MERGE = { 'content-type': 'application/merge-patch+json' };

/** By manager and endpoint: what they own, two fields deep. */
async function owners(api: TestServer, url: string): Promise<JsonObject> {
  const { body } = await api.call('GET', url);
  const owned = objectsAt(body, 'metadata', 'managedFields').map((entry): [string, string[]] => {
    const fields = Object.entries(objectAt(entry, 'fieldsV1')).flatMap(([field, inside]) =>
      Object.keys(inside as JsonObject).map((name) => `${field}.${name}`.replaceAll('f:', '')),
    );
    return [`${stringAt(entry, 'manager')} ${stringAt(entry, 'subresource')}`.trimEnd(), fields];
  });
  return Object.fromEntries(owned);
}

test('what a signing request asks for belongs to nobody, its answers to who gives them', async () => {
  await using api = await TestServer.open();
  const request = minimalObject({
    group: 'certificates.k8s.io',
    version: 'v1',
    kind: 'CertificateSigningRequest',
  })!;
  await api.create(`${REQUESTS}?fieldManager=asker`, request);
  assert.deepEqual(await owners(api, `${REQUESTS}/web`), {});
  const { apiVersion, kind } = request;
  const applied = { apiVersion, kind, metadata: { name: 'web', labels: { a: 'b' } }, spec: request['spec'] };
  await api.call('PATCH', `${REQUESTS}/web?fieldManager=one`, applied, APPLY);

  const conditions = [{ type: 'Approved', status: 'True', reason: 'r', message: 'm' }];
  const status = { conditions, certificate: 'YQ==' };
  const approval = { apiVersion, kind, metadata: { name: 'web' }, status };
  const path = `${REQUESTS}/web/approval?fieldManager=approver`;
  const approved = await api.call('PATCH', path, approval, APPLY);
  assert.deepEqual(await owners(api, `${REQUESTS}/web`), {
    one: ['metadata.labels'],
    'approver approval': ['status.conditions'],
  });
  const [answer = {}] = objectsAt(approved.body, 'status', 'conditions');
  assert.match(stringAt(answer, 'lastTransitionTime'), /^\d{4}-/, 'when is said for who applies, too');
});

test('who writes a part of a pod owns all that he sent', async () => {
  await using api = await TestServer.open();
  await api.create(`${PODS}?fieldManager=maker`, {
    ...minimalObject({ group: '', version: 'v1', kind: 'Pod' })!,
    metadata: { name: 'p' },
  });
  const ephemeralContainers = [{ name: 'e', image: 'i' }];
  const labels = { a: 'b' };
  const patch = { metadata: { labels }, spec: { ephemeralContainers } };
  const { status, body } = await api.call(
    'PATCH',
    `${PODS}/p/ephemeralcontainers?fieldManager=one`,
    patch,
    MERGE,
  );
  assert.deepEqual([status, body.metadata.labels], [200, undefined]);
  const applied = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p', labels: { q: 'c' } } };
  const refused = await api.call('PATCH', `${PODS}/p/ephemeralcontainers?fieldManager=two`, applied, APPLY);
  assert.deepEqual(
    [refused.status, refused.body.message],
    [
      409,
      'Apply failed with 1 conflict: conflict with "one" with subresource "ephemeralcontainers" using v1: .metadata.labels',
    ],
  );
});

test('the status endpoint of a service range leaves its metadata alone', async () => {
  await using api = await TestServer.open();
  const range = { apiVersion: 'networking.k8s.io/v1', kind: 'ServiceCIDR', metadata: { name: 'more' } };
  await api.create(`${CIDRS}?fieldManager=maker`, { ...range, spec: { cidrs: ['10.99.0.0/24'] } });
  const patch = { metadata: { labels: { a: 'b' } }, status: { conditions: [] } };
  const { body } = await api.call('PATCH', `${CIDRS}/more/status?fieldManager=one`, patch, MERGE);
  assert.equal(body.metadata.labels, undefined);
});
