/** Requests that somebody else answers, on a server whose nodes write down what they are asked. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { ApiRequest, ApiResponse } from '../../../api/transport.ts';
import type { AdmissionRequest } from '../../admission/admission.ts';
import { TestServer } from '../../testing/test-server.ts';
import { parseName } from './proxy.ts';

const PODS = '/api/v1/namespaces/default/pods';
const UPGRADE = { connection: 'Upgrade', upgrade: 'websocket', authorization: 'Bearer secret' };

interface Fixture {
  readonly api: TestServer;
  readonly asked: ApiRequest[];
  readonly connects: AdmissionRequest[];
}

async function open(answer: Partial<ApiResponse> & { readonly status: number }): Promise<Fixture> {
  const asked: ApiRequest[] = [];
  const connects: AdmissionRequest[] = [];
  const api = await TestServer.open({
    nodes: (name) =>
      name === 'n1'
        ? {
            request: async (request) => (
              asked.push(request),
              { headers: {}, body: new Uint8Array(0), ...answer }
            ),
          }
        : undefined,
    admission: [
      {
        name: 'Listener',
        handles: ({ operation }) => operation === 'CONNECT',
        validate: (request) => void connects.push(request),
      },
    ],
  });
  await api.call('POST', PODS, {
    metadata: { name: 'p' },
    spec: { nodeName: 'n1', containers: [{ name: 'main', image: 'i' }] },
  });
  return { api, asked, connects };
}

test('exec is admitted as PodExecOptions and asked of the node, without the credentials', async () => {
  const tunnel = (): void => {};
  const { api, asked, connects } = await open({ status: 101, tunnel });
  await using stack = new AsyncDisposableStack();
  stack.use(api);
  const url = `${PODS}/p/exec?command=ls&command=-l&stdout=true&stderr=1&tty=false`;
  const answer = await api.raw('GET', url, { headers: UPGRADE });
  assert.equal(answer.tunnel, tunnel);
  assert.equal(asked[0]!.url, '/exec/default/p/main?output=1&error=1&command=ls&command=-l');
  assert.deepEqual(asked[0]!.headers, { connection: 'Upgrade', upgrade: 'websocket' });
  const { operation, subresource, name, object } = connects[0]!;
  assert.deepEqual([operation, subresource, name], ['CONNECT', 'exec', 'p']);
  assert.deepEqual(JSON.parse(JSON.stringify(object)), {
    kind: 'PodExecOptions',
    apiVersion: 'v1',
    stdout: true,
    stderr: true,
    command: ['ls', '-l'],
  });
});

test('a stream is wanted by who may create it, whatever the method', async () => {
  const { api } = await open({ status: 101, tunnel: () => {} });
  await using stack = new AsyncDisposableStack();
  stack.use(api);
  const rules = [{ apiGroups: [''], resources: ['pods/exec'], verbs: ['get'] }];
  const rbac = '/apis/rbac.authorization.k8s.io/v1/namespaces/default';
  await api.call('POST', `${rbac}/roles`, { metadata: { name: 'r' }, rules });
  await api.call('POST', `${rbac}/rolebindings`, {
    metadata: { name: 'r' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'r' },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'eve' }],
  });
  const request = { method: 'GET', url: `${PODS}/p/exec?command=ls&stdout=1`, headers: UPGRADE } as const;
  const answer = await api.server.handle(request, { name: 'eve', groups: ['system:authenticated'] });
  assert.equal(answer.status, 403);
  assert.match(
    Buffer.from(answer.body as Uint8Array).toString(),
    /User \\"eve\\" cannot create resource \\"pods\/exec\\" in API group/,
  );
});

test('what is missing is said before a node is asked', async () => {
  const { api, asked } = await open({ status: 101, tunnel: () => {} });
  await using stack = new AsyncDisposableStack();
  stack.use(api);
  await api.call('POST', PODS, {
    metadata: { name: 'free' },
    spec: { containers: [{ name: 'main', image: 'i' }] },
  });
  const cases = [
    ['p/exec?command=ls&container=other', 400, 'container other is not valid for pod p'],
    ['absent/attach', 404, 'pods "absent" not found'],
    ['free/portforward', 400, 'pod free does not have a host assigned'],
    ['p/attach', 400, 'Upgrade request required'],
    ['free/log', 204, ''],
    ['p/log?stream=Stdout', 422, /^PodLogOptions "p" is invalid: stream: Forbidden: may not be specified/],
    ['p/log?tailLines=-1', 422, /tailLines: Invalid value: -1: must be greater than or equal to 0/],
  ] as const;
  for (const [path, status, message] of cases) {
    const { status: answered, body } = await api.call('GET', `${PODS}/${path}`);
    assert.equal(answered, status, path);
    if (typeof message === 'string') assert.equal(body.message, message);
    else assert.match(body.message ?? '', message);
  }
  assert.deepEqual(asked, []);
});

test("a node's refusal becomes a Status", async () => {
  const { api } = await open({ status: 500, body: Buffer.from('container not found ("main")') });
  await using stack = new AsyncDisposableStack();
  stack.use(api);
  const { status, body } = await api.raw('POST', `${PODS}/p/attach?stdout=true`, { headers: UPGRADE });
  assert.equal(status, 500);
  assert.match(
    Buffer.from(body as Uint8Array).toString(),
    /unable to upgrade connection: container not found/,
  );
});

test('a proxied path reaches a node as it was written', async () => {
  const { api, asked, connects } = await open({ status: 200, body: Buffer.from('ok') });
  await using stack = new AsyncDisposableStack();
  stack.use(api);
  await api.call('POST', '/api/v1/nodes', { metadata: { name: 'n1' } });
  const { body } = await api.raw('GET', '/api/v1/nodes/n1/proxy/a%2Fb//c/?watch=true&x=1');
  assert.equal(Buffer.from(body as Uint8Array).toString(), 'ok');
  assert.equal(asked[0]!.url, '/a%2Fb//c/?watch=true&x=1');
  assert.equal(connects[0]!.object!['path'], '/a/b//c/');
  const bare = await api.raw('GET', '/api/v1/nodes/n1/proxy?x=1');
  assert.deepEqual([bare.status, bare.headers['location']], [301, '/api/v1/nodes/n1/proxy/?x=1']);
});

test('names with scheme and port', () => {
  assert.deepEqual(parseName('web'), { scheme: 'http', name: 'web', port: '' });
  assert.deepEqual(parseName('web:80'), { scheme: 'http', name: 'web', port: '80' });
  assert.deepEqual(parseName('https:web:tls'), { scheme: 'https', name: 'web', port: 'tls' });
  assert.deepEqual(parseName('https:web:'), { scheme: 'https', name: 'web', port: '' });
  for (const bad of ['', ':80', 'ftp:web:80', 'a:b:c:d']) assert.equal(parseName(bad), undefined, bad);
});

test('an ephemeral container comes, and nothing else changes with it', async () => {
  const { api } = await open({ status: 200 });
  await using stack = new AsyncDisposableStack();
  stack.use(api);
  const { body: pod } = await api.call('GET', `${PODS}/p`);
  const visitor = {
    name: 'look',
    image: 'i',
    imagePullPolicy: 'IfNotPresent',
    terminationMessagePolicy: 'File',
  };
  const sent = {
    ...pod,
    metadata: { ...pod.metadata, labels: { a: 'b' } },
    spec: { ...pod.spec, ephemeralContainers: [visitor], priority: 7 },
  };
  const put = await api.call('PUT', `${PODS}/p/ephemeralcontainers`, sent);
  assert.equal(put.status, 200, JSON.stringify(put.body));
  const { spec = {}, metadata } = put.body;
  assert.equal((spec['ephemeralContainers'] as { name: string }[])[0]!.name, 'look');
  assert.deepEqual(
    [metadata.labels, spec['priority'], metadata.generation],
    [undefined, pod.spec?.['priority'], 2],
  );
  const gone = await api.call('PUT', `${PODS}/p/ephemeralcontainers`, {
    ...pod,
    metadata: put.body.metadata,
  });
  assert.equal(gone.status, 422);
});

test('a resize changes cpu and memory alone, and not the class of the pod', async () => {
  const { api } = await open({ status: 200 });
  await using stack = new AsyncDisposableStack();
  stack.use(api);
  const container = { name: 'main', image: 'i', resources: { requests: { cpu: '100m' } } };
  await api.create('/api/v1/nodes', { metadata: { name: 'n1' } });
  const status = { allocatable: { cpu: '1' } };
  const merge = { 'content-type': 'application/merge-patch+json' };
  await api.call('PATCH', '/api/v1/nodes/n1/status', { status }, merge);
  await api.call('POST', PODS, {
    metadata: { name: 'r' },
    spec: { nodeName: 'n1', containers: [container] },
  });
  const resize = (requests: object) =>
    api.call(
      'PATCH',
      `${PODS}/r/resize`,
      { spec: { containers: [{ name: 'main', image: 'other', resources: { requests } }] } },
      {
        'content-type': 'application/strategic-merge-patch+json',
      },
    );
  const done = await resize({ cpu: '200m' });
  assert.equal(done.status, 200, JSON.stringify(done.body));
  const [now] = done.body.spec!['containers'] as { image: string; resources: object }[];
  assert.deepEqual([now!.image, now!.resources], ['i', { requests: { cpu: '200m' } }]);
  const main = await api.call('PUT', `${PODS}/r`, {
    ...done.body,
    spec: { ...done.body.spec, containers: [{ ...now, resources: {} }] },
  });
  assert.equal(main.status, 422);
});
