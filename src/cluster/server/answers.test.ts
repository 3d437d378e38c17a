/** What every answer says, and how what is not there or not allowed is refused. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { objectAt, objectsAt, stringAt, type JsonObject } from '../api/json.ts';
import { kindSchema } from '../api/schema.ts';
import { PROTOBUF } from './encoding/negotiate.ts';
import { decodeProtobuf, openEnvelope } from './encoding/protobuf.ts';
import { warningHeader } from './encoding/respond.ts';
import { deployment, pod, TestServer } from './testing/test-server.ts';

test('every answer says which request it is for, and that it is not to be kept', async () => {
  await using api = await TestServer.open();
  for (const url of ['/api/v1/pods', '/api/v1/namespaces/default/pods/missing', '/nowhere', '/healthz']) {
    const { headers } = await api.raw('GET', url);
    assert.match(headers['audit-id'] ?? '', /^[0-9a-f-]{36}$/, url);
    assert.equal(headers['cache-control'], 'no-cache, private', url);
  }
  const { headers } = await api.call('GET', '/api/v1/pods/x', undefined, { 'audit-id': 'mine' });
  assert.equal(headers['audit-id'], 'mine');
});

test('refusals say what they were taken for, as other answers do', async () => {
  await using api = await TestServer.open();
  const { status, headers } = await api.call('GET', '/api/v1/namespaces/default/pods/missing');
  assert.equal(status, 404);
  assert.notEqual(headers['x-kubernetes-pf-flowschema-uid'], undefined);
});

test('paths that nothing is below get a page, others a Status', async () => {
  await using api = await TestServer.open();
  for (const url of ['/nowhere', '/apis/nowhere/v1/things', '/apis/nowhere', '/openapi/v2/x']) {
    const { status, headers, body } = await api.call('GET', url);
    assert.deepEqual([status, body.message], [404, '404 page not found\n'], url);
    assert.equal(headers['x-content-type-options'], 'nosniff');
  }
  for (const url of ['/api/v1/things', '/apis/apps/v2', '/api/v1/namespaces/default/configmaps/a/status']) {
    const { status, body } = await api.call('GET', url);
    assert.deepEqual([status, body.reason, body['details']], [404, 'NotFound', {}], url);
  }
});

test('methods that are not allowed', async () => {
  await using api = await TestServer.open();
  for (const [method, url] of [
    ['POST', '/api/v1/pods'],
    ['DELETE', '/api/v1/pods'],
    ['PUT', '/api/v1/namespaces/default/pods'],
    ['HEAD', '/api/v1/namespaces/default/pods'],
    ['HEAD', '/api/v1'],
    ['OPTIONS', '/api'],
    ['POST', '/version'],
    ['POST', '/api/v1'],
    ['GET', '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews'],
  ] as const) {
    const { status, body } = await api.call(method, url, {});
    assert.deepEqual(
      [status, body.reason, body['details']],
      [405, 'MethodNotAllowed', {}],
      `${method} ${url}`,
    );
  }
});

test('of what is wrong with a request that is told which upstream meets first', async () => {
  await using api = await TestServer.open();
  const maps = '/api/v1/namespaces/default/configmaps';
  const list = { accept: 'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io' };
  const merge = { 'content-type': 'application/merge-patch+json' };
  const map = { metadata: { name: 'a' } };
  const status = async (...call: Parameters<typeof api.call>): Promise<number> =>
    (await api.call(...call)).status;
  // What is not there cannot be shown wrongly; what is done is done.
  assert.equal(await status('GET', `${maps}/a`, undefined, list), 404);
  assert.equal(await status('POST', maps, map, list), 406);
  assert.equal(await status('GET', `${maps}/a`), 200);
  assert.equal(await status('GET', `${maps}/a`, undefined, list), 406);
  assert.equal(await status('DELETE', `${maps}/a`, undefined, list), 200);
  const patch = async (path: string, body: string): Promise<number> =>
    (await api.raw('PATCH', path, { headers: merge, body: Buffer.from(body) })).status;
  assert.equal(await patch(`${maps}/a`, '{'), 404);
  await api.create(maps, map);
  assert.equal(await patch(`${maps}/a`, '{'), 400);
  // Options of a write come after the types of both bodies, and before what is in them.
  const wrong = `${maps}?dryRun=Twist`;
  assert.equal(await status('POST', wrong, map, { accept: 'image/png' }), 406);
  assert.equal(await status('POST', wrong, map, { 'content-type': 'text/plain' }), 415);
  assert.equal(await status('POST', wrong, { kind: 'Pod' }), 422);
  assert.equal(await status('PATCH', `${maps}/a?dryRun=Twist`, {}, { 'content-type': 'text/plain' }), 415);
  assert.equal(await status('PUT', `${maps}?dryRun=Twist`, map), 405);
});

test('of deprecation those are warned whom the router lets through', async () => {
  await using api = await TestServer.open();
  const endpoints = '/api/v1/namespaces/default/endpoints';
  for (const [method, url, accept, warned] of [
    ['GET', `${endpoints}/none`, '*/*', true],
    ['GET', endpoints, 'image/png', false],
    ['POST', `${endpoints}/none`, '*/*', false],
    ['GET', `${endpoints}/a/status`, '*/*', false],
  ] as const) {
    const { headers } = await api.call(method, url, undefined, { accept });
    assert.equal(headers['warning'] !== undefined, warned, `${method} ${url}`);
  }
});

test('what tells of groups heeds no method, and says itself what it can be', async () => {
  await using api = await TestServer.open();
  for (const url of ['/apis', '/apis/apps']) {
    assert.equal((await api.call('POST', url, {})).status, 200, url);
    const { status, body } = await api.call('GET', url, undefined, { accept: 'application/xml' });
    assert.equal(status, 406);
    assert.match(body.message ?? '', /^only the following media types are accepted: /);
  }
});

test('a path is what its segments are', async () => {
  await using api = await TestServer.open();
  const namespace = '/api/v1/namespaces/default';
  await api.create(`${namespace}/configmaps`, { metadata: { name: 'a' } });
  assert.equal((await api.call('GET', '/api/v1/namespaces//configmaps')).body.items?.length, 2);
  assert.equal((await api.call('GET', '//api/v1/pods')).body.message, '404 page not found\n');
  for (const [url, code, message] of [
    ['/configmaps//a', 404, 'the server could not find the requested resource'],
    ['/configmaps/..', 400, `Name parameter invalid: "..": may not be '..'`],
    ['/configmaps/.', 400, `Name parameter invalid: ".": may not be '.'`],
    ['/configmaps/a%25', 400, `Name parameter invalid: "a%": may not contain '%'`],
    ['/pods/../log', 400, `Name parameter invalid: "..": may not be '..'`],
    ['/pods//log', 400, 'name must be provided'],
  ] as const) {
    const { status, body } = await api.call('GET', namespace + url);
    assert.deepEqual([status, body.message], [code, message], url);
  }
});

test('documents of OpenAPI are for who takes them, at the path of their hash', async () => {
  await using api = await TestServer.open();
  const index = await api.call('GET', '/openapi/v3', undefined, { 'user-agent': 'curl/8' });
  assert.equal(index.headers['content-type'], 'text/plain; charset=utf-8');
  const paths = (index.body as unknown as { paths: Record<string, { serverRelativeURL: string }> }).paths;
  const url = paths['apis/apps/v1']!.serverRelativeURL;
  assert.deepEqual(Object.keys(paths), Object.keys(paths).toSorted());
  for (const path of ['api', 'apis', 'apis/apps', 'openid/v1/jwks', 'version']) {
    const { status, body } = await api.call('GET', paths[path]!.serverRelativeURL);
    assert.deepEqual([status, Object.keys(objectAt(body, 'paths'))], [200, [`/${path}/`]]);
  }
  const apps = '/openapi/v3/apis/apps/v1';
  const whole = await api.raw('GET', url, { headers: { 'user-agent': 'curl/8' } });
  assert.equal(whole.headers['cache-control'], 'public, immutable, max-age=31536000');
  assert.doesNotMatch(Buffer.from(whole.body as Uint8Array).toString('utf8', 0, 100), /\n/);
  const moved = await api.raw('GET', `${apps}?hash=0`, {});
  assert.deepEqual([moved.status, moved.headers['location']], [301, url]);
  const etag = whole.headers['etag']!;
  const none = async (path: string, headers: Record<string, string> = {}): Promise<unknown[]> => {
    const { status, body } = await api.raw('GET', path, { headers });
    return [status, (body as Uint8Array).length];
  };
  assert.deepEqual(await none(apps, { 'if-none-match': etag }), [304, 0]);
  assert.deepEqual(await none(apps, { accept: 'application/xml' }), [406, 0]);
  assert.deepEqual(await none('/openapi/v2', { accept: 'application/xml' }), [406, 0]);
  for (const path of ['/openapi/v3/', `${apps}/`, '/openapi/v3/apis/nowhere/v1'])
    assert.deepEqual(await none(path), [404, 0], path);
});

test('a Status is never shown as what was asked for', async () => {
  await using api = await TestServer.open();
  const accept = `${PROTOBUF};as=Table;v=v1;g=meta.k8s.io`;
  const { status, headers } = await api.raw('GET', '/api/v1/nodes/missing', { headers: { accept } });
  assert.deepEqual([status, headers['content-type']], [406, 'application/json']);
});

test('aggregated discovery comes as protobuf and YAML too', async () => {
  await using api = await TestServer.open();
  const as = ';g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
  const json = await api.call('GET', '/apis', undefined, { accept: `application/json${as}` });
  const { headers, body } = await api.raw('GET', '/apis', { headers: { accept: PROTOBUF + as } });
  assert.equal(headers['content-type'], PROTOBUF + as);
  const list = kindSchema('apidiscovery.k8s.io', 'v2', 'APIGroupDiscoveryList')!;
  const resourcesIn = (document: JsonObject): unknown =>
    objectsAt(document, 'items').map((group) => [
      stringAt(group, 'metadata', 'name'),
      objectsAt(group, 'versions').map((version) =>
        objectsAt(version, 'resources').map(({ resource }) => resource),
      ),
    ]);
  const decoded = decodeProtobuf(openEnvelope(body as Uint8Array, 'list'), list);
  assert.deepEqual(resourcesIn(decoded), resourcesIn(json.body));
  const yaml = await api.raw('GET', '/apis', { headers: { accept: `application/yaml${as}` } });
  assert.equal(yaml.headers['content-type'], `application/yaml${as}`);
  assert.equal(json.status, 200);
});

test('discovery comes as protobuf too', async () => {
  await using api = await TestServer.open();
  for (const url of ['/api', '/apis', '/apis/apps', '/apis/apps/v1']) {
    const { status, headers, body } = await api.raw('GET', url, { headers: { accept: PROTOBUF } });
    assert.deepEqual([status, headers['content-type']], [200, PROTOBUF], url);
    assert.equal(
      Buffer.from(body as Uint8Array)
        .subarray(0, 4)
        .toString('latin1'),
      'k8s\0',
    );
  }
});

test('aggregated discovery names the version of a kind where it is another one', async () => {
  await using api = await TestServer.open();
  const accept = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
  const { body } = await api.call('GET', '/apis', undefined, { accept });
  const apps = objectsAt(body, 'items').find(
    ({ metadata }) => (metadata as { name: string }).name === 'apps',
  );
  const [version] = objectsAt(apps, 'versions');
  const deployments = objectsAt(version, 'resources').find(({ resource }) => resource === 'deployments');
  assert.deepEqual(deployments?.['responseKind'], { group: '', version: '', kind: 'Deployment' });
  assert.deepEqual(
    objectsAt(deployments, 'subresources').map(({ responseKind }) => responseKind),
    [
      { group: 'autoscaling', version: 'v1', kind: 'Scale' },
      { group: '', version: '', kind: 'Deployment' },
    ],
  );
});

test('the root lists paths', async () => {
  await using api = await TestServer.open();
  const { paths } = (await api.call('GET', '/')).body as unknown as { paths: string[] };
  for (const path of ['/api/v1', '/apis/apps', '/apis/apps/v1', '/healthz/ping', '/readyz/shutdown'])
    assert.ok(paths.includes(path), path);
  assert.ok(!paths.includes('/livez/shutdown'));
  assert.deepEqual(paths, paths.toSorted());
});

test('what is written below an object must be named as it is', async () => {
  await using api = await TestServer.open();
  const all = '/apis/apps/v1/namespaces/default/deployments';
  await api.create(all, deployment('d'));
  await api.create('/api/v1/namespaces/default/pods', pod('p'));
  const [scale, binding] = [`${all}/d/scale`, '/api/v1/namespaces/default/pods/p/binding'];
  const spec = { replicas: 1 };
  const target = { name: 'n' };
  for (const [method, url, body, status] of [
    ['PUT', scale, { spec }, 400],
    ['PUT', scale, { metadata: { name: 'e' }, spec }, 400],
    ['PUT', scale, { metadata: { name: 'd', namespace: 'x' }, spec }, 400],
    ['PUT', scale, { metadata: { name: 'd', uid: 'x' }, spec }, 409],
    ['PUT', scale, { metadata: { name: 'd' }, spec }, 200],
    ['POST', binding, { target }, 400],
    ['POST', binding, { metadata: { name: 'q' }, target }, 400],
    ['POST', binding, { metadata: { name: 'p' }, target: {} }, 500],
    ['POST', binding, { metadata: { name: 'p' }, target }, 201],
    ['PUT', '/api/v1/namespaces/default/finalize', { metadata: { name: 'x' } }, 400],
  ] as const) {
    const answer = await api.call(method, url, body);
    assert.equal(answer.status, status, `${method} ${url} ${JSON.stringify(body)}: ${answer.body.message}`);
  }
  const none = await api.call('PUT', scale, { metadata: { name: 'd' }, spec: { replicas: 0 } });
  assert.deepEqual(none.body.spec, {});
});

test('warnings that no header can carry are left out, and too many are cut', () => {
  assert.deepEqual(warningHeader(['', 'a\nb']), {});
  assert.deepEqual(warningHeader(['"a"', '"a"', 'ü']), { warning: '299 - "\\"a\\"", 299 - "Ã¼"' });
  const { warning = '' } = warningHeader([
    'a'.repeat(5000),
    'b',
    ...Array.from({ length: 50 }, (_, i) => `${i}`.padEnd(300)),
  ]);
  assert.match(warning, /^299 - "a{256}", 299 - "b", 299 - "0 {255}"/);
  assert.equal(warning.split(', ').length, 17);
});
