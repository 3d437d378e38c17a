import assert from 'node:assert/strict';
import { test } from 'node:test';
import { objectsAt, stringAt, type JsonObject, type JsonValue } from '../../api/json.ts';
import { TestServer, type Answer } from '../testing/test-server.ts';
import { until } from '../testing/until.ts';

const DEPLOYMENTS = '/apis/apps/v1/namespaces/default/deployments';
const MAPS = '/api/v1/namespaces/default/configmaps';
const APPLY = { 'content-type': 'application/apply-patch+yaml' };
const MERGE = { 'content-type': 'application/merge-patch+json' };
const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

const labels = { a: 'b' };
const spec = {
  replicas: 3,
  selector: { matchLabels: labels },
  template: { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'i' }] } },
};

const deployment = (rest: JsonObject): JsonObject => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'd' },
  ...rest,
});

const scale = (replicas?: number): JsonObject => ({
  apiVersion: 'autoscaling/v1',
  kind: 'Scale',
  metadata: { name: 'd' },
  spec: replicas === undefined ? {} : { replicas },
});

/** Manager, endpoint, and whether there is a time. */
async function owners(api: TestServer, url: string): Promise<readonly string[]> {
  const { body } = await api.call('GET', url);
  return objectsAt(body, 'metadata', 'managedFields').map((entry) => {
    const endpoint = stringAt(entry, 'subresource') || 'main';
    return `${stringAt(entry, 'manager')} ${endpoint}${'time' in entry ? ' then' : ''}`;
  });
}

function refusedAs({ status, body }: Answer, message: string): void {
  assert.deepEqual([status, body.message], [409, message]);
}

test('what was there before the first apply is owned at the endpoint that is applied to', async () => {
  await using api = await TestServer.open();
  await api.create(DEPLOYMENTS, deployment({ spec }));
  for (const none of [[{}], []]) {
    await api.call('PATCH', `${DEPLOYMENTS}/d`, { metadata: { managedFields: none } }, MERGE);
    assert.deepEqual(await owners(api, `${DEPLOYMENTS}/d`), [], 'nobody is kept');
    await api.call('PATCH', `${DEPLOYMENTS}/d/status`, { status: { replicas: 2 } }, MERGE);
    const status = deployment({ status: { replicas: 4 } });
    refusedAs(
      await api.call('PATCH', `${DEPLOYMENTS}/d/status?fieldManager=one`, status, APPLY),
      'Apply failed with 1 conflict: conflict with "before-first-apply" with subresource "status" using apps/v1: .status.replicas',
    );
    refusedAs(
      await api.call('PATCH', `${DEPLOYMENTS}/d/scale?fieldManager=one`, scale(5), APPLY),
      'Apply failed with 1 conflict: conflict with "before-first-apply" with subresource "scale" using autoscaling/v1: .spec.replicas',
    );
    refusedAs(
      await api.call(
        'PATCH',
        `${DEPLOYMENTS}/d?fieldManager=one`,
        deployment({ spec: { replicas: 5 } }),
        APPLY,
      ),
      'Apply failed with 1 conflict: conflict with "before-first-apply" using apps/v1: .spec.replicas',
    );
    await api.call('PATCH', `${DEPLOYMENTS}/d/status?fieldManager=one&force=true`, status, APPLY);
    assert.deepEqual(await owners(api, `${DEPLOYMENTS}/d`), ['one status then']);
  }
});

test('owners of a scale are those of the replicas, and back', async () => {
  await using api = await TestServer.open();
  await api.create(`${DEPLOYMENTS}?fieldManager=maker`, deployment({ spec }));
  const at = `${DEPLOYMENTS}/d/scale`;
  const message = (who: string): string =>
    `Apply failed with 1 conflict: conflict with "${who} using autoscaling/v1: .spec.replicas`;
  refusedAs(await api.call('PATCH', `${at}?fieldManager=one`, scale(5), APPLY), message('maker"'));
  await api.call('PATCH', `${at}?fieldManager=one&force=true`, scale(5), APPLY);
  assert.deepEqual(await owners(api, `${DEPLOYMENTS}/d`), ['one scale', 'maker main then']);
  await api.call('PUT', `${at}?fieldManager=two`, scale(6));
  assert.deepEqual(await owners(api, `${DEPLOYMENTS}/d`), ['two scale', 'maker main then']);
  refusedAs(
    await api.call('PATCH', `${at}?fieldManager=one`, scale(5), APPLY),
    message('two" with subresource "scale"'),
  );
  await api.call('PATCH', `${at}?fieldManager=one&force=true`, scale(5), APPLY);
  const given = await api.call('PATCH', `${at}?fieldManager=one`, scale(), APPLY);
  assert.deepEqual(given.body.spec, {}, 'nobody says how many');
});

test('a definition without a number of replicas is not scaled by what says none', async () => {
  await using api = await TestServer.open();
  const integer = { type: 'integer' };
  const properties = { spec: { type: 'object', properties: { count: integer } } };
  await api.create('/apis/apiextensions.k8s.io/v1/customresourcedefinitions', {
    metadata: { name: 'things.example.com' },
    spec: {
      group: 'example.com',
      names: { plural: 'things', kind: 'Thing' },
      scope: 'Namespaced',
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          subresources: { scale: { specReplicasPath: '.spec.count', statusReplicasPath: '.status.count' } },
          schema: { openAPIV3Schema: { type: 'object', properties } },
        },
      ],
    },
  });
  const things = '/apis/example.com/v1/namespaces/default/things';
  const thing: JsonObject = { apiVersion: 'example.com/v1', kind: 'Thing', metadata: { name: 'd' } };
  await until(async () => (await api.call('GET', things)).status === 200);
  await api.create(things, thing);
  const { status, body } = await api.call('PATCH', `${things}/d/scale`, { spec: {} }, MERGE);
  assert.deepEqual([status, body.message], [400, 'the spec replicas field ".spec.count" cannot be empty']);
});

test('kubectl takes over what it has applied itself and nobody has changed', async () => {
  await using api = await TestServer.open();
  const last = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'm' }, data: { a: '1', b: '2' } };
  const applied = (data: JsonValue): JsonObject => ({ ...last, data });
  await api.create(`${MAPS}?fieldManager=kubectl-client-side-apply`, {
    metadata: { name: 'm', annotations: { [LAST_APPLIED]: JSON.stringify(last) } },
    data: last.data,
  });
  await api.call('PATCH', `${MAPS}/m?fieldManager=edit`, { data: { b: '3' } }, MERGE);
  refusedAs(
    await api.call('PATCH', `${MAPS}/m?fieldManager=kubectl`, applied({ a: '5', b: '6' }), APPLY),
    'Apply failed with 1 conflict: conflict with "edit" using v1: .data.b',
  );
  const taken = await api.call('PATCH', `${MAPS}/m?fieldManager=kubectl`, applied({ a: '5' }), APPLY);
  assert.deepEqual(taken.body['data'], { a: '5', b: '3' });
  for (const nonsense of ['nonsense', JSON.stringify({ ...last, data: { a: 1 } })]) {
    await api.call(
      'PATCH',
      `${MAPS}/m`,
      { metadata: { annotations: { [LAST_APPLIED]: nonsense } }, data: { a: '7' } },
      MERGE,
    );
    assert.equal(
      (await api.call('PATCH', `${MAPS}/m?fieldManager=kubectl`, applied({ a: '8' }), APPLY)).status,
      409,
    );
  }
});
