/** What the server does to objects before it keeps them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { objectAt, objectsAt, type JsonObject } from '../../api/json.ts';
import { minimalObject } from '../../api/testing/minimal-objects.ts';
import { TestServer } from '../testing/test-server.ts';

const AUTOSCALERS = '/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers';
const DEPLOYMENTS = '/apis/apps/v1/namespaces/default/deployments';
const CLASSES = '/apis/scheduling.k8s.io/v1/priorityclasses';
const LEASES = '/apis/coordination.k8s.io/v1/namespaces/default/leases';
const SLICES = '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices';
const HINT = 'autoscaling.alpha.kubernetes.io/';

function minimal(group: string, kind: string, version = 'v1'): JsonObject {
  const object = minimalObject({ group, version, kind });
  assert.ok(object);
  return object;
}

test('a lease has nothing of elections that nobody coordinates', async () => {
  await using api = await TestServer.open();
  const lease = minimal('coordination.k8s.io', 'Lease');
  const spec = { holderIdentity: 'a', strategy: 'OldestEmulationVersion', preferredHolder: 'b' };
  const { spec: kept } = await api.create(LEASES, { ...lease, spec });
  assert.deepEqual(kept, { holderIdentity: 'a' });
});

test('the topology of an older version is not written, and labels count as wishes', async () => {
  await using api = await TestServer.open();
  const slice = minimal('discovery.k8s.io', 'EndpointSlice');
  const endpoints = [{ addresses: ['10.0.0.1'], deprecatedTopology: { 'kubernetes.io/hostname': 'a' } }];
  const created = await api.create(SLICES, { ...slice, endpoints });
  const [endpoint] = objectsAt(created, 'endpoints');
  assert.deepEqual([endpoint?.['deprecatedTopology'], endpoint?.['nodeName']], [undefined, undefined]);
  const labels = { 'kubernetes.io/service-name': 'web' };
  const { body } = await api.call('PUT', `${SLICES}/web`, {
    ...created,
    metadata: { ...created.metadata, labels },
  });
  assert.equal(body.metadata.generation, 2);
});

test('each version of an autoscaler leaves out other fields of a status that says nothing', async () => {
  await using api = await TestServer.open();
  const object = minimal('autoscaling', 'HorizontalPodAutoscaler');
  const { status } = await api.create(AUTOSCALERS, object);
  assert.deepEqual(status, { currentReplicas: 0, desiredReplicas: 0 });
  const newer = AUTOSCALERS.replace('/v1/', '/v2/');
  const other = { ...minimal('autoscaling', 'HorizontalPodAutoscaler', 'v2'), metadata: { name: 'other' } };
  const { status: now } = await api.create(newer, other);
  assert.deepEqual(now, { desiredReplicas: 0, currentMetrics: null });
});

test("changes of a deployment's annotations are counted, of its labels not", async () => {
  await using api = await TestServer.open();
  const { metadata } = await api.create(DEPLOYMENTS, minimal('apps', 'Deployment'));
  const change = async (more: object): Promise<unknown> => {
    const patch = { 'content-type': 'application/merge-patch+json' };
    const path = `${DEPLOYMENTS}/${metadata.name}`;
    return (await api.call('PATCH', path, { metadata: more }, patch)).body.metadata.generation;
  };
  assert.equal(await change({ labels: { a: 'b' } }), 1);
  assert.equal(await change({ annotations: { a: 'b' } }), 2);
});

test('changes of a priority class are not counted', async () => {
  await using api = await TestServer.open();
  const created = await api.create(CLASSES, minimal('scheduling.k8s.io', 'PriorityClass'));
  const { body } = await api.call('PUT', `${CLASSES}/web`, { ...created, description: 'other' });
  assert.deepEqual([created.metadata.generation, body.metadata.generation], [1, 1]);
});

test('annotations of an autoscaler stand for fields of the newer version, each in its half', async () => {
  await using api = await TestServer.open();
  const object = minimal('autoscaling', 'HorizontalPodAutoscaler');
  const policies = [{ Type: 'Pods', Value: 1, PeriodSeconds: 60 }];
  const behavior = JSON.stringify({ ScaleDown: { StabilizationWindowSeconds: 30, Policies: policies } });
  const conditions = JSON.stringify([{ type: 'AbleToScale', status: 'True' }]);
  const annotations = { [`${HINT}behavior`]: behavior, [`${HINT}conditions`]: conditions };
  const metadata = { name: 'web', annotations };
  const created = await api.create(AUTOSCALERS, { ...object, metadata });
  assert.deepEqual(Object.keys(created.metadata.annotations ?? {}), [`${HINT}behavior`]);
  const said = JSON.parse(created.metadata.annotations?.[`${HINT}behavior`] ?? '{}') as JsonObject;
  assert.deepEqual(objectAt(said, 'ScaleDown')['Policies'], policies);
  const status = { currentReplicas: 1, desiredReplicas: 1 };
  const reported = await api.call('PUT', `${AUTOSCALERS}/web/status`, {
    ...created,
    metadata: { ...metadata, annotations: { [`${HINT}conditions`]: conditions } },
    status,
  });
  assert.deepEqual(Object.keys(reported.body.metadata.annotations ?? {}).toSorted(), [
    `${HINT}behavior`,
    `${HINT}conditions`,
  ]);
  const empty = { ScaleDown: { StabilizationWindowSeconds: 30 } };
  const refused = await api.call('POST', AUTOSCALERS, {
    ...object,
    metadata: { name: 'other', annotations: { [`${HINT}behavior`]: JSON.stringify(empty) } },
  });
  assert.match(refused.body.message ?? '', /spec\.behavior\.scaleDown\.policies: Required value/);
});

test('a volume says since when it is in its phase, whoever changes that', async () => {
  await using api = await TestServer.open();
  const volumes = '/api/v1/persistentvolumes';
  const { metadata } = await api.create(volumes, minimal('', 'PersistentVolume'));
  const since = async (status: JsonObject): Promise<unknown> => {
    const { body } = await api.call('PUT', `${volumes}/${metadata.name}/status`, { metadata, status });
    return body.status?.['lastPhaseTransitionTime'];
  };
  const first = await since({ phase: 'Pending' });
  assert.equal(first, metadata.creationTimestamp);
  delete metadata.resourceVersion;
  await api.clock.advance(5_000);
  const second = await since({ phase: 'Available' });
  assert.notEqual(second, first);
  assert.equal(await since({ phase: 'Available', message: 'm' }), second);
  const told = '2020-01-01T00:00:00Z';
  assert.equal(await since({ phase: 'Bound', lastPhaseTransitionTime: told }), told);
});

test("what is said of a policy's expressions says of which and what", async () => {
  await using api = await TestServer.open();
  const policies = '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies';
  const { metadata } = await api.create(
    policies,
    minimal('admissionregistration.k8s.io', 'ValidatingAdmissionPolicy'),
  );
  const typeChecking = { expressionWarnings: [{ fieldRef: 'spec.validations[0]', warning: '' }] };
  const { status, body } = await api.call('PUT', `${policies}/${metadata.name}/status`, {
    metadata,
    status: { typeChecking, conditions: [{ type: 'A', status: 'Maybe', reason: 'R' }] },
  });
  assert.equal(status, 422);
  assert.deepEqual(
    objectsAt(body, 'details', 'causes').map(({ field }) => field),
    [
      'status.typeChecking.expressionWarnings[0].warning',
      'status.conditions[0].status',
      'status.conditions[0].lastTransitionTime',
    ],
  );
});
