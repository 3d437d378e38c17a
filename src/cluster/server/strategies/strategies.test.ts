import assert from 'node:assert/strict';
import { test } from 'node:test';
import { getPath, objectsAt, stringAt, type JsonObject } from '../../api/json.ts';
import { CERTIFICATE, minimalObject } from '../../api/testing/minimal-objects.ts';
import { TestServer } from '../testing/test-server.ts';

const JOBS = '/apis/batch/v1/namespaces/default/jobs';
const REQUESTS = '/apis/certificates.k8s.io/v1/certificatesigningrequests';
const AUTOSCALERS = (version: string): string =>
  `/apis/autoscaling/${version}/namespaces/default/horizontalpodautoscalers`;

function minimal(group: string, kind: string, version = 'v1'): JsonObject {
  const object = minimalObject({ group, version, kind });
  assert.ok(object);
  return object;
}

test('a job selects its pods by its own uid', async () => {
  await using api = await TestServer.open();
  const job = await api.create(JOBS, minimal('batch', 'Job'));
  const { uid = '' } = job.metadata;
  assert.deepEqual(job.spec?.['selector'], { matchLabels: { 'batch.kubernetes.io/controller-uid': uid } });
  const labels = {
    'batch.kubernetes.io/controller-uid': uid,
    'batch.kubernetes.io/job-name': 'web',
    'controller-uid': uid,
    'job-name': 'web',
  };
  assert.deepEqual(getPath(job, 'spec', 'template', 'metadata', 'labels'), labels);
  assert.deepEqual(job.metadata.labels, labels);
});

test('a job whose author selects keeps his selector', async () => {
  await using api = await TestServer.open();
  const object = minimal('batch', 'Job');
  const labels = { app: 'web' };
  object['spec'] = {
    manualSelector: true,
    selector: { matchLabels: labels },
    template: { metadata: { labels }, spec: getPath(object, 'spec', 'template', 'spec') },
  };
  const job = await api.create(JOBS, object);
  assert.deepEqual(job.spec?.['selector'], { matchLabels: labels });
});

test('a signing request says who asks, and only its approval approves', async () => {
  await using api = await TestServer.open();
  const sent = minimal('certificates.k8s.io', 'CertificateSigningRequest');
  (sent['spec'] as JsonObject)['username'] = 'root';
  const request = await api.create(REQUESTS, sent);
  assert.equal(request.spec?.['username'], 'kubernetes-admin');
  assert.deepEqual(request.spec?.['groups'], ['system:masters']);

  const conditions = [{ type: 'Approved', status: 'True', reason: 'Test' }];
  const answered = { ...request, status: { conditions, certificate: 'YQ==' } };
  const main = await api.call('PUT', `${REQUESTS}/web`, answered);
  assert.deepEqual(objectsAt(main.body, 'status', 'conditions'), []);
  const early = await api.call('PUT', `${REQUESTS}/web/status`, {
    ...answered,
    metadata: main.body.metadata,
  });
  assert.equal(early.status, 422);
  assert.match(early.body.message ?? '', /updates may not add a condition of type "Approved"/);
  const approved = await api.call('PUT', `${REQUESTS}/web/approval`, {
    ...answered,
    metadata: main.body.metadata,
  });
  assert.equal(approved.status, 200, approved.body.message ?? '');
  assert.equal(stringAt(objectsAt(approved.body, 'status', 'conditions')[0], 'type'), 'Approved');
  assert.equal(stringAt(approved.body, 'status', 'certificate'), '', "the certificate is the signer's");
  const sign = (certificate: string): ReturnType<typeof api.call> =>
    api.call('PUT', `${REQUESTS}/web/status`, {
      ...approved.body,
      status: { ...approved.body.status, certificate },
    });
  assert.match((await sign('YQ==')).body.message ?? '', /must contain at least one CERTIFICATE PEM block/);
  assert.equal(stringAt((await sign(CERTIFICATE)).body, 'status', 'certificate'), CERTIFICATE);
});

test('an autoscaler in both versions', async () => {
  await using api = await TestServer.open();
  const old = minimal('autoscaling', 'HorizontalPodAutoscaler');
  (old['spec'] as JsonObject)['targetCPUUtilizationPercentage'] = 50;
  await api.create(AUTOSCALERS('v1'), old);
  const { body: now } = await api.call('GET', `${AUTOSCALERS('v2')}/web`);
  assert.equal(now.apiVersion, 'autoscaling/v2');
  assert.deepEqual(now.spec?.['metrics'], [
    { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } } },
  ]);
  const metrics = [
    { type: 'Pods', pods: { metric: { name: 'rps' }, target: { type: 'AverageValue', averageValue: '10' } } },
    {
      type: 'External',
      external: {
        metric: { name: 'q', selector: { matchLabels: { a: 'b' } } },
        target: { type: 'Value', value: '5' },
      },
    },
    {
      type: 'Object',
      object: {
        describedObject: { kind: 'Service', name: 'web' },
        metric: { name: 'hits' },
        target: { type: 'AverageValue', averageValue: '3' },
      },
    },
  ];
  const behavior = { scaleDown: { stabilizationWindowSeconds: 60 } };
  const changed = await api.call('PUT', `${AUTOSCALERS('v2')}/web`, {
    ...now,
    spec: { ...now.spec, metrics, behavior },
  });
  assert.equal(changed.status, 200, changed.body.message ?? '');
  const { body: seen } = await api.call('GET', `${AUTOSCALERS('v1')}/web`);
  assert.equal(seen.spec?.['targetCPUUtilizationPercentage'], undefined);
  const annotation = seen.metadata.annotations?.['autoscaling.alpha.kubernetes.io/metrics'] ?? '[]';
  assert.deepEqual(JSON.parse(annotation), [
    { type: 'Pods', pods: { metricName: 'rps', targetAverageValue: '10' } },
    {
      type: 'External',
      external: { metricName: 'q', metricSelector: { matchLabels: { a: 'b' } }, targetValue: '5' },
    },
    {
      type: 'Object',
      object: {
        target: { kind: 'Service', name: 'web' },
        metricName: 'hits',
        targetValue: '0',
        averageValue: '3',
      },
    },
  ]);
  // What a client of the old version writes back loses nothing.
  const back = await api.call('PUT', `${AUTOSCALERS('v1')}/web`, {
    ...seen,
    spec: { ...seen.spec, maxReplicas: 9 },
  });
  assert.equal(back.status, 200, back.body.message ?? '');
  const { body: last } = await api.call('GET', `${AUTOSCALERS('v2')}/web`);
  assert.deepEqual(last.spec, { ...changed.body.spec, maxReplicas: 9 });
  assert.equal(last.metadata.annotations, undefined);
});

test('a replication controller is scaled', async () => {
  await using api = await TestServer.open();
  const path = '/api/v1/namespaces/default/replicationcontrollers';
  await api.create(path, minimal('', 'ReplicationController'));
  const { body: scale } = await api.call('GET', `${path}/web/scale`);
  assert.deepEqual([scale.spec, scale.status], [{ replicas: 1 }, { replicas: 0, selector: 'app=web' }]);
  await api.call('PUT', `${path}/web/scale`, { ...scale, spec: { replicas: 4 } });
  const { body } = await api.call('GET', `${path}/web`);
  assert.deepEqual([body.spec?.['replicas'], body.metadata.generation], [4, 2]);
});

test('a claim names its source in both ways', async () => {
  await using api = await TestServer.open();
  const claim = minimal('', 'PersistentVolumeClaim');
  const source = { kind: 'PersistentVolumeClaim', name: 'other' };
  claim['spec'] = { ...(claim['spec'] as JsonObject), dataSource: source };
  const made = await api.create('/api/v1/namespaces/default/persistentvolumeclaims', claim);
  assert.deepEqual(made.spec?.['dataSourceRef'], source);
  assert.deepEqual(made.status, { phase: 'Pending' });
});

test('what a cluster has from the start', async () => {
  await using api = await TestServer.open();
  const names = async (path: string): Promise<string> =>
    ((await api.call('GET', path)).body.items ?? []).map(({ metadata }) => metadata.name).join(' ');
  assert.equal(
    await names('/apis/scheduling.k8s.io/v1/priorityclasses'),
    'system-cluster-critical system-node-critical',
  );
  assert.equal(
    await names('/apis/flowcontrol.apiserver.k8s.io/v1/prioritylevelconfigurations'),
    'catch-all exempt global-default leader-election node-high system workload-high workload-low',
  );
  assert.match(await names('/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas'), /^catch-all .*system-nodes/);
  assert.equal(await names('/apis/networking.k8s.io/v1/servicecidrs'), 'kubernetes');
  assert.equal(await names('/apis/networking.k8s.io/v1/ipaddresses'), '10.96.0.1');
  const refused = await api.call('DELETE', '/apis/scheduling.k8s.io/v1/priorityclasses/system-node-critical');
  assert.deepEqual([refused.status, refused.body.reason], [403, 'Forbidden']);
});

test('a daemon set counts the changes of its template', async () => {
  await using api = await TestServer.open();
  const path = '/apis/apps/v1/namespaces/default/daemonsets';
  const count = (set: JsonObject) =>
    stringAt(set, 'metadata', 'annotations', 'deprecated.daemonset.template.generation');
  const set = await api.create(path, minimal('apps', 'DaemonSet'));
  assert.equal(count(set), '1');
  const change = async (patch: JsonObject) =>
    api.call('PATCH', `${path}/web`, patch, { 'content-type': 'application/merge-patch+json' });
  assert.equal(count((await change({ spec: { minReadySeconds: 3 } })).body), '1');
  const template = { spec: { terminationGracePeriodSeconds: 5 } };
  assert.equal(count((await change({ spec: { template } })).body), '2');
  // Who says nothing about it says 0, and so owns it.
  const put = await api.call('PUT', `${path}/web?fieldManager=two`, minimal('apps', 'DaemonSet'));
  const [mine] = objectsAt(put.body, 'metadata', 'managedFields').filter(({ manager }) => manager === 'two');
  assert.ok(JSON.stringify(mine).includes('"f:deprecated.daemonset.template.generation"'));
  const { status } = await change({
    metadata: { annotations: { 'deprecated.daemonset.template.generation': 'x' } },
  });
  assert.equal(status, 400);
});

test('fields of features that are off are not kept', async () => {
  await using api = await TestServer.open();
  const deployment = minimal('apps', 'Deployment');
  const spec = getPath(deployment, 'spec', 'template', 'spec') as JsonObject;
  spec['schedulingGroup'] = { podGroupName: 'group' };
  const [container] = objectsAt(spec, 'containers');
  (container as JsonObject)['lifecycle'] = { stopSignal: 'SIGTERM' };
  spec['volumes'] = [
    { name: 'v', projected: { sources: [{ clusterTrustBundle: { name: 'b', path: 'p' } }] } },
  ];
  const made = await api.create('/apis/apps/v1/namespaces/default/deployments', deployment);
  const kept = getPath(made, 'spec', 'template', 'spec');
  assert.equal(getPath(kept, 'schedulingGroup'), undefined);
  assert.equal(objectsAt(kept, 'containers')[0]?.['lifecycle'], undefined);
  assert.deepEqual(objectsAt(kept, 'volumes')[0]?.['projected'], { defaultMode: 420, sources: [{}] });
});

const PODS = '/api/v1/namespaces/default/pods';

test("a new pod's label keys are expressions of its labels", async () => {
  await using api = await TestServer.open();
  const pod = minimal('', 'Pod');
  (pod['metadata'] as JsonObject)['labels'] = { version: 'a', tenant: 'b' };
  const term = {
    topologyKey: 'zone',
    labelSelector: {},
    matchLabelKeys: ['version', 'absent'],
    mismatchLabelKeys: ['tenant'],
  };
  const spread = {
    maxSkew: 1,
    topologyKey: 'zone',
    whenUnsatisfiable: 'ScheduleAnyway',
    labelSelector: {},
    matchLabelKeys: ['version'],
  };
  Object.assign(pod['spec'] as JsonObject, {
    affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term] } },
    topologySpreadConstraints: [spread],
  });
  const made = await api.create(PODS, pod);
  const version = { key: 'version', operator: 'In', values: ['a'] };
  const [found] = objectsAt(
    made,
    ...['spec', 'affinity', 'podAffinity', 'requiredDuringSchedulingIgnoredDuringExecution'],
  );
  assert.deepEqual(getPath(found, 'labelSelector', 'matchExpressions'), [
    version,
    { key: 'tenant', operator: 'NotIn', values: ['b'] },
  ]);
  const [constraint] = objectsAt(made, 'spec', 'topologySpreadConstraints');
  assert.deepEqual(getPath(constraint, 'labelSelector', 'matchExpressions'), [version]);
});

test('an annotation of a profile becomes a field, with a warning', async () => {
  await using api = await TestServer.open();
  const pod = minimal('', 'Pod');
  const [container] = objectsAt(pod, 'spec', 'containers');
  const key = `container.apparmor.security.beta.kubernetes.io/${stringAt(container, 'name')}`;
  (pod['metadata'] as JsonObject)['annotations'] = { [key]: 'localhost/mine' };
  const { body } = await api.call('POST', PODS, pod);
  const [made] = objectsAt(body, 'spec', 'containers');
  assert.deepEqual(getPath(made, 'securityContext', 'appArmorProfile'), {
    type: 'Localhost',
    localhostProfile: 'mine',
  });
});

test('a pod is of the class that it has as a whole', async () => {
  await using api = await TestServer.open();
  const pod = minimal('', 'Pod');
  Object.assign(pod['spec'] as JsonObject, {
    resources: { limits: { cpu: '1', memory: '1Gi' } },
    terminationGracePeriodSeconds: -1,
  });
  const made = await api.create(PODS, pod);
  assert.deepEqual(getPath(made, 'spec', 'resources', 'requests'), { cpu: '1', memory: '1Gi' });
  assert.equal(getPath(made, 'spec', 'terminationGracePeriodSeconds'), 1);
  assert.equal(getPath(made, 'status', 'qosClass'), 'Guaranteed');
  const told = await api.create(PODS, {
    ...pod,
    metadata: { name: 'told' },
    status: { qosClass: 'Burstable' },
  });
  assert.equal(getPath(told, 'status', 'qosClass'), 'Burstable');
});

test('a PUT of what nobody changes unseen has to say which state it changes', async () => {
  await using api = await TestServer.open();
  const path = '/apis/storage.k8s.io/v1/csidrivers';
  const driver = { apiVersion: 'storage.k8s.io/v1', kind: 'CSIDriver', metadata: { name: 'a.io' }, spec: {} };
  const { metadata } = await api.create(path, driver);
  const unseen = await api.call('PUT', `${path}/a.io`, driver);
  assert.equal(unseen.status, 422);
  assert.equal(
    unseen.body.message,
    'csidrivers.storage.k8s.io "a.io" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for an update',
  );
  const seen = await api.call('PUT', `${path}/a.io`, {
    ...driver,
    metadata: { name: 'a.io', resourceVersion: metadata.resourceVersion },
    spec: { podInfoOnMount: true },
  });
  assert.equal(seen.status, 200);
  assert.equal(seen.body.metadata.generation, 1);
});
