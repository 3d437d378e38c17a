/** What clients discover and read about servers behind this one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { systemClock } from '../../../base/clock.ts';
import { eventually } from '../../../../test/fixtures/eventually.ts';
import { objectAt, objectsAt, stringAt } from '../../api/json.ts';
import type { UserInfo } from '../../api/transport.ts';
import { wholeBody } from '../encoding/list-body.ts';
import {
  ask,
  FLUNDERS,
  NAME,
  registered,
  SERVICES,
  text,
  wardle,
} from '../../../../test/fixtures/aggregation.ts';

const MERGE = { 'content-type': 'application/merge-patch+json' };

test('discovery shows what is served elsewhere, in the order of priorities', async () => {
  await using both = await registered();
  const { server, backend } = both;
  const version = await eventually('discovery', async () => {
    const found = await wardle(server);
    return found?.['freshness'] === 'Current' && found;
  });
  assert.deepEqual(version['resources'], [
    {
      resource: 'flunders',
      responseKind: { group: 'wardle.example.com', version: 'v1alpha1', kind: 'Flunder' },
      scope: 'Namespaced',
      singularResource: 'flunder',
      verbs: ['create', 'delete', 'get', 'list', 'watch'],
      shortNames: ['fl'],
      subresources: [
        {
          subresource: 'status',
          responseKind: { group: 'wardle.example.com', version: 'v1alpha1', kind: 'Flunder' },
          verbs: ['create', 'delete', 'get', 'list', 'watch'],
        },
      ],
    },
  ]);
  const { body } = await server.call('GET', '/apis');
  const names = objectsAt(body, 'groups').map((group) => stringAt(group, 'name'));
  assert.deepEqual(names.slice(0, 3), ['apiregistration.k8s.io', 'apps', 'events.k8s.io']);
  assert.equal(names.at(-1), 'wardle.example.com');
  const group = await server.call('GET', '/apis/wardle.example.com');
  assert.equal(group.body.kind, 'APIGroup');
  assert.equal(stringAt(group.body, 'preferredVersion', 'version'), 'v1alpha1');
  const list = await server.call('GET', '/apis/wardle.example.com/v1alpha1');
  assert.equal(list.body.kind, 'APIResourceList');

  // A newer backend says it in the newer way.
  backend.answerJson(
    '/apis',
    {
      kind: 'APIGroupDiscoveryList',
      apiVersion: 'apidiscovery.k8s.io/v2',
      items: [
        {
          metadata: { name: 'wardle.example.com' },
          versions: [{ version: 'v1alpha1', resources: [{ resource: 'fischers', scope: 'Cluster' }] }],
        },
      ],
    },
    { 'content-type': 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList' },
  );
  await server.call('PATCH', `${SERVICES}/${NAME}`, { spec: { groupPriorityMinimum: 17_790 } }, MERGE);
  await eventually('the new discovery', async () => {
    return stringAt(objectsAt(await wardle(server), 'resources')[0], 'resource') === 'fischers';
  });
  const moved = await server.call('GET', '/apis');
  assert.equal(
    objectsAt(moved.body, 'groups').findIndex(({ name }) => name === 'wardle.example.com'),
    2,
  );
  await server.call('DELETE', `${SERVICES}/${NAME}`);
  assert.equal(await wardle(server), undefined);
  assert.equal((await ask(server, FLUNDERS)).status, 404);
});

test('descriptions of both servers are one', async () => {
  await using both = await registered();
  const { server, backend } = both;
  const openApiPath = '/openapi/v3/apis/wardle.example.com/v1alpha1';
  backend.answerJson('/openapi/v3', {
    paths: { 'apis/wardle.example.com/v1alpha1': { serverRelativeURL: `${openApiPath}?hash=ABC` } },
  });
  backend.answerJson(openApiPath, { openapi: '3.0.0', info: { title: 'Wardle' } });
  const schema = { type: 'object', properties: { spec: { $ref: '#/definitions/io.k8s.api.core.v1.Pod' } } };
  backend.answerJson('/openapi/v2', {
    swagger: '2.0',
    paths: {
      [`${FLUNDERS}/{name}`]: {
        get: {
          responses: { 200: { description: 'OK', schema: { $ref: '#/definitions/com.example.Flunder' } } },
        },
      },
      '/apis/apps/v1/deployments': { get: { description: 'not its business' } },
    },
    definitions: {
      'com.example.Flunder': schema,
      'io.k8s.api.core.v1.Pod': { type: 'object', description: 'no pod of ours' },
      'com.example.Unused': { type: 'object' },
    },
  });
  await server.call('PATCH', `${SERVICES}/${NAME}`, { metadata: { labels: { a: 'b' } } }, MERGE);
  await eventually('the index', async () => {
    const { body } = await server.call('GET', '/openapi/v3');
    const entry = objectAt(body, 'paths')['apis/wardle.example.com/v1alpha1'];
    return stringAt(entry, 'serverRelativeURL') === `${openApiPath}?hash=ABC`;
  });
  const jane: UserInfo = { name: 'jane', groups: ['system:authenticated'] };
  const described = await server.server.handle(
    { method: 'GET', url: `${openApiPath}?hash=ABC`, headers: {} },
    jane,
  );
  assert.match(await text(described), /Wardle/);
  assert.equal(backend.seen.at(-1)?.headers['x-remote-user'], 'system:kube-aggregator');

  const { body } = await server.call('GET', '/openapi/v2');
  assert.ok(objectAt(body, 'paths')[`${FLUNDERS}/{name}`]);
  assert.notEqual(
    stringAt(objectAt(body, 'paths', '/apis/apps/v1/deployments'), 'get', 'description'),
    'not its business',
  );
  const definitions = objectAt(body, 'definitions');
  assert.equal(stringAt(definitions['io.k8s.api.core.v1.Pod_v2'], 'description'), 'no pod of ours');
  assert.equal(
    stringAt(definitions['com.example.Flunder'], 'properties', 'spec', '$ref'),
    '#/definitions/io.k8s.api.core.v1.Pod_v2',
  );
  assert.equal(definitions['com.example.Unused'], undefined);
  const protobuf = await ask(server, '/openapi/v2', {
    headers: { accept: 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf' },
  });
  assert.equal(protobuf.status, 200);
  assert.ok(Buffer.from(await wholeBody(protobuf.body)).includes('com.example.Flunder'));
});

test('a description in the older form is made into the newer one', async () => {
  await using both = await registered();
  const { server, backend } = both;
  const reference = { $ref: '#/definitions/com.example.Flunder' };
  backend.answerJson('/openapi/v2', {
    swagger: '2.0',
    info: { title: 'Wardle', version: '1' },
    paths: {
      [FLUNDERS]: {
        parameters: [{ $ref: '#/parameters/pretty-abc' }],
        post: {
          consumes: ['application/json'],
          produces: ['application/json'],
          parameters: [{ name: 'body', in: 'body', required: true, schema: reference }],
          responses: { 200: { description: 'OK', schema: reference } },
          'x-kubernetes-action': 'post',
        },
      },
    },
    parameters: { 'pretty-abc': { name: 'pretty', in: 'query', type: 'string', uniqueItems: true } },
    definitions: { 'com.example.Flunder': { type: 'object', properties: { next: reference } } },
  });
  const { body } = await server.call('GET', '/openapi/v3');
  const entry = objectAt(body, 'paths')['apis/wardle.example.com/v1alpha1'];
  const url = stringAt(entry, 'serverRelativeURL');
  assert.match(url, /^\/openapi\/v3\/apis\/wardle\.example\.com\/v1alpha1\?hash=[0-9A-F]+$/);
  const described = await server.call('GET', url);
  const next = { $ref: '#/components/schemas/com.example.Flunder' };
  const content = { 'application/json': { schema: next } };
  assert.deepEqual(described.body, {
    openapi: '3.0.0',
    info: { title: 'Wardle', version: '1' },
    paths: {
      [FLUNDERS]: {
        parameters: [{ name: 'pretty', in: 'query', schema: { type: 'string', uniqueItems: true } }],
        post: {
          'x-kubernetes-action': 'post',
          parameters: [],
          requestBody: { content, required: true },
          responses: { 200: { description: 'OK', content } },
        },
      },
    },
    components: { schemas: { 'com.example.Flunder': { type: 'object', properties: { next } } } },
  });
});

test('what a backend answers that is no object is as if it had not answered', async () => {
  let late = 0;
  await using both = await registered({
    ...systemClock,
    monotonic: () => systemClock.monotonic() + late,
  });
  const { server, backend } = both;
  const path = '/openapi/v3/apis/wardle.example.com/v1alpha1';
  const told = async (): Promise<unknown[]> => {
    const index = await server.call('GET', '/openapi/v3');
    const whole = await server.call('GET', '/openapi/v2');
    const { status } = await server.call('GET', path);
    return [
      'apis/wardle.example.com/v1alpha1' in objectAt(index.body, 'paths'),
      status,
      FLUNDERS in objectAt(whole.body, 'paths'),
    ];
  };
  for (const broken of [[], null, 'text']) {
    backend.answerJson('/openapi/v2', broken);
    assert.deepEqual(await told(), [false, 404, false]);
  }
  backend.answerJson('/openapi/v2', { swagger: '2.0', paths: { [FLUNDERS]: { get: { responses: {} } } } });
  assert.deepEqual(await told(), [true, 200, true]);
  const known = await server.raw('GET', path);
  // Asked again it says the same, in other words; and then nothing that can be read.
  const same = { paths: { [FLUNDERS]: { get: { responses: {} } } }, definitions: { Unused: {} } };
  for (const next of [same, []]) {
    late += 61_000;
    const asked = backend.seen.length;
    backend.answerJson('/openapi/v2', next);
    assert.equal((await server.raw('GET', path)).body, known.body);
    assert.ok(backend.seen.slice(asked).some(({ url }) => url === '/openapi/v2'));
  }
  assert.deepEqual(await told(), [true, 200, true]);
});
