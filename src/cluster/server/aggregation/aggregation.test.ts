import assert from 'node:assert/strict';
import { duplexPair, PassThrough } from 'node:stream';
import { test } from 'node:test';

import { eventually } from '../../../../test/fixtures/eventually.ts';
import { ManualClock, systemClock } from '../../../base/clock.ts';
import { listAt, objectsAt, stringAt, type JsonObject } from '../../api/json.ts';
import type { UserInfo } from '../../api/transport.ts';
import { TestServer } from '../testing/test-server.ts';
import {
  ask,
  condition,
  FLUNDERS,
  NAME,
  pair,
  reason,
  registered,
  SERVICES,
  text,
  wardle,
} from '../../../../test/fixtures/aggregation.ts';

test('what is served here is registered, and what definitions add', async () => {
  await using server = await TestServer.open();
  const { body } = await server.call('GET', SERVICES);
  const names = (body.items ?? []).map(({ metadata }) => metadata.name ?? '');
  assert.ok(names.includes('v1.') && names.includes('v1.apps') && names.includes('v2.autoscaling'));
  assert.ok(!names.includes('v1.apiregistration.k8s.io'));
  const core = (await server.call('GET', `${SERVICES}/v1.`)).body;
  assert.equal(core.metadata.labels?.['kube-aggregator.kubernetes.io/automanaged'], 'onstart');
  assert.deepEqual(core.spec, { version: 'v1', groupPriorityMinimum: 18_000, versionPriority: 1 });
  const local = await condition(server, 'v1.');
  assert.equal(local['reason'], 'Local');
  assert.equal(local['message'], 'Local APIServices are always available');

  const definition = {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'shirts.example.com' },
    spec: {
      group: 'example.com',
      scope: 'Namespaced',
      names: { plural: 'shirts', kind: 'Shirt' },
      versions: [
        { name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } },
      ],
    },
  };
  const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
  await server.create(definitions, definition);
  const custom = await eventually('the definition is registered', async () => {
    const found = await server.call('GET', `${SERVICES}/v1.example.com`);
    return found.status === 200 && found.body;
  });
  assert.equal(custom.metadata.labels?.['kube-aggregator.kubernetes.io/automanaged'], 'true');
  assert.deepEqual(custom.spec, {
    group: 'example.com',
    version: 'v1',
    groupPriorityMinimum: 1000,
    versionPriority: 100,
  });
  // Whoever deletes one, or changes it, gets it back.
  await server.call('DELETE', `${SERVICES}/v1.apps`);
  await eventually(
    'it is back',
    async () => (await server.call('GET', `${SERVICES}/v1.apps`)).status === 200,
  );
  await server.call('DELETE', `${definitions}/shirts.example.com`);
  await eventually('it goes with its definition', async () => {
    return (await server.call('GET', `${SERVICES}/v1.example.com`)).status === 404;
  });
});

test('an APIService without a sense is refused', async () => {
  await using server = await TestServer.open();
  const spec = { group: 'a.example.com', version: 'v1', groupPriorityMinimum: 30_000, versionPriority: 0 };
  const { status, body } = await server.call('POST', SERVICES, {
    apiVersion: 'apiregistration.k8s.io/v1',
    kind: 'APIService',
    metadata: { name: 'v2.a.example.com' },
    spec: { ...spec, caBundle: 'YWJj', insecureSkipTLSVerify: true },
  });
  assert.equal(status, 422);
  assert.equal(
    body.message,
    'APIService.apiregistration.k8s.io "v2.a.example.com" is invalid: [' +
      [
        'metadata.name: Invalid value: "v2.a.example.com": must be `spec.version+"."+spec.group`: "v1.a.example.com"',
        'spec.groupPriorityMinimum: Invalid value: 30000: must be positive and less than 20000',
        'spec.versionPriority: Invalid value: 0: must be positive and less than 1000',
        'spec.caBundle: Invalid value: "3 bytes": local APIServices may not have a caBundle',
        'spec.insecureSkipTLSVerify: Invalid value: true: local APIServices may not have insecureSkipTLSVerify',
      ].join(', ') +
      ']',
  );
});

test('requests arrive with the name of whoever asks, and with no other', async () => {
  await using both = await registered();
  const { server, backend } = both;
  backend.answers.set(FLUNDERS, (message, response) => {
    response.writeHead(message.method === 'POST' ? 201 : 200, {
      'content-type': 'application/json',
      'access-control-allow-origin': '*',
      connection: 'x-secret',
      'x-secret': 'between us',
      'x-kept': 'yes',
    });
    response.end('{"kind":"Flunder"}');
  });
  const user: UserInfo = {
    name: 'jané',
    uid: 'u-1',
    groups: ['system:masters', 'a, b'],
    extra: { 'example.com/Team': ['one', 'two'] },
  };
  const answer = await server.server.handle(
    {
      method: 'POST',
      url: `${FLUNDERS}?fieldManager=me&pretty=true`,
      headers: {
        accept: 'application/json',
        'user-agent': 'curl/8',
        authorization: 'Bearer stolen',
        'x-remote-user': 'system:admin',
        'x-remote-group': 'system:masters',
        x_remote_user: 'system:admin',
        'x-remote-extra-scopes': 'all',
        'x-remote-uid': '0',
        connection: 'keep-alive, x-hop',
        'x-hop': '1',
        'keep-alive': '5',
        te: 'trailers',
        'x-own': 'kept',
      },
      body: Buffer.from('{"a":1}'),
    },
    user,
  );
  assert.equal(answer.status, 201);
  // As it came: not indented for curl.
  assert.equal(await text(answer), '{"kind":"Flunder"}');
  assert.equal(answer.headers['x-kept'], 'yes');
  assert.equal(answer.headers['x-secret'], undefined);
  assert.equal(answer.headers['access-control-allow-origin'], undefined);
  const [seen] = backend.asked('/apis/wardle.example.com/v1alpha1');
  assert.ok(seen);
  assert.equal(seen.by, 'front-proxy-client');
  assert.equal(seen.method, 'POST');
  assert.equal(seen.url, `${FLUNDERS}?fieldManager=me&pretty=true`);
  assert.equal(seen.body, '{"a":1}');
  const { headers } = seen;
  assert.equal(Buffer.from(String(headers['x-remote-user']), 'latin1').toString('utf8'), 'jané');
  assert.deepEqual(seen.groups, ['system:masters', 'a, b']);
  assert.equal(headers['x-remote-uid'], 'u-1');
  assert.equal(headers['x-remote-extra-example.com%2fteam'], 'one, two');
  assert.equal(headers['x-own'], 'kept');
  assert.equal(headers['x-forwarded-uri'], FLUNDERS);
  for (const gone of [
    'authorization',
    'x_remote_user',
    'x-remote-extra-scopes',
    'x-hop',
    'te',
    'keep-alive',
  ]) {
    assert.equal(headers[gone], undefined, gone);
  }
});

test('this server says first who may, and as whom', async () => {
  await using both = await registered();
  const { server, backend } = both;
  const jane: UserInfo = { name: 'jane', groups: ['system:authenticated'] };
  const refused = await server.server.handle({ method: 'GET', url: FLUNDERS, headers: {} }, jane);
  assert.equal(refused.status, 403);
  assert.match(await text(refused), /User \\"jane\\" cannot list resource \\"flunders\\" in API group/);
  assert.deepEqual(backend.asked('/apis/wardle.example.com/v1alpha1'), []);
  backend.answerJson(FLUNDERS, { kind: 'FlunderList' });
  const headers = { 'impersonate-user': 'joe', 'impersonate-group': 'system:masters' };
  assert.equal((await ask(server, FLUNDERS, { headers })).status, 200);
  const [seen] = backend.asked('/apis/wardle.example.com/v1alpha1');
  assert.equal(seen?.headers['x-remote-user'], 'joe');
  assert.equal(seen?.headers['impersonate-user'], undefined);
});

test('a path that reads differently behind is not passed on', async () => {
  await using both = await registered();
  const { server, backend } = both;
  for (const bad of ['a%2Fb', '..', '%2e%2e', '.']) {
    assert.equal((await ask(server, `${FLUNDERS}/${bad}/status`)).status, 400, bad);
  }
  // What cannot be decoded names no resource and no version either.
  assert.equal((await ask(server, `${FLUNDERS}/%zz`)).status, 400);
  assert.deepEqual(backend.asked('/apis/wardle.example.com/v1alpha1'), []);
  const evil = { name: 'jane\r\nx-remote-group: system:masters', groups: ['system:masters'] };
  const answer = await server.server.handle({ method: 'GET', url: FLUNDERS, headers: {} }, evil);
  assert.equal(answer.status, 503);
  assert.match(await text(answer), /invalid header field value/);
  assert.deepEqual(backend.asked('/apis/wardle.example.com/v1alpha1'), []);
});

test('a watch comes piece by piece, and ends with its reader', async () => {
  await using both = await registered();
  const { server, backend } = both;
  const stream = new PassThrough();
  const closed = Promise.withResolvers<void>();
  backend.answers.set(FLUNDERS, (_message, response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    stream.pipe(response);
    response.on('close', () => closed.resolve());
  });
  const watch = await server.watch(`${FLUNDERS}?watch=true`);
  stream.write('{"type":"ADDED","object":{"metadata":{"name":"a"}}}\n');
  assert.deepEqual(await watch.summary(1), ['ADDED a']);
  stream.write('{"type":"DELETED","object":{"metadata":{"name":"a"}}}\n');
  assert.deepEqual(await watch.summary(1), ['DELETED a']);
  watch.stop();
  await closed.promise;
});

test('a request is over after a minute, a watch is not', async () => {
  const clock = new ManualClock();
  await using both = await registered(clock);
  const { server, backend } = both;
  const arrived = Promise.withResolvers<void>();
  backend.answers.set(FLUNDERS, (message, response) => {
    arrived.resolve();
    if (message.url?.includes('watch') === true) response.writeHead(200).flushHeaders();
  });
  const watch = await ask(server, `${FLUNDERS}?watch=true`);
  const slow = ask(server, FLUNDERS);
  await arrived.promise;
  await eventually(
    'both have arrived',
    () => backend.asked('/apis/wardle.example.com/v1alpha1').length === 2,
  );
  await clock.advance(60_000);
  const answer = await slow;
  assert.equal(answer.status, 504);
  assert.match(await text(answer), /"reason":"Timeout"/);
  const first = (watch.body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
  const silent = Symbol('silent');
  const piece = await Promise.race([first.next(), Promise.resolve(silent)]);
  assert.equal(piece, silent);
  await backend.stop();
});

test('a client that goes takes its request along', async () => {
  await using both = await registered();
  const { server, backend } = both;
  const [arrived, gone] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  backend.answers.set(FLUNDERS, (_message, response) => {
    response.on('close', () => gone.resolve());
    arrived.resolve();
  });
  const leave = new AbortController();
  const request = ask(server, FLUNDERS, { signal: leave.signal });
  await arrived.promise;
  leave.abort();
  await gone.promise;
  await request;
});

test('a connection changes its protocol', async () => {
  await using both = await registered();
  const { server, backend } = both;
  backend.onUpgrade = (_message, socket) => {
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello ',
    );
    socket.pipe(socket);
  };
  const headers = {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-protocol': 'base64url.bearer.authorization.k8s.io.c3RvbGVu, v5',
  };
  const answer = await ask(server, `${FLUNDERS}/a/exec`, { headers });
  assert.equal(answer.status, 101);
  assert.equal(answer.headers['upgrade'], 'websocket');
  const [near, far] = duplexPair();
  answer.tunnel?.(far);
  near.write('there');
  let read = '';
  for await (const part of near) {
    read += String(part);
    if (read === 'hello there') break;
  }
  const [seen] = backend.asked(FLUNDERS);
  assert.equal(seen?.headers['x-remote-user'], 'kubernetes-admin');
  assert.equal(seen?.headers['sec-websocket-protocol'], 'v5');
  assert.equal(seen?.by, 'front-proxy-client');
  backend.onUpgrade = (_message, socket) => {
    socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno');
  };
  const refused = await ask(server, `${FLUNDERS}/a/exec`, { headers });
  assert.equal(refused.status, 403);
  assert.equal(await text(refused), 'no');
});

test('a certificate of somebody else is not believed, unless nobody cares', async () => {
  await using both = await pair();
  const { server, backend } = both;
  backend.answerJson(FLUNDERS, { kind: 'FlunderList' });
  const foreign = Buffer.from(backend.asking.ca.cert).toString('base64');
  await server.create(SERVICES, backend.apiService({ caBundle: foreign }));
  // Whether it is there is asked of anybody who answers.
  await reason(server, 'Passed');
  const answer = await ask(server, FLUNDERS);
  assert.equal(answer.status, 503);
  assert.equal(
    await text(answer),
    'error trying to reach service: tls: failed to verify certificate: x509: certificate signed by unknown authority\n',
  );
  const patch = async (spec: JsonObject): Promise<void> => {
    const { status, body } = await server.call('PATCH', `${SERVICES}/${NAME}`, { spec }, MERGE);
    assert.equal(status, 200, JSON.stringify(body));
  };
  await patch({ caBundle: Buffer.from('nonsense').toString('base64') });
  const broken = await ask(server, FLUNDERS);
  assert.equal(broken.status, 500);
  assert.match(await text(broken), /^unable to load root certificates: /);
  await patch({ caBundle: null, insecureSkipTLSVerify: true });
  assert.equal((await ask(server, FLUNDERS)).status, 200);
  await patch({
    caBundle: Buffer.from(backend.own.ca.cert).toString('base64'),
    insecureSkipTLSVerify: false,
  });
  assert.equal((await ask(server, FLUNDERS)).status, 200);
  // The name must be the service's.
  await server.create('/api/v1/namespaces/default/services', {
    ...backend.service(),
    metadata: { name: 'other-api' },
  });
  await patch({ service: { name: 'other-api', namespace: 'default', port: backend.port } });
  const misnamed = await ask(server, FLUNDERS);
  assert.equal(misnamed.status, 503);
  assert.match(await text(misnamed), /x509: certificate is valid for .*, not other-api\.default\.svc\n$/);
});

const MERGE = { 'content-type': 'application/merge-patch+json' };

test('a backend goes and comes back', async () => {
  await using both = await registered();
  const { server, backend } = both;
  backend.answerJson(FLUNDERS, { kind: 'FlunderList' });
  assert.equal((await ask(server, FLUNDERS)).status, 200);
  await eventually('it has been discovered', async () => (await wardle(server))?.['freshness'] === 'Current');
  await backend.stop();
  // Nobody has noticed yet.
  const early = await ask(server, FLUNDERS);
  assert.equal(early.status, 503);
  assert.match(
    await text(early),
    /^error trying to reach service: dial tcp localhost:\d+: connect: connection refused\n$/,
  );
  const touch = async (): Promise<unknown> =>
    await server.call(
      'PATCH',
      '/api/v1/namespaces/default/services/sample-api',
      { metadata: { annotations: { touched: `${systemClock.monotonic()}` } } },
      MERGE,
    );
  await touch();
  const failed = await reason(server, 'FailedDiscoveryCheck');
  assert.equal(failed['status'], 'False');
  const url = `https://localhost:${backend.port}/apis/wardle.example.com/v1alpha1`;
  assert.equal(
    failed['message'],
    `failing or missing response from ${url}: Get "${url}": dial tcp localhost:${backend.port}: connect: connection refused`,
  );
  const down = await ask(server, FLUNDERS);
  assert.equal(down.status, 503);
  assert.equal(await text(down), 'service unavailable\n');
  const groups = await eventually('discovery is stale', async () => {
    const version = await wardle(server);
    return version?.['freshness'] === 'Stale' && version;
  });
  // What it has served last is still said.
  assert.equal(stringAt(objectsAt(groups, 'resources')[0], 'resource'), 'flunders');
  await backend.start();
  await reason(server, 'Passed');
  assert.equal((await ask(server, FLUNDERS)).status, 200);
  await eventually('discovery is fresh', async () => (await wardle(server))?.['freshness'] === 'Current');
});

test('what stands between it and its backend is said', async () => {
  await using both = await pair();
  const { server, backend } = both;
  const services = '/api/v1/namespaces/default/services';
  const spec = { service: { namespace: 'default', name: 'web', port: 7443 } };
  await server.create(SERVICES, backend.apiService(spec));
  const absent = await reason(server, 'ServiceNotFound');
  assert.equal(absent['message'], 'service/web in "default" is not present');
  assert.equal((await ask(server, FLUNDERS)).status, 503);
  const service = (port: number): JsonObject => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web' },
    spec: { ports: [{ name: 'https', port }] },
  });
  await server.create(services, service(443));
  const port = await reason(server, 'ServicePortError');
  assert.equal(port['message'], 'service/web in "default" is not listening on port 7443');
  await server.call('PATCH', `${services}/web`, { spec: service(7443)['spec'] }, MERGE);
  const slices = await reason(server, 'EndpointsNotFound');
  assert.equal(slices['message'], 'cannot find endpointslices for service/web in "default"');
  const slice = {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'web-1', labels: { 'kubernetes.io/service-name': 'web' } },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['192.0.2.1'], conditions: { ready: false } }],
    ports: [{ name: 'https', port: backend.port }],
  };
  await server.create('/apis/discovery.k8s.io/v1/namespaces/default/endpointslices', slice);
  const missing = await reason(server, 'MissingEndpoints');
  assert.equal(
    missing['message'],
    'endpointslices for service/web in "default" have no addresses with port name "https"',
  );
  // Conditions of others stay as they are, and the status is nobody's but of the status endpoint.
  const other = { type: 'StatusPatched', status: 'True', reason: 'E2E', message: 'Set from e2e test' };
  await server.call('PATCH', `${SERVICES}/${NAME}/status`, { status: { conditions: [other] } }, MERGE);
  await reason(server, 'MissingEndpoints');
  const { body } = await server.call('PATCH', `${SERVICES}/${NAME}`, { status: { conditions: [] } }, MERGE);
  assert.deepEqual(
    listAt(body.status, 'conditions').map((one) => stringAt(one, 'type')),
    ['StatusPatched', 'Available'],
  );
});

test('servers behind this one can read whom to believe', async () => {
  await using both = await pair();
  const { server, backend } = both;
  const path = '/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication';
  const { body } = await server.call('GET', path);
  assert.deepEqual(body['data'], {
    'client-ca-file': backend.asking.ca.cert,
    'requestheader-allowed-names': '["front-proxy-client"]',
    'requestheader-client-ca-file': backend.asking.frontProxyCa.cert,
    'requestheader-extra-headers-prefix': '["X-Remote-Extra-"]',
    'requestheader-group-headers': '["X-Remote-Group"]',
    'requestheader-uid-headers': '["X-Remote-Uid"]',
    'requestheader-username-headers': '["X-Remote-User"]',
  });
});
