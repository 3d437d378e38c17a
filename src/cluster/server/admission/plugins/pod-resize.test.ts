import assert from 'node:assert/strict';
import { test } from 'node:test';
import { objectsAt, type JsonObject } from '../../../api/json.ts';
import { pod, TestServer, type Answer } from '../../testing/test-server.ts';

const PODS = '/api/v1/namespaces/default/pods';
const MERGE = { 'content-type': 'application/merge-patch+json' };
const STRATEGIC = { 'content-type': 'application/strategic-merge-patch+json' };

test('a resize fills in what its pod was made without, in a copy', async () => {
  await using api = await TestServer.open();
  const container = (name: string, resources?: JsonObject): JsonObject => ({ name, image: 'x', resources });
  const first = container('a', { requests: { cpu: '1' } });
  await api.create(PODS, pod('p', { containers: [first, container('b')] }));
  const limit = { type: 'Container', default: { cpu: '2' }, defaultRequest: { cpu: '1' } };
  const range = {
    apiVersion: 'v1',
    kind: 'LimitRange',
    metadata: { name: 'late' },
    spec: { limits: [limit] },
  };
  await api.create('/api/v1/namespaces/default/limitranges', range);
  const containers = [{ name: 'a', resources: { requests: { cpu: '500m' } } }];
  const resized = await api.call('PATCH', `${PODS}/p/resize`, { spec: { containers } }, STRATEGIC);
  assert.equal(resized.status, 200);
  assert.deepEqual(
    objectsAt(resized.body, 'spec', 'containers').map(({ resources }) => resources),
    [
      { requests: { cpu: '500m' }, limits: { cpu: '2' } },
      { requests: { cpu: '1' }, limits: { cpu: '2' } },
    ],
  );
});

test('the node of a pod has a say in its resizes: what it declares, and what it has', async () => {
  await using api = await TestServer.open();
  await api.create('/api/v1/nodes', { metadata: { name: 'n', labels: { 'kubernetes.io/os': 'linux' } } });
  const node = (status: JsonObject): Promise<Answer> =>
    api.call('PATCH', '/api/v1/nodes/n/status', { status }, MERGE);
  await node({ allocatable: { cpu: '2', memory: '1Gi' } });
  const asking = (name: string, requests: JsonObject): JsonObject => ({
    name,
    image: 'x',
    resources: { requests },
  });
  const spec = {
    nodeName: 'n',
    resources: { requests: { cpu: '1' } },
    initContainers: [asking('first', { cpu: '100m' })],
    containers: [asking('c', { cpu: '500m', memory: '100Mi' })],
  };
  await api.create(PODS, pod('whole', spec));
  const { resources: _none, ...plain } = spec;
  await api.create(PODS, pod('plain', plain));
  const resize = async (name: string, wish: JsonObject): Promise<unknown> => {
    const { status, body } = await api.call('PATCH', `${PODS}/${name}/resize`, { spec: wish }, STRATEGIC);
    const [cause] = objectsAt(body, 'details', 'causes');
    return status === 200 ? 200 : [body.message?.replace(/^.* is forbidden: /, ''), cause?.['reason']];
  };
  const whole = { resources: { requests: { cpu: '1500m' } } };
  const first = { initContainers: [{ name: 'first', resources: { requests: { cpu: '200m' } } }] };
  const of = (requests: JsonObject): JsonObject => ({ containers: [{ name: 'c', resources: { requests } }] });
  const [POD, INIT] = ['InPlacePodLevelResourcesVerticalScaling', 'InPlacePodVerticalScalingInitContainers'];
  const missing = (names: string): unknown => [
    `pod update requires features ${names} which are not available on node "n"`,
    undefined,
  ];
  assert.deepEqual(await resize('whole', { ...whole, ...first }), missing(`${POD}, ${INIT}`));
  assert.deepEqual(await resize('whole', { resources: { requests: { cpu: '1000m' } } }), 200);
  assert.deepEqual(await resize('whole', of({ cpu: '600m' })), 200);
  await node({ declaredFeatures: [POD] });
  assert.deepEqual(await resize('whole', { ...whole, ...first }), missing(INIT));
  assert.deepEqual(await resize('whole', whole), 200);
  const short = "node didn't have enough allocatable resources:";
  assert.deepEqual(await resize('plain', of({ cpu: '2001m', memory: '2Gi' })), [
    `${short} cpu, requested: 2001, allocatable: 2000; memory, requested: 2147483648, allocatable: 1073741824`,
    'NodeCapacity',
  ]);
  assert.deepEqual(await resize('plain', of({ cpu: '2', memory: '1Gi' })), 200);
  await api.call(
    'PATCH',
    '/api/v1/nodes/n',
    { metadata: { labels: { 'kubernetes.io/os': 'windows' } } },
    MERGE,
  );
  assert.deepEqual(await resize('plain', of({ cpu: '1' })), [
    'pod resize is only supported on linux nodes, node "n" is "windows"',
    'UnsupportedPlatform',
  ]);
  await api.call('DELETE', '/api/v1/nodes/n');
  assert.deepEqual(await resize('plain', of({ cpu: '1' })), ['node "n" not found', undefined]);
});
